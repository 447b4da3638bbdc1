// Any datagrams at either role of a handshake: it never connects, for no certificate is right, and
// keeps to its limits. Each datagram of the input: two octets of length, then the octets.
#include <cstdlib>

#include "srtp/dtls_endpoint.h"
#include "srtp/limits.h"

namespace srtp = earshot::srtp;

namespace {

const srtp::DtlsIdentity& identity() {
    static const srtp::DtlsIdentity kMade = *srtp::DtlsIdentity::make({});
    return kMade;
}

void feed(srtp::DtlsRole role, earshot::base::ByteView input) {
    srtp::DtlsEndpoint endpoint(identity(), role, {});
    earshot::base::TimePoint now{};
    endpoint.start(now);
    std::size_t sent = 0;
    while (input.size() > 2) {
        const std::size_t size =
            std::min<std::size_t>(earshot::base::load_u16(input, 0), input.size() - 2);
        endpoint.on_datagram(now, input.subspan(2, size));
        input = input.subspan(2 + size);
        now += std::chrono::milliseconds(100);
        endpoint.on_time(now);
        while (const auto datagram = endpoint.poll_datagram()) {
            if (datagram->size() > srtp::kDtlsMtuBytes || ++sent > 10'000) std::abort();
        }
        if (endpoint.state() == srtp::DtlsState::Connected || endpoint.take_keys()) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    feed(srtp::DtlsRole::Server, {input, size});
    feed(srtp::DtlsRole::Client, {input, size});
    return 0;
}
