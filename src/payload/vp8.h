// VP8 as RTP payload (RFC 7741): one frame a timestamp, its partitions in any number of packets.
#pragma once

#include "payload/depacketiser.h"

namespace earshot::payload {

class Vp8Depacketiser final : public Depacketiser {
private:
    void read(const Packet& packet) override;
    void on_loss() override { is_cut_ = true; }
    bool complete(AccessUnit& unit) override;

    bool is_cut_ = false;  // what follows in this frame does not join what is there of it
};

// The size of the payload descriptor (section 4.2); nothing when it is cut.
std::optional<std::size_t> vp8_descriptor_size(base::ByteView payload);

// A frame's first bytes (RFC 6386 section 9.1): is it a key frame, and of what size?
bool is_vp8_key_frame(base::ByteView frame);
std::optional<PictureSize> vp8_picture_size(base::ByteView frame);

}  // namespace earshot::payload
