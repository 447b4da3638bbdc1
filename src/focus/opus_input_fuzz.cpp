// A voice in Opus, of which each packet, the order of the ticks, and the answers are a stranger's.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "focus/opus_input.h"
#include "rtp/rtp_packet.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of one file

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    base::ByteView in(data, size);
    focus::OpusInput voice(111, 0);
    std::vector<focus::OpusInput::Question> questions;
    std::array<std::int32_t, focus::OpusInput::kTickSamples> sum{};
    rtp::RtpHeader header{.payload_type = 111, .ssrc = 1};
    base::Bytes packet;
    // What to do, and how much of it.
    while (in.size() >= 2) {
        const unsigned deed = in[0] & 7U;
        const std::size_t more = in[1];
        in = in.subspan(2);
        const base::ByteView octets = in.first(std::min(more, in.size()));
        switch (deed) {
            case 0:  // a packet, whole
                in = in.subspan(octets.size());
                voice.on_packet(octets);
                break;
            case 1:  // a payload in its turn
                in = in.subspan(octets.size());
                rtp::write_rtp(header, octets, packet);
                ++header.sequence;
                header.timestamp += 960;
                voice.on_packet(packet);
                break;
            case 2:
                header.timestamp += static_cast<std::uint32_t>(more) << 4U;
                break;
            case 3:
                header.timestamp -= static_cast<std::uint32_t>(more) << 12U;
                break;
            case 4:
                header.ssrc = static_cast<std::uint32_t>(more);
                break;
            default: {
                if (deed == 5)  // answers of any length, or none
                    for (const auto& one : questions)
                        voice.on_decoded(one.stream, one.ticket,
                                         std::vector<std::int16_t>(8 * more, 1));
                questions.clear();
                sum.fill(0);
                static_cast<void>(voice.add_to(sum, questions));
                // 2.5 ms at least each, of no more than a tick and a packet.
                if (questions.size() > 16) std::abort();
                for (const auto& one : questions)
                    if (one.samples == 0 || one.samples > voice::kMaxSamples ||
                        one.packet.size() > voice::kMaxPacketBytes)
                        std::abort();
                for (const std::int32_t sample : sum)
                    if (sample != 0 && sample != 1) std::abort();
            }
        }
    }
    return 0;
}
