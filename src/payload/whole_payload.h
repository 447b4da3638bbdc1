// Audio whose packets are units of their own, whatever their length: G.711, G.722, L16, Opus
// (RFC 7587 section 4.2), G.729, GSM, iLBC, Speex.
#pragma once

#include "payload/depacketiser.h"

namespace earshot::payload {

class WholePayload final : public Depacketiser {
private:
    void read(const Packet& packet) override {
        enter(packet.timestamp, true);
        unit().key_frame = true;
        append(packet.payload);
    }
};

}  // namespace earshot::payload
