#include "siprec/metadata.h"

#include <utility>

#include "base/text.h"

namespace earshot::siprec {

MetadataId::MetadataId(std::string_view text) {
    // A UUID in hex is looked for first: its 32 or 36 characters can be read as base64, too, but
    // never as base64 of 16 bytes.
    auto uuid = base::parse_uuid(text);
    if (!uuid) uuid = base::parse_uuid_base64(text);
    if (uuid) {
        uuid_ = *uuid;
        has_uuid_ = true;
        if (base::to_base64(uuid_) == text) return;
    }
    if (!text.empty()) text_ = std::make_unique<const std::string>(base::to_valid_utf8(text));
}

MetadataId::MetadataId(const MetadataId& other)
    : uuid_(other.uuid_),
      text_(other.text_ == nullptr ? nullptr : std::make_unique<const std::string>(*other.text_)),
      has_uuid_(other.has_uuid_) {}

MetadataId& MetadataId::operator=(const MetadataId& other) {
    MetadataId copy{other};
    *this = std::move(copy);
    return *this;
}

std::string MetadataId::text() const {
    if (text_ != nullptr) return *text_;
    return has_uuid_ ? base::to_base64(uuid_) : std::string{};
}

std::optional<base::Uuid> MetadataId::uuid() const {
    if (!has_uuid_) return std::nullopt;
    return uuid_;
}

bool operator==(const MetadataId& a, const MetadataId& b) {
    if (a.has_uuid_ != b.has_uuid_) return false;
    if (a.has_uuid_) return a.uuid_ == b.uuid_;
    return a.is_empty() || b.is_empty() ? a.is_empty() == b.is_empty() : *a.text_ == *b.text_;
}

bool operator<(const MetadataId& a, const MetadataId& b) {
    if (a.has_uuid_ != b.has_uuid_) return a.has_uuid_;
    if (a.has_uuid_) return a.uuid_ < b.uuid_;
    if (a.is_empty() || b.is_empty()) return a.is_empty() && !b.is_empty();
    return *a.text_ < *b.text_;
}

std::size_t MetadataObjects::count() const {
    return groups.size() + sessions.size() + participants.size() + streams.size() +
           session_recordings.size() + participant_sessions.size() + participant_streams.size();
}

}  // namespace earshot::siprec
