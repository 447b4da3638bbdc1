// H.265 as RTP payload (RFC 7798): single NAL units, aggregation packets, fragmentation units,
// PACI; with DONL fields when sprop-max-don-diff says so.
#pragma once

#include "payload/nal_depacketiser.h"

namespace earshot::payload {

class H265Depacketiser final : public NalDepacketiser {
public:
    H265Depacketiser(std::string_view fmtp, Framing framing);

private:
    void read(const Packet& packet) override;
    NalFacts facts_of(base::ByteView nal) const override;
    void read_payload(std::int64_t timestamp, base::ByteView payload);
    void read_aggregation(std::int64_t timestamp, base::ByteView payload);
    void read_fragment(std::int64_t timestamp, base::ByteView payload);
    void read_paci(std::int64_t timestamp, base::ByteView payload);

    const bool has_don_;
};

// Of a sequence parameter set (H.265 section 7.3.2.2), cropped; nothing when it cannot be read.
std::optional<PictureSize> h265_picture_size(base::ByteView sps);

}  // namespace earshot::payload
