// Subscriptions (RFC 6665) and REFER outside of calls: their dialogs are between the two ends, and
// we stay on the way of them as a proxy does (RFC 3261 §16), by two Record-Routes. Nothing is kept:
//
//   Record-Route: <sip:[TOWARDS]@us;lr>   where the request goes on to, if that is a place behind
//   us Record-Route: <sip:FROM@us;lr>        where the request came from
//
// FROM and TOWARDS are places sealed as those of registrations are. Whoever sends within the dialog
// names both, and the last of the two is that of the other end: it gets the request, be it behind
// NAT or on a connection of its own. Without one the request goes on by Route or Request-URI.
#include "b2bua/switchboard_core.h"
#include "base/text.h"
#include "sip/dialog.h"

namespace earshot::b2bua {

namespace {

using sip::HeaderId;
using sip::Method;

bool is_of_subscription(Method method) {
    return method == Method::Subscribe || method == Method::Notify || method == Method::Refer;
}

}  // namespace

void Switchboard::Core::follow_subscription(const sip::Message& request, Way& way) const {
    if (!way.has_own_route || request.to_tag().empty() || !is_of_subscription(request.method()))
        return;
    std::optional<PlaceBehind> other_end;
    for (const std::string_view route : request.values(HeaderId::Route)) {
        if (!own_names_.is_ours(route)) break;
        other_end = places_.find(sip::uri_of(route));
    }
    if (!other_end) return;
    way.flow = other_end->flow;
    way.is_to_us = false;
}

std::string Switchboard::Core::record_route(const sip::Flow& place, std::size_t listener) const {
    const std::string& contact = config_.listeners[listener].contact;
    if (place.remote.is_unspecified()) return "<" + contact + ";lr>";
    const std::string uri = "sip:" + base::to_string(place.remote);
    return "<" + places_.to_uri(contact, {uri, place}) + ";lr>";
}

// What the ends know each other by stays: tags, Contacts, and the way that was recorded so far.
void Switchboard::Core::pass_as_proxy(const Passed& passed, const Way& way,
                                      sip::OutOfDialogSpec& spec) const {
    const sip::Message& request = *passed.request;
    if (!is_of_subscription(request.method())) return;
    spec.to = request.find(HeaderId::To).value_or("");
    for (const std::string_view contact : request.all(HeaderId::Contact))
        spec.headers.push_back({"Contact", std::string(contact)});
    const std::size_t here =
        passed.from.listener < config_.listeners.size() ? passed.from.listener : 0;
    // Where it leads is not known yet: the other end reaches us by UDP, which every one speaks.
    std::size_t there = here;
    for (std::size_t i = config_.listeners.size(); i-- > 0;)
        if (config_.listeners[i].transport == sip::Transport::Udp &&
            config_.listeners[i].ipv6 == config_.listeners[here].ipv6)
            there = i;
    if (const sip::Flow flow = flow_to(way); !flow.remote.is_unspecified()) there = flow.listener;
    spec.headers.push_back({"Record-Route", record_route(way.flow, there)});
    spec.headers.push_back({"Record-Route", record_route(passed.from, here)});
    for (const std::string_view route : request.all(HeaderId::RecordRoute))
        spec.headers.push_back({"Record-Route", std::string(route)});
}

void Switchboard::Core::pass_as_proxy(const sip::Message& response, sip::ResponseSpec& spec) {
    if (!is_of_subscription(response.cseq_method())) return;
    spec.to_tag = response.to_tag();
    if (response.status() >= 300) return;  // there the Contact has passed with the others
    for (const std::string_view contact : response.all(HeaderId::Contact))
        spec.headers.push_back({"Contact", std::string(contact)});
    for (const std::string_view route : response.all(HeaderId::RecordRoute))
        spec.headers.push_back({"Record-Route", std::string(route)});
}

// A REFER outside of calls may name a call of ours: "call there, in place of that one".
void Switchboard::Core::map_references_outside(std::vector<sip::ExtraHeader>& headers) const {
    for (sip::ExtraHeader& header : headers) {
        if (sip::find_header_id(header.name) != HeaderId::ReferTo) continue;
        auto refer_to = parse_refer_to(header.value);
        const auto named =
            refer_to && refer_to->replaces ? find_named(*refer_to->replaces) : std::nullopt;
        if (!named) continue;
        refer_to->replaces = named->name;
        header.value = to_string(*refer_to);
    }
}

}  // namespace earshot::b2bua
