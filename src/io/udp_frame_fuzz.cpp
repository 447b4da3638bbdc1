#include "io/udp_frame.h"

#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    std::vector<std::uint8_t> packet(bytes, bytes + size);
    for (const bool verify : {false, true}) {
        const auto frame = earshot::io::parse_udp_frame(packet, verify);
        if (!frame) continue;
        // What is found lies within the packet.
        if (frame->payload.data() < packet.data() ||
            frame->payload.data() + frame->payload.size() > packet.data() + packet.size())
            __builtin_trap();
    }
    return 0;
}
