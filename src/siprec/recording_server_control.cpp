// What an operator wants of a running session: pause, resume, stop, and one stream gone. A pause is
// ours to keep: the streams are discarded before the client hears of it (E-25), and stay so
// whatever it answers to the re-INVITE (P-35, P-42; OpenSIPS, interop section 3.8, and others
// refuse some of them). Media that a rule withholds (P-42) comes the same way: a re-INVITE asks for
// it, at its time or when an operator resumes.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "siprec/limits.h"
#include "siprec/recording_server_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {
namespace {

std::string bounded(std::string_view text) {
    return base::to_valid_utf8(text.substr(0, kMaxControlTextBytes));
}

}  // namespace

void RecordingServerSession::Core::tell_control(std::string_view type,
                                                const ControlRequest& request,
                                                std::uint16_t stream) {
    actions_.emplace_back(make_event(type, stream,
                                     {{"by", std::string{"operator"}},
                                      {"who", bounded(request.who)},
                                      {"access", request.access},
                                      {"from", request.from},
                                      {"reason", bounded(request.reason)}}));
}

RecordingServerSession::Core::Control& RecordingServerSession::Core::control() {
    if (!control_) control_ = std::make_unique<Control>();
    return *control_;
}

bool RecordingServerSession::Core::can_control() const {
    return state_ == State::Established || (state_ == State::Answering && held_ == nullptr);
}

bool RecordingServerSession::Core::pause(base::Now now, const ControlRequest& request) {
    if (!can_control()) return false;
    if (lines_.is_paused_by_us()) return true;
    lines_.pause_by_us(actions_);
    control().pause = {.is_paused = true,
                       .client = OperatorPause::Client::Untold,
                       .status = 0,
                       .who = bounded(request.who),
                       .reason = bounded(request.reason)};
    tell_control("recording_paused", request);
    want_reinvite(now);
    return true;
}

bool RecordingServerSession::Core::resume(base::Now now, const ControlRequest& request) {
    if (!can_control()) return false;
    if (!lines_.is_inactive_by_us()) {
        // The client did not take the last one, or may not have.
        if (control_ && (control_->is_told || control_->is_in_doubt)) want_reinvite(now);
        return true;
    }
    tell_control("recording_resumed", request);
    control().pause = {};
    // What ends a pause does not ask for the media that a rule withholds.
    if (!lines_.is_paused_by_us()) control_->releases = lines_.is_withheld();
    lines_.resume_by_us(actions_);
    want_reinvite(now);
    return true;
}

bool RecordingServerSession::Core::stop_by_operator(base::Now now, const ControlRequest& request) {
    if (state_ == State::Ended || state_ == State::Idle) return false;
    tell_control("recording_stopped", request);
    const std::string who = bounded(request.who);
    const std::string why = bounded(request.reason);
    stop(now,
         {std::string{kStoppedByOperator},
          "Stopped by " + (who.empty() ? "an operator" : who) + (why.empty() ? "." : ": " + why)});
    return true;
}

bool RecordingServerSession::Core::drop_stream(base::Now now, std::string_view label,
                                               const ControlRequest& request) {
    if (!can_control()) return false;
    const std::uint16_t stream = lines_.drop(label, actions_);
    if (stream == kNoStream) return false;
    tell_control("stream_stopped", request, stream);
    want_reinvite(now);
    return true;
}

void RecordingServerSession::Core::want_reinvite(base::Now now) {
    control().due = now.steady;
    on_time(now);
}

std::optional<base::TimePoint> RecordingServerSession::Core::control_deadline() const {
    if (!control_) return std::nullopt;
    // An operator's pause outlasts the time of a rule.
    const auto release = lines_.is_paused_by_us() ? std::nullopt : control_->release_at;
    if (!release || !control_->due) return release ? release : control_->due;
    return std::min(*release, *control_->due);
}

void RecordingServerSession::Core::on_control_time(base::Now now) {
    if (control_->release_at && now.steady >= *control_->release_at) {
        control_->release_at.reset();
        control_->releases = lines_.is_withheld();
    }
    send_control();
}

bool RecordingServerSession::Core::wants_inactive() const {
    return lines_.is_paused_by_us() || (lines_.is_withheld() && !(control_ && control_->releases));
}

bool RecordingServerSession::Core::wants_drop(const sdp::SessionDescription& in_force) const {
    const auto& lines = lines_.lines();
    const std::size_t count = std::min(lines.size(), in_force.media.size());
    for (std::size_t i = 0; i < count; ++i)
        if (lines[i].dropped && in_force.media[i].port != 0) return true;
    return false;
}

// Nothing is sent when the SDP in force says already what we want: an answer of ours has told it
// meanwhile, or the wish was taken back.
void RecordingServerSession::Core::send_control() {
    control_->due.reset();
    const bool inactive = wants_inactive();
    const auto in_force = sdp::parse(last_sdp_);
    const bool drops = in_force && wants_drop(*in_force);
    const bool is_known = inactive == control_->is_told && !control_->is_in_doubt;
    if (!drops && (is_known || lines_.open_count() == 0)) return;
    control_->offers_inactive = inactive;
    control_->request = !is_known ? (inactive ? "pause" : "resume") : "stop_stream";
    control_->offered_sdp = make_repeated_offer(inactive);
    asked_ = Asked::Control;
    is_offering_ = true;
    if (control_->releases && !inactive)
        actions_.emplace_back(make_event("media_offered", kNoStream));
    sip::RequestSpec request = refresh_by_invite(control_->offered_sdp);
    if (timer_.is_running()) add_headers(request.headers, timer_.request_headers());
    actions_.emplace_back(SendRequest{std::move(request)});
}

void RecordingServerSession::Core::on_control_answer(base::Now now, const sip::Message& response) {
    const int status = response.status();
    if (status < 300) {
        const RequestBody body = read_body(response);
        const bool is_release = control_->releases && !control_->offers_inactive;
        const Offer answer = parse_offer(body);
        // What the client sends from here on is taken; without an answer it is not known to.
        if (is_release && (!answer || !*answer))
            return on_control_refused(status, "the 200 has no readable answer");
        last_sdp_ = std::exchange(control_->offered_sdp, {});
        control_->is_told = control_->offers_inactive;
        control_->is_in_doubt = false;
        if (is_release) lines_.release();
        apply_answer(body, control_->is_told);
        if (control_->pause.is_paused && control_->is_told) {
            control_->pause.client = OperatorPause::Client::Agreed;
            control_->pause.status = status;
        }
        tell_control_answer(status, {});
        if (is_release) control_->releases = false;
        want_reinvite(now);  // the wish may have changed meanwhile
        return;
    }
    if (status == 422 && timer_.on_too_small(sip::read_session_timer(response)) &&
        retry_.tries < kMaxGlareRetries) {
        try_again(Asked::Control, now.steady);
        return;
    }
    on_control_refused(status, "");
}

// The SDP before it stays in force (RFC 3261 section 14.1), so does its version. The call goes on,
// also after 408 and 481: its media and its BYE say when it ends.
void RecordingServerSession::Core::on_control_refused(int status, std::string_view why) {
    // After silence the client may hold our offer all the same, and its version with it.
    control_->is_in_doubt = status == 408;
    if (status >= 300 && status != 408) --sdp_version_;
    control_->offered_sdp.clear();
    if (control_->pause.is_paused) {
        control_->pause.client = OperatorPause::Client::Refused;
        control_->pause.status = status;
    }
    tell_control_answer(status, why.empty() ? "the client refused it" : why);
    control_->releases = false;
}

void RecordingServerSession::Core::tell_control_answer(int status, std::string_view refusal) {
    if (control_->releases && !control_->offers_inactive && !refusal.empty()) {
        actions_.emplace_back(
            make_event("media_offer_refused", kNoStream,
                       {{"status", std::int64_t{status}}, {"text", std::string{refusal}}}));
        return;
    }
    actions_.emplace_back(make_event("control_answered", kNoStream,
                                     {{"request", std::string{control_->request}},
                                      {"status", std::int64_t{status}},
                                      {"refused", !refusal.empty()},
                                      {"text", std::string{refusal}}}));
}

}  // namespace earshot::siprec
