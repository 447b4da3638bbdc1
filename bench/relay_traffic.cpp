// The phones and the recording server of K relayed calls:
// relay_traffic PHONES SERVER SECONDS reads lines "CALL HOST:PORT HOST:PORT" (where each party's
// media go), lets each party send 50 packets a second of 160 octets, takes what the relay passes on
// and what it forks, and prints JSON: what was sent, what came, and how long it took from just
// before the sending to the kernel's stamp of its arrival. Calls are spread evenly over the 20 ms.
#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "base/time.h"
#include "io/limits.h"
#include "io/socket_address.h"
#include "io/udp_socket.h"
#include "relay_calls.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSlotTime{1};
constexpr std::chrono::milliseconds kLate{5};
constexpr int kReceiveBuffer = 4 << 20;
constexpr std::uint64_t kPacketsPerSecond = 50;

std::int64_t now_ns() {
    return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds{1};
}

void store(std::span<std::uint8_t> bytes, std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i-- > 0; value >>= 8)
        bytes[at + i] = static_cast<std::uint8_t>(value);
}

// Of what came one way: numbers and delays in us, those over a second as one.
class Arrivals {
public:
    explicit Arrivals(std::size_t streams) : next_(streams, 0), delays_(kMostUs + 1, 0) {}

    void add(std::size_t stream, std::uint64_t packet, std::int64_t delay_ns) {
        if (stream >= next_.size()) {
            ++foreign_;
            return;
        }
        if (packet < next_[stream]) ++disordered_;  // or doubled
        next_[stream] = std::max(next_[stream], packet + 1);
        ++received_;
        const auto us = std::clamp<std::int64_t>(delay_ns / 1000, 0, kMostUs);
        ++delays_[static_cast<std::size_t>(us)];
    }
    nlohmann::json tell() const {
        return {{"received", received_}, {"disordered", disordered_}, {"foreign", foreign_},
                {"p50_us", share(0.5)},  {"p99_us", share(0.99)},     {"p999_us", share(0.999)},
                {"most_us", share(1.0)}};
    }

private:
    static constexpr std::int64_t kMostUs = 1'000'000;
    std::size_t share(double part) const {
        const auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(received_));
        std::uint64_t sum = 0;
        for (std::size_t us = 0; us < delays_.size(); ++us) {
            sum += delays_[us];
            if (sum > 0 && sum >= wanted) return us;
        }
        return 0;
    }

    std::vector<std::uint64_t> next_;
    std::vector<std::uint64_t> delays_;
    std::uint64_t received_ = 0;
    std::uint64_t disordered_ = 0;
    std::uint64_t foreign_ = 0;
};

struct Stream {
    std::size_t call = 0;
    std::size_t party = 0;
    io::SocketAddress target;
};

class Traffic {
public:
    Traffic(const base::NetAddress& phones, const base::NetAddress& server,
            const std::vector<std::array<base::NetAddress, bench::kParties>>& targets)
        : relayed_(targets.size() * bench::kParties), forked_(targets.size() * bench::kParties) {
        for (std::size_t slot = 0; slot < bench::kSlots; ++slot)
            for (std::size_t party = 0; party < bench::kParties; ++party) {
                phones_[slot].push_back(open(bench::phone(phones, slot, party)));
                servers_[slot].push_back(open(bench::recorder(server, slot, party)));
            }
        for (std::size_t call = 0; call < targets.size(); ++call)
            for (std::size_t party = 0; party < bench::kParties; ++party)
                streams_[call % bench::kSlots].push_back(
                    {call, party, io::to_socket_address(targets[call][party])});
    }

    // Deadlines are absolute; after a stall what is due goes out at twice the pace.
    nlohmann::json run(std::uint64_t packets) {
        const auto begin = Clock::now();
        auto not_before = begin;
        const std::uint64_t slots = packets * bench::kSlots;
        std::uint64_t late = 0;
        for (std::uint64_t slot = 0; slot < slots; ++slot) {
            const Clock::time_point due = begin + static_cast<std::int64_t>(slot) * kSlotTime;
            std::this_thread::sleep_until(std::max(due, not_before));
            not_before = Clock::now() + kSlotTime / 2;
            if (Clock::now() - due > kLate) ++late;
            speak(slot % bench::kSlots, slot / bench::kSlots);
            listen((slot + bench::kSlots / 2) % bench::kSlots);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        for (std::size_t slot = 0; slot < bench::kSlots; ++slot) listen(slot);
        return {{"sent", sent_},
                {"unsent", unsent_},
                {"slots", slots},
                {"late_slots", late},
                {"seconds", std::chrono::duration<double>(Clock::now() - begin).count()},
                {"own_drops", own_drops()},
                {"relayed", relayed_.tell()},
                {"forked", forked_.tell()}};
    }

private:
    static io::UdpSocket open(const base::NetAddress& at) {
        auto socket = io::UdpSocket::bind(at, {.receive_buffer_bytes = kReceiveBuffer});
        if (!socket) throw std::runtime_error("cannot bind " + to_string(at));
        return *std::move(socket);
    }
    void speak(std::size_t slot, std::uint64_t packet) {
        for (const Stream& stream : streams_[slot]) {
            packet_[0] = 0x80;
            store(packet_, 2, packet & 0xffff, 2);
            store(packet_, 4, packet * 160, 4);
            store(packet_, 8, 0x10000 + stream.call * bench::kParties + stream.party, 4);
            store(packet_, bench::kRtpHeaderBytes, stream.call, 4);
            store(packet_, bench::kRtpHeaderBytes + 4, stream.party, 4);
            store(packet_, bench::kRtpHeaderBytes + 8, packet, 8);
            store(packet_, bench::kRtpHeaderBytes + 16, static_cast<std::uint64_t>(now_ns()), 8);
            const ssize_t gone =
                ::sendto(phones_[slot][stream.party].descriptor(), packet_.data(), packet_.size(),
                         MSG_DONTWAIT, stream.target.get(), stream.target.size);
            ++(gone < 0 ? unsent_ : sent_);
        }
    }
    void listen(std::size_t slot) {
        for (io::UdpSocket& socket : phones_[slot]) take(socket, relayed_);
        for (io::UdpSocket& socket : servers_[slot]) take(socket, forked_);
    }
    void take(io::UdpSocket& socket, Arrivals& arrivals) {
        while (socket.receive(batch_) > 0)
            for (const io::Datagram& datagram : batch_.datagrams()) {
                if (datagram.bytes.size() != bench::kRelayPacketBytes) continue;  // RTCP
                const base::ByteView bytes = datagram.bytes;
                const std::size_t at = bench::kRtpHeaderBytes;
                const auto sent_at = static_cast<std::int64_t>(base::load_u64(bytes, at + 16));
                arrivals.add(
                    base::load_u32(bytes, at) * bench::kParties + base::load_u32(bytes, at + 4),
                    base::load_u64(bytes, at + 8), datagram.arrival_ns - sent_at);
            }
    }
    std::uint64_t own_drops() const {
        std::uint64_t drops = 0;
        for (std::size_t slot = 0; slot < bench::kSlots; ++slot) {
            for (const io::UdpSocket& socket : phones_[slot]) drops += socket.kernel_drops();
            for (const io::UdpSocket& socket : servers_[slot]) drops += socket.kernel_drops();
        }
        return drops;
    }

    std::array<std::vector<io::UdpSocket>, bench::kSlots> phones_;
    std::array<std::vector<io::UdpSocket>, bench::kSlots> servers_;
    std::array<std::vector<Stream>, bench::kSlots> streams_;
    std::array<std::uint8_t, bench::kRelayPacketBytes> packet_{};
    io::DatagramBatch batch_{io::kBatchDatagrams, io::kMaxMediaBytes};
    Arrivals relayed_;
    Arrivals forked_;
    std::uint64_t sent_ = 0;
    std::uint64_t unsent_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: relay_traffic PHONES SERVER SECONDS <TARGETS\n";
        return 2;
    }
    std::vector<std::array<base::NetAddress, bench::kParties>> targets;
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string word;
        words >> word;
        auto& call = targets.emplace_back();
        for (base::NetAddress& target : call) {
            words >> word;
            target = base::parse_net_address(word).value();
        }
    }
    const auto traffic =
        std::make_unique<Traffic>(base::parse_net_address(argv[1]).value(),
                                  base::parse_net_address(argv[2]).value(), targets);
    const auto seconds = base::parse_number<std::uint64_t>(argv[3]).value();
    std::cout << traffic->run(seconds * kPacketsPerSecond).dump() << '\n';
    return 0;
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
