#include "server/start_target.h"

#include <algorithm>
#include <string>

#include "base/net_address.h"
#include "base/text.h"
#include "server/limits.h"
#include "sip/uri.h"

namespace earshot::server {

namespace {

constexpr std::uint16_t kSipPort = 5060;

base::Reason bad(std::string text) { return {"bad_request", std::move(text)}; }

bool is_multicast(const base::NetAddress& address) {
    return address.is_v4() ? (address.ip[12] & 0xf0) == 0xe0 : address.ip[0] == 0xff;
}

}  // namespace

base::Result<sip::Flow, base::Reason> find_flow(std::string_view uri) {
    if (uri.size() > kMaxTargetBytes) return bad("The URI is too long.");
    const auto parsed = sip::parse_uri(uri);
    if (!parsed || !parsed->is_sip())
        return bad("Not a SIP URI, such as sip:sbc@192.0.2.10:5060: " + std::string(uri));
    const std::string transport = base::to_lower(parsed->param("transport").value_or("udp"));
    if (parsed->scheme == sip::UriScheme::Sips || (transport != "udp" && transport != "tcp"))
        return bad("Only UDP and TCP are spoken yet.");
    if (!parsed->headers.empty()) return bad("A URI to call has no headers (?...).");
    const auto address = base::parse_host(parsed->host, parsed->port.value_or(kSipPort));
    if (!address)
        return bad("The URI's host has to be an address; names are not looked up yet: " +
                   std::string(parsed->host));
    if (address->is_unspecified() || is_multicast(*address))
        return bad("Nobody can be called at " + base::host_to_string(*address) + ".");
    return sip::Flow{.transport = transport == "tcp" ? sip::Transport::Tcp : sip::Transport::Udp,
                     .remote = *address};
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
