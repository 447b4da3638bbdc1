// What one stream asks of its sender: packets that are missing once more (NACK, RFC 4585), and
// pictures that a decoder can begin with (PLI, FIR; RFC 5104; RFC 7866 section 8.1.7), at the
// start, after what nobody filled, after a pause. Where neither PLI nor FIR was negotiated the
// signalling side is told, which asks by INFO (RFC 5168). Pure; lives in a StreamReceiver, for
// video always, for other media where NACK was negotiated.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "capture/stream.h"
#include "payload/key_frame.h"
#include "rtp/rtp_packet.h"

namespace earshot::capture {

enum class KeyFrameReason : std::uint8_t { Start, Loss, Resume };
enum class KeyFrameMethod : std::uint8_t { Fir, Pli, Info };
const char* to_string(KeyFrameReason reason);  // start, loss, resume
const char* to_string(KeyFrameMethod method);  // fir, pli, info

struct KeyFrameRequest {
    KeyFrameReason reason = KeyFrameReason::Start;
    KeyFrameMethod method = KeyFrameMethod::Pli;
};

class Feedback {
public:
    Feedback(std::uint32_t own_ssrc, bool is_video) : own_ssrc_(own_ssrc), is_video_(is_video) {}

    void set_terms(const FeedbackTerms& terms) { terms_ = terms; }

    // A packet of the present source. `codec`: of its payload type.
    void on_packet(const rtp::RtpHeader& header, base::ByteView payload, payload::VideoCodec codec);
    // A packet that came again by other means (RFC 4588). True: it was missing.
    bool on_restored(std::uint16_t sequence) { return take_missing(sequence); }
    void on_resume();  // what was not stored meanwhile is not missing

    // At each look at the stream (kBursty drain). Appends one RTCP compound to `out` when there is
    // something to ask for; the key frame that is asked for, by it or otherwise.
    std::optional<KeyFrameRequest> on_turn(base::TimePoint now, std::string_view cname,
                                           base::Bytes& out);

    std::uint64_t asked_again() const { return asked_again_; }  // packets, each once
    std::uint64_t restored() const { return restored_; }        // of these, those that came
    std::uint32_t key_frames_asked() const { return key_frames_asked_; }

private:
    struct Missing {
        std::uint16_t sequence = 0;
        std::uint8_t tries = 0;
        bool is_seen = false;  // at the last look, too: not only out of order
        base::TimePoint next_try{};
    };

    void begin(const rtp::RtpHeader& header);
    bool take_missing(std::uint16_t sequence);
    void want(KeyFrameReason reason);
    void give_up(base::TimePoint now);
    void append_nacks(base::TimePoint now, base::Bytes& out);
    std::optional<KeyFrameRequest> ask_for_key_frame(base::TimePoint now, base::Bytes& out);

    const std::uint32_t own_ssrc_;
    const bool is_video_;
    FeedbackTerms terms_;
    bool has_source_ = false;
    bool has_codec_ = false;  // one whose key frames are seen
    std::uint32_t ssrc_ = 0;
    std::uint16_t highest_ = 0;
    std::vector<Missing> missing_;  // in order of their numbers; at most kMaxMissing
    std::optional<KeyFrameReason> wanted_;
    base::TimePoint next_request_{};
    std::chrono::milliseconds wait_{};
    std::uint8_t fir_number_ = 0;
    std::uint64_t asked_again_ = 0;
    std::uint64_t restored_ = 0;
    std::uint32_t key_frames_asked_ = 0;
};

}  // namespace earshot::capture
