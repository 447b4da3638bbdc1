#include "messages/audience.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "mime/cpim.h"
#include "mime/media_type.h"

namespace earshot::messages {
namespace {

bool is_type(std::string_view content_type, std::string_view type) {
    return base::iequals(mime::split_parameters(content_type).value, type);
}

// rs.Content of a wrapper; its namespace is fixed by no standard. Empty: send.
std::string content_of(const mime::CpimHead& head) {
    const auto found =
        std::find_if(head.others.begin(), head.others.end(), [](const mime::CpimHeader& header) {
            return base::iequals(header.name, "Content") ||
                   base::iequals(header.name, "rs.Content");
        });
    return found == head.others.end() ? std::string{} : base::to_lower(base::trim(found->value));
}

}  // namespace

bool is_for_people(std::string_view content_type, std::string_view begin) {
    std::string type(content_type);
    for (std::size_t layer = 0; layer < kMaxCountedLayers; ++layer) {
        const bool is_wrapper = is_type(type, "application/msrp-recording");
        if (!is_wrapper && !is_type(type, "message/cpim")) break;
        auto head = mime::parse_cpim(begin);
        if (!head) return true;  // what cannot be read is shown as it is
        const std::string content = is_wrapper ? content_of(*head) : std::string{};
        if (content == "msrp") return false;
        if (content == "drop") return true;
        type = std::move(head->content_type);
        begin.remove_prefix(std::min(head->content_at, begin.size()));
    }
    return !is_type(type, "application/im-iscomposing+xml") && !is_type(type, "message/imdn+xml");
}

}  // namespace earshot::messages
