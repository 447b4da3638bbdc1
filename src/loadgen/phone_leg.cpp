#include "loadgen/phone_leg.h"

#include <algorithm>

#include "base/text.h"
#include "loadgen/limits.h"
#include "mime/multipart.h"
#include "sip/header_id.h"

namespace earshot::loadgen {
namespace {

using sip::HeaderId;
using sip::Method;

constexpr std::string_view kAllow =
    "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, OPTIONS, INFO, NOTIFY, MESSAGE";

bool is_digit_of_dtmf(char c) {
    return std::string_view{"0123456789*#ABCD"}.find(c) != std::string_view::npos;
}

}  // namespace

PhoneLeg::PhoneLeg(LegId id, const PhoneOptions& options, PhoneSdp sdp, PhoneHost& host)
    : id_(id), options_(options), host_(host), sdp_(std::move(sdp)) {}

// The body of that type, also in a multipart; a view into the message.
std::string_view PhoneLeg::sdp_in(const sip::Message& message) {
    const std::string_view text = base::as_text(message.body());
    if (text.empty()) return {};
    const auto body =
        mime::parse_body(message.find(HeaderId::ContentType).value_or(""),
                         message.find(HeaderId::ContentDisposition).value_or(""), text);
    if (!body) return {};
    const mime::Part* part = body->find("application/sdp");
    return part != nullptr ? part->body : std::string_view{};
}

std::string PhoneLeg::status_line(const sip::Message& message) {
    return std::to_string(message.status()) + " " + base::to_valid_utf8(message.reason());
}

// P-24: the tag stands in the initial INVITE and in the response that sets up the call.
std::vector<sip::ExtraHeader> PhoneLeg::headers(bool takes_100rel) const {
    std::vector<sip::ExtraHeader> all{{"Allow", std::string{kAllow}}};
    std::string supported = takes_100rel ? "100rel" : "";
    if (options_.is_aware)
        supported.append(supported.empty() ? "" : ", ").append(siprec::kRecordAware);
    if (!supported.empty()) all.push_back({"Supported", std::move(supported)});
    return all;
}

void PhoneLeg::refuse(const sip::RequestArrived& request, int status) {
    static_cast<void>(
        host_.respond(id_, request.transaction, {status, {}, headers(false), {}, {}}));
}

void PhoneLeg::on_request(base::Now now, const sip::RequestArrived& request) {
    switch (request.message.method()) {
        case Method::Bye:
            static_cast<void>(host_.respond(id_, request.transaction, {200, {}, {}, {}, {}}));
            if (state_ == State::Running) on_hung_up();
            finish();
            return;
        case Method::Invite:
            on_offer_of_peer(now, request);
            return;
        case Method::Update:
            if (!sdp_in(request.message).empty()) {
                on_offer_of_peer(now, request);
                return;
            }
            break;
        case Method::Info:
            on_info(request.message);
            break;
        case Method::Options:
        case Method::Notify:
        case Method::Message:
        case Method::Prack:  // the agent lets pass only what it waits for
            break;
        default:
            refuse(request, 405);
            return;
    }
    static_cast<void>(host_.respond(id_, request.transaction, {200, {}, headers(false), {}, {}}));
}

// The other side moves its end, holds, or tells that it is recorded (P-39). Without a description
// the offer is ours, and the ACK answers it.
void PhoneLeg::on_offer_of_peer(base::Now now, const sip::RequestArrived& request) {
    if (offer_ || state_ != State::Running) {
        refuse(request, 491);  // RFC 3261 section 14.2
        return;
    }
    const std::string_view text = sdp_in(request.message);
    sip::ResponseSpec answer{200, {}, headers(false), "application/sdp", {}};
    if (text.empty()) {
        is_ack_with_answer_ = true;
        answer.body = sdp_.make_offer();
        static_cast<void>(host_.respond(id_, request.transaction, answer));
        return;
    }
    const auto offer = sdp::parse(text);
    auto made = offer ? sdp_.make_answer(*offer) : std::nullopt;
    if (!made) {
        refuse(request, 488);
        return;
    }
    note_indications(now, text);
    answer.body = std::move(made->sdp);
    static_cast<void>(host_.respond(id_, request.transaction, answer));
    apply(made->plan);
}

// application/dtmf-relay: "Signal=5"; application/dtmf: "5".
void PhoneLeg::on_info(const sip::Message& info) {
    std::string_view text = base::trim(base::as_text(info.body()));
    const auto type = sip::parse_content_type(info.find(HeaderId::ContentType).value_or(""));
    if (!type || text.empty()) return;
    if (type->is("application", "dtmf-relay")) {
        if (!base::istarts_with(text, "Signal")) return;
        base::take_until(text, '=');
        text = base::trim(text);
    } else if (!type->is("application", "dtmf")) {
        return;
    }
    if (!text.empty() && is_digit_of_dtmf(text.front()) && result_.info_digits.size() < kMaxDigits)
        result_.info_digits += text.front();
}

void PhoneLeg::on_ack(base::Now now, const sip::AckArrived& ack) {
    if (!std::exchange(is_ack_with_answer_, false) || state_ != State::Running) return;
    if (!take_answer(now, sdp_in(ack.message))) hang_up();
}

void PhoneLeg::on_no_ack(const sip::NoAck& /*no_ack*/) {
    fail("no_ack", "The 200 was not acknowledged.");
    hang_up();
}

void PhoneLeg::on_response(base::Now now, const sip::ResponseArrived& response) {
    if (!response.is_final) return;
    if (response.transaction == offer_) {
        offer_ = {};
        on_offer_answered(now, response);
    } else if (response.transaction == bye_) {
        if (response.message.status() >= 300)
            fail("session_lost",
                 "The other side answered " + status_line(response.message) + " to the BYE.");
        finish();
    }
}

void PhoneLeg::on_offer_answered(base::Now now, const sip::ResponseArrived& response) {
    if (response.message.status() >= 300) return;
    host_.acknowledge(dialog_, {});
    if (!take_answer(now, sdp_in(response.message))) hang_up();
}

void PhoneLeg::on_failure(base::Now /*now*/, sip::TransactionId transaction, bool is_timeout) {
    const std::string what = is_timeout ? "was not answered." : "could not be sent.";
    if (transaction == offer_) {
        offer_ = {};
        fail("session_lost", "A change of the call " + what);
        hang_up();
    } else if (transaction == bye_) {
        fail("session_lost", "The BYE " + what);
        finish();
    }
}

void PhoneLeg::on_dialog_ended(base::Now /*now*/, sip::DialogId dialog) {
    if (dialog != dialog_) return;  // of another branch of a forked INVITE
    if (state_ == State::Running) fail("session_lost", "The call is gone.");
    finish();
}

bool PhoneLeg::send_offer() {
    const sip::RequestSpec spec{"INVITE", headers(false), "application/sdp", sdp_.make_offer()};
    const auto sent = host_.send_request(id_, dialog_, spec);
    if (!sent) return false;
    offer_ = *sent;
    return true;
}

void PhoneLeg::apply(const PhonePlan& plan) {
    plan_ = plan;
    host_.set_media(id_, plan_);
}

void PhoneLeg::note_indications(base::Now now, std::string_view sdp) {
    const auto description = sdp::parse(sdp);
    if (!description) return;
    for (const auto& change : indications_.on_description(*description)) {
        RecordNotice notice;
        notice.at = now.steady - started_.value_or(now.steady);
        notice.line = change.line;
        notice.media = base::to_valid_utf8(description->media[change.line].media);
        notice.state = change.to;
        if (result_.record_changes.size() < kMaxRecordChanges)
            result_.record_changes.push_back(notice);
        host_.on_record_change(id_, notice);
    }
    result_.record.assign(indications_.states().begin(), indications_.states().end());
    for (const auto& medium : description->media)
        if (medium.port != 0 && medium.record_preference != sdp::RecordPreference::Absent)
            on_preference(now, medium.record_preference);
}

bool PhoneLeg::take_answer(base::Now now, std::string_view sdp) {
    const auto plan = sdp_.read_answer(sdp);
    if (!plan) {
        fail(plan.error().code, plan.error().text);
        return false;
    }
    for (const std::string& line : plan->refused)  // the call goes on with the others
        fail("line_refused", "The other side refused the " + line + ".");
    note_indications(now, sdp);
    apply(*plan);
    return true;
}

void PhoneLeg::on_time(base::Now now) {
    while (state_ != State::Done) {
        const auto next = std::min_element(steps_.begin(), steps_.end());
        if (next == steps_.end() || next->first > now.steady) return;
        const Step step = next->second;
        steps_.erase(next);
        take(step, now);
    }
}

std::optional<base::TimePoint> PhoneLeg::deadline() const {
    if (state_ == State::Done || steps_.empty()) return std::nullopt;
    return std::min_element(steps_.begin(), steps_.end())->first;
}

void PhoneLeg::hang_up() {
    if (state_ == State::Leaving || state_ == State::Done) return;
    forget_steps();
    host_.fall_silent(id_);
    state_ = State::Leaving;
    const auto sent = host_.send_request(id_, dialog_, {"BYE", {}, {}, {}});
    if (!sent) {
        finish();
        return;
    }
    bye_ = *sent;  // none: it is held until the ACK has come, and DialogEnded tells of its end
}

// The first fault counts.
void PhoneLeg::fail(std::string_view code, std::string text, std::string_view result) {
    if (!result_.result.empty()) return;
    result_.result = result;
    result_.reason = {std::string{code}, std::move(text)};
}

void PhoneLeg::end(const base::Reason& reason) {
    fail(reason.code, reason.text);
    finish();
}

void PhoneLeg::finish() {
    if (state_ == State::Done) return;
    if (result_.result.empty()) result_.result = "ok";
    forget_steps();
    state_ = State::Done;
}

}  // namespace earshot::loadgen
