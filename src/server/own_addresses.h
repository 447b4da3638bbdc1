// What the server calls itself: the hosts in Via, Contact and c= of its messages. That is where a
// listener is bound; or, behind a NAT, the advertised address of its IP family; or, bound to all
// (0.0.0.0, [::]), the one that the route to the peer leaves from.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"
#include "sip/flow.h"
#include "siprec/recording_server_session.h"

namespace earshot::server {

class OwnAddresses {
public:
    // Asks for our address on the way to another.
    using Route = std::function<base::Result<base::NetAddress>(const base::NetAddress& remote)>;

    // `listeners`: the bound addresses, Flow::listener is the index.
    OwnAddresses(std::vector<base::NetAddress> advertised, std::vector<base::NetAddress> listeners);
    OwnAddresses(std::vector<base::NetAddress> advertised, std::vector<base::NetAddress> listeners,
                 Route route);

    // Host and port of Via and Contact.
    base::NetAddress signalling(std::uint16_t listener) const;
    // Whether what is sent there comes to one of our listeners.
    bool is_own(const base::NetAddress& address) const;
    // c= for media: of the flow's IP family, and of the other one where a listener has it.
    siprec::MediaAddresses media(const sip::Flow& flow) const;

private:
    const base::NetAddress* find_advertised(bool ipv6) const;
    base::NetAddress usual_media(const sip::Flow& flow) const;
    base::NetAddress other_media(const sip::Flow& flow) const;
    std::optional<base::NetAddress> find_routed(const base::NetAddress& remote) const;

    std::vector<base::NetAddress> advertised_;
    std::vector<base::NetAddress> listeners_;
    Route route_;
};

}  // namespace earshot::server
