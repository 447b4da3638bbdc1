#include "server/authentication.h"

namespace earshot::server {

std::optional<Refusal> Authentication::check(base::TimePoint now, const ServerConfig& config,
                                             const base::NetAddress& from,
                                             const sip::Message& request, std::string* username) {
    auto refusal = check_peer(config, from);
    if (!refusal) return std::nullopt;
    std::vector<sip::Credentials> users;
    for (const Peer& peer : config.peers)
        if (!peer.digest.username.empty()) users.push_back(peer.digest);
    if (users.empty()) return refusal;

    using Verdict = sip::DigestGuard::Verdict;
    auto judgement = guard_.judge(now, request, users);
    refusal->status = 401;
    switch (judgement.verdict) {
        case Verdict::Accepted:
            if (username != nullptr) *username = std::move(judgement.username);
            return std::nullopt;
        case Verdict::NoAnswer:
            refusal->reason = {"challenged", "The client was asked for its password (digest)."};
            break;
        case Verdict::Stale:
            refusal->reason = {
                "challenged",
                "The client was asked for its password again: the nonce was used up."};
            break;
        case Verdict::Wrong:
            refusal->reason = {"wrong_credentials", "The username or the password is wrong."};
            break;
    }
    refusal->headers = guard_.challenge(now, judgement.verdict == Verdict::Stale);
    return refusal;
}

}  // namespace earshot::server
