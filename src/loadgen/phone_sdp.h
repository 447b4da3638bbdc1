// What a test phone says in SDP (RFC 3264): one audio line of G.711 with DTMF events (RFC 4733),
// and, where the call has them, a camera and what is shared (H.264, told apart by a=content), a
// chat and a file (MSRP). Of the other side's lines the first one of each kind is taken, wherever
// it stands; all others are refused. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "loadgen/chat_lines.h"
#include "loadgen/media_plan.h"
#include "loadgen/video_lines.h"
#include "loadgen/video_sender.h"
#include "sdp/offer_answer.h"
#include "sdp/session_description.h"

namespace earshot::loadgen {

// The video of a phone, and its MSRP sessions.
inline constexpr std::size_t kPhoneVideos = 2;
inline constexpr std::size_t kCamera = 0;
inline constexpr std::size_t kShared = 1;
inline constexpr std::size_t kPhoneChats = 2;
inline constexpr std::size_t kDialogue = 0;
inline constexpr std::size_t kFile = 1;

// What a phone has beside its voice; what is absent is refused where it is offered.
struct PhoneLines {
    bool has_audio = true;
    struct Video {
        base::NetAddress rtp{};
        bool has_source = false;           // it has something to show; else it only looks
        bool is_offered = false;           // also by who only looks
        std::optional<Sharing> sharing{};  // what is shown or looked at; nothing: a camera
    };
    std::array<std::optional<Video>, kPhoneVideos> video{};
    struct Chat {
        ChatLine line{};
        bool is_offered = false;  // else it waits for the other side's offer
    };
    std::array<std::optional<Chat>, kPhoneChats> chats{};
};

// What both sides agreed on, as the phone's media needs it.
struct PhonePlan {
    StreamPlan stream;
    std::optional<std::uint8_t> event_payload_type;  // of telephone-event, in both directions
    std::array<std::optional<VideoPlan>, kPhoneVideos> video{};
    std::array<std::optional<ChatPlan>, kPhoneChats> chats{};
    std::vector<std::string> refused{};  // lines of ours that the other side refused: "chat"
};

class PhoneSdp {
public:
    PhoneSdp(const base::NetAddress& rtp, std::uint64_t session, PhoneLines lines = {})
        : rtp_(rtp), session_(session), has_(std::move(lines)), places_(own_places()) {}

    // From now on in all descriptions.
    void set_preference(sdp::RecordPreference preference) { preference_ = preference; }
    // What the other side is told (RFC 7866 section 7.1.2), of a phone that records itself.
    void set_record(sdp::RecordState state) { record_ = state; }
    sdp::RecordState record() const { return record_; }
    // Hold (RFC 3264 section 8.4): sendonly instead of sendrecv.
    void set_holding(bool is_holding) { is_holding_ = is_holding; }
    bool is_holding() const { return is_holding_; }

    std::string make_offer();
    // What the answer to our last offer means. Reasons: "bad_answer", "no_media".
    base::Result<PhonePlan, base::Reason> read_answer(std::string_view answer) const;

    struct Answer {
        std::string sdp;
        PhonePlan plan;
    };
    // Nothing when there is no line in the offer that the phone has: 488 is due.
    std::optional<Answer> make_answer(const sdp::SessionDescription& offer);

private:
    // One m-line, in their order.
    struct Place {
        enum class What : std::uint8_t { Refused, Audio, Video, Chat };
        What what = What::Refused;
        std::size_t number = 0;  // which video or chat
        std::string refused{};   // as written
    };

    std::vector<Place> own_places() const;
    static bool is_taken(const std::vector<Place>& places, Place::What what, std::size_t number);
    Place choose(const sdp::SessionDescription& offer, const sdp::MediaDescription& medium,
                 const std::vector<Place>& taken) const;
    std::string head();
    std::string record_attributes() const;
    std::string audio_section(const std::vector<sdp::PayloadType>& types, sdp::Direction direction,
                              std::string_view mid) const;
    std::string offered_section(const Place& place) const;
    // With the plan of the line.
    std::string answered_section(const sdp::SessionDescription& offer,
                                 const sdp::MediaDescription& medium, const Place& place,
                                 PhonePlan& plan) const;
    void read_line(const sdp::SessionDescription& ours, const sdp::SessionDescription& theirs,
                   std::size_t place, const sdp::AnsweredMedia& answered, PhonePlan& plan) const;

    base::NetAddress rtp_;
    std::uint64_t session_;
    std::uint32_t version_ = 0;  // raised with each description
    sdp::RecordPreference preference_ = sdp::RecordPreference::Absent;
    sdp::RecordState record_ = sdp::RecordState::Absent;
    bool is_holding_ = false;
    PhoneLines has_;
    std::vector<Place> places_;
    std::string last_offer_;
};

}  // namespace earshot::loadgen
