#include "sip/quarantine.h"

#include <algorithm>

namespace earshot::sip {

void Quarantine::add(const Target& target, base::TimePoint now) {
    until_[target] = now + time_;
    if (until_.size() <= capacity_) return;
    until_.erase(std::min_element(until_.begin(), until_.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
    }));
}

bool Quarantine::holds(const Target& target, base::TimePoint now) const {
    const auto found = until_.find(target);
    return found != until_.end() && now < found->second;
}

void Quarantine::order(std::vector<Target>& targets, base::TimePoint now) const {
    std::stable_partition(targets.begin(), targets.end(),
                          [&](const Target& target) { return !holds(target, now); });
}

}  // namespace earshot::sip
