// Forwards the pictures of a conference (a media-switching mixer, RFC 7667 section 3.6.2): nothing
// is decoded, each receiver has one stream of its own, with our SSRC, whose source changes. It
// changes with a key frame of the new source alone, for which that one is asked (RFC 4585, RFC
// 5104); until then the pictures of the old one go on. The CSRC tells whose they are. Without I/O
// or clock: packets in, packets out; belongs to one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "focus/limits.h"
#include "focus/mixer.h"
#include "payload/key_frame.h"
#include "rtp/sequence_tracker.h"

namespace earshot::focus {

// What two must have in common to see each other's pictures.
struct PictureFormat {
    payload::VideoCodec codec = payload::VideoCodec::Unknown;
    std::uint8_t packetization_mode = 0;  // of H.264 (RFC 6184)
    std::uint8_t profile = 0;             // likewise: profile_idc
    friend bool operator==(const PictureFormat&, const PictureFormat&) = default;
};
struct PictureType {
    std::uint8_t payload_type = 0;
    PictureFormat format{};
    friend bool operator==(const PictureType&, const PictureType&) = default;
};

// What was agreed on with a member for one line of video. Who shows has one type; who only sees has
// as many as it takes, since it does not decide which pictures there are.
struct PictureLine {
    std::vector<PictureType> types{};
    bool shows = false;  // it may send
    bool sees = false;   // it is sent
    bool takes_pli = false;
    bool takes_fir = false;
    const PictureType* find(const PictureFormat& format) const {
        for (const PictureType& type : types)
            if (type.format == format) return &type;
        return nullptr;
    }
    friend bool operator==(const PictureLine&, const PictureLine&) = default;
};

class Forwarder {
public:
    // Between two requests for key frames to one source, whoever wants them.
    static constexpr std::chrono::seconds kBetweenRequests{1};
    // The same, once so many in a row have brought none.
    static constexpr std::uint32_t kPatience = 10;
    static constexpr std::chrono::seconds kBetweenVainRequests{10};

    struct Packet {
        MemberId to = 0;
        base::Bytes bytes;
    };
    // To be told a source: a picture that a decoder can begin with is wanted.
    struct Request {
        MemberId to = 0;
        std::uint32_t ours = 0;   // SSRC of who asks
        std::uint32_t media = 0;  // of the source
        bool is_fir = false;
        std::uint8_t number = 0;  // of a FIR
    };

    // `csrc` names what it shows to all others. False: there are kMaxMembers, or it is there.
    bool add(MemberId id, std::uint32_t csrc, StreamIdentity own);
    void change(MemberId id, PictureLine line);
    void remove(MemberId id);
    // All others see `main`, and it sees `other`; 0: nobody.
    void show(MemberId main, MemberId other);
    MemberId main() const { return main_; }

    // What goes out for it; valid until the next call.
    std::span<const Packet> on_packet(base::TimePoint now, MemberId from, base::ByteView packet);
    // RTCP of a member, as receiver and as source.
    void on_rtcp(MemberId from, base::ByteView compound);

    // What is to be asked for now, until there is nothing.
    std::optional<Request> poll_request(base::TimePoint now);

    // Who may send pictures and has not said that they have ended (RTCP BYE), in ascending order;
    // with `within`: and has sent one so lately.
    std::vector<MemberId> sources(
        base::TimePoint now, std::optional<std::chrono::milliseconds> within = std::nullopt) const;
    std::size_t members() const { return members_.size(); }
    // Whose pictures a member is sent; 0: nobody's.
    MemberId seen_by(MemberId id) const;

    struct Sent {  // to a member so far, for its sender reports
        std::uint32_t ssrc = 0;
        std::uint32_t timestamp = 0;  // of now
        std::uint64_t packets = 0;
        std::uint64_t octets = 0;
    };
    std::optional<Sent> sent_to(MemberId id, base::TimePoint now) const;

    struct Counters {
        std::uint64_t taken = 0;        // packets of all sources
        std::uint64_t passed_over = 0;  // of another format, or that came twice or much too late
        std::uint64_t sent = 0;
        std::uint64_t switches = 0;  // of one receiver to another source
        std::uint64_t requests = 0;
        std::uint64_t vain = 0;  // requests in a row that have brought no key frame, the worst
    };
    Counters counters() const;

private:
    // VP8's running numbers (RFC 7741 section 4.2), which a receiver takes for continuous, too.
    struct Vp8Numbers {
        std::optional<std::uint16_t> picture;
        std::optional<std::uint8_t> layer;  // TL0PICIDX
    };
    struct Source {
        std::optional<std::uint32_t> ssrc{};
        std::optional<std::uint32_t> candidate{};  // another SSRC, seen once
        rtp::SequenceTracker sequence{true};
        std::uint64_t life = 0;  // another one after each new SSRC or sequence
        bool has_ended = false;
        std::optional<base::TimePoint> last{};
        bool is_asked_for = false;  // a receiver wants a key frame
        std::optional<base::TimePoint> asked{};
        std::uint32_t vain = 0;
        std::uint8_t fir_number = 0;
    };
    struct Receiver {
        MemberId source = 0;
        std::uint64_t life = 0;    // of the source
        std::int64_t first = 0;    // of its extended sequence numbers that is sent
        std::int64_t shift = 0;    // from its sequence numbers to ours
        std::uint32_t delay = 0;   // from its timestamps to ours
        std::int64_t highest = 0;  // sent, extended
        std::uint32_t timestamp = 0;
        std::optional<base::TimePoint> sent_at{};
        Vp8Numbers last{};
        std::uint16_t picture_shift = 0;
        std::uint8_t layer_shift = 0;
        std::uint64_t packets = 0;
        std::uint64_t octets = 0;
    };
    struct Member {
        std::uint32_t csrc = 0;
        std::uint32_t ssrc = 0;
        PictureLine line{};
        Source source{};
        Receiver receiver{};
    };
    struct Arrived;

    Member* find(MemberId id);
    MemberId target_of(MemberId id) const;
    void retarget();
    bool accept(base::TimePoint now, Member& member, Arrived& arrived);
    bool accept_ssrc(Source& source, std::uint32_t ssrc);
    static bool can_see(const Member& receiver, const Member& source);
    void forward(const Arrived& arrived, MemberId from, MemberId to, Member& receiver);
    void begin(const Arrived& arrived, MemberId from, Member& receiver);
    void write(const Arrived& arrived, MemberId to, Member& receiver);
    bool is_wanted(MemberId id, const Member& member) const;

    std::map<MemberId, Member> members_;
    MemberId main_ = 0;
    MemberId other_ = 0;
    std::uint64_t last_life_ = 0;
    std::vector<Packet> packets_;
    std::size_t packet_count_ = 0;  // of packets_ in use: their buffers are kept
    Counters counters_;
};

}  // namespace earshot::focus
