#include "sdp/fingerprint.h"

#include <array>

#include "base/text.h"
#include "sdp/limits.h"

namespace earshot::sdp {

namespace {

constexpr std::array<std::string_view, 4> kSetups{"active", "passive", "actpass", "holdconn"};

std::optional<std::uint8_t> hex_digit(char c) {
    if (base::is_digit(c)) return static_cast<std::uint8_t>(c - '0');
    const char lower = base::to_lower(c);
    if (lower >= 'a' && lower <= 'f') return static_cast<std::uint8_t>(lower - 'a' + 10);
    return std::nullopt;
}

template <class Function>
bool for_each_named(std::span<const Attribute> attributes, std::string_view name,
                    Function&& function) {
    bool found = false;
    for (const Attribute& attribute : attributes) {
        if (!base::iequals(attribute.name, name)) continue;
        found = true;
        function(attribute.value);
    }
    return found;
}

}  // namespace

std::optional<base::CertificateFingerprint> parse_fingerprint(std::string_view value) {
    value = base::trim(value);
    const auto function = base::find_hash_function(base::take_until(value, ' '));
    if (!function) return std::nullopt;
    std::string_view text = base::trim(value);
    base::CertificateFingerprint fingerprint{.function = *function, .digest = {}};
    while (!text.empty()) {
        const std::string_view octet = base::take_until(text, ':');
        if (octet.size() != 2) return std::nullopt;
        const auto high = hex_digit(octet[0]);
        const auto low = hex_digit(octet[1]);
        if (!high || !low) return std::nullopt;
        if (fingerprint.digest.size() == base::digest_bytes(*function)) return std::nullopt;
        fingerprint.digest.push_back(static_cast<std::uint8_t>(*high << 4U | *low));
    }
    if (fingerprint.digest.size() != base::digest_bytes(*function)) return std::nullopt;
    return fingerprint;
}

std::string to_string(const base::CertificateFingerprint& fingerprint) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";  // RFC 8122: upper case
    std::string text(base::to_string(fingerprint.function));
    char separator = ' ';
    for (const std::uint8_t octet : fingerprint.digest) {
        text += separator;
        text += kDigits[octet >> 4U];
        text += kDigits[octet & 0xfU];
        separator = ':';
    }
    return text;
}

std::vector<base::CertificateFingerprint> fingerprints_of(const SessionDescription& description,
                                                          const MediaDescription& medium) {
    std::vector<base::CertificateFingerprint> fingerprints;
    const auto take = [&](std::string_view value) {
        if (fingerprints.size() == kMaxFingerprints) return;
        if (auto one = parse_fingerprint(value)) fingerprints.push_back(std::move(*one));
    };
    if (!for_each_named(description.attributes_of(medium), "fingerprint", take))
        for_each_named(description.session_attributes(), "fingerprint", take);
    return fingerprints;
}

std::string_view to_string(Setup setup) { return kSetups.at(static_cast<std::size_t>(setup)); }

std::optional<Setup> parse_setup(std::string_view value) {
    value = base::trim(value);
    for (std::size_t i = 0; i < kSetups.size(); ++i)
        if (base::iequals(kSetups.at(i), value)) return static_cast<Setup>(i);
    return std::nullopt;
}

std::optional<Setup> setup_of(const SessionDescription& description,
                              const MediaDescription& medium) {
    const Attribute* attribute = description.find_attribute(medium, "setup");
    if (attribute == nullptr) attribute = description.find_session_attribute("setup");
    return attribute == nullptr ? std::nullopt : parse_setup(attribute->value);
}

bool is_dtls_srtp(const SessionDescription& description, const MediaDescription& medium) {
    if (!medium.is_secure_rtp()) return false;
    // RFC 5763 section 5 wants UDP/TLS/RTP/SAVP(F); those who write RTP/SAVPF and a fingerprint
    // (old browsers, some PBXs) mean the same, unless they offer a=crypto.
    if (base::istarts_with(medium.proto, "UDP/TLS/")) return true;
    return description.find_attribute(medium, "crypto") == nullptr &&
           !fingerprints_of(description, medium).empty();
}

std::optional<Setup> answer_setup(std::optional<Setup> offered) {
    switch (offered.value_or(Setup::Active)) {
        case Setup::Active:
        case Setup::ActPass:
            return Setup::Passive;
        case Setup::Passive:
            return Setup::Active;
        case Setup::HoldConn:
            break;
    }
    return std::nullopt;
}

}  // namespace earshot::sdp
