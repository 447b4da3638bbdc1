// A recording session that the server begins (RFC 7866 sections 6.2 and 7.2, P-45): its INVITE has
// no offer, our 2xx has it beside the complete metadata, the ACK holds the answer. From there on
// the session is as any other, but that nobody takes the server's place.
#include <utility>

#include "sip/headers.h"
#include "siprec/client_bodies.h"
#include "siprec/invite_marks.h"
#include "siprec/limits.h"
#include "siprec/recording_client_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {

using base::Reason;
using sip::HeaderId;

namespace {

// By what it is known: its Contact, else who it says it is.
std::string server_of(const sip::Message& invite) {
    for (const std::string_view value : invite.values(HeaderId::Contact))
        if (const auto contact = sip::parse_name_addr(value); contact && !contact->is_wildcard)
            return std::string{contact->uri};
    return std::string{invite.from().uri};
}

}  // namespace

void RecordingClientSession::Core::answer(base::Now now, CsState state,
                                          const sip::RequestArrived& invite, bool is_paused) {
    if (state_ != State::Idle) return;
    is_by_server_ = true;
    uri_ = server_of(invite.message);
    call_id_ = invite.message.call_id();
    if (!take_first_state(now, std::move(state), is_paused)) {
        host_.respond(invite.transaction, plain_answer(500));
        return;
    }
    if (refuse(now, invite)) {
        reason_ = {"bad_request", "The server's INVITE asks for what is not served."};
        return give_up(now);
    }
    const sip::Message& message = invite.message;
    takes_update_ = !message.has(HeaderId::Allow) || message.lists(HeaderId::Allow, "UPDATE");
    sent_ = wanted_.objects;
    told_content_ = offer_content(is_paused_);
    ok_offer_ = told_content_;
    Body body = body_of(as_sent(told_content_), document({}, true, true), random_);
    sip::ResponseSpec response;
    response.headers = {{"Allow", std::string{kAllow}}, {"Accept", std::string{kAccept}}};
    add_headers(response.headers, timer_.accept(now.steady, sip::read_session_timer(message)));
    response.content_type = std::move(body.content_type);
    response.body = std::move(body.bytes);
    dialog_ = host_.accept_invite(invite.transaction, response);
    status_ = response.status;
    if (!dialog_) {
        reason_ = {"cancelled", "The server's INVITE was over before it was answered."};
        return give_up(now);
    }
    is_answering_ = true;
    ack_by_ = now.steady + kAckTime;
}

void RecordingClientSession::Core::on_first_ack(base::Now now, const sip::AckArrived& ack) {
    ack_by_.reset();
    ok_offer_.clear();
    const std::string_view sdp = find_sdp(ack.message);
    auto media = read_answer(told_content_, sdp);
    if (media && media->accepted == 0 && has_live_line(told_content_))
        media = Reason{"no_media", "The server refused every stream."};
    if (!media) return give_up_answer(now, media.error(), true);
    is_answering_ = false;
    begin_running(now, *std::move(media), sdp);
}

// It has not begun to record, and will not.
void RecordingClientSession::Core::give_up_answer(base::Now now, Reason reason, bool says_bye) {
    if (says_bye) hang_up(dialog_);
    ack_by_.reset();
    ok_offer_.clear();
    reason_ = reason.code.empty()
                  ? Reason{"cancelled", "The recording was stopped before the server had it."}
                  : std::move(reason);
    give_up(now);
}

}  // namespace earshot::siprec
