// Calls as a bad day brings them: rough_calls --to HOST:PORT [--calls N] [--rate R] [--seed S]
// places short calls that are cancelled while they are answered, hung up before they are
// acknowledged, never acknowledged at all, changed and hung up at once, sent twice, and lost on the
// way, both ways. Prints JSON: how many of each kind, and how their INVITEs ended. The server's own
// account of the same calls must add up to it; script/bench compares them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <queue>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/udp_socket.h"
#include "raw_client.h"
#include "sip/builder.h"
#include "sip/parser.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using namespace std::chrono_literals;
using std::chrono::milliseconds;

enum class Kind { Plain, Doubled, Lossy, Cancelled, ByeRace, Crossing, Silent, Count };
constexpr std::array<const char*, static_cast<std::size_t>(Kind::Count)> kKindNames = {
    "plain", "doubled", "lossy", "cancelled", "bye_race", "crossing", "silent"};

constexpr milliseconds kT1{500};
constexpr milliseconds kTransactionTime{32'000};  // RFC 3261 section 17: 64 * T1
constexpr int kLossPercent = 20;

struct Options {
    base::NetAddress to;
    std::size_t calls = 1000;
    double rate = 100;
    std::uint64_t seed = 1;
};

// A request that is sent again until a final response comes.
struct Transaction {
    std::string bytes;
    base::TimePoint give_up;
    milliseconds interval = kT1;
    int status = 0;  // of the final response; 0: none yet
};

struct Call {
    bench::RawDialog dialog;
    Kind kind = Kind::Plain;
    siprec::ClientBody body;
    std::map<std::string, Transaction, std::less<>> transactions;  // by method; re-INVITE is "RE"
    bool has_hung_up = false;
};

class RoughCalls {
public:
    RoughCalls(const Options& options, io::UdpSocket socket)
        : options_(options),
          random_(options.seed),
          socket_(std::move(socket)),
          batch_(256, 65'535) {}

    nlohmann::json run() {
        const base::TimePoint begin = now();
        for (std::size_t i = 0; i < options_.calls; ++i)
            at(begin + std::chrono::duration_cast<base::TimePoint::duration>(
                           std::chrono::duration<double>(static_cast<double>(i) / options_.rate)),
               [this] { place(); });
        while (!events_.empty()) {
            while (!events_.empty() && events_.top().at <= now()) {
                const auto what = events_.top().what;
                events_.pop();
                what();
            }
            std::this_thread::sleep_for(1ms);
            receive();
        }
        return report(now() - begin);
    }

private:
    struct Event {
        base::TimePoint at;
        std::function<void()> what;
        bool operator<(const Event& other) const { return at > other.at; }  // the soonest on top
    };

    static base::TimePoint now() { return io::SystemClock{}.now().steady; }
    void at(base::TimePoint when, std::function<void()> what) {
        events_.push({when, std::move(what)});
    }
    std::uint32_t below(std::uint32_t bound) { return random_.u32() % bound; }
    milliseconds time_below(std::uint32_t bound_ms) { return milliseconds{below(bound_ms)}; }

    void place() {
        auto call = std::make_shared<Call>();
        call->kind = static_cast<Kind>(below(static_cast<std::uint32_t>(Kind::Count)));
        call->dialog = {.call_id = fmt::format("{}@rough", random_.token(12)),
                        .tag = random_.token(6),
                        .to_tag = {},
                        .local = socket_.local_address(),
                        .server = options_.to};
        call->body =
            bench::raw_offer(random_, io::SystemClock{}.now().wall, socket_.local_address());
        calls_[call->dialog.call_id] = call;
        start(call, "INVITE", call->dialog.request("INVITE", 1, branch(*call, "i"), call->body));
        if (call->kind == Kind::Cancelled)
            at(now() + time_below(25), [this, call] {
                if (call->transactions["INVITE"].status == 0)
                    start(call, "CANCEL", call->dialog.request("CANCEL", 1, branch(*call, "i")));
            });
    }

    static std::string branch(const Call& call, std::string_view what) {
        return call.dialog.tag + std::string{what};
    }

    void send(const Call& call, std::string_view bytes) {
        const int copies = call.kind == Kind::Doubled ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
            if (is_lost(call)) continue;
            // What the kernel will not take is lost too, and sent again.
            (void)socket_.send(base::as_bytes(bytes), options_.to);
        }
    }
    bool is_lost(const Call& call) {
        const bool lost = call.kind == Kind::Lossy && below(100) < kLossPercent;
        if (lost) ++lost_;
        return lost;
    }

    void start(const std::shared_ptr<Call>& call, const std::string& name, std::string bytes) {
        Transaction& transaction = call->transactions[name];
        transaction.bytes = std::move(bytes);
        transaction.give_up = now() + kTransactionTime;
        send(*call, transaction.bytes);
        at(now() + kT1, [this, call, name] { send_again(call, name); });
    }
    void send_again(const std::shared_ptr<Call>& call, const std::string& name) {
        Transaction& transaction = call->transactions[name];
        if (transaction.status != 0 || now() >= transaction.give_up) return;
        ++repeated_;
        send(*call, transaction.bytes);
        transaction.interval *= 2;
        at(now() + transaction.interval, [this, call, name] { send_again(call, name); });
    }

    void receive() {
        while (socket_.receive(batch_) != 0) {
            for (const io::Datagram& datagram : batch_.datagrams()) {
                const auto parsed = sip::parse_message(base::as_text(datagram.bytes));
                if (parsed.verdict != sip::Verdict::Good) continue;
                const auto found = calls_.find(std::string{parsed.message.call_id()});
                if (found == calls_.end() || is_lost(*found->second)) continue;
                if (parsed.message.is_request())
                    on_request(*found->second, parsed.message);
                else
                    on_response(found->second, parsed.message);
            }
        }
    }

    // The server's BYE, or a question of it.
    void on_request(const Call& call, const sip::Message& request) {
        if (call.kind == Kind::Silent || request.method() == sip::Method::Ack) return;
        send(call, sip::response_to(request, 200).build());
    }

    void on_response(const std::shared_ptr<Call>& call, const sip::Message& response) {
        if (response.status() < 200) return;
        const int cseq = static_cast<int>(response.cseq().number);
        const bool is_reinvite = cseq == 2;
        std::string name{response.cseq().method};
        if (name == "INVITE" && is_reinvite) name = "RE";
        const auto found = call->transactions.find(name);
        if (found == call->transactions.end()) return;
        const bool is_first = found->second.status == 0;
        if (is_first) found->second.status = response.status();
        if (response.cseq_method() != sip::Method::Invite) return;
        if (response.status() >= 300) {
            send(*call, call->dialog.request("ACK", cseq, branch(*call, is_reinvite ? "r" : "i")));
            return;
        }
        call->dialog.to_tag = response.to_tag();
        if (call->kind == Kind::Silent) return;
        if (call->kind == Kind::ByeRace && is_first) hang_up(call);  // before the ACK
        send(*call, call->dialog.request("ACK", cseq, branch(*call, is_reinvite ? "b" : "a")));
        if (!is_first || is_reinvite) return;
        if (call->kind == Kind::Crossing) {
            at(now() + time_below(300), [this, call] {
                start(call, "RE",
                      call->dialog.request("INVITE", 2, branch(*call, "r"), call->body));
                hang_up(call);
            });
        } else if (call->kind == Kind::Cancelled) {
            hang_up(call);
        } else {
            at(now() + time_below(1000), [this, call] { hang_up(call); });
        }
    }

    void hang_up(const std::shared_ptr<Call>& call) {
        if (std::exchange(call->has_hung_up, true)) return;
        start(call, "BYE", call->dialog.request("BYE", 3, branch(*call, "h")));
    }

    nlohmann::json report(base::TimePoint::duration took) const {
        std::map<std::string, std::map<std::string, int>> invites;
        std::map<std::string, int> byes;
        int unfinished = 0;
        for (const auto& [id, call] : calls_) {
            const int status = call->transactions.at("INVITE").status;
            ++invites[kKindNames[static_cast<std::size_t>(call->kind)]][std::to_string(status)];
            if (status == 0) ++unfinished;
            const auto bye = call->transactions.find("BYE");
            if (bye != call->transactions.end()) ++byes[std::to_string(bye->second.status)];
        }
        return {{"calls", calls_.size()},
                {"invites", invites},
                {"byes", byes},
                {"unanswered", unfinished},
                {"sent_again", repeated_},
                {"lost", lost_},
                {"seconds", std::chrono::duration<double>(took).count()}};
    }

    Options options_;
    base::SeededRandom random_;
    io::UdpSocket socket_;
    io::DatagramBatch batch_;
    std::priority_queue<Event> events_;
    std::unordered_map<std::string, std::shared_ptr<Call>> calls_;
    std::uint64_t repeated_ = 0;
    std::uint64_t lost_ = 0;
};

std::optional<Options> read_options(int argc, char** argv) {
    Options options;
    bool has_target = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string_view value = argv[i + 1];
        if (name == "--to") {
            const auto to = base::parse_net_address(value);
            if (!to) return std::nullopt;
            options.to = *to;
            has_target = true;
        } else if (const auto number = base::parse_number<std::uint32_t>(value); !number) {
            return std::nullopt;
        } else if (name == "--calls") {
            options.calls = *number;
        } else if (name == "--rate") {
            options.rate = std::max(1U, *number);
        } else if (name == "--seed") {
            options.seed = *number;
        } else {
            return std::nullopt;
        }
    }
    if (!has_target || argc % 2 == 0) return std::nullopt;
    return options;
}

}  // namespace

int main(int argc, char** argv) try {
    const auto options = read_options(argc, argv);
    if (!options) {
        std::cerr << "usage: rough_calls --to HOST:PORT [--calls N] [--rate R] [--seed S]\n";
        return 2;
    }
    auto socket = io::UdpSocket::bind(*base::parse_net_address("127.0.0.1:0"),
                                      {.receive_buffer_bytes = 4 * 1024 * 1024});
    if (!socket) {
        std::cerr << "error: " << socket.error().what << '\n';
        return 1;
    }
    std::cout << RoughCalls(*options, *std::move(socket)).run().dump() << '\n';
    return 0;
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
