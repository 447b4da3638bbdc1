// What a recording server asks of its client in the dialog: metadata anew (P-102), and whether it
// is still there (RFC 4028 section 10, E-21). One request is under way at a time, and none while an
// INVITE of the client is being answered or acknowledged.
#include <algorithm>
#include <utility>

#include "siprec/limits.h"
#include "siprec/recording_server_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {

bool RecordingServerSession::Core::is_busy() const {
    return pending_ != nullptr || awaits_ack_ || asked_ != Asked::Nothing;
}

void RecordingServerSession::Core::on_time(base::Now now) {
    if (state_ == State::Inviting) return on_inviting_time(now);
    if (const auto due = deadline(); !due || now.steady < *due) return;
    using Due = sip::SessionTimer::Due;
    const Due due = timer_.due(now.steady);
    if (due == Due::Expired) {
        const std::string interval = std::to_string(timer_.interval().count());
        lose_session({"session_expired", "The client did not refresh the session within " +
                                             interval + " s (RFC 4028)."});
        return;
    }
    if (is_busy()) return;
    if (is_retrying()) {
        if (now.steady < retry_.at) return;
        const Asked what = std::exchange(retry_.what, Asked::Nothing);
        if (what == Asked::Refresh) send_refresh();
        if (what == Asked::Snapshot) ask_for_snapshot(snapshot_reason_);
        if (what == Asked::Control) send_control();
        return;
    }
    if (due == Due::Refresh) {
        send_refresh();
        return;
    }
    if (const auto wish = control_deadline(); wish && now.steady >= *wish) {
        on_control_time(now);
        return;
    }
    const char* reason = metadata_.on_time(now.steady, actions_);
    if (reason != nullptr && peer_takes_update_) ask_for_snapshot(reason);
}

std::optional<base::TimePoint> RecordingServerSession::Core::deadline() const {
    if (state_ == State::Inviting) return inviting_->give_up_at;
    if (state_ != State::Established) return std::nullopt;
    // A transaction in the way is waited for: its end calls for a new look at the deadline.
    auto next = timer_.deadline(!is_busy() && !is_retrying());
    const auto sooner = [&](std::optional<base::TimePoint> due) {
        if (due && (!next || *due < *next)) next = due;
    };
    if (is_busy()) return next;
    if (is_retrying()) {
        sooner(retry_.at);
    } else {
        sooner(metadata_.deadline());
        sooner(control_deadline());
    }
    return next;
}

void RecordingServerSession::Core::ask_for_snapshot(const char* reason) {
    actions_.emplace_back(
        make_event("snapshot_requested", kNoStream, {{"reason", std::string{reason}}}));
    asked_ = Asked::Snapshot;
    snapshot_reason_ = reason;
    sip::RequestSpec request = snapshot_request(reason);
    // Every UPDATE refreshes the session (RFC 4028 section 7.4), so it says for how long.
    if (timer_.is_running()) add_headers(request.headers, timer_.request_headers());
    actions_.emplace_back(SendRequest{std::move(request)});
}

void RecordingServerSession::Core::send_refresh() {
    asked_ = Asked::Refresh;
    is_offering_ = !peer_takes_update_;
    sip::RequestSpec request = is_offering_ ? refresh_by_invite(last_sdp_) : refresh_by_update();
    add_headers(request.headers, timer_.request_headers());
    actions_.emplace_back(SendRequest{std::move(request)});
}

void RecordingServerSession::Core::probe() {
    if (state_ != State::Established || is_busy() || is_retrying() || timer_.is_running()) return;
    asked_ = Asked::Probe;
    sip::RequestSpec options;
    options.method = "OPTIONS";
    actions_.emplace_back(SendRequest{std::move(options)});
}

void RecordingServerSession::Core::ask_for_key_frame(std::uint16_t stream,
                                                     std::string_view reason) {
    if (state_ != State::Established || is_busy() || is_retrying() || !takes_key_frame_info_)
        return;
    asked_ = Asked::KeyFrame;
    actions_.emplace_back(
        make_event("key_frame_requested", stream,
                   {{"reason", std::string{reason}}, {"by", std::string{"info"}}}));
    actions_.emplace_back(SendRequest{key_frame_request()});
}

// Who does not know it is not asked again; the call goes on whatever it says.
void RecordingServerSession::Core::on_key_frame_answer(int status) {
    if (status < 300) return;
    takes_key_frame_info_ = false;
    tell_refused(Asked::KeyFrame, status);
}

void RecordingServerSession::Core::on_response(
    base::Now now, const sip::Message& response,
    std::optional<std::chrono::milliseconds> retry_after) {
    if (state_ == State::Inviting) return on_start_response(now, response);
    if (response.status() < 200 || state_ != State::Established || asked_ == Asked::Nothing) return;
    const Asked asked = std::exchange(asked_, Asked::Nothing);
    const bool was_offer = std::exchange(is_offering_, false);
    if (asked == Asked::Probe) {  // any other answer, also a refusal, comes from who is there
        if (response.status() == 408 || response.status() == 481) lose_silent(response.status());
        return;
    }
    if (asked == Asked::KeyFrame) return on_key_frame_answer(response.status());
    if (retry_after && retry_.tries < kMaxGlareRetries) {
        try_again(asked, now.steady + *retry_after);
        return;
    }
    retry_.tries = 0;
    if (response.status() < 300) timer_.on_accepted(now.steady, sip::read_session_timer(response));
    if (asked == Asked::Control) {
        on_control_answer(now, response);
        return;
    }
    if (response.status() < 300) {
        if (was_offer) apply_answer(read_body(response), is_told_inactive());
        return;
    }
    if (asked == Asked::Snapshot) {
        // Also 481 and 405 (OpenSIPS): the call goes on as long as its media and its BYE say so.
        tell_refused(asked, response.status());
        return;
    }
    if (response.status() == 422 && timer_.on_too_small(sip::read_session_timer(response))) {
        send_refresh();
        return;
    }
    on_refresh_refused(now, response.status());
}

void RecordingServerSession::Core::try_again(Asked what, base::TimePoint at) {
    ++retry_.tries;
    retry_.what = what;
    retry_.at = at;
    if (what == Asked::Control) --sdp_version_;  // that offer never came into force
}

void RecordingServerSession::Core::apply_answer(const RequestBody& body, bool to_inactive) {
    const Offer answer = parse_offer(body);
    if (!answer || !*answer) return;
    lines_.apply(***answer,
                 to_inactive ? MediaLines::Role::AnswerToInactive : MediaLines::Role::Answer, peer_,
                 media_, actions_);
}

void RecordingServerSession::Core::on_refresh_refused(base::Now now, int status) {
    if (status == 408 || status == 481) {
        lose_session({"session_lost", "The client answered " + std::to_string(status) +
                                          " to a session refresh: it knows the session no more."});
        return;
    }
    tell_refused(Asked::Refresh, status);
    if ((status == 405 || status == 501) && peer_takes_update_) {
        peer_takes_update_ = false;
        send_refresh();
        return;
    }
    // The client is there, so the call goes on: losing it would cost more than a wrong answer.
    timer_.on_refused(now.steady);
}

void RecordingServerSession::Core::on_request_timed_out(base::Now /*now*/) {
    is_offering_ = false;
    if (state_ == State::Inviting)
        return end("local", {"no_response", "The client did not answer the INVITE."});
    if (state_ != State::Established) return;
    switch (std::exchange(asked_, Asked::Nothing)) {
        case Asked::Nothing:
            break;
        case Asked::Snapshot:
            tell_refused(Asked::Snapshot, 408);
            break;
        case Asked::Refresh:
            lose_session({"session_lost", "The client did not answer a session refresh."});
            break;
        case Asked::Control:
            on_control_refused(408, "it did not answer");
            break;
        case Asked::Probe:
            lose_silent(408);
            break;
        case Asked::KeyFrame:
            on_key_frame_answer(408);
            break;
    }
}

void RecordingServerSession::Core::lose_silent(int status) {
    lose_session({"session_lost", "Nothing came from the client for long, and " +
                                      (status == 481 ? std::string{"it knows the session no more."}
                                                     : "it did not answer when asked.")});
}

void RecordingServerSession::Core::on_request_not_sent(base::Now now, base::Reason why) {
    is_offering_ = false;
    if (state_ == State::Inviting) {
        if (why.code.empty()) why = {"unreachable", "The INVITE could not be sent to the client."};
        return end("local", std::move(why));
    }
    if (state_ != State::Established) return;
    const Asked asked = std::exchange(asked_, Asked::Nothing);
    if (asked == Asked::Snapshot) tell_refused(asked, 503);
    if (asked == Asked::Refresh) timer_.on_not_sent(now.steady);
    if (asked != Asked::Control) return;
    if (retry_.tries < kMaxGlareRetries) {
        try_again(asked, now.steady + kControlRetryDelay);
    } else {
        retry_.tries = 0;
        on_control_refused(503, "the re-INVITE could not be sent");
    }
}

void RecordingServerSession::Core::tell_refused(Asked asked, int status) {
    std::string_view type = "session_refresh_refused";
    if (asked == Asked::Snapshot) type = "snapshot_refused";
    if (asked == Asked::KeyFrame) type = "key_frame_refused";
    actions_.emplace_back(make_event(type, kNoStream, {{"status", std::int64_t{status}}}));
}

// RFC 4028 section 10: BYE, although nobody may be there to read it.
void RecordingServerSession::Core::lose_session(base::Reason reason) {
    pending_.reset();
    send_bye();
    end("local", std::move(reason));
}

}  // namespace earshot::siprec
