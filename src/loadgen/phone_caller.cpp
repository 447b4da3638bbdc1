#include "loadgen/phone_caller.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sip/header_id.h"

namespace earshot::loadgen {
namespace {

using sip::HeaderId;

constexpr std::chrono::milliseconds kOfferPause{50};  // while another offer is under way

}  // namespace

CallerLeg::CallerLeg(LegId id, const PhoneOptions& options, PhoneSdp sdp, PhoneHost& host,
                     CallerSetup setup)
    : PhoneLeg(id, options, std::move(sdp), host), setup_(std::move(setup)) {
    result_.call_id = setup_.call_id;
    if (!options_.preference_at && options_.record_to.empty())
        sdp_.set_preference(options_.preference);
}

void CallerLeg::start(base::Now now) {
    started_ = now.steady;
    if (!send_invite({}, std::nullopt)) {
        finish();
        return;
    }
    state_ = State::SettingUp;
    plan(Step::GiveUp, now.steady + options_.give_up.value_or(kAnswerTime + options_.ring));
}

// False after fail(). With `authorization` it is the second one, which answers a challenge.
bool CallerLeg::send_invite(std::string from_tag, std::optional<sip::ExtraHeader> authorization) {
    sip::OutOfDialogSpec spec;
    spec.request_uri = setup_.request_uri;
    spec.from = setup_.from;
    spec.to = setup_.to;
    spec.call_id = setup_.call_id;
    spec.from_tag = std::move(from_tag);
    spec.cseq = authorization ? 2 : 1;
    spec.flow = setup_.flow;
    // Where the flow leads: by TLS its certificate counts, not that of who is behind it.
    if (!options_.through.empty()) spec.next_hop = "sip:" + options_.through;
    // Without an offer of ours a reliable response would hold one, to be answered in the PRACK.
    spec.headers = headers(!options_.is_late_offer);
    spec.headers.push_back({std::string{kCallNumberHeader}, std::to_string(id_ / kPhones)});
    spec.headers.insert(spec.headers.end(), options_.headers.begin(), options_.headers.end());
    if (authorization) spec.headers.push_back(*std::move(authorization));
    if (!options_.is_late_offer) {
        spec.content_type = "application/sdp";
        spec.body = sdp_.make_offer();
    }
    const auto sent = host_.start_request(id_, spec);
    if (!sent) {
        fail("cannot_send", std::string{sent.error().what});
        return false;
    }
    invite_ = *sent;
    return true;
}

bool CallerLeg::answer_challenge(const sip::Message& response) {
    if (options_.credentials.username.empty() || state_ != State::SettingUp) return false;
    if (std::exchange(was_challenged_, true)) return false;
    auto header = sip::answer_challenge(response, options_.credentials, "INVITE",
                                        setup_.request_uri, setup_.cnonce);
    return header && send_invite(std::string{response.from_tag()}, std::move(header));
}

void CallerLeg::on_response(base::Now now, const sip::ResponseArrived& response) {
    if (recorder_ && recorder_->owns(response.transaction)) {
        recorder_->on_response(now, response);
    } else if (refer_ && response.transaction == refer_) {
        if (response.message.status() >= 300)
            fail("transfer_refused",
                 "The other side answered " + status_line(response.message) + " to the REFER.");
    } else if (response.transaction != invite_) {
        PhoneLeg::on_response(now, response);
    } else if (response.message.status() < 200) {
        on_provisional(now, response.message);
    } else {
        on_invite_answered(now, response);
    }
}

void CallerLeg::on_provisional(base::Now now, const sip::Message& response) {
    if (state_ != State::SettingUp || response.status() == 100) return;
    if (!result_.ringing) result_.ringing = now.steady - *started_;
    const std::string_view text = sdp_in(response);
    if (text.empty() || options_.is_late_offer) return;
    const auto early = sdp_.read_answer(text);
    if (!early) return;  // the final one counts
    early_answer_ = text;
    note_indications(now, text);
    apply(*early);
}

void CallerLeg::on_invite_answered(base::Now now, const sip::ResponseArrived& response) {
    const int status = response.message.status();
    if (status < 300 && dialog_ && response.dialog != dialog_) {
        // A proxy forked the INVITE; one call is enough (RFC 3261 section 13.2.2.4).
        host_.acknowledge(response.dialog, {});
        static_cast<void>(host_.send_request(id_, response.dialog, {"BYE", {}, {}, {}}));
        return;
    }
    if (state_ != State::SettingUp && state_ != State::Cancelling) return;
    if ((status == 401 || status == 407) && answer_challenge(response.message)) return;
    forget_steps();
    result_.sip_status = status;
    if (status < 300) {
        on_accepted(now, response);
        return;
    }
    fail("refused", "The other side answered " + status_line(response.message) + ".", "refused");
    finish();
}

void CallerLeg::on_accepted(base::Now now, const sip::ResponseArrived& response) {
    dialog_ = response.dialog;
    const bool was_cancelled = state_ == State::Cancelling;
    state_ = State::Running;
    if (was_cancelled) {  // the answer crossed our CANCEL
        host_.acknowledge(dialog_, {});
        hang_up();
        return;
    }
    result_.answered = now.steady - *started_;
    is_peer_aware_ = siprec::is_record_aware(response.message);
    if (settle_media(now, response.message)) {
        plan_the_call(now);
        start_recording(now);
    } else {
        hang_up();
    }
}

// Acknowledges the 2xx, with our answer when the offer was in it. False after fail().
bool CallerLeg::settle_media(base::Now now, const sip::Message& response) {
    const std::string_view text = sdp_in(response);
    if (!options_.is_late_offer) {
        host_.acknowledge(dialog_, {});
        return take_answer(now, text.empty() ? early_answer_ : text);
    }
    const auto offer = sdp::parse(text);
    auto answer = offer ? sdp_.make_answer(*offer) : std::nullopt;
    if (!answer) {
        host_.acknowledge(dialog_, {});
        fail("bad_answer", "The 200 holds no offer that a phone could take.");
        return false;
    }
    note_indications(now, text);
    host_.acknowledge(dialog_, {{}, {}, "application/sdp", std::move(answer->sdp)});
    apply(answer->plan);
    return true;
}

void CallerLeg::plan_the_call(base::Now now) {
    plan(Step::FallSilent, now.steady + options_.duration);
    if (options_.hold_at) plan(Step::Hold, now.steady + *options_.hold_at);
    if (options_.preference_at && options_.record_to.empty())
        plan(Step::Prefer, now.steady + *options_.preference_at);
    if (!options_.transfer_to.empty()) plan(Step::Transfer, now.steady + options_.duration / 2);
    if (!options_.digits.empty())
        plan(Step::PlayDigits, now.steady + std::min(kDigitsAfter, options_.duration / 2));
}

void CallerLeg::take(Step step, base::Now now) {
    if (step == Step::GiveUp) {
        const bool was_asked = options_.give_up.has_value();
        give_up(was_asked ? "cancelled" : "timeout",
                was_asked ? "The caller gave up." : "The INVITE was not answered finally.",
                was_asked ? "cancelled" : "timeout");
        return;
    }
    if (state_ != State::Running) return;
    // A call does one thing after the other; an offer that is never answered ends it.
    const bool is_change = step == Step::Hold || step == Step::Resume || step == Step::Prefer ||
                           step == Step::Indicate;
    if (offer_ && (is_change || step == Step::HangUp)) {
        plan(step, now.steady + kOfferPause);
    } else if (is_change) {
        change(step);
    } else if (step == Step::Transfer) {
        transfer();
    } else if (step == Step::PlayDigits) {
        dial();
    } else if (step == Step::FallSilent) {
        host_.fall_silent(id_);
        plan(Step::HangUp, now.steady + kLinger);
    } else if (step == Step::HangUp) {
        hang_up();
    }
}

void CallerLeg::change(Step step) {
    changing_ = step;
    if (step == Step::Prefer) {
        sdp_.set_preference(options_.preference);
    } else if (step == Step::Indicate) {
        sdp_.set_record(recorder_->record_state());
    } else {
        sdp_.set_holding(step == Step::Hold);
    }
    if (!send_offer()) fail("cannot_send", "A change of the call could not be sent.");
}

void CallerLeg::on_offer_answered(base::Now now, const sip::ResponseArrived& response) {
    const int status = response.message.status();
    if (status >= 300 && response.retry_after) {
        plan(changing_, now.steady + *response.retry_after);
        return;
    }
    if (changing_ == Step::Indicate) is_indicating_ = false;
    if (status >= 300) {
        if (changing_ == Step::Hold) sdp_.set_holding(false);
        fail("change_refused", "The other side answered " + status_line(response.message) +
                                   " to a change of the call.");
        return;
    }
    PhoneLeg::on_offer_answered(now, response);
    if (changing_ == Step::Hold && state_ == State::Running)
        plan(Step::Resume, now.steady + kHoldTime);
}

void CallerLeg::dial() {
    if (!options_.has_digits_by_info && plan_.event_payload_type) {
        host_.play_digits(id_, options_.digits);
        return;
    }
    sip::RequestSpec info{"INFO", {}, "application/dtmf-relay", {}};
    for (const char digit : options_.digits) {
        if (digit == ',') continue;
        info.body = "Signal=";
        info.body.append(1, digit).append("\r\nDuration=160\r\n");
        static_cast<void>(host_.send_request(id_, dialog_, info));
    }
}

void CallerLeg::on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout) {
    if (recorder_ && recorder_->owns(transaction)) {
        recorder_->session().on_failure(now, transaction, is_timeout);
        return;
    }
    if (transaction != invite_) {
        PhoneLeg::on_failure(now, transaction, is_timeout);
        return;
    }
    if (state_ != State::SettingUp && state_ != State::Cancelling) return;
    fail(is_timeout ? "timeout" : "cannot_send",
         is_timeout ? "The INVITE was not answered." : "The INVITE could not be sent.",
         is_timeout ? "timeout" : "failed");
    if (result_.sip_status == 0) result_.sip_status = is_timeout ? 408 : 503;  // §8.1.3.1
    finish();
}

// ---- blind transfer (RFC 3515, RFC 5589 section 6)

void CallerLeg::transfer() {
    sip::RequestSpec refer{"REFER", headers(false), {}, {}};
    refer.headers.push_back({"Refer-To", "<" + options_.transfer_to + ">"});
    refer.headers.push_back({"Referred-By", setup_.from});
    const auto sent = host_.send_request(id_, dialog_, refer);
    if (sent) refer_ = *sent;
}

// What became of the call that the other side was referred to: message/sipfrag, "SIP/2.0 200 OK".
void CallerLeg::on_notify(const sip::Message& notify) {
    std::string_view text = base::trim(base::as_text(notify.body()));
    if (base::take_until(text, ' ') != "SIP/2.0") return;
    const int status = base::take_number<int>(text).value_or(0);
    result_.transfer_status = status;
    if (status >= 300)
        fail("transfer_failed", "The transfer ended with " + std::to_string(status) + ".");
    if (status >= 200 && status < 300) hang_up();
}

// ---- a phone that records itself

// With the answer, as a recording client does by default. Who wished for none is obeyed.
void CallerLeg::start_recording(base::Now now) {
    if (options_.record_to.empty()) return;
    if (peer_preference_ == sdp::RecordPreference::Off) {
        sdp_.set_record(sdp::RecordState::Off);
        return;
    }
    const auto rtp = host_.open_recording(id_);
    if (!rtp) {
        fail("no_media_ports", "No UDP ports are left for the recording.");
        return;
    }
    PhoneRecorder::Setup setup;
    setup.server = options_.record_to;
    setup.flow = setup_.recorder_flow;
    setup.parties = {setup_.from, setup_.to};
    setup.rtp = *rtp;
    recorder_ = std::make_unique<PhoneRecorder>(id_, host_, *setup_.random, std::move(setup));
    recorder_->start(now);
}

// The recording follows the call, and its aware party is told what became of it (P-39, P-41).
void CallerLeg::settle(base::Now now) {
    if (!recorder_) return;
    if (state_ == State::Leaving || state_ == State::Done) {
        recorder_->stop(now);
        return;
    }
    if (state_ != State::Running) return;
    recorder_->set_held(now, sdp_.is_holding());
    const bool is_news = recorder_->record_state() != sdp_.record();
    if (is_news && is_peer_aware_ && !std::exchange(is_indicating_, true))
        plan(Step::Indicate, now.steady);
}

void CallerLeg::on_preference(base::Now now, sdp::RecordPreference preference) {
    peer_preference_ = preference;
    if (recorder_) recorder_->obey(now, preference);
}

void CallerLeg::on_request(base::Now now, const sip::RequestArrived& request) {
    if (recorder_ && recorder_->owns(request.dialog)) {
        recorder_->session().on_request(now, request);
        return;
    }
    PhoneLeg::on_request(now, request);
    if (refer_ && request.message.method() == sip::Method::Notify && state_ == State::Running)
        on_notify(request.message);
}

void CallerLeg::on_ack(base::Now now, const sip::AckArrived& ack) {
    if (recorder_ && recorder_->owns(ack.dialog)) {
        recorder_->session().on_ack(now, ack);
    } else {
        PhoneLeg::on_ack(now, ack);
    }
}

void CallerLeg::on_dialog_ended(base::Now now, sip::DialogId dialog) {
    if (recorder_ && recorder_->owns(dialog)) {
        recorder_->session().on_dialog_ended(now, dialog);
    } else {
        PhoneLeg::on_dialog_ended(now, dialog);
    }
}

void CallerLeg::on_time(base::Now now) {
    PhoneLeg::on_time(now);
    if (recorder_) recorder_->session().on_time(now);
}

std::optional<base::TimePoint> CallerLeg::deadline() const {
    const auto ours = PhoneLeg::deadline();
    const auto theirs = recorder_ ? recorder_->session().deadline() : std::nullopt;
    if (ours && theirs) return std::min(*ours, *theirs);
    return ours ? ours : theirs;
}

bool CallerLeg::is_done() const {
    return PhoneLeg::is_done() && (!recorder_ || recorder_->is_over());
}

PhoneLegResult CallerLeg::result() const {
    PhoneLegResult result = result_;
    if (!recorder_) return result;
    result.recording = recorder_->result();
    const bool was_lost = !result.recording.was_started || !result.recording.reason.code.empty();
    if (result.result == "ok" && was_lost) {
        result.result = "failed";
        result.reason = result.recording.reason;
    }
    return result;
}

void CallerLeg::on_hung_up() {
    if (refer_) return;  // who was transferred leaves
    fail("ended_by_peer", "The other side hung up.");
}

void CallerLeg::give_up(std::string_view code, std::string text, std::string_view result) {
    if (state_ != State::SettingUp) return;
    fail(code, std::move(text), result);
    forget_steps();
    state_ = State::Cancelling;
    host_.cancel(invite_);
}

void CallerLeg::abort(base::Now /*now*/) {
    if (state_ == State::SettingUp) {
        give_up("cancelled", "The call was cancelled.", "cancelled");
    } else if (state_ == State::Running) {
        fail("cancelled", "The call was cancelled.", "cancelled");
        hang_up();
    }
}

}  // namespace earshot::loadgen
