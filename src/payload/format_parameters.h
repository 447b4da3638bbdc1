// The parameters of a=fmtp, as most payload formats write them: name=value, apart by semicolons.
#pragma once

#include <cstdint>
#include <string_view>

namespace earshot::payload {

// The value of `name` (case does not matter), trimmed; empty when it is not there.
std::string_view format_parameter(std::string_view fmtp, std::string_view name);
// The same as a decimal number; `absent` when it is missing or is none.
std::uint32_t format_number(std::string_view fmtp, std::string_view name, std::uint32_t absent);

}  // namespace earshot::payload
