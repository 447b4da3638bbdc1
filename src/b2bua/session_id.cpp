#include "b2bua/session_id.h"

#include <algorithm>

#include "base/text.h"
#include "base/uuid.h"

namespace earshot::b2bua {

namespace {

constexpr std::size_t kDigits = 32;
constexpr std::string_view kNil = "00000000000000000000000000000000";

}  // namespace

std::optional<std::string> sender_uuid(std::string_view session_id) {
    std::string_view rest = session_id;
    const std::string_view uuid = base::trim(base::take_until(rest, ';'));
    const auto is_hex = [](char c) {
        const char lower = base::to_lower(c);
        return base::is_digit(c) || (lower >= 'a' && lower <= 'f');
    };
    if (uuid.size() != kDigits || uuid == kNil || !std::all_of(uuid.begin(), uuid.end(), is_hex))
        return std::nullopt;
    return base::to_lower(uuid);
}

std::string session_id(std::string_view sender, std::string_view remote) {
    std::string value(sender);
    value.append(";remote=").append(remote.empty() ? kNil : remote);
    return value;
}

std::string make_session_uuid(base::Random& random) {
    return base::to_hex(base::make_uuid_v4(random).bytes);
}

}  // namespace earshot::b2bua
