#include "loadgen/target.h"

#include <netdb.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "io/socket_address.h"
#include "sip/headers.h"
#include "sip/uri.h"

namespace earshot::loadgen {
namespace {

using base::Reason;

std::optional<base::NetAddress> resolve(const std::string& host, std::uint16_t port) {
    if (auto literal = base::parse_host(host, port)) return literal;
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner{found, ::freeaddrinfo};
    sockaddr_storage storage{};
    std::copy_n(reinterpret_cast<const std::uint8_t*>(found->ai_addr), found->ai_addrlen,
                reinterpret_cast<std::uint8_t*>(&storage));
    base::NetAddress address = io::from_socket_address(storage);
    address.port = port;
    return address;
}

}  // namespace

std::string_view typed_uri(std::string_view text) {
    if (text.find('<') == std::string_view::npos) return base::trim(text);
    const auto name_addr = sip::parse_name_addr(text);
    return name_addr ? name_addr->uri : std::string_view{};
}

std::string with_tls(const std::string& uri) {
    const auto parsed = sip::parse_uri(typed_uri(uri));
    if (!parsed || parsed->scheme != sip::UriScheme::Sip || parsed->param("transport")) return uri;
    return std::string(typed_uri(uri)) + ";transport=tls";
}

base::Result<Target, Reason> find_target(const std::string& uri) {
    const auto parsed = sip::parse_uri(typed_uri(uri));
    if (!parsed || !parsed->is_sip()) return Reason{"bad_uri", "Not a SIP URI: " + uri};

    Target target;
    target.uri = parsed->text.substr(0, parsed->text.find('?'));
    const std::string_view transport = parsed->param("transport").value_or("udp");
    if (base::iequals(transport, "tcp")) {
        target.transport = sip::Transport::Tcp;
    } else if (base::iequals(transport, "tls") || parsed->scheme == sip::UriScheme::Sips) {
        target.transport = sip::Transport::Tls;
    } else if (!base::iequals(transport, "udp")) {
        return Reason{"unsupported_transport", "Only UDP, TCP and TLS are built: " + uri};
    }
    // RFC 3261 section 26.2.2: sips: is TLS, over TCP.
    if (parsed->scheme == sip::UriScheme::Sips) target.transport = sip::Transport::Tls;
    const std::string host{parsed->host};
    const auto address = resolve(host, parsed->port.value_or(sip::default_port(target.transport)));
    if (!address) return Reason{"unknown_host", "No address was found for the host of " + uri};
    target.address = *address;
    return target;
}

}  // namespace earshot::loadgen
