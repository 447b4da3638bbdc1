// What the session tells the server once it records: changes of the media and of the metadata,
// snapshots, refreshes, the end. One request of ours at a time.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "siprec/client_bodies.h"
#include "siprec/limits.h"
#include "siprec/recording_client_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {

using base::Reason;

// ---- wishes of the user -----------------------------------------------------------------------

void RecordingClientSession::Core::set_state(base::Now now, CsState state) {
    if (state_ != State::Inviting && state_ != State::Running) return;
    wanted_.objects = follow_state(wanted_.objects, std::move(state.objects), now.wall, state.left);
    if (const auto offer = make_client_offer(state.offer, {}); offer) {
        wanted_.offer = std::move(state.offer);
    } else {  // the media stays as it was, and is recorded so
        tell(ClientEvent::Kind::ChangeRefused, 0, offer.error());
    }
    is_change_due_ = true;
    if (!gather_until_) gather_until_ = now.steady + kMetadataDelay;
    advance(now);
}

bool RecordingClientSession::Core::pause(base::Now now) {
    if (is_paused_ || (state_ != State::Inviting && state_ != State::Running)) return false;
    is_paused_ = true;
    is_change_due_ = true;
    // Also while another server is looked for: what is kept for it ends here.
    if (state_ == State::Running || lost_at_) hold_fork();
    advance(now);
    return true;
}

bool RecordingClientSession::Core::resume(base::Now now) {
    if (!is_paused_ || (state_ != State::Inviting && state_ != State::Running)) return false;
    is_paused_ = false;
    is_change_due_ = true;
    advance(now);
    return true;
}

void RecordingClientSession::Core::stop(base::Now now, Reason reason,
                                        std::chrono::milliseconds hold) {
    if (state_ == State::Idle) {
        end(now, std::move(reason));
    } else if (is_answering_) {
        give_up_answer(now, std::move(reason), true);
    } else if (state_ == State::Inviting) {
        status_ = 487;
        if (reason.code.empty())
            reason = {"cancelled", "The recording was stopped before a server accepted it."};
        reason_ = std::move(reason);
        if (const sip::TransactionId invite = std::exchange(invite_, {})) {
            leftovers_.insert(invite.value);
            host_.cancel(invite);
            tell(ClientEvent::Kind::Refused, status_, reason_);
        }
        give_up(now);
    } else if (state_ == State::Running) {
        host_.stop_fork();
        state_ = State::Closing;
        reason_ = std::move(reason);
        wanted_.objects = end_recording(std::move(wanted_.objects), now.wall);
        close_by_ = now.steady + hold + kClosingTime;
        if (hold.count() > 0) hold_until_ = now.steady + hold;
        if (!pending_) send_closing(now);
    }
}

base::Result<sip::TransactionId, Reason> RecordingClientSession::Core::send(
    const sip::RequestSpec& request) {
    if (state_ != State::Running) return Reason{"not_running", "No server records this call."};
    if (user_requests_.size() >= kMaxUserRequests)
        return Reason{"too_many_requests", "The server has not answered the requests before."};
    if (auto fault = find_request_fault(request)) return *std::move(fault);
    const auto sent = host_.send_request(dialog_, request);
    if (!sent) return Reason{"cannot_send", std::string{sent.error().what}};
    user_requests_.push_back(*sent);
    return *sent;
}

// ---- what is to be told -----------------------------------------------------------------------

// The next request, when none is under way and one is due.
void RecordingClientSession::Core::advance(base::Now now) {
    release_fork();
    if (state_ != State::Running || pending_ || retry_at_ || !ok_offer_.empty()) return;
    if (is_snapshot_wanted_ && (!snapshot_at_ || now.steady >= *snapshot_at_))
        return send_snapshot(now);
    if (is_change_due_) send_change(now);
    if (pending_ || state_ != State::Running || retry_at_) return;
    if (timer_.due(now.steady) == sip::SessionTimer::Due::Refresh) send_refresh(now);
}

void RecordingClientSession::Core::send_change(base::Now now) {
    std::string content = offer_content(is_paused_);
    const bool is_offer_new = content != told_content_;
    const MetadataObjects changed = changed_objects(told_, wanted_.objects);
    const bool is_told = !is_offer_new && changed.count() == 0;
    // Media cannot wait; metadata can, for more of it (P-92).
    if (!is_offer_new && !is_told && gather_until_ && now.steady < *gather_until_) return;
    is_change_due_ = false;
    gather_until_.reset();
    if (is_told) return note_told();

    Pending pending;
    pending.what = What::Change;
    pending.is_snapshot = is_snapshot_due_;
    const bool has_offer =
        is_offer_new || is_snapshot_due_ || !takes_update_ || has_labels(changed);  // P-96
    pending.is_invite = has_offer;
    if (has_offer) pending.offer = std::move(content);
    send_pending(now, std::move(pending), document(changed, is_snapshot_due_, has_offer));
}

// P-99: all of it, with the offer (P-96), in a transaction of its own. The o= version is the same
// when the offer is.
void RecordingClientSession::Core::send_snapshot(base::Now now) {
    is_snapshot_wanted_ = false;
    is_change_due_ = false;
    gather_until_.reset();
    snapshot_at_ = now.steady + kSnapshotInterval;
    Pending pending;
    pending.what = What::Snapshot;
    pending.is_snapshot = true;
    pending.offer = offer_content(is_paused_);
    pending.is_invite = !takes_update_ || pending.offer != told_content_;
    send_pending(now, std::move(pending), document({}, true, true));
}

// RFC 4028 section 7.4: by UPDATE without a body, where the peer takes it.
void RecordingClientSession::Core::send_refresh(base::Now now) {
    Pending pending;
    pending.what = What::Refresh;
    pending.is_invite = !takes_update_;
    // A pause that the server refused is said again: no offer of ours is more than is sent.
    if (pending.is_invite)
        pending.offer = is_paused_ ? offer_content_of(told_content_, true) : told_content_;
    send_pending(now, std::move(pending), {});
}

// F-5: the closing metadata goes in an UPDATE before the BYE, since not every server reads a BYE's
// body; in the BYE where the server takes no UPDATE.
void RecordingClientSession::Core::send_closing(base::Now now) {
    if (hold_until_ && now.steady < *hold_until_) return;
    MetadataObjects changed = changed_objects(told_, wanted_.objects);
    if (!takes_update_) {
        changed.streams.clear();  // their labels would need an offer
        return leave(now, document(changed, false, false));
    }
    Pending pending;
    pending.what = What::Closing;
    pending.is_snapshot = is_snapshot_due_;
    const bool has_offer = is_snapshot_due_ || has_labels(changed);
    if (has_offer) pending.offer = offer_content(true);
    close_by_ = now.steady + kClosingTime;
    if (!send_pending(now, std::move(pending), document(changed, is_snapshot_due_, has_offer)))
        leave(now);
}

void RecordingClientSession::Core::note_told() {
    if (state_ == State::Running && changed_objects(told_, wanted_.objects).count() == 0)
        host_.on_metadata_told();
}

std::string RecordingClientSession::Core::document(const MetadataObjects& changed, bool is_complete,
                                                   bool has_offer) const {
    MetadataDocument document;
    document.mode = is_complete ? DataMode::Complete : DataMode::Partial;
    document.objects = is_complete ? wanted_.objects : changed;
    if (has_offer) add_labelled_streams(document.objects, wanted_.objects);
    return write_metadata(document);
}

// ---- the request under way --------------------------------------------------------------------

bool RecordingClientSession::Core::send_pending(base::Now now, Pending pending,
                                                const std::string& metadata) {
    sip::RequestSpec request;
    request.method = pending.is_invite ? "INVITE" : "UPDATE";
    request.headers = session_headers();
    if (timer_.is_running()) add_headers(request.headers, timer_.request_headers());
    pending.has_metadata = !metadata.empty();
    if (pending.has_metadata) sent_ = wanted_.objects;
    if (pending.has_metadata || !pending.offer.empty()) {
        const std::string sdp = pending.offer.empty() ? std::string{} : as_sent(pending.offer);
        Body body = body_of(sdp, metadata, random_);
        if (!body.disposition.empty())
            request.headers.push_back({"Content-Disposition", std::move(body.disposition)});
        request.content_type = std::move(body.content_type);
        request.body = std::move(body.bytes);
    }
    const auto sent = host_.send_request(dialog_, request);
    // With another server at hand it is not waited for until the transaction is over (32 s).
    if (sent && pending.what != What::Closing && !ring_after(server_, false).empty())
        silent_until_ = now.steady + settings_.silence_time;
    if (!sent) {
        if (pending.what != What::Closing) on_pending_not_sent(now, pending);
        return false;
    }
    pending.transaction = *sent;
    pending_ = std::move(pending);
    return true;
}

void RecordingClientSession::Core::on_pending_response(base::Now now,
                                                       const sip::ResponseArrived& response) {
    const Pending done = *std::exchange(pending_, std::nullopt);
    if (response.message.status() < 300) {
        on_pending_accepted(now, done, response.message);
    } else {
        on_pending_refused(now, done, response);
    }
}

void RecordingClientSession::Core::on_pending_accepted(base::Now now, const Pending& done,
                                                       const sip::Message& message) {
    tries_ = 0;
    if (done.is_invite) host_.acknowledge(dialog_);
    if (done.what == What::Closing) return leave(now);
    timer_.on_accepted(now.steady, sip::read_session_timer(message));
    if (done.has_metadata) told_ = std::exchange(sent_, {});
    if (settings_.forgets_ended) forget_ended(told_, wanted_.objects);
    if (done.is_snapshot) is_snapshot_due_ = false;
    if (!done.offer.empty()) {
        told_content_ = done.offer;
        // Without an SDP in it, which cannot be, the server's last one holds on.
        std::string answer{find_sdp(message)};
        if (answer.empty()) {
            tell_faults({"The answer to an offer in mid-call has no SDP."});
            answer = answer_text_;
        }
        if (state_ == State::Running && !take_answer(now, done.offer, answer)) return;
    }
    if (done.has_metadata) note_told();
    go_on(now);
}

void RecordingClientSession::Core::on_pending_refused(base::Now now, const Pending& refused,
                                                      const sip::ResponseArrived& response) {
    const sip::Message& message = response.message;
    const int status = message.status();
    const std::string text = fmt::format("The server answered {}.", status_and_phrase(message));
    if (is_dialog_gone(status) || (settings_.fails_over && ends_usage(status)))
        return lose(now, {.reason = {"session_lost", text},
                          .parting = parting_after(status),
                          .is_dead = false,
                          .may_return = true});
    const bool knows_no_update = !refused.is_invite && (status == 405 || status == 501);
    if (knows_no_update) takes_update_ = false;
    if (refused.what == What::Closing) {
        if (knows_no_update) return send_closing(now);
        return leave(now);
    }
    if (state_ == State::Running && tries_ < kMaxGlareRetries) {
        if (response.retry_after) return ask_again(now, refused.what, *response.retry_after);
        if (knows_no_update ||
            (status == 422 && timer_.on_too_small(sip::read_session_timer(message)))) {
            ask_again(now, refused.what, std::chrono::milliseconds{0});
            return;
        }
    }
    tries_ = 0;
    timer_.on_refused(now.steady);
    // A refused refresh ends nothing: who refuses is alive.
    if (refused.what != What::Refresh) {
        is_snapshot_due_ = is_snapshot_due_ || refused.has_metadata;
        tell(ClientEvent::Kind::ChangeRefused, status, {"change_refused", text});
    }
    // The server stays at the pause: nothing would be recorded, and nobody would know.
    if (is_fork_held_ && !is_paused_ && state_ == State::Running && !is_change_due_)
        return lose(now, {.reason = {"resume_refused", text}});
    go_on(now);
}

void RecordingClientSession::Core::on_pending_not_sent(base::Now now, const Pending& lost) {
    if (lost.what == What::Refresh) timer_.on_not_sent(now.steady);
    if (tries_ >= kMaxGlareRetries)
        return lose(now, silence("The server could not be told of a change."));
    ask_again(now, lost.what, kControlRetryDelay);
}

void RecordingClientSession::Core::on_pending_lost(base::Now now, bool is_timeout) {
    const Pending lost = *std::exchange(pending_, std::nullopt);
    silent_until_.reset();
    if (lost.what == What::Closing) return leave(now);
    if (is_timeout) return lose(now, silence("The server did not answer a change of the session."));
    if (state_ == State::Closing) return send_closing(now);
    on_pending_not_sent(now, lost);
}

// After the request under way: what has come up meanwhile.
void RecordingClientSession::Core::go_on(base::Now now) {
    if (state_ == State::Closing) return send_closing(now);
    advance(now);
}

void RecordingClientSession::Core::ask_again(base::Now now, What what,
                                             std::chrono::milliseconds delay) {
    ++tries_;
    if (what == What::Change) is_change_due_ = true;
    if (what == What::Snapshot) {
        is_snapshot_wanted_ = true;
        snapshot_at_.reset();
    }
    retry_at_ = now.steady + delay;
}

// ---- the end ----------------------------------------------------------------------------------

void RecordingClientSession::Core::leave(base::Now now, std::string metadata) {
    pending_.reset();
    hang_up(dialog_, std::move(metadata));
    end(now, reason_);
}

void RecordingClientSession::Core::end(base::Now now, Reason reason, bool is_server_dead,
                                       bool is_own_fault) {
    state_ = State::Done;
    ended_ = now.wall;
    is_answering_ = false;
    pending_.reset();
    user_requests_.clear();
    reason_ = reason;
    if (!std::exchange(is_recorded_, false)) return;
    ClientEvent event = make_event(ClientEvent::Kind::Stop, 0, std::move(reason));
    event.is_server_dead = is_server_dead;
    event.is_own_fault = is_own_fault;
    host_.on_event(event);
}

// ---- the media --------------------------------------------------------------------------------

std::string RecordingClientSession::Core::offer_content(bool is_paused) const {
    return offer_content_of(wanted_.offer, is_paused);
}

std::string RecordingClientSession::Core::offer_content_of(std::string_view offer,
                                                           bool is_paused) const {
    OfferOptions options;
    options.is_paused = is_paused;
    options.dropped = dropped_;
    options.before = last_content_;
    auto content = make_client_offer(offer, options);
    return content ? *std::move(content) : told_content_;  // it was read before
}

std::string RecordingClientSession::Core::as_sent(const std::string& content) {
    if (content != last_content_) ++sdp_version_;
    last_content_ = content;
    return with_version(content, sdp_version_);
}

// False: the session has ended.
bool RecordingClientSession::Core::take_answer(base::Now now, const std::string& offer,
                                               std::string_view answer) {
    auto media = read_answer(offer, answer);
    if (media && media->accepted == 0 && has_live_line(offer))
        media = Reason{"no_media", "The server refused every stream."};
    if (!media) {
        lose(now, {.reason = media.error()});
        return false;
    }
    answer_text_ = answer;
    tell_faults(media->faults);
    apply(*std::move(media));
    return true;
}

// While it is paused the server may say what it likes.
void RecordingClientSession::Core::apply(ReadAnswer answer) {
    media_ = std::move(answer);
    if (is_paused_) return hold_fork();
    is_fork_held_ = false;
    host_.apply_answer(media_.sdp);
}

void RecordingClientSession::Core::hold_fork() {
    if (!std::exchange(is_fork_held_, true)) host_.pause_fork();
}

// Where the server never took the pause, its last answer still holds.
void RecordingClientSession::Core::release_fork() {
    if (!is_fork_held_ || is_paused_ || has_offer_under_way()) return;
    if (offer_content(false) == told_content_) apply(std::move(media_));
}

}  // namespace earshot::siprec
