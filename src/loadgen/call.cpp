#include "loadgen/call.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "mime/multipart.h"
#include "mime/multipart_writer.h"
#include "sdp/offer_answer.h"
#include "sip/header_id.h"

namespace earshot::loadgen {
namespace {

using sip::HeaderId;

constexpr std::string_view kAllow = "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, OPTIONS, INFO";
constexpr std::string_view kAccept =
    "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed";

// RFC 7866 §6.1.1 (P-4): Require in what sets the session up and in what changes it.
std::vector<sip::ExtraHeader> session_headers() {
    return {
        {"Require", "siprec"}, {"Allow", std::string{kAllow}}, {"Accept", std::string{kAccept}}};
}

// The first part of that type; views into the message.
std::string_view find_body(const sip::Message& message, std::string_view media_type) {
    const std::string_view text = base::as_text(message.body());
    if (text.empty()) return {};
    const auto body =
        mime::parse_body(message.find(HeaderId::ContentType).value_or(""),
                         message.find(HeaderId::ContentDisposition).value_or(""), text);
    if (!body) return {};
    const mime::Part* part = body->find(media_type);
    return part != nullptr ? part->body : std::string_view{};
}

bool has_metadata(const sip::Message& message) {
    constexpr std::array<std::string_view, 3> kTypes{"application/rs-metadata+xml",
                                                     "application/rs-metadata",
                                                     "application/rs-metadata-request"};
    return std::any_of(kTypes.begin(), kTypes.end(), [&message](std::string_view type) {
        return !find_body(message, type).empty();
    });
}

// RFC 3261 §12.2.1.2: the dialog is gone.
bool is_lost(int status) { return status == 408 || status == 481; }

// A header's quoted text (Warning, RFC 3261 §20.43; Reason, RFC 3326), or all of it.
std::string explanation_in(std::string_view value) {
    const std::size_t open = value.find('"');
    const std::size_t close = value.rfind('"');
    if (open != std::string_view::npos && close > open)
        value = value.substr(open + 1, close - open - 1);
    return base::to_valid_utf8(value);
}

// What the server says about a refusal beside its status: empty, or ": " and the text.
std::string explanation_of(const sip::Message& message) {
    for (const HeaderId id : {HeaderId::Warning, HeaderId::Reason})
        if (const auto value = message.find(id); value && !value->empty()) {
            std::string text = explanation_in(*value);
            while (text.ends_with('.')) text.pop_back();  // the sentence goes on
            return ": " + text;
        }
    return "";
}

std::string status_line(const sip::Message& message) {
    return std::to_string(message.status()) + " " + base::to_valid_utf8(message.reason());
}

siprec::ClientBody with_offer(const siprec::ClientCall& call, siprec::ClientMedia media,
                              const std::string& metadata) {
    const std::string offer = siprec::client_offer(call, media);
    const std::array<mime::OutgoingPart, 2> parts{
        {{"application/sdp", {}, {}, offer},
         {siprec::kMetadataContentType, siprec::kMetadataDisposition, {}, metadata}}};
    const std::string boundary = "earshot-" + base::to_string(call.session_id);
    auto body = mime::write_multipart(parts, boundary);
    return {mime::multipart_mixed_type(boundary), body ? *std::move(body) : std::string{}};
}

}  // namespace

Call::Call(CallSetup setup, CallHost& host, base::Log& log)
    : setup_(std::move(setup)), host_(host), log_(log) {
    result_.call_id = setup_.call_id;
    result_.session_id = base::to_base64(setup_.documents.session_id);
}

void Call::start(base::Now now) {
    setup_.documents.started = now.wall;
    if (!send_invite(now, {}, std::nullopt)) {
        finish();
        return;
    }
    state_ = State::Inviting;
    answer_by_ = now.steady + kAnswerTime;
}

// False after fail(). With `extra` it is the second one, which answers a challenge (RFC 3261
// §22.2).
bool Call::send_invite(base::Now now, std::string from_tag, std::optional<sip::ExtraHeader> extra) {
    siprec::ClientBody body = siprec::client_invite_body(setup_.documents, now.wall);
    sip::OutOfDialogSpec spec;
    spec.request_uri = setup_.request_uri;
    spec.from = setup_.from;
    spec.to = "<" + setup_.request_uri + ">";
    spec.call_id = setup_.call_id;
    spec.from_tag = std::move(from_tag);
    spec.cseq = extra ? 2 : 1;
    spec.flow = setup_.flow;
    spec.headers = session_headers();
    spec.headers.push_back({"Supported", "100rel"});
    if (extra) spec.headers.push_back(*std::move(extra));
    spec.content_type = std::move(body.content_type);
    spec.body = std::move(body.bytes);
    const auto sent = host_.start_request(setup_.index, spec);
    if (!sent) {
        fail("cannot_send", std::string{sent.error().what});
        return false;
    }
    invite_ = *sent;
    return true;
}

bool Call::answer_challenge(base::Now now, const sip::Message& response) {
    if (setup_.credentials.username.empty() || state_ != State::Inviting) return false;
    if (std::exchange(was_challenged_, true)) return false;
    auto header = sip::answer_challenge(response, setup_.credentials, "INVITE", setup_.request_uri,
                                        setup_.cnonce);
    return header && send_invite(now, std::string{response.from_tag()}, std::move(header));
}

void Call::on_response(base::Now now, const sip::ResponseArrived& response) {
    if (response.transaction == invite_) {
        on_invite_answered(now, response);
    } else if (!response.is_final) {
        return;
    } else if (response.transaction == offer_) {
        on_offer_answered(now, response);
    } else if (response.transaction == closing_ || response.transaction == bye_) {
        if (is_lost(response.message.status())) {
            fail("session_lost", "The server did not know the session any more: it answered " +
                                     status_line(response.message) + " to the " +
                                     (response.transaction == bye_ ? "BYE." : "last UPDATE."));
        }
        if (response.transaction == closing_) {
            leave({}, {});
        } else {
            finish();
        }
    }
}

void Call::on_invite_answered(base::Now now, const sip::ResponseArrived& response) {
    const int status = response.message.status();
    if (status < 200) {
        if (response.message.lists(HeaderId::Require, "100rel")) {
            early_answer_ = find_body(response.message, "application/sdp");
        }
        return;
    }
    if (status < 300 && dialog_ && response.dialog != dialog_) {
        // A proxy forked the INVITE; one recording is enough (RFC 3261 §13.2.2.4).
        host_.acknowledge(response.dialog);
        static_cast<void>(host_.send_request(setup_.index, response.dialog, {"BYE", {}, {}, {}}));
        return;
    }
    if (state_ != State::Inviting && state_ != State::Cancelling) return;
    if (answer_challenge(now, response.message)) return;
    answer_by_.reset();
    result_.sip_status = status;
    if (status >= 300) {
        if (state_ != State::Cancelling) {
            fail("refused",
                 "The server answered " + status_line(response.message) +
                     explanation_of(response.message) + ".",
                 "refused");
        }
        finish();
        return;
    }

    dialog_ = response.dialog;
    host_.acknowledge(dialog_);
    peer_takes_update_ =
        !response.message.has(HeaderId::Allow) || response.message.lists(HeaderId::Allow, "UPDATE");
    if (state_ == State::Cancelling) {  // the answer crossed our CANCEL
        leave({}, {});
        return;
    }
    was_answered_ = true;
    state_ = State::Running;
    if (!apply_answer(response.message)) {
        leave({}, {});
        return;
    }
    if (setup_.hold_at) hold_due_ = now.steady + *setup_.hold_at;
}

// Takes ports, formats and directions from the answer; false after fail().
bool Call::apply_answer(const sip::Message& message) {
    std::string_view text = find_body(message, "application/sdp");
    if (text.empty()) text = early_answer_;  // a 2xx need not repeat it
    const std::string offer_text = siprec::client_offer(setup_.documents);
    const auto offer = sdp::parse(offer_text);
    const auto answer = sdp::parse(text);
    if (!answer || !offer) {
        fail("bad_answer", "The answer holds no session description.");
        return false;
    }
    const auto media = sdp::check_answer(*offer, *answer);
    if (!media) {
        fail("bad_answer", "The session description is no answer to ours: " +
                               std::string{media.error().what} + ".");
        return false;
    }
    bool has_media = false;
    for (std::size_t party = 0; party < kParties; ++party) {
        const sdp::AnsweredMedia& line = (*media)[party];
        StreamPlan& plan = plan_[party];
        plan.sends = line.may_send();
        has_media = has_media || line.is_accepted;
        if (line.rtp) plan.rtp = *line.rtp;
        plan.rtcp = line.rtcp;
        plan.payload_type = line.payload_type.value_or(0);
        const sdp::PayloadType* type = offer->media[party].find_payload_type(plan.payload_type);
        plan.law = type != nullptr && type->is("PCMA") ? audio::G711Law::A : audio::G711Law::Mu;
        if (line.has_label_fault || line.missing_payload_types != 0) {
            log_.warning(
                "The answer does not repeat what was offered.",
                {{"call_id", setup_.call_id}, {"label", setup_.documents.parties[party].label}});
        }
    }
    if (!has_media) {
        fail("no_media", "The server refused every stream.");
        return false;
    }
    host_.set_media(setup_.index, plan_);
    return true;
}

void Call::pause_media() {
    MediaPlan paused = plan_;
    for (StreamPlan& plan : paused) plan.sends = false;
    host_.set_media(setup_.index, paused);
}

bool Call::send_offer(std::string content_type, std::string body, std::string_view method) {
    sip::RequestSpec spec;
    spec.method = method;
    spec.headers = session_headers();
    spec.content_type = std::move(content_type);
    spec.body = std::move(body);
    const auto sent = host_.send_request(setup_.index, dialog_, spec);
    if (!sent) return false;
    offer_ = *sent;
    offer_method_ = method;
    return true;
}

// P-35: the recording of a held call is paused by inactive lines; the metadata tells who holds
// whom (metadata-model section 9.2).
void Call::offer_hold(base::Now now) {
    pause_media();
    ++setup_.documents.sdp_version;
    siprec::ClientBody body = with_offer(setup_.documents, siprec::ClientMedia::Inactive,
                                         siprec::client_hold_metadata(setup_.documents, now.wall));
    hold_ = Hold::Asking;
    if (!send_offer(std::move(body.content_type), std::move(body.bytes), "INVITE")) {
        on_hold_answered(now, false);
    }
}

void Call::offer_resume(base::Now now) {
    ++setup_.documents.sdp_version;
    siprec::ClientBody body =
        with_offer(setup_.documents, siprec::ClientMedia::Sending,
                   siprec::client_resume_metadata(setup_.documents, now.wall));
    hold_ = Hold::Resuming;
    if (!send_offer(std::move(body.content_type), std::move(body.bytes), "INVITE")) {
        on_hold_answered(now, false);
    }
}

void Call::on_offer_answered(base::Now now, const sip::ResponseArrived& response) {
    const int status = response.message.status();
    offer_ = {};
    const bool is_accepted = status < 300;
    if (is_accepted && offer_method_ == "INVITE") host_.acknowledge(dialog_);
    if (is_lost(status)) {
        fail("session_lost", "The server answered " + status_line(response.message) + ".");
        is_close_wanted_ = true;
    }
    if (hold_ == Hold::Resuming && is_accepted && !is_close_wanted_) {
        if (!apply_answer(response.message)) is_close_wanted_ = true;
    }
    if (!is_accepted) {
        log_.warning("The server refused an offer in mid-call.",
                     {{"call_id", setup_.call_id}, {"status", std::to_string(status)}});
    }
    on_hold_answered(now, is_accepted);
    if (is_close_wanted_) {
        close(now);
    } else if (is_snapshot_wanted_) {
        send_snapshot(now);
    }
}

// After a refused offer the session is as it was before (RFC 3261 §14.1).
void Call::on_hold_answered(base::Now now, bool is_accepted) {
    if (hold_ == Hold::Asking && is_accepted) {
        hold_ = Hold::Held;
        hold_due_ = now.steady + kHoldTime;
    } else if (hold_ == Hold::Asking) {
        hold_ = Hold::Over;
        host_.set_media(setup_.index, plan_);
    } else if (hold_ == Hold::Resuming) {
        hold_ = Hold::Over;
        if (!is_accepted) fail("resume_refused", "The server refused to resume the recording.");
    }
}

void Call::on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout) {
    const bool is_cancelled = state_ == State::Cancelling;
    if (transaction == invite_ && (state_ == State::Inviting || is_cancelled)) {
        if (!is_cancelled) {
            fail(is_timeout ? "timeout" : "cannot_send",
                 is_timeout ? "The server did not answer the INVITE."
                            : "The INVITE could not be sent to the server.",
                 is_timeout ? "timeout" : "failed");
            result_.sip_status = is_timeout ? 408 : 503;  // RFC 3261 §8.1.3.1
        }
        finish();
    } else if (transaction == offer_) {
        offer_ = {};
        fail("session_lost", "The server did not answer a change of the session.");
        close(now);
    } else if (transaction == closing_) {
        fail("session_lost", "The server did not answer the last UPDATE.");
        leave({}, {});
    } else if (transaction == bye_) {
        fail("session_lost", "The server did not answer the BYE.");
        finish();
    }
}

void Call::on_request(base::Now now, const sip::RequestArrived& request) {
    const sip::Method method = request.message.method();
    const std::string_view sdp = find_body(request.message, "application/sdp");
    if (method == sip::Method::Bye) {
        on_bye(now, request);
    } else if (method == sip::Method::Invite || (method == sip::Method::Update && !sdp.empty())) {
        on_offer_of_peer(now, request, sdp);
    } else if (method == sip::Method::Update || method == sip::Method::Info ||
               method == sip::Method::Options) {
        host_.respond(request.transaction, {200, {}, {{"Allow", std::string{kAllow}}}, {}, {}});
    } else if (method == sip::Method::Prack) {
        host_.respond(request.transaction, {481, {}, {}, {}, {}});
        return;
    } else {
        host_.respond(request.transaction, {405, {}, {{"Allow", std::string{kAllow}}}, {}, {}});
        return;
    }
    // P-98: metadata from a recording server can only be the request for a snapshot.
    if (state_ == State::Running && has_metadata(request.message)) {
        is_snapshot_wanted_ = true;
        if (!offer_) send_snapshot(now);
    }
}

// The server pauses, resumes or moves its end (P-42, P-43), or asks for an offer.
void Call::on_offer_of_peer(base::Now now, const sip::RequestArrived& request,
                            std::string_view sdp) {
    static_cast<void>(now);
    if (offer_ || state_ != State::Running) {
        host_.respond(request.transaction, {491, {}, {}, {}, {}});  // RFC 3261 §14.2
        return;
    }
    bool is_wanted = true;
    if (!sdp.empty()) {
        const auto offer = sdp::parse(sdp);
        if (!offer || offer->media.size() != kParties) {
            host_.respond(request.transaction, {488, {}, {}, {}, {}});
            return;
        }
        is_wanted = false;
        for (std::size_t party = 0; party < kParties; ++party) {
            const sdp::MediaDescription& line = offer->media[party];
            const bool receives = line.direction == sdp::Direction::RecvOnly ||
                                  line.direction == sdp::Direction::SendRecv;
            const auto address = sdp::rtp_address(*offer, line);
            plan_[party].sends = receives && address.has_value();
            if (address) plan_[party].rtp = *address;
            plan_[party].rtcp = sdp::rtcp_address(*offer, line, false);
            is_wanted = is_wanted || plan_[party].sends;
        }
        if (hold_ != Hold::Held) host_.set_media(setup_.index, plan_);
    }
    ++setup_.documents.sdp_version;
    const auto media = is_wanted && hold_ != Hold::Held ? siprec::ClientMedia::Sending
                                                        : siprec::ClientMedia::Inactive;
    host_.respond(request.transaction, {200,
                                        {},
                                        {{"Allow", std::string{kAllow}}},
                                        "application/sdp",
                                        siprec::client_offer(setup_.documents, media)});
}

// The answer to the offer that we made in our 2xx.
void Call::on_ack(base::Now now, const sip::AckArrived& ack) {
    if (state_ != State::Running || hold_ == Hold::Held || ack.message.body().empty()) return;
    if (!apply_answer(ack.message)) close(now);
}

void Call::on_bye(base::Now now, const sip::RequestArrived& request) {
    static_cast<void>(now);
    host_.respond(request.transaction, {200, {}, {}, {}, {}});
    if (state_ == State::Running)
        fail("ended_by_server", "The server ended the recording session.");
    finish();
}

// Same o= version: nothing changed (metadata-model section 4).
void Call::send_snapshot(base::Now now) {
    is_snapshot_wanted_ = false;
    const auto media =
        hold_ == Hold::Held ? siprec::ClientMedia::Inactive : siprec::ClientMedia::Sending;
    siprec::ClientBody body = siprec::client_invite_body(setup_.documents, now.wall, media);
    static_cast<void>(send_offer(std::move(body.content_type), std::move(body.bytes),
                                 peer_takes_update_ ? "UPDATE" : "INVITE"));
}

void Call::on_dialog_ended() {
    if (state_ == State::Running || state_ == State::Closing)
        fail("session_lost", "The recording session is gone.");
    finish();
}

void Call::on_media_finished(base::Now now) {
    if (state_ == State::Running) close(now);
}

void Call::on_time(base::Now now) {
    if (answer_by_ && now.steady >= *answer_by_) {
        answer_by_.reset();
        fail("timeout", "The server did not answer the INVITE finally.", "timeout");
        result_.sip_status = 408;
        state_ = State::Cancelling;
        host_.cancel(invite_);
    }
    if (hold_due_ && now.steady >= *hold_due_) {
        hold_due_.reset();
        if (state_ != State::Running || offer_) return;
        if (hold_ == Hold::None) {
            offer_hold(now);
        } else if (hold_ == Hold::Held) {
            offer_resume(now);
        }
    }
}

std::optional<base::TimePoint> Call::deadline() const {
    if (state_ == State::Done) return std::nullopt;
    if (answer_by_ && hold_due_) return std::min(*answer_by_, *hold_due_);
    return answer_by_ ? answer_by_ : hold_due_;
}

void Call::abort(base::Now now) {
    if (state_ == State::Idle || state_ == State::Inviting || state_ == State::Running) {
        fail("cancelled", "The call was cancelled.", "cancelled");
    }
    if (state_ == State::Idle) {
        finish();
    } else if (state_ == State::Inviting) {
        answer_by_.reset();
        state_ = State::Cancelling;
        host_.cancel(invite_);
    } else if (state_ == State::Running) {
        close(now);
    }
}

// F-5: the closing metadata goes in an UPDATE before the BYE, since not every server reads a BYE's
// body (spec X-8); in the BYE where the server takes no UPDATE.
void Call::close(base::Now now) {
    if (state_ != State::Running) return;
    hold_due_.reset();
    if (offer_) {
        is_close_wanted_ = true;
        return;
    }
    host_.stop_media(setup_.index);
    std::string metadata = siprec::client_end_metadata(setup_.documents, now.wall);
    sip::RequestSpec spec;
    spec.method = "UPDATE";
    spec.headers = session_headers();
    spec.headers.push_back({"Content-Disposition", siprec::kMetadataDisposition});
    spec.content_type = siprec::kMetadataContentType;
    spec.body = metadata;
    if (peer_takes_update_) {
        if (const auto sent = host_.send_request(setup_.index, dialog_, spec)) {
            closing_ = *sent;
            state_ = State::Closing;
            return;
        }
    }
    leave(siprec::kMetadataContentType, std::move(metadata));
}

void Call::leave(std::string content_type, std::string body) {
    host_.stop_media(setup_.index);
    sip::RequestSpec spec;
    spec.method = "BYE";
    if (!body.empty()) {
        spec.headers.push_back({"Content-Disposition", siprec::kMetadataDisposition});
    }
    spec.content_type = std::move(content_type);
    spec.body = std::move(body);
    const auto sent = host_.send_request(setup_.index, dialog_, spec);
    if (!sent) {
        finish();
        return;
    }
    bye_ = *sent;
    state_ = State::Leaving;
}

// The first fault counts.
void Call::fail(std::string_view code, std::string text, std::string_view result) {
    if (!result_.result.empty()) return;
    result_.result = result;
    result_.reason = {std::string{code}, std::move(text)};
}

void Call::finish() {
    if (state_ == State::Done) return;
    if (result_.result.empty()) result_.result = "ok";
    if (dialog_) host_.stop_media(setup_.index);
    answer_by_.reset();
    hold_due_.reset();
    state_ = State::Done;
}

}  // namespace earshot::loadgen
