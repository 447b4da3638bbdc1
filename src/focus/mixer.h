// The mixer of a conference (RFC 7667 section 3.6.1): each participant hears the sum of the others
// and not itself, and the CSRC list of each packet tells whose voices are in it (RFC 3550 section
// 7.1), RFC 6465 how loud they are. A tick is 20 ms; its clock is the caller's. All is mixed at 16
// kHz, so that who speaks G.722 hears others of its kind in full width. Each voice waits 60 ms in a
// queue of its own (relay::MixInput), bounded in packets and time, so that what comes late or in
// another order is still in its place. Opus is decoded elsewhere: each tick leaves questions whose
// answers are to be there before the next one. Without I/O or clock; belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "audio/g722.h"
#include "audio/resampler.h"
#include "base/bytes.h"
#include "focus/level.h"
#include "focus/limits.h"
#include "focus/opus_encoder.h"
#include "focus/opus_input.h"
#include "focus/voice_format.h"
#include "relay/session_mixer.h"
#include "relay/sound.h"

namespace earshot::focus {

using MemberId = std::uint64_t;  // the caller's, unique in a mixer

// What was agreed on with a member.
struct MemberLine {
    std::vector<MixFormat> formats{};         // that it may send; none: it says nothing
    std::optional<MixFormat> hears{};         // that it is sent; none: it is on hold
    OpusWishes opus{};                        // where that is Opus
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
    // What is to be decoded before the next tick, in its order; what is not is not heard.
    std::span<const OpusInput::Question> questions() const { return questions_; }
    void on_decoded(MemberId id, std::uint32_t stream, std::uint64_t ticket,
                    std::span<const std::int16_t> samples);

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
        relay::MixInput input;          // of G.711 and G.722
        std::optional<OpusInput> opus;  // instead of it
        std::uint32_t opus_streams = 0;
        std::array<std::int32_t, kTickSamples> voice{};  // of this tick
        bool is_heard = false;                           // it is loud enough to be named
        bool is_muted = false;
        bool is_recorder = false;
        bool tells_voice = false;  // it has set V of RFC 6464 once
        bool is_noise = false;     // it says now that it does not speak
        std::uint8_t level = kSilence;
        double score = 0;  // how much it has spoken lately
        std::optional<Sounding> indication;
        audio::G722Encoder g722;
        std::unique_ptr<SpeechEncoder> own_opus;  // while what it hears is not what others hear
        int own_opus_ticks = 0;                   // for which it keeps that
        bool shares_opus = false;                 // it heard the shared one in the last tick
        std::optional<audio::Resampler> down;     // to 8 kHz, where it hears G.711
        std::vector<std::int16_t> narrow;         // that is made and not sent
        bool is_talking = false;                  // a packet was sent in the last tick
        std::uint64_t packets = 0;
        std::uint64_t octets = 0;
    };

    // Of all who hear Opus, wish for the same of it, and do not speak.
    struct SharedOpus {
        explicit SharedOpus(const OpusWishes& wishes) : encoder(wishes) {}
        SpeechEncoder encoder;
        base::Bytes packet;      // of the tick
        std::uint64_t tick = 0;  // in which it was made
    };

    Member* find(MemberId id);
    static void set_voice(Member& member);
    static relay::MixInput::Counters counters_of(const Member& member);
    void take_voices();
    void take_chimes();
    void choose_speaker();
    void write(MemberId id, Member& member);
    bool add_sounds(Member& member);
    void add_sound(Sounding& it);
    void append_header(const Member& member, base::Bytes& out);
    void encode(Member& member, bool is_alone, base::Bytes& out);
    void encode_opus(Member& member, bool is_alone, base::Bytes& out);
    bool has_newcomer(const OpusWishes& wishes) const;
    static void encode_narrow(Member& member, std::span<const std::int16_t> samples,
                              base::Bytes& out);

    std::map<MemberId, Member> members_;
    std::array<std::int32_t, kTickSamples> sum_{};
    std::array<std::int32_t, kTickSamples> chimed_{};  // what all hear beside the voices
    std::array<std::int32_t, kTickSamples> mix_{};     // of one member
    std::vector<Sounding> chimes_;
    std::map<OpusWishes, SharedOpus> shared_opus_;
    std::vector<std::int16_t> shared_samples_;  // that all who share hear in this tick,
    std::vector<std::int16_t> samples_before_;  // and in the one before it
    std::vector<OpusInput::Question> questions_;
    std::uint64_t tick_ = 0;
    std::vector<std::int16_t> samples_;
    std::vector<Packet> packets_;
    std::size_t packet_count_ = 0;  // of packets_ in use: their buffers are kept
    MemberId speaker_ = 0;
    relay::MixInput::Counters ended_;
};

// Chimes: two short notes, rising for one who joins and falling for one who leaves.
relay::SoundPtr make_chime(bool rises);

}  // namespace earshot::focus
