// a=content (RFC 4796): what the media of a line shows, as its sender describes it; a list. Nothing
// is negotiated by it. Values that are not of the RFC are passed over (its section 5).
#pragma once

#include <cstdint>
#include <string_view>

namespace earshot::sdp {

enum class Content : std::uint8_t {
    Slides = 1,        // a presentation: the shared screen, application or document
    Speaker = 2,       // an image of who speaks
    SignLanguage = 4,  // sl
    Main = 8,
    Alternative = 16,  // alt: besides main, as a second camera
};

class ContentSet {
public:
    constexpr ContentSet() = default;
    constexpr bool has(Content content) const {
        return (bits_ & static_cast<std::uint8_t>(content)) != 0;
    }
    constexpr bool empty() const { return bits_ == 0; }
    constexpr void add(Content content) {
        bits_ = static_cast<std::uint8_t>(bits_ | static_cast<std::uint8_t>(content));
    }
    friend constexpr bool operator==(const ContentSet&, const ContentSet&) = default;

private:
    std::uint8_t bits_ = 0;
};

// "slides,main"; blanks around the values and their case do not matter.
ContentSet parse_content(std::string_view value);

}  // namespace earshot::sdp
