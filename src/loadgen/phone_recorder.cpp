#include "loadgen/phone_recorder.h"

#include <utility>

#include "loadgen/target.h"
#include "sdp/offer_answer.h"
#include "sip/headers.h"

namespace earshot::loadgen {
namespace {

using sdp::RecordState;

constexpr std::array<std::string_view, kPhones> kLabels{"1", "2"};

siprec::ClientSessionSettings settings_of(const PhoneRecorder::Setup& setup) {
    siprec::ClientSessionSettings settings;
    settings.servers = {setup.server};
    settings.from_uri = std::string{typed_uri(setup.parties.front())};
    settings.flow = setup.flow;
    return settings;
}

siprec::NameId name_of(const std::string& party) {
    siprec::NameId name;
    name.aor = typed_uri(party);
    if (const auto name_addr = sip::parse_name_addr(party);
        name_addr && party.find('<') != std::string::npos)
        name.name = name_addr->display_name;
    return name;
}

}  // namespace

PhoneRecorder::PhoneRecorder(LegId leg, PhoneHost& host, base::Random& random, Setup setup)
    : leg_(leg),
      host_(host),
      setup_(std::move(setup)),
      sdp_session_(random.u64() >> 2U),
      session_(settings_of(setup_), *this, random) {
    call_.session_id = base::make_uuid_v4(random);
    for (std::size_t party = 0; party < kPhones; ++party) {
        siprec::CsParticipant& participant = call_.participants.emplace_back();
        participant.id = base::make_uuid_v4(random);
        participant.names = {name_of(setup_.parties[party])};
        siprec::CsStream& stream = call_.streams.emplace_back();
        stream.id = base::make_uuid_v4(random);
        stream.label = kLabels[party];
        stream.senders = {party};
        stream.receivers = {kPhones - 1 - party};
    }
    result_.server = setup_.server;
    result_.session_id = base::to_base64(call_.session_id);
}

siprec::CsState PhoneRecorder::cs_state() const {
    sdp::LocalOrigin origin;
    origin.username = "phone";
    origin.session_id = sdp_session_;
    origin.address = setup_.rtp.front();
    const std::array<sdp::PayloadType, 3> types{*sdp::parse_rtpmap("0 PCMU/8000"),
                                                *sdp::parse_rtpmap("8 PCMA/8000"),
                                                *sdp::parse_rtpmap("101 telephone-event/8000")};
    std::array<sdp::OfferedMedia, kPhones> lines;
    for (std::size_t line = 0; line < kPhones; ++line) {
        lines[line].port = setup_.rtp[line].port;
        lines[line].payload_types = types;
        lines[line].label = kLabels[line];
    }
    return {siprec::describe(call_).objects, sdp::make_offer(origin, lines)};
}

void PhoneRecorder::start(base::Now now) {
    call_.start = now.wall;
    session_.start(now, cs_state(), setup_.is_paused);
}

void PhoneRecorder::set_held(base::Now now, bool is_held) {
    // The holder is still heard, and hears nobody.
    siprec::CsStream& theirs = call_.streams.back();
    if (is_stopped_ || theirs.is_held == is_held) return;
    theirs.is_held = is_held;
    session_.set_state(now, cs_state());
}

void PhoneRecorder::obey(base::Now now, sdp::RecordPreference preference) {
    const RecordState wanted = siprec::obey_preference(state_, preference);
    if (is_stopped_ || wanted == state_) return;
    if (wanted == RecordState::Off) {
        stop(now);
    } else if (wanted == RecordState::Paused && session_.pause(now)) {
        state_ = wanted;
    } else if (wanted == RecordState::On && state_ == RecordState::Paused && session_.resume(now)) {
        state_ = wanted;
    }
}

void PhoneRecorder::stop(base::Now now) {
    if (std::exchange(is_stopped_, true)) return;
    call_.stop = now.wall;
    session_.set_state(now, cs_state());
    session_.stop(now);
}

// What may still come (a BYE's answer once more) is of no use to a phone.
bool PhoneRecorder::is_over() const {
    return session_.view().state == siprec::ClientSessionView::State::Done;
}

void PhoneRecorder::on_response(base::Now now, const sip::ResponseArrived& response) {
    if (response.dialog) dialogs_.insert(response.dialog.value);
    session_.on_response(now, response);
}

// ---- siprec::ClientSessionHost

base::Result<sip::TransactionId> PhoneRecorder::start_request(const sip::OutOfDialogSpec& spec) {
    const auto sent = host_.start_request(leg_, spec);
    if (sent) transactions_.insert(sent->value);
    return sent;
}

base::Result<sip::TransactionId> PhoneRecorder::send_request(sip::DialogId dialog,
                                                             const sip::RequestSpec& spec) {
    const auto sent = host_.send_request(leg_, dialog, spec);
    if (sent) transactions_.insert(sent->value);
    return sent;
}

void PhoneRecorder::respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) {
    static_cast<void>(host_.respond(leg_, transaction, spec));
}

void PhoneRecorder::acknowledge(sip::DialogId dialog) { host_.acknowledge(dialog, {}); }
void PhoneRecorder::cancel(sip::TransactionId invite) { host_.cancel(invite); }
void PhoneRecorder::end_dialog(sip::DialogId dialog) { host_.end_dialog(dialog); }

void PhoneRecorder::authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                                 const base::NetAddress& host,
                                 std::vector<sip::ExtraHeader> of_invite) {
    host_.authenticate(dialog, credentials, host, std::move(of_invite));
}

void PhoneRecorder::apply_answer(std::string sdp) {
    const auto answer = sdp::parse(sdp);
    if (!answer) return;
    for (std::size_t line = 0; line < kPhones && line < answer->media.size(); ++line) {
        const sdp::MediaDescription& medium = answer->media[line];
        StreamPlan& stream = plan_[line];
        const auto rtp = sdp::rtp_address(*answer, medium);
        const bool receives = medium.direction == sdp::Direction::RecvOnly ||
                              medium.direction == sdp::Direction::SendRecv;
        stream.sends = rtp && receives;
        if (rtp) stream.rtp = *rtp;
        stream.rtcp = sdp::rtcp_address(*answer, medium, medium.has_rtcp_mux);
    }
    host_.set_recording(leg_, plan_);
}

void PhoneRecorder::pause_fork() {
    for (StreamPlan& stream : plan_) stream.sends = false;
    host_.set_recording(leg_, plan_);
}

void PhoneRecorder::on_event(const siprec::ClientEvent& event) {
    using Kind = siprec::ClientEvent::Kind;
    switch (event.kind) {
        case Kind::Start:
            result_.rs_call_id = event.rs_call_id;
            result_.was_started = true;
            state_ = setup_.is_paused ? RecordState::Paused : RecordState::On;
            break;
        case Kind::Stop:
            state_ = RecordState::Off;
            if (result_.reason.code.empty()) result_.reason = event.reason;
            break;
        case Kind::Refused:
        case Kind::Failed:
            result_.status = event.status != 0 ? event.status : result_.status;
            result_.reason = event.reason;
            break;
        default:
            break;
    }
}

}  // namespace earshot::loadgen
