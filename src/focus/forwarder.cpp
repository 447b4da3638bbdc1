#include "focus/forwarder.h"

#include <algorithm>

#include "payload/vp8.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"
#include "rtp/rtp_packet.h"

namespace earshot::focus {

namespace {

constexpr std::uint32_t kTicksPerMs = 90;  // of all video (RFC 3551 section 5)
constexpr std::uint16_t kLongMask = 0x7fff;
constexpr std::uint16_t kShortMask = 0x7f;

// Where in a VP8 payload descriptor its numbers stand; 0: not there.
struct Vp8Places {
    std::size_t picture = 0;
    bool is_long = false;
    std::size_t layer = 0;
};

Vp8Places find_numbers(base::ByteView payload) {
    Vp8Places places;
    const auto size = payload::vp8_descriptor_size(payload);
    if (!size || (payload[0] & 0x80) == 0) return places;
    std::size_t at = 2;
    if ((payload[1] & 0x80) != 0) {
        places.picture = at;
        places.is_long = (payload[at] & 0x80) != 0;
        at += places.is_long ? 2 : 1;
    }
    if ((payload[1] & 0x40) != 0) places.layer = at;
    return places;
}

std::uint16_t picture_number(base::ByteView payload, const Vp8Places& places) {
    if (!places.is_long) return payload[places.picture] & kShortMask;
    return base::load_u16(payload, places.picture) & kLongMask;
}

}  // namespace

// A packet of a source, judged.
struct Forwarder::Arrived {
    base::TimePoint now{};
    rtp::RtpHeader header{};
    base::ByteView payload{};
    std::int64_t sequence = 0;  // extended
    bool is_key = false;        // begins a key frame, and is the newest packet
    std::uint32_t csrc = 0;
    std::uint64_t life = 0;
    PictureFormat format{};
    Vp8Places numbers{};
};

Forwarder::Member* Forwarder::find(MemberId id) {
    const auto found = members_.find(id);
    return found == members_.end() ? nullptr : &found->second;
}

// ---- who is in it -------------------------------------------------------------------------------

bool Forwarder::add(MemberId id, std::uint32_t csrc, StreamIdentity own) {
    if (members_.size() >= kMaxMembers || id == 0) return false;
    Member member{.csrc = csrc, .ssrc = own.ssrc};
    member.receiver.highest = own.sequence;
    member.receiver.timestamp = own.timestamp;
    return members_.try_emplace(id, member).second;
}

void Forwarder::change(MemberId id, PictureLine line) {
    Member* member = find(id);
    if (member == nullptr || member->line == line) return;
    const bool is_same_source =
        member->line.shows && line.shows && member->line.types == line.types;
    if (!is_same_source) member->source = {.fir_number = member->source.fir_number};
    member->line = line;
    retarget();
}

void Forwarder::remove(MemberId id) {
    members_.erase(id);
    retarget();
}

void Forwarder::show(MemberId main, MemberId other) {
    if (main_ == main && other_ == other) return;
    main_ = main;
    other_ = other;
    retarget();
}

MemberId Forwarder::target_of(MemberId id) const { return id == main_ ? other_ : main_; }

MemberId Forwarder::seen_by(MemberId id) const {
    const auto found = members_.find(id);
    return found == members_.end() ? 0 : found->second.receiver.source;
}

// Who cannot be sent its source's pictures any more waits for a key frame.
void Forwarder::retarget() {
    for (auto& [id, member] : members_) {
        Receiver& receiver = member.receiver;
        const Member* source = find(receiver.source);
        const bool goes_on = source != nullptr && source->line.shows && member.line.sees &&
                             can_see(member, *source) && receiver.source != id &&
                             target_of(id) != 0;
        if (!goes_on) receiver.source = 0;
    }
}

// Pictures are passed on as they are: who does not take the format gets none.
bool Forwarder::can_see(const Member& receiver, const Member& source) {
    return !source.line.types.empty() &&
           receiver.line.find(source.line.types.front().format) != nullptr;
}

std::vector<MemberId> Forwarder::sources(base::TimePoint now,
                                         std::optional<std::chrono::milliseconds> within) const {
    std::vector<MemberId> found;
    for (const auto& [id, member] : members_) {
        const Source& source = member.source;
        if (!member.line.shows || source.has_ended || !source.last) continue;
        if (!within || now - *source.last <= *within) found.push_back(id);
    }
    return found;
}

// ---- what they send -----------------------------------------------------------------------------

// A stranger's packet does not take the place of a source: another SSRC is believed with its second
// packet.
bool Forwarder::accept_ssrc(Source& source, std::uint32_t ssrc) {
    if (source.ssrc == ssrc) {
        source.candidate.reset();
        return true;
    }
    if (source.ssrc && source.candidate != ssrc) {
        source.candidate = ssrc;
        return false;
    }
    source = {.ssrc = ssrc, .life = ++last_life_, .fir_number = source.fir_number};
    return true;
}

bool Forwarder::accept(base::TimePoint now, Member& member, Arrived& arrived) {
    using rtp::SequenceVerdict;
    if (!member.line.shows || member.line.types.empty()) return false;
    const PictureType& type = member.line.types.front();
    if (arrived.header.payload_type != type.payload_type || arrived.header.payload_size == 0 ||
        !accept_ssrc(member.source, arrived.header.ssrc))
        return false;
    Source& source = member.source;
    const SequenceVerdict verdict = source.sequence.on_packet(arrived.header.sequence);
    if (verdict == SequenceVerdict::Duplicate || verdict == SequenceVerdict::Jump) return false;
    if (verdict == SequenceVerdict::Restarted) source.life = ++last_life_;
    if (verdict != SequenceVerdict::Late) source.last = now;
    source.has_ended = false;
    const std::uint32_t highest = source.sequence.extended_highest();
    arrived.sequence =
        std::int64_t{highest} +
        static_cast<std::int16_t>(arrived.header.sequence - static_cast<std::uint16_t>(highest));
    arrived.now = now;
    arrived.csrc = member.csrc;
    arrived.life = source.life;
    arrived.is_key = verdict != SequenceVerdict::Late &&
                     payload::begins_key_frame(type.format.codec, arrived.payload);
    arrived.format = type.format;
    if (type.format.codec == payload::VideoCodec::Vp8)
        arrived.numbers = find_numbers(arrived.payload);
    if (arrived.is_key) {
        source.vain = 0;
        source.is_asked_for = false;
    }
    return true;
}

std::span<const Forwarder::Packet> Forwarder::on_packet(base::TimePoint now, MemberId from,
                                                        base::ByteView packet) {
    packet_count_ = 0;
    Member* member = find(from);
    const auto header = rtp::parse_rtp(packet);
    if (member == nullptr || !header) return {};
    Arrived arrived{.header = *header, .payload = rtp::rtp_payload(packet, *header)};
    if (!accept(now, *member, arrived)) {
        ++counters_.passed_over;
        return {};
    }
    ++counters_.taken;
    for (auto& [id, receiver] : members_)
        if (id != from && receiver.line.sees) forward(arrived, from, id, receiver);
    return {packets_.data(), packet_count_};
}

void Forwarder::on_rtcp(MemberId from, base::ByteView compound) {
    Member* member = find(from);
    const auto packets =
        member == nullptr
            ? base::Result<std::vector<rtp::RtcpPacket>>(std::vector<rtp::RtcpPacket>{})
            : rtp::parse_rtcp(compound);
    if (member == nullptr || !packets) return;
    for (const rtp::RtcpPacket& packet : *packets) {
        if (const auto* goodbye = std::get_if<rtp::Goodbye>(&packet)) {
            const auto& ended = goodbye->ssrcs;
            if (member->source.ssrc &&
                std::find(ended.begin(), ended.end(), *member->source.ssrc) != ended.end())
                member->source.has_ended = true;
        }
        const auto* other = std::get_if<rtp::OtherRtcp>(&packet);
        if (other == nullptr || !rtp::parse_feedback(*other).wants_key_frame()) continue;
        if (Member* source = find(member->receiver.source)) source->source.is_asked_for = true;
    }
}

// ---- key frames ---------------------------------------------------------------------------------

bool Forwarder::is_wanted(MemberId id, const Member& member) const {
    if (member.source.is_asked_for) return true;
    return std::any_of(members_.begin(), members_.end(), [&](const auto& one) {
        const Receiver& receiver = one.second.receiver;
        return one.first != id && one.second.line.sees && target_of(one.first) == id &&
               can_see(one.second, member) &&
               (receiver.source != id || receiver.life != member.source.life);
    });
}

std::optional<Forwarder::Request> Forwarder::poll_request(base::TimePoint now) {
    for (auto& [id, member] : members_) {
        Source& source = member.source;
        if (!member.line.shows || !source.ssrc || source.has_ended) continue;
        if (!member.line.takes_pli && !member.line.takes_fir) continue;
        const auto between = source.vain < kPatience ? std::chrono::seconds{kBetweenRequests}
                                                     : std::chrono::seconds{kBetweenVainRequests};
        if (source.asked && now - *source.asked < between) continue;
        if (!is_wanted(id, member)) continue;
        source.asked = now;
        source.is_asked_for = false;
        ++source.vain;
        ++counters_.requests;
        const bool is_fir = !member.line.takes_pli;
        return Request{.to = id,
                       .ours = member.ssrc,
                       .media = *source.ssrc,
                       .is_fir = is_fir,
                       .number = is_fir ? source.fir_number++ : std::uint8_t{0}};
    }
    return std::nullopt;
}

Forwarder::Counters Forwarder::counters() const {
    Counters counters = counters_;
    for (const auto& [id, member] : members_)
        counters.vain = std::max<std::uint64_t>(counters.vain, member.source.vain);
    return counters;
}

// ---- what they are sent -------------------------------------------------------------------------

void Forwarder::forward(const Arrived& arrived, MemberId from, MemberId to, Member& receiver) {
    Receiver& state = receiver.receiver;
    if (receiver.line.find(arrived.format) == nullptr) return;
    const bool is_running = state.source == from && state.life == arrived.life;
    if (!is_running) {
        if (!arrived.is_key || target_of(to) != from) return;
        begin(arrived, from, receiver);
    }
    if (arrived.sequence < state.first) return;  // of before the switch
    write(arrived, to, receiver);
}

// The next number, and as much later as it is; of VP8 the next picture.
void Forwarder::begin(const Arrived& arrived, MemberId from, Member& receiver) {
    Receiver& state = receiver.receiver;
    if (state.source != 0 || state.packets > 0) ++counters_.switches;
    state.source = from;
    state.life = arrived.life;
    state.first = arrived.sequence;
    state.shift = state.highest + 1 - arrived.sequence;
    std::uint32_t timestamp = state.timestamp;
    if (state.sent_at) {
        const auto since =
            std::chrono::duration_cast<std::chrono::milliseconds>(arrived.now - *state.sent_at);
        timestamp +=
            std::max<std::uint32_t>(1, static_cast<std::uint32_t>(since.count()) * kTicksPerMs);
    }
    state.delay = timestamp - arrived.header.timestamp;
    state.picture_shift = 0;
    state.layer_shift = 0;
    const Vp8Places& numbers = arrived.numbers;
    if (numbers.picture != 0 && state.last.picture)
        state.picture_shift = static_cast<std::uint16_t>(*state.last.picture + 1 -
                                                         picture_number(arrived.payload, numbers));
    if (numbers.layer != 0 && state.last.layer)
        state.layer_shift =
            static_cast<std::uint8_t>(*state.last.layer + 1 - arrived.payload[numbers.layer]);
}

void Forwarder::write(const Arrived& arrived, MemberId to, Member& receiver) {
    Receiver& state = receiver.receiver;
    if (packet_count_ == packets_.size()) packets_.emplace_back();
    Packet& packet = packets_[packet_count_++];
    packet.to = to;
    base::Bytes& out = packet.bytes;
    out.clear();
    constexpr std::uint8_t kVersionAndOneCsrc = 0x81;
    constexpr std::uint8_t kMarker = 0x80;
    const std::int64_t sequence = arrived.sequence + state.shift;
    const std::uint32_t timestamp = arrived.header.timestamp + state.delay;
    out.push_back(kVersionAndOneCsrc);
    out.push_back(static_cast<std::uint8_t>((arrived.header.marker ? kMarker : 0) |
                                            receiver.line.find(arrived.format)->payload_type));
    base::append_u16(out, static_cast<std::uint16_t>(sequence));
    base::append_u32(out, timestamp);
    base::append_u32(out, receiver.ssrc);
    base::append_u32(out, arrived.csrc);
    const std::size_t before = out.size();
    base::append(out, arrived.payload);
    if (const Vp8Places& numbers = arrived.numbers; numbers.picture != 0) {
        const auto number = static_cast<std::uint16_t>(picture_number(arrived.payload, numbers) +
                                                       state.picture_shift);
        std::uint8_t* const at = out.data() + before + numbers.picture;
        if (numbers.is_long) {
            at[0] = static_cast<std::uint8_t>(0x80 | ((number & kLongMask) >> 8));
            at[1] = static_cast<std::uint8_t>(number);
        } else {
            at[0] = static_cast<std::uint8_t>(number & kShortMask);
        }
        state.last.picture = number & (numbers.is_long ? kLongMask : kShortMask);
    }
    if (const std::size_t layer = arrived.numbers.layer; layer != 0) {
        out[before + layer] = static_cast<std::uint8_t>(arrived.payload[layer] + state.layer_shift);
        state.last.layer = out[before + layer];
    }
    if (sequence >= state.highest) {
        state.highest = sequence;
        state.timestamp = timestamp;
        state.sent_at = arrived.now;
    }
    ++state.packets;
    state.octets += arrived.payload.size();
    ++counters_.sent;
}

std::optional<Forwarder::Sent> Forwarder::sent_to(MemberId id, base::TimePoint now) const {
    const auto found = members_.find(id);
    if (found == members_.end() || !found->second.line.sees) return std::nullopt;
    const Receiver& state = found->second.receiver;
    if (!state.sent_at) return std::nullopt;
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - *state.sent_at);
    return Sent{
        .ssrc = found->second.ssrc,
        .timestamp = state.timestamp + static_cast<std::uint32_t>(since.count()) * kTicksPerMs,
        .packets = state.packets,
        .octets = state.octets};
}

}  // namespace earshot::focus
