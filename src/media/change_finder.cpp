#include "media/change_finder.h"

#include <cmath>
#include <cstdlib>
#include <utility>

#include "media/limits.h"

namespace earshot::media {
namespace {

// Levels of 255 by which a place differs: encoders' noise stays below.
constexpr int kLevels = 10;
// Shares of the picture. A cursor with its shadow covers 0.4 %, in two places when it moved; a line
// of text some 3 %.
constexpr double kChange = 0.03;
constexpr double kStep = 0.015;
// Of a slide that is turned while something moves in it: it is much more than the movement was.
constexpr double kCut = 0.25;
constexpr double kCutByStep = 4;
constexpr std::int64_t kQuietMs = 200;    // without a step: it has settled
constexpr std::int64_t kMotionMs = 1000;  // a run so long counts though all is as before
// What changes so slowly that it is never kChange within this time (somebody types) is no change.
constexpr std::int64_t kForgetMs = 1000;

}  // namespace

double ChangeFinder::difference(const Seen& one, const Seen& other) {
    if (std::abs(one.shape - other.shape) > 0.02 * one.shape) return 1;
    std::size_t count = 0;
    for (std::size_t i = 0; i < one.grid.size(); ++i)
        if (std::abs(int{one.grid[i]} - int{other.grid[i]}) > kLevels) ++count;
    return static_cast<double>(count) / static_cast<double>(one.grid.size());
}

void ChangeFinder::add(std::int64_t at_ms, const Grid& picture, double shape) {
    const Seen seen{.grid = picture, .shape = shape};
    if (!settled_) {
        changes_.push_back(at_ms);
        settled_ = last_ = seen;
        settled_ms_ = at_ms;
        return;
    }
    const Seen before = std::exchange(last_, seen);
    if (run_ && at_ms - run_->to_ms >= kQuietMs) {
        // What goes on so slowly that a step takes as long is still the same fade.
        const bool is_abrupt = difference(before, seen) >= kStep;
        if (is_abrupt || difference(run_->newest, seen) < kStep) settle();
    }
    if (run_) return go_on(at_ms, seen);
    if (difference(*settled_, seen) >= kChange) {
        run_ = Run{.from_ms = at_ms, .to_ms = at_ms, .newest = seen};
    } else if (at_ms - settled_ms_ >= kForgetMs) {
        settled_ = seen;
        settled_ms_ = at_ms;
    }
}

void ChangeFinder::go_on(std::int64_t at_ms, const Seen& picture) {
    const double step = difference(run_->newest, picture);
    if (step < kStep) return;
    if (step >= kCut && run_->steps > 0 && step >= kCutByStep * run_->total / run_->steps) {
        if (changes_.size() < kMaxMarks) changes_.push_back(run_->from_ms);
        settled_ = run_->newest;
        run_->from_ms = at_ms;
    } else {
        ++run_->steps;
        run_->total += step;
    }
    run_->to_ms = at_ms;
    run_->newest = picture;
}

void ChangeFinder::settle() {
    const bool lasts =
        difference(*settled_, run_->newest) >= kChange || run_->to_ms - run_->from_ms >= kMotionMs;
    if (lasts && changes_.size() < kMaxMarks) changes_.push_back(run_->from_ms);
    settled_ = run_->newest;
    settled_ms_ = run_->to_ms;
    run_.reset();
}

void ChangeFinder::finish() {
    if (run_) settle();
}

}  // namespace earshot::media
