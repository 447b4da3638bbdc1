// The server's half of ICE as a lite agent (RFC 8445 section 2.5): it has one candidate for each
// component, its host's, sends no checks, answers those of the peer, and learns from them which
// pair the peer has nominated. Pure; belongs to the thread of the media socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/time.h"
#include "stun/message.h"

namespace earshot::stun {

// a=ice-ufrag and a=ice-pwd (RFC 8839 section 5.4): not for logs, the password is a secret.
struct IceCredentials {
    std::string ufrag;
    std::string password;
    friend bool operator==(const IceCredentials&, const IceCredentials&) = default;
};

IceCredentials make_ice_credentials(base::Random& random);
// RFC 8839 section 5.4: ice-char, and at least so many of them.
bool is_usable(const IceCredentials& credentials);

enum class CheckOutcome : std::uint8_t {
    Answered,  // a check of our peer; `reply` is the success
    Refused,   // not of our peer, or not to be taken: `reply` may hold the error
    Ignored,   // broken, or no request: nothing to say
};

class IceLite {
public:
    // `remote_ufrag` is empty while the peer's is not known.
    IceLite(IceCredentials local, std::string remote_ufrag);

    // One STUN datagram of the socket. `reply`, when it is not empty, goes back to `source`.
    CheckOutcome on_datagram(base::TimePoint now, base::ByteView datagram,
                             const base::NetAddress& source, base::Bytes& reply);

    // Whether a peer that knows our password has shown that it is there: its other packets may be
    // taken, too. Of all pairs that were checked the newest few are known.
    bool is_validated(const base::NetAddress& source) const;
    // The pair to send on: the one nominated last (RFC 8445 section 8.1.1), before that the one
    // checked last; nothing when consent to it has run out (RFC 7675): the peer repeats its checks
    // for as long as it wants our packets.
    std::optional<base::NetAddress> selected(base::TimePoint now) const;
    bool is_nominated() const { return is_nominated_; }

private:
    std::optional<int> find_fault(const Message& request) const;
    void note(base::TimePoint now, const base::NetAddress& source, bool nominates);

    static constexpr std::size_t kMaxPairs = 8;  // a peer has some interfaces, and a NAT may rebind

    IceCredentials local_;
    std::string remote_ufrag_;
    std::array<base::NetAddress, kMaxPairs> validated_{};
    std::size_t next_pair_ = 0;
    base::NetAddress selected_;
    base::TimePoint consent_until_{};
    bool is_nominated_ = false;
};

}  // namespace earshot::stun
