#include "recording_client.h"

#include <algorithm>

#include "media.h"
#include "mime/multipart.h"
#include "mime/multipart_writer.h"
#include "sdp/offer_answer.h"
#include "sip/parser.h"

namespace earshot::simulation {

namespace {

using siprec::ClientMedia;

sip::AgentConfig agent_config(const base::NetAddress& address) {
    sip::AgentConfig config;
    config.contact_parameters = ";+sip.src";
    config.listeners = {
        {sip::Transport::Udp, base::to_string(address), "sip:" + base::to_string(address)}};
    return config;
}

std::string_view sdp_of(const sip::Message& message) {
    const std::string_view text = base::as_text(message.body());
    if (text.empty()) return {};
    const auto body =
        mime::parse_body(message.find(sip::HeaderId::ContentType).value_or(""), "", text);
    if (!body) return {};
    const mime::Part* part = body->find("application/sdp");
    return part != nullptr ? part->body : std::string_view{};
}

std::vector<sip::ExtraHeader> session_headers(const CallPlan& plan) {
    std::vector<sip::ExtraHeader> headers = {
        {"Require", "siprec"}, {"Allow", "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, INFO"}};
    if (plan.has_session_timer) {
        headers.push_back({"Supported", "timer"});
        headers.push_back({"Session-Expires", "90;refresher=uas"});
    }
    return headers;
}

constexpr std::string_view kDigit = "Signal=5\r\nDuration=160\r\n";

}  // namespace

RecordingClient::RecordingClient(World& world, const base::NetAddress& address,
                                 const base::NetAddress& server)
    : world_(world),
      address_(address),
      server_(server),
      agent_(agent_config(address), world.random) {}

std::size_t RecordingClient::open_calls() const {
    return static_cast<std::size_t>(
        std::count_if(calls_.begin(), calls_.end(),
                      [](const auto& entry) { return entry.second.state != State::Done; }));
}

std::string RecordingClient::call_id(std::uint32_t number) const {
    const auto found = calls_.find(number);
    return found == calls_.end() ? std::string{} : found->second.call_id;
}

bool RecordingClient::is_heard_where_sdp_says(std::uint32_t number) const {
    const auto found = calls_.find(number);
    return found != calls_.end() && !found->second.plan.sends_from_elsewhere &&
           !found->second.plan.is_offerless;
}

void RecordingClient::plan(const CallPlan& plan) {
    world_.later(plan.start, [this, plan] {
        if (!is_off_) start(plan, nullptr);
        drain();
    });
}

void RecordingClient::on_datagram(const Datagram& datagram) {
    if (datagram.to != address_ || is_off_) return;
    sip::ParsedMessage parsed = sip::parse_message(*datagram.bytes);
    require(parsed.verdict == sip::Verdict::Good, "what the server sends can be read");
    agent_.on_message(world_.now.steady, {.remote = datagram.from}, std::move(parsed.message));
    drain();
}

void RecordingClient::on_time() {
    agent_.on_time(world_.now.steady);
    drain();
}

void RecordingClient::drain() {
    while (auto action = agent_.poll_action())
        std::visit([this](auto& a) { this->handle(a); }, *action);
}

void RecordingClient::later(std::uint32_t number, milliseconds delay,
                            std::function<void(Call&)> work) {
    world_.later(delay, [this, number, work = std::move(work)] {
        const auto found = calls_.find(number);
        if (found == calls_.end() || is_off_) return;
        work(found->second);
        drain();
    });
}

// ---- a call begins ------------------------------------------------------------------------------

void RecordingClient::start(const CallPlan& plan, const Call* before) {
    Call& call = calls_[plan.number];
    call.plan = plan;
    call.call_id = before != nullptr ? before->call_id : world_.random.token(8);
    call.documents = siprec::make_client_call(world_.random, world_.now.wall, 2);
    for (std::size_t i = 0; i < 2; ++i) {
        siprec::ClientParty& party = call.documents.parties[i];
        party.aor = "sip:party@example.test";
        party.rtp = address_;
        party.rtp.port = before != nullptr ? before->documents.parties[i].rtp.port : next_port_;
        party.rtcp = party.rtp;
        ++party.rtcp.port;
        next_port_ = static_cast<std::uint16_t>(next_port_ + 2);
        Stream& stream = call.streams[i];
        stream.from = party.rtp;
        if (plan.sends_from_elsewhere)
            stream.from.port = static_cast<std::uint16_t>(stream.from.port + 20000);
        stream.ssrc = before != nullptr ? before->streams[i].ssrc : world_.random.u32();
        stream.sequence = static_cast<std::uint16_t>(world_.random.u32());
        stream.timestamp = world_.random.u32();
    }

    siprec::ClientBody body = siprec::client_invite_body(call.documents, world_.now.wall);
    if (plan.has_broken_metadata) {
        const auto at = body.bytes.find("</recording>");
        if (at != std::string::npos) body.bytes.replace(at, 3, "<<<");
    }
    if (plan.is_offerless) body = {};
    sip::OutOfDialogSpec invite;
    invite.request_uri = "sip:srs@" + base::to_string(server_);
    invite.from = "<sip:src@" + base::to_string(address_) + ">";
    invite.to = "<" + invite.request_uri + ">";
    invite.call_id = call.call_id;
    invite.from_tag = world_.random.token(4);
    invite.flow = {.remote = server_};
    invite.headers = session_headers(plan);
    invite.content_type = body.content_type;
    invite.body = body.bytes;
    results_[plan.number] = {call.call_id, invite.from_tag, 0, false};
    const auto sent = agent_.start_request(world_.now.steady, invite);
    require(sent.has_value(), "an INVITE can be sent");
    call.invite = *sent;
    if (plan.ending == Ending::Cancel)
        later(plan.number, plan.talk, [this](Call& one) {
            if (one.state == State::Inviting)
                static_cast<void>(agent_.cancel(world_.now.steady, one.invite));
        });
    drain();
}

void RecordingClient::on_invite_answered(Call& call, const sip::ResponseArrived& response) {
    if (!response.is_final) return;
    const int status = response.message.status();
    Result& result = results_[call.plan.number];
    result.status = status;
    if (status >= 300) return finish(call);
    call.dialog = response.dialog;
    if (call.plan.ending == Ending::NoAck) return;  // the server's BYE ends it
    acknowledge(call, response.message);
    result.was_running = true;
    call.state = State::Running;
    if (call.plan.ending == Ending::Cancel) return leave(call);  // it crossed the answer
    take_answer(call, sdp_of(response.message));
    send_media(call);
    for (const auto& [delay, step] : call.plan.steps)
        later(call.plan.number, delay, [this, next = step](Call& one) {
            if (one.state == State::Running) take_step(one, next);
        });
    later(call.plan.number, call.plan.talk, [this](Call& one) {
        if (one.state != State::Running) return;
        if (one.plan.ending == Ending::ByeAcrossReinvite) take_step(one, Step::Hold);
        leave(one);
    });
}

// With our answer in the ACK when the offer was theirs (RFC 3261 §13.2.1).
void RecordingClient::acknowledge(Call& call, const sip::Message& response) {
    sip::RequestSpec ack;
    const bool is_theirs = call.plan.is_offerless && !call.offer;
    if ((is_theirs || (call.offer && call.offered == Step::AskForOffer)) &&
        !sdp_of(response).empty()) {
        ack.content_type = "application/sdp";
        ack.body = siprec::client_offer(
            call.documents, call.is_held ? ClientMedia::Inactive : ClientMedia::Sending);
    }
    static_cast<void>(agent_.ack(world_.now.steady, call.dialog, ack));
}

// Where our media goes: the ports of their lines, in order.
void RecordingClient::take_answer(Call& call, std::string_view sdp) {
    const auto description = sdp::parse(sdp);
    if (!description) return;
    for (std::size_t i = 0; i < call.streams.size() && i < description->media.size(); ++i) {
        const sdp::MediaDescription& line = description->media[i];
        const auto address = sdp::rtp_address(*description, line);
        call.streams[i].sends = address && line.port != 0 &&
                                (line.direction == sdp::Direction::RecvOnly ||
                                 line.direction == sdp::Direction::SendRecv);
        if (address) call.streams[i].to = *address;
    }
}

// ---- it runs ------------------------------------------------------------------------------------

void RecordingClient::send_media(Call& call) {
    if (call.state != State::Running) return;
    for (std::uint32_t i = 0; i < call.streams.size(); ++i) {
        Stream& stream = call.streams[i];
        stream.timestamp += 320;
        if (stream.to.port == 0) continue;
        if (!stream.sends && !(call.is_held && call.plan.sends_while_held)) continue;
        base::Bytes packet = make_packet(stream.ssrc, stream.sequence++, stream.timestamp,
                                         {call.plan.number, i, stream.packets++});
        world_.network.send(
            world_.now.steady,
            {stream.from, stream.to, std::make_shared<const base::Bytes>(std::move(packet))});
    }
    later(call.plan.number, kPacketTime, [this](Call& one) { send_media(one); });
}

void RecordingClient::take_step(Call& call, Step step) {
    sip::RequestSpec request;
    switch (step) {
        case Step::Hold:
        case Step::Resume:
        case Step::Refresh:
        case Step::AskForOffer:
            return send_offer(call, step);
        case Step::NewSource:
            for (Stream& stream : call.streams) stream.ssrc = world_.random.u32();
            return;
        case Step::Metadata:
            request = {"UPDATE",
                       {{"Content-Disposition", siprec::kMetadataDisposition}},
                       siprec::kMetadataContentType,
                       siprec::client_complete_metadata(call.documents, world_.now.wall)};
            break;
        case Step::Digit:
            request = {"INFO", {}, "application/dtmf-relay", std::string{kDigit}};
            break;
        case Step::Options:
            request = {"OPTIONS", {}, {}, {}};
            break;
    }
    static_cast<void>(agent_.send_request(world_.now.steady, call.dialog, request));
}

void RecordingClient::send_offer(Call& call, Step step) {
    if (call.offer) return;
    sip::RequestSpec invite{"INVITE", session_headers(call.plan), {}, {}};
    if (step != Step::AskForOffer) {
        const bool is_inactive = step == Step::Hold || (step == Step::Refresh && call.is_held);
        if (step != Step::Refresh) ++call.documents.sdp_version;
        invite.content_type = "application/sdp";
        invite.body = siprec::client_offer(
            call.documents, is_inactive ? ClientMedia::Inactive : ClientMedia::Sending);
    }
    const auto sent = agent_.send_request(world_.now.steady, call.dialog, invite);
    if (!sent) return;
    call.offer = *sent;
    call.offered = step;
}

void RecordingClient::on_offer_answered(Call& call, const sip::ResponseArrived& response) {
    if (!response.is_final) return;
    if (response.message.status() < 300) {
        if (call.offered == Step::Hold) call.is_held = true;
        if (call.offered == Step::Resume) call.is_held = false;
        acknowledge(call, response.message);
        if (call.offered != Step::AskForOffer) take_answer(call, sdp_of(response.message));
    }
    call.offer = {};
}

void RecordingClient::handle(sip::RequestArrived& action) {
    Call* call = find(action.dialog);
    const sip::Method method = action.message.method();
    const std::string_view sdp = sdp_of(action.message);
    if (call != nullptr && (method == sip::Method::Invite || !sdp.empty()))
        return on_offer_of_server(*call, action);
    const int status = call == nullptr ? 481 : 200;
    static_cast<void>(agent_.respond(world_.now.steady, action.transaction, {.status = status}));
    if (call != nullptr && method == sip::Method::Bye) finish(*call);
}

void RecordingClient::on_offer_of_server(Call& call, const sip::RequestArrived& request) {
    sip::ResponseSpec answer;
    if (call.state != State::Running || call.offer) {
        answer.status = 491;
    } else {
        take_answer(call, sdp_of(request.message));
        const bool is_wanted = std::any_of(call.streams.begin(), call.streams.end(),
                                           [](const Stream& one) { return one.sends; });
        ++call.documents.sdp_version;
        answer.content_type = "application/sdp";
        answer.body = siprec::client_offer(call.documents, is_wanted && !call.is_held
                                                               ? ClientMedia::Sending
                                                               : ClientMedia::Inactive);
    }
    static_cast<void>(agent_.respond(world_.now.steady, request.transaction, answer));
}

// ---- it ends ------------------------------------------------------------------------------------

void RecordingClient::leave(Call& call) {
    call.state = State::Leaving;
    const auto sent = agent_.send_request(world_.now.steady, call.dialog, {"BYE", {}, {}, {}});
    if (!sent) finish(call);
}

void RecordingClient::finish(Call& call) {
    if (call.state == State::Done) return;
    call.state = State::Done;
    if (!call.plan.is_repeated) return;
    CallPlan again = call.plan;
    again.is_repeated = false;
    again.number += 1000;  // another call, by the packets' keys
    start(again, &call);
}

void RecordingClient::handle(sip::SendBytes& action) {
    if (is_off_) return;
    const base::ByteView bytes = base::as_bytes(*action.bytes);
    world_.trace(base::to_string(address_) + ": " +
                 action.bytes->substr(0, action.bytes->find('\r')));
    world_.network.send(world_.now.steady,
                        {address_, action.flow.remote,
                         std::make_shared<const base::Bytes>(bytes.begin(), bytes.end())});
}

void RecordingClient::handle(sip::ResponseArrived& action) {
    if (Call* call = find(action.transaction)) {
        if (call->state == State::Inviting) on_invite_answered(*call, action);
        return;
    }
    Call* call = find(action.dialog);
    if (call == nullptr) return;
    if (action.transaction == call->offer) return on_offer_answered(*call, action);
    if (action.is_final && action.message.cseq_method() == sip::Method::Bye) finish(*call);
}

void RecordingClient::handle(sip::NoAck& action) {
    if (Call* call = find(action.dialog); call != nullptr && call->state == State::Running)
        leave(*call);
}

void RecordingClient::handle(sip::TransactionTimedOut& action) {
    if (Call* call = find(action.transaction)) {
        results_[call->plan.number].status = 408;
        return finish(*call);
    }
    if (Call* call = find(action.dialog)) {
        if (action.transaction == call->offer) call->offer = {};
        if (call->state == State::Leaving) finish(*call);
    }
}

void RecordingClient::handle(sip::TransportFailed& /*action*/) {
    require(false, "no transport fails here");
}

void RecordingClient::handle(sip::DialogEnded& action) {
    if (Call* call = find(action.dialog)) finish(*call);
}

RecordingClient::Call* RecordingClient::find(sip::DialogId dialog) {
    if (!dialog) return nullptr;
    for (auto& [number, call] : calls_)
        if (call.dialog == dialog) return &call;
    return nullptr;
}

RecordingClient::Call* RecordingClient::find(sip::TransactionId transaction) {
    for (auto& [number, call] : calls_)
        if (call.invite == transaction) return &call;
    return nullptr;
}

}  // namespace earshot::simulation
