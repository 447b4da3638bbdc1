#include "server/authentication.h"

namespace earshot::server {

std::optional<Refusal> Authentication::check(base::TimePoint now, const ServerConfig& config,
                                             const sip::Flow& flow, const io::TlsPeer* certificate,
                                             const sip::Message& request, std::string* username) {
    auto refusal = check_peer(config, flow.remote, certificate);
    if (!refusal)
        return check_transport(find_peer(config, flow.remote, {}, certificate), flow.transport);
    std::vector<sip::Credentials> users;
    for (const Peer& peer : config.peers)
        if (!peer.digest.username.empty()) users.push_back(peer.digest);
    if (users.empty()) return refusal;

    using Verdict = sip::DigestGuard::Verdict;
    auto judgement = guard_.judge(now, request, users);
    refusal->status = 401;
    switch (judgement.verdict) {
        case Verdict::Accepted:
            if (auto wrong_way = check_transport(find_peer(config, flow.remote, judgement.username),
                                                 flow.transport))
                return wrong_way;
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
