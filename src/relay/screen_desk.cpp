#include "relay/screen_desk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "io/socket_address.h"
#include "io/spawn.h"
#include "io/thread_name.h"
#include "relay/limits.h"
#include "relay/screen_sdp.h"
#include "rfb/tap_stream.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"
#include "rtp/rtp_packet.h"

namespace earshot::relay {

using base::Reason;
using base::Result;
using io::FileDescriptor;
using rfb::TapKind;

namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10;
constexpr int kPiecesAtOnce = 8;   // of one direction in one turn
constexpr int kBatchesAtOnce = 4;  // of RTCP
constexpr std::chrono::seconds kReportEvery{5};
constexpr std::chrono::milliseconds kDeaf{200};  // no descriptor was left for who came

Reason socket_fault(int error) {
    return {"media_socket", fmt::format("A socket for the shared screen cannot be opened: {}.",
                                        std::generic_category().message(error))};
}

std::int64_t to_ns(base::TimePoint time) {
    return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

FileDescriptor tcp_socket(const base::NetAddress& family) {
    return FileDescriptor(::socket(family.is_v4() ? AF_INET : AF_INET6,
                                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void set_option(int socket, int level, int name) {
    const int one = 1;
    static_cast<void>(::setsockopt(socket, level, name, &one, sizeof one));
}

// One party's connection, and what is still to be said to it.
struct Connection {
    FileDescriptor socket;
    bool is_connecting = false;
    bool has_ended = false;      // it says nothing any more
    bool has_been_told = false;  // that the other one does not
    rfb::ByteQueue waiting;

    // False: it is gone.
    bool flush() {
        while (!waiting.empty() && !is_connecting) {
            const base::ByteView bytes = waiting.view();
            const ssize_t sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) return errno == EAGAIN;
            waiting.drop(static_cast<std::size_t>(sent));
        }
        return true;
    }
};

struct Child {
    pid_t pid = -1;
    FileDescriptor end;
    base::Bytes to;  // what is to be written, from `written` on
    std::size_t written = 0;
    rfb::ByteQueue from;
    bool is_asked = false;  // a Tick has no answer yet
    base::TimePoint asked{};
    base::TimePoint took{};  // something, for the last time, or there was nothing for it
    bool is_done = false;    // it has said that it cannot follow

    Child() = default;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid <= 0) return;
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
};

}  // namespace

class ScreenDesk::Screen {
public:
    struct Start {
        std::array<std::vector<FileDescriptor>, 2> listeners;  // by leg
        io::UdpSocket rtp;
        io::UdpSocket rtcp;
        io::UdpSocket sink;
        std::uint32_t ssrc = 0;
        std::uint16_t sequence = 0;
        std::uint32_t timestamp = 0;
    };
    using Told = std::function<void(ScreenEvent::Kind, Reason)>;

    Screen(Start start, const Options& options, Told told)
        : start_(std::move(start)), options_(options), told_(std::move(told)) {}

    std::array<base::NetAddress, 2> listens_at{};  // by leg
    std::array<std::vector<base::NetAddress>, 2> hosts;
    Leg sharer = Leg::A;
    base::NetAddress rtp_to;
    base::NetAddress rtcp_to;

    void set_recorded(bool is_recorded) {
        if (is_recorded) wants_key_ = true;
        if (is_recorded && !is_recorded_) goodbye_ = {};
        is_recorded_ = is_recorded;
    }
    void set_private(std::optional<Reason> why) {
        private_ = std::move(why);
        if (private_ && child_) give_up(private_->code, private_->text);
    }
    void append_polls(std::vector<pollfd>& polls, base::TimePoint now) const;
    int patience_ms() const;
    // Takes the connections that have come, to be judged by turn() after the verbs that the desk
    // was given before they came.
    void take_callers(base::TimePoint now);
    void turn(base::Now now);

private:
    void admit_callers(base::TimePoint now);
    void connect_other(base::TimePoint now);
    void finish_connect();
    bool pump(Leg from, base::TimePoint now);
    void hang_up();
    void start_child(base::TimePoint now);
    void tap(Leg from, base::ByteView bytes, base::TimePoint now);
    void tell_child(TapKind kind, base::ByteView bytes, base::TimePoint now);
    void serve_child(base::TimePoint now);
    bool flush_child();
    bool read_child();
    bool on_record(const rfb::TapHeader& header, base::ByteView body);
    void give_up(std::string code, std::string text);
    void tell_why_not(Reason why);
    void say_goodbye(base::Now now);
    void append_report(base::Now now, base::Bytes& out) const;
    void send_pictures(base::Now now);
    void read_feedback();
    void ask(base::TimePoint now);

    Connection& party(Leg leg) { return parties_[index_of(leg)]; }
    bool is_joined() const {
        return parties_[0].socket.is_open() && parties_[1].socket.is_open() &&
               !parties_[0].is_connecting && !parties_[1].is_connecting;
    }

    Start start_;
    const Options& options_;  // the desk's
    const Told told_;
    std::array<Connection, 2> parties_;
    struct Caller {
        Leg leg = Leg::A;
        FileDescriptor socket;
        base::NetAddress source;
    };
    std::vector<Caller> callers_;  // not yet judged
    base::TimePoint deaf_until_{};
    base::TimePoint came_{};  // the one that connected to us
    bool is_told_joined_ = false;
    std::unique_ptr<Child> child_;
    std::optional<Leg> server_;  // of RFB: who spoke first, since they were joined
    bool is_recorded_ = false;
    std::optional<Reason> private_;  // why nobody may follow it
    std::optional<Reason> why_not_;  // nothing is made of the present connection
    base::TimePoint goodbye_{};      // when the servers were last told so
    bool wants_key_ = false;

    std::deque<base::Bytes> packets_;
    base::TimePoint sent_{};
    base::TimePoint reported_{};
    std::int64_t last_stamp_ns_ = 0;
    std::uint32_t last_timestamp_ = 0;
    std::uint32_t packet_count_ = 0;
    std::uint32_t octet_count_ = 0;
};

// ---- the parties --------------------------------------------------------------------------------

void ScreenDesk::Screen::append_polls(std::vector<pollfd>& polls, base::TimePoint now) const {
    if (now >= deaf_until_)
        for (const auto& of_leg : start_.listeners)
            for (const FileDescriptor& listener : of_leg)
                polls.push_back({.fd = listener.get(), .events = POLLIN, .revents = 0});
    for (std::size_t i = 0; i < 2; ++i) {
        const Connection& one = parties_[i];
        const Connection& peer = parties_[1 - i];
        if (!one.socket.is_open()) continue;
        int events = 0;
        if (one.is_connecting || !one.waiting.empty()) events |= POLLOUT;
        if (is_joined() && !one.has_ended && peer.waiting.size() < kMaxScreenWaiting)
            events |= POLLIN;
        // Without a question to it the end of a connection would be told all the same, for ever.
        if (events == 0) continue;
        polls.push_back(
            {.fd = one.socket.get(), .events = static_cast<short>(events), .revents = 0});
    }
    if (child_) {
        const bool has_more = child_->written < child_->to.size();
        polls.push_back({.fd = child_->end.get(),
                         .events = static_cast<short>(has_more ? POLLIN | POLLOUT : POLLIN),
                         .revents = 0});
    }
    polls.push_back({.fd = start_.rtcp.descriptor(), .events = POLLIN, .revents = 0});
}

int ScreenDesk::Screen::patience_ms() const {
    constexpr int kPacing = 4;
    constexpr int kAsking = 50;
    constexpr int kIdle = 500;
    if (!packets_.empty()) return kPacing;
    return child_ && is_recorded_ ? kAsking : kIdle;
}

void ScreenDesk::Screen::turn(base::Now now) {
    admit_callers(now.steady);
    connect_other(now.steady);
    finish_connect();
    if (is_joined()) {
        if (!std::exchange(is_told_joined_, true)) start_child(now.steady);
        // A child that serves this is one that has what came before: first its turn, then more.
        serve_child(now.steady);
        const bool goes_on = pump(Leg::A, now.steady) && pump(Leg::B, now.steady);
        if (!goes_on) hang_up();
    }
    serve_child(now.steady);
    read_feedback();
    send_pictures(now);
    say_goodbye(now);
    ask(now.steady);
}

// Both legs' listeners are open; whoever is active (RFC 4145) comes to the one that faces it.
void ScreenDesk::Screen::take_callers(base::TimePoint now) {
    if (now < deaf_until_) return;
    for (const Leg leg : {Leg::A, Leg::B}) {
        for (const FileDescriptor& listener : start_.listeners[index_of(leg)]) {
            io::SocketAddress from;
            from.size = sizeof from.storage;
            FileDescriptor socket(
                ::accept4(listener.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (socket.is_open()) {
                callers_.push_back({.leg = leg,
                                    .socket = std::move(socket),
                                    .source = io::from_socket_address(from.storage)});
                continue;
            }
            // Without a descriptor it stays in the queue, and poll() would tell of it for ever.
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                deaf_until_ = now + kDeaf;
        }
    }
}

void ScreenDesk::Screen::admit_callers(base::TimePoint now) {
    for (Caller& caller : std::exchange(callers_, {})) {
        const auto is_it = [&](const base::NetAddress& host) {
            return host.same_host(caller.source);
        };
        const auto& allowed = hosts[index_of(caller.leg)];
        const bool is_allowed = std::any_of(allowed.begin(), allowed.end(), is_it);
        // One connection at a time: what runs is not given up for somebody who knocks.
        const bool is_taken =
            party(caller.leg).socket.is_open() || party(other(caller.leg)).socket.is_open();
        if (!is_allowed || is_taken) continue;
        set_option(caller.socket.get(), IPPROTO_TCP, TCP_NODELAY);
        party(caller.leg) = {};
        party(caller.leg).socket = std::move(caller.socket);
        came_ = now;
    }
}

void ScreenDesk::Screen::connect_other(base::TimePoint now) {
    for (const Leg leg : {Leg::A, Leg::B}) {
        if (!party(leg).socket.is_open() || party(other(leg)).socket.is_open()) continue;
        const base::NetAddress& to = listens_at[index_of(other(leg))];
        if (to.is_unspecified() || to.port == 0) {
            // Its answer may still be on the way.
            if (now - came_ > kScreenPatience) hang_up();
            continue;
        }
        FileDescriptor socket = tcp_socket(to);
        io::SocketAddress address = io::to_socket_address(to);
        set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY);
        const int result = ::connect(socket.get(), address.get(), address.size);
        if (result != 0 && errno != EINPROGRESS) {
            hang_up();
            continue;
        }
        party(other(leg)) = {};
        party(other(leg)).socket = std::move(socket);
        party(other(leg)).is_connecting = true;
    }
}

void ScreenDesk::Screen::finish_connect() {
    for (const Leg leg : {Leg::A, Leg::B}) {
        Connection& one = party(leg);
        if (!one.is_connecting) continue;
        pollfd ready{.fd = one.socket.get(), .events = POLLOUT, .revents = 0};
        if (::poll(&ready, 1, 0) != 1) continue;
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(one.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        one.is_connecting = false;
        if (error != 0) hang_up();
    }
}

// False: the connection is over.
bool ScreenDesk::Screen::pump(Leg from, base::TimePoint now) {
    Connection& one = party(from);
    Connection& peer = party(other(from));
    base::Bytes piece(kPiece);
    for (int i = 0; i < kPiecesAtOnce && !one.has_ended; ++i) {
        if (peer.waiting.size() >= kMaxScreenWaiting) break;
        const ssize_t count = ::recv(one.socket.get(), piece.data(), piece.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) break;
        if (count < 0) return false;
        if (count == 0) {
            one.has_ended = true;
            break;
        }
        const base::ByteView bytes = base::ByteView(piece).first(static_cast<std::size_t>(count));
        peer.waiting.append(bytes);
        tap(from, bytes, now);
        if (!peer.flush()) return false;
    }
    if (!peer.flush()) return false;
    if (one.has_ended && peer.waiting.empty() && !std::exchange(peer.has_been_told, true))
        ::shutdown(peer.socket.get(), SHUT_WR);
    return !(one.has_ended && peer.has_ended && one.waiting.empty() && peer.waiting.empty());
}

void ScreenDesk::Screen::hang_up() {
    for (Connection& one : parties_) one = {};
    child_.reset();
    server_.reset();
    // Who has said goodbye comes back as somebody else (RFC 3550 section 8.2).
    if (std::exchange(why_not_, std::nullopt)) ++start_.ssrc;
    if (std::exchange(is_told_joined_, false)) told_(ScreenEvent::Kind::Ended, {});
}

// ---- the child ----------------------------------------------------------------------------------

void ScreenDesk::Screen::start_child(base::TimePoint now) {
    const auto failed = [this](std::string text) {
        tell_why_not({"screen_missing", std::move(text)});
    };
    if (private_) return tell_why_not(*private_);
    if (::access(options_.program.c_str(), X_OK) != 0)
        return failed(
            fmt::format("{} is not there: this build was made without it "
                        "(-DEARSHOT_MEDIA=OFF), or it was not installed.",
                        options_.program));
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return failed("No more descriptors are free.");
    auto child = std::make_unique<Child>();
    child->end = FileDescriptor(ends[0]);
    const FileDescriptor childs(ends[1]);
    static_cast<void>(::fcntl(ends[0], F_SETFL, O_NONBLOCK));
    const std::array<int, 2> descriptors{childs.get(), childs.get()};
    child->took = now;
    const int error = io::spawn_program({options_.program}, descriptors, child->pid);
    if (error != 0) {
        child->pid = -1;
        return failed(fmt::format("{} cannot be started: {}.", options_.program,
                                  std::generic_category().message(error)));
    }
    child_ = std::move(child);
    wants_key_ = false;  // its first picture is one
    told_(ScreenEvent::Kind::Connected, {});
}

void ScreenDesk::Screen::tap(Leg from, base::ByteView bytes, base::TimePoint now) {
    const bool is_first = !server_;
    if (is_first) server_ = from;
    if (!child_) return;
    // RFC 6143 section 7.1.1: the server speaks first, and stays it: a hold (a=sendonly of who
    // views) changes nothing of a session that runs.
    if (is_first && from != sharer)
        return give_up("rfb_roles",
                       "Who said that it views the screen speaks first, as an RFB server does.");
    tell_child(from == *server_ ? TapKind::Server : TapKind::Viewer, bytes, now);
    if (child_->to.size() - child_->written > kMaxScreenTap)
        give_up("screen_behind", "The shared screen changes faster than it can be followed.");
}

void ScreenDesk::Screen::tell_child(TapKind kind, base::ByteView bytes, base::TimePoint now) {
    if (child_->is_done) return;
    if (child_->written > child_->to.size() / 2) {
        child_->to.erase(child_->to.begin(),
                         child_->to.begin() + static_cast<std::ptrdiff_t>(child_->written));
        child_->written = 0;
    }
    rfb::append_tap_record(kind, to_ns(now), bytes, child_->to);
}

void ScreenDesk::Screen::give_up(std::string code, std::string text) {
    child_.reset();
    tell_why_not({std::move(code), std::move(text)});
}

void ScreenDesk::Screen::tell_why_not(Reason why) {
    why_not_ = why;
    goodbye_ = {};
    told_(ScreenEvent::Kind::NotRecorded, std::move(why));
}

void ScreenDesk::Screen::serve_child(base::TimePoint now) {
    if (!child_) return;
    const std::size_t before = child_->written;
    const bool is_there = flush_child();
    if (child_->written != before || child_->written == child_->to.size()) child_->took = now;
    if (!is_there || !read_child())
        return give_up("screen_crashed", "The program that makes video of the screen has ended.");
    if (child_ && child_->is_done) {
        child_.reset();
        return;
    }
    if (!child_) return;
    // Also while nobody records: one that takes nothing would be told of it too late.
    const bool is_silent = child_->is_asked && now - child_->asked > options_.stall;
    if (is_silent || now - child_->took > options_.stall)
        give_up("screen_stalled", "The program that makes video of the screen does not answer.");
}

bool ScreenDesk::Screen::flush_child() {
    while (child_->written < child_->to.size()) {
        const ssize_t sent =
            ::send(child_->end.get(), child_->to.data() + child_->written,
                   child_->to.size() - child_->written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN;
        child_->written += static_cast<std::size_t>(sent);
    }
    return true;
}

bool ScreenDesk::Screen::read_child() {
    base::Bytes piece(kPiece);
    bool has_ended = false;
    while (true) {
        const ssize_t count = ::recv(child_->end.get(), piece.data(), piece.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        has_ended = count == 0 || (count < 0 && errno != EAGAIN);
        if (count <= 0) break;
        child_->from.append(base::ByteView(piece).first(static_cast<std::size_t>(count)));
        // It is not trusted: one record at a time, and each is an answer.
        if (child_->from.size() > rfb::kMaxTapBytes) return false;
    }
    while (child_->from.has(rfb::kTapHeaderBytes)) {
        const auto header = rfb::parse_tap_header(child_->from.view());
        if (!header) return false;
        if (!child_->from.has(rfb::kTapHeaderBytes + header->size)) break;
        child_->from.drop(rfb::kTapHeaderBytes);
        if (!on_record(*header, child_->from.take(header->size))) return false;
    }
    return !has_ended || child_->is_done;
}

bool ScreenDesk::Screen::on_record(const rfb::TapHeader& header, base::ByteView body) {
    if (header.kind == TapKind::Failed) {
        // People read it, and it comes from who is not trusted: one line of text, or it is broken.
        constexpr std::size_t kMaxReasonBytes = 512;
        const std::string_view text = base::as_text(body);
        const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
        if (text.size() > kMaxReasonBytes || !std::all_of(text.begin(), text.end(), is_plain))
            return false;
        const std::size_t blank = std::min(text.find(' '), text.size());
        child_->is_done = true;
        tell_why_not({std::string(text.substr(0, blank)),
                      std::string(text.substr(std::min(blank + 1, text.size())))});
        return true;
    }
    if (header.kind != TapKind::Frame && header.kind != TapKind::Nothing) return false;
    if (!std::exchange(child_->is_asked, false)) return false;
    if (header.kind == TapKind::Nothing) return true;
    constexpr std::size_t kFixed = 5;
    if (body.size() < kFixed) return false;
    body = body.subspan(kFixed);
    // 90 kHz by the arrival of what changed; never back, never twice, and not of the future.
    constexpr std::int64_t kNsPerMs = 1'000'000;
    const std::int64_t ns =
        std::max(std::min(header.time_ns, to_ns(child_->asked)), last_stamp_ns_ + kNsPerMs);
    last_stamp_ns_ = ns;
    last_timestamp_ = start_.timestamp + static_cast<std::uint32_t>(ns / kNsPerMs * 90);
    while (!body.empty()) {
        if (body.size() < 2) return false;
        const std::size_t size = base::load_le<std::uint16_t>(body, 0);
        if (body.size() < 2 + size || size == 0 || size > kMaxScreenPayload) return false;
        base::Bytes packet;
        rtp::write_rtp({.payload_type = kScreenPayloadType,
                        .marker = body.size() == 2 + size,
                        .sequence = start_.sequence++,
                        .timestamp = last_timestamp_,
                        .ssrc = start_.ssrc},
                       body.subspan(2, size), packet);
        packets_.push_back(std::move(packet));
        body = body.subspan(2 + size);
    }
    return true;
}

// The next picture is asked for when the one before has left: who is slow gets fewer pictures.
void ScreenDesk::Screen::ask(base::TimePoint now) {
    if (!child_ || !is_recorded_ || child_->is_asked || !packets_.empty()) return;
    if (now - child_->asked < kScreenAskEvery) return;
    if (std::exchange(wants_key_, false)) tell_child(TapKind::KeyFrame, {}, now);
    tell_child(TapKind::Tick, {}, now);
    child_->is_asked = true;
    child_->asked = now;
    static_cast<void>(flush_child());  // whether it lives is the next turn's to see
}

// ---- the video ----------------------------------------------------------------------------------

void ScreenDesk::Screen::send_pictures(base::Now now) {
    if (packets_.empty() || rtp_to.is_unspecified()) {
        packets_.clear();
        return;
    }
    if (now.steady - sent_ < kScreenPacing) return;
    sent_ = now.steady;
    // A key frame is hundreds of packets: more than a socket's buffer holds at once.
    for (std::size_t i = 0; i < kScreenPacketsAtOnce && !packets_.empty(); ++i) {
        static_cast<void>(start_.rtp.send(packets_.front(), rtp_to));
        ++packet_count_;
        octet_count_ += static_cast<std::uint32_t>(packets_.front().size() - 12);
        packets_.pop_front();
    }
    if (now.steady - reported_ < kReportEvery || rtcp_to.is_unspecified()) return;
    reported_ = now.steady;
    base::Bytes report;
    append_report(now, report);
    static_cast<void>(start_.rtcp.send(report, rtcp_to));
}

void ScreenDesk::Screen::append_report(base::Now now, base::Bytes& out) const {
    constexpr std::int64_t kNsPerMs = 1'000'000;
    rtp::append_sender_report(
        {.ssrc = start_.ssrc,
         .ntp = rtp::to_ntp(now.wall),
         .rtp_timestamp =
             start_.timestamp + static_cast<std::uint32_t>(to_ns(now.steady) / kNsPerMs * 90),
         .packet_count = packet_count_,
         .octet_count = octet_count_,
         .reports = {}},
        out);
    rtp::append_cname(start_.ssrc, fmt::format("screen-{:08x}", start_.ssrc), out);
}

// The recording servers learn why they get nothing (RFC 3550 section 6.6): their recording is not
// complete. Again from time to time, for one that has begun a moment ago, or lost it.
void ScreenDesk::Screen::say_goodbye(base::Now now) {
    if (!why_not_ || !is_recorded_ || rtcp_to.is_unspecified()) return;
    if (now.steady - goodbye_ < kReportEvery) return;
    goodbye_ = now.steady;
    base::Bytes report;
    append_report(now, report);
    rtp::append_goodbye(start_.ssrc, fmt::format("{}: {}", why_not_->code, why_not_->text), report);
    static_cast<void>(start_.rtcp.send(report, rtcp_to));
}

// A recording server's PLI or FIR, which the relay passes on to who sends.
void ScreenDesk::Screen::read_feedback() {
    io::DatagramBatch batch(4, 2048);
    // What else there is can wait: others have their turn on this thread.
    for (int i = 0; i < kBatchesAtOnce && start_.rtcp.receive(batch) > 0; ++i)
        for (const io::Datagram& datagram : batch.datagrams()) {
            if (!datagram.source.same_host(rtcp_to)) continue;
            const auto packets = rtp::parse_rtcp(datagram.bytes);
            if (!packets) continue;
            for (const rtp::RtcpPacket& packet : *packets)
                if (const auto* feedback = std::get_if<rtp::OtherRtcp>(&packet))
                    wants_key_ = wants_key_ || rtp::parse_feedback(*feedback).wants_key_frame();
        }
}

// ---- the desk -----------------------------------------------------------------------------------

ScreenDesk::ScreenDesk(Options options, const io::Clock& clock, base::Random& random)
    : options_(std::move(options)),
      clock_(clock),
      random_(random),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

ScreenDesk::~ScreenDesk() {
    give([this] { is_over_ = true; });
    if (thread_.joinable()) thread_.join();
}

void ScreenDesk::give(Command command) {
    {
        const std::lock_guard lock(mutex_);
        commands_.push_back(std::move(command));
    }
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

void ScreenDesk::run() {
    io::set_thread_name("screens");
    std::vector<pollfd> polls;
    while (!is_over_) {
        polls.assign(1, {.fd = wake_.get(), .events = POLLIN, .revents = 0});
        int patience_ms = 1'000;
        for (const auto& [id, screen] : screens_) {
            screen->append_polls(polls, clock_.now().steady);
            patience_ms = std::min(patience_ms, screen->patience_ms());
        }
        static_cast<void>(::poll(polls.data(), polls.size(), patience_ms));
        std::uint64_t woken = 0;
        static_cast<void>(!::read(wake_.get(), &woken, sizeof woken));
        // First who has come, then the verbs: where a party connects upon an answer, what the desk
        // was told before that answer went is known when the connection is judged.
        for (const auto& [id, screen] : screens_) screen->take_callers(clock_.now().steady);
        std::vector<Command> commands;
        {
            const std::lock_guard lock(mutex_);
            commands.swap(commands_);
        }
        for (const Command& command : commands) command();
        const base::Now now = clock_.now();
        for (const auto& [id, screen] : screens_) screen->turn(now);
    }
}

void ScreenDesk::tell(CallKey call, ScreenEvent event) {
    options_.post([this, call, event = std::move(event)] {
        if (told_) told_(call, event);
    });
}

Result<std::vector<FileDescriptor>, Reason> ScreenDesk::listen_once(std::uint16_t& port) {
    const std::size_t span = std::size_t{options_.last_port} - options_.first_port + 1;
    port = static_cast<std::uint16_t>(options_.first_port + random_.u32() % span);
    std::vector<base::NetAddress> at{options_.bind_host};
    if (options_.other_bind_host) at.push_back(*options_.other_bind_host);
    std::vector<FileDescriptor> made;
    for (base::NetAddress& address : at) {
        address.port = port;
        FileDescriptor socket = tcp_socket(address);
        if (!socket.is_open()) return socket_fault(errno);
        set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR);
        if (!address.is_v4()) set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY);
        io::SocketAddress bound = io::to_socket_address(address);
        constexpr int kBacklog = 4;
        if (::bind(socket.get(), bound.get(), bound.size) != 0 ||
            ::listen(socket.get(), kBacklog) != 0)
            return socket_fault(errno);
        made.push_back(std::move(socket));
    }
    return made;
}

Result<std::array<std::vector<FileDescriptor>, 2>, Reason> ScreenDesk::listen(
    std::array<std::uint16_t, 2>& ports) {
    std::array<std::vector<FileDescriptor>, 2> listeners;
    constexpr int kTries = 32;
    for (const Leg leg : {Leg::A, Leg::B}) {
        auto made = listen_once(ports[index_of(leg)]);
        for (int i = 1; i < kTries && !made; ++i) made = listen_once(ports[index_of(leg)]);
        if (!made) return made.error();
        listeners[index_of(leg)] = *std::move(made);
    }
    return listeners;
}

Result<ScreenDesk::Opened, Reason> ScreenDesk::open(CallKey call, std::size_t line, bool ipv6) {
    if (open_ >= kMaxScreens)
        return Reason{"too_many_screens",
                      fmt::format("{} screens are shared already.", kMaxScreens)};
    base::NetAddress host = options_.bind_host;
    if (host.is_v4() == ipv6 && options_.other_bind_host) host = *options_.other_bind_host;
    host.port = 0;
    constexpr int kSmall = 2'048;  // bytes: the kernel's least
    const io::UdpOptions plain{.receive_buffer_bytes = 0, .is_stamped = false};
    auto rtp = io::UdpSocket::bind(host, plain);
    auto rtcp = io::UdpSocket::bind(host, plain);
    auto sink = io::UdpSocket::bind(host, {.receive_buffer_bytes = kSmall, .is_stamped = false});
    for (const auto* socket : {&rtp, &rtcp, &sink})
        if (!*socket) return socket_fault(static_cast<int>(socket->error().detail));
    Opened opened{.screen = ++last_id_,
                  .tcp_ports = {},
                  .rtp = rtp->local_address(),
                  .rtcp_port = rtcp->local_address().port,
                  .sink = sink->local_address()};
    auto listeners = listen(opened.tcp_ports);
    if (!listeners) return listeners.error();
    auto start = std::make_shared<Screen::Start>(
        Screen::Start{.listeners = *std::move(listeners),
                      .rtp = *std::move(rtp),
                      .rtcp = *std::move(rtcp),
                      .sink = *std::move(sink),
                      .ssrc = random_.u32(),
                      .sequence = static_cast<std::uint16_t>(random_.u32()),
                      .timestamp = random_.u32()});
    give([this, call, line, id = opened.screen, start] {
        screens_[id] = std::make_unique<Screen>(
            std::move(*start), options_, [this, call, line](auto kind, Reason reason) {
                tell(call, {.kind = kind, .line = line, .reason = std::move(reason)});
            });
    });
    ++open_;
    if (!thread_.joinable()) thread_ = std::jthread([this] { run(); });
    return opened;
}

void ScreenDesk::set_leg(std::uint64_t screen, Leg leg, const base::NetAddress& listens_at,
                         std::vector<base::NetAddress> hosts) {
    give([this, screen, leg, listens_at, hosts = std::move(hosts)] {
        Screen& one = *screens_.at(screen);
        one.listens_at[index_of(leg)] = listens_at;
        one.hosts[index_of(leg)] = hosts;
    });
}

void ScreenDesk::set_sharer(std::uint64_t screen, Leg sharer) {
    give([this, screen, sharer] { screens_.at(screen)->sharer = sharer; });
}

void ScreenDesk::send_to(std::uint64_t screen, const base::NetAddress& rtp,
                         const base::NetAddress& rtcp) {
    give([this, screen, rtp, rtcp] {
        screens_.at(screen)->rtp_to = rtp;
        screens_.at(screen)->rtcp_to = rtcp;
    });
}

void ScreenDesk::set_recorded(std::uint64_t screen, bool is_recorded) {
    give([this, screen, is_recorded] { screens_.at(screen)->set_recorded(is_recorded); });
}

void ScreenDesk::set_private(std::uint64_t screen, std::optional<Reason> why) {
    give([this, screen, why = std::move(why)] { screens_.at(screen)->set_private(why); });
}

void ScreenDesk::close(std::uint64_t screen) {
    --open_;
    give([this, screen] { screens_.erase(screen); });
}

}  // namespace earshot::relay
