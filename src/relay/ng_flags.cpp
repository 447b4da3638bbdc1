#include "relay/ng_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"

namespace earshot::relay {

namespace {

// What a call is and says; and what would send an answer elsewhere.
constexpr std::array<std::string_view, 9> kOurs{"call-id", "command", "flags",  "from-tag",  "sdp",
                                                "replace", "to-tag",  "cookie", "via-branch"};

void add(NgDictionary& flags, std::string key, std::string_view item) {
    NgList items = flags.list(key);
    items.emplace_back(item);
    flags.set(std::move(key), std::move(items));
}

bool is_profile(std::string_view word) {
    return word.starts_with("RTP/") || word.starts_with("UDP/TLS/");
}

}  // namespace

base::Result<NgDictionary, base::Reason> parse_ng_flags(std::string_view text) {
    constexpr std::string_view kReplace = "replace-";
    NgDictionary flags;
    for (text = base::trim(text); !text.empty(); text = base::trim(text)) {
        std::string_view rest = text.substr(0, text.find_first_of(" \t\r\n"));
        text.remove_prefix(rest.size());
        const std::string_view word = rest;
        if (word.find('=') == std::string_view::npos) {
            if (is_profile(word))
                flags.set("transport-protocol", word);
            else if (word == "internal" || word == "external")
                add(flags, "direction", word);
            else if (word.starts_with(kReplace))
                add(flags, "replace", word.substr(kReplace.size()));
            else
                add(flags, "flags", word);
            continue;
        }
        const std::string_view key = base::take_until(rest, '=');
        if (key.empty() || std::find(kOurs.begin(), kOurs.end(), key) != kOurs.end())
            return base::Reason{.code = "bad_flags",
                                .text = fmt::format("{} cannot be set here", word)};
        if (key == "direction")
            add(flags, "direction", rest);
        else
            flags.set(std::string(key), rest);
    }
    return flags;
}

void add_ng_flags(NgDictionary& command, const NgDictionary& flags) {
    for (const auto& [key, value] : flags.entries()) {
        NgList items = command.list(key);
        const NgList* more = value.list();
        if (more == nullptr || items.empty()) {
            command.set(key, value);
            continue;
        }
        items.insert(items.end(), more->begin(), more->end());
        command.set(key, std::move(items));
    }
}

bool has_ng_flag(const NgDictionary& flags, std::string_view name) {
    const NgList& items = flags.list("flags");
    return std::any_of(items.begin(), items.end(), [&](const NgValue& item) {
        return item.text() != nullptr && *item.text() == name;
    });
}

}  // namespace earshot::relay
