// What SRTP adds to a packet of a recorder that has many streams: unprotecting 172 octets (20 ms of
// G.711) under the keys of 2,000 streams in turn, so that no context is in the nearest cache when
// its turn comes. Beside it the copy into place that each round needs, to be taken away.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/random.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of one file

namespace {

constexpr std::size_t kStreams = 2000;
constexpr std::size_t kPackets = 32;  // of each stream, protected beforehand
constexpr std::size_t kPlainBytes = 172;
constexpr std::size_t kRoom = kPlainBytes + srtp::kMaxRtpOverheadBytes;
using Packet = std::array<std::uint8_t, kRoom>;

struct Traffic {
    std::vector<srtp::MasterKey> keys;
    std::vector<std::vector<Packet>> packets;  // [stream][packet]
    std::size_t size = 0;
};

Traffic make_traffic(srtp::Suite suite) {
    base::SeededRandom random(1);
    Traffic traffic;
    traffic.packets.resize(kStreams);
    for (std::size_t i = 0; i < kStreams; ++i) {
        traffic.keys.push_back(srtp::MasterKey::generate(suite, random));
        srtp::Sender sender(traffic.keys.back());
        for (std::size_t n = 0; n < kPackets; ++n) {
            Packet packet{0x80, 0, 0, static_cast<std::uint8_t>(n)};
            packet[10] = static_cast<std::uint8_t>(i >> 8U);
            packet[11] = static_cast<std::uint8_t>(i);
            traffic.size = *sender.protect_rtp(packet, kPlainBytes);
            traffic.packets[i].push_back(packet);
        }
    }
    return traffic;
}

void unprotect(benchmark::State& state) {
    const auto suite = static_cast<srtp::Suite>(state.range(0));
    state.SetLabel(std::string{base::to_string(suite)});
    const Traffic traffic = make_traffic(suite);
    std::vector<srtp::Receiver> receivers;
    std::size_t stream = kStreams;
    std::size_t number = kPackets;
    Packet place{};
    for (auto _ : state) {
        if (stream == kStreams) {
            stream = 0;
            if (++number >= kPackets) {  // all have been taken: new contexts, not timed
                state.PauseTiming();
                number = 0;
                receivers.clear();
                for (const srtp::MasterKey& key : traffic.keys) receivers.emplace_back(key);
                state.ResumeTiming();
            }
        }
        place = traffic.packets[stream][number];
        const auto taken = receivers[stream].unprotect_rtp(std::span(place).first(traffic.size));
        if (!taken) state.SkipWithError("not authentic");
        benchmark::DoNotOptimize(place);
        ++stream;
    }
}

void copy_alone(benchmark::State& state) {
    const Traffic traffic = make_traffic(srtp::Suite::AesCm128Sha1_80);
    std::size_t at = 0;
    Packet place{};
    for (auto _ : state) {
        place = traffic.packets[at % kStreams][at / kStreams % kPackets];
        benchmark::DoNotOptimize(place);
        ++at;
    }
}

}  // namespace

BENCHMARK(copy_alone);
BENCHMARK(unprotect)->DenseRange(0, base::kSrtpSuites - 1);
