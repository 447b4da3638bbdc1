// Any RTP packets for a reader that knows every payload type: each has two bytes of length.
#include <cstdlib>

#include "payload/unit_reader.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    payload::UnitReader reader(
        {{.payload_type = 96, .encoding = "VP8", .fmtp = ""},
         {.payload_type = 97, .encoding = "rtx", .fmtp = "apt=96"},
         {.payload_type = 98, .encoding = "H264", .fmtp = ""},
         {.payload_type = 99, .encoding = "red", .fmtp = ""},
         {.payload_type = 100, .encoding = "ulpfec", .fmtp = ""},
         {.payload_type = 101, .encoding = "flexfec-03", .fmtp = ""},
         {.payload_type = 102, .encoding = "flexfec", .fmtp = ""},
         {.payload_type = 0, .encoding = "PCMU", .clock_rate = 8000, .fmtp = ""}});
    base::ByteView rest{bytes, size};
    std::int64_t arrival_ns = 0;
    std::size_t packets = 0;
    while (rest.size() >= 2) {
        const std::size_t wanted = base::load_u16(rest, 0) % 2048;
        rest = rest.subspan(2);
        const base::ByteView packet = rest.first(std::min(rest.size(), wanted));
        reader.on_rtp(packet, arrival_ns += 50'000'000);
        rest = rest.subspan(packet.size());
        ++packets;
    }
    reader.finish();
    // A packet of redundant data holds up to 32 of others.
    std::size_t units = 0;
    while (reader.poll()) ++units;
    if (units > 32 * packets) std::abort();
    return 0;
}
