// The seam between a media plane elsewhere (RTPEngine, RTPProxy) and the network: datagrams to
// numbered instances, and what comes back. Planes know no sockets and no clock; client/ opens the
// sockets. All of it belongs to the signalling thread.
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"

namespace earshot::relay {

// Where control datagrams go.
class ControlLink {
public:
    ControlLink() = default;
    ControlLink(const ControlLink&) = delete;
    ControlLink& operator=(const ControlLink&) = delete;
    virtual ~ControlLink() = default;

    // Borrows the datagram for the call, and never calls back. What cannot be sent is lost, as on
    // the wire. `instance` counts from 0, in the order of the configuration.
    virtual void send(std::size_t instance, base::ByteView datagram) = 0;
};

// Who sends them, and is given what comes.
class ControlUser {
public:
    ControlUser() = default;
    ControlUser(const ControlUser&) = delete;
    ControlUser& operator=(const ControlUser&) = delete;
    virtual ~ControlUser() = default;

    virtual void on_datagram(base::TimePoint now, std::size_t instance,
                             base::ByteView datagram) = 0;
    // The host says that nobody listens there (ICMP port unreachable): what was sent is lost.
    virtual void on_refused(base::TimePoint now, std::size_t instance) = 0;
    virtual void on_time(base::TimePoint now) = 0;
    virtual std::optional<base::TimePoint> deadline() const = 0;
};

}  // namespace earshot::relay
