// One conference, of which we are the focus (RFC 4353): who is in it, what is recorded of it and
// how its participants are told. It is one communication session (CS) in the metadata, with a
// stream for each participant, or one mix of them. It begins with the first who dials in and ends
// with the last who leaves. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "client/call_control.h"
#include "client/call_decision.h"
#include "client/client_config.h"
#include "client/conference_chat.h"
#include "client/conference_leg.h"
#include "client/conference_mix.h"
#include "client/conference_plane.h"
#include "client/conference_subscribers.h"
#include "client/key_memory.h"
#include "client/recording.h"

namespace earshot::client {

struct ParticipantView {
    std::uint32_t number = 0;
    std::string uri{};
    std::string name{};
    std::string call_id{};
    std::string codec{};
    std::string told{};      // of the recording: "a=record", "tone", ...
    std::string nickname{};  // in the chat; empty: none
    bool is_chatting = false;
    base::WallTime joined{};
    bool is_muted = false;
    bool is_on_hold = false;
    bool is_speaker = false;
    std::string camera{};   // the codec that it shows and is shown; empty: it has no such line
    std::string content{};  // likewise
    bool is_seen = false;   // by all others
    bool is_presenter = false;
};

struct ConferenceView {
    std::uint64_t conference = 0;
    std::string room{};
    std::string uri{};
    std::string recorded_as{};  // "separate", "mixed", "both"
    base::WallTime begun{};
    std::vector<ParticipantView> participants{};
    std::vector<RecordingView> recordings{};
    std::uint64_t late = 0;  // packets that came too late for the mix
};

class Conference : public ConferenceLeg::Host {
public:
    struct Surroundings {  // borrowed
        ConferenceLeg::Surroundings leg;
        ConferencePlane& plane;
        ConferenceChat::Surroundings chat;
        RecordingIndex& index;
        EventOutlet& events;
        ServerPool& servers;
        CallDecision& decision;
        const ClientConfig& config;
        base::Uuid installation{};
        std::function<std::optional<sip::Flow>(std::string_view socket)> find_socket;
        std::function<relay::CallKey()> next_key;
        std::function<std::string(const std::string& room, const sip::Flow& flow)> contact;
        std::function<void(ConferenceLeg&, sip::TransactionId)> own_transaction;
        std::function<void(ConferenceLeg&, sip::DialogId)> own_dialog;
    };

    Conference(base::Now now, Surroundings surroundings, std::string room, std::string uri);
    Conference(const Conference&) = delete;
    Conference& operator=(const Conference&) = delete;
    ~Conference() override;

    // One more dials in; `invite` is answered.
    void add(base::Now now, sip::RequestArrived invite);
    // Why no more come in; none: they do.
    std::optional<base::Reason> find_limit() const;
    void end(base::Now now, int status, const base::Reason& why);
    // Who wants to know who is in it (RFC 4575).
    ConferenceSubscribers& subscribers() { return subscribers_; }
    // Of the chat's room, and of its copies; false: it is another conference's.
    bool on_room(base::Now now, const chat::RoomEvent& event);
    bool on_chat(base::Now now, relay::CallKey call, const relay::ChatEvent& event);
    // A key that a participant pressed, told by RTP.
    void on_key(base::Now now, relay::CallKey leg, char digit);
    // Another one's pictures are shown; 0: nobody's.
    void on_shown(base::Now now, focus::Picture picture, focus::MemberId shown);
    void on_server_silent(base::Now now, std::uint32_t subscription, base::Reason reason);
    void probe(base::Now now, const std::string& server);  // Recording::probe
    // Brings what the participants are told up to date with the recordings.
    void indicate(base::Now now);
    // Codes: "unknown_participant".
    std::optional<base::Reason> mute(base::Now now, std::uint32_t number, bool is_muted);

    // As of a call; of the room and all who are in it.
    void control(base::Now now, const CallControl& wish, const ControlDone& done);

    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    void tidy();

    relay::CallKey key() const { return key_; }
    const std::string& room() const { return room_; }
    bool has_leg(relay::CallKey leg) const;
    bool is_ending() const { return is_ending_; }
    bool is_over() const;  // can be forgotten
    std::size_t participants() const;
    std::size_t legs_of(std::string_view host) const;
    ConferenceView view() const;

    // ---- ConferenceLeg::Host
    void on_joined(ConferenceLeg& leg) override;
    void on_changed(ConferenceLeg& leg) override;
    void on_key(ConferenceLeg& leg, char digit) override;
    void on_picture_refused(ConferenceLeg& leg, const base::Reason& why) override;
    void describe_pictures(const ConferenceLeg& leg, focus::Picture picture,
                           focus::OwnPicture& own) const override;
    void on_gone(ConferenceLeg& leg, bool was_in, const base::Reason& why) override;
    std::vector<sdp::RecordState> record_states(const ConferenceLeg& leg,
                                                const std::vector<ToldLine>& lines) const override;
    std::string contact(const sip::Flow& flow) const override { return s_.contact(room_, flow); }
    std::string allow_events() const override { return std::string(conference::kEventPackage); }
    ConferenceChat::Taken take_chat(ConferenceLeg& leg, std::string_view sdp,
                                    bool is_answer) override;
    void on_agreed(ConferenceLeg& leg) override { chat_.on_agreed(leg.number()); }
    std::string tell_chat(const ConferenceLeg& leg, std::string_view sdp,
                          bool is_offer) const override {
        return chat_.tell(leg.number(), sdp, is_offer);
    }
    std::optional<std::size_t> chat_line(const ConferenceLeg& leg) const override {
        return chat_.line_of(leg.number());
    }
    std::vector<std::size_t> file_lines(const ConferenceLeg& leg) const override {
        return chat_.file_lines_of(leg.number());
    }
    void own(ConferenceLeg& leg, sip::TransactionId transaction) override {
        s_.own_transaction(leg, transaction);
    }
    void own(ConferenceLeg& leg, sip::DialogId dialog) override { s_.own_dialog(leg, dialog); }

private:
    struct Seat {
        std::unique_ptr<ConferenceLeg> leg;
        std::size_t number = 0;                       // of those of this name (cs_record.h)
        std::optional<base::TimePoint> heard_from{};  // it hears an announcement until then
        KeyMemory keys{};
        Means means = Means::None;
        relay::SoundPtr sound{};
        // That are shown and that it does not take: it was told so.
        std::array<std::optional<focus::PictureFormat>, focus::kPictures> unseen{};
    };

    Seat* find(const ConferenceLeg& leg);
    void plan(base::Now now, const sip::RequestArrived& invite);
    void take_plans(base::Now now, std::vector<policy::RecordingPlan> plans);
    void begin_recordings(base::Now now);
    void begin(base::Now now, const policy::RecordingPlan& plan);
    std::optional<base::Reason> start(base::Now now, const CallControl& wish);
    std::optional<base::Reason> obey_all(base::Now now, const CallControl& wish);
    bool is_to_begin(const policy::RecordingPlan& plan) const;
    void refresh(base::Now now);
    bool records_mix();
    ConferenceMix::Wanted wanted_of_mix();
    std::optional<focus::PictureFormat> shown_format(focus::Picture picture) const;
    void tell_unseen(base::Now now);
    ConferencePlane::Member recorded_of(std::uint32_t number, const ConferenceLeg& leg) const;
    void announce(base::Now now, Seat& seat);
    CsParty* find_party(const ConferenceLeg& leg);  // of the CS, once it has joined
    void set_party(const Seat& seat);
    void set_muted(base::Now now, Seat& seat, bool is_muted);
    void press(base::Now now, Seat& seat, KeyWay way, char digit);
    conference::ConferenceInfo info() const;  // of now, for subscribers
    void notify(base::Now now);
    Recording* find(const policy::RecordingPlan& plan) const;
    bool has_sibling(const Recording& one,
                     const std::function<bool(const Recording&)>& condition) const;
    std::vector<RecordingShare> shares() const;
    relay::SoundPtr sound_for(const policy::IndicationSettings& how, Means means);
    void finish(base::Now now, const base::Reason& why);
    void tell(base::Now now, std::string kind, const ConferenceLeg* leg, base::Reason reason);

    Surroundings s_;
    const relay::CallKey key_;
    const std::string room_;
    const std::string uri_;
    const base::WallTime begun_;
    std::shared_ptr<const focus::RoomCounters> counters_;
    std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);  // for the decision hook's answer
    CsRecord cs_;
    policy::CallFacts facts_{};
    bool is_planned_ = false;
    std::vector<policy::RecordingPlan> plans_;
    std::vector<std::unique_ptr<Recording>> recordings_;
    // What an operator wished of a recording before it began, by instance.
    struct Wished {
        bool is_on = false;   // although it is on demand
        bool is_due = false;  // also once more, when the announcement has been heard
        bool is_declined = false;
        bool is_paused = false;
    };
    std::map<std::string, Wished, std::less<>> wished_;
    ConferenceChat chat_;
    std::map<std::uint32_t, Seat> seats_;  // by number
    std::uint32_t last_number_ = 0;
    ConferenceMix mix_;
    bool is_mixed_ = false;                            // more came than are recorded one by one
    std::uint32_t presenter_ = 0;                      // who shares; 0: nobody
    std::array<bool, focus::kPictures> were_shown_{};  // any pictures, so far
    std::map<std::pair<int, std::int64_t>, relay::SoundPtr> tones_;  // by level and interval
    bool is_ending_ = false;
    bool is_within_ = false;             // its legs are being gone through
    ConferenceSubscribers subscribers_;  // last: it is told who is there
};

}  // namespace earshot::client
