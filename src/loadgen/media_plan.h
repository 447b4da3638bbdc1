// What signalling tells the media sender about one call: where its two streams go, and whether.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "audio/g711.h"
#include "base/net_address.h"
#include "loadgen/line_security.h"

namespace earshot::loadgen {

inline constexpr std::size_t kParties = 2;

struct StreamPlan {
    bool sends = false;  // false: paused, refused or not yet wanted; time runs on
    base::NetAddress rtp;
    std::optional<base::NetAddress> rtcp;
    std::uint8_t payload_type = 0;
    audio::G711Law law = audio::G711Law::Mu;
    LineSecurity security{};
    bool rtcp_mux = false;  // RTCP shares RTP's port
    friend bool operator==(const StreamPlan&, const StreamPlan&) = default;
};

using MediaPlan = std::array<StreamPlan, kParties>;

}  // namespace earshot::loadgen
