// The sending half of one RTP stream of made H.264 (h264_picture.h, slide_picture.h; RFC 6184,
// packetization mode 1): of a camera a picture every 40 ms, of what is shared one every 400 ms, key
// pictures at the start, for a new page and when one is asked for (PLI, FIR), lost packets once
// more (NACK, RFC 4585), sender reports. No I/O, no clock; belongs to the video sender's thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "loadgen/slide_picture.h"
#include "loadgen/stream_protection.h"

namespace earshot::loadgen {

inline constexpr std::chrono::milliseconds kPictureTime{40};

struct VideoFigures {
    std::uint64_t packets = 0;  // each once
    std::uint64_t pictures = 0;
    std::uint64_t key_pictures = 0;
    std::uint64_t retransmitted = 0;
    std::uint64_t withheld = 0;      // packets that were "lost" on purpose
    std::uint32_t key_requests = 0;  // PLI, FIR and INFO that came
    std::uint32_t nacks = 0;         // NACK packets that came
    std::uint64_t heard = 0;         // RTP packets that came
};

// All streams that show the same have the same pictures, which are drawn once. The sequence of
// frame numbers closes after kCycle pictures.
class VideoPictures {
public:
    static constexpr std::uint32_t kCycle = 176;  // of 16 (frame_num has 4 bits) and 11 (the bar)
    static constexpr std::uint64_t kSlideTurns = 10;  // of 40 ms, from picture to picture
    static constexpr std::uint64_t kPageTurns = 100;  // and from page to page

    VideoPictures(std::uint32_t bits_per_second, unsigned party);  // a camera's
    explicit VideoPictures(Sharing sharing);

    // Payloads of one picture: parameter sets in one STAP-A, then fragments (FU-A). `turn`: of
    // 40 ms, since the stream began.
    const std::vector<base::Bytes>& key(std::uint64_t turn) const {
        return keys_.at(turn / kPageTurns % keys_.size());
    }
    const std::vector<base::Bytes>& next(std::uint32_t since_key) const {
        return next_.at((since_key - 1) % kCycle);
    }
    bool has_picture(std::uint64_t turn) const { return turn % pace_ == 0; }
    bool has_new_page(std::uint64_t turn) const {
        return keys_.size() > 1 && turn % kPageTurns == 0;
    }

private:
    std::vector<std::vector<base::Bytes>> keys_;  // of each page
    std::vector<std::vector<base::Bytes>> next_;
    std::uint64_t pace_ = 1;
};

class VideoStream {
public:
    struct Start {
        std::uint32_t ssrc = 0;
        std::uint16_t sequence = 0;
        std::uint32_t timestamp = 0;
        std::string cname;
        std::uint32_t lose_every = 0;  // of the packets one is not sent at first; 0: none
    };
    VideoStream(Start start, const VideoPictures& pictures)  // borrows the pictures
        : start_(std::move(start)), pictures_(&pictures), sequence_(start_.sequence) {}

    void set_payload_type(std::uint8_t type) { payload_type_ = type; }
    StreamProtection& protection() { return protection_; }
    const StreamProtection& protection() const { return protection_; }

    // What goes onto the wire at the next turn of 40 ms, the packets of a picture or none; valid
    // until the next call.
    const std::vector<base::Bytes>& next_picture();
    void skip_picture();  // paused: time runs on, and what comes then begins with a key picture
    // What came on the RTCP port, opened in place; the packets to send again, valid until the next
    // call.
    const std::vector<base::Bytes>& on_rtcp(std::span<std::uint8_t> datagram);
    void want_key_picture();  // INFO (RFC 5168)
    void on_heard() { ++figures_.heard; }
    base::ByteView sender_report(base::WallTime now, bool is_last);

    const VideoFigures& figures() const { return figures_; }

private:
    void add_packet(base::ByteView payload, bool is_last);
    std::uint32_t timestamp() const;

    Start start_;
    const VideoPictures* pictures_;
    std::uint8_t payload_type_ = 96;
    std::uint16_t sequence_;
    std::uint64_t position_ = 0;   // in turns since the start, sent or not
    std::uint32_t since_key_ = 0;  // pictures after the last key picture
    bool wants_key_ = true;
    std::uint64_t octets_ = 0;
    std::vector<base::Bytes> sending_;
    std::vector<base::Bytes> again_;
    // The newest, for who asks again. As they were sent: under one index there must be one packet
    // (RFC 3711 section 9.1).
    std::deque<base::Bytes> kept_;
    StreamProtection protection_;
    base::Bytes report_;
    VideoFigures figures_;
};

}  // namespace earshot::loadgen
