#include "payload/format_parameters.h"

#include "base/text.h"

namespace earshot::payload {

std::string_view format_parameter(std::string_view fmtp, std::string_view name) {
    while (!fmtp.empty()) {
        std::string_view value = base::take_until(fmtp, ';');
        // Base64 ends in '=', too: only the first one separates.
        const std::string_view key = base::trim(base::take_until(value, '='));
        if (base::iequals(key, name)) return base::trim(value);
    }
    return {};
}

std::uint32_t format_number(std::string_view fmtp, std::string_view name, std::uint32_t absent) {
    return base::parse_number<std::uint32_t>(format_parameter(fmtp, name)).value_or(absent);
}

}  // namespace earshot::payload
