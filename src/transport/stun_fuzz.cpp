// Any datagram at the SIP port: answered or not, in bounds, and never by more than a few octets.
#include <cstdlib>

#include "transport/stun_binding.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const earshot::base::NetAddress source{.ip = {0x20, 0x01, 0x0d, 0xb8}, .port = 5060};
    const auto answer = earshot::transport::answer_stun_binding({data, size}, source);
    if (answer && answer->size() > size + 24) std::abort();
    return 0;
}
