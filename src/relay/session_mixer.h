// Several RTP streams of speech mixed to one (RFC 3550 section 7.1, REQ-008 of RFC 6341): what the
// phones of a trading floor say comes as one stream to the recording server, and the CSRC list of
// each packet tells whose voices are in it. A tick is 20 ms of the mix; its clock is the caller's.
// Each input waits in a queue of its own (60 ms, by its RTP time), so that what comes late or in
// another order is still in its place. Without I/O or clock; belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "audio/g722.h"
#include "audio/resampler.h"
#include "base/bytes.h"
#include "rtp/timestamp_extender.h"

namespace earshot::relay {

enum class MixCodec : std::uint8_t { Pcmu, Pcma, G722 };

struct MixFormat {
    std::uint8_t payload_type = 0;
    MixCodec codec = MixCodec::Pcmu;
    friend bool operator==(const MixFormat&, const MixFormat&) = default;
};

// One voice that goes into a mix.
class MixInput {
public:
    // `rate` of the mix in Hz: 8000 or 16000.
    MixInput(std::vector<MixFormat> formats, std::uint32_t csrc, std::uint32_t rate)
        : formats_(std::move(formats)), csrc_(csrc), rate_(rate) {}

    struct Counters {
        std::uint64_t packets = 0;
        std::uint64_t late = 0;         // came when their time in the mix was over
        std::uint64_t passed_over = 0;  // no packet of speech: digits, comfort noise, nonsense
        std::uint64_t left_out = 0;     // ticks, of a sender whose clock runs faster than ours
    };

    void on_packet(base::ByteView packet);
    // Adds the voice's next tick. True: it has something to say (its samples may be silence).
    bool add_to(std::span<std::int32_t> sum);
    // Whether that was loud enough to be heard.
    bool was_heard() const { return was_heard_; }
    bool is_empty() const { return waiting_.empty() && samples_.empty(); }
    std::uint32_t csrc() const { return csrc_; }
    const Counters& counters() const { return counters_; }

private:
    struct Waiting {
        std::int64_t position = 0;  // of its first sample, in samples of the mix
        MixCodec codec = MixCodec::Pcmu;
        base::Bytes payload;
    };
    const MixFormat* find_format(std::uint8_t payload_type) const;
    void place(std::int64_t timestamp, Waiting packet);
    void take_due(std::int64_t until);
    void decode(const Waiting& packet);
    std::int64_t ahead() const;
    void skip(std::size_t samples);

    std::vector<MixFormat> formats_;
    std::uint32_t csrc_;
    std::uint32_t rate_;
    std::int64_t now_ = 0;  // the mix's position, as this input has seen it
    std::optional<std::uint32_t> ssrc_;
    rtp::TimestampExtender timestamps_;
    std::optional<std::int64_t> offset_;       // position = timestamp in samples + offset
    std::map<std::int64_t, Waiting> waiting_;  // by timestamp
    std::int64_t taken_ = 0;                   // timestamp of the last one that was decoded
    std::vector<std::int16_t> samples_;        // decoded, from sample `first_` on
    std::int64_t first_ = 0;
    MixCodec last_codec_ = MixCodec::Pcmu;
    audio::G722Decoder g722_;
    std::optional<audio::Resampler> resampler_;  // of the last codec, where its rate is another one
    bool was_heard_ = false;
    Counters counters_;
};

class SessionMixer {
public:
    static constexpr std::size_t kMaxCsrcs = 15;  // of one packet (RFC 3550 section 5.1)

    // Of our own stream: where it begins.
    struct Identity {
        std::uint32_t ssrc = 0;
        std::uint16_t sequence = 0;
        std::uint32_t timestamp = 0;
    };
    SessionMixer(MixFormat output, Identity own);

    // What is mixed from now on leaves so; inputs begin anew when its sampling rate is another one.
    void set_output(MixFormat output);
    void add(std::uint64_t id, std::vector<MixFormat> formats, std::uint32_t csrc);
    // What has come of it is still mixed; then it is gone.
    void end(std::uint64_t id);
    void on_packet(std::uint64_t id, base::ByteView packet);

    // The next 20 ms: a packet in `out`. False: nobody has sent anything for them, so nothing is
    // sent either, unless silence `is_wanted`; time goes on.
    bool tick(base::Bytes& out, bool is_wanted = false);

    std::uint32_t timestamp() const { return own_.timestamp; }  // of the next tick
    std::uint32_t ssrc() const { return own_.ssrc; }
    std::uint64_t packets() const { return packets_; }
    std::uint64_t octets() const { return octets_; }
    std::size_t inputs() const { return inputs_.size(); }
    MixInput::Counters counters() const;  // of all inputs so far

private:
    struct Entry {
        MixInput input;
        std::vector<MixFormat> formats;
        bool has_ended = false;
    };
    std::uint32_t rate() const;
    void encode(base::Bytes& out);

    MixFormat output_;
    Identity own_;
    std::map<std::uint64_t, Entry> inputs_;
    MixInput::Counters ended_;
    std::vector<std::int32_t> sum_;
    std::vector<std::int16_t> samples_;
    std::vector<std::uint32_t> csrcs_;
    audio::G722Encoder encoder_;
    bool is_talking_ = false;  // the last tick was sent
    std::uint64_t packets_ = 0;
    std::uint64_t octets_ = 0;
};

}  // namespace earshot::relay
