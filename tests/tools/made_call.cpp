// made_call SIP_PORT SECONDS: a recorded call with a tone, a camera and a shared screen (VP8), to
// the server at 127.0.0.1.
#include "integration/made_call.h"

int main(int argc, char** argv) {
    using namespace earshot;
    if (argc != 3) return 2;
    const auto port = static_cast<std::uint16_t>(std::stoi(argv[1]));
    const int seconds = std::stoi(argv[2]);
    std::vector<media::MadePacket> packets;
    media::add_tone(0, 0, 1000 * seconds, packets);
    media::add_vp8(1, 0, 25 * seconds, packets);
    media::add_vp8(2, 1000, 5 * (seconds - 1), packets, 640, 360, 200);
    std::stable_sort(packets.begin(), packets.end(), [](const auto& a, const auto& b) {
        return a.header.position_ns < b.header.position_ns;
    });
    return integration::make_call(port, packets) ? 0 : 1;
}
