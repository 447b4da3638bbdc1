#include "policy/indication.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "policy/limits.h"

namespace earshot::policy {
namespace {

constexpr std::array<std::string_view, 3> kBy{"tone", "announcement", "agreed"};
constexpr std::array<std::string_view, 3> kPreferences{"ignore", "honour", "restrict"};

template <class Enum>
std::string set_word(Enum& target, const std::array<std::string_view, 3>& words,
                     std::string_view text) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] != text) continue;
        target = static_cast<Enum>(i);
        return {};
    }
    return fmt::format("is none of {}, {}, {}", words[0], words[1], words[2]);
}

std::string set_text(std::string& target, std::string_view text) {
    if (text.size() > kMaxSettingBytes)
        return fmt::format("is longer than {} octets", kMaxSettingBytes);
    target = text;
    return {};
}

std::string set_level(int& target, std::string_view text) {
    const bool is_negative = text.starts_with('-');
    const auto below = base::parse_number<int>(is_negative ? text.substr(1) : text);
    if (!is_negative || !below || -*below < kMinToneLevelDb || -*below > kMaxToneLevelDb)
        return fmt::format("is not a whole number from {} to {}", kMinToneLevelDb, kMaxToneLevelDb);
    target = -*below;
    return {};
}

std::string set_interval(std::chrono::seconds& target, std::string_view text) {
    const auto seconds = base::parse_number<int>(text);
    if (!seconds || *seconds < kMinToneIntervalS || *seconds > kMaxToneIntervalS)
        return fmt::format("is not a whole number from {} to {}", kMinToneIntervalS,
                           kMaxToneIntervalS);
    target = std::chrono::seconds{*seconds};
    return {};
}

}  // namespace

std::string_view to_string(IndicateBy by) { return kBy[static_cast<std::size_t>(by)]; }
std::string_view to_string(PreferencePolicy policy) {
    return kPreferences[static_cast<std::size_t>(policy)];
}

std::string set_indication(IndicationSettings& settings, std::string_view key,
                           std::string_view text) {
    if (key == "indication") return set_word(settings.by, kBy, text);
    if (key == "recordpref") return set_word(settings.preference, kPreferences, text);
    if (key == "tone_level_db") return set_level(settings.tone_level_db, text);
    if (key == "tone_interval_s") return set_interval(settings.tone_interval, text);
    if (key == "announcement") return set_text(settings.announcement, text);
    if (key == "agreed_reason") return set_text(settings.agreed_reason, text);
    return "is no setting of the indication";
}

std::string find_fault(const IndicationSettings& settings) {
    if (settings.by == IndicateBy::Announcement && settings.announcement.empty())
        return "indication is an announcement, and no file is named";
    if (settings.by == IndicateBy::Agreed && base::trim(settings.agreed_reason).empty())
        return "indication is agreed, and agreed_reason does not say how the parties know";
    return {};
}

}  // namespace earshot::policy
