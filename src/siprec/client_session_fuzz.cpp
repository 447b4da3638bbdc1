// A recording server that answers and asks what it likes, against our client's session over the
// agent. Each octet of the input is a decision of a grammar, some are bodies as they stand; a small
// model says what may never happen: a Stop without its Start, a packet while paused, a label
// without its offer, an m-line that goes away, a session that does not come to its end.
#include <array>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "mime/multipart.h"
#include "sdp/session_description.h"
#include "sip/builder.h"
#include "sip/parser.h"
#include "siprec/cs_description.h"
#include "siprec/limits.h"
#include "siprec/recording_client_session.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target is a leaf
using siprec::ClientEvent;
using std::chrono::milliseconds;

void require(bool holds, int line = __builtin_LINE()) {
    if (holds) return;
    std::cerr << "broken promise at line " << line << '\n';
    std::abort();
}

class Draws {
public:
    explicit Draws(base::ByteView bytes) : rest_(bytes) {}
    bool is_empty() const { return rest_.empty(); }
    std::size_t below(std::size_t limit) {
        if (rest_.empty()) return 0;
        const std::size_t drawn = rest_[0] % limit;
        rest_ = rest_.subspan(1);
        return drawn;
    }
    template <class T, std::size_t N>
    T of(const std::array<T, N>& choices) {
        return choices[below(N)];
    }
    std::string text() {
        const std::size_t size = std::min(below(256), rest_.size());
        const std::string taken{base::as_text(rest_.first(size))};
        rest_ = rest_.subspan(size);
        return taken;
    }

private:
    base::ByteView rest_;
};

std::string draw_sdp(Draws& draws) {
    if (draws.below(8) == 0) return draws.text();
    constexpr std::array<std::string_view, 4> kDirections{"recvonly", "inactive", "sendrecv", "x"};
    constexpr std::array<std::string_view, 4> kProtos{"RTP/AVP", "RTP/AVP", "RTP/SAVP", "TCP/MSRP"};
    constexpr std::array<std::string_view, 4> kFormats{"0 8", "0", "101", "*"};
    constexpr std::array<std::string_view, 4> kHosts{"198.51.100.7", "198.51.100.8", "0.0.0.0",
                                                     "name"};
    std::string sdp = "v=0\r\no=s 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 ";
    sdp.append(draws.of(kHosts)).append("\r\nt=0 0\r\n");
    for (std::size_t lines = draws.below(5); lines > 0; --lines) {
        sdp.append("m=").append(draws.below(8) == 0 ? "video" : "audio").append(" ");
        sdp.append(std::to_string(draws.below(4) == 0 ? 0 : 50000 + lines)).append(" ");
        sdp.append(draws.of(kProtos)).append(" ").append(draws.of(kFormats));
        sdp.append("\r\na=").append(draws.of(kDirections)).append("\r\n");
        if (draws.below(2) == 0) sdp += "a=label:" + std::to_string(draws.below(4)) + "\r\n";
    }
    return sdp;
}

struct DrawnBody {
    std::string type;
    std::string bytes;
};
DrawnBody draw_body(Draws& draws) {
    switch (draws.below(6)) {
        case 0:
            return {};
        case 1:
            return {"application/rs-metadata-request", draws.text()};
        case 2:
            return {"application/rs-metadata+xml", siprec::write_snapshot_request("why")};
        case 3:
            return {"multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\n" +
                                                      draw_sdp(draws) + "\r\n--b--\r\n"};
        default:
            return {"application/sdp", draw_sdp(draws)};
    }
}

class Call : public siprec::ClientSessionHost {
public:
    explicit Call(base::ByteView input) : draws_(input), agent_(agent_config(), random_) {
        describe();
        siprec::ClientSessionSettings settings;
        settings.servers = {"sip:a@198.51.100.7", "sip:b@198.51.100.8"};
        if (draws_.below(2) == 0)
            settings.skip_failover_codes = *siprec::SkipCodes::parse("408|48|6");
        if (draws_.below(2) == 0) settings.credentials = {"user", "password"};
        settings.fails_over = draws_.below(2) == 0;
        session_ = std::make_unique<siprec::RecordingClientSession>(settings, *this, random_);
    }

    void run() {
        session_->start(now_, state());
        drain();
        if (draws_.below(4) != 0) accept();  // most of what can go wrong comes after it
        for (int steps = 0; steps < 80 && !draws_.is_empty(); ++steps) step();
        session_->stop(now_);
        drain();
        wait(std::chrono::minutes{10});
        require(session_->is_done());
        require(!session_->deadline());
        require(starts_ == stops_);
        require(is_over_);
        require(starts_ <= 1 + failovers_);
        require(failovers_ <= static_cast<int>(siprec::kMaxFailovers));
        require(failures_ <= 1);
        require(agent_.dialog_count() == 0);
    }

private:
    static sip::AgentConfig agent_config() {
        sip::AgentConfig config;
        config.listeners = {{sip::Transport::Udp, "192.0.2.10:5060", "sip:192.0.2.10:5060"}};
        config.contact_parameters = ";+sip.src";
        return config;
    }

    void step() {
        switch (draws_.below(8)) {
            case 0:
            case 1:
            case 2:
                answer();
                break;
            case 3:
            case 4:
                ask();
                break;
            case 5:
                wait(milliseconds{1 << draws_.below(16)});
                break;
            default:
                act();
        }
    }

    // ---- the user
    siprec::CsState state() {
        std::string sdp =
            "v=0\r\no=r 7 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";
        for (std::size_t i = 0; i < call_.streams.size(); ++i)
            sdp += "m=audio " + std::to_string(40000 + 2 * i) +
                   " RTP/AVP 0 8\r\na=sendonly\r\na=label:" + call_.streams[i].label + "\r\n";
        return {siprec::describe(call_).objects, sdp};
    }
    void describe() {
        call_.session_id = base::make_uuid_v4(random_);
        call_.start = now_.wall;
        for (std::size_t i = 0; i < 2; ++i) add_party();
    }
    void add_party() {
        siprec::CsStream stream;
        stream.id = base::make_uuid_v4(random_);
        stream.label = std::to_string(call_.streams.size() + 1);
        stream.senders = {call_.participants.size()};
        call_.streams.push_back(stream);
        siprec::CsParticipant participant;
        participant.id = base::make_uuid_v4(random_);
        participant.names = {{"sip:p@a.example", draws_.below(4) == 0 ? draws_.text() : "P", ""}};
        call_.participants.push_back(participant);
    }
    void act() {
        switch (draws_.below(8)) {
            case 6:
                session_->on_media_lost(now_, siprec::MediaLoss::ServerDead,
                                        {"media_refused", "x"});
                break;
            case 7:
                session_->probe(now_);
                break;
            case 0:
                is_paused_ = session_->pause(now_) || is_paused_;
                break;
            case 1:
                if (is_paused_) is_paused_ = false, session_->resume(now_);
                break;
            case 2:
                if (call_.streams.size() < 4) add_party();
                session_->set_state(now_, state());
                break;
            case 3:
                call_.streams[0].is_held = !call_.streams[0].is_held;
                session_->set_state(now_, state());
                break;
            case 4:
                static_cast<void>(session_->send({"INFO", {}, "text/plain", "x"}));
                break;
            default:
                if (draws_.below(4) == 0) session_->stop(now_);
        }
        drain();
    }

    // ---- the server
    void accept() {
        const sip::Message invite = requests_.back();
        sip::ResponseOptions options;
        options.to_tag = "s";
        auto builder = sip::response_to(invite, 200, options);
        builder.add("Contact", "<sip:s@198.51.100.9>;+sip.srs");
        add_odd_header(builder);
        builder.body("application/sdp",
                     "v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 50000 RTP/AVP 0 8\r\n"
                     "a=recvonly\r\nm=audio 50002 RTP/AVP 0 8\r\na=recvonly\r\n");
        receive(builder.build());
    }
    void answer() {
        if (requests_.empty()) return;
        // Mostly the last one.
        const std::size_t back = draws_.below(8) == 0 ? draws_.below(requests_.size()) : 0;
        const sip::Message request = requests_[requests_.size() - 1 - back];
        constexpr std::array<int, 24> kStatuses{200, 200, 200, 200, 200, 200, 100, 180,
                                                183, 302, 401, 404, 405, 408, 415, 422,
                                                481, 486, 487, 488, 491, 500, 503, 603};
        sip::ResponseOptions options;
        constexpr std::array<std::string_view, 4> kTags{"s", "s", "s", "other"};
        options.to_tag = draws_.of(kTags);
        auto builder = sip::response_to(request, draws_.of(kStatuses), options);
        builder.add("Contact", "<sip:s@198.51.100.9>;+sip.srs");
        add_odd_header(builder);
        const DrawnBody body = draw_body(draws_);
        if (!body.bytes.empty()) builder.body(body.type, body.bytes);
        receive(builder.build());
    }
    void add_odd_header(sip::MessageBuilder& builder) {
        switch (draws_.below(10)) {
            case 0:
                builder.add("Session-Expires", draws_.below(2) == 0 ? "90;refresher=uac" : "1");
                break;
            case 1:
                builder.add("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", stale=true");
                break;
            case 2:
                builder.add("Retry-After", "1");
                break;
            case 3:
                builder.add("Require", "100rel").add("RSeq", "1");
                break;
            case 4:
                builder.add("Min-SE", "7200");
                break;
            case 5:
                builder.add("Allow", "INVITE");
                break;
            case 6:
                builder.add("Reason", draws_.text());
                break;
            default:
                break;
        }
    }
    void ask() {
        constexpr std::array<std::string_view, 10> kMethods{
            "INVITE", "INVITE", "ACK", "UPDATE", "UPDATE", "INFO", "OPTIONS", "PRACK", "X", "BYE"};
        const std::string method{draws_.of(kMethods)};
        if (method != "ACK" && method != "CANCEL") ++cseq_;
        auto builder = sip::MessageBuilder::request(method, "sip:192.0.2.10:5060");
        builder.add("Via", "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK" + std::to_string(++branch_));
        builder.add("Max-Forwards", "70");
        builder.add("From", "<sip:a@198.51.100.7>;tag=s");
        builder.add("To", "<sip:a@198.51.100.7>;tag=" + our_tag_);
        builder.add("Call-ID", our_call_id_);
        builder.add("CSeq", std::to_string(cseq_) + " " + method);
        builder.add("Contact", "<sip:s@198.51.100.9>;+sip.srs");
        add_odd_header(builder);
        const DrawnBody body = draw_body(draws_);
        if (!body.bytes.empty()) builder.body(body.type, body.bytes);
        receive(builder.build());
    }
    void receive(const std::string& text) {
        sip::ParsedMessage parsed = sip::parse_message(std::string_view{text});
        if (parsed.verdict != sip::Verdict::Good) return;
        agent_.on_message(now_.steady, peer_, std::move(parsed.message));
        drain();
    }

    // ---- ClientSessionHost
    base::Result<sip::TransactionId> start_request(const sip::OutOfDialogSpec& spec) override {
        return agent_.start_request(now_.steady, spec);
    }
    base::Result<sip::TransactionId> send_request(sip::DialogId dialog,
                                                  const sip::RequestSpec& spec) override {
        return agent_.send_request(now_.steady, dialog, spec);
    }
    void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) override {
        static_cast<void>(agent_.respond(now_.steady, transaction, spec));
    }
    void acknowledge(sip::DialogId dialog) override {
        static_cast<void>(agent_.ack(now_.steady, dialog, {}));
    }
    void cancel(sip::TransactionId invite) override {
        static_cast<void>(agent_.cancel(now_.steady, invite));
    }
    void end_dialog(sip::DialogId dialog) override { agent_.end_dialog(now_.steady, dialog); }
    void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                      const base::NetAddress& host,
                      std::vector<sip::ExtraHeader> of_invite) override {
        agent_.authenticate_as(dialog, credentials, host, std::move(of_invite));
    }
    void apply_answer(std::string sdp) override {
        require(is_recorded() && !is_fork_stopped_);
        require(!is_paused_);
        const auto answer = sdp::parse(sdp);
        require(answer.has_value() && answer->media.size() <= lines_);
    }
    void pause_fork() override { require(starts_ > 0 && !is_fork_stopped_); }
    void stop_fork() override {
        require(starts_ > 0 && !is_fork_stopped_);
        is_fork_stopped_ = true;
    }
    void lose_fork() override {
        require(is_recorded() && !is_fork_stopped_);
        lines_ = 0;  // the next server's offer is a new one
    }
    bool is_recorded() const { return starts_ == stops_ + 1; }
    void on_event(const ClientEvent& event) override {
        require(!is_over_);
        is_over_ = event.is_last;
        if (event.kind == ClientEvent::Kind::Failover) ++failovers_;
        if (event.kind == ClientEvent::Kind::Start) ++starts_;
        if (event.kind == ClientEvent::Kind::Stop) ++stops_;
        if (event.kind == ClientEvent::Kind::Failed) ++failures_;
        require(starts_ == stops_ || is_recorded());
        require(event.kind != ClientEvent::Kind::Start || starts_ == 1 + failovers_);
    }

    // ---- the loop
    void drain() {
        while (auto action = agent_.poll_action())
            std::visit([this](auto& it) { on(it); }, *action);
    }
    void wait(milliseconds time) {
        const base::TimePoint end = now_.steady + time;
        for (int rounds = 0;; ++rounds) {
            require(rounds < 100'000);
            auto due = agent_.deadline();
            const auto other = session_->deadline();
            if (other && (!due || *other < *due)) due = other;
            if (!due || *due > end) break;
            advance_to(*due);
            if (agent_.deadline() && *agent_.deadline() <= now_.steady) {
                agent_.on_time(now_.steady);
                drain();
            }
            if (session_->deadline() && *session_->deadline() <= now_.steady) {
                session_->on_time(now_);
                require(!session_->deadline() || *session_->deadline() > now_.steady);
                drain();
            }
        }
        advance_to(end);
    }
    void advance_to(base::TimePoint when) {
        if (when <= now_.steady) return;
        now_.wall += when - now_.steady;
        now_.steady = when;
    }

    void on(sip::SendBytes& send) {
        sip::ParsedMessage parsed = sip::parse_message(std::string_view(*send.bytes));
        require(parsed.verdict == sip::Verdict::Good);
        if (send.is_retransmission) return;
        check_bodies(parsed.message);
        if (!parsed.message.is_request()) return;
        if (parsed.message.method() == sip::Method::Invite && parsed.message.to_tag().empty()) {
            our_tag_ = parsed.message.from_tag();
            our_call_id_ = parsed.message.call_id();
        }
        requests_.push_back(std::move(parsed.message));
    }
    void check_bodies(const sip::Message& message) {
        const auto body = mime::parse_body(message.find("Content-Type").value_or(""), "",
                                           base::as_text(message.body()));
        if (!body || body->parts.empty()) return;
        const mime::Part* sdp = body->find("application/sdp");
        if (sdp != nullptr) {
            const auto description = sdp::parse(sdp->body);
            require(description.has_value() && description->media.size() >= lines_);
            lines_ = description->media.size();
            for (const auto& line : description->media) {
                require(line.label.has_value());
                require(line.direction != sdp::Direction::RecvOnly);
                require(line.direction != sdp::Direction::SendRecv || line.port == 0);
                require(!is_paused_ || starts_ == 0 || line.port == 0 ||
                        line.direction == sdp::Direction::Inactive);
            }
        }
        const mime::Part* metadata = body->find("application/rs-metadata+xml");
        if (metadata == nullptr) return;
        const auto document = siprec::parse_metadata(metadata->body);
        require(document.has_value() && document->issues.empty());
        for (const auto& stream : document->objects.streams)
            require(stream.label.empty() || sdp != nullptr);  // P-96
    }
    void on(sip::RequestArrived& it) { session_->on_request(now_, it); }
    void on(sip::AckArrived& it) { session_->on_ack(now_, it); }
    void on(sip::ResponseArrived& it) { session_->on_response(now_, it); }
    void on(sip::TransactionTimedOut& it) { session_->on_failure(now_, it.transaction, true); }
    void on(sip::TransportFailed& it) { session_->on_failure(now_, it.transaction, false); }
    void on(sip::DialogEnded& it) { session_->on_dialog_ended(now_, it.dialog); }
    void on(sip::LocateTarget& it) {
        agent_.on_located(now_.steady, it.transaction, {{sip::Transport::Udp, peer_.remote}});
    }
    void on(sip::InviteRefused& /*it*/) {}
    void on(sip::CancelArrived& /*it*/) {}
    void on(sip::NoAck& /*it*/) {}

    Draws draws_;
    base::SeededRandom random_{1};
    base::Now now_{base::TimePoint{} + std::chrono::hours{1},
                   base::parse_time("2026-03-02T09:15:00Z")->time};
    sip::Agent agent_;
    sip::Flow peer_{.remote = *base::parse_net_address("198.51.100.7:5060")};
    siprec::CsDescription call_;
    std::unique_ptr<siprec::RecordingClientSession> session_;
    std::vector<sip::Message> requests_;
    std::string our_tag_;
    std::string our_call_id_;
    std::uint32_t cseq_ = 0;
    std::uint32_t branch_ = 0;
    std::size_t lines_ = 0;  // of our last SDP
    int starts_ = 0;
    int stops_ = 0;
    int failures_ = 0;
    int failovers_ = 0;
    bool is_over_ = false;
    bool is_paused_ = false;
    bool is_fork_stopped_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Call({bytes, size}).run();
    return 0;
}
