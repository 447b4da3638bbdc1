// Any text as a key file: refused, or it says the same when it is written again.
#include <cstdlib>

#include "keys/kek_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
    const auto file = keys::parse_kek_file(base::as_text({data, size}));
    if (!file) return 0;
    const auto again = keys::parse_kek_file(keys::to_text(*file));
    if (!again || again->content != file->content || again->check != file->check ||
        again->is_sealed != file->is_sealed)
        std::abort();
    return 0;
}
