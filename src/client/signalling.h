// The signalling thread of a recording client: SIP bytes to sip::Agent, its actions to the
// Switchboard (calls) or the Recorder (recording sessions), and the switchboard's questions to
// configuration and media plane. Everything is called on the loop's thread unless said otherwise.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "b2bua/own_names.h"
#include "b2bua/switchboard.h"
#include "base/log.h"
#include "base/random.h"
#include "base/snapshot.h"
#include "client/attendance.h"
#include "client/call_decision.h"
#include "client/client_config.h"
#include "client/companion.h"
#include "client/conferences.h"
#include "client/dialog_journal.h"
#include "client/keep_alive.h"
#include "client/media_planes.h"
#include "client/recorder.h"
#include "client/roster_desk.h"
#include "io/clock.h"
#include "io/log_allowance.h"
#include "io/tls_watch.h"
#include "relay/chat_plane.h"
#include "relay/media_plane.h"
#include "relay/screen_desk.h"
#include "sip/agent.h"
#include "transport/sip_loop.h"

namespace earshot::client {

// What has happened since the start.
struct ClientCounters {
    std::uint64_t calls = 0;  // that were let in
    std::uint64_t answered = 0;
    std::uint64_t refused = 0;        // by us: not allowed, too many of a host, led back
    std::uint64_t mix_postponed = 0;  // relay::MixDesk::postponed()
};

// What the API sees of signalling: any thread.
struct TlsView {
    bool has_certificates = false;
    std::string ending{};    // those that have to be renewed; empty: none
    bool has_ended = false;  // one of them
    std::uint64_t handshakes = 0;
    std::uint64_t failures = 0;
};

struct ClientView {
    base::Snapshot<std::vector<CallView>> calls;
    base::Snapshot<std::vector<ServerView>> servers;
    base::Snapshot<ClientCounters> counters;
    base::Snapshot<std::vector<CompanionView>> companions;
    base::Snapshot<std::vector<SharedView>> sessions;
    base::Snapshot<std::vector<RosterView>> rosters;
    base::Snapshot<std::vector<AttendanceView>> attendances;
    base::Snapshot<std::vector<ConferenceView>> conferences;
    std::atomic<bool> is_ready{false};
    std::atomic<bool> is_draining{false};
    std::atomic<bool> has_servers{false};  // something can be recorded at all
    base::Snapshot<MediaPlanesView> planes;
    base::Snapshot<std::string> waiting_keys;  // that the last reload left for a restart
    base::Snapshot<std::string> reload_fault;  // why it was not taken; empty: it was
    base::Snapshot<TlsView> tls;
};

class Signalling : public transport::SipLoop::Handler, public b2bua::SwitchboardHost {
public:
    struct Dependencies {  // borrowed
        transport::SipLoop& loop;
        relay::MediaPlane& plane;
        MediaPlanes& planes;
        const io::Clock& clock;
        base::Random& random;
        base::Log& log;
        EventOutlet& events;
        DialogJournal& dialogs;
        ClientView& view;
        std::function<void()> on_calls_changed;
        std::shared_ptr<const io::TlsContext> tls{};  // of the loop
        relay::RtpengineTap* tap = nullptr;           // null: no companion mode
        relay::MixDesk* desk = nullptr;               // null: sessions are not mixed
        focus::Desk* focus = nullptr;                 // null: no conferences
        relay::ChatPlane* chats = nullptr;            // of their rooms; null: none
        relay::ChatLink* chat_link = nullptr;
        std::string media_host{};  // that servers are told for media of this process
    };

    Signalling(ClientConfig config, const base::Uuid& installation, Dependencies dependencies);
    Signalling(const Signalling&) = delete;
    Signalling& operator=(const Signalling&) = delete;
    ~Signalling() override;

    // Any thread; `done` is called on the loop's.
    void control(CallControl wish, ControlDone done);
    // The same of calls that are not ours. Code "no_companion": no RTPEngine is configured.
    void start_companion(CompanionWish wish, Companion::StartDone done);
    void control_companion(CompanionVerb verb, std::string which, std::string why,
                           ControlDone done);
    // The client calls a conference itself, and leaves it.
    void attend(AttendWish wish, AttendanceDesk::StartDone done);
    void stop_attending(std::string id, std::string why, ControlDone done);
    // Any thread; `done` is called on the loop's. Codes: "no_focus", "unknown_conference",
    // "unknown_participant".
    void mute(std::string room, std::uint32_t number, bool is_muted, ControlDone done);
    // The loop's thread: what becomes of a screen that is shared in a call.
    void on_screen(relay::CallKey call, const relay::ScreenEvent& event);
    void on_chat(relay::CallKey call, const relay::ChatEvent& event);
    void on_room(const chat::RoomEvent& event);    // in the chat of a conference
    void on_guest(const chat::GuestEvent& event);  // in a chat that we take part in
    // The loop's thread: something has happened outside of what SipLoop tells.
    void on_outside();
    // Before the loop runs: sends the BYEs that the process before still owes.
    void end_left(std::vector<sip::OutOfDialogSpec> byes);
    // Any thread: takes no new calls from now on, or takes them again.
    void drain(bool is_draining);
    // Ends all calls and calls `done` when the recording servers know it, or after a few seconds.
    void stop(std::function<void()> done);
    // The loop's thread: a key that a party pressed, told by RTP.
    void on_key(relay::CallKey call, relay::Leg by, char digit);
    // The same: in a conference of ours another one is shown.
    void on_shown(focus::RoomId room, focus::Picture picture, focus::MemberId shown);
    // The same: something was wrong with the child that decodes Opus.
    void on_decoder(const base::Reason& why);
    // New configuration for calls from now on; listeners and paths stay.
    void reload(ClientConfig config);

    // ---- SipLoop::Handler
    void on_bytes(const sip::Flow& flow, base::Bytes&& bytes) override;
    void on_broken_stream(const sip::Flow& flow, const sip::StreamEvent& event) override;
    void on_flow_closed(const sip::Flow& flow) override;
    void on_send_failed(sip::TransactionId transaction) override;
    void on_deadline() override;

    // ---- SwitchboardHost
    void route(const b2bua::RouteQuestion& question, b2bua::RouteDone done) override;
    void offer(b2bua::CallKey call, b2bua::Leg from, std::string sdp, b2bua::SdpDone done) override;
    void answer(b2bua::CallKey call, b2bua::Leg from, std::string sdp,
                b2bua::SdpDone done) override;
    void answer_unheard(b2bua::CallKey call, b2bua::Leg from, std::string sdp,
                        b2bua::SdpDone done) override;
    void rollback(b2bua::CallKey call, b2bua::Leg offerer) override;
    void on_call_event(base::Now now, b2bua::CallKey call, const b2bua::CallEvent& event) override;
    void on_registered(base::Now now, const b2bua::Registered& phone) override;

private:
    // What is not a recording's, but of a medium that the call shares: a screen, a chat.
    void tell_of_call(relay::CallKey call, std::string kind, const base::Reason& reason);
    void settle();
    void arm();
    std::optional<sip::Action> next_action();
    void send_what_waits();
    void handle(sip::Action& action);
    bool take_server_start(base::Now now, sip::Action& action);
    void locate(const sip::LocateTarget& action);
    void open_conferences(const base::Uuid& installation);
    std::optional<sip::ResponseSpec> find_refusal(const b2bua::RouteQuestion& question) const;
    std::optional<sip::ResponseSpec> find_unknown_room(const b2bua::RouteQuestion& question) const;
    void admit(base::Now now, b2bua::CallKey call);
    bool tells_inside(b2bua::CallKey call, b2bua::Leg to) const;
    // With what that leg is to know of the recordings.
    base::Result<std::string, base::Reason> indicated(
        b2bua::CallKey call, b2bua::Leg to, base::Result<std::string, base::Reason> mapped);
    relay::LegSdp leg_sdp(b2bua::CallKey call, b2bua::Leg from, std::string_view sdp) const;
    void tell_call(b2bua::CallKey call, const b2bua::CallEvent& event);
    void publish();
    void every_second(base::Now now);
    void end_silent_calls(base::Now now);
    void keep_phones_alive(base::Now now);
    void watch_certificates(base::Now now);
    void follow_conference(base::Now now, b2bua::CallKey call);
    void listen_to_planes();
    void on_media_lost(relay::CallKey call, const base::Reason& reason);
    void maybe_stopped();

    ClientConfig config_;
    Dependencies d_;
    std::unique_ptr<sip::Agent> agent_;
    std::unique_ptr<b2bua::OwnNames> own_names_;
    std::unique_ptr<DialogKeeper> dialogs_;
    std::unique_ptr<b2bua::Switchboard> switchboard_;
    CallDecision decision_;
    std::unique_ptr<Recorder> recorder_;
    std::unique_ptr<Companion> companion_;  // null: no companion mode
    std::unique_ptr<RosterDesk> rosters_;
    std::unique_ptr<AttendanceDesk> attendances_;
    std::unique_ptr<Conferences> conferences_;  // null: no focus
    std::vector<std::string> contacts_;         // by listener
    ClientCounters counters_;
    std::deque<sip::Action> unhandled_;  // taken from the agent already
    base::TimePoint next_publish_{};
    base::TimePoint next_second_{};
    std::map<std::string, std::uint32_t> calls_of_host_;  // let in and running, by source
    std::unordered_map<std::uint64_t, std::string> host_of_call_;
    std::unordered_map<std::uint64_t, std::string> hop_of_call_;  // where its leg B goes
    io::LogAllowance refusal_log_;
    io::TlsWatch certificates_;
    KeepAlive keep_alive_;
    std::vector<std::string> sent_by_;  // what each listener calls itself
    std::size_t next_silent_ = 0;       // where the look for silent calls goes on
    io::LogAllowance plane_log_;
    bool calls_have_changed_ = false;
    bool is_draining_ = false;
    std::optional<base::TimePoint> stop_by_;
    std::function<void()> on_stopped_;
};

}  // namespace earshot::client
