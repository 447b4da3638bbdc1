// The recording sessions that calls share, by their names: the rules say which calls share one, and
// which stand without a call. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "client/shared_session.h"

namespace earshot::client {

class SharedSessions {
public:
    struct Dependencies {  // borrowed
        ServerLink::Surroundings link;
        base::Random& random;
        EventOutlet& events;
        relay::MixDesk* desk = nullptr;
        std::string host{};
    };
    explicit SharedSessions(Dependencies dependencies) : d_(std::move(dependencies)) {}
    SharedSessions(const SharedSessions&) = delete;
    SharedSessions& operator=(const SharedSessions&) = delete;

    struct Standing {
        policy::RecordingPlan plan{};
        SessionCommon common{};
    };
    // Those that are to stand without a call, from now on. Others end with their last call, but
    // for those of the rules in `open_rules`, whose names come with their calls.
    void stand(base::Now now, const std::vector<Standing>& wanted,
               const std::vector<std::string>& open_rules);
    // A call's part of the session of its plan, which is begun where there is none. Reasons: those
    // of the settings, "too_many_sessions".
    struct Joined {
        std::unique_ptr<siprec::ClientSession> part{};
        std::shared_ptr<const void> token{};  // of the session, while it is there
    };
    base::Result<Joined, base::Reason> join(base::Now now, const policy::RecordingPlan& plan,
                                            const SessionCommon& common,
                                            siprec::ClientSessionHost& host,
                                            std::function<void()> deliver,
                                            std::function<bool()> owes = {});
    void end_all(base::Now now, const base::Reason& reason);

    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    void probe(base::Now now, const std::string& server);
    // Forgets what is over; while nothing of it is running.
    void tidy();
    bool is_idle() const { return sessions_.empty(); }
    std::vector<SharedView> views() const;

private:
    SharedSession* find(const std::string& key) const;
    base::Result<SharedSession*, base::Reason> make(base::Now now, const std::string& key,
                                                    const policy::RecordingPlan& plan,
                                                    const SessionCommon& common, bool begins);

    struct Entry {
        std::string key;
        std::unique_ptr<SharedSession> session;
    };
    Dependencies d_;
    std::vector<Entry> sessions_;
    bool is_ending_ = false;
};

}  // namespace earshot::client
