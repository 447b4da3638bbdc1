// Finds where a shared picture becomes another one: a slide that is turned, a window that is
// opened. Looks at small grey pictures, so that a cursor is nothing. What moves on and on (a video
// in a slide, a page that is scrolled) is one change, where it begins; so is a fade. Pure: pictures
// and their times come in, times come out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace earshot::media {

class ChangeFinder {
public:
    static constexpr int kWidth = 64;
    static constexpr int kHeight = 36;
    using Grid = std::array<std::uint8_t, std::size_t{kWidth} * kHeight>;

    // In the order of their times. `shape`: width by height of the picture as it was shared; who
    // makes a window larger changes it, an encoder that saves bits does not.
    void add(std::int64_t at_ms, const Grid& picture, double shape);
    void finish();
    // The first picture, and the first one of each change, as far as it is known that it lasts.
    const std::vector<std::int64_t>& changes() const { return changes_; }

private:
    struct Seen {
        Grid grid{};
        double shape = 0;
    };
    // From the first picture that differs to the last that did.
    struct Run {
        std::int64_t from_ms = 0;
        std::int64_t to_ms = 0;
        Seen newest{};
        int steps = 0;  // after the first
        double total = 0;
    };
    static double difference(const Seen& one, const Seen& other);  // a share of the picture
    void go_on(std::int64_t at_ms, const Seen& picture);
    void settle();

    Seen last_;
    std::optional<Seen> settled_;  // what stood there last
    std::int64_t settled_ms_ = 0;
    std::optional<Run> run_;
    std::vector<std::int64_t> changes_;
};

}  // namespace earshot::media
