// A call's INVITE, from leg A to leg B, and its end.
#include <algorithm>
#include <array>

#include "b2bua/limits.h"
#include "b2bua/session_id.h"
#include "b2bua/switchboard_core.h"
#include "base/text.h"
#include "sip/dialog.h"
#include "sip/nat.h"
#include "sip/uri.h"

namespace earshot::b2bua {

namespace {

using sip::HeaderId;

// From or To as a party of the call.
Party party_of(const sip::NameAddr& name_addr) {
    return {std::string(name_addr.uri), std::string(name_addr.display_name)};
}

std::string hex(const sip::Key& key) {
    std::array<std::uint8_t, 16> bytes{};
    base::store_le<std::uint64_t>(bytes, 0, key.low);
    base::store_le<std::uint64_t>(bytes, 8, key.high);
    return base::to_hex(bytes);
}

std::vector<sip::ExtraHeader> reason_headers(const sip::Message& message) {
    std::vector<sip::ExtraHeader> headers;
    for (const std::string_view value : message.all(HeaderId::Reason))
        headers.push_back({"Reason", std::string(value)});
    return headers;
}

}  // namespace

void Switchboard::Core::refuse(sip::TransactionId in, int status,
                               std::vector<sip::ExtraHeader> headers) {
    (void)agent_.respond(now_.steady, in, {.status = status, .headers = std::move(headers)});
}

// Our own INVITE, come back by a proxy, to where it was sent: it would go round again. What comes
// back for another place is no loop (RFC 3261 §16.3), and what comes back by other back-to-back
// user agents is ended by Max-Forwards.
bool Switchboard::Core::is_loop(const sip::Message& invite) const {
    const auto [first, last] = by_call_id_.equal_range(std::string(invite.call_id()));
    return std::any_of(first, last, [&](const auto& entry) {
        const Call* call = find(entry.second);
        if (call == nullptr || call->is_over) return false;
        const LegFacts& ours = call->facts.leg(Leg::B);
        return ours.call_id == invite.call_id() && ours.local_tag == invite.from_tag() &&
               call->sent_uri == invite.request_uri();
    });
}

// RFC 3261 §16.4, §16.6: Routes of ours are used up; the next one, or the Request-URI, leads on. A
// Contact of ours stands for a place behind us.
Switchboard::Core::Way Switchboard::Core::way_of(const sip::Message& request) const {
    Way way{.uri = std::string(request.request_uri())};
    bool is_first = true;
    for (const std::string_view route : request.values(HeaderId::Route)) {
        is_first = is_first && own_names_.is_ours(route);
        if (!is_first) way.routes.emplace_back(route);
        way.has_own_route = way.has_own_route || is_first;
    }
    if (!own_names_.is_ours(way.uri)) return way;
    auto place = places_.find(way.uri);
    if (!place) {
        way.is_to_us = way.routes.empty();
        return way;
    }
    way.by = std::exchange(way.uri, std::move(place->uri));
    way.flow = place->flow;
    way.is_hidden = sip::is_hidden_uri(way.uri, way.flow.remote);
    way.routes.clear();
    return way;
}

std::string Switchboard::Core::Way::host() const {
    if (!flow.remote.is_unspecified()) return base::host_to_string(flow.remote);
    const std::string hop = routes.empty() ? uri : sip::uri_of(routes.front());
    const auto parsed = sip::parse_uri(hop);
    return parsed ? std::string(parsed->host) : std::string{};
}

// A NAT lets only that listener in that its phone has spoken to: the Contact of ours names it.
sip::Flow Switchboard::Core::flow_to(const Way& way) const {
    const sip::Flow& place = way.flow;
    if (place.remote.is_unspecified()) return {};
    sip::Flow flow;
    const auto by = sip::parse_uri(way.by);
    for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
        const sip::AgentListener& listener = config_.listeners[i];
        if (listener.transport != place.transport || listener.ipv6 == place.remote.is_v4())
            continue;
        const auto contact = sip::parse_uri(listener.contact);
        const auto inner = sip::parse_uri(listener.inner_contact);
        const bool is_named =
            by && ((contact && by->port == contact->port) || (inner && by->port == inner->port));
        if (!flow.remote.is_unspecified() && !is_named) continue;
        flow = {.transport = place.transport,
                .listener = static_cast<std::uint16_t>(i),
                .connection = place.connection,
                .remote = place.remote};
        if (is_named) break;
    }
    return flow;
}

void Switchboard::Core::on_invite(sip::RequestArrived&& request) {
    const auto refuse_new = [&](int status, std::vector<sip::ExtraHeader> headers) {
        agent_.respond_and_forget(now_.steady, request.transaction,
                                  {.status = status, .headers = std::move(headers)});
    };
    if (!takes_calls()) return refuse_new(503, {{"Retry-After", std::to_string(kRetryAfterS)}});
    if (!next_max_forwards(request.message)) return refuse_new(483, {});
    if (is_loop(request.message)) return refuse_new(482, {});
    if (is_encoded(request.message)) return refuse_new(415, {{"Accept-Encoding", "identity"}});

    Call& call = make_call(std::move(request));
    tell(call, Arrived{});
    note_transfer(call);
    route(call);
    schedule(call);
}

Call& Switchboard::Core::make_call(sip::RequestArrived&& request) {
    auto made = std::make_unique<Call>();
    Call& call = *made;
    call.facts.key.value = ++last_id_;
    calls_.emplace(last_id_, std::move(made));
    call.invite = request.transaction;
    by_transaction_[call.invite.value] = call.key();

    CallFacts& facts = call.facts;
    facts.invite = std::make_shared<const sip::Message>(std::move(request.message));
    const sip::Message& invite = *facts.invite;
    facts.request_uri = invite.request_uri();
    facts.arrived_at = now_.wall;
    LegFacts& a = facts.leg(Leg::A);
    a.address = party_of(invite.from());
    a.call_id = invite.call_id();
    a.local_tag = agent_.local_tag(call.invite);
    a.remote_tag = invite.from_tag();
    a.flow = request.flow;
    facts.leg(Leg::B).address = party_of(invite.to());
    index_call_id(call, Leg::A);
    note(call, Leg::A, invite);
    return call;
}

void Switchboard::Core::route(Call& call) {
    const sip::Message& invite = *call.facts.invite;
    Way way = way_of(invite);
    if (way.is_to_us) follow_replaces(invite, way);
    const std::uint64_t question = ask(call);
    RouteQuestion asked{.call = call.key(),
                        .request = call.facts.invite.get(),
                        .from = call.facts.leg(Leg::A).flow,
                        .request_uri = way.uri,
                        .hop = way.host(),
                        .is_to_registered = !way.flow.remote.is_unspecified(),
                        .is_to_us = way.is_to_us};
    call.route_then = [this, way = std::move(way)](Call& routed, RouteAnswer answer) {
        if (auto* refusal = std::get_if<sip::ResponseSpec>(&answer)) {
            std::string text = "The call may not go on: " + std::to_string(refusal->status);
            if (!refusal->phrase.empty()) text += " " + refusal->phrase;
            (void)agent_.respond(now_.steady, routed.invite, *refusal);
            return finish(routed,
                          Ended{.status = refusal->status, .reason = {"no_route", text + "."}});
        }
        call_leg_b(routed, way, std::get<RouteTo>(answer));
    };
    host_.route(asked, [this, key = call.key(), question](base::Now now, RouteAnswer answer) {
        enter(now, [&] {
            Call* routed = find(key);
            if (routed == nullptr || routed->question != question) return;
            routed->question = 0;
            routed->give_up_at.reset();
            const RouteThen then = std::exchange(routed->route_then, nullptr);
            then(*routed, std::move(answer));
            schedule(*routed);
            awake_.push_back(key);
        });
    });
}

namespace {

// What the media plane cannot do now is no fault of the offer: 488 would tell the caller that there
// is no codec in common, and nobody else would be tried.
int status_of_media(const base::Reason& reason) {
    constexpr std::array<std::string_view, 6> kForNow{"no_media_ports", "media_socket",
                                                      "no_descriptors", "too_many_calls",
                                                      "overloaded",     "media_silent"};
    const bool is_for_now =
        std::find(kForNow.begin(), kForNow.end(), reason.code) != kForNow.end() ||
        reason.code.starts_with("media_server_");  // a media plane in other processes
    return is_for_now ? 503 : 488;
}

}  // namespace

void Switchboard::Core::call_leg_b(Call& call, const Way& way, const RouteTo& to) {
    Content content = content_of(*call.facts.invite);
    const auto place = find_sdp(*call.facts.invite, content);
    if (!place) return start_leg_b(call, way, to, std::move(content));
    ask_offer(call, Leg::A, sdp_at(content, *place),
              [this, way, to, content, place = *place](Call& offered, SdpResult sdp) mutable {
                  if (!sdp)
                      return finish(offered, Ended{.status = status_of_media(sdp.error()),
                                                   .reason = sdp.error()});
                  replace_sdp(content, place, *sdp);
                  start_leg_b(offered, way, to, std::move(content));
              });
}

void Switchboard::Core::start_leg_b(Call& call, const Way& way, const RouteTo& to,
                                    Content content) {
    const sip::Message& invite = *call.facts.invite;
    const bool is_to_place = !way.flow.remote.is_unspecified();
    sip::OutOfDialogSpec spec;
    spec.request_uri = is_to_place || to.request_uri.empty() ? way.uri : to.request_uri;
    if (!is_to_place) spec.next_hop = to.next_hop;
    spec.routes = way.routes;
    if (spec.next_hop.empty() && spec.routes.empty() && own_names_.is_ours(spec.request_uri))
        return finish(call, Ended{.status = 404,
                                  .reason = {"no_route", "The call is for us, not for anyone."}});
    spec.flow = flow_to(way);
    spec.keeps_flow = way.is_hidden;
    // Made from the caller's own, so that an INVITE that comes again with credentials has the same
    // ones and a higher CSeq on leg B, too (RFC 3261 §22.2).
    const auto derive = [&](std::uint64_t which) {
        return hex(sip::KeyHasher(secret_low_, secret_high_)
                       .add(which)
                       .add(invite.call_id())
                       .add(invite.from_tag())
                       .finish());
    };
    spec.from = without_tag(invite.find(HeaderId::From).value_or(""));
    spec.to = without_tag(invite.find(HeaderId::To).value_or(""));
    spec.call_id = derive(0);
    spec.from_tag = derive(1).substr(0, 16);
    spec.cseq = invite.cseq().number;
    spec.headers = headers_for(call, Leg::A, invite);
    spec.headers.insert(spec.headers.begin(),
                        {"Max-Forwards", std::to_string(next_max_forwards(invite).value_or(0))});
    map_replaces(spec.headers);
    spec.content_type = std::move(content.type);
    spec.body = std::move(content.body);
    spec.contact_parameters = contact_parameters_of(invite);
    const bool takes_reliable =
        invite.lists(HeaderId::Supported, "100rel") || invite.lists(HeaderId::Require, "100rel");
    spec.leaves_prack = takes_reliable;

    LegFacts& b = call.facts.leg(Leg::B);
    b.call_id = spec.call_id;
    b.local_tag = spec.from_tag;
    call.sent_uri = spec.request_uri;
    index_call_id(call, Leg::B);
    const auto out = agent_.start_request(now_.steady, spec);
    if (!out)
        return finish(call,
                      Ended{.status = 503,
                            .reason = {"unreachable", "No INVITE could be sent to the callee."}});
    add_passage(call, {.in = call.invite,
                       .out = *out,
                       .from = Leg::A,
                       .method = sip::Method::Invite,
                       .is_initial = true,
                       .has_offer = call.offer.has_value(),
                       .takes_reliable = takes_reliable});
    call.facts.state = CallFacts::State::Calling;
    call.ring_until = now_.steady + kMaxRingTime;
}

// ---- the end ----

void Switchboard::Core::close(Call& call, Leg leg, int status,
                              const std::vector<sip::ExtraHeader>& headers) {
    Passage* initial = call.initial();
    if (leg == Leg::A) {
        // Also when the 2xx still waits for a PRACK: the Agent knows.
        const sip::ResponseSpec refusal{.status = status >= 300 ? status : 503};
        if (agent_.respond(now_.steady, call.invite, refusal).has_value()) return;
    } else if (initial != nullptr && !initial->acknowledges) {
        (void)agent_.cancel(now_.steady, initial->out, headers);
        return;
    }
    // An ACK that waited for an answer must not be missing (RFC 3261 §13.2.2.4).
    for (const Passage& passage : call.passages)
        if (passage.acknowledges && passage.from != leg)
            (void)agent_.ack(now_.steady, passage.acknowledges, {});
    (void)agent_.send_request(now_.steady, call.dialog(leg), {.method = "BYE", .headers = headers});
}

void Switchboard::Core::finish(Call& call, Ended ended,
                               const std::vector<sip::ExtraHeader>& headers) {
    if (call.is_over) return;
    ended.was_answered = call.facts.state == CallFacts::State::Answered;
    for (const Passage& passage : call.passages)
        if (passage.in && !passage.is_initial) refuse(passage.in, 487);
    if (call.asks) refuse(call.asks, 487);
    // A leg that has ended by itself has nothing left to close: the Agent refuses in silence.
    close(call, Leg::A, ended.status, headers);
    close(call, Leg::B, ended.status, headers);
    if (ended.was_answered) ended.status = 0;
    call.is_over = true;
    call.question = 0;
    call.sdp_then = nullptr;
    call.route_then = nullptr;
    call.facts.state = CallFacts::State::Ended;
    timers_.set(call.timer, std::nullopt, 0);
    tell(call, ended);
    awake_.push_back(call.key());
}

void Switchboard::Core::on_cancel(Call& call, const sip::CancelArrived& cancel) {
    if (cancel.invite == call.invite)
        return finish(call,
                      Ended{.by = Leg::A,
                            .status = 487,
                            .reason = {"cancelled", "The caller hung up before the answer."}},
                      reason_headers(cancel.message));
    // A re-INVITE: answered 487 by the Agent; what the other side says is not for its sender.
    Passage* passage = call.find_passage_in(cancel.invite);
    if (passage == nullptr) return;
    passage->in = {};
    (void)agent_.cancel(now_.steady, passage->out, reason_headers(cancel.message));
}

void Switchboard::Core::on_no_ack(Call& call, const sip::NoAck& no_ack) {
    const Leg leg = leg_of(call, no_ack.dialog);
    if (!no_ack.is_prack)
        return finish(call, Ended{.by = leg,
                                  .reason = {"no_ack",
                                             "The answer was never "
                                             "acknowledged."}});
    if (no_ack.invite == call.invite)
        return finish(call,
                      Ended{.by = leg,
                            .status = 504,
                            .reason = {"no_prack", "A reliable response was never acknowledged."}});
    Passage* passage = call.find_passage_in(no_ack.invite);
    refuse(no_ack.invite, 504);
    if (passage == nullptr) return;
    passage->in = {};
    (void)agent_.cancel(now_.steady, passage->out);
}

// Not by our doing: then the call would not know the dialog any more.
void Switchboard::Core::on_dialog_ended(Call& call, sip::DialogId dialog) {
    const Leg leg = leg_of(call, dialog);
    disown_dialog(call, dialog);
    if (call.dialog(leg) != dialog) return;
    call.dialog(leg) = {};
    if (leg == Leg::B && call.facts.state != CallFacts::State::Answered) return;
    finish(call, Ended{.by = leg,
                       .status = 503,
                       .reason = {"unreachable", "The dialog with one side is gone."}});
}

}  // namespace earshot::b2bua
