#include "siprec/metadata.h"

#include <array>
#include <cstdint>
#include <utility>

#include "base/text.h"

namespace earshot::siprec {
namespace {

constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> make_base64_values() {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array<std::uint8_t, 256> values{};
    values.fill(kNoDigit);
    for (std::size_t i = 0; i < kDigits.size(); ++i)
        values.at(static_cast<std::uint8_t>(kDigits[i])) = static_cast<std::uint8_t>(i);
    return values;
}

// Exactly what to_base64() writes for a UUID, else nothing. A document holds some twenty ids,
// nearly all in this form; base::parse_uuid_base64() and a comparison take fifteen times the steps.
std::optional<base::Uuid> parse_exact(std::string_view text) {
    static constexpr auto kValues = make_base64_values();
    constexpr std::size_t kDigitCount = 22;  // 16 bytes and four bits that are 0
    if (text.size() != kDigitCount + 2 || !text.ends_with("==")) return std::nullopt;
    base::Uuid uuid;
    std::size_t size = 0;
    std::uint32_t group = 0;
    unsigned bits = 0;
    for (std::size_t i = 0; i < kDigitCount; ++i) {
        const std::uint8_t value = kValues[static_cast<std::uint8_t>(text[i])];
        if (value == kNoDigit) return std::nullopt;
        group = group << 6 | value;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        uuid.bytes[size++] = static_cast<std::uint8_t>(group >> bits);
    }
    if ((group & 0xf) != 0) return std::nullopt;
    return uuid;
}

}  // namespace

MetadataId::MetadataId(const base::Uuid& uuid) : uuid_(uuid) {
    if (uuid.is_nil()) text_ = std::make_unique<const Text>(Text{base::to_base64(uuid), true});
}

MetadataId::MetadataId(std::string_view text) {
    if (const auto exact = parse_exact(text); exact && !exact->is_nil()) {
        uuid_ = *exact;
        return;
    }
    if (text.empty()) return;
    // A UUID in hex is looked for first: its 32 or 36 characters can be read as base64, too, but
    // never as base64 of 16 bytes.
    auto uuid = base::parse_uuid(text);
    if (!uuid) uuid = base::parse_uuid_base64(text);
    uuid_ = uuid.value_or(base::Uuid{});
    text_ = std::make_unique<const Text>(Text{base::to_valid_utf8(text), uuid.has_value()});
}

MetadataId::MetadataId(const MetadataId& other)
    : uuid_(other.uuid_),
      text_(other.text_ == nullptr ? nullptr : std::make_unique<const Text>(*other.text_)) {}

MetadataId& MetadataId::operator=(const MetadataId& other) {
    MetadataId copy{other};
    *this = std::move(copy);
    return *this;
}

std::string MetadataId::text() const {
    if (text_ != nullptr) return text_->text;
    return is_empty() ? std::string{} : base::to_base64(uuid_);
}

std::optional<base::Uuid> MetadataId::uuid() const {
    if (!has_uuid()) return std::nullopt;
    return uuid_;
}

// Those without a UUID have a text or are empty, which comes first.
bool MetadataId::is_same_as(const MetadataId& other) const {
    if (has_uuid() != other.has_uuid()) return false;
    if (has_uuid()) return uuid_ == other.uuid_;
    return is_empty() || other.is_empty() ? is_empty() == other.is_empty()
                                          : text_->text == other.text_->text;
}

bool operator<(const MetadataId& a, const MetadataId& b) {
    if (a.has_uuid() != b.has_uuid()) return a.has_uuid();
    if (a.has_uuid()) return a.uuid_ < b.uuid_;
    if (a.is_empty() || b.is_empty()) return a.is_empty() && !b.is_empty();
    return a.text_->text < b.text_->text;
}

bool is_placeholder(const Participant& participant) {
    return participant.names.size() == 1 &&
           base::iequals(participant.names.front().aor, "sip:ASBCE@asbce.com");
}

std::size_t MetadataObjects::count() const {
    return groups.size() + sessions.size() + participants.size() + streams.size() +
           session_recordings.size() + participant_sessions.size() + participant_streams.size();
}

}  // namespace earshot::siprec
