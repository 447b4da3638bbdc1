// Where media is that could not be rendered: told at its place, neighbours as one.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "rendition/limits.h"
#include "rendition/report.h"

namespace earshot::media {

class Faults {
public:
    void add(std::uint16_t stream, std::int64_t position_ns, std::string_view text) {
        const std::int64_t at_ms = position_ns > 0 ? position_ns / 1'000'000 : 0;
        for (auto fault = list_.rbegin(); fault != list_.rend(); ++fault) {
            if (fault->stream != stream || fault->text != text) continue;
            if (at_ms > fault->at_ms + fault->duration_ms + kApartMs) break;
            fault->duration_ms = std::max(fault->duration_ms, at_ms - fault->at_ms);
            ++fault->count;
            return;
        }
        if (list_.size() < rendition::kMaxFaults)
            list_.push_back({.stream = stream,
                             .at_ms = at_ms,
                             .duration_ms = 0,
                             .count = 1,
                             .text = std::string(text)});
    }
    std::vector<rendition::Fault> take() { return std::move(list_); }

private:
    static constexpr std::int64_t kApartMs = 1000;
    std::vector<rendition::Fault> list_;
};

}  // namespace earshot::media
