#include "focus/mixer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "audio/g711.h"
#include "rtp/header_extension.h"
#include "rtp/rtp_packet.h"

namespace earshot::focus {

namespace {

constexpr std::uint32_t kRate = 16'000;
constexpr std::uint32_t kNarrowRate = 8'000;
constexpr std::uint32_t kTicksPerSecond = 50;
constexpr std::size_t kNarrowTick = 160;  // samples
// A filter holds back what it needs to see ahead: so much silence goes before the first packet.
constexpr std::size_t kFilterLead = 40;
constexpr std::uint8_t kQuietest = 60;  // dB below full scale: what is quieter is nobody's speech
// Who speaks: a mean over some 200 ms, and a lead that another one must have, so that a cough does
// not take the floor.
constexpr double kScoreShare = 0.1;
constexpr double kScoreLead = 6;
constexpr double kScoreFloor = 5;
// Who has spoken keeps an encoder of its own for 2 s: each change of encoder is heard, a little.
constexpr int kOwnOpusTicks = 100;

void add(relay::MixInput::Counters& sum, const relay::MixInput::Counters& more) {
    sum.packets += more.packets;
    sum.late += more.late;
    sum.passed_over += more.passed_over;
    sum.left_out += more.left_out;
}

std::int16_t saturated(std::int32_t sample) {
    return static_cast<std::int16_t>(std::clamp(sample, -32'768, 32'767));
}

}  // namespace

Mixer::Member::Member(MemberLine its_line, std::uint32_t its_csrc, StreamIdentity its_own)
    : line(std::move(its_line)), csrc(its_csrc), own(its_own), input({}, its_csrc, kRate) {
    set_voice(*this);
}

void Mixer::set_voice(Member& member) {
    std::vector<relay::MixFormat> formats;
    if (member.opus) member.opus_streams = member.opus->stream() + 1;
    member.opus.reset();
    for (const MixFormat& format : member.line.formats)
        if (format.codec == MixCodec::Opus)
            member.opus.emplace(format.payload_type, member.opus_streams);
        else
            formats.push_back({.payload_type = format.payload_type,
                               .codec = static_cast<relay::MixCodec>(format.codec)});
    member.input = relay::MixInput(std::move(formats), member.csrc, kRate);
}

relay::MixInput::Counters Mixer::counters_of(const Member& member) {
    relay::MixInput::Counters sum = member.input.counters();
    if (member.opus) focus::add(sum, member.opus->counters());
    return sum;
}

Mixer::Member* Mixer::find(MemberId id) {
    const auto found = members_.find(id);
    return found == members_.end() ? nullptr : &found->second;
}

// ---- who is in it -------------------------------------------------------------------------------

bool Mixer::add(MemberId id, std::uint32_t csrc, StreamIdentity own, MemberLine line) {
    if (members_.size() >= kMaxMembers || id == 0) return false;
    return members_.try_emplace(id, std::move(line), csrc, own).second;
}

bool Mixer::add_recorder(MemberId id, StreamIdentity own, MixFormat format) {
    MemberLine line;
    line.hears = format;
    if (!add(id, 0, own, std::move(line))) return false;
    members_.at(id).is_recorder = true;
    return true;
}

void Mixer::change(MemberId id, MemberLine line) {
    Member* member = find(id);
    if (member == nullptr || member->line == line) return;
    if (member->line.formats != line.formats) {
        focus::add(ended_, counters_of(*member));
        member->line.formats = line.formats;
        set_voice(*member);
    }
    const bool is_same_codec =
        member->line.hears && line.hears && member->line.hears->codec == line.hears->codec;
    if (!is_same_codec || member->line.opus != line.opus) {
        member->g722 = {};
        member->down.reset();
        member->narrow.clear();
        member->own_opus.reset();
        member->own_opus_ticks = 0;
        member->shares_opus = false;
    }
    member->line = std::move(line);
}

void Mixer::remove(MemberId id) {
    const auto found = members_.find(id);
    if (found == members_.end()) return;
    focus::add(ended_, counters_of(found->second));
    members_.erase(found);
    if (speaker_ == id) speaker_ = 0;
}

void Mixer::mute(MemberId id, bool is_muted) {
    if (Member* member = find(id)) member->is_muted = is_muted;
}

void Mixer::play(MemberId id, relay::SoundPtr sound) {
    Member* member = find(id);
    if (member == nullptr) return;
    if (sound == nullptr) return member->indication.reset();
    if (member->indication && member->indication->sound == sound) return;
    member->indication = Sounding{.sound = std::move(sound)};
}

void Mixer::chime(const relay::SoundPtr& sound) {
    if (chimes_.size() < kMaxSounds) chimes_.push_back({.sound = sound});
}

// ---- what they say ------------------------------------------------------------------------------

void Mixer::on_packet(MemberId id, base::ByteView packet) {
    Member* member = find(id);
    if (member == nullptr) return;
    if (member->opus)
        member->opus->on_packet(packet);
    else
        member->input.on_packet(packet);
    if (!member->line.level_id) return;
    const auto header = rtp::parse_rtp(packet);
    if (!header || !header->has_extension) return;
    const auto element =
        rtp::find_element(rtp::rtp_extension(packet, *header), *member->line.level_id);
    if (!element || element->empty()) return;
    // How loud it is we hear ourselves; whether that is speech only it can tell. Some never set V.
    const rtp::AudioLevel told = rtp::read_audio_level(element->front());
    member->tells_voice = member->tells_voice || told.is_voice;
    member->is_noise = member->tells_voice && !told.is_voice;
}

void Mixer::on_decoded(MemberId id, std::uint32_t stream, std::uint64_t ticket,
                       std::span<const std::int16_t> samples) {
    Member* member = find(id);
    if (member != nullptr && member->opus) member->opus->on_decoded(stream, ticket, samples);
}

void Mixer::take_voices() {
    sum_.fill(0);
    questions_.clear();
    for (auto& [id, member] : members_) {
        member.voice.fill(0);
        const std::size_t asked = questions_.size();
        const bool is_said = member.opus ? member.opus->add_to(member.voice, questions_)
                                         : member.input.add_to(member.voice);
        for (std::size_t i = asked; i < questions_.size(); ++i) questions_[i].member = id;
        if (member.is_muted) member.voice.fill(0);
        member.level = is_said && !member.is_muted ? focus::level_of(member.voice) : kSilence;
        member.is_heard = member.level < kQuietest;
        for (std::size_t i = 0; is_said && i < kTickSamples; ++i) sum_[i] += member.voice[i];
    }
}

void Mixer::choose_speaker() {
    for (auto& [id, member] : members_) {
        const double loud = member.is_heard && !member.is_noise ? kQuietest - member.level : 0;
        member.score += kScoreShare * (loud - member.score);
    }
    const Member* current = find(speaker_);
    double best =
        current == nullptr ? kScoreFloor : std::max(current->score + kScoreLead, kScoreFloor);
    for (const auto& [id, member] : members_) {
        if (id == speaker_ || member.score <= best) continue;
        best = member.score;
        speaker_ = id;
    }
}

std::uint8_t Mixer::level_of(MemberId id) const {
    const auto found = members_.find(id);
    return found == members_.end() ? kSilence : found->second.level;
}

relay::MixInput::Counters Mixer::counters() const {
    relay::MixInput::Counters sum = ended_;
    for (const auto& [id, member] : members_) focus::add(sum, counters_of(member));
    return sum;
}

std::optional<Mixer::Sent> Mixer::sent_to(MemberId id) const {
    const auto found = members_.find(id);
    if (found == members_.end() || !found->second.line.hears) return std::nullopt;
    const Member& member = found->second;
    return Sent{.ssrc = member.own.ssrc,
                .timestamp = member.own.timestamp,
                .packets = member.packets,
                .octets = member.octets};
}

// ---- what they hear -----------------------------------------------------------------------------

std::span<const Mixer::Packet> Mixer::tick() {
    ++tick_;
    take_voices();
    choose_speaker();
    take_chimes();
    packet_count_ = 0;
    for (auto& [id, member] : members_) {
        if (member.line.hears) {
            write(id, member);
            member.own.timestamp += clock_rate_of(member.line.hears->codec) / kTicksPerSecond;
        } else {
            member.own.timestamp += kNarrowTick;
            member.shares_opus = false;
        }
        member.is_talking = member.line.hears.has_value();
    }
    std::erase_if(shared_opus_, [this](const auto& one) { return one.second.tick != tick_; });
    return {packets_.data(), packet_count_};
}

void Mixer::take_chimes() {
    mix_.fill(0);
    for (Sounding& chime : chimes_) add_sound(chime);
    chimed_ = mix_;
    std::swap(samples_before_, shared_samples_);
    shared_samples_.resize(kTickSamples);
    for (std::size_t i = 0; i < kTickSamples; ++i)
        shared_samples_[i] = saturated(sum_[i] + chimed_[i]);
    std::erase_if(chimes_, [](const Sounding& it) { return it.position >= it.sound->wide.size(); });
}

void Mixer::write(MemberId id, Member& member) {
    for (std::size_t i = 0; i < kTickSamples; ++i) mix_[i] = sum_[i] - member.voice[i];
    const bool is_alone = member.is_recorder || add_sounds(member);
    if (packet_count_ == packets_.size()) packets_.emplace_back();
    Packet& packet = packets_[packet_count_++];
    packet.to = id;
    packet.bytes.clear();
    append_header(member, packet.bytes);
    const std::size_t before = packet.bytes.size();
    encode(member, is_alone, packet.bytes);
    member.octets += packet.bytes.size() - before;
    ++member.packets;
    ++member.own.sequence;
}

// True: it hears what others do not.
bool Mixer::add_sounds(Member& member) {
    bool is_sounding = false;
    if (member.indication) {
        is_sounding = member.indication->position < member.indication->sound->wide.size();
        if (is_sounding && member.indication->sound->is_alone) mix_.fill(0);
        add_sound(*member.indication);
    }
    for (std::size_t i = 0; i < kTickSamples; ++i) mix_[i] += chimed_[i];
    return is_sounding;
}

void Mixer::add_sound(Sounding& it) {
    const std::vector<std::int16_t>& wide = it.sound->wide;
    for (std::size_t i = 0; i < kTickSamples && it.position + i < wide.size(); ++i)
        mix_[i] += wide[it.position + i];
    it.position += kTickSamples;
    const auto every = static_cast<std::size_t>(it.sound->interval.count()) * (kRate / 1000);
    if (every > 0 && it.position >= every) it.position = 0;
}

// RFC 6465 section 3: one level for each CSRC, in the order of the list.
void Mixer::append_header(const Member& member, base::Bytes& out) {
    std::array<std::uint32_t, kMaxCsrcs> csrcs{};
    std::array<std::uint8_t, kMaxCsrcs> levels{};
    std::size_t count = 0;
    for (const auto& [id, other] : members_) {
        if (&other == &member || !other.is_heard || count == kMaxCsrcs) continue;
        csrcs[count] = other.csrc;
        levels[count++] = other.level;
    }
    constexpr std::uint8_t kVersion = 0x80;
    constexpr std::uint8_t kHasExtension = 0x10;
    constexpr std::uint8_t kMarker = 0x80;
    const bool has_levels = member.line.levels_id && count > 0;
    out.push_back(static_cast<std::uint8_t>(kVersion | (has_levels ? kHasExtension : 0) | count));
    out.push_back(static_cast<std::uint8_t>((member.is_talking ? 0 : kMarker) |
                                            member.line.hears->payload_type));
    base::append_u16(out, member.own.sequence);
    base::append_u32(out, member.own.timestamp);
    base::append_u32(out, member.own.ssrc);
    for (std::size_t i = 0; i < count; ++i) base::append_u32(out, csrcs[i]);
    if (!has_levels) return;
    constexpr std::uint16_t kOneByteHeaders = 0xbede;  // RFC 8285 section 4.2
    const std::size_t words = (1 + count + 3) / 4;
    base::append_u16(out, kOneByteHeaders);
    base::append_u16(out, static_cast<std::uint16_t>(words));
    out.push_back(
        static_cast<std::uint8_t>(std::size_t{*member.line.levels_id} << 4U | (count - 1)));
    out.insert(out.end(), levels.begin(), levels.begin() + static_cast<std::ptrdiff_t>(count));
    out.resize(out.size() + 4 * words - 1 - count);
}

void Mixer::encode(Member& member, bool is_alone, base::Bytes& out) {
    samples_.clear();
    for (const std::int32_t sample : mix_) samples_.push_back(saturated(sample));
    if (member.line.hears->codec == MixCodec::Opus) return encode_opus(member, is_alone, out);
    if (member.line.hears->codec == MixCodec::G722) return member.g722.encode(samples_, out);
    if (!member.down) {
        member.down.emplace(kRate, kNarrowRate);
        member.narrow.assign(kFilterLead, 0);
    }
    member.down->push(samples_, member.narrow);
    encode_narrow(member, {member.narrow.data(), std::min(kNarrowTick, member.narrow.size())}, out);
    member.narrow.erase(member.narrow.begin(),
                        member.narrow.begin() + static_cast<std::ptrdiff_t>(
                                                    std::min(kNarrowTick, member.narrow.size())));
}

// Who neither speaks nor hears a sound of its own hears what all such members do, encoded once for
// all of them; in that its own voice is, which is too quiet to be heard. All others have an encoder
// each. Who changes from one to the other has not heard what the new one has said, which is why the
// first packet needs nothing before it.
void Mixer::encode_opus(Member& member, bool is_alone, base::Bytes& out) {
    if (is_alone || member.is_heard) member.own_opus_ticks = kOwnOpusTicks;
    if (member.own_opus_ticks > 0) {
        --member.own_opus_ticks;
        const bool begins = !member.own_opus;
        if (begins) {
            member.own_opus = std::make_unique<SpeechEncoder>(member.line.opus);
            // It would begin with what it looks ahead of, which is silence.
            const std::size_t size = out.size();
            if (member.shares_opus) member.own_opus->encode(samples_before_, false, out);
            out.resize(size);
        }
        member.shares_opus = false;
        return member.own_opus->encode(samples_, begins, out);
    }
    SharedOpus& shared = shared_opus_.try_emplace(member.line.opus, member.line.opus).first->second;
    if (shared.tick != tick_) {
        shared.tick = tick_;
        shared.packet.clear();
        shared.encoder.encode(shared_samples_, has_newcomer(member.line.opus), shared.packet);
    }
    member.own_opus.reset();
    member.shares_opus = true;
    base::append(out, shared.packet);
}

// Whether somebody hears the shared encoder now who did not hear it before.
bool Mixer::has_newcomer(const OpusWishes& wishes) const {
    return std::any_of(members_.begin(), members_.end(), [&](const auto& one) {
        const Member& member = one.second;
        return member.line.hears && member.line.hears->codec == MixCodec::Opus &&
               member.line.opus == wishes && !member.shares_opus && !member.is_heard &&
               member.own_opus_ticks == 0;
    });
}

void Mixer::encode_narrow(Member& member, std::span<const std::int16_t> samples, base::Bytes& out) {
    const std::size_t at = out.size();
    out.resize(at + samples.size());
    audio::encode_g711(
        member.line.hears->codec == MixCodec::Pcmu ? audio::G711Law::Mu : audio::G711Law::A,
        samples, std::span(out).subspan(at));
}

// ---- chimes -------------------------------------------------------------------------------------

relay::SoundPtr make_chime(bool rises) {
    constexpr double kLow = 660;
    constexpr double kHigh = 880;
    constexpr double kAmplitude = 2600;  // -22 dB
    constexpr double kSecondsOfNote = 0.12;
    constexpr double kRamp = 0.01;
    const auto make = [&](std::uint32_t rate) {
        const auto note = static_cast<std::size_t>(kSecondsOfNote * rate);
        std::vector<std::int16_t> samples;
        for (const double hz : {rises ? kLow : kHigh, rises ? kHigh : kLow})
            for (std::size_t i = 0; i < note; ++i) {
                const double from_edge = static_cast<double>(std::min(i, note - 1 - i));
                const double gain = std::min(1.0, from_edge / (kRamp * rate));
                const double angle = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate;
                samples.push_back(
                    static_cast<std::int16_t>(std::lround(kAmplitude * gain * std::sin(angle))));
            }
        return samples;
    };
    return std::make_shared<const relay::Sound>(
        relay::Sound{.narrow = make(kNarrowRate), .wide = make(kRate)});
}

}  // namespace earshot::focus
