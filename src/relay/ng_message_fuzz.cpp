// What is read and written again is read as the same, and in no more octets than it came.
#include <cstdlib>

#include "base/bytes.h"
#include "relay/ng_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
    const base::ByteView datagram{input, size};
    const auto once = relay::parse_ng(datagram);
    if (!once) return 0;
    const base::Bytes written = relay::write_ng(once->cookie, once->dictionary);
    const auto again = relay::parse_ng(written);
    const bool is_same = again && again->cookie == once->cookie &&
                         again->dictionary == once->dictionary && written.size() == size;
    if (!is_same || relay::ng_cookie(datagram) != once->cookie) std::abort();
    return 0;
}
