// Any text as an a=crypto value: what is taken has keys of the suite's length that the MKI tells
// apart, and its first key, written again, reads the same.
#include <cstdlib>

#include "base/bytes.h"
#include "sdp/crypto_attribute.h"
#include "sdp/limits.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const auto read = sdp::read_crypto(base::as_text({bytes, size}));
    if (!read) return 0;
    if (read->keys.empty() || read->keys.size() > sdp::kMaxSrtpKeys) std::abort();
    for (const base::SrtpMasterKey& key : read->keys)
        if (key.suite() != read->suite() || key.mki().size() > base::kMaxMkiBytes) std::abort();
    const auto again = sdp::read_crypto(sdp::write_crypto(read->tag, read->keys.front()));
    if (!again || again->tag != read->tag || !(again->keys.front() == read->keys.front()))
        std::abort();
    return 0;
}
