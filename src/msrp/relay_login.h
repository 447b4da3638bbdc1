// A client's session at an MSRP relay (RFC 4976 section 5): AUTH, once more with credentials after
// 401 and within the relay's bounds after 423; in the end the URIs through which the client is
// reached. No I/O, no clock, no passwords; belongs to the loop of the connection to the relay.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/random.h"
#include "msrp/head.h"

namespace earshot::msrp {

inline constexpr std::chrono::seconds kRelayLifetime{1800};  // that is asked for first
inline constexpr int kMaxRelayTries = 4;                     // AUTHs until it gives up

class RelayLogin {
public:
    // The value of Authorization for that of WWW-Authenticate (RFC 4976 section 5.1: Digest);
    // empty: there are no credentials for it.
    using Authorize = std::function<std::string(std::string_view challenge, std::string_view method,
                                                std::string_view uri)>;

    struct Ask {  // octets for the relay
        std::string bytes;
    };
    struct LoggedIn {
        std::vector<Uri> use_path;  // the next hop first
        // By when to begin() again; empty: the relay did not say.
        std::optional<std::chrono::seconds> lifetime;
    };
    struct Refused {
        int status = 0;  // 0: an answer that makes no sense
        std::string comment;
    };
    using Step = std::variant<Ask, LoggedIn, Refused>;

    // `random` must outlive this.
    RelayLogin(Uri relay, Uri own, Authorize authorize, base::Random& random);

    Ask begin();  // also to renew
    // Nothing: it answers another request.
    std::optional<Step> on_response(const Head& response);

private:
    Ask ask(std::string_view authorization);
    Step on_challenge(const Head& response);
    Step on_bounds(const Head& response);

    Uri relay_;
    Uri own_;
    Authorize authorize_;
    base::Random& random_;
    std::string transaction_;
    std::uint32_t lifetime_s_ = static_cast<std::uint32_t>(kRelayLifetime.count());
    std::string authorization_;
    int tries_ = 0;
};

// RFC 4976 section 5.1: what the client tells in a=path, and To-Path of its requests to a peer.
std::vector<Uri> path_to_tell(const std::vector<Uri>& use_path, const Uri& own);
std::vector<Uri> path_to_peer(const std::vector<Uri>& use_path, const std::vector<Uri>& peer);

}  // namespace earshot::msrp
