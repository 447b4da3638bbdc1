// Where SIP bytes come from and go to: a transport, one of our listeners and a remote address.
// Names no socket: server/ and loadgen/ map it to one.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/net_address.h"

namespace earshot::sip {

// Do not renumber: the values stand in journal records.
enum class Transport : std::uint8_t { Udp = 0, Tcp = 1, Tls = 2 };
static_assert(static_cast<int>(Transport::Tls) == 2);

constexpr bool is_reliable(Transport transport) { return transport != Transport::Udp; }

constexpr std::string_view via_name(Transport transport) {  // the word in a Via, RFC 3261 §20.42
    switch (transport) {
        case Transport::Tcp:
            return "TCP";
        case Transport::Tls:
            return "TLS";
        case Transport::Udp:
            break;
    }
    return "UDP";
}

constexpr std::uint16_t default_port(Transport transport) {  // RFC 3261 §19.1.2
    return transport == Transport::Tls ? 5061 : 5060;
}

// What a URI of ours says of it.
constexpr std::string_view transport_parameter(Transport transport) {
    switch (transport) {
        case Transport::Tcp:
            return ";transport=tcp";
        case Transport::Tls:
            return ";transport=tls";
        case Transport::Udp:
            break;
    }
    return "";
}

struct Flow {
    Transport transport = Transport::Udp;
    std::uint16_t listener = 0;  // index into AgentConfig::listeners
    // Streams only: the connection, numbered by whoever owns the sockets, never reused. 0 in bytes
    // to send means "an open connection to `remote` if there is one, else a new one".
    std::uint64_t connection = 0;
    base::NetAddress remote;

    friend bool operator==(const Flow&, const Flow&) = default;
};

}  // namespace earshot::sip
