#include "archive/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "archive/limits.h"
#include "base/text.h"

namespace earshot::archive {
namespace {

using nlohmann::json;  // sorts its keys: its dump() is the canonical form

constexpr int kIndent = 1;
constexpr int kChainedVersion = 1;           // a chain in each part made of blocks
constexpr int kEncryptedChainedVersion = 2;  // the same, encrypted
constexpr std::string_view kCipher = "AES-256-GCM";

std::string write(const json& manifest) { return manifest.dump(kIndent) + "\n"; }

std::optional<Sha256> parse_hash(const json& value) {
    if (!value.is_string()) return std::nullopt;
    const auto bytes = base::parse_hex(value.get_ref<const std::string&>());
    Sha256 hash{};
    if (!bytes || bytes->size() != hash.size()) return std::nullopt;
    std::copy(bytes->begin(), bytes->end(), hash.begin());
    // One writing only: upper case is not ours.
    if (base::to_hex(hash) != value.get_ref<const std::string&>()) return std::nullopt;
    return hash;
}

std::optional<base::Bytes> parse_exact_base64(const json& value) {
    if (!value.is_string()) return std::nullopt;
    const auto& text = value.get_ref<const std::string&>();
    auto bytes = base::parse_base64(text);
    if (!bytes || base::to_base64(*bytes) != text) return std::nullopt;
    return bytes;
}

std::optional<Chain> parse_chain(const json& manifest, const char* key) {
    const json& value = manifest.at(key);
    const auto head = parse_hash(value.at("head"));
    if (!head || !value.at("blocks").is_number_unsigned()) return std::nullopt;
    return Chain{.blocks = value.at("blocks").get<std::uint64_t>(), .head = *head};
}

// What its version has; false where it is none of ours.
bool parse_version(const json& object, Manifest& manifest) {
    const json& version = object.at("version");
    const bool has_chains = version == kChainedVersion || version == kEncryptedChainedVersion;
    const bool is_encrypted = object.contains("encryption");
    if (has_chains ? is_encrypted != (version == kEncryptedChainedVersion)
                   : version != kManifestVersion)
        return false;
    if (is_encrypted) {
        const json& encryption = object.at("encryption");
        manifest.key_hash = parse_hash(encryption.at("key_sha256"));
        if (!manifest.key_hash || encryption.at("cipher") != kCipher) return false;
    }
    if (!has_chains) return true;
    const auto packets = parse_chain(object, "packets");
    const auto signalling = parse_chain(object, "signalling");
    if (!packets || !signalling) return false;
    manifest.chains = Chains{.packets = *packets, .signalling = *signalling};
    return true;
}

std::optional<ParsedManifest> parse_object(const json& object) {
    ParsedManifest parsed;
    if (object.at("format") != kManifestFormat || !parse_version(object, parsed.manifest))
        return std::nullopt;
    parsed.manifest.id = object.at("id").get<std::string>();
    for (const json& item : object.at("parts")) {
        const auto hash = parse_hash(item.at("sha256"));
        if (!hash || !item.at("size").is_number_unsigned()) return std::nullopt;
        parsed.manifest.parts.push_back({.name = item.at("name").get<std::string>(),
                                         .size = item.at("size").get<std::uint64_t>(),
                                         .sha256 = *hash});
    }
    const auto key = parse_exact_base64(object.at("public_key"));
    const auto signature = parse_exact_base64(object.at("signature"));
    if (!key || !signature) return std::nullopt;
    parsed.manifest.public_key = *key;
    json unsigned_form = object;
    unsigned_form.erase("signature");
    parsed.is_signed = verify_signature(*key, base::as_bytes(unsigned_form.dump()), *signature);
    return parsed;
}

}  // namespace

std::string make_manifest(const Summary& summary, const Manifest& manifest, base::WallTime made,
                          const SigningKey& key) {
    json object;
    object["format"] = kManifestFormat;
    object["version"] = kManifestVersion;
    if (manifest.key_hash)
        object["encryption"] = {{"cipher", kCipher},
                                {"key_sha256", base::to_hex(*manifest.key_hash)}};
    object["id"] = manifest.id;
    object["made"] = base::to_rfc3339(made);
    object["start"] = base::to_rfc3339(summary.start);
    object["duration_ms"] = summary.duration_ms.value_or(0);
    object["state"] = catalog::to_string(summary.state);
    object["reason"] = nullptr;
    if (summary.reason) object["reason"] = summary.reason->code;  // its text may name a person
    object["streams"] = json::array();
    for (const StreamSummary& stream : summary.streams) {
        object["streams"].push_back({{"stream", stream.stream},
                                     {"media", base::to_valid_utf8(stream.media)},
                                     {"codec", base::to_valid_utf8(stream.codec)},
                                     {"packets", stream.packets},
                                     {"lost", stream.lost}});
    }
    object["parts"] = json::array();
    for (const ManifestPart& part : manifest.parts) {
        object["parts"].push_back(
            {{"name", part.name}, {"size", part.size}, {"sha256", base::to_hex(part.sha256)}});
    }
    object["public_key"] = base::to_base64(key.public_key());
    object["signature"] = base::to_base64(key.sign(base::as_bytes(object.dump())));
    return write(object);
}

base::Result<ParsedManifest> parse_manifest(std::string_view text) {
    const base::Error wrong{base::Errc::Malformed, "manifest: not of our making"};
    if (text.size() > kMaxManifestBytes)
        return base::Error{base::Errc::TooLarge, "manifest too large"};
    try {  // nlohmann's exceptions end here: a missing or mistyped member
        const json object = json::parse(text);
        auto parsed = parse_object(object);
        if (!parsed || write(object) != text) return wrong;
        return *std::move(parsed);
    } catch (const json::exception&) {
        return wrong;
    }
}

}  // namespace earshot::archive
