#include "msrp/byte_range.h"

#include "base/text.h"

namespace earshot::msrp {
namespace {

// Digits, or '*' for none; false for anything else.
bool take_limit(std::string_view text, std::optional<std::uint64_t>& out) {
    if (text == "*") return true;
    out = base::parse_number<std::uint64_t>(text);
    return out.has_value();
}

}  // namespace

std::optional<ByteRange> parse_byte_range(std::string_view text) {
    std::string_view rest = base::trim(text);
    ByteRange range;
    const auto start = base::take_number<std::uint64_t>(rest);
    if (!start || *start == 0 || !rest.starts_with('-')) return std::nullopt;
    range.start = *start;
    rest.remove_prefix(1);
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    if (!take_limit(rest.substr(0, slash), range.end)) return std::nullopt;
    if (!take_limit(rest.substr(slash + 1), range.total)) return std::nullopt;
    if (range.end && *range.end < range.start - 1) return std::nullopt;
    if (range.end && range.total && *range.total < *range.end) return std::nullopt;
    return range;
}

std::string to_string(const ByteRange& range) {
    const auto limit = [](const std::optional<std::uint64_t>& value) {
        return value ? std::to_string(*value) : std::string("*");
    };
    return std::to_string(range.start) + "-" + limit(range.end) + "/" + limit(range.total);
}

}  // namespace earshot::msrp
