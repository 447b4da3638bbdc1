// A recording session that the server begins (RFC 7866 sections 6.2 and 7.2): an INVITE without an
// offer; the client offers in its 2xx, and our answer rides in the ACK. From there on the session
// is as any other.
#include <utility>

#include "base/text.h"
#include "sdp/offer_answer.h"
#include "sip/headers.h"
#include "siprec/limits.h"
#include "siprec/recording_server_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {
namespace {

// Why a client did not take our INVITE, for the attempt's row.
base::Reason refusal_of(const sip::Message& response) {
    const std::string status = std::to_string(response.status());
    const std::string answer =
        "The client answered " + status + " " + base::to_valid_utf8(response.reason());
    if (response.status() < 400) {  // one that the caller does not follow
        const auto contact = response.find(sip::HeaderId::Contact);
        return {"redirected", answer + ": it wants to be asked at " +
                                  base::to_valid_utf8(contact.value_or("?")) + "."};
    }
    const auto warning = response.find(sip::HeaderId::Warning);
    return {"refused_by_client",
            answer + (warning ? ": " + base::to_valid_utf8(*warning) : std::string{"."})};
}

// Neither media nor the o= of a session that brings them later (P-110): a text that begins like SDP
// and is none. An INVITE may be so lenient; here nobody would ever send what to record.
bool is_empty(const sdp::SessionDescription& offer) { return offer.media.empty() && !offer.origin; }

}  // namespace

void RecordingServerSession::Core::start(base::Now now, StartRequest request) {
    if (state_ != State::Idle) return;
    state_ = State::Inviting;
    peer_ = request.peer;
    SendInvite invite{.headers = {{"Require", "siprec"},  // P-12
                                  {"Supported", "timer"},
                                  {"Allow", std::string{kAllow}},
                                  {"Accept", std::string{kAccept}}}};
    if (!request.call.empty()) invite.headers.push_back({"Target-Dialog", request.call});
    inviting_ = std::make_unique<Inviting>(
        Inviting{.request = std::move(request), .give_up_at = now.steady + kMaxRingingTime});
    actions_.emplace_back(std::move(invite));
}

void RecordingServerSession::Core::retarget(const base::NetAddress& peer,
                                            const RecordingServerConfig& config) {
    if (state_ != State::Inviting) return;
    peer_ = peer;
    media_ = config.media;
    is_strict_ = config.strict;
    records_unmarked_ = config.profile_records_unmarked;
    asks_policy_ = config.asks_policy;
    keeps_digits_ = config.keeps_digits;
    lines_.set_second_video(config.second_video);
    lines_.set_key_source(config.srtp_keys);
    lines_.set_dtls_source(config.dtls);
}

void RecordingServerSession::Core::on_start_response(base::Now now, const sip::Message& response) {
    if (response.status() < 200) return;
    if (response.status() >= 300) return end("peer", refusal_of(response));
    const RequestBody body = read_body(response);
    Offer offer = parse_offer(body);
    if (body.is_unreadable)
        return give_up_start(nullptr, {"bad_body", "The body of the client's 2xx cannot be read."});
    if (!offer) return give_up_start(nullptr, {"no_offer", "The client's 2xx carried no SDP."});
    if (!*offer || is_empty(***offer))
        return give_up_start(nullptr, {"bad_sdp", "The SDP of the client's 2xx cannot be read."});
    if (!lines_.is_acceptable(***offer)) {
        return give_up_start(
            &***offer, {"no_common_media", "No media line of the client's offer can be recorded."});
    }
    const std::unique_ptr<Inviting> inviting = std::move(inviting_);
    state_ = State::Answering;
    pending_ = std::make_unique<Pending>();
    pending_->is_initial = true;
    pending_->is_in_ack = true;
    timer_.on_accepted(now.steady, sip::read_session_timer(response));
    RowFacts facts;
    facts.call_id = response.call_id();
    facts.from = inviting->request.from;
    facts.to = inviting->request.to;
    facts.headers = foreign_headers(response);
    if (!inviting->request.call.empty())
        facts.headers.emplace_back("Target-Dialog", inviting->request.call);
    std::vector<FoundLeniency> found = find_all_leniencies(response, nullptr, body, offer);
    if (!find_marks(response, body).feature_tag) found.push_back({Leniency::NoFeatureTag, {}});
    offers_.keep(***offer, *body.sdp);
    pending_->offer.emplace(*std::move(*offer));
    begin(now, facts, response, body, found);
    tell_control("recording_requested", inviting->request.by);
    if (!asks_policy_) return start_recording(now);
    ask_policy(std::move(facts));
}

// RFC 3261 section 13.2.2.4: what cannot be taken is answered all the same, and then ended.
void RecordingServerSession::Core::give_up_start(const sdp::SessionDescription* offer,
                                                 base::Reason reason) {
    refuse_in_ack(offer);
    send_bye();
    end("local", std::move(reason));
}

void RecordingServerSession::Core::refuse_in_ack(const sdp::SessionDescription* offer) {
    Acknowledge ack;
    if (offer != nullptr) {
        ack.request.content_type = "application/sdp";
        ack.request.body = sdp::make_recording_answer(*offer, origin(), {});
    }
    actions_.emplace_back(std::move(ack));
}

// Nobody answers finally: a client that rings for ever is not waited for.
void RecordingServerSession::Core::on_inviting_time(base::Now now) {
    if (now.steady < inviting_->give_up_at) return;
    stop(now, {"no_answer", "The client did not answer the INVITE finally in time."});
}

}  // namespace earshot::siprec
