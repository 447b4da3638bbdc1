// Any packets for each depacketiser: the first byte chooses codec and parameters, then packets of
// one byte of flags, one of length and the payload. No crash; no unit larger than its packets and
// what is put in front of them.
#include <array>
#include <cstdlib>

#include "payload/depacketiser.h"
#include "payload/limits.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    struct Kind {
        const char* encoding;
        const char* fmtp;
    };
    constexpr std::array kKinds{Kind{"H264",
                                     "packetization-mode=1;sprop-parameter-sets="
                                     "Z2QADKzZQUH7ARAAAAMAEAAAAwCg8UKZYA==,aOvjyyLA"},
                                Kind{"H264", "packetization-mode=2;sprop-interleaving-depth=3"},
                                Kind{"H265", ""},
                                Kind{"H265", "sprop-max-don-diff=2;sprop-depack-buf-nalus=3"},
                                Kind{"VP8", ""},
                                Kind{"VP9", ""},
                                Kind{"AV1", ""},
                                Kind{"opus", ""}};
    if (size == 0) return 0;
    const Kind& kind = kKinds[(bytes[0] & 0x7f) % kKinds.size()];
    const auto framing =
        bytes[0] < 0x80 ? payload::Framing::AnnexB : payload::Framing::LengthPrefixed;
    const auto depacketiser = payload::make_depacketiser(kind.encoding, kind.fmtp, framing);
    base::ByteView rest = base::ByteView{bytes, size}.subspan(1);
    payload::Packet packet{.sequence = 1, .timestamp = 0, .payload = {}};
    const auto drain = [&] {
        while (const auto unit = depacketiser->poll()) {
            if (unit->bytes.size() > 16 * size + 65'536) std::abort();
            if (unit->first_sequence > unit->last_sequence) std::abort();
        }
    };
    while (rest.size() >= 2) {
        // |marker|lost 2|timestamp steps 2|longer 3|
        const std::uint8_t flags = rest[0];
        const std::size_t wanted = rest[1] + std::size_t{flags & 0x07U} * 256;
        rest = rest.subspan(2);
        packet.payload = rest.first(std::min(rest.size(), wanted));
        packet.marker = (flags & 0x80) != 0;
        packet.sequence += 1 + (flags >> 5 & 0x03U);
        packet.timestamp += (flags >> 3 & 0x03) * 3000;
        depacketiser->on_packet(packet);
        rest = rest.subspan(packet.payload.size());
        drain();
    }
    depacketiser->finish();
    drain();
    static_cast<void>(depacketiser->decoder_setup());
    return 0;
}
