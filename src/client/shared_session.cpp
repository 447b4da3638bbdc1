#include "client/shared_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/uuid.h"
#include "client/call_facts.h"
#include "client/limits.h"
#include "client/shared_member.h"
#include "relay/limits.h"
#include "sdp/offer_answer.h"

namespace earshot::client {

using base::Reason;
using siprec::ClientEvent;
using siprec::CsState;
using Kind = ClientEvent::Kind;

namespace {

constexpr std::string_view kMixLabel = "mix";
constexpr std::string_view kIdleLabel = "standby";
constexpr std::uint16_t kDiscardPort = 9;  // of a line on which nothing is ever sent

std::vector<siprec::MetadataId> sessions_of(const CsState& state) {
    std::vector<siprec::MetadataId> ids;
    for (const siprec::CommunicationSession& session : state.objects.sessions)
        if (!session.stop) ids.push_back(session.id);
    return ids;
}

}  // namespace

// ---- what belongs together ----------------------------------------------------------------------

// The recording session of now.
class SharedSession::Rs final : public ServerLink {
public:
    Rs(SharedSession& owner, ServerLink::Surroundings surroundings)
        : ServerLink(surroundings), owner_(owner) {}

    std::optional<Reason> begin(base::Now now, CsState state) {
        auto settings = make_settings(owner_.plan_, owner_.common_, true);
        if (!settings) return settings.error();
        settings->forgets_ended = true;
        if (auto fault = siprec::find_fault(*settings)) return fault;
        session_ = std::make_unique<siprec::RecordingClientSession>(*std::move(settings), *this,
                                                                    owner_.s_.random);
        session_->start(now, std::move(state));
        arm();
        return std::nullopt;
    }
    siprec::RecordingClientSession* session() const override { return session_.get(); }
    using ServerLink::arm;

    void apply_answer(std::string sdp) override { owner_.on_answer(sdp); }
    void pause_fork() override {}  // the RS as a whole is never paused
    void stop_fork() override { owner_.on_fork_stopped(); }
    void lose_fork() override { owner_.on_fork_lost(); }
    void on_event(const ClientEvent& event) override { told_.push_back(event); }
    void on_metadata_told() override {
        for (const auto& [id, member] : owner_.members_)
            if (member->host != nullptr && member->has_begun && !member->is_over)
                member->host->on_metadata_told();
    }
    // What was told before this action came first.
    void on_action(base::Now now, sip::Action& action) override {
        if (has_news()) deliver();
        ServerLink::on_action(now, action);
    }
    void deliver() override {
        arm();
        const base::Now now = owner_.s_.link.clock.now();
        for (const ClientEvent& told : std::exchange(told_, {})) {
            note(now, told, is_wanted_);
            owner_.on_event(*this, told);
        }
        if (session_->is_done()) owner_.wake_at_ = now.steady;  // it may go
        owner_.hand_out();
    }
    bool has_news() const { return !told_.empty(); }
    void end(base::Now now, Reason reason) {
        is_wanted_ = true;
        session_->stop(now, std::move(reason));
        arm();
    }

private:
    SharedSession& owner_;
    std::unique_ptr<siprec::RecordingClientSession> session_;
    std::vector<ClientEvent> told_;
    bool is_wanted_ = false;  // its end
};

// A call's part, as its Recording sees it.
class SharedSession::Part final : public siprec::ClientSession {
public:
    Part(SharedSession& owner, Member& member) : owner_(owner), member_(member) {}
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    ~Part() override { owner_.remove(member_.id); }

    void start(base::Now now, CsState state, bool is_paused) override {
        owner_.start(now, member_, std::move(state), is_paused);
    }
    void set_state(base::Now now, CsState state) override {
        owner_.set_state(now, member_, std::move(state));
    }
    bool pause(base::Now now) override {
        if (member_.is_paused || member_.is_over) return false;
        owner_.set_paused(now, member_, true);
        return true;
    }
    bool resume(base::Now now) override {
        if (!member_.is_paused || member_.is_over) return false;
        owner_.set_paused(now, member_, false);
        return true;
    }
    // What a ring still owes of this call is not waited for: the session goes on without it. What
    // was said in a chat is (P-110).
    void stop(base::Now now, Reason reason, std::chrono::milliseconds hold) override {
        owner_.stop(now, member_, std::move(reason), hold);
    }
    base::Result<sip::TransactionId, Reason> send(const sip::RequestSpec& request) override {
        if (!member_.is_running) return Reason{"not_running", "No server records this call."};
        return owner_.rs_->session()->send(request);
    }
    // A server whose host refuses the media of one call may have closed its line just now: it is
    // asked. Media that cannot be copied to it at all is this call's own trouble.
    void on_media_lost(base::Now now, siprec::MediaLoss how, Reason reason) override {
        if (how == siprec::MediaLoss::ServerDead) return probe(now);
        owner_.fail(member_, reason);
    }
    void probe(base::Now now) override { owner_.probe(now, owner_.server()); }
    bool is_running() const override { return member_.is_running; }
    bool is_done() const override { return member_.is_over && !member_.has_news; }
    siprec::ClientSessionView view() const override { return owner_.view_of(member_); }

private:
    SharedSession& owner_;
    Member& member_;
};

SharedSession::SharedSession(Surroundings surroundings, policy::RecordingPlan plan,
                             SessionCommon common, std::string name)
    : s_(std::move(surroundings)),
      plan_(std::move(plan)),
      common_(std::move(common)),
      name_(std::move(name)),
      is_persistent_(plan_.settings.session == policy::SessionKind::Persistent),
      lines_(std::to_string(s_.random.u32()),
             plan_.settings.media.empty() ? s_.host : plan_.settings.media),
      retry_delay_(kFirstRetryDelay) {}

SharedSession::~SharedSession() {
    if (mix_) s_.desk->close(mix_->mix);
}

// ---- its own life -------------------------------------------------------------------------------

std::optional<Reason> SharedSession::open(base::Now now, bool begins) {
    if (plan_.settings.mix) {
        if (s_.desk == nullptr) return Reason{"not_supported", "Sessions cannot be mixed here."};
        auto opened = s_.desk->open(name_);
        if (!opened) return opened.error();
        mix_ = *std::move(opened);
        siprec::MediaStream stream;
        stream.id = siprec::MetadataId{base::make_uuid_v4(s_.random)};
        stream.label = kMixLabel;
        mix_stream_ = std::move(stream);  // of no CS alone (spec M-13)
    }
    make_own_line();
    return begins ? begin(now) : std::nullopt;
}

// G.722 first: a voice of a wide band stays one.
void SharedSession::make_own_line() {
    if (!mix_ && !is_persistent_) return;
    const std::string& media = plan_.settings.media;
    const auto host = base::parse_host(media.empty() ? s_.host : media, 0);
    std::vector<sdp::PayloadType> formats;
    for (const std::uint8_t number :
         mix_ ? std::vector<std::uint8_t>{9, 0, 8} : std::vector<std::uint8_t>{0, 8})
        formats.push_back(*sdp::static_payload_type(number));
    sdp::OfferedMedia line;
    line.port = mix_ ? mix_->port : kDiscardPort;
    line.payload_types = formats;
    line.direction = mix_ ? sdp::Direction::SendOnly : sdp::Direction::Inactive;
    line.label = mix_ ? kMixLabel : kIdleLabel;
    own_.offer = sdp::make_offer(
        {.session_id = 1, .session_version = 0, .address = host.value_or(base::NetAddress{})},
        std::span(&line, 1));
}

std::optional<Reason> SharedSession::begin(base::Now now) {
    retry_at_.reset();
    began_.reset();
    lines_ = JointLines(std::to_string(s_.random.u32()),
                        plan_.settings.media.empty() ? s_.host : plan_.settings.media);
    rs_ = std::make_unique<Rs>(*this, s_.link);
    if (s_.is_taken) rs_->when_choosing(s_.is_taken);
    auto fault = rs_->begin(now, joint());
    if (fault) rs_.reset();
    wake_at_ = now.steady;
    return fault;
}

std::vector<JointPart> SharedSession::parts() const {
    std::vector<JointPart> parts;
    for (const auto& [id, member] : members_)
        if (member->has_begun && !member->is_over)
            parts.push_back(
                {.member = id, .state = &member->state, .is_paused = member->is_paused});
    return parts;
}

CsState SharedSession::joint() {
    const std::vector<JointPart> calls = parts();
    std::vector<JointPart> lines;
    if (!own_.offer.empty()) lines.push_back(own_part());
    if (!mix_) lines.insert(lines.end(), calls.begin(), calls.end());
    return {.objects = metadata_.join(calls, mix_stream_),
            .offer = lines_.offer(lines),
            .left = std::exchange(left_, {})};
}

// What is true has changed: the server is to know.
void SharedSession::change(base::Now now) {
    wake_at_ = now.steady;  // whoever has news is told then: a part's verb runs now
    const bool has_calls = !parts().empty();
    if (rs_ == nullptr) {
        if (!has_calls || is_ending_ || retry_at_) return;
        if (auto fault = begin(now))
            for (const auto& [id, member] : members_) fail(*member, *fault);
        return;
    }
    if (!has_calls && !is_persistent_) return retire(now, {});
    rs_->session()->set_state(now, joint());
    rs_->arm();
}

void SharedSession::set_standing(base::Now now) {
    if (std::exchange(is_persistent_, true)) return;
    make_own_line();
    if (rs_ != nullptr) return change(now);
    if (auto fault = begin(now)) tell("session_failed", {.reason = *std::move(fault)});
}

void SharedSession::set_transient(base::Now now) {
    is_persistent_ = false;
    retry_at_.reset();
    if (parts().empty()) end(now, {"not_configured", "No rule has this session any more."});
}

void SharedSession::end(base::Now now, Reason reason) {
    is_ending_ = true;
    is_persistent_ = false;
    retry_at_.reset();
    if (rs_ != nullptr) retire(now, std::move(reason));
    wake_at_ = now.steady;
}

// The RS of now ends; a call that comes meanwhile gets another one.
void SharedSession::retire(base::Now now, Reason reason) {
    rs_->end(now, std::move(reason));
    over_.push_back(std::move(rs_));
    rs_ = nullptr;
    lines_.on_new_dialog();
    began_.reset();
    wake_at_ = now.steady;
}

bool SharedSession::is_over() const {
    if (rs_ != nullptr || retry_at_ || !members_.empty() || !over_.empty()) return false;
    return !is_persistent_;
}

bool SharedSession::has_room() const {
    constexpr std::size_t kLinesOfCall = 4;  // sound and picture of both parties
    if (mix_) return members_.size() < relay::kMaxMixInputs / 2;
    // While no server has the session nobody has a line yet: each will want some.
    const std::size_t waiting = rs_ == nullptr ? parts().size() : 0;
    return lines_.has_room(kLinesOfCall * (waiting + 1) + (own_.offer.empty() ? 0 : 1));
}

void SharedSession::on_time(base::Now now) {
    wake_at_.reset();
    for (std::size_t i = 0; i < over_.size(); ++i)  // more may end meanwhile
        if (over_[i]->has_news()) over_[i]->deliver();
    if (rs_ != nullptr && rs_->has_news()) rs_->deliver();
    hand_out();
    leave_due(now);
    if (std::exchange(is_stale_, false)) change(now);
    std::erase_if(over_, [](const auto& rs) { return rs->session()->is_done(); });
    if (retry_at_ && now.steady >= *retry_at_) {
        retry_at_.reset();
        if (auto fault = begin(now)) tell("session_failed", {.reason = *std::move(fault)});
    }
    const bool is_old = began_ && plan_.settings.renew_h > 0 &&
                        now.steady - *began_ >= std::chrono::hours{plan_.settings.renew_h};
    if (is_old && is_persistent_ && parts().empty() && rs_ != nullptr &&
        rs_->session()->is_running())
        renew(now);
}

void SharedSession::renew(base::Now now) {
    retire(now, {"renewed", "It has lasted as long as it may, and another one follows."});
    if (auto fault = begin(now)) tell("session_failed", {.reason = *std::move(fault)});
}

std::optional<base::TimePoint> SharedSession::deadline() const {
    std::optional<base::TimePoint> next;
    const auto consider = [&next](std::optional<base::TimePoint> when) {
        if (when && (!next || *when < *next)) next = when;
    };
    consider(wake_at_);
    consider(retry_at_);
    if (began_ && is_persistent_ && plan_.settings.renew_h > 0 && parts().empty())
        consider(std::max(*began_ + std::chrono::hours{plan_.settings.renew_h},
                          s_.link.clock.now().steady + std::chrono::seconds{1}));
    return next;
}

void SharedSession::probe(base::Now now, const std::string& server) {
    if (rs_ == nullptr || rs_->server() != server || !rs_->session()->is_running()) return;
    rs_->session()->probe(now);
    rs_->arm();
    wake_at_ = now.steady;
}

std::string SharedSession::server() const { return rs_ == nullptr ? std::string{} : rs_->server(); }

void SharedSession::tell(std::string kind, const ClientEvent& told) {
    s_.events.tell({.kind = std::move(kind),
                    .at = s_.link.clock.now().wall,
                    .rs_call_id = told.rs_call_id,
                    .server = without_password(told.server),
                    .from_server = without_password(told.from_server),
                    .instance = plan_.instance,
                    .status = told.status,
                    .reason = told.reason});
}

SharedView SharedSession::view() const {
    SharedView view{.name = name_,
                    .instance = plan_.instance,
                    .rule = plan_.rule,
                    .kind = std::string(to_string(plan_.settings.session)),
                    .state = "waiting",
                    .is_mixed = mix_.has_value(),
                    .reason = last_reason_};
    if (rs_ != nullptr) {
        const siprec::ClientSessionView session = rs_->session()->view();
        view.state = rs_->session()->is_running() ? "recording"
                     : session.is_failing_over    ? "failing_over"
                                                  : "starting";
        view.server = without_password(session.server);
        view.rs_call_id = session.rs_call_id;
        if (session.started) view.started = *session.started;
        view.streams = session.streams_sent;
    }
    for (const auto& [id, member] : members_)
        if (!member->is_over)
            for (const siprec::MetadataId& session : sessions_of(member->state))
                view.session_ids.push_back(session.text());
    if (mix_) {
        view.mixed_packets = mix_->counters->packets;
        view.voices = mix_->counters->voices;
        view.late = mix_->counters->late;
        view.passed_over = mix_->counters->passed_over;
    }
    return view;
}

// ---- what the RS tells --------------------------------------------------------------------------

void SharedSession::on_answer(const std::string& sdp) {
    lines_.on_answer(sdp);
    if (mix_) send_mix();
    for (const auto& [id, member] : members_) distribute(*member);
}

// The media of a call goes where the answer says; of a mix where the desk listens.
void SharedSession::distribute(Member& member) {
    if (member.host == nullptr || !member.has_begun || member.is_over) return;
    const JointLines::Share share =
        lines_.share_of(mix_ ? own_part() : JointPart{.member = member.id, .state = &member.state});
    if (share.left_out > 0)
        return fail(member,
                    {"no_room", "The shared session has no line for a stream of the call."});
    if (share.known == 0) return;
    if (share.accepted == 0)
        return fail(member, {"no_media", "The server refused every stream of the call."});
    member.streams = mix_ ? 1 : share.accepted;
    if (!mix_ && !member.is_paused && share.sdp != member.applied) {
        member.applied = share.sdp;
        member.host->apply_answer(share.sdp);
    }
    if (std::exchange(member.is_running, true)) return;
    if (!member.started) member.started = s_.link.clock.now().wall;
    push(member, Kind::Start, {});
}

void SharedSession::on_fork_lost() {
    lines_.on_new_dialog();
    if (mix_) s_.desk->send_to(mix_->mix, {}, {}, {});
    for (const auto& [id, member] : members_) {
        member->applied.clear();
        if (!mix_ && member->host != nullptr && !member->is_over) member->host->lose_fork();
    }
}

void SharedSession::on_fork_stopped() {
    if (mix_) return s_.desk->send_to(mix_->mix, {}, {}, {});
    for (const auto& [id, member] : members_) {
        member->applied.clear();
        if (member->host == nullptr || member->is_over) continue;
        // Another RS follows a persistent one: what comes meanwhile is kept for it.
        if (is_persistent_)
            member->host->lose_fork();
        else
            member->host->stop_fork();
    }
}

void SharedSession::on_event(const Rs& from, const ClientEvent& told) {
    const base::Now now = s_.link.clock.now();
    tell("session_" + std::string(to_string(told.kind)), told);
    if (&from != rs_.get()) return;  // we have ended it, and another one may have begun
    if (told.is_last) return on_over(now, told);
    if (told.kind == Kind::Start) began_ = now.steady;
    if (told.kind == Kind::Stop)
        for (const auto& [id, member] : members_)
            if (std::exchange(member->is_running, false)) push(*member, Kind::Stop, told.reason);
    // The server stays at what it had: who wanted to come in is not recorded here.
    if (told.kind == Kind::ChangeRefused)
        for (const auto& [id, member] : members_)
            if (member->has_begun && !member->is_running) fail(*member, told.reason);
}

// No RS any more: a persistent one is begun again, and others end with their calls.
void SharedSession::on_over(base::Now now, const ClientEvent& told) {
    last_reason_ = told.reason;
    const bool was_short = !began_ || now.steady - *began_ < kShortSession;
    if (!was_short) retry_delay_ = kFirstRetryDelay;
    began_.reset();
    wake_at_ = now.steady;
    const bool goes_on = is_persistent_ && !is_ending_;
    for (const auto& [id, member] : members_) {
        if (member->is_over || !member->has_begun) continue;
        if (!goes_on || plan_.settings.mandatory)
            fail(*member, told.reason);
        else if (std::exchange(member->is_running, false))
            push(*member, Kind::Stop, told.reason);
    }
    over_.push_back(std::move(rs_));
    rs_ = nullptr;
    lines_.on_new_dialog();
    if (goes_on) retry_at_ = now.steady + retry_delay_;
    retry_delay_ = std::min(retry_delay_ * 2, kMaxRetryDelay);
}

// Its host must not be called out of a verb of its part, and it may go when it is told.
void SharedSession::hand_out() {
    std::vector<std::uint32_t> ids;
    for (const auto& [id, member] : members_)
        if (member->has_news) ids.push_back(id);
    for (const std::uint32_t id : ids) {
        const auto found = members_.find(id);
        if (found == members_.end() || !std::exchange(found->second->has_news, false)) continue;
        const std::function<void()> deliver = found->second->deliver;
        deliver();
    }
}

// ---- the parts ----------------------------------------------------------------------------------

std::unique_ptr<siprec::ClientSession> SharedSession::add(siprec::ClientSessionHost& host,
                                                          std::function<void()> deliver,
                                                          std::function<bool()> owes) {
    auto member = std::make_unique<Member>();
    member->id = ++last_member_;
    member->host = &host;
    member->deliver = std::move(deliver);
    member->owes = std::move(owes);
    Member& added = *members_.emplace(member->id, std::move(member)).first->second;
    return std::make_unique<Part>(*this, added);
}

void SharedSession::start(base::Now now, Member& member, CsState state, bool is_paused) {
    member.state = std::move(state);
    member.has_begun = true;
    member.is_paused = is_paused;
    if (retry_at_ && plan_.settings.mandatory) return fail(member, last_reason_);
    if (mix_) set_voices(member);
    if (member.is_over) return;
    change(now);
    if (mix_) distribute(member);  // the line is there already
}

void SharedSession::set_state(base::Now now, Member& member, CsState state) {
    if (member.is_over || !member.has_begun) return;
    // Its end is told when it leaves: the server forgets whose CS has ended.
    if (sessions_of(state).empty() && member.owes && member.owes()) {
        member.last_state = std::move(state);
        return;
    }
    member.state = std::move(state);
    if (mix_) set_voices(member);
    change(now);
}

void SharedSession::set_paused(base::Now now, Member& member, bool is_paused) {
    member.is_paused = is_paused;
    if (!member.has_begun) return;
    if (is_paused) {
        member.applied.clear();
        member.host->pause_fork();
    } else if (mix_) {
        member.host->apply_answer(member.mixed_answer);
    }
    change(now);
    // Where the server never took the pause, its last answer still holds.
    if (!is_paused) distribute(member);
}

void SharedSession::stop(base::Now now, Member& member, Reason reason,
                         std::chrono::milliseconds hold) {
    if (member.is_over) return;
    const bool waits = hold.count() > 0 && member.last_state && !member.leaves_by && !is_ending_;
    if (!waits) return leave(now, member, std::move(reason));
    member.leaves_by = now.steady + kMaxOwed;
    wake_at_ = now.steady;
}

void SharedSession::leave_due(base::Now now) {
    for (const auto& [id, member] : members_) {
        if (!member->leaves_by || member->is_over) continue;
        const bool is_due = now.steady >= *member->leaves_by || is_ending_ || !member->owes();
        if (is_due)
            leave(now, *member, {});
        else if (!wake_at_)
            wake_at_ = now.steady + kOwedCheck;
    }
}

void SharedSession::leave(base::Now now, Member& member, Reason reason) {
    if (member.last_state) {
        member.state = *std::exchange(member.last_state, std::nullopt);
        change(now);
    }
    member.host->stop_fork();
    end_voices(member);
    const bool is_last = parts().size() == 1 && member.has_begun;
    const auto going_on = sessions_of(member.state);
    if (reason.code.empty() && !member.is_running)
        reason = {"cancelled", "The recording was stopped before a server accepted it."};
    push(member, member.is_running ? Kind::Stop : Kind::Failed, reason, true);
    // The last one's metadata go out with the end of the RS.
    if (is_last && !is_persistent_ && rs_ != nullptr) retire(now, reason);
    member.is_over = true;
    member.is_running = false;
    member.ended = now.wall;
    member.reason = std::move(reason);
    if (is_last && !is_persistent_) return;
    left_.insert(left_.end(), going_on.begin(), going_on.end());
    if (member.has_begun) change(now);
}

void SharedSession::remove(std::uint32_t id) {
    const auto found = members_.find(id);
    if (found == members_.end()) return;
    end_voices(*found->second);
    members_.erase(found);
}

// It is recorded no more, whatever becomes of the others.
void SharedSession::fail(Member& member, const Reason& reason) {
    if (member.is_over) return;
    if (member.host != nullptr && member.has_begun) member.host->stop_fork();
    end_voices(member);
    push(member, member.is_running ? Kind::Stop : Kind::Failed, reason, true);
    member.is_over = true;
    member.is_running = false;
    member.ended = s_.link.clock.now().wall;
    member.reason = reason;
    const auto going_on = sessions_of(member.state);
    left_.insert(left_.end(), going_on.begin(), going_on.end());
    is_stale_ = true;
}

void SharedSession::push(Member& member, Kind kind, const Reason& reason, bool is_last) {
    wake_at_ = s_.link.clock.now().steady;
    if (member.host == nullptr) return;
    const siprec::ClientSessionView session = view_of(member);
    ClientEvent event;
    event.kind = kind;
    event.server = session.server;
    event.rs_call_id = session.rs_call_id;
    event.session_id = session.session_id;
    event.instance = plan_.instance;
    event.status = session.status;
    event.reason = reason;
    event.is_last = is_last;
    member.host->on_event(event);
    member.has_news = true;
}

siprec::ClientSessionView SharedSession::view_of(const Member& member) const {
    siprec::ClientSessionView view =
        rs_ == nullptr ? siprec::ClientSessionView{} : rs_->session()->view();
    using State = siprec::ClientSessionView::State;
    view.state = member.is_over      ? State::Done
                 : member.is_running ? State::Running
                 : !member.has_begun ? State::Idle
                                     : State::Inviting;
    const auto& sessions = member.state.objects.sessions;
    view.session_id = sessions.empty() ? std::string{} : sessions.front().id.text();
    view.is_paused = member.is_paused;
    view.started = member.started;
    view.ended = member.ended;
    view.streams_sent = member.is_running && !member.is_paused ? member.streams : 0;
    view.reason = member.reason;
    return view;
}

}  // namespace earshot::client
