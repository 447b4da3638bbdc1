#include "relay/common_chat_lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "relay/chat_sdp.h"
#include "relay/limits.h"

namespace earshot::relay {

namespace {

std::string_view prefix_of(ChatMapping mapping) {
    return mapping == ChatMapping::Mux ? kMuxLabel : kReusedLabel;
}

}  // namespace

CommonChatLine* CommonChatLines::find(const Session& session, const std::string& label) {
    const auto of_session = lines_.find(session);
    if (of_session == lines_.end()) return nullptr;
    const auto found = std::find_if(of_session->second.begin(), of_session->second.end(),
                                    [&](const CommonChatLine& one) { return one.label == label; });
    return found == of_session->second.end() ? nullptr : &*found;
}

CommonChatLine* CommonChatLines::find_for(const Session& session, ChatMapping mapping,
                                          bool is_secure) {
    std::erase_if(lines_, [](const auto& entry) { return entry.first.expired(); });
    std::vector<CommonChatLine>& lines = lines_[session];
    const auto found = std::find_if(lines.begin(), lines.end(), [&](const CommonChatLine& one) {
        return one.label.starts_with(prefix_of(mapping)) && one.own.is_secure == is_secure &&
               (mapping == ChatMapping::Mux || one.is_free());
    });
    return found == lines.end() ? nullptr : &*found;
}

CommonChatLine& CommonChatLines::add(const Session& session, ChatMapping mapping,
                                     const base::NetAddress& at, bool is_secure) {
    std::vector<CommonChatLine>& lines = lines_[session];
    lines.push_back({.label = fmt::format("{}{}", prefix_of(mapping), ++last_),
                     .own = own_chat_uri(random_, at, is_secure),
                     .users = {},
                     .takes_several = std::nullopt,
                     .last = nullptr});
    return lines.back();
}

void CommonChatLines::leave(const Session& session, const std::string& label,
                            const chat::CopyKey& copy,
                            const std::shared_ptr<chat::CopyCounters>& counters) {
    CommonChatLine* common = find(session, label);
    if (common == nullptr) return;
    common->users.erase(copy);
    common->last = counters;
    if (!common->users.empty()) return;
    std::vector<CommonChatLine>& lines = lines_[session];
    const auto idle = std::count_if(lines.begin(), lines.end(),
                                    [](const CommonChatLine& one) { return one.users.empty(); });
    const bool is_kept =
        label.starts_with(kReusedLabel) && static_cast<std::size_t>(idle) <= kMaxIdleChatLines;
    if (!is_kept)
        std::erase_if(lines, [&](const CommonChatLine& one) { return one.label == label; });
}

}  // namespace earshot::relay
