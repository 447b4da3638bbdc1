#include "payload/text_conversation.h"

#include <algorithm>
#include <utility>

#include "payload/limits.h"

namespace earshot::payload {
namespace {

constexpr std::uint32_t kBackspace = 0x08;
constexpr std::uint32_t kLineFeed = 0x0a;
constexpr std::uint32_t kCarriageReturn = 0x0d;
constexpr std::uint32_t kEscape = 0x1b;
constexpr std::uint32_t kStartOfString = 0x98;
constexpr std::uint32_t kAttribute = 0x9b;  // CSI
constexpr std::uint32_t kStringTerminator = 0x9c;
constexpr std::uint32_t kLineSeparator = 0x2028;
constexpr std::uint32_t kKeepAlive = 0xfeff;

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xc0U) == 0x80U; }

// Takes one character off the front of valid UTF-8.
std::string_view take_character(std::string_view& rest) {
    std::size_t size = 1;
    while (size < rest.size() && is_continuation(rest[size])) ++size;
    const std::string_view taken = rest.substr(0, size);
    rest.remove_prefix(size);
    return taken;
}

std::uint32_t code_point(std::string_view character) {
    const auto first = static_cast<std::uint8_t>(character[0]);
    if (first < 0x80) return first;
    const std::uint32_t mask = character.size() == 2   ? 0x1fU
                               : character.size() == 3 ? 0x0fU
                                                       : 0x07U;
    std::uint32_t value = first & mask;
    for (const char c : character.substr(1))
        value = value << 6U | (static_cast<std::uint8_t>(c) & 0x3fU);
    return value;
}

// Accents, variation selectors and joiners belong to the character before them.
bool is_combining(std::uint32_t character) {
    return (character >= 0x0300 && character <= 0x036f) ||
           (character >= 0x1ab0 && character <= 0x1aff) ||
           (character >= 0x20d0 && character <= 0x20ff) ||
           (character >= 0xfe00 && character <= 0xfe0f) || character == 0x200d;
}

// Octets of the last character of `text`, with what combines with it.
std::size_t last_size(std::string_view text) {
    std::size_t at = text.size();
    while (at > 0) {
        --at;
        while (at > 0 && is_continuation(text[at])) --at;
        if (!is_combining(code_point(text.substr(at)))) break;
    }
    return text.size() - at;
}

}  // namespace

bool TextConversation::is_shown(Typist& typist, std::uint32_t character) {
    switch (typist.skip) {
        case Skip::Escape:
            typist.skip = character == '[' ? Skip::Attribute : Skip::Nothing;
            return false;
        case Skip::Attribute:  // ends by its final byte (ISO 6429)
            if (character >= 0x40 && character <= 0x7e) typist.skip = Skip::Nothing;
            return false;
        case Skip::Application:
            if (character == kStringTerminator) typist.skip = Skip::Nothing;
            return false;
        case Skip::Nothing:
            break;
    }
    if (character == kEscape) typist.skip = Skip::Escape;
    if (character == kAttribute) typist.skip = Skip::Attribute;
    if (character == kStartOfString) typist.skip = Skip::Application;
    const bool is_control =
        (character < 0x20 && character != '\t') || (character >= 0x7f && character < 0xa0);
    return !is_control && character != kKeepAlive;
}

void TextConversation::type(std::int64_t at_ms, std::optional<std::uint32_t> csrc,
                            std::string_view text) {
    const auto known = typists_.find(csrc);
    if (known == typists_.end() && typists_.size() == kMaxTextSources) {
        is_cut_ = true;
        return;
    }
    Typist& typist = known != typists_.end() ? known->second : typists_[csrc];
    while (!text.empty()) {
        const std::string_view character = take_character(text);
        const std::uint32_t code = code_point(character);
        const bool was_return = std::exchange(typist.was_carriage_return, false);
        if (is_shown(typist, code) && code != kLineSeparator) {
            put(typist, at_ms, csrc, character);
        } else if (typist.skip != Skip::Nothing) {
            continue;
        } else if (code == kBackspace) {
            erase(typist, at_ms);
        } else if (code == kCarriageReturn || code == kLineSeparator ||
                   (code == kLineFeed && !was_return)) {
            typist.was_carriage_return = code == kCarriageReturn;
            typist.line = kNone;
        }
    }
}

void TextConversation::put(Typist& typist, std::int64_t at_ms, std::optional<std::uint32_t> csrc,
                           std::string_view character) {
    const bool is_new = typist.line == kNone;
    if (bytes_ + character.size() > kMaxTextBytes || (is_new && lines_.size() == kMaxTextLines)) {
        is_cut_ = true;
        return;
    }
    if (is_new) {
        lines_.push_back({.line = {.csrc = csrc, .start_ms = at_ms, .end_ms = at_ms, .text = {}},
                          .before = typist.last});
        typist.line = lines_.size() - 1;
        typist.last = typist.line;
    }
    TextLine& line = lines_[typist.line].line;
    if (line.text.empty()) line.start_ms = at_ms;
    line.text += character;
    line.end_ms = std::max(line.end_ms, at_ms);
    bytes_ += character.size();
}

void TextConversation::erase(Typist& typist, std::int64_t at_ms) {
    if (typist.line == kNone) {
        typist.line = typist.last;  // the line end goes
        return;
    }
    Line& line = lines_[typist.line];
    if (line.line.text.empty()) {  // so does the line, with the line end before it
        if (line.before == kNone) return;
        typist.line = line.before;
        typist.last = line.before;
        return;
    }
    const std::size_t size = last_size(line.line.text);
    line.line.text.resize(line.line.text.size() - size);
    line.line.end_ms = std::max(line.line.end_ms, at_ms);
    bytes_ -= size;
}

std::vector<TextLine> TextConversation::lines() const {
    std::vector<TextLine> shown;
    for (const Line& line : lines_)
        if (!line.line.text.empty()) shown.push_back(line.line);
    return shown;
}

}  // namespace earshot::payload
