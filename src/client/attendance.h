// The client as a participant: it calls a conference itself, takes what everyone there hears and
// sees and writes, and records that (docs/conference-recording.md). It says in the call that it
// records: by a=record, and by tone or announcement and a line in the chat where the focus does not
// claim to understand that. Belongs to the signalling thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "client/call_control.h"
#include "client/client_config.h"
#include "client/recording.h"
#include "client/roster_desk.h"
#include "client/server_pool.h"
#include "relay/chat_plane.h"
#include "relay/media_plane.h"
#include "sip/agent.h"

namespace earshot::client {

struct AttendWish {
    std::string uri{};       // of the conference
    std::string identity{};  // URI by which we call; empty: our own address
    std::string name{};      // display name
    std::string instance{};  // whose settings; empty: the default ones
    std::vector<std::string> servers{};
    bool takes_audio = true;
    bool takes_video = true;
    bool takes_chat = true;
    std::chrono::seconds longest{0};  // 0: kLongestAttendance
    bool is_again = false;            // although it is attended already
    bool waits = false;               // until a recording server has accepted, or it is in vain
};

struct AttendanceView {
    std::string id{};
    std::string uri{};
    std::string call_id{};
    std::string state{};  // "calling", "attending", "ended"
    bool is_focus = false;
    std::string chat{};  // "none", "offered", "agreed", "connected", "ended"
    base::WallTime begun{};
    RecordingView recording{};
};

class AttendanceDesk {
public:
    struct Dependencies {  // borrowed
        sip::Agent& agent;
        relay::MediaPlane& plane;
        const io::Clock& clock;
        base::Random& random;
        RecordingIndex& index;
        EventOutlet& events;
        ServerPool& servers;
        RosterDesk& rosters;
        relay::ChatPlane* chats = nullptr;  // null: no chats are recorded
        relay::ChatLink* chat_link = nullptr;
        // Where a host leads; nothing: nowhere. Answers later.
        std::function<void(const std::string& host,
                           std::function<void(std::optional<base::NetAddress>)>)>
            locate{};
        base::Uuid installation{};
        std::string host{};    // host:port of our own SIP address
        bool is_ipv6 = false;  // the family of our media
    };

    AttendanceDesk(const ClientConfig& config, Dependencies dependencies);
    AttendanceDesk(const AttendanceDesk&) = delete;
    AttendanceDesk& operator=(const AttendanceDesk&) = delete;
    ~AttendanceDesk();

    // The attendance's id. Reasons: "bad_request", "already_attended", "too_many_recordings",
    // "not_ready" (no media), with `waits` "host_unknown", "unreachable", "refused" (by the
    // conference) and "recording_failed".
    using StartDone = std::function<void(base::Result<std::string, base::Reason>)>;
    void start(base::Now now, AttendWish wish, StartDone done);
    // Leaves the conference. Reasons: "unknown_attendance".
    std::optional<base::Reason> stop(base::Now now, std::string_view id, const std::string& why);
    // The same by CallControl; who records nothing has no business in a conference: to stop the
    // recording is to leave. While it is paused no tone says that it is recorded.
    std::optional<base::Reason> control(base::Now now, const CallControl& wish);
    void end_all(base::Now now, const base::Reason& why);

    // An action of the agent that is an attendance's call's; false: somebody else's.
    bool take(base::Now now, sip::Action& action);
    // True: the call is one of these.
    bool on_conference(base::Now now, std::uint64_t call, const CsConference& conference);
    // The same.
    bool on_server_silent(base::Now now, relay::CallKey call, const base::Reason& reason);
    // The same.
    bool on_chat(base::Now now, relay::CallKey call, const relay::ChatEvent& event);
    void on_guest(base::Now now, const chat::GuestEvent& event);
    void probe(base::Now now, const std::string& server);  // Recording::probe
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    // Forgets what is over; while nothing of it is running.
    void tidy();

    std::vector<AttendanceView> views() const;
    bool is_idle() const { return attended_.empty(); }
    void configure(const ClientConfig& config) { config_ = config; }

private:
    struct Attended;
    Attended* find(std::uint64_t key) const;
    void invite(base::Now now, Attended& one, std::string sdp,
                std::vector<sip::ExtraHeader> credentials);
    void on_response(base::Now now, Attended& one, sip::ResponseArrived& response);
    void on_accepted(base::Now now, Attended& one, const sip::ResponseArrived& response);
    void on_refused(base::Now now, Attended& one, const sip::ResponseArrived& response);
    void on_request(base::Now now, Attended& one, sip::RequestArrived& request);
    void on_offer(base::Now now, Attended& one, sip::TransactionId in, std::string offer);
    void take_offer(base::Now now, Attended& one, sip::TransactionId in, const std::string& offer);
    using Prepared = std::function<void(std::optional<base::Reason> fault)>;
    void make_chat(base::Now now, Attended& one);
    void begin_chat(Attended& one, std::size_t line, bool is_secure, Prepared done);
    void log_in(Attended& one, const std::optional<base::NetAddress>& at);
    void settle_chat(Attended& one, std::optional<base::Reason> fault);
    void offer(base::Now now, Attended& one);
    std::string take_chat(base::Now now, Attended& one, std::string_view sdp, bool is_answer);
    std::string told(const Attended& one, std::string_view sdp, bool is_offer) const;
    sdp::RecordState record_state(const Attended& one) const;
    void tell_in_chat(Attended& one);
    void begin_recording(base::Now now, Attended& one);
    std::optional<base::Reason> indicate(Attended& one);
    void end(base::Now now, Attended& one, base::Reason why, bool says_bye);
    void settle(Attended& one, std::optional<base::Reason> failure);
    bool is_followed(const Attended& one) const;
    std::optional<base::TimePoint> deadline_of(const Attended& one) const;
    void tell(base::Now now, const Attended& one, std::string kind, base::Reason reason,
              int status = 0);

    ClientConfig config_;
    Dependencies d_;
    std::map<std::uint64_t, std::unique_ptr<Attended>> attended_;  // by key
    std::unordered_map<std::uint64_t, std::uint64_t> of_transaction_;
    std::unordered_map<std::uint64_t, std::uint64_t> of_dialog_;
    std::uint64_t last_key_;
};

}  // namespace earshot::client
