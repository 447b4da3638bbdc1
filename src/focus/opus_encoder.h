// Speech in Opus (RFC 6716), 20 ms of 16 kHz and one channel at a time; what is encoded is our own
// mix, so that this is done where it is made. What others send is decoded elsewhere (voice/).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "focus/voice_format.h"

struct OpusEncoder;

namespace earshot::focus {

class SpeechEncoder {
public:
    explicit SpeechEncoder(const OpusWishes& wishes);

    // Appends one packet. `begins`: it needs nothing that was sent before, for who has not heard
    // that.
    void encode(std::span<const std::int16_t> samples, bool begins, base::Bytes& out);

private:
    struct Free {
        void operator()(OpusEncoder* encoder) const;
    };
    std::unique_ptr<OpusEncoder, Free> encoder_;
};

}  // namespace earshot::focus
