// The conferences of this client, which is their focus where `focus.rooms` says so (RFC 4579): an
// INVITE to such a room is answered here, and goes to nobody behind us. Belongs to the signalling
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "b2bua/own_names.h"
#include "client/conference.h"

namespace earshot::client {

class Conferences {
public:
    struct Dependencies {  // borrowed
        sip::Agent& agent;
        relay::MediaPlane& plane;
        focus::Desk& desk;
        relay::ChatPlane* chats = nullptr;  // null: rooms have no chat
        relay::ChatLink* chat_link = nullptr;
        const io::Clock& clock;
        base::Random& random;
        base::Log& log;
        EventOutlet& events;
        CallDecision& decision;
        RecordingIndex& index;
        ServerPool& servers;
        const b2bua::OwnNames& own_names;
        std::string media_host{};
        std::function<std::optional<sip::Flow>(std::string_view socket)> find_socket;
        // Why nobody may call from there now; none: they may.
        std::function<std::optional<sip::ResponseSpec>(const sip::RequestArrived&)> find_refusal;
        // Our Contact on the listener of that flow: "sip:192.0.2.1:5062;transport=tcp".
        std::function<std::string(const sip::Flow& flow)> contact;
    };

    Conferences(const ClientConfig& config, const base::Uuid& installation,
                Dependencies dependencies);
    Conferences(const Conferences&) = delete;
    Conferences& operator=(const Conferences&) = delete;
    ~Conferences();

    // Its host says that a room is meant (focus.domains).
    bool is_of_domains(std::string_view uri) const;
    // An action of the agent that is a conference's; false: it is somebody else's.
    bool take(base::Now now, sip::Action& action);
    // Another one's pictures are shown in that room.
    void on_shown(base::Now now, focus::RoomId room, focus::Picture picture, focus::MemberId shown);
    // A key of a call of the media plane; false: the call is no participant's.
    bool on_key(base::Now now, relay::CallKey leg, char digit);
    bool on_server_silent(base::Now now, relay::CallKey leg, std::uint32_t subscription,
                          const base::Reason& reason);
    void probe(base::Now now, const std::string& server);  // Recording::probe
    void on_room(base::Now now, const chat::RoomEvent& event);
    // False: the call is no room.
    bool on_chat(base::Now now, relay::CallKey call, const relay::ChatEvent& event);
    void end_all(base::Now now, const base::Reason& why);
    // Codes: "unknown_conference", "unknown_participant".
    std::optional<base::Reason> mute(base::Now now, std::string_view room, std::uint32_t number,
                                     bool is_muted);

    // Of the room of that name or number.
    void control(base::Now now, const CallControl& wish, const ControlDone& done);

    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    // What recordings have told since is told to the participants. True: something was.
    bool indicate(base::Now now);
    void every_second() { d_.desk.retry(); }
    // Forgets what is over; while nothing of it is running.
    void tidy();
    void configure(const ClientConfig& config) { config_ = config; }

    std::vector<ConferenceView> views() const;
    bool is_idle() const { return conferences_.empty(); }
    std::size_t legs_of(std::string_view host) const;  // that run

private:
    // What recordings tell concerns the participants of their conferences.
    class Outlet : public EventOutlet {
    public:
        explicit Outlet(Conferences& owner) : owner_(owner) {}
        void tell(const RecordingEvent& event) override {
            owner_.changed_.insert(event.call);
            owner_.d_.events.tell(event);
        }

    private:
        Conferences& owner_;
    };

    std::optional<std::string> room_of(const sip::Message& request) const;
    bool take_new(base::Now now, sip::RequestArrived& request);
    void subscribe(base::Now now, sip::RequestArrived& request, const std::string& room);
    void dial_in(base::Now now, sip::RequestArrived& request, const std::string& room);
    void refuse(base::Now now, const sip::RequestArrived& request, int status,
                const base::Reason& why);
    Conference* find(std::string_view room) const;
    Conference* conference_of(relay::CallKey leg) const;
    Conference::Surroundings surroundings();
    std::string contact(const std::string& room, const sip::Flow& flow) const;

    ClientConfig config_;
    const base::Uuid installation_;
    Dependencies d_;
    Outlet outlet_{*this};
    ConferencePlane plane_;
    std::map<std::uint64_t, std::unique_ptr<Conference>> conferences_;  // by key
    std::unordered_map<std::uint64_t, ConferenceLeg*> by_transaction_;  // INVITEs that came
    std::unordered_map<std::uint64_t, ConferenceLeg*> by_dialog_;
    std::set<std::uint64_t> changed_;
    std::uint64_t last_key_;
};

}  // namespace earshot::client
