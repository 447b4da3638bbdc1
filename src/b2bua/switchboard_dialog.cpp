// What is said within a call: requests of one leg to the other, and their answers.
#include <algorithm>

#include "b2bua/limits.h"
#include "b2bua/session_id.h"
#include "b2bua/switchboard_core.h"
#include "base/text.h"
#include "sip/session_timer.h"

namespace earshot::b2bua {

namespace {

using sip::HeaderId;
using sip::Method;

std::vector<Party> asserted_by(const sip::Message& message) {
    std::vector<Party> parties;
    for (const std::string_view value : message.values(HeaderId::PAssertedIdentity)) {
        const auto one = sip::parse_name_addr(value);
        if (one && !one->uri.empty())
            parties.push_back({std::string(one->uri), std::string(one->display_name)});
    }
    return parties;
}

bool refreshes(Method method) { return method == Method::Invite || method == Method::Update; }

bool may_hold_offer(Method method) { return refreshes(method) || method == Method::Prack; }

}  // namespace

// ---- what is learned on the way ----

void Switchboard::Core::note(Call& call, Leg from, const sip::Message& message) {
    LegFacts& leg = call.facts.leg(from);
    if (auto uuid = sender_uuid(message.find(HeaderId::SessionId).value_or("")))
        leg.session_uuid = *std::move(uuid);
    const auto agent = message.find(message.is_request() ? HeaderId::UserAgent : HeaderId::Server);
    if (agent) leg.user_agent = *agent;
    if (message.find(HeaderId::Supported)) {
        const auto options = message.values(HeaderId::Supported);
        leg.supported.assign(options.begin(), options.end());
    }
    if (message.find(HeaderId::Allow)) leg.allows_update = message.lists(HeaderId::Allow, "UPDATE");
    if (const auto value = message.first_value(HeaderId::Contact)) {
        call.contact_parameters[static_cast<std::size_t>(from)] = contact_parameters_of(message);
        if (const auto contact = sip::parse_name_addr(*value)) {
            leg.contact = contact->uri;
            leg.is_focus = contact->has_feature("isfocus");
        }
    }
    std::vector<Party> asserted = asserted_by(message);
    if (asserted.empty() || asserted == leg.asserted) return;
    leg.asserted = std::move(asserted);
    const bool is_first = message.is_request() && message.to_tag().empty();
    if (!is_first) tell(call, PartyChanged{from, leg.asserted.front()});
}

std::vector<sip::ExtraHeader> Switchboard::Core::headers_for(Call& call, Leg from,
                                                             const sip::Message& message) {
    std::vector<sip::ExtraHeader> headers = passed_headers(message);
    map_references(call, from, message, headers);
    LegFacts& leg = call.facts.leg(from);
    if (const auto given = message.find(HeaderId::SessionId)) {
        headers.push_back({"Session-ID", std::string(*given)});
        return headers;
    }
    // RFC 7989 §7: for an end that does not know of it.
    if (leg.session_uuid.empty()) leg.session_uuid = make_session_uuid(random_);
    headers.push_back(
        {"Session-ID", session_id(leg.session_uuid, call.facts.leg(other(from)).session_uuid)});
    return headers;
}

// RFC 4028: both sides agree on the interval by what passes here; a call that nobody refreshes any
// more is ended.
void Switchboard::Core::watch_refresh(Call& call, Leg uac, const sip::Message& response) const {
    using Refresher = sip::SessionTimerFields::Refresher;
    const sip::SessionTimerFields fields = sip::read_session_timer(response);
    call.session_interval = fields.session_expires;
    call.refresher = fields.refresher == Refresher::Uas ? other(uac) : uac;
    call.refresh_by.reset();
    if (fields.session_expires)
        call.refresh_by =
            now_.steady + std::max(*fields.session_expires, std::chrono::seconds{kMinRefreshTime});
}

// ---- requests ----

void Switchboard::Core::on_request(Call& call, sip::RequestArrived&& request) {
    const Leg from = leg_of(call, request.dialog);
    const auto message = std::make_shared<const sip::Message>(std::move(request.message));
    const sip::TransactionId in = request.transaction;
    const Method method = message->method();
    if (method == Method::Bye) return on_bye(call, from, in, *message);
    if (!next_max_forwards(*message)) return refuse(in, 483);
    if (may_hold_offer(method) && is_encoded(*message))
        return refuse(in, 415, {{"Accept-Encoding", "identity"}});
    if (call.passages.size() >= kMaxOpenRequests)
        return refuse(in, 503, {{"Retry-After", std::to_string(kRetryAfterS)}});
    if (!call.dialog(other(from))) return refuse(in, 481);
    note(call, from, *message);

    Content content = content_of(*message);
    const auto place = may_hold_offer(method) ? find_sdp(*message, content) : std::nullopt;
    const bool is_answer =
        method == Method::Prack && call.offer && call.offer->by == other(from) && place.has_value();
    // One offer at a time: RFC 3264 §4, RFC 3311 §5.2. An INVITE without one asks for one.
    if (call.offer && !is_answer && (place || method == Method::Invite)) {
        const bool is_told_anew = std::any_of(call.passages.begin(), call.passages.end(),
                                              [](const Passage& one) { return one.is_ours; });
        if (call.offer->by == from && !is_told_anew) return refuse(in, 500, {{"Retry-After", "1"}});
        return refuse(in, 491);
    }
    if (!place) return pass_request(call, from, in, message, content, false);
    const auto then = [this, from, in, message, content, place = *place, is_answer](
                          Call& asked, SdpResult sdp) mutable {
        asked.asks = {};
        if (!sdp) {
            refuse(in, 488);
            if (is_answer) finish(asked, Ended{.by = from, .status = 488, .reason = sdp.error()});
            return;
        }
        replace_sdp(content, place, *sdp);
        pass_request(asked, from, in, message, content, !is_answer);
    };
    call.asks = in;
    if (is_answer) return ask_answer(call, from, sdp_at(content, *place), true, then);
    ask_offer(call, from, sdp_at(content, *place), then);
}

void Switchboard::Core::pass_request(Call& call, Leg from, sip::TransactionId in,
                                     const std::shared_ptr<const sip::Message>& request,
                                     const Content& content, bool has_offer) {
    sip::DialogId dialog = call.dialog(other(from));
    sip::RequestSpec spec{.method = std::string(request->method_name()),
                          .headers = headers_for(call, from, *request),
                          .content_type = content.type,
                          .body = content.body,
                          .contact_parameters = contact_parameters_of(*request)};
    spec.headers.insert(spec.headers.begin(),
                        {"Max-Forwards", std::to_string(next_max_forwards(*request).value_or(0))});
    const Method method = request->method();
    if (method == Method::Prack) {
        const auto reliable = take_reliable(call, from);
        if (!reliable) {  // the response is answered already; an offer in it leads nowhere
            if (has_offer) drop_offer(call, from);
            return refuse(in, has_offer ? 488 : 200);
        }
        dialog = reliable->dialog;
        spec.headers.push_back({"RAck", reliable->rack});
    }
    const bool takes_reliable = request->lists(HeaderId::Supported, "100rel") ||
                                request->lists(HeaderId::Require, "100rel");
    spec.leaves_prack = takes_reliable;
    const auto out = agent_.send_request(now_.steady, dialog, spec);
    if (!out) {
        if (has_offer) drop_offer(call, from);
        // The other leg has an INVITE of its own under way, or is about to end.
        return refuse(in, method == Method::Invite && agent_.find_dialog(dialog) ? 491 : 481);
    }
    if (method == Method::Refer)
        note_reference(call, from, request->cseq().number, agent_.find_dialog(dialog)->local_cseq);
    add_passage(call, {.in = in,
                       .out = *out,
                       .from = from,
                       .method = method,
                       .has_offer = has_offer,
                       .takes_reliable = takes_reliable});
    if (method != Method::Prack) tell(call, InDialog{from, request.get()});
}

// The oldest reliable response that waits for a PRACK of this leg: the Agent has one at a time.
std::optional<Passage::Reliable> Switchboard::Core::take_reliable(Call& call, Leg from) {
    for (Passage& passage : call.passages) {
        if (passage.from != from || passage.reliable.empty()) continue;
        Passage::Reliable first = std::move(passage.reliable.front());
        passage.reliable.pop_front();
        if (agent_.find_dialog(first.dialog)) return first;
    }
    return std::nullopt;
}

// Answered at once: whatever the other side says to it, the call is over. A branch of a fork that
// was not the one to answer ends for itself.
void Switchboard::Core::on_bye(Call& call, Leg from, sip::TransactionId in,
                               const sip::Message& bye) {
    (void)agent_.respond(now_.steady, in, {.status = 200});
    const bool is_branch = from == Leg::B && call.facts.state != CallFacts::State::Answered &&
                           call.initial() != nullptr && !call.initial()->acknowledges;
    if (is_branch) return;
    note(call, from, bye);
    finish(call,
           Ended{.by = from,
                 .status = 487,
                 .reason = {"bye", from == Leg::A ? "The caller hung up." : "The callee hung up."}},
           passed_headers(bye));
}

void Switchboard::Core::on_ack(Call& call, const sip::AckArrived& ack) {
    call.has_ack = call.has_ack || ack.invite == call.invite;
    Passage* passage = call.find_passage_in(ack.invite);
    if (passage == nullptr || !passage->awaits_ack) return;
    const Leg from = passage->from;
    const sip::DialogId dialog = passage->acknowledges;
    Content content = content_of(ack.message);
    const auto place = find_sdp(ack.message, content);
    std::vector<sip::ExtraHeader> headers = headers_for(call, from, ack.message);
    erase_passage(call, passage->out);
    const auto acknowledge = [this, dialog, headers = std::move(headers)](const Content& body) {
        (void)agent_.ack(now_.steady, dialog,
                         {.headers = headers, .content_type = body.type, .body = body.body});
    };
    if (!place || !call.offer || call.offer->by != other(from)) {
        acknowledge(content);
        drop_offer(call, other(from));
        if (ack.invite == call.invite)
            finish(call, Ended{.by = from,
                               .reason = {"no_answer", "The ACK holds no answer to the offer."}});
        return;
    }
    ask_answer(
        call, from, sdp_at(content, *place), true,
        [this, from, acknowledge, content, place = *place](Call& asked, SdpResult sdp) mutable {
            if (sdp) replace_sdp(content, place, *sdp);
            acknowledge(sdp ? content : Content{});
            if (!sdp) finish(asked, Ended{.by = from, .reason = sdp.error()});
        });
}

// ---- responses ----

sip::ResponseSpec Switchboard::Core::passed_response(Call& call, Leg from,
                                                     const sip::Message& response,
                                                     const Content& content) {
    return {.status = response.status(),
            .phrase = std::string(response.reason()),
            .headers = headers_for(call, from, response),
            .content_type = content.type,
            .body = content.body,
            .contact_parameters = contact_parameters_of(response)};
}

void Switchboard::Core::on_response(Call& call, sip::ResponseArrived&& arrived) {
    Passage* passage = call.find_passage(arrived.transaction);
    // A second 2xx of a forked INVITE, while the first waits for its ACK.
    if (passage == nullptr || passage->acknowledges) return on_stray(std::move(arrived));
    const Leg from = other(passage->from);
    const auto response = std::make_shared<const sip::ResponseArrived>(std::move(arrived));
    const int status = response->message.status();
    if (status == 100) return;
    if (from == Leg::B) call.facts.leg(Leg::B).flow = response->flow;
    note(call, from, response->message);
    if (passage->is_ours) return on_telling_response(call, *passage, response);
    if (status >= 300) return on_refusal(call, *passage, response->message);
    const bool is_invite = passage->method == Method::Invite;
    if (status < 200) return is_invite ? on_provisional(call, *passage, response) : void();
    if (is_invite) return on_invite_success(call, *passage, response);
    on_other_success(call, *passage, response);
}

void Switchboard::Core::translate(Call& call, sip::TransactionId out,
                                  const SharedResponse& response, bool is_offer, bool is_final,
                                  Pass pass) {
    const Leg by = other(call.find_passage(out)->from);
    Content content = content_of(response->message);
    const SdpPlace place = find_sdp(response->message, content).value_or(SdpPlace{});
    const auto then = [this, by, out, response, content, place, pass](Call& asked,
                                                                      SdpResult sdp) mutable {
        if (!sdp) {
            // The 2xx has to be acknowledged before the BYE (RFC 3261 §13.2.2.4).
            if (response->message.status() >= 200)
                (void)agent_.ack(now_.steady, response->dialog, {});
            return finish(asked, Ended{.by = by, .status = 488, .reason = sdp.error()});
        }
        replace_sdp(content, place, *sdp);
        (this->*pass)(asked, out, response, content);
    };
    if (is_offer) return ask_offer(call, by, sdp_at(content, place), then);
    ask_answer(call, by, sdp_at(content, place), is_final, then);
}

void Switchboard::Core::on_provisional(Call& call, const Passage& passage,
                                       const SharedResponse& response) {
    const sip::Message& message = response->message;
    // RFC 6228: of one branch, while leg A has one dialog for all.
    if (message.status() == 199) return;
    if (passage.is_initial) {
        own_dialog(call, response->dialog, Leg::B);
        call.ring_until = now_.steady + kMaxRingTime;
    }
    Content content = content_of(message);
    const bool is_reliable = passage.takes_reliable && !sip::rack_value(message).empty();
    const bool is_stale = passage.exchange != 0 && passage.exchange != call.exchanges;
    const auto place = find_sdp(message, content);
    if (place && passage.has_offer && !is_stale)
        return translate(call, passage.out, response, false, is_reliable, &Core::pass_provisional);
    // RFC 3261 §13.2.1: without an offer in the INVITE, the first reliable response holds it.
    if (place && is_reliable && !passage.has_offer && !passage.has_late_offer && !call.offer) {
        call.find_passage(passage.out)->has_late_offer = true;
        return translate(call, passage.out, response, true, true, &Core::pass_provisional);
    }
    if (place) remove_sdp(content);
    pass_provisional(call, passage.out, response, content);
}

void Switchboard::Core::pass_provisional(Call& call, sip::TransactionId out,
                                         const SharedResponse& response, const Content& content) {
    Passage* passage = call.find_passage(out);
    if (passage == nullptr || !passage->in) return;
    const sip::Message& message = response->message;
    const std::string rack = sip::rack_value(message);
    sip::ResponseSpec spec = passed_response(call, other(passage->from), message, content);
    spec.is_reliable = passage->takes_reliable && !rack.empty() && response->dialog;
    const auto dialog = agent_.respond(now_.steady, passage->in, spec);
    if (!dialog) return;
    if (spec.is_reliable) {
        passage->reliable.push_back({response->dialog, rack});
        if (passage->has_offer && !content.body.empty() && passage->exchange == 0)
            passage->exchange = call.exchanges;
    }
    if (!passage->is_initial) return;
    own_dialog(call, *dialog, Leg::A);
    call.facts.state = CallFacts::State::Early;
    tell(call, Early{message.status(), find_sdp(message, content).has_value()});
}

void Switchboard::Core::on_invite_success(Call& call, Passage& passage,
                                          const SharedResponse& response) {
    const sip::Message& message = response->message;
    const sip::TransactionId out = passage.out;
    if (!response->dialog)
        return finish(call, Ended{.by = Leg::B,
                                  .status = 503,
                                  .reason = {"too_many_dialogs", "No dialog could be kept."}});
    if (!passage.in) {  // a re-INVITE that its sender has cancelled: for them nothing has changed
        const Leg from = passage.from;
        (void)agent_.ack(now_.steady, response->dialog, {});
        erase_passage(call, out);
        return drop_offer(call, from);
    }
    passage.acknowledges = response->dialog;
    if (passage.is_initial) {
        call.ring_until.reset();
        call.facts.answered_at = now_.wall;
        own_dialog(call, response->dialog, Leg::B);
        // Other branches may still answer: each gets its ACK and BYE then (on_stray()).
        const std::vector<sip::DialogId> known = call.known_dialogs;
        for (const sip::DialogId dialog : known) {
            if (dialog == response->dialog || leg_of(call, dialog) != Leg::B) continue;
            disown_dialog(call, dialog);
            agent_.end_dialog(now_.steady, dialog);
        }
    }
    watch_refresh(call, passage.from, message);
    Content content = content_of(message);
    const auto place = find_sdp(message, content);
    const bool is_stale = passage.exchange != 0 && passage.exchange != call.exchanges;
    if (place && passage.has_offer && !is_stale)
        return translate(call, out, response, false, true, &Core::pass_invite_success);
    if (place && !passage.has_offer && !passage.has_late_offer && !call.offer) {
        passage.has_late_offer = true;
        passage.awaits_ack = true;
        return translate(call, out, response, true, true, &Core::pass_invite_success);
    }
    if (place) remove_sdp(content);
    // Without an answer in the 2xx: the one of the last 18x serves, reliable or not.
    if (passage.has_offer && call.offer && call.offer->by == passage.from) {
        const Offer offer = *call.offer;
        if (offer.answer_told.empty()) {
            drop_offer(call, passage.from);
        } else {
            note_answer(call, other(passage.from), offer.answer_said, offer.answer_told, true);
        }
    }
    pass_invite_success(call, out, response, content);
}

void Switchboard::Core::pass_invite_success(Call& call, sip::TransactionId out,
                                            const SharedResponse& response,
                                            const Content& content) {
    Passage* passage = call.find_passage(out);
    if (passage == nullptr) return;
    const auto answered =
        agent_.respond(now_.steady, passage->in,
                       passed_response(call, other(passage->from), response->message, content));
    const bool is_initial = passage->is_initial;
    if (!passage->awaits_ack || !answered) {
        (void)agent_.ack(now_.steady, response->dialog, {});
        if (passage->awaits_ack) drop_offer(call, other(passage->from));
        erase_passage(call, out);
    }
    // Refused by the Agent: the caller has cancelled, and CancelArrived is on its way.
    if (is_initial && answered) on_answered(call, *answered);
}

void Switchboard::Core::on_answered(Call& call, sip::DialogId a) {
    own_dialog(call, a, Leg::A);
    call.facts.state = CallFacts::State::Answered;
    tell(call, Answered{});
}

void Switchboard::Core::on_other_success(Call& call, const Passage& passage,
                                         const SharedResponse& response) {
    if (passage.method == Method::Update) watch_refresh(call, passage.from, response->message);
    const Content content = content_of(response->message);
    if (passage.has_offer && find_sdp(response->message, content))
        return translate(call, passage.out, response, false, true, &Core::pass_other_success);
    if (passage.has_offer) drop_offer(call, passage.from);
    pass_other_success(call, passage.out, response, content);
}

void Switchboard::Core::pass_other_success(Call& call, sip::TransactionId out,
                                           const SharedResponse& response, const Content& content) {
    const Passage* passage = call.find_passage(out);
    if (passage == nullptr) return;
    if (passage->in)
        (void)agent_.respond(
            now_.steady, passage->in,
            passed_response(call, other(passage->from), response->message, content));
    erase_passage(call, out);
}

void Switchboard::Core::on_refusal(Call& call, const Passage& passage,
                                   const sip::Message& response) {
    const Passage refused = passage;
    const Leg from = other(refused.from);
    if (refused.in)
        (void)agent_.respond(now_.steady, refused.in,
                             passed_response(call, from, response, content_of(response)));
    erase_passage(call, refused.out);
    const int status = response.status();
    std::string said = std::to_string(status) + " " + std::string(response.reason());
    if (refused.is_initial)
        return finish(call,
                      Ended{.by = Leg::B,
                            .status = status,
                            .reason = {"refused", "The callee's side answered " + said + "."}});
    if (refused.has_offer) drop_offer(call, refused.from);
    if (refused.has_late_offer) drop_offer(call, from);
    // §12.2.1.2: that side knows the dialog no more.
    if (status == 481 && refreshes(refused.method))
        finish(call,
               Ended{.by = from, .reason = {"unreachable", "One side answered " + said + "."}});
}

void Switchboard::Core::on_silence(Call& call, sip::TransactionId out, int status,
                                   const base::Reason& reason) {
    const Passage* passage = call.find_passage(out);
    if (passage == nullptr || passage->acknowledges) return;
    const Passage silent = *passage;
    const Leg from = other(silent.from);
    erase_passage(call, out);
    if (silent.is_ours) {
        drop_offer(call, silent.from);
        return fail_telling(call, from, 0);
    }
    if (silent.is_initial) {
        const std::string text = reason.text + " It was called as " + call.sent_uri + ".";
        return finish(call, Ended{.by = from, .status = status, .reason = {reason.code, text}});
    }
    if (silent.in) refuse(silent.in, status);
    if (silent.has_offer) drop_offer(call, silent.from);
    if (silent.has_late_offer) drop_offer(call, from);
    // §12.2.1.2: nobody is there any more.
    if (refreshes(silent.method)) finish(call, Ended{.by = from, .reason = reason});
}

}  // namespace earshot::b2bua
