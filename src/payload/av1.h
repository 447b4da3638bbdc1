// AV1 as RTP payload (AOM, "RTP Payload Format For AV1" version 1.0): OBU elements, whole or in
// fragments, become temporal units in low-overhead format.
#pragma once

#include "payload/depacketiser.h"

namespace earshot::payload {

class Av1Depacketiser final : public Depacketiser {
public:
    // The newest sequence header OBU.
    base::Bytes decoder_setup() const override { return sequence_header_; }

private:
    void read(const Packet& packet) override;
    void on_loss() override;
    void on_element(base::ByteView element, bool continues, bool goes_on);
    void on_obu(base::ByteView obu);

    base::Bytes fragment_;  // the OBU that continues in the next packet
    bool has_fragment_ = false;
    base::Bytes sequence_header_;
    bool is_reduced_ = false;  // reduced_still_picture_header
    std::optional<PictureSize> size_;
};

struct Av1Sequence {
    bool is_reduced = false;
    PictureSize largest;
};
// A sequence header OBU's payload (AV1 section 5.5); nothing when it is cut.
std::optional<Av1Sequence> parse_av1_sequence(base::ByteView payload);

}  // namespace earshot::payload
