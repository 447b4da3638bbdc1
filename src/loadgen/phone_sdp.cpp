#include "loadgen/phone_sdp.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadgen/voice.h"
#include "sdp/content.h"
#include "sdp/message_media.h"
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

bool is_h264(const sdp::PayloadType& type) { return type.is("H264"); }

// Where that type may come in pieces (RFC 6184 packetization mode 1), the first one that may.
const sdp::PayloadType* find_h264(const sdp::SessionDescription& offer,
                                  const sdp::MediaDescription& medium) {
    if (medium.media != "video" || medium.is_secure_rtp() ||
        sdp::check_offered_media(offer, medium) != sdp::Refusal::None)
        return nullptr;
    const sdp::PayloadType* found = nullptr;
    for (const sdp::PayloadType& type : medium.payload_types) {
        if (!is_h264(type)) continue;
        const bool is_fit =
            std::string_view{type.fmtp}.find("packetization-mode=1") != std::string_view::npos;
        if (is_fit) return &type;
        if (found == nullptr) found = &type;
    }
    return found;
}

// The media of one video line of the peer's description.
VideoPlan video_plan_for(const sdp::SessionDescription& description,
                         const sdp::MediaDescription& medium, bool sending, bool uses_mux,
                         std::uint8_t payload_type) {
    VideoPlan plan;
    const auto rtp = sdp::rtp_address(description, medium);
    plan.sends = sending && rtp && !description.is_held_by_address(medium);
    if (rtp) plan.rtp = *rtp;
    plan.rtcp_mux = uses_mux;
    plan.rtcp = sdp::rtcp_address(description, medium, uses_mux);
    plan.payload_type = payload_type;
    return plan;
}

std::string_view name_of_video(std::size_t number) {
    return number == kCamera ? "camera" : "shared content";
}
std::string_view name_of_chat(std::size_t number) { return number == kDialogue ? "chat" : "file"; }

}  // namespace

std::vector<PhoneSdp::Place> PhoneSdp::own_places() const {
    std::vector<Place> places;
    if (has_.has_audio) places.push_back({.what = Place::What::Audio});
    for (std::size_t i = 0; i < kPhoneVideos; ++i)
        if (has_.video.at(i) && (has_.video.at(i)->has_source || has_.video.at(i)->is_offered))
            places.push_back({.what = Place::What::Video, .number = i});
    for (std::size_t i = 0; i < kPhoneChats; ++i)
        if (has_.chats.at(i) && has_.chats.at(i)->is_offered)
            places.push_back({.what = Place::What::Chat, .number = i});
    return places;
}

// ---- what is written --------------------------------------------------------------------------

std::string PhoneSdp::head() {
    sdp::LocalOrigin origin;
    origin.username = "phone";
    origin.session_id = session_;
    origin.session_version = ++version_;
    origin.address = rtp_;
    return sdp::make_offer(origin, {});
}

std::string PhoneSdp::record_attributes() const {
    std::string text;
    if (preference_ != sdp::RecordPreference::Absent)
        text += fmt::format("a=recordpref:{}\r\n", siprec::to_string(preference_));
    if (record_ != sdp::RecordState::Absent)
        text += fmt::format("a=record:{}\r\n", siprec::to_string(record_));
    return text;
}

std::string PhoneSdp::audio_section(const std::vector<sdp::PayloadType>& types, Direction direction,
                                    std::string_view mid) const {
    sdp::LocalOrigin origin;
    origin.address = rtp_;
    sdp::OfferedMedia medium;
    medium.port = rtp_.port;
    medium.payload_types = types;
    medium.direction = direction;
    medium.ptime_ms = 20;
    const std::string text = sdp::make_offer(origin, {&medium, 1});
    std::string ours = text.substr(text.find("m="));
    if (!mid.empty()) ours += fmt::format("a=mid:{}\r\n", mid);
    return ours + record_attributes();
}

std::string PhoneSdp::offered_section(const Place& place) const {
    if (place.what == Place::What::Refused) return place.refused;
    if (place.what == Place::What::Audio)
        return audio_section(offered_types(), direction_of(true, !is_holding_), {});
    if (place.what == Place::What::Chat)
        return chat_section(has_.chats.at(place.number)->line, sdp::Setup::ActPass) +
               record_attributes();
    const PhoneLines::Video& video = *has_.video.at(place.number);
    // Who presents looks at nothing in that line.
    const bool presents = place.number == kShared && video.has_source;
    const bool receives_it = !presents && !is_holding_;
    return video_section(video.rtp, video.sharing, direction_of(video.has_source, receives_it)) +
           record_attributes();
}

std::string PhoneSdp::make_offer() {
    std::string offer = head();
    for (const Place& place : places_) offer += offered_section(place);
    return last_offer_ = std::move(offer);
}

// ---- answers to us ----------------------------------------------------------------------------

base::Result<PhonePlan, Reason> PhoneSdp::read_answer(std::string_view answer) const {
    const auto ours = sdp::parse(last_offer_);
    const auto theirs = sdp::parse(answer);
    if (!ours || !theirs) return Reason{"bad_answer", "There is no session description."};
    const auto checked = sdp::check_answer(*ours, *theirs);
    if (!checked) {
        return Reason{"bad_answer", "The session description is no answer to the offer: " +
                                        std::string{checked.error().what} + "."};
    }
    PhonePlan plan;
    for (std::size_t place = 0; place < places_.size(); ++place) {
        if (places_[place].what == Place::What::Audio && !(*checked)[place].is_accepted)
            return Reason{"no_media", "The audio was refused."};
        read_line(*ours, *theirs, place, (*checked)[place], plan);
    }
    if (plan.refused.size() == places_.size())
        return Reason{"no_media", "Every line of the offer was refused."};
    return plan;
}

void PhoneSdp::read_line(const sdp::SessionDescription& ours, const sdp::SessionDescription& theirs,
                         std::size_t place, const sdp::AnsweredMedia& answered,
                         PhonePlan& plan) const {
    const Place& it = places_[place];
    const sdp::MediaDescription& medium = theirs.media[place];
    if (it.what == Place::What::Audio) {
        std::vector<sdp::PayloadType> types;
        for (const sdp::PayloadType& type : medium.payload_types)
            if (const auto* offered = ours.media[place].find_payload_type(type.number))
                types.push_back(*offered);
        const PhonePlan voice = plan_for(theirs, medium, answered.may_send(), types);
        plan.stream = voice.stream;
        plan.event_payload_type = voice.event_payload_type;
    } else if (it.what == Place::What::Video) {
        if (!answered.is_accepted) {
            plan.refused.emplace_back(name_of_video(it.number));
            return;
        }
        plan.video.at(it.number) =
            video_plan_for(theirs, medium, answered.may_send(), answered.uses_rtcp_mux,
                           answered.payload_type.value_or(0));
    } else if (it.what == Place::What::Chat) {
        auto chat = chat_plan_of(theirs, medium, true);
        if (chat) {
            plan.chats.at(it.number) = std::move(chat);
        } else {
            plan.refused.emplace_back(name_of_chat(it.number));
        }
    }
}

// ---- our answers ------------------------------------------------------------------------------

bool PhoneSdp::is_taken(const std::vector<Place>& places, Place::What what, std::size_t number) {
    return std::any_of(places.begin(), places.end(),
                       [&](const Place& one) { return one.what == what && one.number == number; });
}

// What an offered line is for us.
PhoneSdp::Place PhoneSdp::choose(const sdp::SessionDescription& offer,
                                 const sdp::MediaDescription& medium,
                                 const std::vector<Place>& taken) const {
    Place place;
    if (has_.has_audio && !usable_types(offer, medium).empty()) {
        place.what = Place::What::Audio;
    } else if (find_h264(offer, medium) != nullptr) {
        place.number =
            sdp::parse_content(medium.content).has(sdp::Content::Slides) ? kShared : kCamera;
        if (has_.video.at(place.number)) place.what = Place::What::Video;
    } else if (is_usable_chat(offer, medium)) {
        const bool is_file = !sdp::message_media_of(offer, medium).file_selector.empty();
        place.number = is_file ? kFile : kDialogue;
        // Over TLS to who has that, over TCP to who has not: ours has a URI of one of them.
        const auto& chat = has_.chats.at(place.number);
        const bool is_secure = sdp::message_media_of(offer, medium).is_secure;
        if (chat && chat->line.own.is_secure == is_secure) place.what = Place::What::Chat;
    }
    if (place.what != Place::What::Refused && !is_taken(taken, place.what, place.number))
        return place;
    return {.refused = refused_line(medium)};
}

std::string PhoneSdp::answered_section(const sdp::SessionDescription& offer,
                                       const sdp::MediaDescription& medium, const Place& place,
                                       PhonePlan& plan) const {
    if (place.what == Place::What::Refused) return place.refused;
    const bool sending = receives(medium.direction);
    const bool receiving = sends(medium.direction) && !is_holding_;
    if (place.what == Place::What::Audio) {
        const std::vector<sdp::PayloadType> types = usable_types(offer, medium);
        const PhonePlan voice = plan_for(offer, medium, sending, types);
        plan.stream = voice.stream;
        plan.event_payload_type = voice.event_payload_type;
        return audio_section(types, direction_of(sending, receiving), medium.mid);
    }
    if (place.what == Place::What::Chat) {
        plan.chats.at(place.number) = chat_plan_of(offer, medium, false);
        const sdp::Setup setup = answer_chat_setup(offer, medium);
        return answered_chat_section(has_.chats.at(place.number)->line, setup, offer, medium) +
               record_attributes();
    }
    const PhoneLines::Video& video = *has_.video.at(place.number);
    const std::uint8_t type = find_h264(offer, medium)->number;
    const bool shows = sending && video.has_source;
    plan.video.at(place.number) = video_plan_for(offer, medium, shows, medium.has_rtcp_mux, type);
    return answered_video_section(video.rtp, video.sharing, direction_of(shows, receiving), medium,
                                  type) +
           record_attributes();
}

std::optional<PhoneSdp::Answer> PhoneSdp::make_answer(const sdp::SessionDescription& offer) {
    std::vector<Place> places;
    for (const sdp::MediaDescription& medium : offer.media)
        places.push_back(choose(offer, medium, places));
    const bool has_any = std::any_of(places.begin(), places.end(), [](const Place& one) {
        return one.what != Place::What::Refused;
    });
    if (!has_any) return std::nullopt;
    places_ = std::move(places);
    Answer answer;
    answer.sdp = head();
    for (std::size_t i = 0; i < places_.size(); ++i)
        answer.sdp += answered_section(offer, offer.media[i], places_[i], answer.plan);
    return answer;
}

}  // namespace earshot::loadgen
