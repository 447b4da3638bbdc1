#include "sip/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdlib>

#include "base/bytes.h"
#include "base/text.h"
#include "sip/digest_credentials.h"
#include "sip/digest_limits.h"
#include "sip/headers.h"

namespace earshot::sip {

namespace {

using base::Errc;
using base::Error;
using base::Result;
using Parameters = std::vector<std::pair<std::string, std::string>>;  // names in lower case

// RFC 3261 §25.1, quoted-string: a backslash stands before any character. nullopt: not closed,
// or nothing at all.
std::optional<std::string> unquote(std::string_view text) {
    if (text.empty()) return std::nullopt;
    if (text.front() != '"') return std::string{text};
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') return i + 1 == text.size() ? std::optional{value} : std::nullopt;
        if (text[i] == '\\' && ++i == text.size()) return std::nullopt;
        value += text[i];
    }
    return std::nullopt;
}

std::string quote(std::string_view text) {
    std::string value = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') value += '\\';
        value += c;
    }
    return value += '"';
}

// "name=value", the name in lower case.
std::optional<std::pair<std::string, std::string>> parse_parameter(std::string_view element) {
    const std::size_t equals = element.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    auto value = unquote(base::trim(element.substr(equals + 1)));
    if (!value || value->size() > kMaxDigestValueBytes) return std::nullopt;
    return std::pair{base::to_lower(base::trim(element.substr(0, equals))), *std::move(value)};
}

Result<Parameters> parse_parameters(std::string_view value) {
    value = base::trim(value);
    const std::size_t blank = std::min(value.find_first_of(" \t"), value.size());
    if (!base::iequals(value.substr(0, blank), "Digest")) {
        return Error{Errc::Unsupported, "digest: another scheme"};
    }
    std::string_view rest = base::trim(value.substr(blank));
    Parameters parameters;
    std::string_view element;
    while (take_list_element(rest, element)) {
        auto parameter = parse_parameter(element);
        if (!parameter) return Error{Errc::Malformed, "digest: no parameter where one is due"};
        if (parameters.size() == kMaxDigestParameters) {
            return Error{Errc::TooLarge, "digest: too many parameters"};
        }
        parameters.push_back(*std::move(parameter));
    }
    return parameters;
}

std::optional<std::string> find(const Parameters& parameters, std::string_view name) {
    for (const auto& [key, value] : parameters)
        if (key == name) return value;
    return std::nullopt;
}

std::optional<DigestAlgorithm> find_algorithm(const Parameters& parameters) {
    const std::string name = find(parameters, "algorithm").value_or("MD5");
    if (base::iequals(name, "SHA-256")) return DigestAlgorithm::Sha256;
    if (base::iequals(name, "MD5")) return DigestAlgorithm::Md5;
    return std::nullopt;  // also the -sess forms: they save a server nothing that has the password
}

std::string_view to_string(DigestAlgorithm algorithm) {
    return algorithm == DigestAlgorithm::Sha256 ? "SHA-256" : "MD5";
}

std::string hash(DigestAlgorithm algorithm, std::string_view text) {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> out{};
    unsigned size = 0;
    const EVP_MD* kind = algorithm == DigestAlgorithm::Sha256 ? EVP_sha256() : EVP_md5();
    if (EVP_Digest(text.data(), text.size(), out.data(), &size, kind, nullptr) != 1) return {};
    return base::to_hex(base::ByteView(out).first(size));
}

// Lengths are no secret, contents are.
bool is_equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && !a.empty() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool lists_auth(std::string_view qop) {
    std::string_view one;
    while (take_list_element(qop, one))
        if (base::iequals(one, "auth")) return true;
    return false;
}

std::uint64_t second_of(base::TimePoint now) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

}  // namespace

Result<DigestChallenge> parse_digest_challenge(std::string_view value) {
    const auto parameters = parse_parameters(value);
    if (!parameters) return parameters.error();
    const auto algorithm = find_algorithm(*parameters);
    if (!algorithm) return Error{Errc::Unsupported, "digest: another algorithm"};
    const auto realm = find(*parameters, "realm");
    const auto nonce = find(*parameters, "nonce");
    if (!realm || !nonce) return Error{Errc::Malformed, "digest: realm or nonce is missing"};
    const auto qop = find(*parameters, "qop");
    if (qop && !lists_auth(*qop)) return Error{Errc::Unsupported, "digest: another qop"};
    return DigestChallenge{
        .realm = *realm,
        .nonce = *nonce,
        .opaque = find(*parameters, "opaque").value_or(""),
        .algorithm = *algorithm,
        .offers_auth = qop.has_value(),
        .is_stale = base::iequals(find(*parameters, "stale").value_or(""), "true")};
}

Result<DigestAnswer> parse_digest_answer(std::string_view value) {
    const auto parameters = parse_parameters(value);
    if (!parameters) return parameters.error();
    const auto algorithm = find_algorithm(*parameters);
    if (!algorithm) return Error{Errc::Unsupported, "digest: another algorithm"};
    // We offered nothing else; without it there is no count that a replay could be told by.
    if (!base::iequals(find(*parameters, "qop").value_or(""), "auth")) {
        return Error{Errc::Unsupported, "digest: qop is not auth"};
    }
    DigestAnswer answer{.algorithm = *algorithm};
    const std::array<std::pair<std::string_view, std::string*>, 7> wanted{
        {{"username", &answer.username},
         {"realm", &answer.realm},
         {"nonce", &answer.nonce},
         {"uri", &answer.uri},
         {"response", &answer.response},
         {"cnonce", &answer.cnonce},
         {"nc", &answer.nonce_count}}};
    for (const auto& [name, place] : wanted) {
        auto found = find(*parameters, name);
        if (!found) return Error{Errc::Malformed, "digest: a parameter is missing"};
        *place = *std::move(found);
    }
    return answer;
}

std::string digest_response(const DigestAnswer& answer, std::string_view password,
                            std::string_view method) {
    const auto of = [&](const std::string& text) { return hash(answer.algorithm, text); };
    const std::string secret =
        of(answer.username + ":" + answer.realm + ":" + std::string{password});
    const std::string request = of(std::string{method} + ":" + answer.uri);
    if (secret.empty() || request.empty()) return {};
    if (answer.nonce_count.empty()) return of(secret + ":" + answer.nonce + ":" + request);
    return of(secret + ":" + answer.nonce + ":" + answer.nonce_count + ":" + answer.cnonce +
              ":auth:" + request);
}

std::string write_digest_credentials(const DigestChallenge& challenge,
                                     const Credentials& credentials, std::string_view method,
                                     std::string_view uri, std::string_view cnonce) {
    DigestAnswer answer{.username = credentials.username,
                        .realm = challenge.realm,
                        .nonce = challenge.nonce,
                        .uri = std::string{uri},
                        .cnonce = challenge.offers_auth ? std::string{cnonce} : "",
                        .nonce_count = challenge.offers_auth ? "00000001" : "",
                        .algorithm = challenge.algorithm};
    answer.response = digest_response(answer, credentials.password, method);
    if (answer.response.empty()) return {};
    std::string text = "Digest username=" + quote(answer.username) +
                       ", realm=" + quote(answer.realm) + ", nonce=" + quote(answer.nonce) +
                       ", uri=" + quote(uri) + ", response=" + quote(answer.response) +
                       ", algorithm=" + std::string{to_string(answer.algorithm)};
    if (challenge.offers_auth) text += ", qop=auth, nc=00000001, cnonce=" + quote(cnonce);
    if (!challenge.opaque.empty()) text += ", opaque=" + quote(challenge.opaque);
    return text;
}

std::optional<ExtraHeader> answer_challenge(const Message& response, const Credentials& credentials,
                                            std::string_view method, std::string_view uri,
                                            std::string_view cnonce) {
    const bool is_proxy = response.status() == 407;
    if (!is_proxy && response.status() != 401) return std::nullopt;
    const auto asked = is_proxy ? HeaderId::ProxyAuthenticate : HeaderId::WwwAuthenticate;
    for (const std::string_view value : response.all(asked)) {
        const auto challenge = parse_digest_challenge(value);
        if (!challenge) continue;
        std::string text = write_digest_credentials(*challenge, credentials, method, uri, cnonce);
        if (text.empty()) continue;
        return ExtraHeader{is_proxy ? "Proxy-Authorization" : "Authorization", std::move(text)};
    }
    return std::nullopt;
}

// ---- the guard ----

DigestGuard::DigestGuard(std::string realm, base::Random& random)
    : realm_(std::move(realm)), random_(random) {
    random_.fill(key_);
}

// second 8, number 8, HMAC-SHA-256 over both 16 of its 32 octets; all in hex.
std::string DigestGuard::write(const Nonce& nonce) const {
    std::array<std::uint8_t, 32> octets{};
    base::store_le<std::uint64_t>(octets, 0, nonce.second);
    base::store_le<std::uint64_t>(octets, 8, nonce.number);
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac{};
    unsigned size = 0;
    if (HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), octets.data(), 16,
             mac.data(), &size) == nullptr) {
        std::abort();
    }
    std::copy_n(mac.begin(), 16, octets.begin() + 16);
    return base::to_hex(octets);
}

std::optional<DigestGuard::Nonce> DigestGuard::read(std::string_view text) const {
    if (text.size() != 64) return std::nullopt;
    const auto octets = base::parse_hex(text);
    if (!octets) return std::nullopt;
    const Nonce nonce{base::load_le<std::uint64_t>(*octets, 0),
                      base::load_le<std::uint64_t>(*octets, 8)};
    if (!is_equal_in_constant_time(write(nonce), text)) return std::nullopt;
    return nonce;
}

std::vector<ExtraHeader> DigestGuard::challenge(base::TimePoint now, bool is_stale) {
    const std::string nonce = write({second_of(now), random_.u64()});
    std::vector<ExtraHeader> headers;
    for (const DigestAlgorithm algorithm : {DigestAlgorithm::Sha256, DigestAlgorithm::Md5}) {
        std::string value = "Digest realm=" + quote(realm_) + ", nonce=" + quote(nonce) +
                            ", algorithm=" + std::string{to_string(algorithm)} + ", qop=\"auth\"";
        if (is_stale) value += ", stale=true";
        headers.push_back({"WWW-Authenticate", std::move(value)});
    }
    return headers;
}

DigestGuard::Judgement DigestGuard::judge(base::TimePoint now, const Message& request,
                                          const std::vector<Credentials>& users) {
    Judgement judgement;
    for (const std::string_view value : request.all(HeaderId::Authorization)) {
        const auto answer = parse_digest_answer(value);
        if (!answer || answer->realm != realm_) continue;
        // An unknown user costs as much time as a known one with a wrong password. The URI is
        // hashed as the client wrote it: proxies change that of the request line.
        judgement.verdict = Verdict::Wrong;
        const auto user = std::find_if(users.begin(), users.end(), [&](const Credentials& one) {
            return one.username == answer->username;
        });
        const std::string_view password =
            user == users.end() ? std::string_view{} : std::string_view{user->password};
        const std::string expected = digest_response(*answer, password, request.method_name());
        const bool matches = is_equal_in_constant_time(expected, base::to_lower(answer->response));
        if (!matches || user == users.end() || password.empty()) return judgement;
        const auto count = base::parse_hex(answer->nonce_count);
        if (!count || count->size() != 4) return judgement;
        const auto nonce = read(answer->nonce);
        const bool is_good =
            nonce && is_fresh(now, *nonce) && take_count(now, *nonce, base::load_u32(*count, 0));
        judgement.verdict = is_good ? Verdict::Accepted : Verdict::Stale;
        if (is_good) judgement.username = user->username;
        return judgement;
    }
    return judgement;
}

bool DigestGuard::is_fresh(base::TimePoint now, const Nonce& nonce) const {
    const std::uint64_t second = second_of(now);
    const auto lifetime = static_cast<std::uint64_t>(kNonceLifetime.count());
    return nonce.second >= oldest_valid_ && nonce.second <= second &&
           second - nonce.second <= lifetime;
}

bool DigestGuard::take_count(base::TimePoint now, const Nonce& nonce, std::uint32_t count) {
    while (!used_.empty() && !is_fresh(now, used_.begin()->first)) used_.erase(used_.begin());
    const auto known = used_.find(nonce);
    if (known != used_.end()) return known->second.take(count);
    if (used_.size() == kMaxUsedNonces) {
        // What is forgotten could be replayed: with it goes all that is as old.
        oldest_valid_ = used_.begin()->first.second + 1;
        while (!used_.empty() && used_.begin()->first.second < oldest_valid_) {
            used_.erase(used_.begin());
        }
        if (!is_fresh(now, nonce)) return false;
    }
    return used_[nonce].take(count);
}

bool DigestGuard::Counts::take(std::uint32_t count) {
    if (count == 0) return false;
    if (count > highest) {
        const std::uint32_t step = count - highest;
        seen = step < 64 ? seen << step : 0;
        seen |= 1;
        highest = count;
        return true;
    }
    const std::uint32_t back = highest - count;
    if (back >= 64 || (seen >> back & 1) != 0) return false;
    seen |= std::uint64_t{1} << back;
    return true;
}

}  // namespace earshot::sip
