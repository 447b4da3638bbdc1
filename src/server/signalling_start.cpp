// Signalling, continued: recordings that the server begins (RFC 7866 section 6.2).
#include <fmt/format.h>

#include "base/text.h"
#include "base/uuid.h"
#include "server/signalling.h"
#include "server/start_target.h"

namespace earshot::server {

using base::Reason;

void Signalling::start(api::StartRequest request, StartDone done) {
    d_.loop.post([this, request = std::move(request), done = std::move(done)] {
        done(begin(request));
        drain();
    });
}

base::Result<api::Started, Reason> Signalling::begin(const api::StartRequest& request) {
    const base::Now now = d_.clock.now();
    auto flow = find_flow(request.at);
    if (!flow) return flow.error();
    const auto listener = find_listener(*flow);
    if (!listener)
        return Reason{"bad_request",
                      "No listener of this server (sip.listen) is of the transport "
                      "and IP family of " +
                          request.at};
    flow->listener = *listener;
    // Whom we would not let in, we do not ask to come either: its media would be a stranger's.
    auto refusal = check_peer(config_, flow->remote);
    if (!refusal) refusal = check_room(config_, load());
    if (!refusal) refusal = check_share(config_, flow->remote, hosts_.of(flow->remote));
    if (refusal) return refusal->reason;
    if (!request.call.empty() && !is_call_reference(request.call))
        return Reason{"bad_request", "Not a Call-ID: " + request.call};

    const base::NetAddress own = addresses_.signalling(flow->listener);
    Call& call = make_call(now, *flow);
    call.is_ours = true;
    call.is_acknowledged = true;  // by us: it is no INVITE that waits for its ACK
    hosts_.on_acknowledged(flow->remote);
    call.attempt = {.id = base::to_string(base::make_uuid_v7(now.wall, d_.random)),
                    .recording_id = std::nullopt,
                    .time = now.wall,
                    .call_id = base::to_string(call.recording) + "@" + base::host_to_string(own),
                    .from = fmt::format("<sip:earshot@{}>", base::to_string(own)),
                    .to = "<" + request.at + ">",
                    .peer = base::to_string(flow->remote),
                    .transport = base::to_lower(sip::via_name(flow->transport)),
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
                              .peer = flow->remote});
    run_session(call);
    return started;
}

std::optional<std::uint16_t> Signalling::find_listener(const sip::Flow& flow) const {
    for (std::uint16_t i = 0; i < d_.loop.listener_count(); ++i)
        if (d_.loop.transport(i) == flow.transport &&
            d_.loop.local_address(i).is_v4() == flow.remote.is_v4())
            return i;
    return std::nullopt;
}

void Signalling::carry_out(Call& call, siprec::SendInvite& action) {
    const base::TimePoint now = d_.clock.now().steady;
    const std::string uri = call.attempt.to.substr(1, call.attempt.to.size() - 2);
    const auto sent = agent_->start_request(now, {.method = "INVITE",
                                                  .request_uri = uri,
                                                  .from = call.attempt.from,
                                                  .to = call.attempt.to,
                                                  .call_id = call.attempt.call_id,
                                                  .flow = call.flow,
                                                  .headers = std::move(action.headers)});
    if (!sent) return call.session->on_request_not_sent(d_.clock.now());
    call.invite = *sent;
    by_invite_[call.invite.value] = call.serial;
}

void Signalling::carry_out(Call& call, siprec::CancelInvite& /*action*/) {
    static_cast<void>(agent_->cancel(d_.clock.now().steady, call.invite));
}

void Signalling::carry_out(Call& call, siprec::Acknowledge& action) {
    static_cast<void>(agent_->ack(d_.clock.now().steady, call.dialog, action.request));
}

// The final answer to an INVITE of ours. A 2xx that nobody waits for any more, because the INVITE
// was cancelled meanwhile or another branch of a forking proxy was faster, makes a dialog that is
// ended at once (RFC 3261 section 13.2.2.4).
bool Signalling::take_start_response(Call* call, const sip::ResponseArrived& response) {
    const base::TimePoint now = d_.clock.now().steady;
    const int status = response.message.status();
    if (response.message.cseq_method() != sip::Method::Invite || status < 200) return false;
    const bool is_ok = status < 300;
    const bool is_waiting = call != nullptr && !call->session->is_ended();
    if (is_waiting && (call->dialog == response.dialog || !call->dialog)) {
        if (call->dialog) return false;  // a re-INVITE's
        call->attempt.sip_status = static_cast<std::uint16_t>(status);
        if (!is_ok) return false;
        if (!response.dialog) {  // its addresses are too long, or it forked too often
            call->session->on_dialog_lost(
                d_.clock.now(),
                {"bad_answer", "The client's 2xx makes no dialog that can be kept."});
            run_session(*call);
            return true;
        }
        call->dialog = response.dialog;
        by_dialog_[call->dialog.value] = call->serial;
        note_client(*call, response.message);
        return false;
    }
    if (!is_ok || !response.dialog) return false;
    static_cast<void>(agent_->ack(now, response.dialog, {}));
    static_cast<void>(agent_->send_request(now, response.dialog, {.method = "BYE"}));
    return true;
}

}  // namespace earshot::server
