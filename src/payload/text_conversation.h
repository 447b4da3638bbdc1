// What T.140 blocks leave on the screen: lines of text, each with who typed it and when (ITU-T
// T.140 and RFC 4103 section 3.2). Everybody types into a line of his own. Pure.
//
//   BS (U+0008)               erases the last character, also the line end before
//   CR LF, CR, LF, U+2028     a new line
//   BEL (U+0007)              an alert: nothing on the screen
//   U+FEFF                    keeps the channel alive: nothing
//   SGR, SOS ... ST, ESC x    attributes, application strings, interrupt: nothing
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earshot::payload {

inline constexpr std::string_view kMissingText = "\xef\xbf\xbd";  // U+FFFD, as T.140 has it

struct TextLine {
    std::optional<std::uint32_t> csrc;  // who typed it, where a mixer tells
    std::int64_t start_ms = 0;          // its first character
    std::int64_t end_ms = 0;            // the last change
    std::string text;
    friend bool operator==(const TextLine&, const TextLine&) = default;
};

class TextConversation {
public:
    // In the order in which it was typed; `text` is valid UTF-8.
    void type(std::int64_t at_ms, std::optional<std::uint32_t> csrc, std::string_view text);
    // The missing-text mark.
    void miss(std::int64_t at_ms, std::optional<std::uint32_t> csrc) {
        type(at_ms, csrc, kMissingText);
    }
    // Those with anything in them, in the order in which they were begun.
    std::vector<TextLine> lines() const;
    // More was typed than kMaxTextBytes, kMaxTextLines or kMaxTextSources: it is not in the lines.
    bool is_cut() const { return is_cut_; }

private:
    static constexpr std::size_t kNone = SIZE_MAX;
    enum class Skip : std::uint8_t { Nothing, Escape, Attribute, Application };
    struct Line {
        TextLine line;
        std::size_t before = kNone;  // the same typist's
    };
    struct Typist {
        std::size_t line = kNone;  // that is being typed
        std::size_t last = kNone;  // the newest, also after its end
        Skip skip = Skip::Nothing;
        bool was_carriage_return = false;
    };
    // False: the character is of a control sequence.
    static bool is_shown(Typist& typist, std::uint32_t character);
    void put(Typist& typist, std::int64_t at_ms, std::optional<std::uint32_t> csrc,
             std::string_view character);
    void erase(Typist& typist, std::int64_t at_ms);

    std::vector<Line> lines_;
    std::map<std::optional<std::uint32_t>, Typist> typists_;
    std::size_t bytes_ = 0;
    bool is_cut_ = false;
};

}  // namespace earshot::payload
