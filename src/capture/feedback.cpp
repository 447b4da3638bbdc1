#include "capture/feedback.h"

#include <algorithm>
#include <utility>

#include "capture/limits.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"

namespace earshot::capture {

const char* to_string(KeyFrameReason reason) {
    switch (reason) {
        case KeyFrameReason::Start:
            return "start";
        case KeyFrameReason::Loss:
            return "loss";
        case KeyFrameReason::Resume:
            return "resume";
    }
    return "unknown";
}

const char* to_string(KeyFrameMethod method) {
    switch (method) {
        case KeyFrameMethod::Fir:
            return "fir";
        case KeyFrameMethod::Pli:
            return "pli";
        case KeyFrameMethod::Info:
            return "info";
    }
    return "unknown";
}

void Feedback::begin(const rtp::RtpHeader& header) {
    has_source_ = true;
    ssrc_ = header.ssrc;
    highest_ = header.sequence;
    missing_.clear();
    want(KeyFrameReason::Start);
}

void Feedback::on_packet(const rtp::RtpHeader& header, base::ByteView payload,
                         payload::VideoCodec codec) {
    const auto step = static_cast<std::int16_t>(header.sequence - highest_);
    if (!has_source_ || header.ssrc != ssrc_ || std::abs(step) > kMaxFeedbackStep) {
        begin(header);
    } else if (step <= 0) {
        take_missing(header.sequence);
    } else {
        for (std::uint16_t lost = highest_ + 1; lost != header.sequence; ++lost) {
            if (missing_.size() == kMaxMissing) {  // asking for so much would make it worse
                want(KeyFrameReason::Loss);
                break;
            }
            missing_.push_back({.sequence = lost});
        }
        highest_ = header.sequence;
    }
    has_codec_ = has_codec_ || codec != payload::VideoCodec::Unknown;
    if (payload::begins_key_frame(codec, payload)) {
        wanted_.reset();
        wait_ = {};
    }
}

bool Feedback::take_missing(std::uint16_t sequence) {
    const auto found = std::find_if(missing_.begin(), missing_.end(),
                                    [&](const Missing& one) { return one.sequence == sequence; });
    if (found == missing_.end()) return false;
    if (found->tries > 0) ++restored_;
    missing_.erase(found);
    return true;
}

void Feedback::on_resume() {
    has_source_ = false;  // begins with the next packet
    missing_.clear();
    wanted_.reset();
    if (is_video_) wanted_ = KeyFrameReason::Resume;
}

void Feedback::want(KeyFrameReason reason) {
    if (is_video_ && !wanted_) wanted_ = reason;
}

std::optional<KeyFrameRequest> Feedback::on_turn(base::TimePoint now, std::string_view cname,
                                                 base::Bytes& out) {
    if (!has_source_ || (missing_.empty() && !wanted_)) return std::nullopt;
    base::Bytes asked;
    give_up(now);
    if (terms_.nack) append_nacks(now, asked);
    const auto request = ask_for_key_frame(now, asked);
    if (!asked.empty()) {
        // RFC 4585 section 3.1: in a compound behind RR and SDES. Reception is reported on the
        // usual interval, whose figures this must not take apart.
        rtp::append_receiver_report({.ssrc = own_ssrc_, .reports = {}}, out);
        rtp::append_cname(own_ssrc_, cname, out);
        base::append(out, asked);
    }
    return request;
}

// What was asked for often enough, or cannot be asked for, leaves its picture broken.
void Feedback::give_up(base::TimePoint now) {
    const auto is_over = [&](const Missing& one) {
        if (!terms_.nack) return one.is_seen;
        return one.tries == kMaxNackTries && now >= one.next_try;
    };
    const auto kept = std::remove_if(missing_.begin(), missing_.end(), is_over);
    if (kept != missing_.end()) want(KeyFrameReason::Loss);
    missing_.erase(kept, missing_.end());
    if (terms_.nack) return;
    for (Missing& one : missing_) one.is_seen = true;
}

void Feedback::append_nacks(base::TimePoint now, base::Bytes& out) {
    std::vector<std::uint16_t> lost;
    for (Missing& one : missing_) {
        if (!std::exchange(one.is_seen, true) || one.tries == kMaxNackTries || now < one.next_try)
            continue;
        if (one.tries == 0) ++asked_again_;
        ++one.tries;
        one.next_try = now + kNackInterval * one.tries;
        lost.push_back(one.sequence);
    }
    rtp::append_nack(own_ssrc_, ssrc_, lost, out);
}

// FIR where there is no picture yet, PLI where one broke (RFC 7866 section 8.1.7.2); what of both
// is there serves for the other. A sender that does not answer is asked more and more seldom.
std::optional<KeyFrameRequest> Feedback::ask_for_key_frame(base::TimePoint now, base::Bytes& out) {
    if (!wanted_ || now < next_request_) return std::nullopt;
    KeyFrameRequest request{.reason = *wanted_, .method = KeyFrameMethod::Info};
    const bool wants_fir = *wanted_ != KeyFrameReason::Loss;
    if (terms_.fir && (wants_fir || !terms_.pli)) {
        request.method = KeyFrameMethod::Fir;
        rtp::append_fir(own_ssrc_, ssrc_, fir_number_++, out);
    } else if (terms_.pli) {
        request.method = KeyFrameMethod::Pli;
        rtp::append_pli(own_ssrc_, ssrc_, out);
    }
    ++key_frames_asked_;
    wait_ = std::clamp(wait_ * 2, kKeyFrameInterval, kMaxKeyFrameInterval);
    next_request_ = now + wait_;
    // Of a codec whose key frames are not known the answer is not seen: once must do.
    if (!has_codec_) wanted_.reset();
    return request;
}

}  // namespace earshot::capture
