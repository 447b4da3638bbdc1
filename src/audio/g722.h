// G.722 (ITU-T, 1988/2012) in mode 1, 64 kbit/s, as RTP carries it: an octet is two samples at
// 16 kHz, though the RTP clock is 8000 (RFC 3551 section 4.5.2). Our own code, made from the
// Recommendation's block descriptions (names of its figures in the comments): the packaged
// libraries that have it are LGPL or would bring a media framework into the daemon, and it is 200
// lines. State runs through a call: a decoder belongs to one source and gets its packets in order.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace earshot::audio {

// One sub-band: its scale factor and the predictor of two poles and six zeros (BLOCK 3 and 4).
class G722Band {
public:
    explicit G722Band(int scale) : det_(scale) {}

    int det() const { return det_; }
    int prediction() const { return s_; }
    // LOGSCL/LOGSCH, SCALEL/SCALEH: adds `step` to the log scale factor, at most `limit`;
    // `shift` is 8 for the lower band, 10 for the higher.
    void adapt_scale(int step, int limit, int shift);
    void predict(int difference);  // BLOCK 4, from the quantised difference signal

private:
    void update_poles();
    void update_zeros();

    int det_;
    int nb_ = 0;              // log scale factor
    int s_ = 0;               // prediction: sp + sz
    int sz_ = 0;              // of the zeros
    std::array<int, 3> r_{};  // reconstructed signal, [1] the last one
    std::array<int, 3> p_{};  // partially reconstructed signal
    std::array<int, 3> a_{};  // poles, from [1]
    std::array<int, 7> b_{};  // zeros, from [1]
    std::array<int, 7> d_{};  // differences
};

class G722Decoder {
public:
    // Appends 2 * in.size() samples. Any octets decode to something; nothing can fail.
    void decode(base::ByteView in, std::vector<std::int16_t>& out);

private:
    friend class G722Encoder;

    G722Band low_{32};
    G722Band high_{8};
    std::array<int, 24> delay_{};  // of the receive QMF
};

class G722Encoder {
public:
    G722Encoder() = default;
    // Goes on where `heard` is: who decoded the same octets so far hears no break when ours follow
    // (both sides adapt by what was sent alone).
    explicit G722Encoder(const G722Decoder& heard) : low_(heard.low_), high_(heard.high_) {}

    // Appends in.size() / 2 octets; an odd sample at the end is left out.
    void encode(std::span<const std::int16_t> in, base::Bytes& out);

private:
    std::uint8_t encode_pair(int low, int high);

    G722Band low_{32};
    G722Band high_{8};
    std::array<int, 24> delay_{};  // of the transmit QMF
};

}  // namespace earshot::audio
