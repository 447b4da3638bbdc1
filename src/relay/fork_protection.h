// SRTP between a call and its recording servers (RFC 7866 section 12.2): what a leg sends is taken
// out of the protection that its SDP keyed, and put under a key of ours (P-131: never that of the
// call), of the same suite (P-132). All recordings of a stream share that key, and so each packet
// is protected once: no index is used for two contents, and what is kept for a server that takes
// another's place goes out as it would have gone. Belongs to a worker's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/srtp_key.h"
#include "io/udp_socket.h"
#include "relay/negotiation.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::relay {

// The keys of what the leg sends, by the a=crypto of its description that the other leg's took (RFC
// 4568 section 5.1.2). Empty: no SRTP, not agreed yet, or none that we can use.
std::vector<base::SrtpMasterKey> sent_keys(const Negotiation& call, Leg from, std::size_t line);

struct ForkKeys {
    std::vector<base::SrtpMasterKey> leg;
    base::SrtpMasterKey ours;
    friend bool operator==(const ForkKeys&, const ForkKeys&) = default;
};

class ForkProtection {
public:
    explicit ForkProtection(const ForkKeys& keys);

    // A key that is the same goes on where it was.
    void set_keys(const ForkKeys& keys);
    // The packet for the servers, in `room`. Empty: it is not authentic, or came before.
    base::ByteView renew(io::SocketKind kind, base::ByteView packet, std::span<std::uint8_t> room);

private:
    srtp::Outcome open(bool is_rtcp, std::span<std::uint8_t> packet);

    ForkKeys keys_;
    srtp::Receiver receiver_;
    std::optional<srtp::Receiver> previous_;  // while packets under the leg's last key come
    srtp::Sender sender_;
};

}  // namespace earshot::relay
