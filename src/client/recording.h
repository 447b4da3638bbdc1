// One recording session of one call: what signalling, media plane and rules have to do with each
// other. Used once: another start of the same instance is another one. Borrows all of its
// surroundings; belongs to the signalling thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "client/cs_record.h"
#include "client/recording_event.h"
#include "client/server_link.h"
#include "client/server_pool.h"
#include "io/clock.h"
#include "policy/call_rule.h"
#include "relay/media_plane.h"
#include "sip/agent.h"
#include "siprec/recording_client_session.h"

namespace earshot::client {

class SharedSessions;

struct RecordingView {
    std::string instance{};
    std::string rule{};
    // "waiting", "starting", "recording", "paused", "failing_over", "ended", "failed"
    std::string state{};
    std::uint32_t copy = 0;           // of a call that several servers record at once
    std::string initiator{"client"};  // "client" or "server": who began it
    std::string server{};
    std::string rs_call_id{};
    std::string session_id{};
    std::optional<base::WallTime> started{};
    std::size_t streams = 0;
    bool is_mandatory = false;
    bool is_lost = false;  // it is not recorded although nobody wished for that
    std::string shared{};  // the recording session that it shares with other calls; empty: its own
    base::Reason reason{};
};

class Recording : public ServerLink {
public:
    struct Dependencies {  // borrowed
        sip::Agent& agent;
        relay::MediaPlane& plane;
        const io::Clock& clock;
        base::Random& random;
        RecordingIndex& index;
        EventOutlet& events;
        ServerPool& servers;
        SharedSessions* shared = nullptr;  // null: each has a session of its own
    };
    using Common = SessionCommon;

    Recording(Dependencies dependencies, CsRecord& cs, relay::CallKey call, std::uint32_t number,
              policy::RecordingPlan plan, Common common);
    ~Recording() override;

    // Before it begins: what the other leg sends is no part of it.
    void record_only(relay::Leg leg) { only_ = leg; }
    // Begins; once. What comes of it is told by when_settled().
    void start(base::Now now);
    // Instead of start(): the INVITE by which a server begins it; it is answered in any case.
    void start_by(base::Now now, sip::RequestArrived invite, std::string host);
    // Who wishes it: what an operator has paused no trigger resumes.
    enum class Who : std::uint8_t { Operator, Trigger };
    bool pause(base::Now now, std::string why = {}, Who who = Who::Operator);
    bool resume(base::Now now, std::string why = {}, Who who = Who::Operator);
    bool is_paused_by_operator() const { return is_paused_ && is_paused_by_operator_; }
    bool stop(base::Now now, base::Reason reason);
    base::Result<base::Done, base::Reason> send(base::Now now, sip::RequestSpec request);
    // The call has changed: the media plane is asked what there is to record, the server told.
    void refresh(base::Now now);
    // Who carries its media has seen that the server takes it no more.
    void on_media_lost(base::Now now, base::Reason reason);
    // The media plane has doubts about the server (MediaPlane::on_server_silent).
    void on_server_silent(base::Now now, base::Reason reason);
    // The server did not answer somebody else: does it answer here?
    void probe(base::Now now);
    // The call has ended; what is left is between us and the server.
    void end(base::Now now);

    void on_action(base::Now now, sip::Action& action) override;

    // It was told to stop, and its last metadata and BYE are under way.
    bool is_stopping() const { return was_stopped_ && !is_over_; }
    bool is_engaged() const;  // begun, and neither ended nor failed
    bool is_paused() const { return is_paused_; }
    relay::CallKey call() const override { return call_; }
    bool is_shared() const { return session_ != nullptr && own_session_ == nullptr; }
    std::string server() const override {
        return is_shared() ? session_->view().server : ServerLink::server();
    }
    bool is_running() const { return session_ != nullptr && session_->is_running(); }
    bool is_done() const;  // can be forgotten once the call has ended
    const policy::RecordingPlan& plan() const { return plan_; }
    // The host of the server that began it; empty: we did.
    const std::string& started_by() const { return started_by_; }
    RecordingView view() const;

    // Called when a server accepted (no reason), or when it is sure that none will.
    using Outcome = std::function<void(std::optional<base::Reason> failure)>;
    void when_settled(Outcome outcome);
    // Called when no server records, from the start or any more; not for an end that somebody
    // wished for.
    void when_lost(std::function<void(const base::Reason&)> lost) { lost_ = std::move(lost); }

    // ---- siprec::ClientSessionHost
    void apply_answer(std::string sdp) override;
    void pause_fork() override;
    void stop_fork() override;
    void lose_fork() override;
    void on_metadata_told() override;
    void on_event(const siprec::ClientEvent& event) override;

private:
    siprec::RecordingClientSession* session() const override { return own_session_; }
    void make_own_session(bool has_servers);
    std::string shared_name() const;
    std::chrono::milliseconds time_to_replay() const;
    bool owes_chats() const;
    bool leave_shared(const siprec::ClientEvent& told);
    relay::ChatLines chat_lines() const;
    void subscribe();
    void on_subscribed(base::Result<relay::Subscription, base::Reason> subscription);
    void deliver() override;
    void deliver(const siprec::ClientEvent& event);
    void fail(base::Reason reason);
    void settle(const std::optional<base::Reason>& failure);
    void tell_lost();
    void begin_session(base::Now now, siprec::CsState state);
    void refuse_server(const base::Reason& reason);
    RecordingEvent event(std::string kind, base::Reason reason) const;

    Dependencies d_;
    CsRecord& cs_;
    const relay::CallKey call_;
    const std::uint32_t number_;  // of its subscription at the media plane
    const policy::RecordingPlan plan_;
    const Common common_;
    std::unique_ptr<siprec::ClientSession> session_;         // its own, or its part of a shared one
    std::shared_ptr<const void> shared_by_;                  // that one's token
    siprec::RecordingClientSession* own_session_ = nullptr;  // it, in the first case
    relay::Subscription last_;
    std::optional<relay::Leg> only_;         // the leg that is recorded; none: both
    std::vector<siprec::ClientEvent> told_;  // by the session, which must not be called meanwhile
    std::vector<Outcome> waiting_;
    std::function<void(const base::Reason&)> lost_;
    std::optional<sip::RequestArrived> invite_;  // of the server, until the session answers it
    std::string started_by_;
    bool was_stopped_ = false;  // by an operator, a trigger or the end of the call
    bool has_call_ended_ = false;
    base::Reason failure_{};
    std::optional<base::Reason> media_fault_;  // of the last answer, until it is told
    bool is_forked_ = false;                   // an answer has been used
    std::uint64_t last_answer_ = 0;            // which one the media plane was told
    bool is_applying_ = false;                 // the media plane is being told one
    bool has_offered_ = false;                 // the session has had start()
    bool has_told_faults_ = false;             // of the settings
    bool was_begun_ = false;                   // start() was called
    bool is_paused_ = false;  // as the user wishes, also before the session is there
    bool is_paused_by_operator_ = false;
    bool is_over_ = false;  // ended or failed
};

}  // namespace earshot::client
