// The payload of a test packet: every octet tells the stream and the number of the packet, so that
// loss, reordering and crosstalk show in a finished recording.
#pragma once

#include <array>
#include <cstdint>

namespace earshot::tools {

inline std::array<std::uint8_t, 160> rtp_pattern(std::uint32_t stream, std::uint32_t packet) {
    std::array<std::uint8_t, 160> payload{};
    std::uint32_t state = (stream + 1) * 2654435761U ^ (packet + 1) * 40503U;
    for (std::uint8_t& octet : payload) {
        state = state * 1664525U + 1013904223U;
        octet = static_cast<std::uint8_t>(state >> 24);
    }
    return payload;
}

}  // namespace earshot::tools
