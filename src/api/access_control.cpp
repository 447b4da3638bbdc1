#include "api/access_control.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "base/net_address.h"
#include "base/text.h"

namespace earshot::api {
namespace {

constexpr std::size_t kSecretBytes = 32;

// "localhost:8080" -> "localhost", "[::1]:8080" -> "::1".
std::string host_of(std::string_view field) {
    if (field.starts_with('[')) return base::to_lower(field.substr(1, field.find(']') - 1));
    return base::to_lower(field.substr(0, field.find(':')));
}

bool is_from_own_page(const http::Request& request) {
    const std::string_view site = request.header("sec-fetch-site");
    if (!site.empty() && site != "same-origin" && site != "none") return false;
    const std::string_view origin = request.header("origin");
    return origin.empty() || origin == fmt::format("http://{}", request.header("host"));
}

}  // namespace

bool is_equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

AccessControl::AccessControl(std::string token, std::string cookie_name,
                             std::vector<std::string> extra_hosts, base::Random& random)
    : token_(std::move(token)),
      cookie_name_(std::move(cookie_name)),
      extra_hosts_(std::move(extra_hosts)),
      random_(random) {}

bool AccessControl::is_host_allowed(const http::Request& request) const {
    const std::string host = host_of(request.header("host"));
    if (host == "localhost") return true;
    if (const auto address = base::parse_host(host, 0); address && address->is_loopback())
        return true;
    return std::find(extra_hosts_.begin(), extra_hosts_.end(), host) != extra_hosts_.end();
}

AccessControl::Who AccessControl::who_asks(const http::Request& request, base::TimePoint now) {
    constexpr std::string_view kScheme = "Bearer ";
    const std::string_view field = request.header("authorization");
    if (base::istarts_with(field, kScheme)) {
        const std::string_view given = base::trim(field.substr(kScheme.size()));
        // A wrong token is not rescued by a cookie.
        const bool is_good = !token_.empty() && is_equal_in_constant_time(given, token_);
        return is_good ? Who::Token : Who::Nobody;
    }
    Secret* session = find_session(request, now);
    if (session == nullptr) return Who::Nobody;
    session->expires = now + kSessionLife;
    return Who::Session;
}

bool AccessControl::may_read_private(const http::Request& request, base::TimePoint now) {
    const Who who = who_asks(request, now);
    if (who != Who::Session) return who == Who::Token;
    const Secret* session = find_session(request, now);
    return session != nullptr && session->reads_private;
}

AccessControl::Secret* AccessControl::find_session(const http::Request& request,
                                                   base::TimePoint now) {
    if (!is_from_own_page(request)) return nullptr;
    return find(sessions_, request.cookie(cookie_name_), now);
}

std::string AccessControl::make_code(base::TimePoint now, bool reads_private) {
    if (codes_.size() == kMaxCodes) codes_.erase(codes_.begin());
    codes_.push_back({random_.token(kSecretBytes), now + kCodeLife, reads_private});
    return codes_.back().text;
}

std::string AccessControl::trade_code(std::string_view code, base::TimePoint now) {
    Secret* found = find(codes_, code, now);
    if (found == nullptr) return {};
    const bool reads_private = found->reads_private;
    codes_.erase(codes_.begin() + (found - codes_.data()));
    if (sessions_.size() == kMaxSessions) sessions_.erase(sessions_.begin());
    sessions_.push_back({random_.token(kSecretBytes), now + kSessionLife, reads_private});
    return fmt::format("{}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}", cookie_name_,
                       sessions_.back().text,
                       std::chrono::duration_cast<std::chrono::seconds>(kSessionLife).count());
}

AccessControl::Secret* AccessControl::find(std::vector<Secret>& secrets, std::string_view text,
                                           base::TimePoint now) {
    std::erase_if(secrets, [now](const Secret& secret) { return secret.expires <= now; });
    for (Secret& secret : secrets)
        if (is_equal_in_constant_time(secret.text, text)) return &secret;
    return nullptr;
}

}  // namespace earshot::api
