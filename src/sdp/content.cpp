#include "sdp/content.h"

#include <array>
#include <utility>

#include "base/text.h"

namespace earshot::sdp {

ContentSet parse_content(std::string_view value) {
    constexpr std::array<std::pair<std::string_view, Content>, 5> kNames{
        {{"slides", Content::Slides},
         {"speaker", Content::Speaker},
         {"sl", Content::SignLanguage},
         {"main", Content::Main},
         {"alt", Content::Alternative}}};
    ContentSet set;
    while (!value.empty()) {
        const std::string_view token = base::trim(base::take_until(value, ','));
        for (const auto& [name, content] : kNames)
            if (base::iequals(token, name)) set.add(content);
    }
    return set;
}

}  // namespace earshot::sdp
