// The mixer of a conference (RFC 7667 section 3.6.1): each participant hears the sum of the others
// and not itself, and the CSRC list of each packet tells whose voices are in it (RFC 3550 section
// 7.1), RFC 6465 how loud they are. A tick is 20 ms; its clock is the caller's. All is mixed at 16
// kHz, so that who speaks G.722 hears others of its kind in full width. Each voice waits 60 ms in a
// queue of its own (relay::MixInput), bounded in packets and time, so that what comes late or in
// another order is still in its place. Without I/O or clock; belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "audio/g722.h"
#include "audio/resampler.h"
#include "base/bytes.h"
#include "focus/level.h"
#include "focus/limits.h"
#include "relay/session_mixer.h"
#include "relay/sound.h"

namespace earshot::focus {

using relay::MixCodec;
using relay::MixFormat;
using MemberId = std::uint64_t;  // the caller's, unique in a mixer

// What was agreed on with a member.
struct MemberLine {
    std::vector<MixFormat> formats{};         // that it may send; none: it says nothing
    std::optional<MixFormat> hears{};         // that it is sent; none: it is on hold
    std::optional<std::uint8_t> level_id{};   // of RFC 6464's extension in what it sends
    std::optional<std::uint8_t> levels_id{};  // of RFC 6465's in what it is sent
    friend bool operator==(const MemberLine&, const MemberLine&) = default;
};

// Of the stream that a member is sent: where it begins.
using StreamIdentity = relay::SessionMixer::Identity;

class Mixer {
public:
    static constexpr std::size_t kTickSamples = 320;

    struct Packet {
        MemberId to = 0;
        base::Bytes bytes;
    };

    // `csrc` names its voice to all others. False: there are kMaxMembers, or it is there already.
    bool add(MemberId id, std::uint32_t csrc, StreamIdentity own, MemberLine line);
    // One who hears all voices and none of the sounds: what it is sent goes to a recording.
    bool add_recorder(MemberId id, StreamIdentity own, MixFormat format);
    void change(MemberId id, MemberLine line);
    void remove(MemberId id);
    // It is heard by nobody, whatever it sends.
    void mute(MemberId id, bool is_muted);
    // What a member hears beside the others: a tone of recording, an announcement. Null: no more.
    // One that plays already goes on.
    void play(MemberId id, relay::SoundPtr sound);
    // A sound that all hear once: somebody came or left.
    void chime(const relay::SoundPtr& sound);

    void on_packet(MemberId id, base::ByteView packet);
    // The next 20 ms: a packet for each member that hears; valid until the next call.
    std::span<const Packet> tick();

    // Who speaks, or did so last; 0: nobody has.
    MemberId speaker() const { return speaker_; }
    // Of the last tick; 127: silence, or no such member.
    std::uint8_t level_of(MemberId id) const;
    std::size_t members() const { return members_.size(); }
    relay::MixInput::Counters counters() const;  // of all voices so far

    struct Sent {  // to a member so far, for its sender reports
        std::uint32_t ssrc = 0;
        std::uint32_t timestamp = 0;  // of the next tick
        std::uint64_t packets = 0;
        std::uint64_t octets = 0;
    };
    std::optional<Sent> sent_to(MemberId id) const;

private:
    struct Sounding {
        relay::SoundPtr sound;
        std::size_t position = 0;  // in samples of 16 kHz, from its beginning
    };
    struct Member {
        explicit Member(MemberLine its_line, std::uint32_t its_csrc, StreamIdentity its_own);

        MemberLine line;
        std::uint32_t csrc;
        StreamIdentity own;
        relay::MixInput input;
        std::array<std::int32_t, kTickSamples> voice{};  // of this tick
        bool is_heard = false;                           // it is loud enough to be named
        bool is_muted = false;
        bool is_recorder = false;
        bool tells_voice = false;  // it has set V of RFC 6464 once
        bool is_noise = false;     // it says now that it does not speak
        std::uint8_t level = kSilence;
        double score = 0;  // how much it has spoken lately
        std::optional<Sounding> indication;
        std::vector<Sounding> chimes;
        audio::G722Encoder g722;
        std::optional<audio::Resampler> down;  // to 8 kHz, where it hears G.711
        std::vector<std::int16_t> narrow;      // that is made and not sent
        bool is_talking = false;               // a packet was sent in the last tick
        std::uint64_t packets = 0;
        std::uint64_t octets = 0;
    };

    Member* find(MemberId id);
    void take_voices();
    void choose_speaker();
    void write(MemberId id, Member& member);
    void add_sounds(Member& member);
    void append_header(const Member& member, base::Bytes& out);
    void encode(Member& member, base::Bytes& out);
    static void encode_narrow(Member& member, std::span<const std::int16_t> samples,
                              base::Bytes& out);

    std::map<MemberId, Member> members_;
    std::array<std::int32_t, kTickSamples> sum_{};
    std::array<std::int32_t, kTickSamples> mix_{};  // of one member
    std::vector<std::int16_t> samples_;
    std::vector<Packet> packets_;
    std::size_t packet_count_ = 0;  // of packets_ in use: their buffers are kept
    MemberId speaker_ = 0;
    relay::MixInput::Counters ended_;
};

// Chimes: two short notes, rising for one who joins and falling for one who leaves.
relay::SoundPtr make_chime(bool rises);

}  // namespace earshot::focus
