// H.264 as RTP payload (RFC 6184): single NAL units, STAP-A/B, MTAP16/24, FU-A/B; packetization
// modes 0, 1 and 2. Whatever the mode says, each type is read: senders do not always keep to it.
#pragma once

#include "payload/nal_depacketiser.h"

namespace earshot::payload {

class H264Depacketiser final : public NalDepacketiser {
public:
    H264Depacketiser(std::string_view fmtp, Framing framing);

private:
    void read(const Packet& packet) override;
    NalFacts facts_of(base::ByteView nal) const override;
    void read_stap(const Packet& packet, bool has_don);
    void read_mtap(const Packet& packet, std::size_t offset_bytes);
    void read_fragment(const Packet& packet, bool has_don);
};

// Of a sequence parameter set (H.264 section 7.3.2.1.1), cropped; nothing when it cannot be read.
std::optional<PictureSize> h264_picture_size(base::ByteView sps);

}  // namespace earshot::payload
