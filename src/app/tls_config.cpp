#include "app/tls_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "io/tls_context.h"

namespace earshot::app {

namespace {

constexpr std::size_t kMaxListens = 8;
constexpr std::uint16_t kTlsPort = 5061;  // RFC 3261 section 19.1.2

// Certificates and keys come one after the other, in any order.
std::string set_files(io::TlsSettings& tls, std::string_view text,
                      std::string io::TlsIdentity::*member) {
    for (io::TlsIdentity& identity : tls.identities) (identity.*member).clear();
    std::size_t count = 0;
    while (!text.empty()) {
        const std::string_view file = base::trim(base::take_until(text, ','));
        if (file.empty()) return "names an empty file";
        if (count == tls.identities.size()) tls.identities.emplace_back();
        tls.identities[count++].*member = file;
    }
    std::erase(tls.identities, io::TlsIdentity{});
    return count > io::kMaxTlsIdentities
               ? fmt::format("names more than {} files", io::kMaxTlsIdentities)
               : std::string{};
}

}  // namespace

std::string set_tls_listens(std::vector<base::NetAddress>& addresses, std::string_view text) {
    addresses.clear();
    while (!text.empty()) {
        const std::string_view one = base::trim(base::take_until(text, ','));
        auto address = base::parse_net_address(one);
        if (!address) address = base::parse_host(one, kTlsPort);
        if (!address)
            return "is not an address: expected HOST or HOST:PORT with a literal IP, like "
                   "192.0.2.7:5061";
        if (std::find(addresses.begin(), addresses.end(), *address) != addresses.end())
            return "names an address twice";
        addresses.push_back(*address);
    }
    return addresses.size() > kMaxListens ? "has more than 8 addresses" : std::string{};
}

std::string set_certificates(io::TlsSettings& tls, std::string_view text) {
    return set_files(tls, text, &io::TlsIdentity::certificate_file);
}

std::string set_private_keys(io::TlsSettings& tls, std::string_view text) {
    return set_files(tls, text, &io::TlsIdentity::private_key_file);
}

std::string set_client_certificate(io::TlsSettings& tls, std::string_view text) {
    if (text == "no")
        tls.client_certificate = io::ClientCertificate::No;
    else if (text == "request")
        tls.client_certificate = io::ClientCertificate::Request;
    else if (text == "require")
        tls.client_certificate = io::ClientCertificate::Require;
    else
        return "is none of no, request, require";
    return {};
}

std::string set_tls_version(io::TlsSettings& tls, std::string_view text) {
    if (text != "1.2" && text != "1.3") return "is neither 1.2 nor 1.3";
    tls.min_version = text == "1.3" ? io::TlsVersion::V13 : io::TlsVersion::V12;
    return {};
}

std::optional<ConfigError> check_tls(const std::vector<base::NetAddress>& listens,
                                     const io::TlsSettings& tls, const std::string& file) {
    const auto fault = [&](std::string key, std::string text, std::string hint) {
        return ConfigError{.where = file,
                           .key = std::move(key),
                           .text = std::move(text),
                           .suggestion = std::move(hint)};
    };
    if (!listens.empty() && tls.identities.empty())
        return fault("sip.tls", "needs a certificate",
                     "name it and its key in sip.certificate_file and sip.private_key_file");
    for (const io::TlsIdentity& one : tls.identities)
        if (one.certificate_file.empty() || one.private_key_file.empty())
            return fault("sip.private_key_file",
                         "does not name as many files as sip.certificate_file",
                         "each certificate has a key, in the same order");
    if (tls.client_certificate != io::ClientCertificate::No && tls.ca_file.empty())
        return fault("sip.client_certificate",
                     "needs sip.ca_file: else everyone whom a public CA knows would be let in",
                     "name the file of the CAs whose clients are yours");
    if (listens.empty() && tls == io::TlsSettings{}) return std::nullopt;
    const auto loaded = io::TlsContext::load(tls);
    if (loaded) return std::nullopt;
    const std::string& code = loaded.error().code;
    return fault(code == "tls_private_key" ? "sip.private_key_file"
                 : code == "tls_ca"        ? "sip.ca_file"
                                           : "sip.certificate_file",
                 loaded.error().text, "");
}

}  // namespace earshot::app
