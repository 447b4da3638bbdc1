#include "client/signalling.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "client/call_facts.h"
#include "client/inside.h"
#include "policy/glob.h"
#include "sip/dialog.h"
#include "sip/parser.h"
#include "sip/uri.h"

namespace earshot::client {

using base::Reason;
using base::Result;

namespace {

// More than a session waits for the answer to its last metadata (siprec kClosingTime), so that its
// BYE leaves and its stop is told.
constexpr std::chrono::seconds kStopPatience{5};
constexpr std::chrono::milliseconds kPublishTime{200};  // how old the page's calls may be
// Deadlines wait for the next multiple of 5 ms and so are met together.
using TimerTick = std::chrono::duration<std::int64_t, std::ratio<5, 1000>>;
constexpr int kForbidden = 403;
constexpr int kUnavailable = 503;
constexpr int kLoopDetected = 482;
constexpr std::chrono::seconds kSecond{1};
constexpr std::size_t kCallsLookedAt = 200;  // for silence, a second

std::string contact_of(const base::NetAddress& address, sip::Transport transport) {
    return fmt::format("sip:{}{}", base::to_string(address), sip::transport_parameter(transport));
}

relay::CallKey media_key(b2bua::CallKey call) { return {call.value}; }
relay::Leg media_leg(b2bua::Leg leg) {
    return leg == b2bua::Leg::A ? relay::Leg::A : relay::Leg::B;
}

}  // namespace

Signalling::Signalling(ClientConfig config, const base::Uuid& installation,
                       Dependencies dependencies)
    : config_(std::move(config)),
      d_(std::move(dependencies)),
      decision_([this](std::function<void()> work) {
          d_.loop.post([this, work = std::move(work)] {
              work();
              settle();
          });
      }),
      certificates_(d_.log) {
    sip::AgentConfig agent;
    agent.contact_parameters = ";+sip.src";  // RFC 7866 §6.1.1; in calls it tells (§6.1.2)
    agent.leaves_subscriptions = true;
    agent.sees_through_nat = true;
    agent.tcp_above_bytes = config_.tcp_above_bytes;
    keep_alive_.set_interval(config_.keep_alive);
    agent.is_inside = inside_test(config_);
    b2bua::SwitchboardConfig board;
    board.max_calls = config_.max_calls;
    for (std::uint16_t i = 0; i < d_.loop.listener_count(); ++i) {
        const base::NetAddress bound = d_.loop.local_address(i);
        base::NetAddress named = bound;
        for (const base::NetAddress& other : config_.advertised) {
            if (other.is_v4() != bound.is_v4()) continue;
            named = other;
            if (named.port == 0) named.port = bound.port;
        }
        const sip::Transport transport = d_.loop.transport(i);
        // The advertised port is that of UDP and TCP.
        if (transport == sip::Transport::Tls) named.port = bound.port;
        sent_by_.push_back(base::to_string(named));
        contacts_.push_back(contact_of(named, transport));
        agent.listeners.push_back({.transport = transport,
                                   .sent_by = base::to_string(named),
                                   .contact = contact_of(named, transport),
                                   .ipv6 = !bound.is_v4(),
                                   .inner_sent_by = base::to_string(bound),
                                   .inner_contact = contact_of(bound, transport)});
        if (!named.same_host(bound) || named.port != bound.port)
            board.own_hosts.push_back(base::to_string(bound));
    }
    board.listeners = agent.listeners;
    board.is_inside = agent.is_inside;
    own_names_ = std::make_unique<b2bua::OwnNames>(board.listeners, board.own_hosts);
    // Phones' places are sealed for good: derived, so that the seal tells nothing of the id.
    board.place_secret = siprec::group_id(installation, "places").bytes;
    agent_ = std::make_unique<sip::Agent>(std::move(agent), d_.random);
    dialogs_ = std::make_unique<DialogKeeper>(*agent_, d_.dialogs);
    switchboard_ =
        std::make_unique<b2bua::Switchboard>(std::move(board), *agent_, *this, d_.random);
    const auto find_socket = [&loop =
                                  d_.loop](std::string_view socket) -> std::optional<sip::Flow> {
        if (socket.empty()) return sip::Flow{};
        const auto wanted = base::parse_net_address(socket);
        for (std::uint16_t i = 0; wanted && i < loop.listener_count(); ++i)
            if (loop.local_address(i) == *wanted) return sip::Flow{loop.transport(i), i, 0, {}};
        return std::nullopt;
    };
    recorder_ = std::make_unique<Recorder>(config_, installation,
                                           Recorder::Dependencies{.agent = *agent_,
                                                                  .switchboard = *switchboard_,
                                                                  .plane = d_.plane,
                                                                  .decision = decision_,
                                                                  .clock = d_.clock,
                                                                  .random = d_.random,
                                                                  .events = d_.events,
                                                                  .desk = d_.desk,
                                                                  .host = d_.media_host,
                                                                  .find_socket = find_socket});
    if (d_.tap != nullptr)
        companion_ =
            std::make_unique<Companion>(config_, installation,
                                        Companion::Dependencies{.agent = *agent_,
                                                                .tap = *d_.tap,
                                                                .clock = d_.clock,
                                                                .random = d_.random,
                                                                .index = recorder_->index(),
                                                                .events = d_.events,
                                                                .servers = recorder_->servers(),
                                                                .find_socket = find_socket});
    rosters_ = std::make_unique<RosterDesk>(
        RosterDesk::Dependencies{.agent = *agent_,
                                 .random = d_.random,
                                 .events = d_.events,
                                 .installation = installation},
        [this](base::Now now, std::uint64_t call, const CsConference& conference) {
            if (!attendances_->on_conference(now, call, conference))
                recorder_->on_conference(now, {call}, conference);
            calls_have_changed_ = true;
        });
    const auto media_host = base::parse_host(d_.media_host, 0);
    const bool is_built_in = config_.media_plane.kind == MediaPlaneConfig::Kind::BuiltIn;
    const auto locate = [this](const std::string& host, const auto& found) {
        d_.loop.locate(
            "sip:" + host + ":1;transport=tcp", d_.random,
            [found](const std::vector<sip::Target>& targets) {
                found(targets.empty() ? std::nullopt : std::optional(targets.front().address));
            });
    };
    attendances_ = std::make_unique<AttendanceDesk>(
        config_, AttendanceDesk::Dependencies{.agent = *agent_,
                                              .plane = d_.plane,
                                              .clock = d_.clock,
                                              .random = d_.random,
                                              .index = recorder_->index(),
                                              .events = d_.events,
                                              .servers = recorder_->servers(),
                                              .rosters = *rosters_,
                                              .chats = is_built_in ? d_.chats : nullptr,
                                              .chat_link = d_.chat_link,
                                              .locate = locate,
                                              .installation = installation,
                                              .host = sent_by_.front(),
                                              .is_ipv6 = media_host && !media_host->is_v4()});
    if (d_.focus != nullptr) open_conferences(installation);
    d_.plane.on_server_silent(
        [this](relay::CallKey call, std::uint32_t subscription, const Reason& reason) {
            const base::Now now = d_.clock.now();
            const bool is_taken =
                attendances_->on_server_silent(now, call, reason) ||
                (conferences_ && conferences_->on_server_silent(now, call, subscription, reason));
            if (!is_taken) recorder_->on_server_silent(now, call, subscription, reason);
            calls_have_changed_ = true;
            settle();
        });
    recorder_->when_server_silent([this](base::Now now, const std::string& server) {
        attendances_->probe(now, server);
        if (conferences_) conferences_->probe(now, server);
    });
    certificates_.set(d_.tls);
    d_.view.is_ready = true;
    d_.view.has_servers = names_servers(config_);
    listen_to_planes();
    publish();
    arm();
}

Signalling::~Signalling() = default;

void Signalling::open_conferences(const base::Uuid& installation) {
    const auto find_socket = [&loop =
                                  d_.loop](std::string_view socket) -> std::optional<sip::Flow> {
        if (socket.empty()) return sip::Flow{};
        const auto wanted = base::parse_net_address(socket);
        for (std::uint16_t i = 0; wanted && i < loop.listener_count(); ++i)
            if (loop.local_address(i) == *wanted) return sip::Flow{loop.transport(i), i, 0, {}};
        return std::nullopt;
    };
    conferences_ = std::make_unique<Conferences>(
        config_, installation,
        Conferences::Dependencies{
            .agent = *agent_,
            .plane = d_.plane,
            .desk = *d_.focus,
            .chats = d_.chats,
            .chat_link = d_.chat_link,
            .clock = d_.clock,
            .random = d_.random,
            .log = d_.log,
            .events = d_.events,
            .decision = decision_,
            .index = recorder_->index(),
            .servers = recorder_->servers(),
            .own_names = *own_names_,
            .media_host = d_.media_host,
            .find_socket = find_socket,
            .find_refusal =
                [this](const sip::RequestArrived& request) -> std::optional<sip::ResponseSpec> {
                constexpr b2bua::CallKey kNewCall{1};
                auto refusal = find_refusal(
                    {.call = kNewCall, .request = &request.message, .from = request.flow});
                if (refusal) ++counters_.refused;
                return refusal;
            },
            .contact = [this](const sip::Flow& flow) { return contacts_.at(flow.listener); }});
}

// ---- from the network ---------------------------------------------------------------------------

void Signalling::on_bytes(const sip::Flow& flow, base::Bytes&& bytes) {
    sip::ParsedMessage parsed = sip::parse_message(std::move(bytes));
    switch (parsed.verdict) {
        case sip::Verdict::Good:
            if (parsed.message.is_request())
                if (const auto alias = sip::alias_of(flow, parsed.message.top_via()))
                    d_.loop.add_alias(flow, *alias);
            agent_->on_message(d_.clock.now().steady, flow, std::move(parsed.message));
            break;
        case sip::Verdict::Refuse:
            if (refusal_log_.take())
                d_.log.warning("a SIP message was refused",
                               {{"peer", base::to_string(flow.remote)},
                                {"reason", std::string(parsed.reason)}});
            agent_->reject_malformed(flow, parsed.message, parsed.status, parsed.reason);
            break;
        case sip::Verdict::Drop:
            break;
    }
    settle();
}

void Signalling::on_broken_stream(const sip::Flow& flow, const sip::StreamEvent& event) {
    if (refusal_log_.take())
        d_.log.warning(
            "a TCP connection is closed: its bytes cannot be followed",
            {{"peer", base::to_string(flow.remote)}, {"reason", std::string(event.reason)}});
    agent_->reject_broken_stream(flow, event);
    settle();
}
void Signalling::on_flow_closed(const sip::Flow& flow) {
    keep_alive_.on_flow_closed(flow);
    agent_->on_flow_closed(d_.clock.now().steady, flow);
    settle();
}
void Signalling::on_send_failed(sip::TransactionId transaction) {
    agent_->on_send_failed(d_.clock.now().steady, transaction);
    settle();
}
void Signalling::on_deadline() {
    const base::Now now = d_.clock.now();
    agent_->on_time(now.steady);
    switchboard_->on_time(now);
    recorder_->on_time(now);
    rosters_->on_time(now);
    attendances_->on_time(now);
    if (conferences_) conferences_->on_time(now);
    if (companion_) {
        d_.tap->on_time(now.steady);
        companion_->on_time(now);
    }
    if (relay::ForeignPlane* foreign = d_.planes.foreign()) foreign->on_time(now.steady);
    if (now.steady >= next_second_) every_second(now);
    settle();
}

// Carries out what the agent wants, which may make it want more; then sets the alarm clock.
void Signalling::settle() {
    do {
        while (auto action = next_action()) handle(*action);
    } while (recorder_->indicate(d_.clock.now()) ||
             (conferences_ && conferences_->indicate(d_.clock.now())));
    recorder_->tidy();
    attendances_->tidy();
    if (conferences_) conferences_->tidy();
    if (companion_) companion_->tidy();
    const base::TimePoint now = d_.clock.now().steady;
    if (calls_have_changed_ && now >= next_publish_) publish();
    maybe_stopped();
    arm();
}

std::optional<sip::Action> Signalling::next_action() {
    if (unhandled_.empty()) return agent_->poll_action();
    sip::Action first = std::move(unhandled_.front());
    unhandled_.pop_front();
    return first;
}

// What the agent has to say leaves before the work that an event of a call makes: the caller waits
// for its 200, and nobody for the recording's INVITE. All stays in its order.
void Signalling::send_what_waits() {
    while (auto action = agent_->poll_action()) unhandled_.push_back(*std::move(action));
    while (!unhandled_.empty()) {
        auto* send = std::get_if<sip::SendBytes>(&unhandled_.front());
        if (send == nullptr) return;
        d_.loop.send(send->flow, std::move(send->bytes), send->transaction, send->tls_name);
        unhandled_.pop_front();
    }
}

void Signalling::handle(sip::Action& action) {
    const base::Now now = d_.clock.now();
    if (auto* send = std::get_if<sip::SendBytes>(&action))
        return d_.loop.send(send->flow, std::move(send->bytes), send->transaction, send->tls_name);
    if (const auto* target = std::get_if<sip::LocateTarget>(&action)) return locate(*target);
    if (dialogs_->on_action(action)) return;
    if (conferences_ && conferences_->take(now, action)) {
        calls_have_changed_ = true;
        return;
    }
    if (recorder_->take(now, action)) {
        calls_have_changed_ = true;
        return;
    }
    if (rosters_->take(now, action)) return;
    if (attendances_->take(now, action)) {
        calls_have_changed_ = true;
        return;
    }
    if (take_server_start(now, action)) return;
    switchboard_->on_action(now, std::move(action));
}

// A recording server asks us, and nobody behind us, for a recording.
bool Signalling::take_server_start(base::Now now, sip::Action& action) {
    auto* request = std::get_if<sip::RequestArrived>(&action);
    if (request == nullptr || request->dialog || !is_server_start(request->message)) return false;
    if (!own_names_->is_ours(request->message.request_uri())) return false;
    recorder_->on_server_start(now, std::move(*request), !is_draining_ && !stop_by_);
    calls_have_changed_ = true;
    return true;
}

void Signalling::locate(const sip::LocateTarget& action) {
    d_.loop.locate(action.uri, d_.random,
                   [this, transaction = action.transaction](std::vector<sip::Target> targets) {
                       agent_->on_located(d_.clock.now().steady, transaction, std::move(targets));
                       settle();
                   });
}

void Signalling::arm() {
    std::optional<base::TimePoint> next;
    const auto consider = [&](std::optional<base::TimePoint> when) {
        if (when && (!next || *when < *next)) next = when;
    };
    consider(agent_->deadline());
    consider(switchboard_->deadline());
    consider(recorder_->deadline());
    consider(rosters_->deadline());
    consider(attendances_->deadline());
    if (conferences_) consider(conferences_->deadline());
    if (companion_) {
        consider(d_.tap->deadline());
        consider(companion_->deadline());
    }
    if (const relay::ForeignPlane* foreign = d_.planes.foreign()) consider(foreign->deadline());
    consider(stop_by_);
    consider(next_second_);
    if (calls_have_changed_) consider(next_publish_);
    if (next) next = std::chrono::ceil<TimerTick>(*next);
    d_.loop.set_deadline(next);
}

// ---- what the switchboard asks ------------------------------------------------------------------

std::optional<sip::ResponseSpec> Signalling::find_refusal(
    const b2bua::RouteQuestion& question) const {
    const auto refuse = [](int status, std::string_view why) {
        return sip::ResponseSpec{.status = status,
                                 .headers = {{"Warning", fmt::format("399 earshot \"{}\"", why)}}};
    };
    const std::string host = base::host_to_string(question.from.remote);
    const auto is_it = [&](const std::string& glob) { return policy::glob_matches(glob, host); };
    if (!config_.allow_from.empty() &&
        std::none_of(config_.allow_from.begin(), config_.allow_from.end(), is_it))
        return refuse(kForbidden, "this address may not call through here");
    if (!question.call) return std::nullopt;
    const auto later = [&](std::string_view why) {
        auto answer = refuse(kUnavailable, why);
        answer.headers.push_back({"Retry-After", "30"});
        return answer;
    };
    if (is_draining_ || stop_by_) return later("no new calls are taken now");
    // A recording session of ours that a server or a name has led back to us.
    if (recorder_->is_ours(question.request->call_id()))
        return refuse(kLoopDetected, "this is a recording session of this client");
    const auto found = calls_of_host_.find(host);
    const std::size_t running = (found == calls_of_host_.end() ? 0 : found->second) +
                                (conferences_ ? conferences_->legs_of(host) : 0);
    if (config_.max_calls_per_host != 0 && running >= config_.max_calls_per_host)
        return later("this address has as many calls as it may have");
    return std::nullopt;
}

// Who dials a room that there is not is told so, and not only that nobody has that number.
std::optional<sip::ResponseSpec> Signalling::find_unknown_room(
    const b2bua::RouteQuestion& question) const {
    const sip::Method method = question.request->method();
    const std::string_view uri = question.request->request_uri();
    const bool is_meant = method == sip::Method::Invite || method == sip::Method::Subscribe;
    if (!conferences_ || !is_meant || question.is_to_registered) return std::nullopt;
    const bool is_nowhere = question.is_to_us && config_.next_hop.empty();
    if (!is_nowhere && !conferences_->is_of_domains(uri)) return std::nullopt;
    constexpr int kNotFound = 404;
    std::string named(sip::parse_uri(uri) ? sip::parse_uri(uri)->user : uri);
    std::erase_if(named, [](char c) { return c == '"' || c == '\\'; });
    return sip::ResponseSpec{
        .status = kNotFound,
        .headers = {
            {"Warning", fmt::format("399 earshot \"'{}' matches no focus.rooms\"", named)}}};
}

void Signalling::route(const b2bua::RouteQuestion& question, b2bua::RouteDone done) {
    const base::Now now = d_.clock.now();
    auto refusal = find_refusal(question);
    if (!refusal) refusal = find_unknown_room(question);
    if (refusal) {
        ++counters_.refused;
        if (refusal_log_.take())
            d_.log.warning("a request was refused",
                           {{"peer", base::to_string(question.from.remote)},
                            {"method", std::string(question.request->method_name())},
                            {"status", std::to_string(refusal->status)},
                            {"reason", refusal->headers.front().value}});
        return done(now, *std::move(refusal));
    }
    if (question.call) {
        const auto next = sip::parse_uri(config_.next_hop);
        const bool is_own = !next || question.is_to_registered;
        hop_of_call_[question.call.value] = is_own ? question.hop : std::string(next->host);
        admit(now, question.call);
    }
    done(now, b2bua::RouteTo{.next_hop = config_.next_hop, .request_uri = {}});
}

void Signalling::admit(base::Now now, b2bua::CallKey call) {
    const b2bua::CallFacts* facts = switchboard_->find_call(call);
    if (facts == nullptr) return;
    ++counters_.calls;
    const std::string host = base::host_to_string(facts->leg(b2bua::Leg::A).flow.remote);
    host_of_call_[call.value] = host;
    ++calls_of_host_[host];
    d_.log.info("a call arrived",
                {{"call", std::to_string(call.value)},
                 {"call_id", facts->leg(b2bua::Leg::A).call_id},
                 {"from", without_password(facts->leg(b2bua::Leg::A).address.uri)},
                 {"to", without_password(facts->leg(b2bua::Leg::B).address.uri)}});
    recorder_->admit(now, call);
}

// Who has not been heard yet is taken to be where its INVITE is going.
bool Signalling::tells_inside(b2bua::CallKey call, b2bua::Leg to) const {
    if (config_.advertised_except.empty()) return false;
    const b2bua::CallFacts* facts = switchboard_->find_call(call);
    if (facts == nullptr) return false;
    const base::NetAddress& heard = facts->leg(to).flow.remote;
    if (!heard.is_unspecified()) return is_inside(config_, base::host_to_string(heard));
    const auto hop = hop_of_call_.find(call.value);
    return hop != hop_of_call_.end() && is_inside(config_, hop->second);
}

relay::LegSdp Signalling::leg_sdp(b2bua::CallKey call, b2bua::Leg from,
                                  std::string_view sdp) const {
    relay::LegSdp leg{.from = media_leg(from),
                      .text = sdp,
                      .is_told_inside = tells_inside(call, b2bua::other(from))};
    if (const b2bua::CallFacts* facts = switchboard_->find_call(call))
        leg.signalled_by = facts->leg(from).flow.remote;
    return leg;
}

void Signalling::offer(b2bua::CallKey call, b2bua::Leg from, std::string sdp, b2bua::SdpDone done) {
    recorder_->on_description(d_.clock.now(), call, from, sdp);
    d_.plane.offer(media_key(call), leg_sdp(call, from, sdp),
                   [this, call, from, done = std::move(done)](Result<std::string, Reason> mapped) {
                       const base::Now now = d_.clock.now();
                       const bool is_taken = static_cast<bool>(mapped);
                       done(now, indicated(call, other(from), std::move(mapped)));
                       if (is_taken && from == b2bua::Leg::A) recorder_->on_first_offer(now, call);
                   });
}

void Signalling::answer(b2bua::CallKey call, b2bua::Leg from, std::string sdp,
                        b2bua::SdpDone done) {
    recorder_->on_description(d_.clock.now(), call, from, sdp);
    d_.plane.answer(media_key(call), leg_sdp(call, from, sdp),
                    [this, call, from, done = std::move(done)](Result<std::string, Reason> mapped) {
                        done(d_.clock.now(), indicated(call, other(from), std::move(mapped)));
                    });
}

void Signalling::answer_unheard(b2bua::CallKey call, b2bua::Leg from, std::string sdp,
                                b2bua::SdpDone done) {
    recorder_->on_description(d_.clock.now(), call, from, sdp);
    d_.plane.answer(media_key(call), leg_sdp(call, from, sdp),
                    [this, done = std::move(done)](Result<std::string, Reason> mapped) {
                        done(d_.clock.now(), std::move(mapped));
                    });
}

Result<std::string, Reason> Signalling::indicated(b2bua::CallKey call, b2bua::Leg to,
                                                  Result<std::string, Reason> mapped) {
    if (!mapped) return mapped;
    return recorder_->describe(call, to, *std::move(mapped));
}

void Signalling::rollback(b2bua::CallKey call, b2bua::Leg offerer) {
    d_.plane.rollback(media_key(call), media_leg(offerer));
    recorder_->on_rollback(call, offerer);
}

void Signalling::on_call_event(base::Now now, b2bua::CallKey call, const b2bua::CallEvent& event) {
    send_what_waits();
    tell_call(call, event);
    // Before its recording begins, which then says from its first document on what it belongs to.
    if (std::holds_alternative<b2bua::Answered>(event)) follow_conference(now, call);
    recorder_->on_call_event(now, call, event);
    calls_have_changed_ = true;
    if (std::holds_alternative<b2bua::Ended>(event))
        rosters_->leave(now, call.value);
    else if (std::holds_alternative<b2bua::Answered>(event) ||
             std::holds_alternative<b2bua::MediaChanged>(event))
        follow_conference(now, call);
}

// Who is at an end of an answered call says by its Contact that it is a focus (RFC 4579 section
// 5.1), at the beginning or when the call becomes a conference. We ask it what its participant at
// the other leg could ask, in that one's name.
void Signalling::follow_conference(base::Now now, b2bua::CallKey call) {
    const b2bua::CallFacts* facts = switchboard_->find_call(call);
    if (facts == nullptr || !facts->answered_at || stop_by_ || !config_.follows_conferences ||
        !recorder_->records(call))
        return;
    for (const b2bua::Leg leg : {b2bua::Leg::B, b2bua::Leg::A}) {
        const b2bua::LegFacts& focus = facts->leg(leg);
        if (!focus.is_focus || focus.contact.empty()) continue;
        const std::string& from = facts->leg(b2bua::other(leg)).address.uri;
        return rosters_->follow(
            now, {.call = call.value,
                  .call_id = facts->leg(b2bua::Leg::A).call_id,
                  .focus = media_leg(leg),
                  .where = {.uri = focus.contact,
                            .from = from.empty() ? "sip:anonymous@anonymous.invalid" : from,
                            .flow = focus.flow,
                            .next_hop = {}},
                  .group = recorder_->group_of(call)});
    }
}

void Signalling::on_registered(base::Now now, const b2bua::Registered& phone) {
    keep_alive_.on_registered(now.steady, phone);
}

void Signalling::tell_call(b2bua::CallKey call, const b2bua::CallEvent& event) {
    const b2bua::CallFacts* facts = switchboard_->find_call(call);
    const std::string call_id =
        facts == nullptr ? std::string{} : facts->leg(b2bua::Leg::A).call_id;
    if (std::holds_alternative<b2bua::Answered>(event)) {
        ++counters_.answered;
    } else if (const auto* ended = std::get_if<b2bua::Ended>(&event)) {
        hop_of_call_.erase(call.value);
        const auto host = host_of_call_.extract(call.value);
        if (!host) return;  // it was not let in, which has been told
        const auto running = calls_of_host_.find(host.mapped());
        if (--running->second == 0) calls_of_host_.erase(running);
        d_.log.info("a call ended", {{"call", std::to_string(call.value)},
                                     {"call_id", call_id},
                                     {"status", std::to_string(ended->status)},
                                     {"reason", ended->reason.text}});
    }
}

void Signalling::on_key(relay::CallKey call, relay::Leg by, char digit) {
    const bool is_taken = conferences_ && conferences_->on_key(d_.clock.now(), call, digit);
    if (!is_taken)
        recorder_->on_key(d_.clock.now(), {call.value},
                          by == relay::Leg::A ? b2bua::Leg::A : b2bua::Leg::B, digit);
    calls_have_changed_ = true;
    settle();
}

void Signalling::on_shown(focus::RoomId room, focus::Picture picture, focus::MemberId shown) {
    if (conferences_) conferences_->on_shown(d_.clock.now(), room, picture, shown);
    calls_have_changed_ = true;
    settle();
}

void Signalling::on_decoder(const Reason& why) {
    d_.events.tell({.kind = "decoder_fault", .at = d_.clock.now().wall, .reason = why});
}

// ---- media planes in other processes ------------------------------------------------------------

void Signalling::listen_to_planes() {
    relay::ForeignPlane* foreign = d_.planes.foreign();
    if (foreign == nullptr) return;
    d_.planes.sockets()->give_to({.datagram =
                                      [this, foreign](std::size_t instance, base::ByteView bytes) {
                                          foreign->on_datagram(d_.clock.now().steady, instance,
                                                               bytes);
                                          settle();
                                      },
                                  .refused =
                                      [this, foreign](std::size_t instance) {
                                          foreign->on_refused(d_.clock.now().steady, instance);
                                          settle();
                                      }});
    foreign->when_lost(
        [this](relay::CallKey call, const Reason& reason) { on_media_lost(call, reason); });
    d_.planes.when_passed_over([this](relay::CallKey call, const Reason& reason) {
        if (plane_log_.take())
            d_.log.warning("the media plane did not take a call",
                           {{"call", std::to_string(call.value)}, {"reason", reason.text}});
    });
}

void Signalling::tell_of_call(relay::CallKey call, std::string kind, const Reason& reason) {
    const b2bua::CallFacts* facts = switchboard_->find_call({call.value});
    d_.events.tell({.kind = std::move(kind),
                    .at = d_.clock.now().wall,
                    .call = call.value,
                    .call_id = facts == nullptr ? std::string{} : facts->leg(b2bua::Leg::A).call_id,
                    .reason = reason});
}

void Signalling::on_screen(relay::CallKey call, const relay::ScreenEvent& event) {
    using Kind = relay::ScreenEvent::Kind;
    const char* const kind = event.kind == Kind::Connected     ? "screen_connected"
                             : event.kind == Kind::NotRecorded ? "screen_not_recorded"
                                                               : "screen_ended";
    tell_of_call(call, kind, event.reason);
}

void Signalling::on_chat(relay::CallKey call, const relay::ChatEvent& event) {
    using Kind = relay::ChatEvent::Kind;
    const auto tell = [&](const char* kind) { tell_of_call(call, kind, event.reason); };
    const base::Now now = d_.clock.now();
    if (conferences_ && conferences_->on_chat(now, call, event)) return;
    if (attendances_->on_chat(now, call, event)) return;
    switch (event.kind) {
        case Kind::Connected:
            return tell("chat_connected");
        case Kind::NotRecorded:
            return tell("chat_not_recorded");
        case Kind::Refused:
            return tell("chat_peer_refused");
        case Kind::OwnLine:
            return tell("chat_own_line");
        case Kind::Unsure:
            return tell("chat_unsure");
        case Kind::Ended:
            return tell("chat_ended");
        case Kind::Sender:
            recorder_->on_chat_sender(now, {call.value}, event.from, event.uri, event.name);
            break;
        case Kind::Relined:
            recorder_->on_chat_lines(now, {call.value});
            break;
        case Kind::Nickname:
            recorder_->on_nickname(now, {call.value}, event.from, event.name);
            break;
    }
    calls_have_changed_ = true;
    settle();
}

void Signalling::on_room(const chat::RoomEvent& event) {
    if (!conferences_) return;
    conferences_->on_room(d_.clock.now(), event);
    calls_have_changed_ = true;
    settle();
}

void Signalling::on_guest(const chat::GuestEvent& event) {
    attendances_->on_guest(d_.clock.now(), event);
    calls_have_changed_ = true;
    settle();
}

void Signalling::on_media_lost(relay::CallKey call, const Reason& reason) {
    const b2bua::CallFacts* facts = switchboard_->find_call({call.value});
    d_.events.tell({.kind = "media_fault",
                    .at = d_.clock.now().wall,
                    .call = call.value,
                    .call_id = facts == nullptr ? std::string{} : facts->leg(b2bua::Leg::A).call_id,
                    .reason = reason});
}

// ---- from outside -------------------------------------------------------------------------------

void Signalling::control(CallControl wish, ControlDone done) {
    d_.loop.post([this, wish = std::move(wish), done = std::move(done)]() mutable {
        // Who asks next sees what became of it.
        const auto shown = [this, done = std::move(done)](std::optional<Reason> fault) {
            publish();
            done(std::move(fault));
        };
        const base::Now now = d_.clock.now();
        if (wish.of == CallControl::Of::Attendance)
            shown(attendances_->control(now, wish));
        else if (wish.of == CallControl::Of::Call)
            recorder_->control(now, std::move(wish), shown);
        else if (conferences_ == nullptr)
            shown(Reason{"no_focus", "No rooms are configured (focus.rooms)."});
        else
            conferences_->control(now, wish, shown);
        calls_have_changed_ = true;
        settle();
    });
}

void Signalling::end_left(std::vector<sip::OutOfDialogSpec> byes) {
    d_.loop.post([this, byes = std::move(byes)] {
        dialogs_->end_left(d_.clock.now().steady, byes);
        settle();
    });
}

void Signalling::start_companion(CompanionWish wish, Companion::StartDone done) {
    d_.loop.post([this, wish = std::move(wish), done = std::move(done)]() mutable {
        if (companion_ == nullptr)
            return done(
                Reason{"no_companion", "No RTPEngine is configured (companion.rtpengine)."});
        if (is_draining_ || stop_by_)
            return done(Reason{"not_ready", "No new recordings are taken now (drain)."});
        const auto shown = [this, done = std::move(done)](Result<std::string, Reason> begun) {
            calls_have_changed_ = true;
            done(std::move(begun));
        };
        companion_->start(d_.clock.now(), std::move(wish), shown);
        settle();
    });
}

void Signalling::control_companion(CompanionVerb verb, std::string which, std::string why,
                                   ControlDone done) {
    d_.loop.post(
        [this, verb, which = std::move(which), why = std::move(why), done = std::move(done)] {
            auto fault = companion_ == nullptr
                             ? std::optional(Reason{"no_companion",
                                                    "No RTPEngine is configured (companion."
                                                    "rtpengine)."})
                             : companion_->control(d_.clock.now(), verb, which, why);
            calls_have_changed_ = true;
            settle();
            done(std::move(fault));
        });
}

void Signalling::attend(AttendWish wish, AttendanceDesk::StartDone done) {
    d_.loop.post([this, wish = std::move(wish), done = std::move(done)]() mutable {
        if (is_draining_ || stop_by_)
            return done(Reason{"not_ready", "No new recordings are taken now (drain)."});
        const auto shown = [this, done = std::move(done)](Result<std::string, Reason> begun) {
            publish();
            done(std::move(begun));
        };
        attendances_->start(d_.clock.now(), std::move(wish), shown);
        calls_have_changed_ = true;
        settle();
    });
}

void Signalling::stop_attending(std::string id, std::string why, ControlDone done) {
    d_.loop.post([this, id = std::move(id), why = std::move(why), done = std::move(done)] {
        auto fault = attendances_->stop(d_.clock.now(), id, why);
        calls_have_changed_ = true;
        settle();
        done(std::move(fault));
    });
}

void Signalling::mute(std::string room, std::uint32_t number, bool is_muted, ControlDone done) {
    d_.loop.post([this, room = std::move(room), number, is_muted, done = std::move(done)] {
        auto fault =
            conferences_ == nullptr
                ? std::optional(Reason{"no_focus", "No rooms are configured (focus.rooms)."})
                : conferences_->mute(d_.clock.now(), room, number, is_muted);
        settle();
        publish();
        done(std::move(fault));
    });
}

void Signalling::on_outside() {
    calls_have_changed_ = true;
    settle();
}

void Signalling::drain(bool is_draining) {
    d_.loop.post([this, is_draining] {
        is_draining_ = is_draining;
        switchboard_->set_draining(is_draining);
        d_.view.is_draining = is_draining;
        d_.view.is_ready = !is_draining && !stop_by_;
        d_.log.info(is_draining ? "draining: no new calls are taken" : "new calls are taken again");
    });
}

void Signalling::reload(ClientConfig config) {
    // The file was judged by its own listeners; those that run stay.
    const auto is_beyond_us = [](const auto& listen) { return !listen.is_loopback(); };
    const bool is_public =
        std::any_of(config_.sip_listen.begin(), config_.sip_listen.end(), is_beyond_us) ||
        (!io::is_guarded(config.tls) &&
         std::any_of(config_.tls_listen.begin(), config_.tls_listen.end(), is_beyond_us));
    if (is_public && config.allow_from.empty() && !config.insecure) {
        const std::string why =
            "it has no client.allow_from, and where we listen until a restart anyone could call";
        d_.view.reload_fault.set(why);
        return d_.log.error("configuration not reloaded: the old one stays", {{"reason", why}});
    }
    auto tls = io::TlsContext::load(config.tls);
    if (!tls) {
        d_.view.reload_fault.set(tls.error().text);
        return d_.log.error("configuration not reloaded: the old one stays",
                            {{"reason", tls.error().text}});
    }
    certificates_.set(*tls);
    d_.loop.set_tls(*std::move(tls));
    std::string waiting;
    const auto keep = [&](auto& next, const auto& now, std::string_view key) {
        if (next == now) return;
        waiting += fmt::format("{}{}", waiting.empty() ? "" : ", ", key);
        next = now;
    };
    keep(config.sip_listen, config_.sip_listen, "sip.listen");
    keep(config.tls_listen, config_.tls_listen, "sip.tls");
    keep(config.advertised, config_.advertised, "sip.advertised_address");
    keep(config.advertised_except, config_.advertised_except, "sip.advertised_except");
    keep(config.dns_servers, config_.dns_servers, "sip.dns_servers");
    keep(config.max_calls, config_.max_calls, "sip.max_calls");
    keep(config.tcp_above_bytes, config_.tcp_above_bytes, "sip.tcp_above_bytes");
    keep(config.http_listen, config_.http_listen, "http.listen");
    keep(config.media_ports, config_.media_ports, "media.ports");
    keep(config.media_workers, config_.media_workers, "media.workers");
    keep(config.media_plane, config_.media_plane,
         "media.plane, instances, on_failure, flags, subscribe_flags");
    keep(config.data, config_.data, "storage.data");
    keep(config.webhook, config_.webhook, "client.webhook_*");
    // Rooms are taken at once; the first and the last of them decide whether there is a focus.
    const bool has_focus = !config.focus.rooms.empty();
    if (has_focus != !config_.focus.rooms.empty())
        keep(config.focus.rooms, config_.focus.rooms, "focus.rooms");
    keep(config.companion.rtpengine, config_.companion.rtpengine, "companion.rtpengine");
    config_ = std::move(config);
    recorder_->configure(d_.clock.now(), config_);
    keep_alive_.set_interval(config_.keep_alive);
    if (companion_) companion_->configure(config_);
    attendances_->configure(config_);
    if (conferences_) conferences_->configure(config_);
    d_.view.has_servers = names_servers(config_);
    d_.view.waiting_keys.set(waiting);
    d_.view.reload_fault.set({});
    if (waiting.empty()) return d_.log.info("configuration reloaded");
    d_.log.warning("configuration reloaded; some of its keys wait for a restart",
                   {{"keys", waiting}});
}

void Signalling::every_second(base::Now now) {
    next_second_ = now.steady + kSecond;
    recorder_->every_second();
    if (conferences_) conferences_->every_second();
    d_.view.servers.set(recorder_->server_views(now));
    if (const std::uint64_t omitted = refusal_log_.next_second(); omitted > 0)
        d_.log.warning("more was refused than the log tells", {{"lines", std::to_string(omitted)}});
    if (const std::uint64_t omitted = plane_log_.next_second(); omitted > 0)
        d_.log.warning("the media plane did not take more calls than the log tells",
                       {{"lines", std::to_string(omitted)}});
    if (d_.desk != nullptr && d_.desk->postponed() > counters_.mix_postponed) {
        d_.log.warning(
            "the thread that mixes sessions does not keep up; what it is told waits",
            {{"commands", std::to_string(d_.desk->postponed() - counters_.mix_postponed)}});
        counters_.mix_postponed = d_.desk->postponed();
        calls_have_changed_ = true;  // so that the counters are shown
    }
    d_.view.planes.set(d_.planes.view());
    watch_certificates(now);
    if (config_.silent_call.count() > 0) end_silent_calls(now);
    keep_phones_alive(now);
}

void Signalling::watch_certificates(base::Now now) {
    certificates_.look(now.wall);
    TlsView view{.has_certificates = certificates_.has_certificates(),
                 .handshakes = d_.loop.counters().tls_handshakes,
                 .failures = d_.loop.counters().tls_failures};
    view.ending = certificates_.describe(now.wall, view.has_ended);
    d_.view.tls.set(std::move(view));
}

// Over UDP by OPTIONS: a NAT has to go on for what its phone sends, not for what it gets (RFC 4787
// REQ-6), and only OPTIONS makes every phone answer. A stream's segments are acknowledged in any
// case. What the phone says to it does not matter.
void Signalling::keep_phones_alive(base::Now now) {
    static const sip::SharedBytes kCrlf = std::make_shared<const std::string>("\r\n\r\n");
    for (const KeepAlive::Phone& phone : keep_alive_.take_due(now.steady)) {
        const bool is_udp = phone.flow.transport == sip::Transport::Udp;
        if (!is_udp || !config_.keeps_alive_by_options) {
            d_.loop.send(phone.flow, kCrlf, {});
            continue;
        }
        static_cast<void>(agent_->start_request(
            now.steady, {.method = "OPTIONS",
                         .request_uri = phone.uri,
                         .from = "<sip:" + sent_by_.at(phone.flow.listener) + ">",
                         .to = "<" + phone.uri + ">",
                         .flow = phone.flow,
                         .keeps_flow = true}));
    }
}

// A phone that lost power says nothing more, and without session timers nobody asks (RFC 4028): its
// call would hold ports and a recording for ever.
void Signalling::end_silent_calls(base::Now now) {
    const std::vector<b2bua::CallKey> calls = switchboard_->calls();
    const std::size_t count = std::min(kCallsLookedAt, calls.size());
    for (std::size_t i = 0; i < count; ++i) {
        const b2bua::CallKey call = calls[next_silent_++ % calls.size()];
        const b2bua::CallFacts* facts = switchboard_->find_call(call);
        if (facts == nullptr || !facts->answered_at) continue;
        if (now.wall - *facts->answered_at < config_.silent_call) continue;
        const auto media = d_.plane.query(media_key(call));
        if (!media || media->lines.empty()) continue;
        const bool is_silent = std::all_of(
            media->lines.begin(), media->lines.end(), [&](const relay::LineMedia& line) {
                return std::all_of(line.legs.begin(), line.legs.end(), [&](auto& leg) {
                    const auto is_old = [&](const auto& last) {
                        return !last || now.steady - *last >= config_.silent_call;
                    };
                    return is_old(leg.rtp.last) && is_old(leg.rtcp.last);
                });
            });
        if (is_silent)
            switchboard_->end(now, call, kUnavailable,
                              {"silent", "Neither side sent media for too long."});
    }
}

void Signalling::stop(std::function<void()> done) {
    const base::Now now = d_.clock.now();
    on_stopped_ = std::move(done);
    stop_by_ = now.steady + kStopPatience;
    d_.view.is_ready = false;
    agent_->stop_locating(now.steady);
    switchboard_->end_all(now, kUnavailable, {"stopped", "The recording client was stopped."});
    if (conferences_) conferences_->end_all(now, {"stopped", "The recording client was stopped."});
    recorder_->stop(now, {"stopped", "The recording client was stopped."});
    attendances_->end_all(now, {"stopped", "The recording client was stopped."});
    rosters_->leave_all(now);
    if (companion_) companion_->end_all(now, {"stopped", "The recording client was stopped."});
    agent_->send_held_byes(now.steady);
    settle();
}

void Signalling::maybe_stopped() {
    if (!stop_by_ || !on_stopped_) return;
    const bool is_over = switchboard_->call_count() == 0 && recorder_->is_idle() &&
                         attendances_->is_idle() &&
                         (companion_ == nullptr || companion_->is_idle()) &&
                         (conferences_ == nullptr || conferences_->is_idle());
    if (is_over || d_.clock.now().steady >= *stop_by_) std::exchange(on_stopped_, nullptr)();
}

void Signalling::publish() {
    d_.view.calls.set(recorder_->views());
    d_.view.sessions.set(recorder_->shared_views());
    d_.view.rosters.set(rosters_->views());
    d_.view.attendances.set(attendances_->views());
    if (companion_) d_.view.companions.set(companion_->views());
    if (conferences_) d_.view.conferences.set(conferences_->views());
    d_.view.servers.set(recorder_->server_views(d_.clock.now()));
    d_.view.counters.set(counters_);
    d_.view.is_ready = !is_draining_ && !stop_by_ && switchboard_->call_count() < config_.max_calls;
    calls_have_changed_ = false;
    next_publish_ = d_.clock.now().steady + kPublishTime;
    d_.on_calls_changed();
}

}  // namespace earshot::client
