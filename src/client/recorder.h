// Decides for each call which recordings it gets, keeps them told of what becomes of the call, and
// obeys who may start, pause, resume and stop them. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "b2bua/switchboard.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "client/call_control.h"
#include "client/call_decision.h"
#include "client/call_facts.h"
#include "client/client_config.h"
#include "client/indicator.h"
#include "client/key_memory.h"
#include "client/recording.h"
#include "client/refusals.h"
#include "client/server_pool.h"
#include "client/server_start.h"
#include "client/shared_sessions.h"
#include "io/log_allowance.h"

namespace earshot::client {

struct CallView {
    std::uint64_t call = 0;
    std::string call_id{};
    std::string from{};  // name-addr
    std::string to{};
    std::string state{};  // "routing", "calling", "early", "answered"
    base::WallTime arrived{};
    std::optional<base::WallTime> answered{};
    bool is_held = false;
    std::string caller_told{};  // by what they know of the recording, as to_string(Means) says it
    std::string callee_told{};
    std::vector<RecordingView> recordings{};
};

class Recorder {
public:
    struct Dependencies {  // borrowed
        sip::Agent& agent;
        b2bua::Switchboard& switchboard;
        relay::MediaPlane& plane;
        CallDecision& decision;
        const io::Clock& clock;
        base::Random& random;
        EventOutlet& events;
        relay::MixDesk* desk = nullptr;  // null: sessions are not mixed
        std::string host{};              // that servers are told for media
        // The listener at HOST:PORT; nullopt: there is none.
        std::function<std::optional<sip::Flow>(std::string_view socket)> find_socket;
    };

    Recorder(const ClientConfig& config, const base::Uuid& installation, Dependencies dependencies);
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;
    ~Recorder();

    // Of the Switchboard. Ended has the media plane forget the call.
    void on_call_event(base::Now now, b2bua::CallKey key, const b2bua::CallEvent& event);
    // The call may go on: its recordings are planned. Nothing is done for those who may not call.
    void admit(base::Now now, b2bua::CallKey key);
    // The media plane has taken the caller's first offer.
    void on_first_offer(base::Now now, b2bua::CallKey key);

    // A key that a party pressed, told by RTP (RFC 4733).
    void on_key(base::Now now, b2bua::CallKey key, b2bua::Leg by, char digit);

    // What the focus at an end of the call tells of its conference.
    void on_conference(base::Now now, b2bua::CallKey key, const CsConference& conference);
    // The group that a transfer or a consultation has put the call into.
    std::optional<base::Uuid> group_of(b2bua::CallKey key) const;
    // Somebody writes in a chat of a call, or who is at a leg has another nickname there.
    void on_chat_sender(base::Now now, b2bua::CallKey key, relay::Leg leg, const std::string& uri,
                        const std::string& name);
    void on_chat_lines(base::Now now, b2bua::CallKey key);  // they have to be told anew
    void on_nickname(base::Now now, b2bua::CallKey key, relay::Leg leg,
                     const std::string& nickname);
    // Whether the call is recorded, or may come to be.
    bool records(b2bua::CallKey key) const;

    // A description of a leg on its way: the wish in it is obeyed, as policy says.
    void on_description(base::Now now, b2bua::CallKey key, b2bua::Leg from, std::string_view sdp);
    // The description that `to` is told, with what it is to know of the recordings.
    std::string describe(b2bua::CallKey key, b2bua::Leg to, std::string sdp) {
        return indicator_.describe(key, to, std::move(sdp));
    }
    void on_rollback(b2bua::CallKey key, b2bua::Leg offerer) {
        indicator_.on_rollback(key, offerer);
        changed_.insert(key.value);
    }
    // Brings what the parties are told up to date. True when something had changed: the agent may
    // have new actions.
    bool indicate(base::Now now);
    // The INVITE of a server that wants to record (is_server_start()): begins a recording, or is
    // refused. Without `is_open` nothing new is taken.
    void on_server_start(base::Now now, sip::RequestArrived request, bool is_open);
    // A server has not answered: others who are recorded there want to know.
    void when_server_silent(std::function<void(base::Now, const std::string& server)> told) {
        on_silent_ = std::move(told);
    }
    // The server of that subscription seems to be dead to the media plane.
    void on_server_silent(base::Now now, relay::CallKey call, std::uint32_t subscription,
                          base::Reason reason);
    void every_second();

    // An action of the agent that is a recording's; false: it is somebody else's.
    bool take(base::Now now, sip::Action& action);
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    // Forgets calls that have ended with all their recordings; while nothing of it is running.
    void tidy();

    void control(base::Now now, CallControl wish, ControlDone done);

    std::vector<CallView> views() const;
    std::vector<ServerView> server_views(base::Now now) const { return servers_.views(now); }
    // Whether a recording session of ours has this Call-ID: one that comes in has been led back.
    bool is_ours(std::string_view call_id) const {
        return index_.call_ids.contains(std::string(call_id));
    }
    std::vector<SharedView> shared_views() const { return shared_.views(); }
    bool is_idle() const { return calls_.empty() && shared_.is_idle(); }
    // Nothing is begun any more, and what stands without a call ends.
    void stop(base::Now now, const base::Reason& reason) { shared_.end_all(now, reason); }
    // Whose recordings take() and on_time() care for; others may add theirs.
    RecordingIndex& index() { return index_; }
    ServerPool& servers() { return servers_; }
    // For what comes from now on.
    void configure(base::Now now, const ClientConfig& config);

private:
    struct RecordedCall;
    // Events of recordings: what changes them concerns the parties of their calls.
    class Outlet : public EventOutlet {
    public:
        explicit Outlet(Recorder& owner) : owner_(owner) {}
        void tell(const RecordingEvent& event) override {
            owner_.changed_.insert(event.call);
            owner_.d_.events.tell(event);
        }

    private:
        Recorder& owner_;
    };
    struct Refusal {
        int status = 0;
        base::Reason reason{};
    };
    std::function<void(base::Now, const std::string&)> on_silent_;
    ServerPool::Outlets pool_outlets();
    void probe_recordings(base::Now now, const std::string& server);
    // The recordings whose media goes there now.
    struct Placed {
        Recording* recording = nullptr;
        Refusals::RecordingKey key;
        std::optional<base::TimePoint> heard;  // the server's last RTCP
    };
    std::vector<Placed> recordings_at(const MediaPlace& place) const;
    std::optional<MediaPlace> media_place(const RecordedCall& call, std::uint32_t subscription,
                                          std::optional<base::TimePoint>* heard = nullptr) const;
    void on_refusal(base::Now now, const RecordedCall& call, std::uint32_t subscription);
    base::Result<RecordedCall*, Refusal> find_wished(const StartWish& wish,
                                                     const std::string& host);
    std::optional<Refusal> find_start_refusal(const RecordedCall& call,
                                              const std::string& host) const;
    void begin_for_server(base::Now now, RecordedCall& call, sip::RequestArrived request,
                          const std::string& host);
    bool may_start(const base::NetAddress& from) const;
    void refuse_start(base::Now now, const sip::RequestArrived& request, const Refusal& refusal);
    SessionCommon session_common(const policy::RecordingPlan& plan) const;
    void stand_sessions(base::Now now);
    Recording& add_recording(base::Now now, RecordedCall& call, const policy::RecordingPlan& plan);
    void plan(base::Now now, RecordedCall& call);
    void take_plans(base::Now now, RecordedCall& call, std::vector<policy::RecordingPlan> plans);
    void begin_all(base::Now now, RecordedCall& call, policy::StartAt at);
    void begin(base::Now now, RecordedCall& call, const policy::RecordingPlan& plan);
    void begin_each(base::Now now, RecordedCall& call,
                    const std::vector<policy::RecordingPlan>& plans);
    void end_unrecorded(RecordedCall& call, const Recording& lost, const base::Reason& failure);
    // ---- recorder_indication.cpp
    bool announces_first(base::Now now, RecordedCall& call, const policy::RecordingPlan& plan);
    void begin_announced(base::Now now);
    void apply_wish(base::Now now, RecordedCall& call, b2bua::Leg leg);
    bool obey_wish(base::Now now, RecordedCall& call, const policy::RecordingPlan& plan,
                   sdp::RecordPreference wish, bool was_limited, const std::string& why);
    void wish_on(base::Now now, RecordedCall& call, const policy::RecordingPlan& plan,
                 const std::string& why);
    std::vector<RecordingShare> shares(b2bua::CallKey key);
    void refuse_untold(base::Now now, RecordedCall& call, const base::Reason& fault);
    void refresh(base::Now now, RecordedCall& call);
    // ---- recorder_groups.cpp
    void find_consulted(base::Now now, RecordedCall& call);
    void join_groups(base::Now now, RecordedCall& from, RecordedCall& call);
    void on_transfer(base::Now now, RecordedCall& call, const b2bua::Transferred& event);
    void on_in_dialog(base::Now now, RecordedCall& call, const b2bua::InDialog& event);
    void on_digit(base::Now now, RecordedCall& call, b2bua::Leg by, KeyWay way, char digit);
    void on_happening(base::Now now, RecordedCall& call, const policy::Happening& happening);
    void on_ended(base::Now now, RecordedCall& call, const b2bua::Ended& event);
    std::optional<base::Reason> obey(base::Now now, RecordedCall& call, const CallControl& wish);
    std::optional<base::Reason> start(base::Now now, RecordedCall& call, const CallControl& wish);
    void fire(base::Now now, RecordedCall& call, const policy::Trigger& trigger);
    bool obey_before(RecordedCall& call, const CallControl& wish);
    bool knows_instance(std::string_view instance) const;
    RecordedCall* find(b2bua::CallKey key);
    RecordedCall* find(std::string_view call);

    ClientConfig config_;
    const base::Uuid installation_;
    Dependencies d_;
    RecordingIndex index_;
    ServerPool servers_;
    Refusals refusals_;
    StartAllowance starts_;
    io::LogAllowance start_events_;
    Outlet outlet_{*this};
    SharedSessions shared_;  // outlives its parts, which are the calls'
    std::map<std::uint64_t, std::unique_ptr<RecordedCall>> calls_;  // by CallKey
    std::vector<std::uint64_t> ended_;  // of them, those whose recordings come to their end
    Indicator indicator_;
    std::set<std::uint64_t> held_;     // calls that a party has held: about them they may consult
    std::set<std::uint64_t> changed_;  // calls whose parties may have to be told something
    std::set<std::pair<base::TimePoint, std::uint64_t>> announcing_;  // until when
};

}  // namespace earshot::client
