// Reads what SIP needs out of X.509 certificates.
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "io/tls_openssl.h"

namespace earshot::io {

namespace {

using GeneralNames = std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>>;

std::string_view text_of(const ASN1_STRING* string) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
            static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// Letters, digits, '-', '.', '_': also no NUL, which once hid half of a name from who compared it.
bool is_domain(std::string_view text) {
    return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
        return base::is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '.' || c == '_';
    });
}

// The host of "sip:example.com"; empty for other schemes, and for a user's URI, which names no
// domain (RFC 5922 section 7.1).
std::string_view domain_of_uri(std::string_view uri) {
    constexpr std::string_view kScheme = "sip:";
    if (!base::istarts_with(uri, kScheme) || uri.find('@') != std::string_view::npos) return {};
    uri.remove_prefix(kScheme.size());
    return uri.substr(0, uri.find_first_of(":;?"));
}

void add_address(TlsPeer& peer, std::string_view octets) {
    base::NetAddress address;
    if (octets.size() == 4) {
        address = *base::parse_host("0.0.0.0", 0);
        std::copy(octets.begin(), octets.end(), address.ip.begin() + 12);
    } else if (octets.size() == address.ip.size()) {
        std::copy(octets.begin(), octets.end(), address.ip.begin());
    } else {
        return;
    }
    peer.addresses.push_back(address);
}

void read_alternative_names(TlsPeer& peer, const GENERAL_NAMES& names) {
    std::vector<std::string> of_dns;
    for (int i = 0; i < sk_GENERAL_NAME_num(&names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(&names, i);
        if (name->type == GEN_URI) {
            const auto domain = domain_of_uri(text_of(name->d.uniformResourceIdentifier));
            if (is_domain(domain)) peer.domains.push_back(base::to_lower(domain));
        } else if (name->type == GEN_DNS) {
            const auto domain = text_of(name->d.dNSName);
            if (domain.starts_with("*.")) peer.has_wildcard = true;
            if (is_domain(domain)) of_dns.push_back(base::to_lower(domain));
        } else if (name->type == GEN_IPADD) {
            add_address(peer, text_of(name->d.iPAddress));
        }
    }
    if (peer.domains.empty()) peer.domains = std::move(of_dns);
}

std::string common_name(const X509_NAME* subject) {
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return {};
    const auto text = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    return is_domain(text) ? base::to_lower(text) : std::string{};
}

}  // namespace

base::Bytes digest_of(const X509& certificate, base::HashFunction function) {
    constexpr std::array<const EVP_MD* (*)(), 5> kDigests{EVP_sha1, EVP_sha224, EVP_sha256,
                                                          EVP_sha384, EVP_sha512};
    base::Bytes digest(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    const EVP_MD* const algorithm = kDigests.at(static_cast<std::size_t>(function))();
    if (X509_digest(&certificate, algorithm, digest.data(), &size) != 1) size = 0;
    digest.resize(size);
    return digest;
}

std::string name_text(const X509_NAME* name) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    if (X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0)
        return {};
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return base::to_valid_utf8({text, static_cast<std::size_t>(size)});
}

TlsPeer read_identities(X509& certificate) {
    TlsPeer peer;
    peer.subject = name_text(X509_get_subject_name(&certificate));
    const GeneralNames names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
    if (names) {
        read_alternative_names(peer, *names);
    } else if (std::string name = common_name(X509_get_subject_name(&certificate)); !name.empty()) {
        peer.domains.push_back(std::move(name));
    }
    return peer;
}

bool is_for_sip(X509& certificate) {
    using Usages = std::unique_ptr<EXTENDED_KEY_USAGE, OpensslFree<EXTENDED_KEY_USAGE_free>>;
    const Usages usages(static_cast<EXTENDED_KEY_USAGE*>(
        X509_get_ext_d2i(&certificate, NID_ext_key_usage, nullptr, nullptr)));
    if (!usages) return true;
    constexpr std::string_view kSipDomain = "1.3.6.1.5.5.7.3.20";  // RFC 5924
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
        const ASN1_OBJECT* usage = sk_ASN1_OBJECT_value(usages.get(), i);
        const int nid = OBJ_obj2nid(usage);
        if (nid == NID_server_auth || nid == NID_client_auth || nid == NID_anyExtendedKeyUsage)
            return true;
        std::array<char, 64> text{};
        if (OBJ_obj2txt(text.data(), text.size(), usage, 1) > 0 && kSipDomain == text.data())
            return true;
    }
    return false;
}

}  // namespace earshot::io
