#include "client/refusals.h"

#include <algorithm>

#include "client/limits.h"

namespace earshot::client {

void Refusals::tidy(base::TimePoint now) {
    std::erase_if(entries_, [&](const Entry& one) { return now - one.at > kRefusalTime; });
}

void Refusals::add(base::TimePoint now, const MediaPlace& place, RecordingKey recording) {
    tidy(now);
    if (has(place, recording)) return;
    if (entries_.size() >= kMaxRefusals) entries_.erase(entries_.begin());
    entries_.push_back({.at = now, .place = place, .recording = recording});
}

std::size_t Refusals::count(base::TimePoint now, const MediaPlace& place) {
    tidy(now);
    return static_cast<std::size_t>(std::count_if(
        entries_.begin(), entries_.end(), [&](const Entry& one) { return one.place == place; }));
}

bool Refusals::has(const MediaPlace& place, RecordingKey recording) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& one) {
        return one.place == place && one.recording == recording;
    });
}

base::TimePoint Refusals::first(const MediaPlace& place) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& one) { return one.place == place; });
    return found == entries_.end() ? base::TimePoint{} : found->at;
}

void Refusals::forget(const MediaPlace& place) {
    std::erase_if(entries_, [&](const Entry& one) { return one.place == place; });
}

}  // namespace earshot::client
