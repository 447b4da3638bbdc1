#include "client/recording.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "client/call_facts.h"
#include "client/shared_sessions.h"
#include "relay/limits.h"

namespace earshot::client {

using base::Done;
using base::Reason;
using base::Result;

namespace {

// Why somebody wished for it.
Reason reason_of(std::string why) {
    return why.empty() ? Reason{} : Reason{"asked_for", std::move(why)};
}

// Of an answer that the media plane did not take: its text may be at fault, else we are.
siprec::MediaLoss loss_of(const Reason& fault) {
    const bool is_text = fault.code == "bad_answer" || fault.code == "sdp_malformed";
    return is_text ? siprec::MediaLoss::BadAnswer : siprec::MediaLoss::OwnFault;
}

}  // namespace

Recording::Recording(Dependencies dependencies, CsRecord& cs, relay::CallKey call,
                     std::uint32_t number, policy::RecordingPlan plan, Common common)
    : ServerLink({.agent = dependencies.agent,
                  .clock = dependencies.clock,
                  .index = dependencies.index,
                  .servers = dependencies.servers}),
      d_(dependencies),
      cs_(cs),
      call_(call),
      number_(number),
      plan_(std::move(plan)),
      common_(std::move(common)) {}

Recording::~Recording() = default;

// ---- what the user wants ------------------------------------------------------------------------

void Recording::start(base::Now now) {
    was_begun_ = true;
    const bool is_own = d_.shared == nullptr || plan_.settings.session == policy::SessionKind::Own;
    if (is_own) {
        make_own_session(true);
    } else {
        auto joined = d_.shared->join(
            now, plan_, common_, *this, [this] { deliver(); }, [this] { return owes_chats(); });
        if (!joined) return fail(joined.error());
        session_ = std::move(joined->part);
        shared_by_ = std::move(joined->token);
    }
    if (session_ != nullptr) subscribe();
}

void Recording::start_by(base::Now /*now*/, sip::RequestArrived invite, std::string host) {
    was_begun_ = true;
    started_by_ = std::move(host);
    set_server(invite.message.from().uri);
    own(invite.transaction);
    invite_.emplace(std::move(invite));
    make_own_session(false);
    if (session_ != nullptr) subscribe();
}

// Without servers: the one that begins it is all there is. It fails where the settings are wrong.
void Recording::make_own_session(bool has_servers) {
    auto wanted = make_settings(plan_, common_, has_servers);
    if (!wanted) return fail(wanted.error());
    if (has_servers)
        if (auto fault = siprec::find_fault(*wanted)) return fail(*std::move(fault));
    auto made =
        std::make_unique<siprec::RecordingClientSession>(*std::move(wanted), *this, d_.random);
    own_session_ = made.get();
    session_ = std::move(made);
}

bool Recording::pause(base::Now now, std::string why, Who who) {
    if (!is_engaged()) return false;
    if (who == Who::Operator) is_paused_by_operator_ = true;
    if (is_paused_) return false;
    is_paused_ = true;
    d_.events.tell(event("pause", reason_of(std::move(why))));
    if (has_offered_) session_->pause(now);
    deliver();
    return true;
}

bool Recording::resume(base::Now now, std::string why, Who who) {
    if (!is_engaged() || !is_paused_) return false;
    if (who == Who::Trigger && is_paused_by_operator_) return false;
    is_paused_ = false;
    is_paused_by_operator_ = false;
    d_.events.tell(event("resume", reason_of(std::move(why))));
    if (has_offered_) session_->resume(now);
    deliver();
    return true;
}

bool Recording::stop(base::Now now, Reason reason) {
    if (!is_engaged()) return false;
    was_stopped_ = true;
    if (!has_offered_) {
        fail(reason.code.empty() ? Reason{"stopped", "It was stopped before it began."} : reason);
        return true;
    }
    session_->stop(now, std::move(reason), {});
    deliver();
    return true;
}

Result<Done, Reason> Recording::send(base::Now /*now*/, sip::RequestSpec request) {
    if (!is_running()) return Reason{"not_recording", "No server records it now."};
    auto sent = session_->send(request);
    deliver();
    if (!sent) return sent.error();
    return Done{};
}

void Recording::refresh(base::Now /*now*/) {
    if (is_engaged() && !was_stopped_) subscribe();
}

void Recording::on_media_lost(base::Now now, Reason reason) {
    if (!is_running()) return;
    session_->on_media_lost(now, siprec::MediaLoss::ServerDead, std::move(reason));
    deliver();
}

// A host that refuses media is sure; who only reports no more may live, and is asked.
void Recording::on_server_silent(base::Now now, Reason reason) {
    if (reason.code == "media_refused") return on_media_lost(now, std::move(reason));
    probe(now);
}

void Recording::probe(base::Now now) {
    if (!is_running()) return;
    session_->probe(now);
    deliver();
}

void Recording::end(base::Now now) {
    was_stopped_ = true;
    has_call_ended_ = true;
    if (is_engaged() && has_offered_) {
        // Its streams are those of before: the media plane has ended the call, or will at once.
        session_->set_state(now, describe(cs_, plan_.settings, last_).state);
        session_->stop(now, {}, owes_chats() ? relay::kReplayRest : time_to_replay());
        deliver();
    } else if (is_engaged()) {
        fail({"call_ended", "The call ended before there was anything to record."});
    }
}

// The server still gets what it lacks of the time before it recorded.
std::chrono::milliseconds Recording::time_to_replay() const {
    const auto media = d_.plane.query(call_);
    const bool is_replaying =
        media && std::any_of(media->forks.begin(), media->forks.end(), [&](const auto& fork) {
            return fork.subscription == number_ && fork.is_replaying;
        });
    return is_replaying ? relay::kReplayRest : std::chrono::milliseconds{0};
}

// What was said in its chats the server has not receipted, or it has no line of it yet.
bool Recording::owes_chats() const {
    const bool has_chat = std::any_of(last_.streams.begin(), last_.streams.end(),
                                      [](const auto& stream) { return stream.media == "message"; });
    if (!has_chat || is_paused_) return false;
    return !is_forked_ || time_to_replay().count() > 0;
}

// ---- the media plane ----------------------------------------------------------------------------

void Recording::subscribe() {
    d_.plane.subscribe(call_, number_,
                       {.is_paused = false,
                        .only = only_,
                        .media = plan_.settings.streams,
                        .address = plan_.settings.media,
                        .keep = common_.media_ring,
                        .parties = present_parties(cs_),
                        .chats = chat_lines()},
                       [this](Result<relay::Subscription, Reason> subscription) {
                           on_subscribed(std::move(subscription));
                       });
}

// Calls that share a session share its lines of chats, too.
relay::ChatLines Recording::chat_lines() const {
    relay::ChatLines chats;
    chats.mapping = static_cast<relay::ChatMapping>(plan_.settings.chat_mapping);
    if (is_shared()) chats.session = shared_by_;
    chats.stream_id = [this](std::string_view name) { return stream_text(cs_, name); };
    return chats;
}

void Recording::on_metadata_told() { d_.plane.on_metadata_told(call_, number_, last_.serial); }

void Recording::on_subscribed(Result<relay::Subscription, Reason> subscription) {
    if (!is_engaged()) return;
    const base::Now now = d_.clock.now();
    if (!subscription) {
        if (has_offered_) {
            d_.events.tell(event("media_fault", subscription.error()));
            return;
        }
        return fail(subscription.error());
    }
    if (subscription->left_out.code != last_.left_out.code && !subscription->left_out.code.empty())
        d_.events.tell(event("media_fault", subscription->left_out));
    last_ = *std::move(subscription);
    CsText text = describe(cs_, plan_.settings, last_);
    if (!std::exchange(has_told_faults_, true))
        for (const Reason& fault : text.faults) d_.events.tell(event("setting_fault", fault));
    if (std::exchange(has_offered_, true))
        session_->set_state(now, std::move(text.state));
    else
        begin_session(now, std::move(text.state));
    deliver();
}

void Recording::begin_session(base::Now now, siprec::CsState state) {
    if (started_by_.empty()) return session_->start(now, std::move(state), is_paused_);
    const auto invite = std::exchange(invite_, std::nullopt);
    own_session_->answer(now, std::move(state), *invite, is_paused_);
}

// ---- the agent ----------------------------------------------------------------------------------

void Recording::on_action(base::Now now, sip::Action& action) {
    const auto* cancelled = std::get_if<sip::CancelArrived>(&action);
    if (cancelled == nullptr) return ServerLink::on_action(now, action);
    if (!invite_ || invite_->transaction != cancelled->invite) return;
    invite_.reset();  // the agent has answered it
    fail({"cancelled", "The server took its INVITE back."});
}

// ---- what becomes of it -------------------------------------------------------------------------

bool Recording::is_engaged() const { return was_begun_ && !is_over_; }

bool Recording::is_done() const {
    return !was_begun_ || (is_over_ && (!has_offered_ || session_->is_done()));
}

void Recording::when_settled(Outcome outcome) {
    if (is_over_) return outcome(failure_);
    if (is_running()) return outcome(std::nullopt);
    waiting_.push_back(std::move(outcome));
}

void Recording::settle(const std::optional<Reason>& failure) {
    for (const Outcome& outcome : std::exchange(waiting_, {})) outcome(failure);
}

RecordingEvent Recording::event(std::string kind, Reason reason) const {
    const siprec::ClientSessionView session =
        session_ == nullptr ? siprec::ClientSessionView{} : session_->view();
    return {.kind = std::move(kind),
            .at = d_.clock.now().wall,
            .call = call_.value,
            .call_id = cs_.call_id,
            .rs_call_id = session.rs_call_id,
            .session_id = base::to_base64(cs_.session_id),
            .server = without_password(session.server),
            .instance = plan_.instance,
            .reason = std::move(reason)};
}

void Recording::fail(Reason reason) {
    is_over_ = true;
    failure_ = reason;
    refuse_server(reason);
    d_.plane.unsubscribe(call_, number_);
    d_.events.tell(event("failed", std::move(reason)));
    settle(failure_);
    tell_lost();
}

// The INVITE of a server that begins, and gets no recording.
void Recording::refuse_server(const Reason& reason) {
    const auto invite = std::exchange(invite_, std::nullopt);
    if (!invite) return;
    constexpr int kTemporarilyUnavailable = 480;
    respond(invite->transaction,
            {.status = kTemporarilyUnavailable,
             .headers = {{"Warning", fmt::format("399 earshot \"{}\"", reason.text)}}});
}

void Recording::tell_lost() {
    if (lost_ && !was_stopped_) std::exchange(lost_, nullptr)(failure_);
}

void Recording::deliver() {
    if (const auto fault = std::exchange(media_fault_, std::nullopt)) {
        d_.events.tell(event("media_fault", *fault));
        // A later answer that cannot be used leaves what was before; the first one leaves nothing,
        // and a recording session without media must not be taken for a recording.
        if (!is_forked_) session_->on_media_lost(d_.clock.now(), loss_of(*fault), *fault);
    }
    arm();
    for (const siprec::ClientEvent& told : std::exchange(told_, {})) deliver(told);
}

void Recording::deliver(const siprec::ClientEvent& told) {
    using Kind = siprec::ClientEvent::Kind;
    note(d_.clock.now(), told, was_stopped_);
    if (told.kind == Kind::Failed && leave_shared(told)) return;
    RecordingEvent event = this->event(std::string(to_string(told.kind)), told.reason);
    event.rs_call_id = told.rs_call_id;
    event.server = without_password(told.server);
    event.from_server = without_password(told.from_server);
    event.status = told.status;
    d_.events.tell(event);
    if (told.kind == Kind::Start) return settle(std::nullopt);
    if (!told.is_last || leave_shared(told)) return;
    is_over_ = true;
    failure_ = told.reason;
    d_.plane.unsubscribe(call_, number_);
    settle(failure_);
    tell_lost();
}

// What the session that it shares does not take (the server refuses the lines of one more call, or
// nothing of it can be mixed) is recorded in a session of its own.
bool Recording::leave_shared(const siprec::ClientEvent& told) {
    const std::string& code = told.reason.code;
    const bool is_refused =
        code == "change_refused" || code == "no_media" || code == "cannot_mix" || code == "no_room";
    if (own_session_ != nullptr || was_stopped_ || !is_refused) return false;
    d_.events.tell(event("own_session", told.reason));
    ++last_answer_;
    is_forked_ = false;
    has_offered_ = false;
    make_own_session(true);
    if (own_session_ != nullptr) subscribe();
    return true;
}

// Of the session that it shares; empty: it has its own.
std::string Recording::shared_name() const {
    return own_session_ != nullptr || session_ == nullptr ? std::string{}
                                                          : policy::shared_name(plan_);
}

RecordingView Recording::view() const {
    RecordingView view{.instance = plan_.instance,
                       .rule = plan_.rule,
                       .state = "waiting",
                       .copy = plan_.copy,
                       .initiator = started_by_.empty() ? "client" : "server",
                       .session_id = base::to_base64(cs_.session_id),
                       .is_mandatory = plan_.settings.mandatory,
                       .shared = shared_name(),
                       .reason = failure_};
    if (session_ != nullptr) {
        const siprec::ClientSessionView session = session_->view();
        view.server = without_password(session.server);
        view.rs_call_id = session.rs_call_id;
        if (session.started) view.started = *session.started;
        view.streams = session.streams_sent;
    }
    view.is_lost = is_over_ && (!was_stopped_ || failure_.code == "not_indicated");
    if (is_over_)
        view.state = view.started || was_stopped_ ? "ended" : "failed";
    else if (was_begun_)
        view.state = !is_running() ? "starting" : is_paused_ ? "paused" : "recording";
    if (!is_over_ && session_ != nullptr && session_->view().is_failing_over)
        view.state = "failing_over";
    return view;
}

// ---- siprec::ClientSessionHost ------------------------------------------------------------------

// A media server elsewhere says later what became of it; then the session is not on the stack.
void Recording::apply_answer(std::string sdp) {
    // The session that calls this must not be called meanwhile; a plane elsewhere answers later.
    is_applying_ = true;
    const std::uint64_t serial = ++last_answer_;
    const auto told = [this, serial](const Result<Done, Reason>& applied) {
        if (serial != last_answer_)
            return;  // of a server that has been lost, or of an older answer
        if (applied)
            is_forked_ = true;
        else
            media_fault_ = applied.error();
        if (!is_applying_ && is_engaged()) deliver();
    };
    d_.plane.answer_subscription(call_, number_, sdp, told);
    is_applying_ = false;
}
void Recording::pause_fork() { d_.plane.stop_subscription(call_, number_); }
// With the call its streams end, after all that came before.
void Recording::stop_fork() {
    if (!has_call_ended_) d_.plane.stop_subscription(call_, number_);
}
void Recording::lose_fork() {
    ++last_answer_;
    is_forked_ = false;
    d_.plane.stop_subscription(call_, number_, relay::Stop::ServerLost);
}

void Recording::on_event(const siprec::ClientEvent& event) { told_.push_back(event); }

}  // namespace earshot::client
