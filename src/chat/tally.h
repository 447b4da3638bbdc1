// Events of one kind that may be very many: kMaxNotices in kNoticeTime are told one by one, the
// others counted, and told as a sum when that time is over, or when nothing more can come. So what
// is told makes up exactly what there was.
#pragma once

#include <cstddef>
#include <utility>

#include "base/time.h"
#include "chat/limits.h"

namespace earshot::chat {

class Tally {
public:
    // True: this one is to be told by itself.
    bool add(base::TimePoint now) {
        if (is_over(now)) {
            since_ = now;
            told_ = 0;
        }
        if (told_ < kMaxNotices) {
            ++told_;
            return true;
        }
        ++rest_;
        return false;
    }
    // How many are to be told as a sum: now that their time is over; at the end. 0: none.
    std::size_t take_due(base::TimePoint now) { return is_over(now) ? take_rest() : 0; }
    std::size_t take_rest() { return std::exchange(rest_, 0); }

private:
    bool is_over(base::TimePoint now) const { return now - since_ >= kNoticeTime; }

    base::TimePoint since_{};
    std::size_t told_ = 0;
    std::size_t rest_ = 0;
};

}  // namespace earshot::chat
