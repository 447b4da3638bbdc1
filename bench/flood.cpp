// An attack, and whether an honest call gets through it: flood --to HOST:PORT [--seconds S]
// [--rate R] [--half-open N] [--body BYTES]. From 127.0.0.3 it sends R INVITEs a second by UDP,
// that nobody will acknowledge, keeps N TCP connections open that never finish their message, and
// sends INVITEs with bodies of that size over ten more. Meanwhile, five times a second, 127.0.0.2
// places a call by UDP and hangs up. Prints JSON: what was sent, how the honest INVITEs were
// answered and after how long.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/file_descriptor.h"
#include "io/udp_socket.h"
#include "raw_client.h"
#include "sip/builder.h"
#include "sip/parser.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using namespace std::chrono_literals;

constexpr const char* kAttacker = "127.0.0.3";
constexpr const char* kHonest = "127.0.0.2";
constexpr std::size_t kLargeSenders = 10;
constexpr auto kProbePeriod = 200ms;
constexpr auto kPatience = 5s;  // with the answers to the last probes

struct Options {
    base::NetAddress to;
    std::chrono::seconds time{10};
    std::uint32_t rate = 5000;
    std::size_t half_open = 1000;
    std::size_t body = 256'000;
};

base::TimePoint now() { return io::SystemClock{}.now().steady; }

bench::RawDialog make_dialog(base::Random& random, const base::NetAddress& local,
                             const base::NetAddress& to, std::string_view transport = "UDP") {
    return {.call_id = random.token(12) + "@flood",
            .tag = random.token(6),
            .to_tag = {},
            .local = local,
            .server = to,
            .transport = transport};
}

// One TCP connection of the attacker that swallows what it is answered.
class Connection {
public:
    explicit Connection(const base::NetAddress& to) {
        fd_ = io::FileDescriptor{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_in from{};
        from.sin_family = AF_INET;
        inet_pton(AF_INET, kAttacker, &from.sin_addr);
        sockaddr_in target = from;
        target.sin_port = htons(to.port);
        inet_pton(AF_INET, base::host_to_string(to).c_str(), &target.sin_addr);
        const auto* from_address = reinterpret_cast<const sockaddr*>(&from);
        const auto* to_address = reinterpret_cast<const sockaddr*>(&target);
        if (bind(fd_.get(), from_address, sizeof(from)) != 0 ||
            connect(fd_.get(), to_address, sizeof(target)) != 0 ||
            fcntl(fd_.get(), F_SETFL, O_NONBLOCK) != 0)
            open_ = false;
    }
    bool is_open() const { return open_; }
    // Sends what the kernel takes of the rest; true when nothing is left.
    bool push(std::string_view bytes) {
        while (open_ && sent_ < bytes.size()) {
            const ssize_t n =
                send(fd_.get(), bytes.data() + sent_, bytes.size() - sent_, MSG_NOSIGNAL);
            if (n < 0 && errno == EAGAIN) break;
            if (n <= 0)
                open_ = false;
            else
                sent_ += static_cast<std::size_t>(n);
        }
        std::array<char, 4096> answer;
        ssize_t n = 0;
        while (open_ && (n = recv(fd_.get(), answer.data(), answer.size(), 0)) > 0) continue;
        if (n == 0) open_ = false;
        if (sent_ < bytes.size()) return false;
        sent_ = 0;
        return true;
    }

private:
    io::FileDescriptor fd_;
    std::size_t sent_ = 0;
    bool open_ = true;
};

struct Sent {
    std::uint64_t invites = 0;
    std::uint64_t not_taken = 0;  // by our own kernel
    std::size_t half_open = 0;
    std::uint64_t half_open_again = 0;
    std::uint64_t large = 0;
    std::uint64_t large_again = 0;  // connections opened anew
};

class Attacker {
public:
    Attacker(const Options& options, io::UdpSocket socket)
        : options_(options), socket_(std::move(socket)), begin_(now()) {
        offer_ = bench::raw_offer(random_, io::SystemClock{}.now().wall, socket_.local_address());
        large_ = offer_;
        // Still a multipart body whose parts are small: the rest is noise after the last one.
        large_.bytes.append(options.body, 'x');
        half_ = make_dialog(random_, socket_.local_address(), options.to, "TCP")
                    .request("INVITE", 1, random_.token(8), offer_);
        half_.resize(half_.size() / 2);
    }

    void step() {
        const double passed = std::chrono::duration<double>(now() - begin_).count();
        const auto due = static_cast<std::uint64_t>(passed * options_.rate);
        for (int burst = 0; sent_.invites + sent_.not_taken < due && burst < 200; ++burst)
            send_invite();
        socket_.discard();
        // A few a step, until all are there; those that the server closes are opened again.
        for (int i = 0; i < 10 && half_open_.size() < options_.half_open; ++i) open_half();
        for (int i = 0; i < 20 && !half_open_.empty(); ++i) look_at_half();
        while (large_senders_.size() < (options_.body == 0 ? 0 : kLargeSenders))
            large_senders_.push_back({Connection{options_.to}, large_invite()});
        for (auto& [connection, bytes] : large_senders_) {
            if (!connection.is_open()) {
                connection = Connection{options_.to};
                ++sent_.large_again;
            }
            if (!connection.push(bytes)) continue;
            ++sent_.large;
            bytes = large_invite();
        }
    }
    Sent sent() const {
        Sent all = sent_;
        all.half_open = half_open_.size();
        return all;
    }

private:
    void send_invite() {
        const auto dialog = make_dialog(random_, socket_.local_address(), options_.to);
        const std::string bytes = dialog.request("INVITE", 1, random_.token(8), offer_);
        if (socket_.send(base::as_bytes(bytes), options_.to))
            ++sent_.invites;
        else
            ++sent_.not_taken;
    }
    std::string large_invite() {
        return make_dialog(random_, socket_.local_address(), options_.to, "TCP")
            .request("INVITE", 1, random_.token(8), large_);
    }
    void open_half() {
        half_open_.emplace_back(options_.to);
        half_open_.back().push(half_);
    }
    void look_at_half() {
        Connection& one = half_open_[next_look_++ % half_open_.size()];
        one.push({});
        if (one.is_open()) return;
        one = Connection{options_.to};
        one.push(half_);
        ++sent_.half_open_again;
    }

    Options options_;
    base::SeededRandom random_{7};
    io::UdpSocket socket_;
    base::TimePoint begin_;
    siprec::ClientBody offer_;
    siprec::ClientBody large_;
    std::string half_;
    std::vector<Connection> half_open_;
    std::vector<std::pair<Connection, std::string>> large_senders_;
    std::size_t next_look_ = 0;
    Sent sent_;
};

// Calls that mean it, and the time to the final response to their INVITE. Lost requests are sent
// again after 500 ms and more, as RFC 3261 section 17.1.1.2 has it, and all of it counts.
class Honest {
public:
    Honest(const Options& options, io::UdpSocket socket)
        : options_(options), socket_(std::move(socket)), batch_(64, 65'535) {}

    void step(bool may_place) {
        if (may_place && now() >= next_) {
            next_ = now() + kProbePeriod;
            Probe probe{make_dialog(random_, socket_.local_address(), options_.to), now(), now()};
            probe.invite = probe.dialog.request(
                "INVITE", 1, probe.dialog.tag + "i",
                bench::raw_offer(random_, io::SystemClock{}.now().wall, socket_.local_address()));
            send(probe.invite);
            probe.again = now() + probe.interval;
            probes_.emplace(probe.dialog.call_id, std::move(probe));
        }
        for (auto& [id, probe] : probes_) {
            if (probe.status != 0 || probe.provisional || now() < probe.again) continue;
            send(probe.invite);
            probe.interval *= 2;
            probe.again = now() + probe.interval;
        }
        while (socket_.receive(batch_) != 0)
            for (const io::Datagram& datagram : batch_.datagrams()) read(datagram);
    }

    nlohmann::json report() const {
        std::map<std::string, int> statuses;
        std::vector<double> times;
        for (const auto& [id, probe] : probes_) {
            ++statuses[std::to_string(probe.status)];
            if (probe.status != 0)
                times.push_back(
                    std::chrono::duration<double, std::milli>(probe.answered - probe.began)
                        .count());
        }
        std::sort(times.begin(), times.end());
        const auto quantile = [&times](double q) {
            return times.empty() ? nlohmann::json{}
                                 : nlohmann::json(times[static_cast<std::size_t>(
                                       q * static_cast<double>(times.size() - 1))]);
        };
        return {{"placed", probes_.size()},
                {"statuses", statuses},
                {"answer_ms",
                 {{"half", quantile(0.5)}, {"p99", quantile(0.99)}, {"max", quantile(1)}}}};
    }

private:
    struct Probe {
        bench::RawDialog dialog;
        base::TimePoint began;
        base::TimePoint answered;
        base::TimePoint again{};
        std::chrono::milliseconds interval{500};
        std::string invite{};
        int status = 0;
        bool provisional = false;
    };

    void send(const std::string& bytes) { (void)socket_.send(base::as_bytes(bytes), options_.to); }

    void read(const io::Datagram& datagram) {
        const auto parsed = sip::parse_message(base::as_text(datagram.bytes));
        if (parsed.verdict != sip::Verdict::Good) return;
        const sip::Message& message = parsed.message;
        if (message.is_request()) {
            if (message.method() != sip::Method::Ack) send(sip::response_to(message, 200).build());
            return;
        }
        const auto found = probes_.find(std::string{message.call_id()});
        if (found == probes_.end() || message.cseq_method() != sip::Method::Invite) return;
        Probe& probe = found->second;
        if (message.status() < 200) {
            probe.provisional = true;
            return;
        }
        if (probe.status == 0) {
            probe.status = message.status();
            probe.answered = now();
        }
        const bool is_ok = message.status() < 300;
        if (is_ok) probe.dialog.to_tag = message.to_tag();
        send(probe.dialog.request("ACK", 1, probe.dialog.tag + (is_ok ? "a" : "i")));
        if (is_ok) send(probe.dialog.request("BYE", 2, probe.dialog.tag + "b"));
    }

    Options options_;
    base::SeededRandom random_{8};
    io::UdpSocket socket_;
    io::DatagramBatch batch_;
    std::unordered_map<std::string, Probe> probes_;
    base::TimePoint next_{};
};

std::optional<Options> read_options(int argc, char** argv) {
    Options options;
    bool has_target = false;
    if (argc % 2 == 0) return std::nullopt;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string_view value = argv[i + 1];
        if (name == "--to") {
            const auto to = base::parse_net_address(value);
            if (!to || !to->is_v4()) return std::nullopt;
            options.to = *to;
            has_target = true;
            continue;
        }
        const auto number = base::parse_number<std::uint32_t>(value);
        if (!number) return std::nullopt;
        if (name == "--seconds")
            options.time = std::chrono::seconds{*number};
        else if (name == "--rate")
            options.rate = *number;
        else if (name == "--half-open")
            options.half_open = *number;
        else if (name == "--body")
            options.body = *number;
        else
            return std::nullopt;
    }
    return has_target ? std::optional{options} : std::nullopt;
}

}  // namespace

int main(int argc, char** argv) try {
    const auto options = read_options(argc, argv);
    if (!options) {
        std::cerr << "usage: flood --to HOST:PORT [--seconds S] [--rate R] [--half-open N] "
                     "[--body BYTES]\n";
        return 2;
    }
    auto attacking = io::UdpSocket::bind(*base::parse_host(kAttacker, 0));
    auto calling = io::UdpSocket::bind(*base::parse_host(kHonest, 0));
    if (!attacking || !calling) {
        std::cerr << "error: no socket on " << kAttacker << " and " << kHonest << '\n';
        return 1;
    }
    Attacker attacker{*options, *std::move(attacking)};
    Honest honest{*options, *std::move(calling)};
    const base::TimePoint end = now() + options->time;
    for (; now() < end; std::this_thread::sleep_for(500us)) {
        attacker.step();
        honest.step(true);
    }
    const Sent sent = attacker.sent();
    for (; now() < end + kPatience; std::this_thread::sleep_for(1ms)) honest.step(false);
    std::cout << nlohmann::json{{"seconds", options->time.count()},
                                {"invites", sent.invites},
                                {"not_taken", sent.not_taken},
                                {"half_open", sent.half_open},
                                {"half_open_again", sent.half_open_again},
                                {"large", sent.large},
                                {"large_again", sent.large_again},
                                {"honest", honest.report()}}
                     .dump()
              << '\n';
    return 0;
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
