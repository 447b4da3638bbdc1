// Signalling, continued: recordings that the server begins (RFC 7866 section 6.2).
#include <fmt/format.h>

#include "base/text.h"
#include "base/uuid.h"
#include "server/signalling.h"
#include "server/start_target.h"
#include "sip/dialog.h"

namespace earshot::server {

using base::Reason;

namespace {

constexpr std::size_t kTagBytes = 8;

// Who has to be there by TLS: the handshake sees to it that nobody else is (RFC 5922 section 7.3).
io::TlsPeer expected_peer(const sip::Flow& flow, std::string_view host) {
    io::TlsPeer peer;
    if (flow.transport != sip::Transport::Tls || host.empty()) return peer;
    peer.is_verified = true;
    peer.domains.push_back(base::to_lower(host));
    return peer;
}

std::string itself(const base::NetAddress& address) {
    return base::to_string(address) + " is this server itself, which is no recording client.";
}

}  // namespace

void Signalling::start(api::StartRequest request, StartDone done) {
    d_.loop.post([this, request = std::move(request), done = std::move(done)] {
        done(begin(request));
        drain();
    });
}

base::Result<api::Started, Reason> Signalling::begin(const api::StartRequest& request) {
    const base::Now now = d_.clock.now();
    const auto target = read_target(request.at);
    if (!target) return target.error();
    if (auto refusal = find_refusal(*target)) return *std::move(refusal);
    if (!request.call.empty() && !is_call_reference(request.call))
        return Reason{"bad_request", "Not a Call-ID: " + request.call};
    // Of a name the flow is known when the DNS has been asked: retarget().
    const sip::Flow flow =
        target->address ? flow_to(*target->address, target->transport) : sip::Flow{};
    const base::NetAddress own = addresses_.signalling(flow.listener);
    Call& call = make_call(now, flow);
    call.is_ours = true;
    call.is_acknowledged = true;  // by us: it is no INVITE that waits for its ACK
    hosts_.on_acknowledged(flow.remote);
    call.attempt = {.id = base::to_string(base::make_uuid_v7(now.wall, d_.random)),
                    .recording_id = std::nullopt,
                    .time = now.wall,
                    .call_id = base::to_string(call.recording) + "@" + base::host_to_string(own),
                    .from = fmt::format("<sip:earshot@{}>", base::to_string(own)),
                    .to = "<" + request.at + ">",
                    .peer = target->address ? base::to_string(flow.remote)
                                            : fmt::format("{}:{}", target->host, target->port),
                    .transport = base::to_lower(sip::via_name(flow.transport)),
                    .outcome = "asked",
                    .sip_status = 0,
                    .reason = std::nullopt,
                    .headers = {},
                    .is_ours = true};
    api::Started started{.recording = base::to_string(call.recording), .attempt = call.attempt.id};
    // While the client thinks the row says so; what it says to that is the same row.
    static_cast<void>(
        d_.catalogue.submit({.recordings = {}, .attempts = {call.attempt}}, [](const auto&) {}));
    d_.log.info("an operator starts a recording", {{"recording", started.recording},
                                                   {"at", request.at},
                                                   {"who", request.who},
                                                   {"access", request.access},
                                                   {"from", request.from}});
    call.session->start(now, {.by = {.who = request.who,
                                     .access = request.access,
                                     .from = request.from,
                                     .reason = request.reason},
                              .from = call.attempt.from,
                              .to = call.attempt.to,
                              .call = request.call,
                              .peer = flow.remote});
    run_session(call);
    return started;
}

// Why nothing is begun at all: what cannot be asked, or for want of room.
std::optional<Reason> Signalling::find_refusal(const StartTarget& target) const {
    std::optional<Refusal> refusal;
    if (target.address) {
        const sip::Flow flow = flow_to(*target.address, target.transport);
        if (!find_listener(flow))
            return Reason{"bad_request",
                          "No listener of this server (sip.listen) is of the transport "
                          "and IP family of " +
                              target.host};
        if (addresses_.is_own(*target.address))
            return Reason{"bad_request", itself(*target.address)};
        // Whom we would not let in, we do not ask to come either: its media would be a stranger's.
        const io::TlsPeer expected = expected_peer(flow, target.host);
        refusal = check_peer(config_, *target.address, &expected);
        if (!refusal)
            refusal =
                check_transport(find_peer(config_, *target.address, {}, &expected), flow.transport);
        if (!refusal) refusal = check_share(config_, *target.address, hosts_.of(*target.address));
    }
    if (!refusal) refusal = check_room(config_, load());
    return refusal ? std::optional(refusal->reason) : std::nullopt;
}

std::optional<std::uint16_t> Signalling::find_listener(const sip::Flow& flow) const {
    for (std::uint16_t i = 0; i < d_.loop.listener_count(); ++i)
        if (d_.loop.transport(i) == flow.transport &&
            d_.loop.local_address(i).is_v4() == flow.remote.is_v4())
            return i;
    return std::nullopt;
}

sip::Flow Signalling::flow_to(const base::NetAddress& address,
                              std::optional<sip::Transport> transport) const {
    sip::Flow flow{.transport = transport.value_or(sip::Transport::Udp),
                   .listener = 0,
                   .connection = 0,
                   .remote = address};
    flow.listener = find_listener(flow).value_or(0);
    return flow;
}

void Signalling::carry_out(Call& call, siprec::SendInvite& action) {
    call.our_invite = std::make_unique<OurInvite>(
        call.attempt.to.substr(1, call.attempt.to.size() - 2), call.attempt.from,
        d_.random.token(kTagBytes), call.attempt.call_id, std::move(action.headers));
    send_our_invite(call);
}

void Signalling::send_our_invite(Call& call) {
    by_invite_.erase(call.invite.value);
    const auto sent = agent_->start_request(d_.clock.now().steady, call.our_invite->request());
    if (!sent) return call.session->on_request_not_sent(d_.clock.now());
    call.invite = *sent;
    by_invite_[call.invite.value] = call.serial;
}

// Why an INVITE of ours does not go to one of the places that its URI leads to.
std::optional<Reason> Signalling::why_not_ask(const Call& call, const sip::Target& target) const {
    if (addresses_.is_own(target.address)) return Reason{"own_address", itself(target.address)};
    const sip::Flow to{.transport = target.transport, .remote = target.address};
    const io::TlsPeer expected = expected_peer(to, sip::host_of_uri(call.our_invite->uri()));
    auto refusal = check_peer(config_, target.address, &expected);
    if (!refusal)
        refusal = check_transport(find_peer(config_, target.address, {}, &expected), to.transport);
    if (!refusal && !target.address.same_host(call.flow.remote))
        refusal = check_share(config_, target.address, hosts_.of(target.address));
    if (refusal) return refusal->reason;
    return find_certain_decline(call, flow_to(target.address, target.transport));
}

// Leaves of the places that the URI of our INVITE leads to those that may be asked. Where that is
// none, the attempt ends with the reason of the first.
void Signalling::keep_admitted(Call& call, std::vector<sip::Target>& targets) {
    std::optional<Reason> first;
    std::erase_if(targets, [&](const sip::Target& target) {
        auto why = why_not_ask(call, target);
        if (why && !first) first = why;
        return why.has_value();
    });
    if (!targets.empty() || !first) return;
    call.is_declined = first->code == kDeclinedByRule;
    if (call.our_invite->is_redirected() && !call.is_declined)
        first = Reason{"redirected",
                       fmt::format("The client wants to be asked at {}, which is not "
                                   "done: {}",
                                   base::to_valid_utf8(call.our_invite->uri()), first->text)};
    call.session->on_dialog_lost(d_.clock.now(), *std::move(first));
    run_session(call);
}

Reason Signalling::why_not_sent(const Call& call, sip::TransportFailed::Lookup lookup) {
    using Lookup = sip::TransportFailed::Lookup;
    if (call.our_invite == nullptr || lookup == Lookup::Fine) return {};
    const std::string uri = base::to_valid_utf8(call.our_invite->uri());
    if (lookup == Lookup::TimedOut)
        return {"not_located", fmt::format("The DNS did not say in time where {} is.", uri)};
    return {"not_located",
            fmt::format("The DNS knows no address for {} that this server reaches by "
                        "UDP or TCP from its listeners.",
                        uri)};
}

// Our INVITE goes to `flow` now: what counts for its client is what is configured there.
void Signalling::retarget(Call& call, const sip::Flow& flow) {
    call.attempt.sip_status = 0;  // of the client before
    if (call.flow.remote == flow.remote && call.flow.transport == flow.transport) return;
    hosts_.on_end(call.flow.remote, true);
    hosts_.on_call(flow.remote);
    hosts_.on_acknowledged(flow.remote);
    call.flow = flow;
    call.certificate = expected_peer(flow, sip::host_of_uri(call.our_invite->uri()));
    call.attempt.peer = base::to_string(flow.remote);
    call.attempt.transport = base::to_lower(sip::via_name(flow.transport));
    call.session->retarget(flow.remote, configure(call));
}

void Signalling::carry_out(Call& call, siprec::CancelInvite& /*action*/) {
    static_cast<void>(agent_->cancel(d_.clock.now().steady, call.invite));
}

void Signalling::carry_out(Call& call, siprec::Acknowledge& action) {
    call.our_invite.reset();
    static_cast<void>(agent_->ack(d_.clock.now().steady, call.dialog, action.request));
    connect_messages(call);
}

// The client may challenge what we send it in the dialog, whoever began that.
void Signalling::authenticate(const Call& call) {
    const Peer* peer = find_peer_of(call);
    if (peer == nullptr) return;
    agent_->authenticate_as(call.dialog, peer->ours, call.flow.remote,
                            call.our_invite != nullptr ? call.our_invite->credentials()
                                                       : std::vector<sip::ExtraHeader>{});
}

// A refusal that says where or how else to ask.
bool Signalling::ask_again(Call& call, sip::ResponseArrived& response) {
    if (call.our_invite == nullptr) return false;
    constexpr std::size_t kCnonceBytes = 12;
    store_received(call, response.flow, response.message);
    const Peer* peer = find_peer_of(call);
    const auto next = call.our_invite->on_refused(response.message, call.flow,
                                                  peer != nullptr ? peer->ours : sip::Credentials{},
                                                  d_.random.token(kCnonceBytes));
    if (next)
        send_our_invite(call);
    else
        call.session->on_dialog_lost(d_.clock.now(), next.error());
    run_session(call);
    return true;
}

// The final answer to an INVITE of ours. A 2xx that nobody waits for any more, because the INVITE
// was cancelled meanwhile or another branch of a forking proxy was faster, makes a dialog that is
// ended at once (RFC 3261 section 13.2.2.4).
bool Signalling::take_start_response(Call* call, sip::ResponseArrived& response) {
    const base::TimePoint now = d_.clock.now().steady;
    const int status = response.message.status();
    if (response.message.cseq_method() != sip::Method::Invite || status < 200) return false;
    const bool is_ok = status < 300;
    const bool is_waiting = call != nullptr && !call->session->is_ended();
    if (is_waiting && (call->dialog == response.dialog || !call->dialog)) {
        if (call->dialog) return false;  // a re-INVITE's
        call->attempt.sip_status = static_cast<std::uint16_t>(status);
        if (!is_ok) return OurInvite::can_go_on(status) && ask_again(*call, response);
        if (!response.dialog) {  // its addresses are too long, or it forked too often
            call->session->on_dialog_lost(
                d_.clock.now(),
                {"bad_answer", "The client's 2xx makes no dialog that can be kept."});
            run_session(*call);
            return true;
        }
        call->dialog = response.dialog;
        authenticate(*call);
        by_dialog_[call->dialog.value] = call->serial;
        note_client(*call, response.message);
        return false;
    }
    if (!is_ok || !response.dialog) return false;
    static_cast<void>(agent_->ack(now, response.dialog, {}));
    // Its BYE may be challenged as any other.
    if (const Peer* peer = find_peer(config_, response.flow.remote))
        agent_->authenticate_as(response.dialog, peer->ours, response.flow.remote);
    static_cast<void>(agent_->send_request(now, response.dialog, {.method = "BYE"}));
    return true;
}

}  // namespace earshot::server
