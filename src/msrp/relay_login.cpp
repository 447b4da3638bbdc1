#include "msrp/relay_login.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace earshot::msrp {

RelayLogin::RelayLogin(Uri relay, Uri own, Authorize authorize, base::Random& random)
    : relay_(std::move(relay)),
      own_(std::move(own)),
      authorize_(std::move(authorize)),
      random_(random) {}

RelayLogin::Ask RelayLogin::begin() {
    tries_ = 0;
    return ask({});
}

RelayLogin::Ask RelayLogin::ask(std::string_view authorization) {
    ++tries_;
    transaction_ = random_.token(8);
    authorization_ = authorization;
    Head head;
    head.transaction = transaction_;
    head.method = "AUTH";
    head.to_path = {relay_};
    head.from_path = {own_};
    if (!authorization_.empty()) head.others.emplace_back("Authorization", authorization_);
    head.others.emplace_back("Expires", std::to_string(lifetime_s_));
    return {write_head(head) + end_line(transaction_, Continuation::Complete)};
}

std::optional<RelayLogin::Step> RelayLogin::on_response(const Head& response) {
    if (response.is_request() || transaction_.empty() || response.transaction != transaction_)
        return std::nullopt;
    transaction_.clear();
    if (response.status == 401 && tries_ < kMaxRelayTries) return on_challenge(response);
    if (response.status == 423 && tries_ < kMaxRelayTries) return on_bounds(response);
    if (response.status != 200)
        return Refused{.status = response.status, .comment = response.comment};
    auto path = parse_path(response.find_other("Use-Path"));
    if (!path) return Refused{.status = 0, .comment = "200 without a Use-Path"};
    LoggedIn session{.use_path = *std::move(path), .lifetime = std::nullopt};
    if (const auto lifetime =
            base::parse_number<std::uint32_t>(base::trim(response.find_other("Expires"))))
        session.lifetime = std::chrono::seconds{*lifetime};
    return session;
}

// Credentials that were refused are not sent again, but for a nonce that was only too old.
RelayLogin::Step RelayLogin::on_challenge(const Head& response) {
    const std::string_view challenge = response.find_other("WWW-Authenticate");
    const bool is_stale = base::to_lower(challenge).find("stale=true") != std::string::npos;
    std::string authorization;
    if (authorization_.empty() || is_stale)
        authorization = authorize_(challenge, "AUTH", to_string(relay_));
    if (authorization.empty())
        return Refused{.status = response.status, .comment = response.comment};
    return ask(authorization);
}

RelayLogin::Step RelayLogin::on_bounds(const Head& response) {
    const auto bound = [&](std::string_view name) {
        return base::parse_number<std::uint32_t>(base::trim(response.find_other(name)));
    };
    const std::uint32_t asked = lifetime_s_;
    if (const auto least = bound("Min-Expires")) lifetime_s_ = std::max(lifetime_s_, *least);
    if (const auto most = bound("Max-Expires")) lifetime_s_ = std::min(lifetime_s_, *most);
    if (lifetime_s_ == asked)
        return Refused{.status = response.status, .comment = response.comment};
    // A nonce counts once for some: the relay challenges again if it has to.
    return ask({});
}

std::vector<Uri> path_to_tell(const std::vector<Uri>& use_path, const Uri& own) {
    std::vector<Uri> path(use_path.rbegin(), use_path.rend());
    path.push_back(own);
    return path;
}

std::vector<Uri> path_to_peer(const std::vector<Uri>& use_path, const std::vector<Uri>& peer) {
    std::vector<Uri> path = use_path;
    path.insert(path.end(), peer.begin(), peer.end());
    return path;
}

}  // namespace earshot::msrp
