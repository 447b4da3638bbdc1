// One recording session against a script: messages separated by a line "----", each parsed as from
// the network, with time passing between them; or the words of an operator: "pause", "resume",
// "drop LABEL". A script that begins with a response is that of a session that the server began.
// The server's part is played faithfully; after every input the promises to the caller are checked.
#include <cstdlib>
#include <set>

#include "sip/parser.h"
#include "siprec/recording_server_session.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target is a leaf

// Streams are opened once, closed once, and never used outside of that.
class Server {
public:
    explicit Server(siprec::RecordingServerSession& session) : session_(session) {}

    void drain(base::Now now) {
        while (auto action = session_.poll_action()) {
            if (ended_) std::abort();
            // E-25: what an operator has paused stays so.
            if (is_paused_ && std::holds_alternative<siprec::ResumeStream>(*action)) std::abort();
            if (const auto* open = std::get_if<siprec::OpenStream>(&*action)) {
                if (is_paused_ && !open->facts.paused) std::abort();
                if (!open_.insert(open->facts.stream).second) std::abort();
                const bool fails = open->facts.stream % 5 == 4;
                if (fails) {
                    session_.on_stream_failed(now, open->facts.stream, {"no_ports", ""});
                    open_.erase(open->facts.stream);
                } else {
                    session_.on_stream_opened(now, open->facts.stream, 10000, 10001);
                }
            } else if (const auto* closed = std::get_if<siprec::CloseStream>(&*action)) {
                if (open_.erase(closed->stream) != 1) std::abort();
            } else if (const auto* updated = std::get_if<siprec::UpdateStream>(&*action)) {
                if (open_.count(updated->facts.stream) != 1) std::abort();
            } else if (const auto* moved = std::get_if<siprec::MoveStream>(&*action)) {
                if (open_.count(moved->facts.stream) != 1) std::abort();
                if (moved->facts.transport % 5 == 4)
                    session_.on_stream_failed(now, moved->facts.stream, {"no_ports", ""});
                else
                    session_.on_stream_opened(now, moved->facts.stream, 10000, 10001);
            } else if (std::holds_alternative<siprec::Decide>(*action)) {
                siprec::Ruling ruling;
                ruling.kind = siprec::Ruling::Kind::Inactive;
                ruling.release_after = std::chrono::milliseconds{1};
                ruling.declines = [](const siprec::OfferedStream& one) { return one.label == "2"; };
                session_.on_decision(now, std::move(ruling));
            } else if (std::holds_alternative<siprec::CreateRow>(*action)) {
                session_.on_row_durable(now);
            } else if (std::holds_alternative<siprec::End>(*action)) {
                if (!open_.empty()) std::abort();
                ended_ = true;
            }
        }
        if (session_.is_ended() != ended_) std::abort();
    }
    bool has_ended() const { return ended_; }
    // Whether it was the word of an operator.
    bool obey(std::string_view word, base::Now now) {
        if (word == "pause") {
            is_paused_ = session_.pause(now, {}) || is_paused_;
        } else if (word == "resume") {
            is_paused_ = is_paused_ && !session_.resume(now, {});
        } else if (word.starts_with("drop ")) {
            static_cast<void>(session_.drop_stream(now, word.substr(5), {}));
        } else {
            return false;
        }
        drain(now);
        return true;
    }

private:
    siprec::RecordingServerSession& session_;
    std::set<std::uint16_t> open_;
    bool ended_ = false;
    bool is_paused_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    std::string_view rest = base::as_text({bytes, size});
    siprec::RecordingServerConfig config;
    config.media.usual = *base::parse_host("192.0.2.80", 0);
    config.asks_policy = size % 2 == 1;  // both ways with every input that may grow by a byte
    siprec::RecordingServerSession session{config, 1};
    Server server{session};
    const base::NetAddress peer = *base::parse_host("198.51.100.7", 5060);
    base::Now now{base::TimePoint{}, base::WallTime{}};
    std::uint64_t transaction = 0;
    bool is_first = true;
    constexpr int kMaxInputs = 64;
    int inputs = 0;
    while (!rest.empty() && transaction < 16 && !server.has_ended()) {
        const std::size_t end = rest.find("\n----\n");
        const std::string_view one = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 6);
        if (++inputs > kMaxInputs) break;
        if (server.obey(one, now)) continue;
        const base::ByteView raw = base::as_bytes(one);
        const sip::ParsedMessage parsed = sip::parse_message({raw.begin(), raw.end()});
        if (parsed.verdict != sip::Verdict::Good) continue;
        const sip::Message& message = parsed.message;
        ++transaction;
        if (message.is_response()) {
            if (std::exchange(is_first, false)) {
                siprec::StartRequest request;
                request.peer = peer;
                session.start(now, request);
            }
            server.drain(now);
            session.on_response(now, message);
        } else if (std::exchange(is_first, false)) {
            session.on_invite(now, {transaction}, peer, message);
        } else if (message.method() == sip::Method::Ack) {
            session.on_ack(now, message);
        } else {
            session.on_request(now, {transaction}, message);
        }
        server.drain(now);
        now.steady += std::chrono::seconds{3};
        now.wall += std::chrono::seconds{3};
        if (const auto due = session.deadline(); due && *due <= now.steady) session.on_time(now);
        server.drain(now);
    }
    session.stop(now, {"stopped", ""});
    server.drain(now);
    return 0;
}
