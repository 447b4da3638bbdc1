#include "server/start_target.h"

#include <algorithm>
#include <string>

#include "base/net_address.h"
#include "base/text.h"
#include "server/limits.h"
#include "sip/agent_limits.h"
#include "sip/uri.h"

namespace earshot::server {

namespace {

base::Reason bad(std::string text) { return {"bad_request", std::move(text)}; }

bool is_multicast(const base::NetAddress& address) {
    return address.is_v4() ? (address.ip[12] & 0xf0) == 0xe0 : address.ip[0] == 0xff;
}

// RFC 1123 section 2.1; a last label of digits alone is a mistyped address, never a name.
bool is_name(std::string_view host) {
    if (!host.empty() && host.back() == '.') host.remove_suffix(1);
    if (host.empty() || host.size() > sip::kMaxHostBytes || host.front() == '.') return false;
    const std::string_view last = host.substr(host.rfind('.') + 1);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    return !std::all_of(last.begin(), last.end(), is_digit) &&
           host.find("..") == std::string_view::npos &&
           std::all_of(host.begin(), host.end(), [&](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                      c == '.' || c == '_';
           });
}

}  // namespace

base::Result<StartTarget, base::Reason> read_target(std::string_view uri) {
    if (uri.size() > kMaxTargetBytes) return bad("The URI is too long.");
    const auto parsed = sip::parse_uri(uri);
    if (!parsed || !parsed->is_sip())
        return bad("Not a SIP URI, such as sip:sbc@192.0.2.10:5060: " + base::to_valid_utf8(uri));
    StartTarget target{
        .host = std::string(parsed->host), .address = {}, .port = 0, .transport = {}};
    if (const auto transport = parsed->param("transport")) {
        for (const auto one : {sip::Transport::Udp, sip::Transport::Tcp, sip::Transport::Tls})
            if (base::iequals(*transport, sip::via_name(one))) target.transport = one;
        if (!target.transport) return bad("Only UDP, TCP and TLS are spoken.");
    }
    if (parsed->scheme == sip::UriScheme::Sips) target.transport = sip::Transport::Tls;
    target.port =
        parsed->port.value_or(sip::default_port(target.transport.value_or(sip::Transport::Udp)));
    if (!parsed->headers.empty()) return bad("A URI to call has no headers (?...).");
    target.address = base::parse_host(parsed->host, target.port);
    if (!target.address && !is_name(parsed->host))
        return bad("The URI's host is neither an address nor a name: " +
                   base::to_valid_utf8(parsed->host));
    if (target.address && (target.address->is_unspecified() || is_multicast(*target.address)))
        return bad("Nobody can be called at " + base::host_to_string(*target.address) + ".");
    return target;
}

bool is_call_reference(std::string_view text) {
    constexpr std::string_view kMarks =
        "-.!%*_+`'~()<>:\\\"/[]?{}@;=";  // RFC 3261's word, and more
    return !text.empty() && text.size() <= kMaxTargetBytes && text.front() != ';' &&
           std::all_of(text.begin(), text.end(), [&](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      kMarks.find(c) != std::string_view::npos;
           });
}

}  // namespace earshot::server
