// One recording session (RS) that several calls share, each as a communication session of its own
// (RFC 7866 section 10, RFC 8068 sections 3.4 and 3.5): while any of them runs, or persistently, so
// that no call waits for a session to be set up. With `mix` all voices are in one stream. A call's
// Recording sees its part as if it were a session of its own (siprec::ClientSession). Belongs to
// the signalling thread.
//
//   Recording --Part--+
//   Recording --Part--+--> SharedSession --> Rs (ServerLink + siprec::RecordingClientSession)
//   Recording --Part--+         |            the next Rs, when that one is over
//                               +--> relay::MixDesk
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "client/joint_state.h"
#include "client/recording_event.h"
#include "client/server_link.h"
#include "policy/call_rule.h"
#include "relay/mix_desk.h"
#include "siprec/recording_client_session.h"

namespace earshot::client {

struct SharedView {
    std::string name{};
    std::string instance{};
    std::string rule{};
    std::string kind{};   // "shared", "persistent"
    std::string state{};  // "starting", "recording", "failing_over", "waiting" (for a server)
    std::string server{};
    std::string rs_call_id{};
    std::optional<base::WallTime> started{};
    std::vector<std::string> session_ids{};  // of the CSs that are in it
    std::size_t streams = 0;                 // m-lines that the server takes now
    bool is_mixed = false;
    std::uint64_t mixed_packets = 0;  // sent
    std::uint64_t voices = 0;
    std::uint64_t late = 0;         // packets that came too late for the mix
    std::uint64_t passed_over = 0;  // packets that are no speech, and so are not in it
    base::Reason reason{};          // why the last RS ended
};

class SharedSession {
public:
    struct Surroundings {  // borrowed
        ServerLink::Surroundings link;
        base::Random& random;
        EventOutlet& events;
        relay::MixDesk* desk = nullptr;  // null: nothing can be mixed
        std::string host{};              // as servers are told it
        // Whether another copy of it has that server.
        std::function<bool(const std::string& server)> is_taken{};
    };
    SharedSession(Surroundings surroundings, policy::RecordingPlan plan, SessionCommon common,
                  std::string name);
    SharedSession(const SharedSession&) = delete;
    SharedSession& operator=(const SharedSession&) = delete;
    ~SharedSession();

    // Once. With `begins` without a call, else with the first. Error: the settings, or no port.
    std::optional<base::Reason> open(base::Now now, bool begins);
    // A call's part. `deliver` is called, never out of a verb of the part, when `host` has been
    // told events. `owes`: whether the server still lacks what was said in its chats; a call that
    // has ended stays so long.
    std::unique_ptr<siprec::ClientSession> add(siprec::ClientSessionHost& host,
                                               std::function<void()> deliver,
                                               std::function<bool()> owes = {});
    bool has_room() const;
    // It stands also without a call from now on, or does so no longer.
    void set_standing(base::Now now);
    void set_transient(base::Now now);
    bool is_transient() const { return !is_persistent_; }
    void end(base::Now now, base::Reason reason);
    bool is_ending() const { return is_ending_; }
    bool is_over() const;  // may be forgotten

    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    // That server did not answer somebody else.
    void probe(base::Now now, const std::string& server);
    std::string server() const;
    const policy::RecordingPlan& plan() const { return plan_; }
    std::shared_ptr<const void> token() const { return token_; }
    SharedView view() const;

private:
    class Rs;
    class Part;
    struct Member;

    void change(base::Now now);
    std::optional<base::Reason> begin(base::Now now);
    void retire(base::Now now, base::Reason reason);
    void renew(base::Now now);
    siprec::CsState joint();
    std::vector<JointPart> parts() const;
    JointPart own_part() const { return {.member = 0, .state = &own_, .is_paused = false}; }
    void make_own_line();
    // ---- of the Rs
    void on_answer(const std::string& sdp);
    void on_fork_lost();
    void on_fork_stopped();
    void on_event(const Rs& from, const siprec::ClientEvent& told);
    void on_over(base::Now now, const siprec::ClientEvent& told);
    void hand_out();
    // ---- of the parts
    void start(base::Now now, Member& member, siprec::CsState state, bool is_paused);
    void set_state(base::Now now, Member& member, siprec::CsState state);
    void set_paused(base::Now now, Member& member, bool is_paused);
    void stop(base::Now now, Member& member, base::Reason reason, std::chrono::milliseconds hold);
    void leave(base::Now now, Member& member, base::Reason reason);
    void leave_due(base::Now now);
    void remove(std::uint32_t id);
    void distribute(Member& member);
    void fail(Member& member, const base::Reason& reason);
    void push(Member& member, siprec::ClientEvent::Kind kind, const base::Reason& reason,
              bool is_last = false);
    siprec::ClientSessionView view_of(const Member& member) const;
    // ---- the mix
    void send_mix();
    void set_voices(Member& member);
    void end_voices(Member& member);
    void tell(std::string kind, const siprec::ClientEvent& told);

    Surroundings s_;
    const policy::RecordingPlan plan_;
    const SessionCommon common_;
    const std::string name_;
    // What calls share in it knows it by this, for as long as it is there.
    const std::shared_ptr<const void> token_ = std::make_shared<int>();
    bool is_persistent_;
    JointLines lines_;
    JointMetadata metadata_;
    siprec::CsState own_;  // the RS's own m-line: the mix, or one that stays when no call runs
    std::optional<siprec::MediaStream> mix_stream_;
    std::optional<relay::MixDesk::Opened> mix_;
    std::map<std::uint32_t, std::unique_ptr<Member>> members_;
    std::uint32_t last_member_ = 0;
    std::vector<siprec::MetadataId> left_;  // CSs that go on without us, until that is told
    std::unique_ptr<Rs> rs_;
    std::vector<std::unique_ptr<Rs>> over_;  // whose last requests come to their end
    std::optional<base::TimePoint> wake_at_;
    std::optional<base::TimePoint> retry_at_;
    std::chrono::milliseconds retry_delay_{};
    std::optional<base::TimePoint> began_;  // the present RS was accepted
    base::Reason last_reason_;
    bool is_stale_ = false;  // a call has dropped out: the server is to know
    bool is_ending_ = false;
};

}  // namespace earshot::client
