// rtp_sender HOST PACKETS [--lose N,N,...] PORT...: sends PACKETS RTP packets (PCMU, 20 ms apart)
// to each port, all ports at once. The payload of stream i's packet n is a pattern of (i, n), so
// that a test can say of every sample in a finished recording where it came from: see
// rtp_pattern.h. Packets whose number is in --lose are not sent.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "io/file_descriptor.h"
#include "io/socket_address.h"
#include "rtp/rtp_packet.h"
#include "tools/rtp_pattern.h"

namespace {

struct Plan {
    std::string host;
    std::uint32_t packets = 0;
    std::set<std::uint32_t> lost{};
    std::vector<std::uint16_t> ports{};
};

std::optional<Plan> read_plan(const std::vector<std::string>& arguments) {
    using earshot::base::parse_number;
    if (arguments.size() < 3) return std::nullopt;
    Plan plan{.host = arguments[0]};
    const auto packets = parse_number<std::uint32_t>(arguments[1]);
    if (!packets) return std::nullopt;
    plan.packets = *packets;
    for (std::size_t i = 2; i < arguments.size(); ++i) {
        if (arguments[i] == "--lose" && i + 1 < arguments.size()) {
            std::string_view rest = arguments[++i];
            while (!rest.empty())
                if (const auto n =
                        parse_number<std::uint32_t>(earshot::base::take_until(rest, ',')))
                    plan.lost.insert(*n);
            continue;
        }
        const auto port = parse_number<std::uint16_t>(arguments[i]);
        if (!port) return std::nullopt;
        plan.ports.push_back(*port);
    }
    if (plan.ports.empty()) return std::nullopt;
    return plan;
}

}  // namespace

int main(int argc, char** argv) {
    const auto plan = read_plan({argv + 1, argv + argc});
    if (!plan) {
        fmt::print(stderr, "usage: rtp_sender HOST PACKETS [--lose N,N,...] PORT...\n");
        return 2;
    }
    std::vector<earshot::io::FileDescriptor> sockets;
    for (std::size_t i = 0; i < plan->ports.size(); ++i)
        sockets.emplace_back(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

    const auto start = std::chrono::steady_clock::now();
    earshot::base::Bytes packet;
    for (std::uint32_t n = 0; n < plan->packets; ++n) {
        std::this_thread::sleep_until(start + n * std::chrono::milliseconds{20});
        if (plan->lost.contains(n)) continue;
        for (std::uint32_t stream = 0; stream < plan->ports.size(); ++stream) {
            const auto payload = earshot::tools::rtp_pattern(stream, n);
            // The numbers begin shortly before their ends, so that each run crosses both wraps.
            earshot::rtp::write_rtp({.payload_type = 0,
                                     .marker = n == 0,
                                     .sequence = static_cast<std::uint16_t>(65530U + n),
                                     .timestamp = 0xffffff00U + n * 160U,
                                     .ssrc = 0xea250000U + stream},
                                    payload, packet);
            const auto to = earshot::base::parse_host(plan->host, plan->ports[stream]);
            if (!to) return 2;
            const auto address = earshot::io::to_socket_address(*to);
            if (::sendto(sockets[stream].get(), packet.data(), packet.size(), 0, address.get(),
                         address.size) < 0) {
                fmt::print(stderr, "rtp_sender: port {} cannot be reached\n", plan->ports[stream]);
                return 1;
            }
        }
    }
    fmt::print("{} packets to each of {} ports\n", plan->packets - plan->lost.size(),
               plan->ports.size());
    return 0;
}
