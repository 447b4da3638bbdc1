// The facade, and the way from the first INVITE to the server that records.
#include "siprec/recording_client_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sip/headers.h"
#include "sip/uri.h"
#include "siprec/client_bodies.h"
#include "siprec/limits.h"
#include "siprec/recording_client_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {

using base::Reason;
using sip::HeaderId;

// ---- the facade -------------------------------------------------------------------------------

RecordingClientSession::RecordingClientSession(ClientSessionSettings settings,
                                               ClientSessionHost& host, base::Random& random)
    : core_(std::make_unique<Core>(std::move(settings), host, random)) {}
RecordingClientSession::~RecordingClientSession() = default;

void RecordingClientSession::start(base::Now now, CsState state, bool is_paused) {
    core_->start(now, std::move(state), is_paused);
}
void RecordingClientSession::answer(base::Now now, CsState state, const sip::RequestArrived& invite,
                                    bool is_paused) {
    core_->answer(now, std::move(state), invite, is_paused);
}
void RecordingClientSession::on_media_lost(base::Now now, MediaLoss how, Reason reason) {
    core_->on_media_lost(now, how, std::move(reason));
}
void RecordingClientSession::probe(base::Now now) { core_->probe(now); }
void RecordingClientSession::set_state(base::Now now, CsState state) {
    core_->set_state(now, std::move(state));
}
bool RecordingClientSession::pause(base::Now now) { return core_->pause(now); }
bool RecordingClientSession::resume(base::Now now) { return core_->resume(now); }
void RecordingClientSession::stop(base::Now now, Reason reason, std::chrono::milliseconds hold) {
    core_->stop(now, std::move(reason), hold);
}
base::Result<sip::TransactionId, Reason> RecordingClientSession::send(
    const sip::RequestSpec& request) {
    return core_->send(request);
}
void RecordingClientSession::on_response(base::Now now, const sip::ResponseArrived& response) {
    core_->on_response(now, response);
}
void RecordingClientSession::on_failure(base::Now now, sip::TransactionId transaction,
                                        bool is_timeout) {
    core_->on_failure(now, transaction, is_timeout);
}
void RecordingClientSession::on_request(base::Now now, const sip::RequestArrived& request) {
    core_->on_request(now, request);
}
void RecordingClientSession::on_ack(base::Now now, const sip::AckArrived& ack) {
    core_->on_ack(now, ack);
}
void RecordingClientSession::on_dialog_ended(base::Now now, sip::DialogId dialog) {
    core_->on_dialog_ended(now, dialog);
}
void RecordingClientSession::on_time(base::Now now) { core_->on_time(now); }
std::optional<base::TimePoint> RecordingClientSession::deadline() const {
    return core_->deadline();
}
bool RecordingClientSession::is_running() const { return core_->is_running(); }
bool RecordingClientSession::is_done() const { return core_->is_done(); }
ClientSessionView RecordingClientSession::view() const { return core_->view(); }

// ---- one server after the other ---------------------------------------------------------------

namespace {

// A URI alone goes into brackets, so that its parameters stay its own.
std::string in_brackets(const std::string& party) {
    return party.find('<') == std::string::npos ? "<" + party + ">" : party;
}

std::string answered(const sip::Message& response) {
    return fmt::format("The server answered {}.", status_and_phrase(response));
}

bool is_stale(const sip::Message& response) {
    const auto challenges = response.all(response.status() == 407 ? HeaderId::ProxyAuthenticate
                                                                  : HeaderId::WwwAuthenticate);
    return std::any_of(challenges.begin(), challenges.end(), [](std::string_view value) {
        const auto challenge = sip::parse_digest_challenge(value);
        return challenge && challenge->is_stale;
    });
}

// The first place that a redirection names; RFC 3261 section 8.1.3.4 lets the client choose.
std::string contact_of(const sip::Message& response) {
    for (const std::string_view value : response.values(HeaderId::Contact)) {
        const auto contact = sip::parse_name_addr(value);
        if (!contact || contact->is_wildcard) continue;
        const auto uri = sip::parse_uri(contact->uri);
        if (uri && uri->is_sip()) return std::string{contact->uri};
    }
    return {};
}

// When a server may be asked again, by its own word (RFC 3261 section 20.33).
std::optional<std::chrono::seconds> retry_after_of(const sip::Message& response) {
    const auto value = response.find(HeaderId::RetryAfter);
    if (!value) return std::nullopt;
    const auto delay = sip::parse_delta_seconds(*value);
    if (!delay) return std::nullopt;
    return std::min<std::chrono::seconds>(delay->seconds, kMaxRetryAfter);
}

}  // namespace

// False: there is nothing to offer, and the session is over.
bool RecordingClientSession::Core::take_first_state(base::Now now, CsState state, bool is_paused) {
    wanted_.objects = follow_state({}, std::move(state.objects), now.wall);
    wanted_.offer = std::move(state.offer);
    is_paused_ = is_paused;
    if (!wanted_.objects.sessions.empty()) session_id_ = wanted_.objects.sessions.front().id.text();
    state_ = State::Inviting;
    const auto offer = make_client_offer(wanted_.offer, {});
    if (offer) return true;  // else it is our own fault: no server is to blame
    tell(ClientEvent::Kind::Failed, 0, offer.error());
    end(now, offer.error());
    return false;
}

void RecordingClientSession::Core::start(base::Now now, CsState state, bool is_paused) {
    if (state_ != State::Idle || !take_first_state(now, std::move(state), is_paused)) return;
    candidates_ = settings_.servers;
    ask_server(now);
}

void RecordingClientSession::Core::ask_server(base::Now now) {
    auto next = candidates_.empty() ? std::nullopt : host_.choose_server(candidates_);
    if (!next) return on_round_over(now);
    std::erase(candidates_, *next);
    is_redirected_ = false;
    server_ = *next;
    ask(now, *std::move(next));
}

// Each server is asked in a session of its own, but for the ids of the metadata and the offer.
void RecordingClientSession::Core::ask(base::Now now, std::string uri) {
    uri_ = std::move(uri);
    call_id_ = random_.token(16);
    from_tag_ = random_.token(8);
    cseq_ = 0;
    flow_ = settings_.flow;
    credentials_.clear();
    challenges_ = 0;
    timer_ = sip::SessionTimer{settings_.session_timer};
    send_invite(now);
}

// The first request, and its repetitions after a challenge or a 422 (RFC 3261 section 22.2).
void RecordingClientSession::Core::send_invite(base::Now now) {
    sent_ = wanted_.objects;
    told_content_ = offer_content(is_paused_);
    Body body = body_of(as_sent(told_content_), document({}, true, true), random_);

    sip::OutOfDialogSpec spec;
    spec.request_uri = uri_;
    spec.from = in_brackets(settings_.from_uri.empty() ? uri_ : settings_.from_uri);
    spec.to = in_brackets(settings_.to_uri.empty() ? uri_ : settings_.to_uri);
    spec.call_id = call_id_;
    spec.from_tag = from_tag_;
    spec.cseq = ++cseq_;
    spec.flow = flow_;
    spec.headers = session_headers();
    add_headers(spec.headers, {{"Supported", "100rel"}});
    add_headers(spec.headers, timer_.request_headers());
    add_headers(spec.headers, settings_.headers);
    add_headers(spec.headers, credentials_);
    spec.content_type = std::move(body.content_type);
    spec.body = std::move(body.bytes);

    is_change_due_ = false;
    gather_until_.reset();
    early_answer_.clear();
    was_heard_ = false;
    // Of the last server more is to be hoped than of going on: the agent tries all its addresses.
    silent_until_.reset();
    if (!candidates_.empty() || has_further_round(now))
        silent_until_ = now.steady + settings_.silence_time;
    answer_by_ = now.steady + settings_.answer_time;
    const auto sent = host_.start_request(spec);
    if (sent) {
        invite_ = *sent;
    } else {
        invite_ = {};
        on_server_failed(now, 503, {"cannot_send", std::string{sent.error().what}});
    }
}

void RecordingClientSession::Core::on_invite_response(base::Now now,
                                                      const sip::ResponseArrived& response) {
    const int status = response.message.status();
    was_heard_ = true;
    silent_until_.reset();
    if (!response.is_final) {
        if (response.message.lists(HeaderId::Require, "100rel"))
            if (const std::string_view sdp = find_sdp(response.message); !sdp.empty())
                early_answer_ = sdp;
        return;
    }
    if (status < 300) {
        on_accepted(now, response);
    } else {
        on_rejected(now, response);
    }
}

void RecordingClientSession::Core::on_accepted(base::Now now,
                                               const sip::ResponseArrived& response) {
    const sip::Message& message = response.message;
    answer_by_.reset();
    invite_ = {};
    status_ = message.status();
    if (!response.dialog)  // the agent has no room for it, and cannot even acknowledge it
        return on_server_failed(now, 503, {"no_room", "There are too many dialogs."});
    if (!settings_.credentials.username.empty() && !is_redirected_)
        host_.authenticate(response.dialog, settings_.credentials, response.flow.remote,
                           credentials_);
    host_.acknowledge(response.dialog);
    std::string_view sdp = find_sdp(message);
    if (sdp.empty()) sdp = early_answer_;  // a 2xx need not repeat it
    auto media = read_answer(told_content_, sdp);
    if (media && media->accepted == 0 && has_live_line(told_content_))
        media = Reason{"no_media", "The server refused every stream."};
    if (!media) {  // a recorder that takes no media records nothing
        hang_up(response.dialog);
        on_server_failed(now, status_, media.error());
        return;
    }
    dialog_ = response.dialog;
    takes_update_ = !message.has(HeaderId::Allow) || message.lists(HeaderId::Allow, "UPDATE");
    timer_.on_accepted(now.steady, sip::read_session_timer(message));
    begin_running(now, *std::move(media), sdp);
}

void RecordingClientSession::Core::begin_running(base::Now now, ReadAnswer media,
                                                 std::string_view sdp) {
    state_ = State::Running;
    is_recorded_ = true;
    accepted_at_ = now.steady;
    if (!started_) started_ = now.wall;
    reason_ = {};
    told_ = std::exchange(sent_, {});
    if (lost_at_) {
        ++failovers_;
        tell(ClientEvent::Kind::Failover, status_, lost_reason_);
        lost_at_.reset();
    }
    tell(ClientEvent::Kind::Start, status_, {});
    tell_faults(media.faults);
    answer_text_ = sdp;
    apply(std::move(media));
    note_told();
    advance(now);
}

void RecordingClientSession::Core::on_rejected(base::Now now,
                                               const sip::ResponseArrived& response) {
    const sip::Message& message = response.message;
    const int status = message.status();
    invite_ = {};
    answer_by_.reset();
    if (status == 422 && timer_.on_too_small(sip::read_session_timer(message)))
        return send_invite(now);
    if ((status == 401 || status == 407) && authenticate(now, response)) return;
    if (status < 400 && follow(now, message)) return;
    std::string code = "refused";
    if (status == 401 || status == 407)
        code = credentials_.empty() ? "password_needed" : "wrong_credentials";
    if (status < 400) code = "redirected";
    on_server_failed(now, status, {std::move(code), answered(message)}, retry_after_of(message));
}

// A 3xx is followed once, and not when it is among the codes that end the attempt.
bool RecordingClientSession::Core::follow(base::Now now, const sip::Message& response) {
    const int status = response.status();
    if (is_redirected_ || settings_.skip_failover_codes.has(status)) return false;
    if (status > 302) return false;  // 305 names a proxy, 380 another service
    std::string uri = contact_of(response);
    if (uri.empty() || uri == uri_) return false;
    status_ = status;
    tell(ClientEvent::Kind::Refused, status, {"redirected", answered(response)});
    is_redirected_ = true;
    ask(now, std::move(uri));
    return true;
}

// E-22: once for each nonce. The place that a server leads us to gets no answer from us.
bool RecordingClientSession::Core::authenticate(base::Now now,
                                                const sip::ResponseArrived& response) {
    if (settings_.credentials.username.empty() || is_redirected_) return false;
    if (++challenges_ > kMaxChallenges) return false;
    auto header = sip::answer_challenge(response.message, settings_.credentials, "INVITE", uri_,
                                        random_.token(8));
    if (!header) return false;
    const auto given =
        std::find_if(credentials_.begin(), credentials_.end(),
                     [&](const sip::ExtraHeader& one) { return one.name == header->name; });
    if (given == credentials_.end()) {
        credentials_.push_back(*std::move(header));
    } else if (is_stale(response.message)) {
        *given = *std::move(header);
    } else {
        return false;
    }
    flow_ = response.flow;  // another address of that name has made no such nonce
    send_invite(now);
    return true;
}

void RecordingClientSession::Core::on_server_failed(
    base::Now now, int status, Reason reason, std::optional<std::chrono::seconds> retry_after) {
    silent_until_.reset();
    answer_by_.reset();
    status_ = status;
    reason_ = reason;
    ClientEvent event = make_event(ClientEvent::Kind::Refused, status, std::move(reason));
    event.retry_after = retry_after;
    host_.on_event(event);
    if (settings_.skip_failover_codes.has(status)) return give_up(now);
    ask_server(now);
}

// No server records it, or none any more.
void RecordingClientSession::Core::give_up(base::Now now) {
    if (lost_at_) host_.stop_fork();
    tell(ClientEvent::Kind::Failed, status_, reason_);
    end(now, reason_);
}

// It is silent, or does not come to an end. Its answer may still come: see clean_up().
void RecordingClientSession::Core::give_up_server(base::Now now) {
    const sip::TransactionId invite = std::exchange(invite_, {});
    leftovers_.insert(invite.value);
    host_.cancel(invite);
    on_server_failed(now, 408,
                     was_heard_ ? Reason{"timeout", "The server did not answer finally in time."}
                                : Reason{"silent", "The server did not answer."});
}

void RecordingClientSession::Core::hang_up(sip::DialogId dialog, std::string metadata) {
    sip::RequestSpec bye;
    bye.method = "BYE";
    if (!metadata.empty()) {
        bye.headers.push_back({"Content-Disposition", std::string{kRsMetadataDisposition}});
        bye.content_type = kRsMetadataType;
        bye.body = std::move(metadata);
    }
    if (const auto sent = host_.send_request(dialog, bye); sent && *sent)
        leftovers_.insert(sent->value);
}

// What comes of attempts that nobody waits for any more, and from further branches of a fork: one
// recording is enough (RFC 3261 section 13.2.2.4).
void RecordingClientSession::Core::clean_up(const sip::ResponseArrived& response) {
    if (!response.is_final) return;
    leftovers_.erase(response.transaction.value);
    const bool is_invite = response.message.cseq_method() == sip::Method::Invite;
    if (!is_invite || response.message.status() >= 300) return;
    host_.acknowledge(response.dialog);
    if (response.dialog != dialog_) hang_up(response.dialog);
}

// ---- what comes -------------------------------------------------------------------------------

void RecordingClientSession::Core::on_response(base::Now now,
                                               const sip::ResponseArrived& response) {
    if (invite_ && response.transaction == invite_ && state_ == State::Inviting) {
        on_invite_response(now, response);
        return;
    }
    if (pending_ && response.transaction == pending_->transaction) {
        silent_until_.reset();
        if (response.is_final) on_pending_response(now, response);
        return;
    }
    const auto user = std::find(user_requests_.begin(), user_requests_.end(), response.transaction);
    if (user == user_requests_.end()) return clean_up(response);
    if (!response.is_final) return;
    user_requests_.erase(user);
    const int status = response.message.status();
    tell(ClientEvent::Kind::RequestAnswered, status, {"", answered(response.message)},
         response.transaction);
    if (is_dialog_gone(status) && state_ == State::Running)
        lose(now, {.reason = {"session_lost", answered(response.message)},
                   .parting = parting_after(status),
                   .is_dead = false,
                   .may_return = true});
}

void RecordingClientSession::Core::on_failure(base::Now now, sip::TransactionId transaction,
                                              bool is_timeout) {
    const int status = is_timeout ? 408 : 503;  // RFC 3261 section 8.1.3.1
    if (invite_ && transaction == invite_ && state_ == State::Inviting) {
        invite_ = {};
        on_server_failed(now, status,
                         is_timeout ? Reason{"silent", "The server did not answer."}
                                    : Reason{"cannot_send", "The server could not be reached."});
        return;
    }
    if (pending_ && transaction == pending_->transaction) return on_pending_lost(now, is_timeout);
    leftovers_.erase(transaction.value);
    const auto user = std::find(user_requests_.begin(), user_requests_.end(), transaction);
    if (user == user_requests_.end()) return;
    user_requests_.erase(user);
    tell(ClientEvent::Kind::RequestAnswered, status, {"silent", "The server did not answer."},
         transaction);
    if (is_timeout && state_ == State::Running)
        lose(now, silence("The server did not answer a request."));
}

void RecordingClientSession::Core::on_dialog_ended(base::Now now, sip::DialogId dialog) {
    if (!dialog_ || dialog != dialog_) return;
    if (is_answering_)
        return give_up_answer(now, {"session_lost", "The recording session is gone."}, false);
    if (state_ == State::Running || state_ == State::Closing)
        lose(now, {.reason = {"session_lost", "The recording session is gone."},
                   .parting = Loss::Parting::Forget,
                   .is_dead = false,
                   .may_return = true});
}

void RecordingClientSession::Core::on_time(base::Now now) {
    const auto is_due = [&now](std::optional<base::TimePoint>& when) {
        if (!when || now.steady < *when) return false;
        when.reset();
        return true;
    };
    const bool is_silent = is_due(silent_until_);
    if ((is_due(answer_by_) || is_silent) && state_ == State::Inviting) return give_up_server(now);
    if (is_due(round_at_) && state_ == State::Inviting) return begin_round(now);
    if (is_due(ack_by_)) {
        if (is_answering_)
            return give_up_answer(now, {"no_ack", "The server did not acknowledge our answer."},
                                  true);
        ok_offer_.clear();  // no ACK came: the media stays as it was
    }
    static_cast<void>(is_due(retry_at_));
    if (is_due(close_by_) && state_ == State::Closing) return leave(now);
    if (is_due(hold_until_) && state_ == State::Closing && !pending_) return send_closing(now);
    if (state_ == State::Running && lose_if_dead(now, is_silent)) return;
    advance(now);
}

// Whether what was waited for from the running session's server has not come.
bool RecordingClientSession::Core::lose_if_dead(base::Now now, bool is_silent) {
    if (is_silent && pending_) {
        lose(now, silence(pending_->what == What::Refresh
                              ? "The server did not answer when it was asked whether it lives."
                              : "The server did not answer a change of the session."));
        return true;
    }
    if (timer_.due(now.steady) != sip::SessionTimer::Due::Expired) return false;
    Loss loss = silence(
        fmt::format("The session was not refreshed within {} s.", timer_.interval().count()));
    loss.reason.code = "session_expired";
    lose(now, std::move(loss));
    return true;
}

std::optional<base::TimePoint> RecordingClientSession::Core::deadline() const {
    std::optional<base::TimePoint> next;
    const auto consider = [&next](const std::optional<base::TimePoint>& when) {
        if (when && (!next || *when < *next)) next = when;
    };
    if (state_ == State::Done || state_ == State::Idle) return next;
    const bool is_free = !pending_ && ok_offer_.empty() && !retry_at_;
    consider(silent_until_);
    consider(answer_by_);
    consider(retry_at_);
    consider(ack_by_);
    consider(close_by_);
    consider(hold_until_);
    consider(round_at_);
    if (state_ != State::Running) return next;
    consider(timer_.deadline(is_free));
    if (is_free && is_change_due_) consider(gather_until_);
    if (is_free && is_snapshot_wanted_) consider(snapshot_at_);
    return next;
}

ClientSessionView RecordingClientSession::Core::view() const {
    ClientSessionView view;
    view.state = state_;
    view.server = uri_;
    view.rs_call_id = call_id_;
    view.session_id = session_id_;
    view.instance = settings_.instance;
    view.is_paused = is_paused_;
    view.is_failing_over = lost_at_.has_value() && state_ == State::Inviting;
    view.is_by_server = is_by_server_;
    view.started = started_;
    view.ended = ended_;
    view.streams_sent = state_ == State::Running && !is_fork_held_ ? media_.sending : 0;
    view.status = status_;
    view.reason = reason_;
    return view;
}

std::vector<sip::ExtraHeader> RecordingClientSession::Core::session_headers() {
    // P-4: in what sets the session up and in what changes it.
    return {
        {"Require", "siprec"}, {"Allow", std::string{kAllow}}, {"Accept", std::string{kAccept}}};
}

ClientEvent RecordingClientSession::Core::make_event(ClientEvent::Kind kind, int status,
                                                     Reason reason) const {
    ClientEvent event;
    event.kind = kind;
    event.server = uri_;
    event.chosen = server_;
    event.rs_call_id = call_id_;
    event.session_id = session_id_;
    event.instance = settings_.instance;
    event.status = status;
    event.reason = std::move(reason);
    if (kind == ClientEvent::Kind::Failover) event.from_server = lost_uri_;
    event.is_last = kind == ClientEvent::Kind::Failed ||
                    (kind == ClientEvent::Kind::Stop && state_ == State::Done);
    return event;
}

void RecordingClientSession::Core::tell(ClientEvent::Kind kind, int status, Reason reason,
                                        sip::TransactionId transaction) {
    ClientEvent event = make_event(kind, status, std::move(reason));
    event.transaction = transaction;
    host_.on_event(event);
}

// A server repeats its faults in each answer.
void RecordingClientSession::Core::tell_faults(const std::vector<std::string>& faults) {
    if (faults.empty()) return;
    std::string text = fmt::format("{}", fmt::join(faults, " "));
    if (text == told_faults_ || fault_events_ == kMaxFaultEvents) return;
    ++fault_events_;
    told_faults_ = text;
    tell(ClientEvent::Kind::AnswerFault, 0, {"answer_fault", std::move(text)});
}

}  // namespace earshot::siprec
