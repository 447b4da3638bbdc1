// VP9 as RTP payload (RFC 9628): the frames of all spatial layers of one picture share a timestamp
// and become one superframe.
#pragma once

#include <vector>

#include "payload/depacketiser.h"

namespace earshot::payload {

struct Vp9Descriptor {
    std::size_t size = 0;  // octets before the frame
    bool begins_frame = false;
    bool ends_frame = false;
    bool is_predicted = false;  // from other pictures (P)
    std::uint8_t spatial_layer = 0;
    std::optional<PictureSize> largest;  // of the scalability structure
};
// Section 4.2; nothing when it is cut.
std::optional<Vp9Descriptor> parse_vp9_descriptor(base::ByteView payload);

struct Vp9Frame {
    bool is_key = false;
    std::optional<PictureSize> size;  // of a key frame
};
// The uncompressed header (VP9 bitstream section 6.2).
Vp9Frame parse_vp9_frame(base::ByteView frame);

class Vp9Depacketiser final : public Depacketiser {
private:
    void read(const Packet& packet) override;
    void on_loss() override { is_cut_ = true; }
    bool complete(AccessUnit& unit) override;

    bool is_cut_ = false;              // within the layer's frame at hand
    std::vector<std::size_t> begins_;  // of the layers' frames in the unit
    std::optional<PictureSize> largest_;
};

}  // namespace earshot::payload
