// Any media and FEC packets: each has a byte that says what it is and two of length. What comes
// back is an RTP packet, and no more of them than there were FEC packets.
#include <cstdlib>

#include "payload/fec.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    payload::FecRecovery recovery;
    base::ByteView rest{bytes, size};
    std::size_t parities = 0;
    const std::array<std::uint32_t, 2> protects{1, 2};
    while (rest.size() >= 3) {
        const std::uint8_t kind = rest[0] % 4;
        const std::size_t wanted = base::load_u16(rest, 1) % 2048;
        rest = rest.subspan(3);
        const base::ByteView packet = rest.first(std::min(rest.size(), wanted));
        rest = rest.subspan(packet.size());
        if (kind == 0) {
            recovery.on_media(packet);
        } else {
            const auto scheme = static_cast<payload::FecScheme>(kind - 1);
            if (recovery.on_fec(scheme, packet, protects)) ++parities;
        }
    }
    std::size_t recovered = 0;
    while (const auto packet = recovery.poll()) {
        if (packet->size() < 12 || (*packet)[0] >> 6U != 2) std::abort();
        ++recovered;
    }
    if (recovered > parities) std::abort();
    return 0;
}
