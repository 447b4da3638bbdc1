// Which peer of the configuration sends a request: told by its address, else by digest (RFC 3261
// §22). On the signalling thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "server/admission.h"
#include "server/server_config.h"
#include "sip/digest.h"
#include "sip/message.h"

namespace earshot::server {

class Authentication {
public:
    // Borrows `random`.
    explicit Authentication(base::Random& random) : guard_("earshot", random) {}

    // 401 with a challenge where digest peers exist, 403 where addresses and certificates alone
    // admit, or where a peer comes by UDP or TCP that must not; nullopt when the request is a
    // peer's, or when everyone may come. `certificate`: as in find_peer(). `config` holds the
    // peers; the passwords are compared in constant time and told to nobody. `username`, if wanted,
    // gets the user who was admitted by digest (else nothing): for find_peer().
    std::optional<Refusal> check(base::TimePoint now, const ServerConfig& config,
                                 const sip::Flow& flow, const io::TlsPeer* certificate,
                                 const sip::Message& request, std::string* username = nullptr);

private:
    sip::DigestGuard guard_;
};

}  // namespace earshot::server
