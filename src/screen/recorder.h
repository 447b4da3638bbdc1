// The child's work, without its descriptors: records of the tap (rfb/tap_stream.h) go in, records
// with pictures come out.
#pragma once

#include <vector>

#include "payload/vp8_packetiser.h"
#include "rfb/session.h"
#include "rfb/tap_stream.h"
#include "screen/limits.h"
#include "screen/vp8_encoder.h"

namespace earshot::screen {

class Recorder {
public:
    Recorder();

    // What there is to be said is appended to `out`. Kinds that are not known are passed over.
    void on_record(const rfb::TapHeader& header, base::ByteView bytes, base::Bytes& out);

private:
    void on_tick(std::int64_t now_ns, base::Bytes& out);
    bool is_due(std::int64_t now_ns) const;
    bool encode(std::int64_t time_ns, base::Bytes& out);
    void fail(const base::Reason& why, std::int64_t now_ns, base::Bytes& out);

    rfb::Session session_;
    Vp8Encoder encoder_;
    payload::Vp8Packetiser packetiser_{kMaxPayloadBytes};
    std::vector<rfb::Colour> pixels_;
    I420 picture_;
    base::Bytes frame_;

    std::int64_t heard_ns_ = 0;             // of the newest octets
    std::uint64_t shown_changes_ = 0;       // of the screen, that are in the last picture
    std::int64_t shown_ns_ = 0;             // of the tick of the last picture
    std::int64_t refresh_ns_ = kRefreshNs;  // until the next one without a change
    bool has_shown_ = false;
    bool wants_key_ = true;
    bool has_failed_ = false;
};

}  // namespace earshot::screen
