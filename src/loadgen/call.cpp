#include "loadgen/call.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sdp/crypto_attribute.h"
#include "sdp/fingerprint.h"
#include "sdp/offer_answer.h"

namespace earshot::loadgen {
namespace {

using siprec::ClientEvent;

// What the documents of a call of two say, as the session wants to be told.
siprec::CsDescription describe_call(const siprec::ClientCall& call) {
    siprec::CsDescription description;
    description.session_id = call.session_id;
    description.sip_session_ids = {call.sip_session_id};
    description.start = call.started;
    siprec::CsGroup group;
    if (const auto uuid = call.group_id.uuid()) {
        group.id = *uuid;
    } else {
        group.name = call.group_id.text();
        group.is_raw = true;
    }
    description.group = std::move(group);
    for (std::size_t i = 0; i < call.parties.size(); ++i) {
        const siprec::ClientParty& party = call.parties[i];
        siprec::CsParticipant participant;
        participant.id = party.participant_id;
        participant.names = {{party.aor, party.name, {}}};
        description.participants.push_back(std::move(participant));
        siprec::CsStream stream;
        stream.id = party.stream_id;
        stream.label = party.label;
        stream.senders = {i};
        for (std::size_t other = 0; other < call.parties.size(); ++other)
            if (other != i) stream.receivers.push_back(other);
        description.streams.push_back(std::move(stream));
    }
    return description;
}

void describe_video(const std::vector<VideoLine>& lines, siprec::CsDescription& description) {
    for (const VideoLine& line : lines) {
        siprec::CsStream stream;
        stream.id = line.stream_id;
        stream.label = line.label;
        stream.senders = {line.party};
        for (std::size_t other = 0; other < description.participants.size(); ++other)
            if (other != line.party) stream.receivers.push_back(other);
        description.streams.push_back(std::move(stream));
    }
}

bool is_lost(int status) { return status == 408 || status == 481; }

}  // namespace

Call::Call(CallSetup setup, CallHost& host, base::Random& random, base::Log& log)
    : setup_(std::move(setup)), host_(host), random_(random), log_(log) {
    result_.session_id = base::to_base64(setup_.documents.session_id);
    siprec::ClientSessionSettings settings;
    settings.servers = {setup_.request_uri};
    settings.from_uri = setup_.from;
    settings.credentials = setup_.credentials;
    settings.flow = setup_.flow;
    settings.answer_time = kAnswerTime;
    siprec::ClientSessionHost& self = *this;
    session_ = std::make_unique<siprec::RecordingClientSession>(std::move(settings), self, random);
}

// ---- what the run says ------------------------------------------------------------------------

void Call::start(base::Now now) {
    setup_.documents.started = now.wall;
    description_ = describe_call(setup_.documents);
    describe_video(setup_.video, description_);
    offer_ = make_offer();
    video_plans_.resize(setup_.video.size());
    session_->start(now, state());
    if (was_answered_) plan_steps(now);
    settle(now);
}

void Call::on_response(base::Now now, const sip::ResponseArrived& response) {
    const bool was_answered = was_answered_;
    session_->on_response(now, response);
    if (!was_answered && was_answered_) plan_steps(now);
    const int status = response.message.status();
    if (bye_ && response.transaction == bye_ && is_lost(status))
        fail("session_lost", "The server did not know the session any more: it answered " +
                                 std::to_string(status) + " to the BYE.");
    settle(now);
}

void Call::on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout) {
    session_->on_failure(now, transaction, is_timeout);
    if (was_answered_)
        fail("session_lost", transaction == bye_ ? "The server did not answer the BYE."
                                                 : "The server did not answer a request.");
    settle(now);
}

void Call::on_request(base::Now now, const sip::RequestArrived& request) {
    // RFC 5168: the one thing that such a document asks for.
    if (request.message.method() == sip::Method::Info &&
        base::as_text(request.message.body()).find("picture_fast_update") != std::string_view::npos)
        host_.want_key_picture(setup_.index);
    session_->on_request(now, request);
    settle(now);
}

void Call::on_ack(base::Now now, const sip::AckArrived& ack) {
    session_->on_ack(now, ack);
    settle(now);
}

void Call::on_dialog_ended(base::Now now, sip::DialogId dialog) {
    session_->on_dialog_ended(now, dialog);
    settle(now);
}

void Call::on_media_finished(base::Now now) {
    ending_videos_ = video_plans_.size();
    if (ending_videos_ == 0) hang_up(now);
    end_video();
    settle(now);
}

void Call::on_video_ended(base::Now now) {
    if (ending_videos_ > 0 && --ending_videos_ == 0) hang_up(now);
    settle(now);
}

void Call::on_no_keys(base::Now now, std::string_view fault) {
    if (!result_.result.empty()) return;  // another line has said so
    fail("dtls_failed", "The DTLS handshake with the server failed: " + std::string{fault} + ".");
    hang_up(now);
    settle(now);
}

void Call::on_time(base::Now now) {
    if (hold_due_ && now.steady >= *hold_due_) take_hold_step(now);
    if (rekey_due_ && now.steady >= *rekey_due_) take_new_keys(now);
    const auto due = session_->deadline();
    if (due && now.steady >= *due) session_->on_time(now);
    settle(now);
}

std::optional<base::TimePoint> Call::deadline() const {
    if (is_done_) return std::nullopt;
    std::optional<base::TimePoint> first = session_->deadline();
    for (const auto& due : {hold_due_, rekey_due_})
        if (due && (!first || *due < *first)) first = due;
    return first;
}

void Call::abort(base::Now now) {
    if (is_done_) return;
    fail("cancelled", "The call was cancelled.", "cancelled");
    hang_up(now);
    settle(now);
}

// ---- hold, the end ----------------------------------------------------------------------------

void Call::plan_steps(base::Now now) {
    if (setup_.hold_at) hold_due_ = now.steady + *setup_.hold_at;
    if (setup_.rekey_at) rekey_due_ = now.steady + *setup_.rekey_at;
}

// A re-INVITE whose lines have new keys (RFC 4568 section 7.1.4). They are used from its answer on.
void Call::take_new_keys(base::Now now) {
    rekey_due_.reset();
    if (!session_->is_running()) return;
    for (siprec::ClientParty& party : setup_.documents.parties)
        if (party.key) party.key = base::SrtpMasterKey::generate(party.key->suite(), random_);
    for (VideoLine& line : setup_.video)
        if (line.key) line.key = base::SrtpMasterKey::generate(line.key->suite(), random_);
    ++setup_.documents.sdp_version;
    offer_ = make_offer();
    session_->set_state(now, state());
}

// P-35: the recording of a held call is paused by inactive lines; the metadata tells who holds
// whom (metadata-model section 9.2). The first step holds, the second resumes.
void Call::take_hold_step(base::Now now) {
    hold_due_.reset();
    if (!session_->is_running()) return;
    const bool holds = hold_ == Hold::None;
    hold_ = holds ? Hold::Held : Hold::Resuming;
    description_.streams[0].is_held = holds;
    session_->set_state(now, state());
    if (holds) {
        session_->pause(now);
        hold_due_ = now.steady + kHoldTime;
    } else {
        session_->resume(now);
    }
}

void Call::hang_up(base::Now now) {
    hold_due_.reset();
    rekey_due_.reset();
    description_.stop = now.wall;
    session_->set_state(now, state());
    session_->stop(now);
}

std::string Call::make_offer() const {
    std::string offer = siprec::client_offer(setup_.documents);
    for (const VideoLine& line : setup_.video) offer += video_section(line);
    return offer;
}

siprec::CsState Call::state() const { return {siprec::describe(description_).objects, offer_}; }

// The first fault counts.
void Call::fail(std::string_view code, std::string text, std::string_view result) {
    if (!result_.result.empty()) return;
    result_.result = result;
    result_.reason = {std::string{code}, std::move(text)};
}

void Call::settle(base::Now now) {
    if (std::exchange(is_hold_refused_, false)) {  // the session is as it was before
        hold_due_.reset();
        hold_ = Hold::Over;
        description_.streams[0].is_held = false;
        session_->resume(now);
        session_->set_state(now, state());
    }
    if (is_done_ || !session_->is_done()) return;
    is_done_ = true;
    hold_due_.reset();
    rekey_due_.reset();
    if (result_.result.empty()) result_.result = "ok";
    session_.reset();  // a run keeps its calls
}

// ---- what the session says --------------------------------------------------------------------

void Call::on_event(const ClientEvent& event) {
    if (!event.rs_call_id.empty()) result_.call_id = event.rs_call_id;
    switch (event.kind) {
        case ClientEvent::Kind::Start:
            was_answered_ = true;
            result_.sip_status = event.status;
            break;
        case ClientEvent::Kind::Refused:
            on_refused(event);
            break;
        case ClientEvent::Kind::Failed:
        case ClientEvent::Kind::Stop:
            if (!event.reason.code.empty()) fail(event.reason.code, event.reason.text);
            break;
        case ClientEvent::Kind::ChangeRefused:
            log_.warning("The server refused an offer in mid-call.",
                         {{"call_id", event.rs_call_id}, {"reason", event.reason.text}});
            if (hold_ == Hold::Held) is_hold_refused_ = true;
            if (hold_ == Hold::Resuming)
                fail("resume_refused", "The server refused to resume the recording.");
            break;
        case ClientEvent::Kind::AnswerFault:
            log_.warning("The answer does not repeat what was offered.",
                         {{"call_id", event.rs_call_id}, {"reason", event.reason.text}});
            break;
        case ClientEvent::Kind::Failover:  // it has one server
        case ClientEvent::Kind::SnapshotRequested:
        case ClientEvent::Kind::RequestAnswered:
            break;
    }
}

void Call::on_refused(const ClientEvent& event) {
    result_.sip_status = event.status;
    if (event.status == 408) {
        fail("timeout", event.reason.text, "timeout");
    } else if (event.reason.code == "cannot_send" || event.status < 300) {
        fail(event.reason.code, event.reason.text);
    } else {
        fail("refused", event.reason.text, "refused");
    }
}

base::Result<sip::TransactionId> Call::start_request(const sip::OutOfDialogSpec& spec) {
    return host_.start_request(setup_.index, spec);
}

base::Result<sip::TransactionId> Call::send_request(sip::DialogId dialog,
                                                    const sip::RequestSpec& spec) {
    const auto sent = host_.send_request(setup_.index, dialog, spec);
    if (sent && spec.method == "BYE") bye_ = *sent;
    return sent;
}

void Call::respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) {
    host_.respond(transaction, spec);
}

void Call::acknowledge(sip::DialogId dialog) { host_.acknowledge(dialog); }

void Call::cancel(sip::TransactionId invite) { host_.cancel(invite); }

void Call::end_dialog(sip::DialogId dialog) { host_.end_dialog(dialog); }

void Call::authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                        const base::NetAddress& host, std::vector<sip::ExtraHeader> of_invite) {
    host_.authenticate(dialog, credentials, host, std::move(of_invite));
}

// Takes ports, formats and directions from the answer.
void Call::apply_answer(std::string sdp) {
    const auto offer = sdp::parse(offer_);
    const auto answer = sdp::parse(sdp);
    if (!offer || !answer) return;
    const auto media = sdp::check_answer(*offer, *answer);
    for (std::size_t party = 0; media && party < std::min(kParties, media->size()); ++party) {
        const sdp::AnsweredMedia& line = (*media)[party];
        StreamPlan& plan = plan_[party];
        plan.sends = line.may_send();
        if (line.rtp) plan.rtp = *line.rtp;
        plan.rtcp = line.rtcp;
        plan.payload_type = line.payload_type.value_or(0);
        const sdp::PayloadType* type = offer->media[party].find_payload_type(plan.payload_type);
        plan.law = type != nullptr && type->is("PCMA") ? audio::G711Law::A : audio::G711Law::Mu;
        plan.rtcp_mux = line.uses_rtcp_mux;
        const siprec::ClientParty& offered = setup_.documents.parties[party];
        if (!line.is_accepted) continue;
        const auto security =
            answered_security(*answer, party, offered.key, offered.dtls.has_value());
        if (!security) plan.sends = false;
        plan.security = security.value_or(LineSecurity{});
        if (offered.dtls && !plan.rtcp_mux) plan.rtcp.reset();
    }
    host_.set_media(setup_.index, plan_);
    if (media) apply_video_answer(*answer, *media);
}

void Call::apply_video_answer(const sdp::SessionDescription& answer,
                              const std::vector<sdp::AnsweredMedia>& media) {
    for (std::size_t line = 0; line < video_plans_.size(); ++line) {
        if (kParties + line >= media.size()) return;
        const sdp::AnsweredMedia& answered = media[kParties + line];
        VideoPlan& plan = video_plans_[line];
        plan.sends = answered.may_send();
        if (answered.rtp) plan.rtp = *answered.rtp;
        plan.rtcp = answered.rtcp;
        plan.payload_type = answered.payload_type.value_or(plan.payload_type);
        plan.rtcp_mux = answered.uses_rtcp_mux;
        const VideoLine& offered = setup_.video[line];
        if (answered.is_accepted) {
            const auto security =
                answered_security(answer, kParties + line, offered.key, offered.dtls.has_value());
            if (!security) plan.sends = false;
            plan.security = security.value_or(LineSecurity{});
            if (offered.dtls && !plan.rtcp_mux) plan.rtcp.reset();
        }
        host_.set_video(setup_.index, line, plan);
    }
}

// RFC 4568 section 5.1.3: the answer has our tag and suite, and a key of its own. RFC 5763 section
// 5: it has a fingerprint, and one of the roles.
std::optional<LineSecurity> Call::answered_security(const sdp::SessionDescription& answer,
                                                    std::size_t line,
                                                    const std::optional<base::SrtpMasterKey>& key,
                                                    bool is_dtls) {
    const sdp::MediaDescription& medium = answer.media[line];
    LineSecurity security;
    if (is_dtls) {
        const auto setup = sdp::setup_of(answer, medium);
        const bool is_role = setup == sdp::Setup::Active || setup == sdp::Setup::Passive;
        security.dtls = DtlsTerms{.peer = sdp::fingerprints_of(answer, medium),
                                  .are_we_active = setup == sdp::Setup::Passive};
        if (is_role && !security.dtls->peer.empty()) return security;
        fail("bad_key_answer", "The server's answer has no a=fingerprint with a role of a=setup.");
        return std::nullopt;
    }
    if (!key) return security;
    const auto keys = sdp::choose_crypto(answer, medium);
    if (keys && keys->tag == 1 && keys->suite() == key->suite() && !(keys->keys.front() == *key)) {
        security.ours = key;
        security.theirs = keys->keys.front();
        return security;
    }
    fail("bad_key_answer", "The server's answer has no a=crypto that answers the offered one.");
    return std::nullopt;
}

void Call::pause_fork() {
    for (std::size_t line = 0; line < video_plans_.size(); ++line) {
        VideoPlan paused = video_plans_[line];
        paused.sends = false;
        host_.set_video(setup_.index, line, paused);
    }
    MediaPlan paused = plan_;
    for (StreamPlan& plan : paused) plan.sends = false;
    host_.set_media(setup_.index, paused);
}

void Call::stop_fork() {
    host_.stop_media(setup_.index);
    end_video();
}

void Call::end_video() {
    for (std::size_t line = 0; line < video_plans_.size(); ++line) {
        video_plans_[line].has_ended = true;
        host_.set_video(setup_.index, line, video_plans_[line]);
    }
}

}  // namespace earshot::loadgen
