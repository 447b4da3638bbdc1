#include "server/signalling.h"

#include <fmt/format.h>

#include "archive/summary.h"
#include "base/text.h"
#include "server/attempt_record.h"
#include "server/reload.h"
#include "sip/dialog.h"
#include "sip/parser.h"
#include "sip/redact.h"
#include "siprec/server_answers.h"
#include "srtp/dtls_identity.h"
#include "stun/ice_lite.h"

namespace earshot::server {

namespace {

constexpr std::chrono::seconds kStopPatience{3};
// Deadlines wait for the next multiple of 5 ms and so are met together: each ring of the timer
// costs three system calls, and a call has five deadlines. None has to be more punctual.
using TimerTick = std::chrono::duration<std::int64_t, std::ratio<5, 1000>>;

std::vector<base::NetAddress> listen_addresses(const transport::SipLoop& loop) {
    std::vector<base::NetAddress> addresses;
    for (std::uint16_t i = 0; i < loop.listener_count(); ++i)
        addresses.push_back(loop.local_address(i));
    return addresses;
}

}  // namespace

Signalling::Signalling(ServerConfig config, Dependencies dependencies)
    : config_(std::move(config)),
      certificates_(dependencies.log),
      d_(std::move(dependencies)),
      addresses_(config_.advertised, listen_addresses(d_.loop)),
      authentication_(d_.random),
      clients_(d_.clock.now().wall) {
    sip::AgentConfig agent;
    agent.contact_parameters = ";+sip.srs";  // RFC 7866 §6.2
    for (std::uint16_t i = 0; i < d_.loop.listener_count(); ++i) {
        const auto transport = d_.loop.transport(i);
        base::NetAddress named_address = addresses_.signalling(i);
        // The advertised port is that of UDP and TCP.
        if (transport == sip::Transport::Tls) named_address.port = d_.loop.local_address(i).port;
        const std::string named = base::to_string(named_address);
        agent.listeners.push_back(
            {.transport = transport,
             .sent_by = named,
             .contact = fmt::format("sip:{}{}", named, sip::transport_parameter(transport)),
             .ipv6 = !d_.loop.local_address(i).is_v4()});
    }
    agent_ = std::make_unique<sip::Agent>(std::move(agent), d_.random);
    certificates_.set(d_.tls);
    d_.view.is_ready = true;
    every_second();
    rearm();
}

Signalling::~Signalling() = default;

void Signalling::reload(base::Result<ServerConfig, base::Reason> config) {
    if (!config) return refuse_reload(config.error().text);
    const std::string waiting = keep_until_restart(*config, config_);
    // The file may name a loopback listener, or none, while another one still runs.
    if (const base::NetAddress* open = find_open_listener(*config))
        return refuse_reload(fmt::format(
            "it names no [[peer]], and with {}, where we listen until a restart, anyone could send "
            "calls",
            base::to_string(*open)));
    if (d_.tls != nullptr) {
        auto tls = io::TlsContext::load(config->tls);
        if (!tls) return refuse_reload(tls.error().text);
        certificates_.set(*tls);
        if (d_.messages != nullptr && d_.messages->has_tls()) d_.messages->set_tls(*tls);
        d_.loop.set_tls(*std::move(tls));
    }
    config_ = *std::move(config);
    reload_fault_.clear();
    if (waiting.empty()) return d_.log.info("configuration reloaded");
    reload_fault_ =
        fmt::format("Keys that the reload found changed wait for a restart: {}.", waiting);
    d_.log.warning("configuration reloaded; some of its keys wait for a restart",
                   {{"keys", waiting}});
}

void Signalling::refuse_reload(const std::string& why) {
    reload_fault_ = fmt::format("The configuration was not reloaded at {}, the old one stays: {}",
                                base::to_rfc3339(d_.clock.now().wall), why);
    d_.log.error("configuration not reloaded: the old one stays", {{"reason", why}});
}

// ---- from the network ---------------------------------------------------------------------------

void Signalling::on_bytes(const sip::Flow& flow, base::Bytes&& bytes) {
    const base::Now now = d_.clock.now();
    sip::ParsedMessage parsed = sip::parse_message(std::move(bytes));
    switch (parsed.verdict) {
        case sip::Verdict::Good:
            if (parsed.message.is_request())
                if (const auto alias = sip::alias_of(flow, parsed.message.top_via()))
                    d_.loop.add_alias(flow, *alias);
            agent_->on_message(now.steady, flow, std::move(parsed.message));
            break;
        case sip::Verdict::Refuse:
            if (refusal_log_.take())
                d_.log.warning("a SIP message was refused",
                               {{"peer", base::to_string(flow.remote)},
                                {"status", std::to_string(parsed.status)},
                                {"reason", std::string(parsed.reason)}});
            agent_->reject_malformed(flow, parsed.message, parsed.status, parsed.reason);
            if (parsed.message.method() == sip::Method::Invite)
                tell_refused(flow, parsed.message, parsed.status,
                             {"malformed", std::string(parsed.reason)});
            break;
        case sip::Verdict::Drop:
            ++dropped_messages_;
            break;
    }
    drain();
}

void Signalling::on_broken_stream(const sip::Flow& flow, const sip::StreamEvent& event) {
    if (refusal_log_.take())
        d_.log.warning(
            "a TCP connection is closed: its bytes cannot be followed",
            {{"peer", base::to_string(flow.remote)}, {"reason", std::string(event.reason)}});
    agent_->reject_broken_stream(flow, event);
    drain();
}

void Signalling::on_flow_closed(const sip::Flow& flow) {
    agent_->on_flow_closed(d_.clock.now().steady, flow);
    drain();
}

void Signalling::on_send_failed(sip::TransactionId transaction) {
    agent_->on_send_failed(d_.clock.now().steady, transaction);
    drain();
}

void Signalling::on_deadline() {
    const base::TimePoint now = d_.clock.now().steady;
    agent_->on_time(now);
    timers_.on_time(now);
    drain();
}

// One visit takes all that came until then, so one is enough.
void Signalling::wake() {
    if (wake_is_posted_.exchange(true)) return;
    d_.loop.post([this] {
        wake_is_posted_ = false;
        take_row_answers();
        on_notifications();
        drain();
    });
}

void Signalling::drain() {
    while (auto action = agent_->poll_action()) std::visit([this](auto& a) { handle(a); }, *action);
    rearm();
}

void Signalling::rearm() {
    std::optional<base::TimePoint> next = agent_->deadline();
    const auto timer = timers_.deadline();
    if (!next || (timer && *timer < *next)) next = timer;
    if (next) next = std::chrono::ceil<TimerTick>(*next);
    d_.loop.set_deadline(next);
}

// ---- what the agent says ------------------------------------------------------------------------

Call* Signalling::find(std::uint64_t serial) {
    const auto found = calls_.find(serial);
    return found == calls_.end() ? nullptr : found->second.get();
}
Call* Signalling::find(sip::DialogId dialog) {
    if (!dialog) return nullptr;
    const auto found = by_dialog_.find(dialog.value);
    return found == by_dialog_.end() ? nullptr : find(found->second);
}
Call* Signalling::find(sip::TransactionId transaction) {
    const auto found = by_invite_.find(transaction.value);
    return found == by_invite_.end() ? nullptr : find(found->second);
}

void Signalling::handle(sip::SendBytes& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) call = find(action.transaction);
    if (!action.is_retransmission) {
        if (call != nullptr && call->our_invite != nullptr && !call->dialog)
            retarget(*call, action.flow);
        if (call != nullptr) store_sip(*call, true, action.flow, base::as_bytes(*action.bytes));
    }
    const std::string tls_name = tls_name_of(call, action);
    d_.loop.send(action.flow, std::move(action.bytes), action.transaction, tls_name);
}

// A client's Contact is often a bare address, which its certificate does not bear: whoever shows
// the same name as before is the same.
std::string Signalling::tls_name_of(const Call* call, sip::SendBytes& action) {
    if (call == nullptr || call->certificate.domains.empty() || action.tls_name.empty() ||
        !base::parse_host(action.tls_name, 0))
        return std::move(action.tls_name);
    return call->certificate.domains.front();
}

void Signalling::handle(sip::RequestArrived& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) return answer_outside_dialog(action);
    store_received(*call, action.flow, action.message);
    const sip::Method method = action.message.method();
    if (method == sip::Method::Invite || method == sip::Method::Update)
        look_for_join_keys(*call, action.message);
    call->session->on_request(d_.clock.now(), action.transaction, action.message);
    run_session(*call);
}

void Signalling::answer_outside_dialog(sip::RequestArrived& request) {
    const base::TimePoint now = d_.clock.now().steady;
    if (request.message.method() == sip::Method::Invite && !request.dialog)
        return take_invite(request);
    if (request.dialog) {  // its session has ended; only its BYE is still under way
        static_cast<void>(agent_->respond(now, request.transaction, siprec::plain_answer(481)));
        return;
    }
    if (const auto refused = siprec::find_refusal_outside_dialog(request.message)) {
        static_cast<void>(agent_->respond(now, request.transaction, *refused));
        return;
    }
    // RFC 3261 §11.2: OPTIONS is answered as an INVITE would be; dispatchers probe with it (design:
    // scale).
    const auto refusal = authentication_.check(now, config_, request.flow,
                                               d_.loop.peer(request.flow), request.message);
    const auto full = refusal ? refusal : check_room(config_, load());
    sip::ResponseSpec answer{.status = full ? full->status : 200,
                             .headers = {{"Allow", std::string(siprec::kAllow)},
                                         {"Accept", std::string(siprec::kAccept)},
                                         {"Supported", "100rel, timer"}}};
    if (full)
        answer.headers.insert(answer.headers.end(), full->headers.begin(), full->headers.end());
    if (full && full->retry_after_seconds > 0)
        answer.headers.push_back({"Retry-After", std::to_string(full->retry_after_seconds)});
    static_cast<void>(agent_->respond(now, request.transaction, answer));
}

void Signalling::take_invite(sip::RequestArrived& request) {
    const base::Now now = d_.clock.now();
    std::string username;
    auto refusal = authentication_.check(now.steady, config_, request.flow,
                                         d_.loop.peer(request.flow), request.message, &username);
    if (!refusal) refusal = check_room(config_, load());
    if (!refusal)
        refusal = check_share(config_, request.flow.remote, hosts_.of(request.flow.remote));
    if (refusal) return refuse(request, *refusal);

    Call& call = make_call(now, request.flow, std::move(username));
    // The answer to a challenge is no attempt of its own.
    if (auto row = challenges_.take(now.steady, request.flow.remote, request.message))
        call.attempt.id = *std::move(row);
    call.invite = request.transaction;
    note_client(call, request.message);
    by_invite_[call.invite.value] = call.serial;

    store_received(call, request.flow, request.message);
    look_for_join_keys(call, request.message);
    call.session->on_invite(now, request.transaction, request.flow.remote, request.message);
    run_session(call);
    live_is_dirty_ = true;
}

Call& Signalling::make_call(base::Now now, const sip::Flow& flow, std::string username) {
    auto owned = std::make_unique<Call>();
    Call& call = *owned;
    call.serial = ++last_serial_;
    call.recording = base::make_uuid_v7(now.wall, d_.random);
    call.arrived = now;
    call.heard_at = now.steady;
    call.flow = flow;
    call.username = std::move(username);
    if (const io::TlsPeer* peer = d_.loop.peer(flow)) call.certificate = *peer;
    call.session = std::make_unique<siprec::RecordingServerSession>(configure(call), call.serial);
    calls_.emplace(call.serial, std::move(owned));
    hosts_.on_call(call.flow.remote);
    by_recording_[call.recording] = call.serial;
    return call;
}

namespace {

base::SrtpMasterKey draw_srtp_key(base::SrtpSuite suite) {
    base::SystemRandom random;
    return base::SrtpMasterKey::generate(suite, random);
}

siprec::IceCredentials draw_ice_credentials() {
    base::SystemRandom random;
    stun::IceCredentials drawn = stun::make_ice_credentials(random);
    return {.ufrag = std::move(drawn.ufrag), .password = std::move(drawn.password)};
}

}  // namespace

const Peer* Signalling::find_peer_of(const Call& call) const {
    return find_peer(config_, call.flow.remote, call.username, &call.certificate);
}

// Takes what is configured for the client at the call's flow, and says what its session needs.
siprec::RecordingServerConfig Signalling::configure(Call& call) const {
    siprec::RecordingServerConfig session{.media = addresses_.media(call.flow),
                                          .session_timer = config_.session_timer,
                                          .strict = config_.strict,
                                          .profile_records_unmarked = false,
                                          .asks_policy = asks_policy(),
                                          .srtp_keys = &draw_srtp_key,
                                          .dtls = {}};
    if (d_.dtls != nullptr)
        session.dtls = {.fingerprint = &d_.dtls->fingerprint(), .new_ice = &draw_ice_credentials};
    // Without the listener they are refused one by one, so that each tells why.
    const bool lacks_listener = d_.messages == nullptr && !d_.messages_fault.empty();
    if (d_.messages != nullptr || lacks_listener)
        session.messages = {.takes_plain = true,
                            .takes_tls = lacks_listener || d_.messages->has_tls()};
    const Peer* peer = find_peer_of(call);
    call.join_group = base::host_to_string(call.flow.remote);
    call.media_from.clear();
    call.probe_media = false;
    call.keeps_digits = config_.store_digits;
    if (peer != nullptr) {
        call.join_group = peer->join_group.empty() ? peer->name : peer->join_group;
        session.strict = peer->strict.value_or(config_.strict);
        session.profile_records_unmarked = peer->records_unmarked;
        call.media_from = peer->media_from;
        call.probe_media = peer->probe_media;
        call.keeps_digits = peer->store_digits.value_or(config_.store_digits);
        session.second_video = peer->second_video;
    }
    session.keeps_digits = call.keeps_digits;
    return session;
}

// For `earshot doctor`: who it is by its INVITE, or by its 2xx to ours.
void Signalling::note_client(Call& call, const sip::Message& message) {
    const Peer* peer = find_peer_of(call);
    const auto product =
        message.find(message.is_request() ? sip::HeaderId::UserAgent : sip::HeaderId::Server);
    call.client =
        clients_.on_call(peer != nullptr ? peer->name : base::host_to_string(call.flow.remote),
                         product.value_or(""), d_.clock.now().wall);
    clients_are_dirty_ = true;
}

// Refused before a session looks at it: a row tells who came and why not (design section 4).
void Signalling::refuse(const sip::RequestArrived& request, const Refusal& refusal) {
    const base::Now now = d_.clock.now();
    sip::ResponseSpec answer{.status = refusal.status, .headers = refusal.headers};
    if (refusal.retry_after_seconds > 0)
        answer.headers.push_back({"Retry-After", std::to_string(refusal.retry_after_seconds)});
    answer.headers.push_back({"Warning", fmt::format("399 earshot \"{}\"", refusal.reason.text)});
    // In a flood an INVITE has no row of its own, and no transaction that would send the answer
    // again and again for 32 s.
    if (attempts_.is_merging(now.steady))
        agent_->respond_and_forget(now.steady, request.transaction, answer);
    else
        static_cast<void>(agent_->respond(now.steady, request.transaction, answer));
    // A challenge is the usual beginning of a call by digest.
    const bool is_challenge = refusal.reason.code == kChallenged;
    const auto level = is_challenge ? base::LogLevel::Debug : base::LogLevel::Warning;
    if (d_.log.writes(level) && refusal_log_.take())
        d_.log.write(level, is_challenge ? "an INVITE was challenged" : "an INVITE was refused",
                     {{"peer", base::to_string(request.flow.remote)},
                      {"status", std::to_string(refusal.status)},
                      {"reason", refusal.reason.text}});
    tell_refused(request.flow, request.message, refusal.status, refusal.reason,
                 is_challenge ? kChallenged : kRefused);
}

void Signalling::handle(sip::InviteRefused& action) {
    tell_refused(action.flow, action.message, action.status, std::move(action.reason));
}

void Signalling::tell_refused(const sip::Flow& flow, const sip::Message& invite, int status,
                              base::Reason reason, std::string_view outcome) {
    const base::Now now = d_.clock.now();
    const bool has_own_row = !attempts_.is_merging(now.steady);
    const bool is_challenge = outcome == kChallenged;
    // Of a challenge that is repeated in a flood nothing is new: the row waits on as it is.
    std::optional<std::string> row;
    if (has_own_row || !is_challenge) row = challenges_.take(now.steady, flow.remote, invite);
    const auto kind = row ? AttemptLedger::Row::Written : AttemptLedger::Row::New;
    if (!row) row = base::to_string(base::make_uuid_v7(now.wall, d_.random));
    if (is_challenge && has_own_row) challenges_.add(now.steady, flow.remote, invite, *row);
    const auto field = [&](sip::HeaderId id) {
        return base::to_valid_utf8(invite.find(id).value_or(""));
    };
    attempts_.add_refused(now.steady,
                          {.id = *std::move(row),
                           .recording_id = std::nullopt,
                           .time = now.wall,
                           .call_id = base::to_valid_utf8(invite.call_id()),
                           .from = field(sip::HeaderId::From),
                           .to = field(sip::HeaderId::To),
                           .peer = base::to_string(flow.remote),
                           .transport = base::to_lower(sip::via_name(flow.transport)),
                           .outcome = std::string(outcome),
                           .sip_status = static_cast<std::uint16_t>(status),
                           .reason = std::move(reason),
                           .headers = {}},
                          kind);
    write_attempts();
}

void Signalling::handle(sip::CancelArrived& action) {
    Call* call = find(action.invite);
    if (call == nullptr) call = find(action.dialog);
    if (call == nullptr) return;
    store_received(*call, call->flow, action.message);
    if (action.invite == call->invite) call->attempt.sip_status = 487;  // not of a re-INVITE
    call->session->on_cancel(d_.clock.now());
    run_session(*call);
}

void Signalling::handle(sip::AckArrived& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) return;
    // One that has ended was taken out of its host's load already.
    if (!call->session->is_ended() && !std::exchange(call->is_acknowledged, true))
        hosts_.on_acknowledged(call->flow.remote);
    store_received(*call, action.flow, action.message);
    call->session->on_ack(d_.clock.now(), action.message);
    run_session(*call);
}

void Signalling::handle(sip::NoAck& action) {
    if (Call* call = find(action.dialog)) {
        call->session->on_no_ack(d_.clock.now());
        run_session(*call);
    }
}

void Signalling::handle(sip::ResponseArrived& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) call = find(action.transaction);
    const bool is_established = call != nullptr && call->session->is_established();
    if (take_start_response(call, action) || call == nullptr) return;
    store_received(*call, action.flow, action.message);
    const bool is_ok = action.message.status() >= 200 && action.message.status() < 300;
    if (is_ok && is_established && action.message.cseq_method() == sip::Method::Invite)
        static_cast<void>(agent_->ack(d_.clock.now().steady, action.dialog, {}));
    call->session->on_response(d_.clock.now(), action.message, action.retry_after);
    run_session(*call);
}

void Signalling::handle(sip::TransactionTimedOut& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) call = find(action.transaction);
    if (call != nullptr) {
        call->session->on_request_timed_out(d_.clock.now());
        run_session(*call);
    }
}

void Signalling::handle(sip::TransportFailed& action) {
    Call* call = find(action.dialog);
    if (call == nullptr) call = find(action.transaction);
    if (call != nullptr) {
        call->session->on_request_not_sent(d_.clock.now(), why_not_sent(*call, action.lookup));
        run_session(*call);
    }
}

void Signalling::handle(sip::LocateTarget& action) {
    d_.loop.locate(action.uri, d_.random,
                   [this, transaction = action.transaction](std::vector<sip::Target> targets) {
                       Call* call = find(transaction);
                       if (call != nullptr && call->our_invite != nullptr)
                           keep_admitted(*call, targets);
                       agent_->on_located(d_.clock.now().steady, transaction, std::move(targets));
                       drain();
                   });
}

void Signalling::handle(sip::DialogEnded& action) {
    Call* call = find(action.dialog);
    by_dialog_.erase(action.dialog.value);
    if (call == nullptr || call->session->is_ended()) return;
    call->session->on_dialog_lost(d_.clock.now(),
                                  {"dialog_lost", "The SIP dialog ended without a BYE."});
    run_session(*call);
}

// ---- the end ------------------------------------------------------------------------------------

void Signalling::stop(std::function<void()> done) {
    stopping_ = true;
    d_.view.is_ready = false;
    on_stopped_ = std::move(done);
    const base::Now now = d_.clock.now();
    agent_->stop_locating(now.steady);  // what is left of the time is for the BYEs
    std::vector<std::uint64_t> serials;
    serials.reserve(calls_.size());
    for (const auto& [serial, call] : calls_) serials.push_back(serial);
    for (const std::uint64_t serial : serials) {
        Call* call = find(serial);
        if (call == nullptr || call->session->is_ended()) continue;
        call->session->stop(now, {"stopped", "The recording server was stopped."});
        run_session(*call);
    }
    agent_->send_held_byes(now.steady);
    timers_.add(now.steady + kStopPatience, [this] {
        if (on_stopped_) std::exchange(on_stopped_, nullptr)();
    });
    maybe_stopped();
    drain();
}

void Signalling::maybe_stopped() {
    if (stopping_ && calls_.empty() && sealing_.empty() && on_stopped_)
        std::exchange(on_stopped_, nullptr)();
}

}  // namespace earshot::server
