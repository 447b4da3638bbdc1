// What mixing a conference costs: CPU time of one core, as a share of the time that is mixed, with
// all participants speaking at once, or one of them. Decoding, resampling, mixing, encoding; no
// sockets. Opus is decoded by another process: what that takes stands beside it.
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
#include "focus/opus_encoder.h"
#include "opus/decoders.h"
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
std::vector<base::Bytes> make_payloads(focus::MixCodec codec, double hz, double amplitude) {
    std::vector<base::Bytes> payloads;
    audio::G722Encoder encoder;
    focus::SpeechEncoder opus({});
    std::size_t said = 0;
    for (int i = 0; i < 50; ++i) {
        const bool is_opus = codec == focus::MixCodec::Opus;
        const bool is_wide = is_opus || codec == focus::MixCodec::G722;
        std::vector<std::int16_t> samples(is_wide ? 2 * kTick : kTick);
        for (std::int16_t& sample : samples)
            sample = static_cast<std::int16_t>(
                amplitude * std::sin(2 * std::numbers::pi * hz * static_cast<double>(said++) /
                                     (is_wide ? 16'000 : 8'000)));
        base::Bytes& payload = payloads.emplace_back();
        if (is_opus) {
            opus.encode(samples, false, payload);
        } else if (is_wide) {
            encoder.encode(samples, payload);
        } else {
            payload.resize(kTick);
            audio::encode_g711(audio::G711Law::Mu, samples, payload);
        }
    }
    return payloads;
}

struct Cost {  // shares of a core
    double focus = 0;
    double decoder = 0;
};

std::uint8_t type_of(focus::MixCodec codec) {
    if (codec == focus::MixCodec::Opus) return 111;
    return codec == focus::MixCodec::G722 ? 9 : 0;
}

Cost measure(std::size_t participants, std::size_t speakers, int seconds, focus::MixCodec codec) {
    focus::Mixer mixer;
    const focus::MixFormat format{.payload_type = type_of(codec), .codec = codec};
    const std::uint32_t step = focus::clock_rate_of(codec) / 50;
    std::vector<std::vector<base::Bytes>> voices;
    std::vector<rtp::RtpHeader> headers;
    for (std::size_t i = 0; i < participants; ++i) {
        const auto number = static_cast<std::uint32_t>(i + 1);
        mixer.add(number, number, {.ssrc = number},
                  {.formats = {format}, .hears = format, .levels_id = 2});
        voices.push_back(
            make_payloads(codec, 200.0 + 50.0 * static_cast<double>(i), i < speakers ? 3'000 : 0));
        headers.push_back({.payload_type = format.payload_type, .ssrc = number});
    }
    opus::Decoders decoders;
    base::Bytes packet;
    base::Bytes asked;
    std::vector<std::int16_t> samples;
    Cost cost;
    for (int tick = 0; tick < seconds * 50; ++tick) {
        const double before = cpu_seconds();
        for (std::size_t i = 0; i < participants; ++i) {
            rtp::write_rtp(headers[i], voices[i][static_cast<std::size_t>(tick) % 50], packet);
            ++headers[i].sequence;
            headers[i].timestamp += step;
            mixer.on_packet(i + 1, packet);
        }
        if (mixer.tick().size() != participants) std::abort();
        asked.clear();
        for (const focus::OpusInput::Question& one : mixer.questions())
            voice::append_record({.kind = one.kind,
                                  .samples = one.samples,
                                  .stream = one.stream,
                                  .ticket = one.ticket,
                                  .room = 1,
                                  .member = one.member,
                                  .body = one.packet},
                                 asked);
        const double mixed = cpu_seconds();
        base::Bytes answers;
        static_cast<void>(decoders.on_message(
            asked, [&](base::ByteView message) { base::append(answers, message); }));
        const double decoded = cpu_seconds();
        base::ByteView rest(answers);
        while (const auto answer = voice::take_record(rest)) {
            voice::read_samples(answer->body, samples);
            mixer.on_decoded(answer->member, answer->stream, answer->ticket, samples);
        }
        cost.focus += mixed - before + cpu_seconds() - decoded;
        cost.decoder += decoded - mixed;
    }
    return {cost.focus / seconds, cost.decoder / seconds};
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t participants = argc > 1 ? std::stoul(argv[1]) : 20;
    const int seconds = argc > 2 ? std::stoi(argv[2]) : 20;
    for (const auto& [name, codec] :
         {std::pair{"G.711", focus::MixCodec::Pcmu}, std::pair{"G.722", focus::MixCodec::G722},
          std::pair{"Opus", focus::MixCodec::Opus}})
        for (const std::size_t speakers : {participants, std::size_t{1}}) {
            const Cost cost = measure(participants, speakers, seconds, codec);
            fmt::print("{} participants, {} speaking, {}: {:.1f} % of a core", participants,
                       speakers, name, 100 * cost.focus);
            if (codec == focus::MixCodec::Opus)
                fmt::print(", and {:.1f} % in the decoder", 100 * cost.decoder);
            fmt::print("\n");
        }
    return 0;
}
