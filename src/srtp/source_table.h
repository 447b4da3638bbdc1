// What is remembered of each SSRC under one key. Contexts are made late (RFC 3711 section 3.2.3
// leaves it open; RFC 4568 section 6.4.1): with a source's first authenticated packet, so that
// forged ones cost no memory. There is one as a rule, and few otherwise: a list, newest hit first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace earshot::srtp {

template <class State, std::size_t Max>
class SourceTable {
public:
    // Null: nothing authentic came from it yet. Valid until the next add().
    State* find(std::uint32_t ssrc) {
        if (newest_ < entries_.size() && entries_[newest_].ssrc == ssrc) return touch(newest_);
        for (std::size_t i = 0; i < entries_.size(); ++i)
            if (entries_[i].ssrc == ssrc) return touch(i);
        return nullptr;
    }
    // Past `Max` the one that was silent longest gives way: who may not forget asks is_full()
    // first.
    State& add(std::uint32_t ssrc) {
        if (!is_full()) {
            entries_.push_back({ssrc, 0, {}});
            return *touch(entries_.size() - 1);
        }
        const auto oldest =
            std::min_element(entries_.begin(), entries_.end(),
                             [](const Entry& a, const Entry& b) { return a.used < b.used; });
        *oldest = {ssrc, 0, {}};
        return *touch(static_cast<std::size_t>(oldest - entries_.begin()));
    }
    bool is_full() const { return entries_.size() >= Max; }

private:
    struct Entry {
        std::uint32_t ssrc = 0;
        std::uint64_t used = 0;
        State state;
    };
    State* touch(std::size_t at) {
        newest_ = at;
        entries_[at].used = ++uses_;
        return &entries_[at].state;
    }

    std::vector<Entry> entries_;
    std::size_t newest_ = 0;
    std::uint64_t uses_ = 0;
};

}  // namespace earshot::srtp
