// The media of K calls, the same for every recorder that script/bench compares:
// media_sender --from HOST:PORT --seconds S reads lines "CALL-ID HOST:PORT HOST:PORT" (where the
// two parties' streams go) and sends each stream 50 packets a second of 160 octets of PCMU, marked
// as loadgen/keyed_payload.h says. Calls are spread evenly over the 20 ms. Prints JSON: what was
// sent, and how punctually. No RTCP.
#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "io/file_descriptor.h"
#include "io/socket_address.h"
#include "loadgen/rtp_stream.h"
#include "loadgen/voice.h"
#include "media_source.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSlotTime{1};
constexpr std::chrono::milliseconds kLate{5};
constexpr std::size_t kBatch = 64;

// Nothing is ever read here: what a relay sends is thrown away before it fills a buffer.
void refuse_all(int socket) {
    sock_filter drop{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog program{1, &drop};
    static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

io::FileDescriptor bind_source(const base::NetAddress& address) {
    const io::SocketAddress native = io::to_socket_address(address);
    io::FileDescriptor socket{::socket(native.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    refuse_all(socket.get());
    if (::bind(socket.get(), native.get(), native.size) != 0)
        throw std::system_error(errno, std::generic_category(), "bind " + to_string(address));
    return socket;
}

// One party of all calls of a slot.
struct Group {
    io::FileDescriptor socket;
    std::vector<loadgen::RtpStream> streams;
    std::vector<io::SocketAddress> targets;
};

class Sender {
public:
    explicit Sender(const base::NetAddress& from) : random_(1) {
        for (std::size_t slot = 0; slot < bench::kSlots; ++slot)
            for (std::size_t party = 0; party < bench::kParties; ++party)
                groups_[slot][party].socket = bind_source(bench::media_source(from, slot, party));
    }

    void add(std::uint32_t call, std::size_t party, const base::NetAddress& target) {
        loadgen::RtpStream::Start start;
        start.ssrc = random_.u32();
        start.sequence = static_cast<std::uint16_t>(random_.u32());
        start.timestamp = random_.u32();
        start.call = call;
        start.stream = static_cast<std::uint32_t>(party);
        start.has_keyed_payload = true;
        Group& group = groups_[call % bench::kSlots][party];
        group.streams.emplace_back(std::move(start), voices_[party]);
        group.targets.push_back(io::to_socket_address(target));
    }

    // Deadlines are absolute: the average never drifts. After a stall what is due goes out at twice
    // the pace, since no network would bring it all at once.
    nlohmann::json run(std::uint64_t packets) {
        const auto begin = Clock::now();
        auto not_before = begin;
        const std::uint64_t slots = packets * bench::kSlots;
        for (std::uint64_t slot = 0; slot < slots; ++slot) {
            const Clock::time_point due = begin + static_cast<std::int64_t>(slot) * kSlotTime;
            std::this_thread::sleep_until(std::max(due, not_before));
            not_before = Clock::now() + kSlotTime / 2;
            const Clock::duration lateness = Clock::now() - due;
            if (lateness > kLate) ++late_slots_;
            latest_ = std::max(latest_, lateness);
            for (Group& group : groups_[slot % bench::kSlots]) speak(group);
        }
        return {{"packets_per_stream", packets},
                {"sent", sent_},
                {"refused", refused_},
                {"seconds", std::chrono::duration<double>(Clock::now() - begin).count()},
                {"slots", slots},
                {"late_slots", late_slots_},
                {"latest_ms", std::chrono::duration<double, std::milli>(latest_).count()}};
    }

private:
    void speak(Group& group) {
        std::array<mmsghdr, kBatch> headers{};
        std::array<iovec, kBatch> vectors{};
        for (std::size_t first = 0; first < group.streams.size(); first += kBatch) {
            const std::size_t count = std::min(kBatch, group.streams.size() - first);
            for (std::size_t i = 0; i < count; ++i) {
                const base::ByteView packet = group.streams[first + i].next_packet();
                // The kernel only reads it, but iovec has no const.
                vectors[i] = {.iov_base = const_cast<std::uint8_t*>(packet.data()),
                              .iov_len = packet.size()};
                headers[i].msg_hdr.msg_name = group.targets[first + i].get();
                headers[i].msg_hdr.msg_namelen = group.targets[first + i].size;
                headers[i].msg_hdr.msg_iov = &vectors[i];
                headers[i].msg_hdr.msg_iovlen = 1;
            }
            send(group.socket.get(), std::span{headers}.first(count));
        }
    }
    void send(int socket, std::span<mmsghdr> messages) {
        while (!messages.empty()) {
            const int taken =
                ::sendmmsg(socket, messages.data(), static_cast<unsigned>(messages.size()), 0);
            if (taken <= 0) ++refused_;  // this one; the others go on
            sent_ += static_cast<std::uint64_t>(std::max(taken, 0));
            messages = messages.subspan(static_cast<std::size_t>(std::max(taken, 1)));
        }
    }

    base::SeededRandom random_;
    const std::array<loadgen::Voice, bench::kParties> voices_{
        loadgen::Voice{loadgen::make_tone_speech(0), loadgen::Voice::AtEnd::Repeat},
        loadgen::Voice{loadgen::make_tone_speech(1), loadgen::Voice::AtEnd::Repeat}};
    std::array<std::array<Group, bench::kParties>, bench::kSlots> groups_;
    std::uint64_t sent_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t late_slots_ = 0;
    Clock::duration latest_{};
};

struct Options {
    base::NetAddress from;
    std::uint64_t packets = 0;
};

std::optional<Options> read_options(std::span<char*> arguments) {
    if (arguments.size() != 5 || std::string_view{arguments[1]} != "--from" ||
        std::string_view{arguments[3]} != "--seconds") {
        return std::nullopt;
    }
    const auto from = base::parse_net_address(arguments[2]);
    const auto seconds = base::parse_number<std::uint32_t>(arguments[4]);
    if (!from || !seconds) return std::nullopt;
    constexpr std::uint64_t kPacketsPerSecond = std::chrono::seconds{1} / loadgen::kPacketTime;
    return Options{*from, *seconds * kPacketsPerSecond};
}

}  // namespace

int main(int argc, char** argv) try {
    const auto options = read_options({argv, static_cast<std::size_t>(argc)});
    if (!options) {
        std::cerr << "usage: media_sender --from HOST:PORT --seconds S <TARGETS\n";
        return 2;
    }
    const auto sender = std::make_unique<Sender>(options->from);
    std::string line;
    for (std::uint32_t call = 0; std::getline(std::cin, line); ++call) {
        std::istringstream words(line);
        std::string id;
        words >> id;
        for (std::size_t party = 0; party < bench::kParties; ++party) {
            std::string text;
            words >> text;
            const auto target = base::parse_net_address(text);
            if (!target) throw std::runtime_error("not an address: " + text);
            sender->add(call, party, *target);
        }
    }
    std::cout << sender->run(options->packets).dump() << '\n';
    return 0;
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
