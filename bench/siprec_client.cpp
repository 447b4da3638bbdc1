// Recording sessions without media: siprec_client --to HOST:PORT --calls K --rate R --media
// HOST:PORT sets them up, one after the other, prints a line "CALL-ID HOST:PORT HOST:PORT" for each
// (where the server wants its two streams), and holds them until its input ends; then it hangs up
// at the same rate. The offers name the ports of media_sender. For the paired benchmark, in which
// set-up, media and finishing are measured apart.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/udp_socket.h"
#include "media_source.h"
#include "raw_client.h"
#include "sdp/session_description.h"
#include "sip/builder.h"
#include "sip/parser.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kT1{500};
constexpr std::chrono::seconds kTransactionTime{32};  // RFC 3261 section 17: 64 * T1
constexpr std::size_t kMaxMessageBytes = 65'535;

struct Options {
    base::NetAddress to;
    base::NetAddress media;
    std::size_t calls = 0;
    std::uint32_t rate = 100;
};

struct Call {
    bench::RawDialog dialog;
    std::string request;  // the one that waits for its answer
    int status = 0;       // of its final response; 0: none yet
    base::TimePoint repeat_at;
    std::chrono::milliseconds interval = kT1;
    std::array<std::string, bench::kParties> targets;
};

class Client {
public:
    Client(const Options& options, io::UdpSocket socket)
        : options_(options),
          random_(1),
          socket_(std::move(socket)),
          batch_(64, kMaxMessageBytes),
          calls_(options.calls) {
        for (Call& call : calls_) {
            call.dialog = {.call_id = fmt::format("{}@paired", random_.token(12)),
                           .tag = random_.token(6),
                           .to_tag = {},
                           .local = socket_.local_address(),
                           .server = options_.to};
            by_call_id_[call.dialog.call_id] = &call;
        }
    }

    void set_up() {
        std::size_t index = 0;
        send_all([this, &index](const Call& call) {
            return call.dialog.request("INVITE", 1, call.dialog.tag + "i", offer(index++));
        });
        for (const Call& call : calls_)
            fmt::print("{} {} {}\n", call.dialog.call_id, call.targets[0], call.targets[1]);
        std::fflush(stdout);
    }

    void hang_up() {
        send_all(
            [](const Call& call) { return call.dialog.request("BYE", 2, call.dialog.tag + "b"); });
    }

private:
    static base::TimePoint now() { return io::SystemClock{}.now().steady; }

    siprec::ClientBody offer(std::size_t index) {
        const base::WallTime wall = io::SystemClock{}.now().wall;
        siprec::ClientCall call = siprec::make_client_call(random_, wall, bench::kParties);
        call.rtp_formats = {"0 PCMU/8000"};
        for (std::size_t party = 0; party < bench::kParties; ++party) {
            siprec::ClientParty& described = call.parties[party];
            described.aor = fmt::format("sip:party-{}-{}@desk.example.com", index, party);
            described.rtp = bench::media_source(options_.media, index, party);
            described.rtcp = described.rtp;
            ++described.rtcp.port;
        }
        return siprec::client_invite_body(call, wall);
    }

    // One request a call at the rate, and until each has its final response.
    template <class MakeRequest>
    void send_all(MakeRequest&& make_request) {
        const base::TimePoint begin = now();
        waiting_ = calls_.size();
        for (std::size_t next = 0; waiting_ != 0;) {
            while (next < calls_.size() && now() >= begin + next * 1000ms / options_.rate) {
                start(calls_[next], make_request(calls_[next]));
                ++next;
            }
            for (std::size_t i = 0; i < next; ++i) repeat(calls_[i]);
            if (now() > begin + calls_.size() * 1000ms / options_.rate + kTransactionTime)
                throw std::runtime_error(fmt::format("{} calls had no answer", waiting_));
            std::this_thread::sleep_for(1ms);
            receive();
        }
    }

    void start(Call& call, std::string request) {
        call.request = std::move(request);
        call.status = 0;
        call.interval = kT1;
        call.repeat_at = now() + kT1;
        send(call.request);
    }
    void repeat(Call& call) {
        if (call.status != 0 || now() < call.repeat_at) return;
        call.interval *= 2;
        call.repeat_at = now() + call.interval;
        send(call.request);
    }
    // What the kernel will not take is lost, and sent again.
    void send(std::string_view bytes) {
        static_cast<void>(socket_.send(base::as_bytes(bytes), options_.to));
    }

    void receive() {
        while (socket_.receive(batch_) != 0) {
            for (const io::Datagram& datagram : batch_.datagrams()) {
                const auto parsed = sip::parse_message(base::as_text(datagram.bytes));
                if (parsed.verdict != sip::Verdict::Good) continue;
                if (parsed.message.is_request()) {
                    send(sip::response_to(parsed.message, 200).build());
                    continue;
                }
                const auto found = by_call_id_.find(parsed.message.call_id());
                if (found != by_call_id_.end()) on_response(*found->second, parsed.message);
            }
        }
    }

    void on_response(Call& call, const sip::Message& response) {
        const bool is_invite = response.cseq_method() == sip::Method::Invite;
        if (response.status() < 200) {
            call.repeat_at = base::TimePoint::max();  // RFC 3261 section 17.1.1.2
            return;
        }
        if (response.status() >= 300)
            throw std::runtime_error(
                fmt::format("the server answered {} {}", response.status(), response.reason()));
        if (is_invite) {
            call.dialog.to_tag = response.to_tag();
            send(call.dialog.request("ACK", 1, call.dialog.tag + "a"));
        }
        const std::string_view method = is_invite ? "INVITE" : "BYE";
        if (call.status != 0 || !call.request.starts_with(method)) return;
        call.status = response.status();
        --waiting_;
        if (is_invite) read_answer(call, base::as_text(response.body()));
    }

    static void read_answer(Call& call, std::string_view text) {
        const auto answer = sdp::parse(text);
        if (!answer || answer->media.size() != bench::kParties)
            throw std::runtime_error("the answer is no session description of two streams");
        for (std::size_t party = 0; party < bench::kParties; ++party) {
            const auto address = sdp::rtp_address(*answer, answer->media[party]);
            if (!address) throw std::runtime_error("the server refused a stream");
            call.targets[party] = base::to_string(*address);
        }
    }

    Options options_;
    base::SeededRandom random_;
    io::UdpSocket socket_;
    io::DatagramBatch batch_;
    std::vector<Call> calls_;
    std::map<std::string, Call*, std::less<>> by_call_id_;
    std::size_t waiting_ = 0;
};

std::optional<Options> read_options(std::span<char*> arguments) {
    Options options;
    if (arguments.size() % 2 == 0) return std::nullopt;
    for (std::size_t i = 1; i < arguments.size(); i += 2) {
        const std::string_view name = arguments[i];
        const std::string_view value = arguments[i + 1];
        const auto number = base::parse_number<std::uint32_t>(value);
        const auto address = base::parse_net_address(value);
        if (name == "--to" && address) {
            options.to = *address;
        } else if (name == "--media" && address) {
            options.media = *address;
        } else if (name == "--calls" && number) {
            options.calls = *number;
        } else if (name == "--rate" && number && *number != 0) {
            options.rate = *number;
        } else {
            return std::nullopt;
        }
    }
    if (options.calls == 0 || options.to.port == 0 || options.media.port == 0) return std::nullopt;
    return options;
}

}  // namespace

int main(int argc, char** argv) try {
    const auto options = read_options({argv, static_cast<std::size_t>(argc)});
    if (!options) {
        std::cerr << "usage: siprec_client --to HOST:PORT --calls K [--rate R] --media HOST:PORT\n";
        return 2;
    }
    base::NetAddress local = options->media;
    local.port = 0;
    auto socket = io::UdpSocket::bind(local, {.receive_buffer_bytes = 4 * 1024 * 1024});
    if (!socket) throw std::runtime_error(std::string{socket.error().what});
    Client client(*options, *std::move(socket));
    client.set_up();
    std::string line;
    while (std::getline(std::cin, line)) continue;
    client.hang_up();
    return 0;
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
