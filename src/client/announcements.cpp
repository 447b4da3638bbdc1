#include "client/announcements.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "relay/limits.h"

namespace earshot::client {

namespace {

std::optional<std::string> load(const policy::IndicationSettings& settings, ClientConfig& config) {
    if (settings.announcement.empty()) return std::nullopt;
    relay::SoundPtr& sound = config.announcements[{settings.announcement, settings.announce_first}];
    if (sound != nullptr) return std::nullopt;
    const auto wrong = [&](std::string_view why) {
        return fmt::format("\"{}\" cannot be used: {}", settings.announcement, why);
    };
    std::error_code error;
    const auto size = std::filesystem::file_size(settings.announcement, error);
    if (error) return wrong(error.message());
    if (size > relay::kMaxAnnouncementBytes) return wrong("It is too large.");
    std::ifstream file(settings.announcement, std::ios::binary);
    const std::string octets{std::istreambuf_iterator<char>(file), {}};
    auto made = relay::make_announcement(base::as_bytes(octets), settings.announce_first);
    if (!made) return wrong(made.error().text);
    sound = *std::move(made);
    return std::nullopt;
}

}  // namespace

std::optional<std::string> load_announcements(ClientConfig& config) {
    if (auto wrong = load(config.recording.indication, config)) return wrong;
    for (const policy::CallRule& rule : config.rules)
        if (auto wrong = load(rule.settings.indication, config)) return wrong;
    return std::nullopt;
}

}  // namespace earshot::client
