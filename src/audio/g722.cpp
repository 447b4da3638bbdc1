#include "audio/g722.h"

#include <algorithm>
#include <cstddef>

namespace earshot::audio {
namespace {

// Tables of the Recommendation, by its names.
constexpr std::array<int, 12> kQmf{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11};
constexpr std::array<int, 32> kIlb{2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543,
                                   2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228,
                                   3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008};
constexpr std::array<int, 8> kWl{-60, -30, 58, 172, 334, 538, 1198, 3042};
constexpr std::array<std::size_t, 16> kRl42{0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0};
constexpr std::array<int, 2> kWh{-214, 798};
constexpr std::array<int, 4> kQm2{-7408, -1616, 7408, 1616};
constexpr std::array<int, 16> kQm4{0,     -20456, -12896, -8968, -6288, -4240, -2584, -1200,
                                   20456, 12896,  8968,   6288,  4240,  2584,  1200,  0};
constexpr std::array<int, 64> kQm6{
    -136,   -136,   -136,  -136,  -24808, -21904, -19008, -16704, -14984, -13512, -12280,
    -11192, -10232, -9360, -8576, -7856,  -7192,  -6576,  -6000,  -5456,  -4944,  -4464,
    -4008,  -3576,  -3168, -2776, -2400,  -2032,  -1688,  -1360,  -1040,  -728,   24808,
    21904,  19008,  16704, 14984, 13512,  12280,  11192,  10232,  9360,   8576,   7856,
    7192,   6576,   6000,  5456,  4944,   4464,   4008,   3576,   3168,   2776,   2400,
    2032,   1688,   1360,  1040,  728,    432,    136,    -432,   -136};
// Decision levels of the 60-level quantiser, and the codes of its intervals by sign.
constexpr std::array<int, 30> kQ6{0,    35,   72,   110,  150,  190,  233,  276,  323,  370,
                                  422,  473,  530,  587,  650,  714,  786,  858,  940,  1023,
                                  1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919};
constexpr int kQ2 = 564;  // decision level of the higher band
constexpr int kMaxLowScale = 18432;
constexpr int kMaxHighScale = 22528;

constexpr int saturate(int value) { return std::clamp(value, -32768, 32767); }
constexpr int limit_sample(int value) { return std::clamp(value, -16384, 16383); }
constexpr bool same_sign(int a, int b) { return (a < 0) == (b < 0); }
constexpr std::size_t index(int value) { return static_cast<std::size_t>(value); }

// WH by the code of the higher band: 1 and 3 are the inner intervals.
constexpr int high_step(int code) { return kWh[(code & 1) != 0 ? 0 : 1]; }

// How the lower band follows a code: by its upper four bits alone, so that the lower ones may carry
// data in other modes.
void adapt_low(G722Band& band, int code) {
    const auto coarse = index(code >> 2);
    const int difference = band.det() * kQm4[coarse] >> 15;
    band.adapt_scale(kWl[kRl42[coarse]], kMaxLowScale, 8);
    band.predict(difference);
}

// Returns the quantised difference signal.
int adapt_high(G722Band& band, int code) {
    const int difference = band.det() * kQm2[index(code)] >> 15;
    band.adapt_scale(high_step(code), kMaxHighScale, 10);
    band.predict(difference);
    return difference;
}

// One's complement magnitude, so that -1 falls into the interval of 0.
constexpr int magnitude(int value) { return value >= 0 ? value : -(value + 1); }

int quantise_low(int error, int det) {
    const int level = magnitude(error);
    int interval = 1;
    while (interval < 30 && level >= kQ6[index(interval)] * det >> 12) ++interval;
    if (error >= 0) return 62 - interval;                  // 61, 60, ... 32
    return interval <= 2 ? 64 - interval : 34 - interval;  // 63, 62, 31, 30, ... 4
}

int quantise_high(int error, int det) {
    const bool outer = magnitude(error) >= kQ2 * det >> 12;
    if (error < 0) return outer ? 0 : 1;
    return outer ? 2 : 3;
}

// Both QMFs are one filter of 24 taps, symmetric, seen as its even and odd halves.
struct QmfSums {
    int even = 0;
    int odd = 0;
};
QmfSums run_qmf(std::array<int, 24>& delay, int first, int second) {
    std::move(delay.begin() + 2, delay.end(), delay.begin());
    delay[22] = first;
    delay[23] = second;
    QmfSums sums;
    for (std::size_t i = 0; i < kQmf.size(); ++i) {
        sums.odd += delay[2 * i] * kQmf[i];
        sums.even += delay[2 * i + 1] * kQmf[kQmf.size() - 1 - i];
    }
    return sums;
}

}  // namespace

void G722Band::adapt_scale(int step, int limit, int shift) {
    nb_ = std::clamp((nb_ * 127 >> 7) + step, 0, limit);
    const int mantissa = kIlb[index(nb_ >> 6 & 31)];
    const int exponent = shift - (nb_ >> 11);
    det_ = (exponent < 0 ? mantissa << -exponent : mantissa >> exponent) << 2;
}

void G722Band::update_poles() {  // UPPOL2, UPPOL1
    const int four_a1 = saturate(a_[1] * 4);
    int a2 = same_sign(p_[0], p_[1]) ? std::min(-four_a1, 32767) : four_a1;
    a2 = (a2 >> 7) + (same_sign(p_[0], p_[2]) ? 128 : -128) + (a_[2] * 32512 >> 15);
    a2 = std::clamp(a2, -12288, 12288);
    const int a1 = saturate((same_sign(p_[0], p_[1]) ? 192 : -192) + (a_[1] * 32640 >> 15));
    const int bound = saturate(15360 - a2);
    a_[2] = a2;
    a_[1] = std::clamp(a1, -bound, bound);
}

void G722Band::update_zeros() {  // UPZERO
    const int step = d_[0] == 0 ? 0 : 128;
    for (std::size_t i = 1; i < b_.size(); ++i) {
        const int direction = same_sign(d_[i], d_[0]) ? step : -step;
        b_[i] = saturate(direction + (b_[i] * 32640 >> 15));
    }
}

void G722Band::predict(int difference) {
    d_[0] = difference;
    r_[0] = saturate(s_ + difference);   // RECONS
    p_[0] = saturate(sz_ + difference);  // PARREC
    update_poles();
    update_zeros();
    std::move_backward(d_.begin(), d_.end() - 1, d_.end());  // DELAYA
    std::move_backward(r_.begin(), r_.end() - 1, r_.end());
    std::move_backward(p_.begin(), p_.end() - 1, p_.end());

    const int sp = saturate((a_[1] * saturate(2 * r_[1]) >> 15) +
                            (a_[2] * saturate(2 * r_[2]) >> 15));  // FILTEP
    sz_ = 0;
    for (std::size_t i = b_.size() - 1; i > 0; --i) sz_ += b_[i] * saturate(2 * d_[i]) >> 15;
    sz_ = saturate(sz_);      // FILTEZ
    s_ = saturate(sp + sz_);  // PREDIC
}

void G722Decoder::decode(base::ByteView in, std::vector<std::int16_t>& out) {
    out.reserve(out.size() + 2 * in.size());
    for (const std::uint8_t octet : in) {
        const int low_code = octet & 0x3f;
        const int low =
            limit_sample(low_.prediction() + (low_.det() * kQm6[index(low_code)] >> 15));
        adapt_low(low_, low_code);
        const int predicted = high_.prediction();
        const int high = limit_sample(predicted + adapt_high(high_, octet >> 6));

        const QmfSums sums = run_qmf(delay_, low + high, low - high);
        out.push_back(static_cast<std::int16_t>(saturate(sums.even >> 11)));
        out.push_back(static_cast<std::int16_t>(saturate(sums.odd >> 11)));
    }
}

std::uint8_t G722Encoder::encode_pair(int low, int high) {
    const int low_code = quantise_low(saturate(low - low_.prediction()), low_.det());
    adapt_low(low_, low_code);
    const int high_code = quantise_high(saturate(high - high_.prediction()), high_.det());
    adapt_high(high_, high_code);
    return static_cast<std::uint8_t>(high_code << 6 | low_code);
}

void G722Encoder::encode(std::span<const std::int16_t> in, base::Bytes& out) {
    for (std::size_t i = 0; i + 1 < in.size(); i += 2) {
        const QmfSums sums = run_qmf(delay_, in[i], in[i + 1]);
        out.push_back(encode_pair((sums.even + sums.odd) >> 14, (sums.even - sums.odd) >> 14));
    }
}

}  // namespace earshot::audio
