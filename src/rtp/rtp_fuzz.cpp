// Any bytes as an RTP packet and as the payloads that we look into.
#include "rtp/comfort_noise.h"
#include "rtp/demux.h"
#include "rtp/header_extension.h"
#include "rtp/rtp_packet.h"
#include "rtp/source_filter.h"
#include "rtp/telephone_event.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    // A stream: each packet is preceded by one byte of length, so that state is reached too.
    rtp::SourceFilter filter;
    rtp::DtmfDetector detector;
    base::ByteView rest(bytes, size);
    std::int64_t arrival_ns = 0;
    while (!rest.empty()) {
        const std::size_t length = std::min<std::size_t>(rest[0], rest.size() - 1);
        const base::ByteView packet = rest.subspan(1, length);
        rest = rest.subspan(1 + length);
        arrival_ns += 20'000'000;
        (void)rtp::classify(packet);
        const auto header = rtp::parse_rtp(packet);
        if (!header) continue;
        const rtp::RtpExtension extension = rtp::rtp_extension(packet, *header);
        for (const int id : {1, 3, 14, 255})
            (void)rtp::find_element(extension, static_cast<std::uint8_t>(id));
        const base::ByteView payload = rtp::rtp_payload(packet, *header);
        (void)rtp::parse_comfort_noise(payload);
        if (filter.on_packet({}, *header, arrival_ns) == rtp::SourceVerdict::RejectHost) return 0;
        if (const auto event = rtp::parse_telephone_event(payload)) {
            detector.on_packet(header->timestamp, arrival_ns, *event);
        }
        while (detector.poll_digit()) {
        }
    }
    (void)filter.settle();
    detector.finish();
    return 0;
}
