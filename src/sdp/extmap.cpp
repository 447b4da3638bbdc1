#include "sdp/extmap.h"

#include <span>

#include "base/text.h"

namespace earshot::sdp {

std::optional<ExtMap> parse_extmap(std::string_view value) {
    value = base::trim(value);
    std::string_view number = base::take_until(value, ' ');
    const std::string_view id = base::take_until(number, '/');
    value = base::trim(value);
    ExtMap map;
    map.id = base::parse_number<std::uint16_t>(id).value_or(0);
    map.direction = number;
    map.uri = base::take_until(value, ' ');
    map.attributes = base::trim(value);
    if (map.id == 0 || map.uri.empty()) return std::nullopt;
    return map;
}

std::vector<ExtMap> extmaps_of(const SessionDescription& description,
                               const MediaDescription& medium) {
    std::vector<ExtMap> maps;
    const auto take = [&](std::span<const Attribute> attributes) {
        for (const Attribute& attribute : attributes) {
            if (maps.size() == kMaxExtMaps || !base::iequals(attribute.name, "extmap")) continue;
            if (const auto map = parse_extmap(attribute.value)) maps.push_back(*map);
        }
    };
    take(description.attributes_of(medium));
    take(description.session_attributes());
    return maps;
}

}  // namespace earshot::sdp
