// A participant of a conference: its dialog (RFC 3261, we are its UAS; RFC 4579 section 5.1), what
// is agreed on with it about media, and its place at the mixer. Its media passes the media plane as
// that of a call does: leg A is its phone, leg B the mixer. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "client/conference_chat.h"
#include "client/indication.h"
#include "focus/desk.h"
#include "focus/session.h"
#include "io/clock.h"
#include "relay/media_plane.h"
#include "sip/agent.h"
#include "sip/session_timer.h"
#include "siprec/metadata.h"

namespace earshot::client {

class ConferenceLeg {
public:
    struct Surroundings {  // borrowed
        sip::Agent& agent;
        relay::MediaPlane& plane;
        focus::Desk& desk;
        const io::Clock& clock;
        base::Random& random;
    };
    // What its conference does about it. None of them may destroy it.
    class Host {
    public:
        Host() = default;
        Host(const Host&) = delete;
        Host& operator=(const Host&) = delete;
        virtual ~Host() = default;
        virtual void on_joined(ConferenceLeg& leg) = 0;           // its 200 has gone
        virtual void on_changed(ConferenceLeg& leg) = 0;          // held, unheld, another codec
        virtual void on_key(ConferenceLeg& leg, char digit) = 0;  // by INFO
        // A line of video that it offered is not taken.
        virtual void on_picture_refused(ConferenceLeg& leg, const base::Reason& why) = 0;
        // That the others show, and what those take who only see.
        virtual void describe_pictures(const ConferenceLeg& leg, focus::Picture picture,
                                       focus::OwnPicture& own) const = 0;
        // It is over; `was_in`: it had joined. The media plane is to forget it.
        virtual void on_gone(ConferenceLeg& leg, bool was_in, const base::Reason& why) = 0;
        // a=record of its lines, as of now.
        virtual std::vector<sdp::RecordState> record_states(
            const ConferenceLeg& leg, const std::vector<ToldLine>& lines) const = 0;
        // The URI of the conference, as its Contact tells it to who is on that listener.
        virtual std::string contact(const sip::Flow& flow) const = 0;
        virtual std::string allow_events() const = 0;  // "conference"; empty: none
        // The chat of the conference has a line in its descriptions, which is not the mixer's: what
        // it says without that line, what it is told with it, and the line's number.
        virtual ConferenceChat::Taken take_chat(ConferenceLeg& leg, std::string_view sdp,
                                                bool is_answer) = 0;
        virtual void on_agreed(ConferenceLeg& leg) = 0;  // on what take_chat() was given
        virtual std::string tell_chat(const ConferenceLeg& leg, std::string_view sdp,
                                      bool is_offer) const = 0;
        virtual std::optional<std::size_t> chat_line(const ConferenceLeg& leg) const = 0;
        // Those of files that it hands over.
        virtual std::vector<std::size_t> file_lines(const ConferenceLeg& leg) const = 0;
        // Whose transactions and dialogs are whose.
        virtual void own(ConferenceLeg& leg, sip::TransactionId transaction) = 0;
        virtual void own(ConferenceLeg& leg, sip::DialogId dialog) = 0;
    };

    ConferenceLeg(Surroundings surroundings, Host& host, focus::RoomId room, std::uint32_t number,
                  relay::CallKey key, sip::RequestArrived invite);
    ConferenceLeg(const ConferenceLeg&) = delete;
    ConferenceLeg& operator=(const ConferenceLeg&) = delete;
    ~ConferenceLeg();

    // Answers the INVITE. `cname` names its voice to the others.
    void begin(base::Now now, const std::string& cname);
    // Ends it from our side: BYE, or the refusal of its INVITE.
    void end(base::Now now, int status, const base::Reason& why);
    // What it is told of recordings may have changed: it is told anew where it understands that.
    void tell_anew(base::Now now);
    void mute(bool is_muted);
    void play(relay::SoundPtr sound);

    void on_action(base::Now now, sip::Action& action);
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;

    std::uint32_t number() const { return number_; }
    relay::CallKey key() const { return key_; }
    const std::vector<siprec::NameId>& names() const { return names_; }
    const std::string& call_id() const { return call_id_; }
    const std::string& session_id() const { return session_id_; }  // RFC 7989, with ours
    const std::string& host_name() const { return source_; }       // where it came from
    const sip::Flow& flow() const { return flow_; }
    std::uint32_t csrc() const { return csrc_; }  // of what it says and shows, to all others
    const std::string& codec() const { return agreed_.codec; }
    bool has_audio() const { return !agreed_.codec.empty(); }  // else it is here to chat
    Awareness awareness() const { return awareness_; }
    bool takes_attribute() const { return takes_attribute_; }
    bool is_in() const { return is_in_; }
    bool is_over() const { return is_over_; }
    // Nothing of the agent's concerns it any more: it can be forgotten.
    bool is_done() const { return is_over_ && !has_dialog_; }
    bool is_muted() const { return is_muted_; }
    bool is_on_hold() const { return !agreed_.wants_to_hear; }
    bool may_speak() const { return agreed_.may_speak; }
    base::WallTime joined_at() const { return joined_at_; }
    // What is agreed on; null: it has no such line.
    const focus::AgreedPicture* picture(focus::Picture picture) const {
        const auto& agreed = agreed_.pictures[focus::index_of(picture)];
        return agreed ? &*agreed : nullptr;
    }
    bool shows(focus::Picture what) const {
        return picture(what) != nullptr && picture(what)->place.line.shows;
    }
    bool sees(focus::Picture what) const {
        return picture(what) != nullptr && picture(what)->place.line.sees;
    }

private:
    void refuse(base::Now now, int status, const base::Reason& why);
    void take_offer(base::Now now, sip::TransactionId transaction, std::string offer);
    void offer_ours(base::Now now);
    void answer(base::Now now, sip::TransactionId transaction, const std::string& sdp);
    void use(focus::Agreed agreed);
    void open_pictures(std::string_view offer);
    void set_picture(focus::Picture which);
    void use_pictures(const focus::Agreed& before);
    void join(base::Now now);
    void leave(base::Now now, const base::Reason& why);
    void hang_up(base::Now now);
    std::string indicated(std::string_view sdp, bool is_offer);
    std::vector<sip::ExtraHeader> headers_of_ok(base::Now now, const sip::Message& request);
    void on_request(base::Now now, sip::RequestArrived& request);
    void on_ack(base::Now now, const sip::AckArrived& ack);
    void on_response(base::Now now, const sip::ResponseArrived& response);
    void on_failure(base::Now now, sip::TransactionId transaction);
    void take_their_answer(base::Now now, const std::string& sdp);
    bool is_busy() const;
    void send_change(base::Now now, bool has_offer);
    void respond(base::Now now, sip::TransactionId transaction, const sip::ResponseSpec& response);

    Surroundings s_;
    Host& host_;
    const focus::RoomId room_;
    const std::uint32_t number_;
    const relay::CallKey key_;
    std::uint32_t csrc_ = 0;
    // Gone with it: what waits for the media plane asks whether it is still there.
    std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);
    std::optional<sip::RequestArrived> invite_;  // until it is answered
    sip::TransactionId pending_{};               // of theirs, that has no final answer
    sip::DialogId dialog_{};
    std::vector<siprec::NameId> names_;
    std::string call_id_;
    std::string session_uuid_;
    std::string session_id_;
    std::string source_;
    sip::Flow flow_;
    Awareness awareness_ = Awareness::Unaware;
    bool allows_update_ = false;
    base::NetAddress seat_{};  // at the mixer; unspecified: none
    focus::OwnMedia own_{};
    focus::Agreed agreed_{};
    std::string own_sdp_;  // the mixer's, as last said
    std::vector<ToldLine> lines_;
    std::vector<sdp::RecordState> states_;  // that it was told
    ToldDescriptions told_;
    sip::SessionTimer timer_;
    sip::TransactionId change_{};  // of ours
    bool change_has_offer_ = false;
    bool change_is_invite_ = false;
    std::optional<base::TimePoint> retry_at_;
    bool awaits_answer_ = false;  // our 200 had the offer, its ACK has the answer
    bool awaits_ack_ = false;
    bool wants_change_ = false;
    bool takes_attribute_ = true;
    bool has_dialog_ = false;
    bool is_in_ = false;
    bool is_over_ = false;
    bool is_muted_ = false;
    base::WallTime joined_at_{};
};

}  // namespace earshot::client
