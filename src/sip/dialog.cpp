#include "sip/dialog.h"

#include <algorithm>

#include "base/text.h"
#include "sip/agent_limits.h"
#include "sip/uri.h"

namespace earshot::sip {

namespace {

std::vector<std::string> to_strings(const std::vector<std::string_view>& values) {
    return {values.begin(), values.end()};
}

std::string with_tag(std::string_view party, std::string_view tag) {
    std::string value(party);
    if (!tag.empty()) value.append(";tag=").append(tag);
    return value;
}

std::optional<Transport> transport_of(const Uri& uri) {
    if (uri.scheme == UriScheme::Sips) return Transport::Tls;
    const auto name = uri.param("transport");
    if (!name) return std::nullopt;
    for (const Transport transport : {Transport::Udp, Transport::Tcp, Transport::Tls}) {
        if (base::iequals(*name, via_name(transport))) return transport;
    }
    return std::nullopt;
}

std::optional<std::string> contact_uri(const Message& message) {
    const auto value = message.first_value(HeaderId::Contact);
    if (!value) return std::nullopt;
    const auto contact = parse_name_addr(*value);
    if (!contact || contact->is_wildcard || contact->uri.empty()) return std::nullopt;
    return std::string(contact->uri);
}

}  // namespace

std::string uri_of(std::string_view name_addr) {
    const auto parsed = parse_name_addr(name_addr);
    return std::string(parsed ? parsed->uri : name_addr);
}

std::string host_of_uri(std::string_view uri) {
    const auto parsed = parse_uri(uri);
    return parsed && parsed->is_sip() ? std::string(parsed->host) : std::string{};
}

bool is_sips(std::string_view uri) { return base::istarts_with(uri, "sips:"); }

std::string secured_contact(std::string contact) {
    constexpr std::string_view kPlain = "sip:";
    constexpr std::string_view kParameter = ";transport=tls";  // sips: says it already
    if (!base::istarts_with(contact, kPlain)) return contact;
    contact.insert(kPlain.size() - 1, "s");
    if (const auto at = contact.find(kParameter); at != std::string::npos)
        contact.erase(at, kParameter.size());
    return contact;
}

bool Dialog::accept_cseq(std::uint32_t number) {
    if (remote_cseq && number < *remote_cseq) return false;
    remote_cseq = number;
    return true;
}

void Dialog::refresh_target(const Message& message) {
    if (auto uri = contact_uri(message)) remote_target = std::move(*uri);
}

RequestHead Dialog::request_head(std::string_view method) const {
    RequestHead head;
    head.method = method;
    head.from = local_party;
    head.to = remote_party;
    head.call_id = call_id;
    head.uri = remote_target;
    head.routes = routes;
    head.tls_name = host_of_uri(next_hop());
    if (!peer_name.empty() && base::parse_host(head.tls_name, 0)) head.tls_name = peer_name;
    if (routes.empty()) return head;
    const std::string first = uri_of(routes.front());
    const auto uri = parse_uri(first);
    if (!uri || uri->param("lr")) return head;
    // A strict router (RFC 2543): its URI is the request's, the target goes to the end.
    head.uri = first;
    head.routes.erase(head.routes.begin());
    head.routes.push_back("<" + remote_target + ">");
    return head;
}

void fill_uas_dialog(Dialog& dialog, const Message& invite, std::string_view local_tag) {
    dialog.is_uac = false;
    dialog.call_id = invite.call_id();
    dialog.local_tag = local_tag;
    dialog.remote_tag = invite.from_tag();
    dialog.local_party = with_tag(invite.find(HeaderId::To).value_or(""), local_tag);
    dialog.remote_party = invite.find(HeaderId::From).value_or("");
    // An INVITE must have a Contact (§8.1.1.8); without one the caller's address has to serve.
    dialog.remote_target = contact_uri(invite).value_or(std::string(invite.from().uri));
    dialog.routes = to_strings(invite.values(HeaderId::RecordRoute));
    dialog.remote_cseq = invite.cseq().number;
    dialog.is_secure = is_sips(invite.request_uri());
}

void fill_uac_dialog(Dialog& dialog, const RequestHead& invite, const Message& response) {
    dialog.is_uac = true;
    dialog.call_id = invite.call_id;
    dialog.local_tag = response.from_tag();
    dialog.remote_tag = response.to_tag();
    dialog.local_party = invite.from;
    dialog.remote_party = with_tag(invite.to, response.to_tag());
    dialog.remote_target = contact_uri(response).value_or(invite.uri);
    dialog.local_cseq = invite.cseq;
    dialog.is_secure = is_sips(invite.uri);
    dialog.peer_name = invite.tls_name;
    set_uac_routes(dialog, response);
}

void set_uac_routes(Dialog& dialog, const Message& response) {
    dialog.routes = to_strings(response.values(HeaderId::RecordRoute));
    std::reverse(dialog.routes.begin(), dialog.routes.end());
}

std::string Dialog::next_hop() const {
    return routes.empty() ? remote_target : uri_of(routes.front());
}

std::string next_hop_name(const Dialog& dialog) {
    if (dialog.keeps_flow) return {};
    if (is_reliable(dialog.flow.transport) && dialog.flow.connection != 0) return {};
    std::string hop = dialog.next_hop();
    const auto uri = parse_uri(hop);
    if (!uri || !uri->is_sip() || base::parse_host(uri->host, 0)) return {};
    if (dialog.is_secure && uri->scheme == UriScheme::Sip) hop.insert(3, "s");
    return hop;
}

Flow next_flow(const Dialog& dialog, const std::vector<AgentListener>& listeners) {
    if (dialog.keeps_flow) return dialog.flow;
    if (is_reliable(dialog.flow.transport) && dialog.flow.connection != 0) return dialog.flow;
    const std::string hop = dialog.next_hop();
    const auto uri = parse_uri(hop);
    if (!uri || !uri->is_sip()) return dialog.flow;

    Flow flow = dialog.flow;
    flow.connection = 0;
    flow.transport =
        dialog.is_secure ? Transport::Tls : transport_of(*uri).value_or(flow.transport);
    const auto address =
        base::parse_host(uri->host, uri->port.value_or(default_port(flow.transport)));
    if (!address || address->is_unspecified() || address->port == 0) return dialog.flow;
    flow.remote = *address;
    const auto reaches = [&](const AgentListener& listener) {
        return listener.transport == flow.transport && listener.ipv6 == !address->is_v4();
    };
    if (flow.listener < listeners.size() && reaches(listeners[flow.listener])) return flow;
    const auto other = std::find_if(listeners.begin(), listeners.end(), reaches);
    if (other == listeners.end()) return dialog.flow;
    flow.listener = static_cast<std::uint16_t>(other - listeners.begin());
    return flow;
}

Flow response_flow(const Flow& source, const Via& top_via) {
    if (is_reliable(source.transport) || top_via.has_rport()) return source;
    Flow flow = source;
    flow.remote.port = top_via.port.value_or(default_port(source.transport));
    if (flow.remote.port == 0) flow.remote.port = source.remote.port;
    return flow;
}

std::optional<base::NetAddress> alias_of(const Flow& source, const Via& top_via) {
    if (!is_reliable(source.transport) || !find_param(top_via.params, "alias")) return std::nullopt;
    base::NetAddress address = source.remote;
    address.port = top_via.port.value_or(default_port(source.transport));
    const auto named = base::parse_host(top_via.host, 0);
    if (address.port == 0 || (named && !named->same_host(address))) return std::nullopt;
    return address;
}

bool fits_dialog(const Message& invite) {
    std::size_t bytes = invite.call_id().size();
    std::size_t routes = 0;
    for (std::size_t i = 0; i < invite.header_count(); ++i) {
        const HeaderView field = invite.header(i);
        switch (field.id) {
            case HeaderId::From:
            case HeaderId::To:
            case HeaderId::Contact:
                bytes += field.value.size();
                break;
            case HeaderId::RecordRoute:
                bytes += field.value.size();
                routes += 1 + static_cast<std::size_t>(
                                  std::count(field.value.begin(), field.value.end(), ','));
                break;
            default:
                break;
        }
    }
    return bytes <= kMaxDialogBytes && routes <= kMaxRouteSetEntries;
}

}  // namespace earshot::sip
