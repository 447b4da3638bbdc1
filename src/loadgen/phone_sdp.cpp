#include "loadgen/phone_sdp.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadgen/voice.h"
#include "sdp/offer_answer.h"
#include "siprec/record_awareness.h"

namespace earshot::loadgen {
namespace {

using base::Reason;
using sdp::Direction;

const std::vector<sdp::PayloadType>& offered_types() {
    static const std::vector<sdp::PayloadType> kTypes{
        *sdp::parse_rtpmap("0 PCMU/8000"), *sdp::parse_rtpmap("8 PCMA/8000"), [] {
            sdp::PayloadType events = *sdp::parse_rtpmap("101 telephone-event/8000");
            events.fmtp = "0-15";
            return events;
        }()};
    return kTypes;
}

bool is_events(const sdp::PayloadType& type) {
    return type.is("telephone-event") && type.clock_rate == kSampleRate;
}
bool is_voice(const sdp::PayloadType& type) {
    return (type.is("PCMU") || type.is("PCMA")) && type.clock_rate == kSampleRate;
}

bool sends(Direction direction) {
    return direction == Direction::SendRecv || direction == Direction::SendOnly;
}
bool receives(Direction direction) {
    return direction == Direction::SendRecv || direction == Direction::RecvOnly;
}
Direction direction_of(bool sending, bool receiving) {
    if (sending) return receiving ? Direction::SendRecv : Direction::SendOnly;
    return receiving ? Direction::RecvOnly : Direction::Inactive;
}

// What a phone can take of an offered line: its formats in the offer's order; empty: nothing.
std::vector<sdp::PayloadType> usable_types(const sdp::SessionDescription& offer,
                                           const sdp::MediaDescription& medium) {
    std::vector<sdp::PayloadType> usable;
    if (medium.media != "audio" || medium.is_secure_rtp() ||
        sdp::check_offered_media(offer, medium) != sdp::Refusal::None)
        return usable;
    std::copy_if(medium.payload_types.begin(), medium.payload_types.end(),
                 std::back_inserter(usable),
                 [](const auto& type) { return is_voice(type) || is_events(type); });
    if (std::none_of(usable.begin(), usable.end(), is_voice)) usable.clear();
    return usable;
}

std::string refused_line(const sdp::MediaDescription& medium) {
    const auto or_else = [](std::string_view text, std::string_view filler) {
        return text.empty() ? filler : text;
    };
    std::string line = fmt::format("m={} 0 {} {}\r\n", or_else(medium.media, "audio"),
                                   or_else(medium.proto, "RTP/AVP"), or_else(medium.formats, "0"));
    if (!medium.mid.empty()) line += fmt::format("a=mid:{}\r\n", medium.mid);
    return line;
}

// The media of one line of the peer's description that we send to.
PhonePlan plan_for(const sdp::SessionDescription& description, const sdp::MediaDescription& medium,
                   bool sending, const std::vector<sdp::PayloadType>& types) {
    PhonePlan plan;
    const auto rtp = sdp::rtp_address(description, medium);
    const bool is_held = description.is_held_by_address(medium);
    plan.stream.sends = sending && rtp && !is_held;
    if (rtp) plan.stream.rtp = *rtp;
    plan.stream.rtcp = sdp::rtcp_address(description, medium, false);
    const auto voice = std::find_if(types.begin(), types.end(), is_voice);
    if (voice != types.end()) {
        plan.stream.payload_type = voice->number;
        plan.stream.law = voice->is("PCMA") ? audio::G711Law::A : audio::G711Law::Mu;
    }
    const auto events = std::find_if(types.begin(), types.end(), is_events);
    if (events != types.end()) plan.event_payload_type = events->number;
    return plan;
}

}  // namespace

std::string PhoneSdp::write(const std::vector<sdp::PayloadType>& types, Direction direction,
                            std::string_view mid) {
    sdp::LocalOrigin origin;
    origin.username = "phone";
    origin.session_id = session_;
    origin.session_version = ++version_;
    origin.address = rtp_;
    sdp::OfferedMedia medium;
    medium.port = rtp_.port;
    medium.payload_types = types;
    medium.direction = direction;
    medium.ptime_ms = 20;
    const std::string text = sdp::make_offer(origin, {&medium, 1});
    const std::size_t media = text.find("m=");
    std::string ours = text.substr(media);
    if (!mid.empty()) ours += fmt::format("a=mid:{}\r\n", mid);
    if (preference_ != sdp::RecordPreference::Absent)
        ours += fmt::format("a=recordpref:{}\r\n", siprec::to_string(preference_));
    if (record_ != sdp::RecordState::Absent)
        ours += fmt::format("a=record:{}\r\n", siprec::to_string(record_));
    std::string out = text.substr(0, media);
    for (const std::string& line : lines_) out += line.empty() ? ours : line;
    return out;
}

std::string PhoneSdp::make_offer() {
    last_offer_ = write(offered_types(), direction_of(true, !is_holding_), {});
    return last_offer_;
}

base::Result<PhonePlan, Reason> PhoneSdp::read_answer(std::string_view answer) const {
    const auto ours = sdp::parse(last_offer_);
    const auto theirs = sdp::parse(answer);
    if (!ours || !theirs) return Reason{"bad_answer", "There is no session description."};
    const auto checked = sdp::check_answer(*ours, *theirs);
    if (!checked) {
        return Reason{"bad_answer", "The session description is no answer to the offer: " +
                                        std::string{checked.error().what} + "."};
    }
    const auto line = static_cast<std::size_t>(
        std::find(lines_.begin(), lines_.end(), std::string{}) - lines_.begin());
    const sdp::AnsweredMedia& result = (*checked)[line];
    if (!result.is_accepted) return Reason{"no_media", "The audio was refused."};
    const sdp::MediaDescription& medium = theirs->media[line];
    std::vector<sdp::PayloadType> types;
    for (const sdp::PayloadType& type : medium.payload_types)
        if (const auto* offered = ours->media[line].find_payload_type(type.number))
            types.push_back(*offered);
    return plan_for(*theirs, medium, result.may_send(), types);
}

std::optional<PhoneSdp::Answer> PhoneSdp::make_answer(const sdp::SessionDescription& offer) {
    std::vector<std::string> lines;
    std::optional<std::size_t> chosen;
    std::vector<sdp::PayloadType> types;
    for (const sdp::MediaDescription& medium : offer.media) {
        if (!chosen) types = usable_types(offer, medium);
        if (chosen || types.empty()) {
            lines.push_back(refused_line(medium));
            continue;
        }
        chosen = lines.size();
        lines.emplace_back();
    }
    if (!chosen) return std::nullopt;
    lines_ = std::move(lines);
    const sdp::MediaDescription& medium = offer.media[*chosen];
    const bool sending = receives(medium.direction);
    const bool receiving = sends(medium.direction) && !is_holding_;
    return Answer{write(types, direction_of(sending, receiving), medium.mid),
                  plan_for(offer, medium, sending, types)};
}

}  // namespace earshot::loadgen
