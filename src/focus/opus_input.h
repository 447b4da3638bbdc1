// The voice of one who speaks Opus. Its packets wait, in their order, until what is in them is
// needed a tick later; then they are given away to be decoded (voice/), and the samples come back
// before that tick. What is missing then is concealed, by the packet after it where that one is
// here already (RFC 6716 section 2.1.7). A voice is heard 60 ms after it came, as others are
// (relay::MixInput). Without I/O or clock; belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "relay/session_mixer.h"
#include "rtp/timestamp_extender.h"
#include "voice/records.h"

namespace earshot::focus {

class OpusInput {
public:
    static constexpr std::size_t kTickSamples = 320;
    using Counters = relay::MixInput::Counters;

    // What is to be decoded.
    struct Question {
        std::uint64_t member = 0;  // whose it is: for the mixer to add
        voice::RecordKind kind{};
        std::uint16_t samples = 0;
        std::uint32_t stream = 0;
        std::uint64_t ticket = 0;
        base::Bytes packet{};
    };

    // `stream`: the number of its first decoder, another one than its member had before.
    OpusInput(std::uint8_t payload_type, std::uint32_t stream)
        : payload_type_(payload_type), stream_(stream) {}

    void on_packet(base::ByteView packet);
    // The voice's next tick. True: it has something to say (its samples may be silence). After
    // that `questions` holds what is needed for the one that follows.
    bool add_to(std::span<std::int32_t, kTickSamples> sum, std::vector<Question>& questions);
    void on_decoded(std::uint32_t stream, std::uint64_t ticket,
                    std::span<const std::int16_t> samples);

    std::uint32_t stream() const { return stream_; }
    const Counters& counters() const { return counters_; }

private:
    struct Waiting {
        std::int64_t samples = 0;
        base::Bytes packet;
    };
    struct Asked {
        std::uint64_t ticket = 0;
        std::int64_t position = 0;
    };
    void place(std::int64_t timestamp, Waiting packet);
    void ask(std::vector<Question>& questions);
    void ask_one(voice::RecordKind kind, std::int64_t samples, base::Bytes packet,
                 std::vector<Question>& questions);
    void tidy(bool was_heard);
    void skip(std::size_t samples);

    std::uint8_t payload_type_;
    std::uint32_t stream_;
    std::int64_t now_ = 0;  // the mix's position, as this voice has seen it
    std::optional<std::uint32_t> ssrc_;
    rtp::TimestampExtender timestamps_;
    std::optional<std::int64_t> offset_;       // position = timestamp in samples + offset
    std::int64_t newest_ = 0;                  // timestamp
    std::map<std::int64_t, Waiting> waiting_;  // by the position of its first sample
    std::int64_t asked_until_ = 0;             // position; before that all has been asked for
    std::int64_t concealed_ = 0;               // samples in a row, since a packet was decoded
    bool has_decoded_ = false;                 // the decoder knows what to conceal by
    std::uint64_t ticket_ = 0;
    std::deque<Asked> asked_;
    std::vector<std::int16_t> samples_;  // from position `first_` on
    std::int64_t first_ = 0;
    Counters counters_;
};

}  // namespace earshot::focus
