// Whole dialogs against the agent and the session: each octet of the input is a decision of a
// grammar, so that most messages are right and the state is reached where wrong ones hurt. Offers,
// metadata, the order of requests, lost ACKs, CANCELs and time come from the input; a small model
// says what must come out.
#include <array>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/random.h"
#include "sdp/session_description.h"
#include "sip/agent.h"
#include "sip/parser.h"
#include "siprec/recording_server_session.h"
#include "siprec/server_answers.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target is a leaf
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
    bool one_in(std::size_t n) { return below(n) == n - 1; }
    template <class T, std::size_t N>
    T of(const std::array<T, N>& choices) {
        return choices[below(N)];
    }

private:
    base::ByteView rest_;
};

// ---- the grammar --------------------------------------------------------------------------------

struct OfferedLine {
    std::string_view media = "audio";
    std::string_view proto = "RTP/AVP";
    std::string_view direction = "sendonly";
    bool is_disabled = false;
    bool is_held_by_address = false;  // c=0.0.0.0, as before RFC 3264

    bool must_be_taken() const { return !is_disabled && media == "audio" && proto == "RTP/AVP"; }
    bool may_be_taken() const {
        return !is_disabled && (proto == "RTP/AVP" || proto == "RTP/AVPF");
    }
    bool sends() const {
        return !is_held_by_address && (direction == "sendonly" || direction == "sendrecv");
    }
};
using Offer = std::vector<OfferedLine>;

constexpr std::array<std::string_view, 4> kDirections{"sendonly", "inactive", "sendrecv",
                                                      "recvonly"};

// Every line of the offer before stays (RFC 3264 §8).
void change_offer(Draws& draws, Offer& offer) {
    if (offer.size() < 5)
        for (std::size_t more = offer.empty() ? 1 + draws.below(3) : draws.below(2); more > 0;
             --more) {
            constexpr std::array<std::string_view, 6> kMedia{"audio", "audio",   "audio",
                                                             "video", "message", "application"};
            constexpr std::array<std::string_view, 6> kProtos{"RTP/AVP",  "RTP/AVP",  "RTP/AVP",
                                                              "RTP/AVPF", "RTP/SAVP", "TCP/MSRP"};
            offer.push_back({.media = draws.of(kMedia), .proto = draws.of(kProtos)});
        }
    for (OfferedLine& line : offer) {
        line.direction = draws.of(kDirections);
        line.is_disabled = draws.one_in(8);
        line.is_held_by_address = draws.one_in(8);
    }
}

std::string write_offer(const Offer& offer, std::size_t version) {
    std::string text = "v=0\r\no=src 7 " + std::to_string(version) +
                       " IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
    for (std::size_t i = 0; i < offer.size(); ++i) {
        const OfferedLine& line = offer[i];
        const std::string port = line.is_disabled ? "0" : std::to_string(20000 + 2 * i);
        const std::string_view formats = line.proto == "TCP/MSRP" ? "*" : "0 8 101";
        text += "m=" + std::string{line.media} + " " + port + " " + std::string{line.proto} + " " +
                std::string{formats} + "\r\n";
        if (line.is_held_by_address) text += "c=IN IP4 0.0.0.0\r\n";
        text += "a=label:L" + std::to_string(i) + "\r\na=" + std::string{line.direction} + "\r\n";
    }
    return text;
}

std::string id_of(std::size_t number) {  // base64 of 16 octets
    return std::string(21, static_cast<char>('A' + number % 26)) + "A==";
}

std::string write_metadata(Draws& draws) {
    const bool is_partial = draws.one_in(3);
    std::string text =
        "<?xml version=\"1.0\"?>\r\n<recording xmlns=\"urn:ietf:params:xml:ns:"
        "recording:1\">\r\n<datamode>";
    text += is_partial ? "partial" : "complete";
    text += "</datamode>\r\n<session session_id=\"" + id_of(0) + "\"/>\r\n";
    for (std::size_t i = 1 + draws.below(4); i > 0; --i) {
        const std::string person = id_of(i);
        const std::string stream = id_of(10 + i);
        text += "<participant participant_id=\"" + person + "\"><nameID aor=\"sip:p" +
                std::to_string(i) + "@a.example\"/></participant>\r\n<stream stream_id=\"" +
                stream + "\" session_id=\"" + id_of(draws.below(3)) + "\"><label>L" +
                std::to_string(draws.below(5)) +
                "</label></stream>\r\n<participantstreamassoc participant_id=\"" + person +
                "\"><send>" + stream + "</send></participantstreamassoc>\r\n";
    }
    if (!draws.one_in(8)) text += "</recording>\r\n";
    return text;
}

// ---- the other side of the session --------------------------------------------------------------

class Dialog {
public:
    explicit Dialog(base::ByteView input) : draws_(input), agent_(agent_config(), random_) {}

    void run() {
        invite();
        for (int steps = 0; steps < 60 && !draws_.is_empty(); ++steps) step();
        // The peer comes to an end, and so does all that was kept for it.
        open_waiting();
        confirm_row();
        if (accepted_cseq_) acknowledge();
        request("BYE", {}, {});
        wait(std::chrono::hours{3});
        require(session_ == nullptr || has_ended_);
        require(agent_.transaction_count() == 0);
        require(agent_.dialog_count() == 0);
        require(!agent_.deadline());
    }

private:
    struct Stream {
        std::string label;
        bool is_paused = false;
    };
    // A request of the peer that has had no final answer.
    struct Open {
        std::string method;
        std::optional<Offer> offer;
    };

    struct Invite {
        std::uint32_t cseq = 0;
        std::string branch;
    };

    static sip::AgentConfig agent_config() {
        sip::AgentConfig config;
        config.listeners = {{sip::Transport::Udp, "192.0.2.80:5060", "sip:192.0.2.80:5060"}};
        return config;
    }

    void step() {
        switch (draws_.below(16)) {
            case 0:
            case 1:
                return offer("INVITE");
            case 2:
                return offer("UPDATE");
            case 3:
                return request("INVITE", {}, {});
            case 4:
                return request("UPDATE",
                               "Content-Type: application/rs-metadata+xml\r\n"
                               "Content-Disposition: recording-session\r\n",
                               write_metadata(draws_));
            case 5:
                return request("BYE", {}, {});
            case 6:
                return cancel();
            case 7:
                return acknowledge();
            case 8:
                return request("PRACK", "RAck: 1 1 INVITE\r\n", {});
            case 9:
                return request("INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=4\r\n");
            case 10:
                return request("OPTIONS", "Require: nothing-known\r\n", {});
            case 11:
                return wait(milliseconds{draws_.below(256) * draws_.below(256)});
            case 12:
                return draws_.one_in(2) ? open_waiting() : confirm_row();
            case 13:
                return answer_server();
            case 14:
                return receive(last_request_);  // once more
            default:
                cseq_ -= std::min<std::uint32_t>(cseq_ - 1, 2);  // out of order
                return request("UPDATE", {}, {});
        }
    }

    // ---- what the peer sends

    void invite() {
        opens_late_ = draws_.one_in(3);
        row_is_late_ = draws_.one_in(3);
        change_offer(draws_, offer_);
        const std::string sdp = write_offer(offer_, ++version_);
        const bool has_offer = !draws_.one_in(8);
        const std::string metadata = write_metadata(draws_);
        const std::string body = "--b\r\nContent-Type: application/sdp\r\n\r\n" + sdp +
                                 "\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n"
                                 "Content-Disposition: recording-session\r\n\r\n" +
                                 metadata + "\r\n--b--\r\n";
        if (has_offer)
            request("INVITE", "Content-Type: multipart/mixed;boundary=b\r\n", body, offer_);
        else
            request("INVITE", {}, {});
    }

    void offer(std::string_view method) {
        change_offer(draws_, offer_);
        request(method, "Content-Type: application/sdp\r\n", write_offer(offer_, ++version_),
                offer_);
    }

    void request(std::string_view method, std::string_view headers, const std::string& body,
                 std::optional<Offer> offer = std::nullopt) {
        const std::uint32_t cseq = ++cseq_;
        const std::string branch = new_branch();
        if (method == "INVITE") invite_ = {cseq, branch};
        open_.emplace(branch, Open{std::string{method}, std::move(offer)});
        last_request_ = write(method, cseq, branch, headers, body);
        receive(last_request_);
    }

    // Each request has its own, also where the CSeq is one that was used before: a message that
    // bears the branch of another is that one, sent again (RFC 3261 §17.2.3).
    std::string new_branch() { return "z9hG4bK" + std::to_string(++branches_); }

    std::string write(std::string_view method, std::uint32_t cseq, std::string_view branch,
                      std::string_view headers, std::string_view body) const {
        return std::string{method} + " sip:srs@192.0.2.80 SIP/2.0\r\nVia: SIP/2.0/UDP " +
               "192.0.2.9:5060;branch=" + std::string{branch} +
               "\r\nMax-Forwards: 70\r\nFrom: <sip:src@a.example>;tag=p\r\n" +
               "To: <sip:srs@b.example>" + (tag_.empty() ? "" : ";tag=" + tag_) +
               "\r\nCall-ID: c\r\nCSeq: " + std::to_string(cseq) + " " + std::string{method} +
               "\r\nContact: <sip:src@192.0.2.9>;+sip.src\r\n" + std::string{headers} +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
    }

    void cancel() {
        if (open_.count(invite_.branch) == 0) return;
        receive(write("CANCEL", invite_.cseq, invite_.branch, {}, {}));
    }

    // The newest INVITE, if none was accepted. With an answer where the offer was the server's.
    void acknowledge() {
        const std::uint32_t cseq = std::exchange(accepted_cseq_, {}).value_or(invite_.cseq);
        std::string answer;
        if (theirs_is_offer_ && !draws_.one_in(4))
            answer = write_offer(answer_to_theirs(), ++version_);
        theirs_is_offer_ = false;
        receive(write("ACK", cseq, new_branch(),
                      answer.empty() ? "" : "Content-Type: application/sdp\r\n", answer));
    }

    Offer answer_to_theirs() {
        Offer answer(their_lines_);
        for (OfferedLine& line : answer) line.direction = draws_.of(kDirections);
        return answer;
    }

    void answer_server() {
        if (server_request_.empty()) return;
        constexpr std::array<std::string_view, 6> kStatuses{
            "200 OK",           "491 Request Pending", "481 Gone",
            "500 Server Error", "405 Not Allowed",     "100 Trying"};
        const auto parsed = sip::parse_message(std::string_view(server_request_));
        std::string text = "SIP/2.0 " + std::string{draws_.of(kStatuses)} + "\r\n";
        for (const auto& [id, name] :
             {std::pair{sip::HeaderId::Via, "Via"}, std::pair{sip::HeaderId::From, "From"},
              std::pair{sip::HeaderId::To, "To"}, std::pair{sip::HeaderId::CallId, "Call-ID"},
              std::pair{sip::HeaderId::Cseq, "CSeq"}})
            text += std::string{name} + ": " + std::string{parsed.message.find(id).value_or("")} +
                    "\r\n";
        receive(text + "Content-Length: 0\r\n\r\n");
    }

    void receive(const std::string& text) {
        sip::ParsedMessage parsed = sip::parse_message(std::string_view(text));
        require(parsed.verdict == sip::Verdict::Good);
        const sip::Flow flow{.remote = *base::parse_host("192.0.2.9", 5060)};
        agent_.on_message(now_.steady, flow, std::move(parsed.message));
        drain();
    }

    void wait(milliseconds time) {
        const base::TimePoint end = now_.steady + time;
        for (int rounds = 0; next_deadline() && *next_deadline() <= end; ++rounds) {
            require(rounds < 100'000);  // each deadline that is met moves on
            const auto due = next_deadline();
            now_.wall += std::max(*due - now_.steady, base::TimePoint::duration{0});
            now_.steady = std::max(now_.steady, *due);
            if (agent_.deadline() && *agent_.deadline() <= now_.steady) {
                agent_.on_time(now_.steady);
                require(!agent_.deadline() || *agent_.deadline() > now_.steady);
                drain();
            }
            if (session_ != nullptr && !has_ended_ && session_->deadline() &&
                *session_->deadline() <= now_.steady) {
                session_->on_time(now_);
                run_session();
                drain();
            }
        }
        now_.wall += end - now_.steady;
        now_.steady = end;
    }

    std::optional<base::TimePoint> next_deadline() const {
        auto due = agent_.deadline();
        const auto other = session_ != nullptr && !has_ended_ ? session_->deadline() : std::nullopt;
        if (!due || (other && *other < *due)) due = other;
        return due;
    }

    // ---- what the server does

    void drain() {
        while (auto action = agent_.poll_action()) std::visit([this](auto& a) { on(a); }, *action);
    }

    void on(sip::SendBytes& send) {
        const auto parsed = sip::parse_message(std::string_view(*send.bytes));
        require(parsed.verdict == sip::Verdict::Good);
        const sip::Message& message = parsed.message;
        if (message.is_request()) {
            server_request_ = *send.bytes;
            return;
        }
        if (message.status() < 200 || send.is_retransmission) return;
        if (message.status() < 300 && message.cseq_method() == sip::Method::Invite) {
            tag_ = message.to_tag();
            accepted_cseq_ = message.cseq().number;
        }
        if (message.cseq_method() == sip::Method::Cancel) return;
        const auto open = open_.find(std::string{message.top_via().branch()});
        if (open == open_.end()) return;  // to one that was sent again
        check_answer(open->second, message);
        open_.erase(open);
    }

    void on(sip::RequestArrived& request) {
        const auto method = request.message.method();
        if (request.dialog && session_ != nullptr && !has_ended_) {
            session_->on_request(now_, request.transaction, request.message);
        } else if (!request.dialog && method == sip::Method::Invite && session_ == nullptr) {
            siprec::RecordingServerConfig config;
            config.media.usual = *base::parse_host("192.0.2.80", 0);
            // Clients that answer nothing are found out.
            config.session_timer.refresh_always = true;
            session_ = std::make_unique<siprec::RecordingServerSession>(config, 1);
            session_->on_invite(now_, request.transaction, request.flow.remote, request.message);
        } else {
            const auto refusal = siprec::find_refusal_outside_dialog(request.message);
            (void)agent_.respond(now_.steady, request.transaction,
                                 refusal ? *refusal : siprec::plain_answer(481));
            return;
        }
        run_session();
    }
    void on(sip::InviteRefused& /*refused*/) {}
    void on(sip::CancelArrived& /*cancel*/) {
        if (session_ == nullptr || has_ended_) return;
        session_->on_cancel(now_);
        run_session();
    }
    void on(sip::AckArrived& ack) {
        if (session_ == nullptr || has_ended_) return;
        session_->on_ack(now_, ack.message);
        run_session();
    }
    void on(sip::NoAck& /*no_ack*/) {
        if (session_ == nullptr || has_ended_) return;
        session_->on_no_ack(now_);
        run_session();
    }
    void on(sip::ResponseArrived& response) {
        const int status = response.message.status();
        if (status >= 200 && status < 300 && response.message.cseq_method() == sip::Method::Invite)
            (void)agent_.ack(now_.steady, response.dialog, {});
        if (session_ == nullptr || has_ended_) return;
        session_->on_response(now_, response.message, response.retry_after);
        run_session();
    }
    void on(sip::TransactionTimedOut& /*timed_out*/) {
        if (session_ == nullptr || has_ended_) return;
        session_->on_request_timed_out(now_);
        run_session();
    }
    void on(sip::TransportFailed& /*failed*/) { require(false); }
    void on(sip::LocateTarget& locate) {
        agent_.on_located(now_.steady, locate.transaction, {});  // where it was heard from
    }
    void on(sip::DialogEnded& /*ended*/) {
        if (session_ == nullptr || has_ended_) return;
        session_->on_dialog_lost(now_, {"dialog_lost", ""});
        run_session();
    }

    void run_session() {
        while (auto action = session_->poll_action()) {
            require(!has_ended_);  // End is the last
            std::visit([this](auto& a) { carry_out(a); }, *action);
        }
        require(session_->is_ended() == has_ended_);
    }

    void carry_out(siprec::Decide& /*action*/) { require(false); }
    void carry_out(siprec::CreateRow& /*action*/) {
        require(!has_row_);
        has_row_ = true;
        row_waits_ = true;
        if (!row_is_late_) make_row_durable();
    }
    void carry_out(siprec::OpenStream& action) {
        const std::uint16_t number = action.facts.stream;
        require(used_streams_.insert(number).second);
        streams_[number] = {action.facts.label, action.facts.paused};
        if (opens_late_)
            waiting_.push_back(number);
        else
            open(number);
    }
    void carry_out(siprec::MoveStream& action) {
        streams_.at(action.facts.stream).label = action.facts.label;
        if (opens_late_)
            waiting_.push_back(action.facts.stream);
        else
            open(action.facts.stream);
    }
    void carry_out(siprec::UpdateStream& action) {
        streams_.at(action.facts.stream).label = action.facts.label;
    }
    void carry_out(siprec::PauseStream& action) {
        Stream& stream = streams_.at(action.stream);
        require(!stream.is_paused);
        stream.is_paused = true;
    }
    void carry_out(siprec::ResumeStream& action) {
        Stream& stream = streams_.at(action.stream);
        require(stream.is_paused);
        stream.is_paused = false;
    }
    void carry_out(siprec::CloseStream& action) { require(streams_.erase(action.stream) == 1); }
    void carry_out(siprec::Respond& action) {
        (void)agent_.respond(now_.steady, action.transaction, action.response);
        // The agent hands the bytes out at once, while the streams are as they were answered.
        drain();
    }
    void carry_out(siprec::SendRequest& action) {
        const auto dialog = agent_.find_dialog("c", tag_, "p");
        if (!dialog || !agent_.send_request(now_.steady, dialog, action.request))
            session_->on_request_not_sent(now_);
    }
    // The server begins nothing here.
    void carry_out(siprec::SendInvite& /*action*/) { require(false); }
    void carry_out(siprec::CancelInvite& /*action*/) { require(false); }
    void carry_out(siprec::Acknowledge& /*action*/) { require(false); }
    void carry_out(siprec::UpdateRow& /*action*/) {}
    void carry_out(siprec::StoreMetadata& /*action*/) {}
    void carry_out(siprec::Event& /*action*/) {}
    void carry_out(siprec::End& /*action*/) {
        require(streams_.empty());
        has_ended_ = true;
    }

    void open(std::uint16_t number) {
        const auto port = static_cast<std::uint16_t>(10000 + 2 * number);
        session_->on_stream_opened(now_, number, port, static_cast<std::uint16_t>(port + 1));
    }
    void open_waiting() {
        for (const std::uint16_t number : std::exchange(waiting_, {}))
            if (!has_ended_ && streams_.count(number) != 0) open(number);
        if (session_ != nullptr && !has_ended_) run_session();
        drain();
    }
    void confirm_row() {
        if (session_ == nullptr || has_ended_) return;
        make_row_durable();
        run_session();
        drain();
    }
    void make_row_durable() {
        if (!std::exchange(row_waits_, false) || has_ended_) return;
        session_->on_row_durable(now_);
    }

    // ---- the model

    void check_answer(const Open& open, const sip::Message& message) {
        const int status = message.status();
        const bool is_ok = status < 300;
        // 500: out of order. 482: the CSeq of one outside a dialog that came before (§8.2.2.2).
        if (open.method == "BYE")
            require(status == 200 || status == 481 || status == 482 || status == 500);
        if (open.method == "PRACK") require(!is_ok);
        if (!is_ok || (open.method != "INVITE" && !open.offer)) return;
        const auto answer = sdp::parse(base::as_text(message.body()));
        require(answer.has_value());
        if (!open.offer) {
            theirs_is_offer_ = true;
            their_lines_ = answer->media.size();
            return;
        }
        theirs_is_offer_ = false;
        require(answer->media.size() == open.offer->size());
        for (std::size_t i = 0; i < open.offer->size(); ++i)
            check_line((*open.offer)[i], answer->media[i], "L" + std::to_string(i));
    }

    void check_line(const OfferedLine& offered, const sdp::MediaDescription& answered,
                    const std::string& label) const {
        const bool is_taken = answered.port != 0;
        require(offered.may_be_taken() || !is_taken);
        require(is_taken || !offered.must_be_taken());
        if (!is_taken) return;
        // Q8: an address that was never set beside a=sendonly is no hold; once it was set, it is
        // one.
        if (offered.is_held_by_address && offered.direction == "sendonly") return;
        const bool is_paused = !offered.sends();
        // The direction mirrors the offered one (RFC 3264 §6.1, RFC 7866 §7).
        const bool receives = offered.direction == "sendonly" || offered.direction == "sendrecv";
        require(answered.direction == sdp::Direction::Inactive ||
                (receives && answered.direction == sdp::Direction::RecvOnly));
        require(is_paused || answered.direction == sdp::Direction::RecvOnly);
        for (const auto& [number, stream] : streams_)
            if (stream.label == label) {
                require(stream.is_paused == is_paused);
                return;
            }
        require(false);  // what was answered with a port is open
    }

    Draws draws_;
    base::SeededRandom random_{1};
    base::Now now_{base::TimePoint{} + std::chrono::hours{1},
                   base::parse_time("2026-03-02T09:15:01Z")->time};
    sip::Agent agent_;
    std::unique_ptr<siprec::RecordingServerSession> session_;

    Offer offer_;
    std::size_t version_ = 0;
    std::uint32_t cseq_ = 0;
    std::size_t branches_ = 0;
    Invite invite_;                               // the newest
    std::optional<std::uint32_t> accepted_cseq_;  // of an INVITE that waits for its ACK
    std::string tag_;                             // the server's
    std::string last_request_;
    std::string server_request_;        // the newest, whether it was answered or not
    std::map<std::string, Open> open_;  // by branch
    bool theirs_is_offer_ = false;
    std::size_t their_lines_ = 0;

    bool opens_late_ = false;
    bool row_is_late_ = false;
    bool has_row_ = false;
    bool row_waits_ = false;
    bool has_ended_ = false;
    std::vector<std::uint16_t> waiting_;
    std::map<std::uint16_t, Stream> streams_;
    std::set<std::uint16_t> used_streams_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Dialog({bytes, size}).run();
    return 0;
}
