#include "http/range.h"

#include <algorithm>

#include "base/text.h"

namespace earshot::http {

Range parse_range(std::string_view field, std::uint64_t total) {
    const Range whole{Range::Kind::Whole, 0, total};
    const Range unsatisfiable{Range::Kind::Unsatisfiable, 0, 0};
    std::string_view spec = base::trim(field);
    if (!base::istarts_with(spec, "bytes=")) return whole;
    spec.remove_prefix(6);
    const std::size_t dash = spec.find('-');
    if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return whole;
    const auto first = base::parse_number<std::uint64_t>(base::trim(spec.substr(0, dash)));
    const std::string_view last_text = base::trim(spec.substr(dash + 1));
    const auto last = base::parse_number<std::uint64_t>(last_text);

    if (!first) {  // "-N": the last N bytes
        if (!base::trim(spec.substr(0, dash)).empty() || !last) return whole;
        if (*last == 0 || total == 0) return unsatisfiable;
        const std::uint64_t size = std::min(*last, total);
        return {Range::Kind::Part, total - size, size};
    }
    if (!last && !last_text.empty()) return whole;
    if (last && *last < *first) return whole;  // invalid, not unsatisfiable: ignored
    if (*first >= total) return unsatisfiable;
    const std::uint64_t end = last ? std::min(*last, total - 1) : total - 1;
    return {Range::Kind::Part, *first, end - *first + 1};
}

}  // namespace earshot::http
