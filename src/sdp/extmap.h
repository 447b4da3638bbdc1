// a=extmap (RFC 8285 section 5): which header extension an id stands for in a session.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sdp/session_description.h"

namespace earshot::sdp {

//  a=extmap:ID[/DIRECTION] URI [ATTRIBUTES]
struct ExtMap {
    std::uint16_t id = 0;        // 1-255; 4096-4351 in offers with too many of them
    std::string_view direction;  // "sendonly", ...; empty: that of the media
    std::string_view uri;
    std::string_view attributes;
    friend bool operator==(const ExtMap&, const ExtMap&) = default;
};
std::optional<ExtMap> parse_extmap(std::string_view value);

// Those of a medium: its own, then those of the session; kMaxExtMaps at most.
std::vector<ExtMap> extmaps_of(const SessionDescription& description,
                               const MediaDescription& medium);

inline constexpr std::size_t kMaxExtMaps = 32;  // of a medium

}  // namespace earshot::sdp
