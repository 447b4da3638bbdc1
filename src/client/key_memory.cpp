#include "client/key_memory.h"

namespace earshot::client {

bool KeyMemory::add(base::TimePoint now, KeyWay way, char digit) {
    if (single_way_ != way && now - single_at_ < kPairTime && !single_.empty() &&
        single_.front() == digit) {
        single_.erase(0, 1);
        return false;
    }
    if (single_way_ != way || now - single_at_ >= kPairTime) single_.clear();
    single_way_ = way;
    single_at_ = now;
    single_ += digit;
    if (single_.size() > kMaxDigits) single_.erase(0, 1);
    digits_ += digit;
    if (digits_.size() > kMaxDigits) digits_.erase(0, 1);
    return true;
}

}  // namespace earshot::client
