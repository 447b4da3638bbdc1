#include "recording_server.h"

#include "sip/parser.h"
#include "siprec/server_answers.h"

namespace earshot::simulation {

namespace {

constexpr milliseconds kEarliestAnswer{10};
constexpr milliseconds kRowPatience{3000};
constexpr milliseconds kLinger{1000};

sip::AgentConfig agent_config(const base::NetAddress& address) {
    sip::AgentConfig config;
    config.contact_parameters = ";+sip.srs";
    config.listeners = {
        {sip::Transport::Udp, base::to_string(address), "sip:" + base::to_string(address)}};
    return config;
}

capture::StreamFormat to_format(const siprec::StreamFacts& facts) {
    capture::StreamFormat format;
    format.remote_rtp = facts.peer_rtp;
    format.remote_rtcp = facts.peer_rtcp;
    format.rtcp_mux = facts.rtcp_mux;
    for (const siprec::PayloadType& type : facts.payload_types)
        format.payload_types.push_back({type.number, type.encoding, type.clock_rate});
    return format;
}

}  // namespace

RecordingServer::RecordingServer(World& world, ServerFaults faults)
    : world_(world),
      faults_(faults),
      agent_(agent_config(address_), world.random),
      capture_(world, address_, kFirstMediaPort,
               static_cast<std::uint16_t>(kFirstMediaPort + 2 * faults.port_pairs - 1)) {}

// ---- the network --------------------------------------------------------------------------------

void RecordingServer::on_datagram(const Datagram& datagram) {
    if (datagram.to != address_) return capture_.on_datagram(datagram);
    sip::ParsedMessage parsed = sip::parse_message(*datagram.bytes);
    require(parsed.verdict == sip::Verdict::Good, "what a client of ours sends can be read");
    agent_.on_message(world_.now.steady, {.remote = datagram.from}, std::move(parsed.message));
    drain();
}

void RecordingServer::on_time() {
    agent_.on_time(world_.now.steady);
    require(!agent_.deadline() || *agent_.deadline() > world_.now.steady,
            "a deadline that was met moves on");
    drain();
}

void RecordingServer::control_some_call(Wish wish) {
    std::vector<Call*> running;
    for (const auto& [serial, call] : calls_)
        if (!call->session->is_ended()) running.push_back(call.get());
    if (running.empty()) return;
    Call& call = *running[world_.draws.between(0, running.size() - 1)];
    const siprec::ControlRequest request{"operator", "token", "192.0.2.1", {}};
    switch (wish) {
        case Wish::Stop:
            call.session->stop_by_operator(world_.now, request);
            break;
        case Wish::Pause:
            call.session->pause(world_.now, request);
            break;
        case Wish::Resume:
            call.session->resume(world_.now, request);
            break;
        case Wish::DropStream:
            call.session->drop_stream(world_.now, "1", request);
            break;
    }
    run(call);
    drain();
}

const siprec::RecordingServerSession* RecordingServer::find_session(
    std::string_view call_id) const {
    for (const auto& [serial, call] : calls_)
        if (rows_[call->row].call_id == call_id) return call->session.get();
    return nullptr;
}

void RecordingServer::drain() {
    while (auto action = agent_.poll_action()) std::visit([this](auto& a) { handle(a); }, *action);
}

// ---- what the agent says ------------------------------------------------------------------------

RecordingServer::Call* RecordingServer::find(std::uint64_t serial) {
    const auto found = calls_.find(serial);
    return found == calls_.end() ? nullptr : found->second.get();
}
RecordingServer::Call* RecordingServer::find(sip::DialogId dialog) {
    const auto found = by_dialog_.find(dialog.value);
    return found == by_dialog_.end() ? nullptr : find(found->second);
}
RecordingServer::Call* RecordingServer::find(sip::TransactionId invite) {
    const auto found = by_invite_.find(invite.value);
    return found == by_invite_.end() ? nullptr : find(found->second);
}

void RecordingServer::handle(sip::SendBytes& action) {
    const base::ByteView bytes = base::as_bytes(*action.bytes);
    world_.trace("server: " + action.bytes->substr(0, action.bytes->find('\r')));
    world_.network.send(world_.now.steady,
                        {address_, action.flow.remote,
                         std::make_shared<const base::Bytes>(bytes.begin(), bytes.end())});
}

void RecordingServer::handle(sip::RequestArrived& action) {
    if (Call* call = find(action.dialog)) {
        call->session->on_request(world_.now, action.transaction, action.message);
        return run(*call);
    }
    if (action.message.method() == sip::Method::Invite && !action.dialog)
        return take_invite(action);
    const int status = action.dialog ? 481 : 405;
    static_cast<void>(agent_.respond(world_.now.steady, action.transaction, {.status = status}));
}

std::size_t RecordingServer::add_row(const sip::Message& invite) {
    rows_.push_back({.call_id = std::string{invite.call_id()},
                     .from_tag = std::string{invite.from_tag()},
                     .reason = {},
                     .recording = std::nullopt});
    return rows_.size() - 1;
}

void RecordingServer::handle(sip::InviteRefused& action) {
    if (!action.message.to_tag().empty()) return;  // a late re-INVITE: of a call that has its row
    Row& row = rows_[add_row(action.message)];
    row.outcome = "refused";
    row.reason = std::move(action.reason);
}

void RecordingServer::take_invite(sip::RequestArrived& request) {
    auto owned = std::make_unique<Call>();
    Call& call = *owned;
    call.serial = ++last_serial_;
    call.recording = base::make_uuid_v7(world_.now.wall, world_.random);
    call.row = add_row(request.message);
    call.flow = request.flow;
    call.invite = request.transaction;
    siprec::RecordingServerConfig config;
    config.media.usual = address_;
    config.asks_policy = faults_.asks_policy;
    config.session_timer.refresh_always = faults_.refreshes_always;
    call.session = std::make_unique<siprec::RecordingServerSession>(config, call.serial);
    calls_.emplace(call.serial, std::move(owned));
    by_invite_[call.invite.value] = call.serial;
    call.session->on_invite(world_.now, request.transaction, request.flow.remote, request.message);
    run(call);
}

void RecordingServer::handle(sip::CancelArrived& action) {
    Call* call = find(action.invite);
    if (call == nullptr) call = find(action.dialog);
    if (call == nullptr) return;
    call->is_cancelled = action.invite == call->invite;
    call->session->on_cancel(world_.now);
    run(*call);
}

void RecordingServer::handle(sip::AckArrived& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) return;
    call->session->on_ack(world_.now, action.message);
    run(*call);
}

void RecordingServer::handle(sip::NoAck& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) return;
    call->session->on_no_ack(world_.now);
    run(*call);
}

void RecordingServer::handle(sip::ResponseArrived& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) return;
    const int status = action.message.status();
    if (status >= 200 && status < 300 && action.message.cseq_method() == sip::Method::Invite)
        static_cast<void>(agent_.ack(world_.now.steady, action.dialog, {}));
    call->session->on_response(world_.now, action.message, action.retry_after);
    run(*call);
}

void RecordingServer::handle(sip::TransactionTimedOut& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) return;
    call->session->on_request_timed_out(world_.now);
    run(*call);
}

void RecordingServer::handle(sip::TransportFailed& /*action*/) {
    require(false, "no transport fails here");
}

void RecordingServer::handle(sip::DialogEnded& action) {
    Call* call = find(action.dialog);
    by_dialog_.erase(action.dialog.value);
    if (call == nullptr || call->session->is_ended()) return;
    call->session->on_dialog_lost(world_.now, {"dialog_lost", "Ended without a BYE."});
    run(*call);
}

// ---- what a session wants -----------------------------------------------------------------------

void RecordingServer::later(std::uint64_t serial, milliseconds delay,
                            std::function<void(Call&)> work) {
    world_.later(delay, [this, serial, work = std::move(work)] {
        Call* call = find(serial);
        if (call == nullptr) return;
        work(*call);
        run(*call);
        drain();
    });
}

void RecordingServer::run(Call& call) {
    while (auto action = call.session->poll_action()) {
        require(!call.end, "End is the last action");
        std::visit([&](auto& a) { carry_out(call, a); }, *action);
    }
    if (call.wants_row && !call.end) submit_row(call);
    world_.timers.cancel(std::exchange(call.session_timer, 0));
    if (call.end) return finish(call);
    const auto due = call.session->deadline();
    if (!due) return;
    call.session_timer = world_.timers.add(*due, [this, serial = call.serial] {
        Call* late = find(serial);
        if (late == nullptr) return;
        late->session_timer = 0;
        late->session->on_time(world_.now);
        run(*late);
        drain();
    });
}

void RecordingServer::carry_out(Call& call, siprec::Decide& /*action*/) {
    siprec::Ruling ruling;
    const std::uint64_t kind = world_.draws.between(0, 3);
    if (kind == 0) {
        ruling.kind = siprec::Ruling::Kind::Decline;
        ruling.reason = {"declined", "By the scenario."};
    } else if (kind == 1) {
        ruling.kind = siprec::Ruling::Kind::Inactive;
        ruling.release_after = world_.draws.time(0, 3000);
    }
    later(call.serial, world_.draws.time(0, 200), [ruling, this](Call& asked) {
        if (asked.session->is_ended()) return;
        asked.is_declined = ruling.kind == siprec::Ruling::Kind::Decline;
        asked.session->on_decision(world_.now, ruling);
    });
}

void RecordingServer::carry_out(Call& call, siprec::CreateRow& /*action*/) {
    require(!rows_[call.row].recording, "a call has one row");
    call.wants_row = true;
}

void RecordingServer::submit_row(Call& call) {
    call.wants_row = false;
    rows_[call.row].recording = call.recording;
    call_ids_[call.recording] = rows_[call.row].call_id;
    if (world_.draws.chance(faults_.failed_row_percent)) {
        return later(call.serial, kRowPatience, [this](Call& waiting) {
            waiting.session->on_row_failed(world_.now, {"storage_error", "By the scenario."});
        });
    }
    const milliseconds extra = world_.draws.chance(faults_.slow_row_percent)
                                   ? world_.draws.time(100, 1000)
                                   : world_.draws.time(0, 20);
    later(call.serial, kEarliestAnswer + extra, [this](Call& waiting) {
        if (!waiting.session->is_ended()) waiting.session->on_row_durable(world_.now);
    });
}

void RecordingServer::carry_out(Call& call, siprec::OpenStream& action) {
    const std::uint16_t number = action.facts.stream;
    require(call.streams.count(number) == 0, "a stream's number is used once");
    const auto port = capture_.open({.key = {call.recording, number},
                                     .signalling_peer = call.flow.remote,
                                     .format = to_format(action.facts),
                                     .paused = action.facts.paused});
    if (!port) {
        call.session->on_stream_failed(world_.now, number, {"no_ports", "None is left."});
        return;
    }
    call.streams[number] = false;
    call.session->on_stream_opened(world_.now, number, *port,
                                   static_cast<std::uint16_t>(*port + 1));
}

void RecordingServer::carry_out(Call& /*call*/, siprec::MoveStream& /*action*/) {
    require(false, "no client here offers BUNDLE");
}
void RecordingServer::carry_out(Call& call, siprec::UpdateStream& action) {
    capture_.update({call.recording, action.facts.stream}, to_format(action.facts));
}
void RecordingServer::carry_out(Call& call, siprec::PauseStream& action) {
    world_.trace("server: pause");
    capture_.pause({call.recording, action.stream});
}
void RecordingServer::carry_out(Call& call, siprec::ResumeStream& action) {
    world_.trace("server: resume");
    capture_.resume({call.recording, action.stream});
}
void RecordingServer::carry_out(Call& call, siprec::CloseStream& action) {
    const auto stream = call.streams.find(action.stream);
    require(stream != call.streams.end() && !stream->second, "what is open is closed once");
    stream->second = true;
    capture_.close({call.recording, action.stream});
}

void RecordingServer::carry_out(Call& call, siprec::Respond& action) {
    const auto dialog = agent_.respond(world_.now.steady, action.transaction, action.response);
    if (!dialog || !*dialog || call.dialog) return;
    call.dialog = *dialog;
    by_dialog_[call.dialog.value] = call.serial;
}

void RecordingServer::carry_out(Call& call, siprec::SendRequest& action) {
    if (!call.dialog) return;
    if (!agent_.send_request(world_.now.steady, call.dialog, action.request))
        call.session->on_request_not_sent(world_.now);
}

void RecordingServer::carry_out(Call& /*call*/, siprec::Event& action) {
    world_.trace("server: " + action.json);
}

void RecordingServer::finish(Call& call) {
    const siprec::End end = std::move(*std::exchange(call.end, std::nullopt));
    Row& row = rows_[call.row];
    require(row.outcome == "recording", "a call has one end");
    row.outcome = end.accepted        ? "recorded"
                  : call.is_declined  ? "declined"
                  : call.is_cancelled ? "cancelled"
                                      : "refused";
    row.reason = end.reason;
    for (const auto& [number, is_closed] : call.streams)
        require(is_closed, "what was opened is closed at the end");
    by_invite_.erase(call.invite.value);
    // Its dialog lives a moment longer, to answer the BYE.
    world_.later(kLinger,
                 [this, serial = call.serial, dialog = call.dialog, recording = row.recording] {
                     calls_.erase(serial);
                     by_dialog_.erase(dialog.value);
                     if (recording) capture_.close_recording(*recording);
                 });
}

}  // namespace earshot::simulation
