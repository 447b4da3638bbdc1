// Our relay with K running, recorded calls, set up through MediaPlane, without SIP:
// relay_host ENGINE HOST LOW-PORT HIGH-PORT CALLS PHONES SERVER
// prints a line "CALL HOST:PORT HOST:PORT" for each call (where the caller's and the callee's media
// go), relays until stdin ends, and prints as JSON what it counted. ENGINE: io_uring, sockets, or
// io_uring-alone and sockets-alone, where nothing is recorded.
#include <fmt/format.h>

#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "base/random.h"
#include "base/text.h"
#include "io/clock.h"
#include "relay/built_in_relay.h"
#include "relay_calls.h"
#include "sdp/session_description.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using relay::Leg;

template <class T>
T take(base::Result<T, base::Reason> result) {
    if (!result) throw std::runtime_error(result.error().text);
    return *std::move(result);
}

std::string session_lines(const base::NetAddress& host) {
    return fmt::format("v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\n",
                       host_to_string(host));
}
std::string audio(std::uint16_t port, std::string_view direction, std::string_view label = "") {
    return fmt::format("m=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={}\r\n{}", port,
                       direction, label.empty() ? "" : fmt::format("a=label:{}\r\n", label));
}

class Host {
public:
    Host(const relay::RelayOptions& options, const base::NetAddress& phones,
         const base::NetAddress& server)
        : plane_(take(relay::BuiltInRelay::create(options, clock_, random_))),
          phones_(phones),
          server_(server) {}

    void place(std::size_t call, bool is_recorded) {
        const relay::CallKey key{call + 1};
        std::string to_b;
        std::string to_a;
        const auto keep = [](std::string& where) {
            return [&where](auto result) { where = take(std::move(result)); };
        };
        const std::string offer = phone_sdp(call, 0);
        const std::string answer = phone_sdp(call, 1);
        plane_->offer(key, {.from = Leg::A, .text = offer, .signalled_by = {}}, keep(to_b));
        plane_->answer(key, {.from = Leg::B, .text = answer, .signalled_by = {}}, keep(to_a));
        if (is_recorded) record(key, call);
        std::cout << call << ' ' << target(to_a) << ' ' << target(to_b) << '\n';
    }

    nlohmann::json count(std::size_t calls) const {
        std::uint64_t relayed = 0;
        std::uint64_t forked = 0;
        std::uint64_t dropped = 0;
        for (std::size_t call = 0; call < calls; ++call) {
            const auto media = take(plane_->query({call + 1}));
            for (const auto& line : media.lines)
                for (const auto& leg : line.legs) {
                    relayed += leg.rtp.packets;
                    dropped += leg.rtp.dropped;
                }
            for (const auto& fork : media.forks) {
                forked += fork.rtp.packets;
                dropped += fork.rtp.dropped;
            }
        }
        return {{"engine", plane_->engine()},
                {"relayed", relayed},
                {"forked", forked},
                {"dropped", dropped}};
    }

private:
    std::string phone_sdp(std::size_t call, std::size_t party) const {
        const base::NetAddress at = bench::phone(phones_, call, party);
        return session_lines(at) + audio(at.port, "sendrecv");
    }
    void record(relay::CallKey key, std::size_t call) {
        plane_->subscribe(key, 1, {}, [&](auto made) {
            std::string answer = session_lines(server_);
            for (const auto& stream : take(std::move(made)).streams)
                answer += audio(bench::recorder(server_, call, index_of(stream.from)).port,
                                "recvonly", stream.label);
            plane_->answer_subscription(key, 1, answer, [](auto done) { take(std::move(done)); });
        });
    }
    static std::string target(const std::string& text) {
        const auto parsed = sdp::parse(text);
        if (!parsed) throw std::runtime_error("the relay's SDP cannot be read");
        return to_string(sdp::rtp_address(*parsed, parsed->media.front()).value());
    }

    io::SystemClock clock_;
    base::SystemRandom random_;
    std::unique_ptr<relay::BuiltInRelay> plane_;
    base::NetAddress phones_;
    base::NetAddress server_;
};

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 8) {
        std::cerr << "usage: relay_host ENGINE HOST LOW HIGH CALLS PHONES SERVER\n";
        return 2;
    }
    const std::string_view engine = argv[1];
    relay::RelayOptions options;
    options.bind_host = base::parse_host(argv[2], 0).value();
    options.first_port = base::parse_number<std::uint16_t>(argv[3]).value();
    options.last_port = base::parse_number<std::uint16_t>(argv[4]).value();
    options.engine =
        engine.starts_with("io_uring") ? relay::Engine::IoUring : relay::Engine::Sockets;
    const auto calls = base::parse_number<std::size_t>(argv[5]).value();
    Host host(options, base::parse_net_address(argv[6]).value(),
              base::parse_net_address(argv[7]).value());
    for (std::size_t call = 0; call < calls; ++call) host.place(call, !engine.ends_with("-alone"));
    std::cout << std::flush;
    std::string line;
    while (std::getline(std::cin, line)) continue;
    std::cout << host.count(calls).dump() << '\n';
    return 0;
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
