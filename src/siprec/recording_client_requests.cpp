// What a recording server asks for within the session: to pause, resume or move its end (P-42,
// P-43), a snapshot (P-99), whether we live, the end. Nothing of it can do more than end the
// session.
#include <utility>

#include "base/text.h"
#include "sip/headers.h"
#include "siprec/client_bodies.h"
#include "siprec/invite_marks.h"
#include "siprec/limits.h"
#include "siprec/recording_client_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {

using base::Reason;
using sip::Method;

namespace {

// A BYE that tells by its Reason (RFC 3326) that nobody else is to record instead: somebody stopped
// it there (200), the call is over (Q.850 16, "normal call clearing"), or as a skip code says.
bool is_wanted_end(const sip::Message& bye, const SkipCodes& skip) {
    constexpr int kOk = 200;
    constexpr int kNormalClearing = 16;
    for (const std::string_view value : bye.values(sip::HeaderId::Reason)) {
        const sip::TokenValue reason = sip::parse_token_value(value);
        const auto cause = base::parse_number<int>(reason.param("cause").value_or(""));
        if (!cause) continue;
        if (base::iequals(reason.token, "Q.850") && *cause == kNormalClearing) return true;
        if (!base::iequals(reason.token, "SIP")) continue;
        if (*cause == kOk || skip.has(*cause)) return true;
    }
    return false;
}

}  // namespace

void RecordingClientSession::Core::on_request(base::Now now, const sip::RequestArrived& request) {
    const Method method = request.message.method();
    const bool is_ours = dialog_ && request.dialog == dialog_;
    if (is_ours && is_answering_ && method == Method::Bye) {
        host_.respond(request.transaction, plain_answer(200));
        return give_up_answer(
            now, {"ended_by_server", "The server ended the recording session before it began."},
            false);
    }
    if (!is_ours || (state_ != State::Running && state_ != State::Closing)) {
        // Of a session that is over; or before our INVITE has its answer, which comes first.
        const bool is_early = state_ == State::Inviting && !lost_at_ && method != Method::Bye;
        const int status = method == Method::Bye ? 200 : is_early ? 491 : 481;
        host_.respond(request.transaction, plain_answer(status));
        return;
    }
    if (method == Method::Bye) return on_bye(now, request);
    if (refuse(now, request)) return;
    const std::string_view sdp = find_sdp(request.message);
    // Looked for first: an answer may end the session.
    auto wanted = find_snapshot_request(request.message);
    if ((method == Method::Invite || method == Method::Update) && !sdp.empty()) {
        on_offer(now, request, sdp);
    } else if (method == Method::Invite) {
        on_offerless_invite(now, request);
    } else if (method == Method::Update) {
        accept(now, request, {});
    } else if (method == Method::Options) {
        host_.respond(request.transaction, options_answer());
    } else {
        sip::ResponseSpec response = plain_answer(200);
        response.headers = {{"Allow", std::string{kAllow}}};
        host_.respond(request.transaction, response);
    }
    if (wanted) on_snapshot_request(now, *std::move(wanted));
}

// What RFC 3261 section 8.2 has us look at first.
bool RecordingClientSession::Core::refuse(base::Now /*now*/, const sip::RequestArrived& request) {
    const Method method = request.message.method();
    if (const auto tags = unsupported_tags(request.message); !tags.empty()) {
        host_.respond(request.transaction, bad_extension(tags));
        return true;
    }
    switch (method) {
        case Method::Invite:
        case Method::Update:
            if (auto headers = timer_.find_refusal(sip::read_session_timer(request.message))) {
                host_.respond(request.transaction, interval_too_small(*std::move(headers)));
                return true;
            }
            return false;
        case Method::Info:
        case Method::Options:
            return false;
        case Method::Prack:  // we send no reliable provisional response
            host_.respond(request.transaction, plain_answer(481));
            return true;
        default:
            host_.respond(request.transaction, method_refused(method != Method::Other));
            return true;
    }
}

bool RecordingClientSession::Core::has_offer_under_way() const {
    return state_ != State::Running || !ok_offer_.empty() ||
           (pending_ && (pending_->is_invite || !pending_->offer.empty()));
}

void RecordingClientSession::Core::on_offer(base::Now now, const sip::RequestArrived& request,
                                            std::string_view sdp) {
    if (has_offer_under_way()) {  // RFC 3261 section 14.2, RFC 3311 section 5.2
        host_.respond(request.transaction, plain_answer(491));
        return;
    }
    const std::string ours = offer_content_of(told_content_, is_paused_);
    auto answer = answer_server_offer(ours, sdp);
    if (!answer) {
        host_.respond(request.transaction, not_acceptable(answer.error().text));
        tell_faults({answer.error().text});
        return;
    }
    dropped_.insert(answer->dropped.begin(), answer->dropped.end());
    answer_text_ = sdp;
    told_content_ = ours;  // a pause that it had refused, it has been told of now
    accept(now, request, as_sent(answer->sdp));
    if (answer->media.accepted == 0 && has_live_line(ours))
        return lose(now, {.reason = {"no_media", "The server removed every stream."},
                          .parting = Loss::Parting::SayBye,
                          .is_dead = false,
                          .may_return = false});
    apply(std::move(answer->media));
    advance(now);
}

// An INVITE without SDP asks for our offer; its ACK has the answer.
void RecordingClientSession::Core::on_offerless_invite(base::Now now,
                                                       const sip::RequestArrived& request) {
    if (has_offer_under_way()) {
        host_.respond(request.transaction, plain_answer(491));
        return;
    }
    ok_offer_ = offer_content(is_paused_);
    ack_by_ = now.steady + kAckTime;
    accept(now, request, as_sent(ok_offer_));
}

void RecordingClientSession::Core::accept(base::Now now, const sip::RequestArrived& request,
                                          std::string sdp) {
    sip::ResponseSpec response = sdp.empty() ? plain_answer(200) : sdp_answer(std::move(sdp));
    if (response.headers.empty()) response.headers = {{"Allow", std::string{kAllow}}};
    add_headers(response.headers,
                timer_.accept(now.steady, sip::read_session_timer(request.message)));
    host_.respond(request.transaction, response);
}

void RecordingClientSession::Core::on_ack(base::Now now, const sip::AckArrived& ack) {
    if (ack.dialog != dialog_ || ok_offer_.empty()) return;
    if (is_answering_) return on_first_ack(now, ack);
    if (state_ != State::Running) return;
    ack_by_.reset();
    const std::string offer = std::exchange(ok_offer_, {});
    const std::string_view sdp = find_sdp(ack.message);
    if (sdp.empty()) {
        tell_faults({"The server's ACK has no answer to our offer."});
    } else {
        told_content_ = offer;
        if (!take_answer(now, offer, sdp)) return;
    }
    advance(now);
}

void RecordingClientSession::Core::on_bye(base::Now now, const sip::RequestArrived& request) {
    host_.respond(request.transaction, plain_answer(200));
    if (state_ == State::Closing) return end(now, reason_);
    const std::string why = explanation_of(request.message);
    Reason reason{"ended_by_server",
                  "The server ended the recording session" + (why.empty() ? "" : ": " + why) + "."};
    if (is_wanted_end(request.message, settings_.skip_failover_codes)) {
        host_.stop_fork();
        return end(now, std::move(reason));
    }
    lose(now, {.reason = std::move(reason),
               .parting = Loss::Parting::IsOver,
               .is_dead = false,
               .may_return = false});
}

// At once, but for one that has just gone out.
void RecordingClientSession::Core::on_snapshot_request(base::Now now, std::string reason) {
    if (state_ != State::Running) return;
    if (!std::exchange(is_snapshot_wanted_, true))
        tell(ClientEvent::Kind::SnapshotRequested, 0, {"snapshot_requested", std::move(reason)});
    advance(now);
}

}  // namespace earshot::siprec
