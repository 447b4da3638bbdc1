// What is known of the recording servers' health, and which of several is to be asked next. A
// server that has not answered, or said 503, is in quarantine for a while (its Retry-After, or
// 2 s, 4 s, ... 60 s): it is asked after all others, not never, since a quarantine is a guess. With
// an interval each configured server is asked by OPTIONS whether it lives, so that no call is the
// one that finds out. Without I/O; belongs to the signalling thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "client/recording_event.h"
#include "client/server_entry.h"
#include "sip/agent.h"

namespace earshot::client {

struct ServerView {
    std::string server{};  // without a password
    std::string state{};   // "unknown", "up", "down"
    bool is_configured = false;
    std::chrono::seconds quarantine{0};  // that is left
    std::size_t recordings = 0;          // that run there
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::uint64_t lost = 0;                 // recordings that it did not keep to their end
    std::optional<base::WallTime> heard{};  // its last answer to anything
    base::Reason reason{};                  // why it is down
};

class ServerPool {
public:
    struct Settings {
        std::vector<std::string> servers{};         // that are probed, without weights
        std::chrono::milliseconds interval{0};      // of probing; 0: never
        std::chrono::milliseconds patience{5'000};  // no answer by then: it does not live
    };
    struct Outlets {
        // OPTIONS to a URI; none: it could not be sent.
        std::function<sip::TransactionId(const std::string& uri)> ask{};
        // It has not answered OPTIONS, or was found dead by a recording: whoever has another one
        // there had better look.
        std::function<void(base::Now, const std::string& server)> on_silent{};
        std::function<void(RecordingEvent)> tell{};
    };

    // Borrows `random`, which draws by weight.
    ServerPool(base::Random& random, Outlets outlets);

    void configure(base::Now now, Settings settings);

    // The next of `candidates`, which is not empty: of those in no quarantine the first, or one
    // drawn by weight where any has one; else the one that leaves it first. Weight 0: only when no
    // other is left.
    std::string choose(base::Now now, const std::vector<ServerEntry>& candidates);

    // ---- what recordings have seen
    void on_accepted(base::Now now, const std::string& server);
    void on_refused(base::Now now, const std::string& server, int status,
                    const base::Reason& reason, std::optional<std::chrono::seconds> retry_after);
    // A recording there is over. `is_dead`: because the server does not live any more.
    void on_ended(base::Now now, const std::string& server, bool is_dead, bool is_lost,
                  const base::Reason& reason);
    // Where a server has answered from: it may also begin recordings.
    void learn(const base::NetAddress& address);
    bool knows_host(const base::NetAddress& address) const;

    // ---- from the agent and the clock
    bool take(base::Now now, const sip::Action& action);  // false: it is somebody else's
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;

    std::vector<ServerView> views(base::Now now) const;

private:
    struct Server {
        bool is_configured = false;
        bool answers_options = false;  // it has, once
        bool is_deaf = false;          // it has taken calls and no OPTIONS
        bool was_heard = false;
        std::uint32_t failures = 0;  // since it was heard last
        base::TimePoint until{};     // of the quarantine
        bool is_tried = false;       // by a call, although it is in quarantine
        std::optional<base::TimePoint> probe_at{};
        std::optional<base::TimePoint> probe_until{};
        ServerView view{};
    };

    Server* find_or_add(const std::string& uri);
    bool is_free(const Server* server, base::Now now) const;
    bool is_probed(const Server& server) const;
    const std::string& draw(const std::vector<const ServerEntry*>& entries);
    void on_heard(base::Now now, const std::string& uri, Server& server);
    void fail(base::Now now, const std::string& uri, Server& server, const base::Reason& reason,
              std::optional<std::chrono::seconds> retry_after);
    void on_silence(base::Now now, const std::string& uri, Server& server);
    void on_probe_answer(base::Now now, const std::string& uri, Server& server,
                         const sip::Message& response);
    void probe(base::Now now, const std::string& uri, Server& server);

    base::Random& random_;
    Outlets outlets_;
    Settings settings_;
    std::map<std::string, Server, std::less<>> servers_;             // by URI
    std::vector<std::pair<base::TimePoint, std::string>> suspects_;  // when on_silent is due
    std::map<std::uint64_t, std::string> probes_;  // transactions under way, and of whom
    std::set<base::NetAddress> hosts_;             // learned; port 0
};

}  // namespace earshot::client
