// What can be read can be written, and reads the same again.
#include <cstdlib>

#include "base/bytes.h"
#include "mime/cpim.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    using namespace earshot::mime;
    const std::string_view text = earshot::base::as_text({input, size});
    const auto head = parse_cpim(text);
    if (!head) return 0;
    if (head->content_at > text.size()) std::abort();
    const std::string written = write_cpim(*head);
    const auto again = parse_cpim(written);
    if (!again) return 0;  // nothing but MIME headers, or past a limit by declarations
    if (again->to.size() != head->to.size() || again->cc.size() != head->cc.size()) std::abort();
    if (again->others.size() != head->others.size()) std::abort();
    if (again->content_at > written.size()) std::abort();
    return 0;
}
