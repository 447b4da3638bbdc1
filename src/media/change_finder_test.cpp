#include "media/change_finder.h"

#include <gmock/gmock.h>

#include "media/limits.h"

namespace earshot::media {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr double kShape = 16.0 / 9;

// A slide of its own: lines of text whose places its number says.
ChangeFinder::Grid slide(int number) {
    ChangeFinder::Grid grid{};
    grid.fill(230);
    for (int line = 0; line < 8; ++line)
        for (int x = 4; x < 20 + (number * 7 + line * 13) % 40; ++x)
            grid.at(static_cast<std::size_t>((4 * line + number % 4) * ChangeFinder::kWidth + x)) =
                120;
    return grid;
}
void fill(ChangeFinder::Grid& grid, int x, int y, int width, int height, std::uint8_t value) {
    for (int row = y; row < y + height; ++row)
        for (int column = x; column < x + width; ++column)
            grid.at(static_cast<std::size_t>(row * ChangeFinder::kWidth + column)) = value;
}

class ChangeFinderTest : public testing::Test {
protected:
    // The same picture 25 times a second.
    void show(const ChangeFinder::Grid& grid, std::int64_t until_ms, double shape = kShape) {
        for (; now_ms_ < until_ms; now_ms_ += 40) finder_.add(now_ms_, grid, shape);
    }
    const std::vector<std::int64_t>& finish() {
        finder_.finish();
        return finder_.changes();
    }
    ChangeFinder finder_;
    std::int64_t now_ms_ = 0;
};

TEST_F(ChangeFinderTest, FindsSlidesThatAreTurnedBackAndForth) {
    show(slide(0), 2000);
    show(slide(1), 4000);
    show(slide(0), 4400);
    show(slide(1), 4800);
    show(slide(2), 9000);
    EXPECT_THAT(finish(), ElementsAre(0, 2000, 4000, 4400, 4800));
}

// Screens are often sent only when they change.
TEST_F(ChangeFinderTest, NeedsNoPictureBetween) {
    finder_.add(0, slide(0), kShape);
    finder_.add(60'000, slide(1), kShape);
    finder_.add(120'000, slide(1), kShape);
    finder_.add(180'000, slide(2), kShape);
    EXPECT_THAT(finish(), ElementsAre(0, 60'000, 180'000));
}

TEST_F(ChangeFinderTest, TakesACursorForNoChange) {
    for (int i = 0; i < 500; ++i, now_ms_ += 40) {
        ChangeFinder::Grid grid = slide(3);
        fill(grid, i * 7 % 60, i * 3 % 34, 2, 2, 0);
        finder_.add(now_ms_, grid, kShape);
    }
    EXPECT_THAT(finish(), ElementsAre(0));
}

TEST_F(ChangeFinderTest, TakesTypingForNoChange) {
    ChangeFinder::Grid grid = slide(3);
    for (int i = 0; i < 600; ++i, now_ms_ += 100) {
        fill(grid, i % 60, 35 - i / 60, 1, 1, 90);
        finder_.add(now_ms_, grid, kShape);
    }
    EXPECT_THAT(finish(), ElementsAre(0));
}

TEST_F(ChangeFinderTest, TakesAnEncodersNoiseForNoChange) {
    for (int i = 0; i < 200; ++i, now_ms_ += 40) {
        ChangeFinder::Grid grid = slide(3);
        for (std::size_t at = 0; at < grid.size(); ++at)
            grid.at(at) = static_cast<std::uint8_t>(
                grid.at(at) + (at * 31 + static_cast<std::size_t>(i) * 17) % 9);
        finder_.add(now_ms_, grid, kShape);
    }
    EXPECT_THAT(finish(), ElementsAre(0));
}

// A video that plays in a slide: where it begins, and no more; but the slide behind it is found.
TEST_F(ChangeFinderTest, TakesAnAnimationForOneChangeAndFindsTheSlideTurnedWithin) {
    show(slide(0), 2000);
    const auto animate = [&](int number, std::int64_t until_ms) {
        for (; now_ms_ < until_ms; now_ms_ += 40) {
            ChangeFinder::Grid grid = slide(number);
            if (number == 9) grid.fill(40);
            const auto step = static_cast<int>(now_ms_ / 40);
            fill(grid, 20 + step % 20, 10, 8, 16, 0);
            finder_.add(now_ms_, grid, kShape);
        }
    };
    animate(0, 12'000);
    animate(9, 20'000);
    show(slide(1), 25'000);
    EXPECT_THAT(finish(), ElementsAre(0, 2000, 12'000, 20'000));
}

TEST_F(ChangeFinderTest, TakesAFadeForOneChangeWhereItBegins) {
    show(slide(0), 2000);
    const ChangeFinder::Grid from = slide(0);
    const ChangeFinder::Grid to = slide(5);
    for (int i = 1; i <= 50; ++i, now_ms_ += 40) {
        ChangeFinder::Grid grid{};
        for (std::size_t at = 0; at < grid.size(); ++at)
            grid.at(at) = static_cast<std::uint8_t>((from.at(at) * (50 - i) + to.at(at) * i) / 50);
        finder_.add(now_ms_, grid, kShape);
    }
    show(to, 8000);
    const auto& found = finish();
    ASSERT_THAT(found, SizeIs(2));
    EXPECT_GE(found[1], 2000);
    EXPECT_LE(found[1], 2400);  // once it is more than noise
}

TEST_F(ChangeFinderTest, TakesWhatIsGoneAtOnceForNoChange) {
    show(slide(0), 2000);
    show(slide(1), 2120);  // three pictures: somebody went on too far
    show(slide(0), 5000);
    EXPECT_THAT(finish(), ElementsAre(0));
}

TEST_F(ChangeFinderTest, FindsAWindowThatChangesItsShape) {
    show(slide(0), 2000);
    show(slide(0), 4000, 4.0 / 3);
    show(slide(0), 6000, 4.0 / 3);
    EXPECT_THAT(finish(), ElementsAre(0, 2000));
}

TEST_F(ChangeFinderTest, TellsAsManyAsThereMayBe) {
    for (std::size_t i = 0; i < 2 * kMaxMarks; ++i, now_ms_ += 1000)
        finder_.add(now_ms_, slide(static_cast<int>(i % 2)), kShape);
    EXPECT_THAT(finish(), SizeIs(kMaxMarks));
}

}  // namespace
}  // namespace earshot::media
