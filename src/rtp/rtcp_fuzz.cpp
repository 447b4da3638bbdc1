// Any bytes as an RTCP compound; what was read is written again and must read the same.
#include <cstdlib>

#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const auto packets = rtp::parse_rtcp({bytes, size});
    if (!packets) return 0;
    for (const rtp::RtcpPacket& packet : *packets) {
        base::Bytes written;
        if (const auto* report = std::get_if<rtp::SenderReport>(&packet)) {
            rtp::append_sender_report(*report, written);
        } else if (const auto* receiver = std::get_if<rtp::ReceiverReport>(&packet)) {
            rtp::append_receiver_report(*receiver, written);
        } else {
            if (const auto* other = std::get_if<rtp::OtherRtcp>(&packet))
                static_cast<void>(rtp::parse_feedback(*other));
            continue;
        }
        const auto again = rtp::parse_rtcp(written);
        if (!again || again->size() != 1) std::abort();
        if (const auto* report = std::get_if<rtp::SenderReport>(&packet)) {
            if (!(std::get<rtp::SenderReport>(again->front()) == *report)) std::abort();
        } else if (!(std::get<rtp::ReceiverReport>(again->front()) ==
                     std::get<rtp::ReceiverReport>(packet))) {
            std::abort();
        }
    }
    return 0;
}
