// Nicknames of chat rooms (RFC 7701 section 7). Text in, text out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace earshot::chat {

// The value of Use-Nickname: a quoted string; empty: the nickname is to go. Nothing: malformed
// (424): no quotes, longer than kMaxNicknameBytes, not UTF-8, control characters or invisible ones
// in it (those of no width, and those that turn the direction of what follows), nothing but spaces.
std::optional<std::string> parse_nickname(std::string_view value);

// Two nicknames with the same key are the same to a reader (RFC 7700): spaces at the ends do not
// count, several in a row are one and all spaces the same, ASCII letters have no case; full-width
// and mathematical forms, and the usual look-alikes of other scripts, are the Latin letter.
std::string nickname_key(std::string_view nickname);

// "Recorder", by which our own lines are signed, or what looks the same: nobody else's name.
bool is_reserved_name(std::string_view name);

}  // namespace earshot::chat
