#include "loadgen/phone_callee.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sip/header_id.h"

namespace earshot::loadgen {
namespace {

using sip::HeaderId;

constexpr std::chrono::milliseconds kOfferPause{50};  // while another offer is under way

}  // namespace

void CalleeLeg::on_invite(base::Now now, const sip::RequestArrived& invite) {
    invite_ = invite.transaction;
    const bool has_wish = options_.is_answering_only || !options_.record_to.empty();
    if (has_wish && !options_.preference_at) sdp_.set_preference(options_.preference);
    started_ = now.steady;
    state_ = State::SettingUp;
    result_.call_id = base::to_valid_utf8(invite.message.call_id());
    for (const std::string_view tag : invite.message.values(HeaderId::Require)) {
        if (base::iequals(tag, "100rel") || base::iequals(tag, siprec::kRecordAware)) continue;
        fail("bad_extension", "The INVITE requires " + base::to_valid_utf8(tag) + ".");
        reject(420, {{"Unsupported", base::to_valid_utf8(tag)}});
        return;
    }
    const std::string_view text = sdp_in(invite.message);
    if (!text.empty()) {
        const auto offer = sdp::parse(text);
        auto made = offer ? sdp_.make_answer(*offer) : std::nullopt;
        if (!made) {
            fail("no_media", "The INVITE offers nothing that a phone could take.");
            reject(488);
            return;
        }
        answer_ = std::move(made->sdp);
        plan_ = made->plan;
        note_indications(now, text);
    }
    const bool must = invite.message.lists(HeaderId::Require, "100rel");
    const bool may = invite.message.lists(HeaderId::Supported, "100rel");
    ring(now, must || (may && options_.is_reliable));
    if (options_.ring.count() == 0) {
        take(Step::Answer, now);
    } else {
        plan(Step::Answer, now.steady + options_.ring);
    }
}

// 180, or 183 with early media.
void CalleeLeg::ring(base::Now now, bool is_reliable) {
    const bool is_early = options_.is_early && !answer_.empty();
    sip::ResponseSpec ringing{is_early ? 183 : 180, {}, headers(false), {}, {}};
    ringing.is_reliable = is_reliable;
    if (is_early) {
        ringing.content_type = "application/sdp";
        ringing.body = answer_;
    }
    result_.ringing = now.steady - *started_;
    if (const auto dialog = host_.respond(id_, invite_, ringing)) dialog_ = *dialog;
    if (is_early) apply(plan_);
}

void CalleeLeg::answer(base::Now now) {
    sip::ResponseSpec spec{200, {}, headers(false), "application/sdp", answer_};
    if (answer_.empty()) {
        spec.body = sdp_.make_offer();
        is_ack_with_answer_ = true;
    }
    const auto dialog = host_.respond(id_, invite_, spec);
    if (!dialog) {
        fail("cannot_send", "The INVITE could not be answered.");
        finish();
        return;
    }
    dialog_ = *dialog;
    result_.sip_status = 200;
    result_.answered = now.steady - *started_;
    state_ = State::Running;
    if (!answer_.empty()) apply(plan_);
    const bool has_wish = options_.is_answering_only || !options_.record_to.empty();
    if (has_wish && options_.preference_at)
        plan(Step::Prefer, now.steady + *options_.preference_at);
}

void CalleeLeg::reject(int status, std::vector<sip::ExtraHeader> extra) {
    result_.sip_status = status;
    sip::ResponseSpec spec{status, {}, headers(false), {}, {}};
    std::move(extra.begin(), extra.end(), std::back_inserter(spec.headers));
    static_cast<void>(host_.respond(id_, invite_, spec));
    fail("refused", "The callee answered " + std::to_string(status) + ".", "refused");
    finish();
}

void CalleeLeg::on_ack(base::Now now, const sip::AckArrived& ack) {
    PhoneLeg::on_ack(now, ack);
    // Without a caller of ours somebody else hangs up, unless the time is set.
    if (state_ == State::Running && options_.is_answering_only && options_.duration.count() != 0)
        plan(Step::HangUp, now.steady + options_.duration);
}

// A 2xx may have been said already: it waits for the PRACK, too (RFC 3262 section 3).
void CalleeLeg::on_no_ack(const sip::NoAck& no_ack) {
    if (!no_ack.is_prack) {
        PhoneLeg::on_no_ack(no_ack);
        return;
    }
    fail("no_prack", "The provisional response was not acknowledged.");
    reject(504);
}

void CalleeLeg::on_cancel() {
    result_.sip_status = 487;
    fail("cancelled", "The caller gave up.", "cancelled");
    finish();
}

void CalleeLeg::on_caller_done(base::Now now) { plan(Step::Orphaned, now.steady + kOrphanTime); }

void CalleeLeg::take(Step step, base::Now now) {
    if (step == Step::Answer && state_ == State::SettingUp) {
        if (options_.reject != 0) {
            reject(options_.reject);
        } else {
            answer(now);
        }
    } else if (step == Step::Prefer && state_ == State::Running) {
        sdp_.set_preference(options_.preference);
        if (offer_ || !send_offer()) plan(Step::Prefer, now.steady + kOfferPause);
    } else if (step == Step::Orphaned) {
        fail("not_told", "The caller's end was over, and the callee heard nothing of it.");
        abort(now);
    } else if (step == Step::HangUp && state_ == State::Running) {
        hang_up();
    }
}

void CalleeLeg::abort(base::Now /*now*/) {
    if (state_ == State::SettingUp) {
        fail("cancelled", "The call was cancelled.", "cancelled");
        reject(480);
    } else if (state_ == State::Running) {
        fail("cancelled", "The call was cancelled.", "cancelled");
        hang_up();
    }
}

}  // namespace earshot::loadgen
