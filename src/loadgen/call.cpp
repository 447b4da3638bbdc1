#include "loadgen/call.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sdp/crypto_attribute.h"
#include "sdp/fingerprint.h"
#include "sdp/message_media.h"
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
    }
    return description;
}

void describe_voice(const siprec::ClientCall& call, siprec::CsDescription& description) {
    for (std::size_t i = 0; i < call.parties.size(); ++i) {
        const siprec::ClientParty& party = call.parties[i];
        siprec::CsStream stream;
        stream.id = party.stream_id;
        stream.label = party.label;
        stream.senders = {i};
        for (std::size_t other = 0; other < call.parties.size(); ++other)
            if (other != i) stream.receivers.push_back(other);
        description.streams.push_back(std::move(stream));
    }
}

void describe_video(const VideoLine& line, siprec::CsDescription& description) {
    siprec::CsStream stream;
    stream.id = line.stream_id;
    stream.label = line.label;
    stream.senders = {line.party};
    for (std::size_t other = 0; other < description.participants.size(); ++other)
        if (other != line.party) stream.receivers.push_back(other);
    if (line.sharing) stream.xml = sharing_element(*line.sharing);
    description.streams.push_back(std::move(stream));
}

// Everybody writes into a chat and reads it; a file goes from the first to the others.
void describe_chat(const ChatLine& line, const base::Uuid& id, siprec::CsDescription& description) {
    siprec::CsStream stream;
    stream.id = id;
    stream.label = line.label;
    for (std::size_t i = 0; i < description.participants.size(); ++i) {
        if (!line.file || i == 0) stream.senders.push_back(i);
        if (!line.file || i != 0) stream.receivers.push_back(i);
    }
    description.streams.push_back(std::move(stream));
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
    if (setup_.has_audio) describe_voice(setup_.documents, description_);
    first_videos_ = setup_.video.size() - (setup_.share_at ? 1 : 0);
    for (std::size_t i = 0; i < first_videos_; ++i) describe_video(setup_.video[i], description_);
    for (std::size_t i = 0; i < setup_.chats.size(); ++i)
        describe_chat(setup_.chats[i], setup_.chat_streams[i], description_);
    offer_ = make_offer();
    video_plans_.resize(setup_.video.size());
    chat_plans_.resize(setup_.chats.size());
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
    ending_lines_ = video_plans_.size() + chat_plans_.size();
    if (ending_lines_ == 0) hang_up(now);
    end_lines();
    settle(now);
}

void Call::on_line_ended(base::Now now) {
    if (ending_lines_ > 0 && --ending_lines_ == 0) hang_up(now);
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
    if (share_due_ && now.steady >= *share_due_) begin_sharing(now);
    const auto due = session_->deadline();
    if (due && now.steady >= *due) session_->on_time(now);
    settle(now);
}

std::optional<base::TimePoint> Call::deadline() const {
    if (is_done_) return std::nullopt;
    std::optional<base::TimePoint> first = session_->deadline();
    for (const auto& due : {hold_due_, rekey_due_, share_due_})
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
    if (setup_.share_at) share_due_ = now.steady + *setup_.share_at;
}

// One line more, and a stream that has it.
void Call::begin_sharing(base::Now now) {
    share_due_.reset();
    if (!session_->is_running()) return;
    is_sharing_late_ = true;
    describe_video(setup_.video.back(), description_);
    ++setup_.documents.sdp_version;
    offer_ = make_offer();
    session_->set_state(now, state());
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
    share_due_.reset();
    description_.stop = now.wall;
    session_->set_state(now, state());
    session_->stop(now);
}

std::string Call::make_offer() const {
    std::string offer = siprec::client_offer(setup_.documents);
    if (!setup_.has_audio) offer.resize(offer.find("m="));
    for (std::size_t i = 0; i < first_videos_; ++i) offer += video_section(setup_.video[i]);
    for (const ChatLine& line : setup_.chats) offer += chat_section(line, sdp::Setup::Active);
    if (is_sharing_late_) offer += video_section(setup_.video.back());
    return offer;
}

std::size_t Call::place_of_chat(std::size_t line) const {
    return (setup_.has_audio ? kParties : 0) + first_videos_ + line;
}

std::size_t Call::place_of_video(std::size_t line) const {
    if (line >= first_videos_) return place_of_chat(setup_.chats.size());
    return (setup_.has_audio ? kParties : 0) + line;
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
            if (is_sharing_late_ && !video_plans_.back().sends)
                fail("line_refused", "The server refused what is shared in mid-call.");
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
    const std::size_t voices = setup_.has_audio && media ? std::min(kParties, media->size()) : 0;
    for (std::size_t party = 0; party < voices; ++party) {
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
    if (!media) return;
    apply_video_answer(*answer, *media);
    apply_chat_answer(*answer);
}

void Call::apply_chat_answer(const sdp::SessionDescription& answer) {
    for (std::size_t line = 0; line < chat_plans_.size(); ++line) {
        const std::size_t place = place_of_chat(line);
        if (place >= answer.media.size()) return;
        const ChatLine& offered = setup_.chats[line];
        const sdp::MediaDescription& medium = answer.media[place];
        auto plan = chat_plan_of(answer, medium, true);
        if (!plan || !plan->connect_to) {
            fail("line_refused",
                 offered.file ? "The server refused the file." : "The server refused the chat.");
            continue;
        }
        // draft-yan-siprec-msrp-recording-04: without the same id no content may be sent.
        if (offered.file &&
            sdp::message_media_of(answer, medium).file_transfer_id != offered.file_transfer_id) {
            fail("line_refused", "The server does not take the file as one.");
            continue;
        }
        chat_plans_[line] = *std::move(plan);
        host_.set_chat(setup_.index, line, chat_plans_[line]);
    }
}

void Call::apply_video_answer(const sdp::SessionDescription& answer,
                              const std::vector<sdp::AnsweredMedia>& media) {
    for (std::size_t line = 0; line < video_plans_.size(); ++line) {
        const std::size_t place = place_of_video(line);
        if (place >= media.size()) continue;
        const sdp::AnsweredMedia& answered = media[place];
        VideoPlan& plan = video_plans_[line];
        plan.sends = answered.may_send();
        if (answered.rtp) plan.rtp = *answered.rtp;
        plan.rtcp = answered.rtcp;
        plan.payload_type = answered.payload_type.value_or(plan.payload_type);
        plan.rtcp_mux = answered.uses_rtcp_mux;
        const VideoLine& offered = setup_.video[line];
        if (!answered.is_accepted && offered.sharing)
            fail("line_refused", "The server refused what is shared.");
        if (answered.is_accepted) {
            const auto security =
                answered_security(answer, place, offered.key, offered.dtls.has_value());
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
    for (std::size_t line = 0; line < chat_plans_.size(); ++line) {
        if (chat_plans_[line].path.empty()) continue;
        chat_plans_[line].sends = false;
        host_.set_chat(setup_.index, line, chat_plans_[line]);
    }
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
    end_lines();
}

void Call::end_lines() {
    for (std::size_t line = 0; line < chat_plans_.size(); ++line)
        host_.finish_chat(setup_.index, line);
    for (std::size_t line = 0; line < video_plans_.size(); ++line) {
        video_plans_[line].has_ended = true;
        host_.set_video(setup_.index, line, video_plans_[line]);
    }
}

}  // namespace earshot::loadgen
