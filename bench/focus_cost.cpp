// What mixing a conference costs: CPU time of one core, as a share of the time that is mixed, with
// all participants speaking at once. Decoding, resampling, mixing, encoding; no sockets.
//   focus_cost [PARTICIPANTS [SECONDS]]
#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <numbers>
#include <string>
#include <vector>

#include "audio/g711.h"
#include "audio/g722.h"
#include "focus/mixer.h"
#include "rtp/rtp_packet.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of one file

namespace {

constexpr std::size_t kTick = 160;

double cpu_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// A second of one phone's tone, encoded beforehand.
std::vector<base::Bytes> make_payloads(focus::MixCodec codec, double hz) {
    std::vector<base::Bytes> payloads;
    audio::G722Encoder encoder;
    std::size_t said = 0;
    for (int i = 0; i < 50; ++i) {
        const bool is_wide = codec == focus::MixCodec::G722;
        std::vector<std::int16_t> samples(is_wide ? 2 * kTick : kTick);
        for (std::int16_t& sample : samples)
            sample = static_cast<std::int16_t>(
                3000 * std::sin(2 * std::numbers::pi * hz * static_cast<double>(said++) /
                                (is_wide ? 16'000 : 8'000)));
        base::Bytes& payload = payloads.emplace_back();
        if (is_wide) {
            encoder.encode(samples, payload);
        } else {
            payload.resize(kTick);
            audio::encode_g711(audio::G711Law::Mu, samples, payload);
        }
    }
    return payloads;
}

double share_of_core(std::size_t participants, int seconds, focus::MixCodec codec) {
    focus::Mixer mixer;
    const focus::MixFormat format{
        .payload_type = static_cast<std::uint8_t>(codec == focus::MixCodec::G722 ? 9 : 0),
        .codec = codec};
    std::vector<std::vector<base::Bytes>> voices;
    std::vector<rtp::RtpHeader> headers;
    for (std::size_t i = 0; i < participants; ++i) {
        const auto number = static_cast<std::uint32_t>(i + 1);
        mixer.add(number, number, {.ssrc = number},
                  {.formats = {format}, .hears = format, .levels_id = 2});
        voices.push_back(make_payloads(codec, 200.0 + 50.0 * static_cast<double>(i)));
        headers.push_back({.payload_type = format.payload_type, .ssrc = number});
    }
    base::Bytes packet;
    const double before = cpu_seconds();
    for (int tick = 0; tick < seconds * 50; ++tick) {
        for (std::size_t i = 0; i < participants; ++i) {
            rtp::write_rtp(headers[i], voices[i][static_cast<std::size_t>(tick) % 50], packet);
            ++headers[i].sequence;
            headers[i].timestamp += kTick;
            mixer.on_packet(i + 1, packet);
        }
        if (mixer.tick().size() != participants) std::abort();
    }
    return (cpu_seconds() - before) / seconds;
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t participants = argc > 1 ? std::stoul(argv[1]) : 20;
    const int seconds = argc > 2 ? std::stoi(argv[2]) : 20;
    for (const auto& [name, codec] :
         {std::pair{"G.711", focus::MixCodec::Pcmu}, std::pair{"G.722", focus::MixCodec::G722}})
        fmt::print("{} participants, {}: {:.1f} % of a core\n", participants, name,
                   100 * share_of_core(participants, seconds, codec));
    return 0;
}
