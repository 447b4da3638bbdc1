// What signalling tells the media sender about one call: where its two streams go, and whether.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "audio/g711.h"
#include "base/net_address.h"
#include "base/srtp_key.h"

namespace earshot::loadgen {

inline constexpr std::size_t kParties = 2;

struct StreamPlan {
    bool sends = false;  // false: paused, refused or not yet wanted; time runs on
    base::NetAddress rtp;
    std::optional<base::NetAddress> rtcp;
    std::uint8_t payload_type = 0;
    audio::G711Law law = audio::G711Law::Mu;
    std::optional<base::SrtpMasterKey> key{};  // SRTP under it; empty: in the clear
    friend bool operator==(const StreamPlan&, const StreamPlan&) = default;
};

using MediaPlan = std::array<StreamPlan, kParties>;

}  // namespace earshot::loadgen
