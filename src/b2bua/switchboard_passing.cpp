// Requests outside of calls: passed on as a proxy would, with their own Call-ID, CSeq and From tag,
// and nothing kept but until their answer: also those of subscriptions. REGISTER (RFC 3261 §10):
// the Contact becomes one of ours that holds the phone's own, so that calls to it come through us,
// whatever we remember.
#include <algorithm>

#include "b2bua/limits.h"
#include "b2bua/switchboard_core.h"
#include "base/text.h"
#include "sip/nat.h"

namespace earshot::b2bua {

namespace {

using sip::HeaderId;
using sip::Method;

constexpr std::string_view kAllow =
    "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, REFER, "
    "REGISTER, PUBLISH";

// A Contact with another URI; its name and parameters stay.
std::string with_uri(std::string_view value, const sip::NameAddr& contact, std::string_view uri) {
    std::string text;
    if (!contact.display_name.empty()) {
        const bool is_quoted = base::trim(value).front() == '"';
        text.append(is_quoted ? "\"" : "").append(contact.display_name);
        text.append(is_quoted ? "\" " : " ");
    }
    return text.append("<").append(uri).append(">").append(contact.params);
}

}  // namespace

void Switchboard::Core::answer_outside(sip::TransactionId in, int status,
                                       std::vector<sip::ExtraHeader> headers) {
    const sip::ResponseSpec spec{.status = status, .headers = std::move(headers)};
    if (status >= 300) return agent_.respond_and_forget(now_.steady, in, spec);
    (void)agent_.respond(now_.steady, in, spec);
}

void Switchboard::Core::on_outside_request(sip::RequestArrived&& request) {
    const sip::TransactionId in = request.transaction;
    const sip::Message& message = request.message;
    const bool may_go_on = next_max_forwards(message).has_value();
    switch (message.method()) {
        case Method::Subscribe:
        case Method::Notify:
            // Of a dialog (the Agent leaves it to us) that did not come about through here.
            if (!message.to_tag().empty() && !way_of(message).has_own_route)
                return answer_outside(in, 481);
            break;
        case Method::Bye:
        case Method::Info:
        case Method::Prack:
        case Method::Update:
            return answer_outside(in, 481);  // of no dialog
        case Method::Options:
            if (!way_of(message).is_to_us) break;
            if (!takes_calls())
                return answer_outside(in, 503, {{"Retry-After", std::to_string(kRetryAfterS)}});
            return answer_outside(in, 200,
                                  {{"Allow", std::string(kAllow)},
                                   {"Accept", "application/sdp, multipart/mixed"},
                                   {"Supported", "100rel, replaces, timer"}});
        default:
            break;
    }
    if (!may_go_on) return answer_outside(in, 483);
    if (passed_.size() >= kMaxPassedRequests)
        return answer_outside(in, 503, {{"Retry-After", std::to_string(kRetryAfterS)}});
    Passed& passed = passed_[++last_id_];
    passed.id = last_id_;
    passed.in = in;
    passed.from = request.flow;
    passed.request = std::make_shared<const sip::Message>(std::move(request.message));
    timers_.set(passed.timer, now_.steady + kMaxHostTime, passed.id);
    ask_way(passed);
}

void Switchboard::Core::ask_way(Passed& passed) {
    Way way = way_of(*passed.request);
    follow_subscription(*passed.request, way);
    const RouteQuestion asked{.request = passed.request.get(),
                              .from = passed.from,
                              .request_uri = way.uri,
                              .hop = way.host(),
                              .is_to_registered = !way.flow.remote.is_unspecified(),
                              .is_to_us = way.is_to_us};
    // The request lives as long as the question, even if the answer comes at once.
    const std::shared_ptr<const sip::Message> kept = passed.request;
    host_.route(asked, [this, id = passed.id, way = std::move(way)](base::Now now,
                                                                    const RouteAnswer& answer) {
        enter(now, [&] {
            const auto at = passed_.find(id);
            if (at == passed_.end() || at->second.out) return;
            if (const auto* to = std::get_if<RouteTo>(&answer))
                return send_passed(at->second, way, *to);
            agent_.respond_and_forget(now_.steady, at->second.in,
                                      std::get<sip::ResponseSpec>(answer));
            forget(at->second);
        });
    });
}

void Switchboard::Core::send_passed(Passed& passed, const Way& way, const RouteTo& to) {
    const sip::Message& request = *passed.request;
    const bool is_to_place = !way.flow.remote.is_unspecified();
    sip::OutOfDialogSpec spec;
    spec.method = request.method_name();
    spec.request_uri = is_to_place || to.request_uri.empty() ? way.uri : to.request_uri;
    if (!is_to_place) spec.next_hop = to.next_hop;
    spec.routes = way.routes;
    spec.flow = flow_to(way);
    spec.keeps_flow = way.is_hidden;
    spec.from = without_tag(request.find(HeaderId::From).value_or(""));
    spec.to = without_tag(request.find(HeaderId::To).value_or(""));
    spec.call_id = request.call_id();
    spec.from_tag = request.from_tag();
    spec.cseq = request.cseq().number;
    spec.headers = passed_headers(request);
    spec.headers.insert(spec.headers.begin(),
                        {"Max-Forwards", std::to_string(next_max_forwards(request).value_or(0))});
    if (const auto session = request.find(HeaderId::SessionId))
        spec.headers.push_back({"Session-ID", std::string(*session)});
    map_replaces(spec.headers);
    if (request.method() == Method::Refer) map_references_outside(spec.headers);
    Content content = content_of(request);
    spec.content_type = std::move(content.type);
    spec.body = std::move(content.body);
    spec.contact_parameters = "";
    pass_as_proxy(passed, way, spec);

    int refusal = 0;
    if (!is_to_place && spec.next_hop.empty() && spec.routes.empty() &&
        own_names_.is_ours(spec.request_uri))
        refusal = 404;
    Way hop = way;
    if (!spec.next_hop.empty()) hop = Way{.uri = spec.next_hop};
    const bool is_inside = config_.is_inside && config_.is_inside(hop.host());
    if (request.method() == Method::Register &&
        !hide_contacts(request, passed.from, is_inside, spec.headers))
        refusal = 400;
    if (refusal == 0) {
        if (const auto out = agent_.start_request(now_.steady, spec)) {
            passed.out = *out;
            passed_by_out_[out->value] = passed.id;
            timers_.set(passed.timer, std::nullopt, 0);  // the Agent has an end for it
            return;
        }
        refusal = 503;
    }
    answer_outside(passed.in, refusal);
    forget(passed);
}

bool Switchboard::Core::hide_contacts(const sip::Message& request, const sip::Flow& from,
                                      bool is_inside,
                                      std::vector<sip::ExtraHeader>& headers) const {
    const std::size_t listener = from.listener < config_.listeners.size() ? from.listener : 0;
    const sip::AgentListener& own = config_.listeners[listener];
    const bool is_inner = is_inside && !own.inner_contact.empty();
    for (const std::string_view value : request.values(HeaderId::Contact)) {
        const auto contact = sip::parse_name_addr(value);
        if (!contact) return false;
        if (contact->is_wildcard) {
            headers.push_back({"Contact", "*"});
            continue;
        }
        if (contact->uri.size() > kMaxContactBytes) return false;
        const auto uri = sip::parse_uri(contact->uri);
        // Not a phone's place but, say, a telephone number: nothing to come through us for.
        const std::string hidden = uri && uri->is_sip()
                                       ? places_.to_uri(is_inner ? own.inner_contact : own.contact,
                                                        {std::string(contact->uri), from})
                                       : std::string(contact->uri);
        headers.push_back({"Contact", with_uri(value, *contact, hidden)});
    }
    return true;
}

void Switchboard::Core::show_contacts(const sip::Message& response,
                                      std::vector<sip::ExtraHeader>& headers) const {
    for (const std::string_view value : response.values(HeaderId::Contact)) {
        const auto contact = sip::parse_name_addr(value);
        const auto place = contact ? places_.find(contact->uri) : std::nullopt;
        headers.push_back(
            {"Contact", place ? with_uri(value, *contact, place->uri) : std::string(value)});
    }
}

bool Switchboard::Core::on_passed_response(const sip::ResponseArrived& response) {
    const auto known = passed_by_out_.find(response.transaction.value);
    if (known == passed_by_out_.end()) return false;
    const sip::Message& message = response.message;
    if (message.status() < 200) return true;
    Passed& passed = passed_.at(known->second);
    Content content = content_of(message);
    sip::ResponseSpec spec{.status = message.status(),
                           .phrase = std::string(message.reason()),
                           .headers = passed_headers(message),
                           .content_type = std::move(content.type),
                           .body = std::move(content.body)};
    if (const auto session = message.find(HeaderId::SessionId))
        spec.headers.push_back({"Session-ID", std::string(*session)});
    if (message.cseq_method() == Method::Register && message.status() < 300)
        show_contacts(message, spec.headers);
    pass_as_proxy(message, spec);
    (void)agent_.respond(now_.steady, passed.in, spec);
    if (message.cseq_method() == Method::Register && message.status() < 300)
        tell_registered(passed, message);
    forget(passed);
    return true;
}

// The registrar lists all places of the user; that of this REGISTER's phone is where it came from.
void Switchboard::Core::tell_registered(const Passed& passed, const sip::Message& response) {
    Registered phone{.flow = passed.from};
    std::string_view general = response.find(HeaderId::Expires).value_or("");
    for (const std::string_view value : response.values(HeaderId::Contact)) {
        const auto contact = sip::parse_name_addr(value);
        const auto place = contact ? places_.find(contact->uri) : std::nullopt;
        if (!place || place->flow.remote != passed.from.remote ||
            place->flow.transport != passed.from.transport)
            continue;
        const auto text = contact->param("expires").value_or(general);
        const auto seconds = base::parse_number<std::uint32_t>(base::trim(text));
        phone.time = std::max(phone.time, std::chrono::seconds{seconds.value_or(kRegisteredS)});
        phone.is_behind_nat =
            phone.is_behind_nat || sip::is_hidden_uri(place->uri, passed.from.remote);
        phone.uri = place->uri;
    }
    const sip::Via via = passed.request->top_via();
    phone.is_behind_nat = phone.is_behind_nat || sip::is_hidden(via.host, passed.from.remote);
    host_.on_registered(now_, phone);
}

bool Switchboard::Core::on_passed_silence(sip::TransactionId out, int status) {
    const auto known = passed_by_out_.find(out.value);
    if (known == passed_by_out_.end()) return false;
    Passed& passed = passed_.at(known->second);
    answer_outside(passed.in, status);
    forget(passed);
    return true;
}

void Switchboard::Core::on_passed_time(Passed& passed) {
    answer_outside(passed.in, 503);
    forget(passed);
}

void Switchboard::Core::forget(Passed& passed) {
    timers_.set(passed.timer, std::nullopt, 0);
    passed_by_out_.erase(passed.out.value);
    passed_.erase(passed.id);
}

}  // namespace earshot::b2bua
