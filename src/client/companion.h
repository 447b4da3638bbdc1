// Companion mode: recordings of calls that are not ours. They live in an RTPEngine beside a proxy
// (Kamailio, OpenSIPS), which says when one is to be recorded and who takes part; what the parties
// send comes by a subscription to that RTPEngine. The recording session is that of any other call.
// Belongs to the signalling thread.
#pragma once

#include <chrono>
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

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "client/client_config.h"
#include "client/recording.h"
#include "client/server_pool.h"
#include "relay/rtpengine_tap.h"

namespace earshot::client {

// What is to be recorded. `from` is who called, whose tag at the RTPEngine is from_tag.
struct CompanionWish {
    std::string call_id{};
    std::string from_tag{};
    std::string to_tag{};
    policy::CallFacts::Party from{};
    policy::CallFacts::Party to{};
    std::string session_ids{};           // RFC 7989: "LOCAL;remote=REMOTE"; empty: not known
    std::string instance{};              // whose settings; empty: the default ones
    std::vector<std::string> servers{};  // instead of those of the settings
    policy::HeaderList headers{};        // of the first request, beside theirs
    std::string group{};                 // instead of theirs
    std::string rtpengine{};             // HOST:PORT of its control socket; empty: all are asked
    std::chrono::seconds longest{0};     // 0: companion.longest_s
    bool waits = false;                  // until a server has accepted, or none did
};

struct CompanionView {
    std::string id{};
    std::string call_id{};
    std::string from{};  // URI
    std::string to{};
    std::string rtpengine{};
    base::WallTime begun{};
    RecordingView recording{};
};

enum class CompanionVerb : std::uint8_t {
    Pause,
    Resume,
    Stop,  // the recording ends, the call goes on
    End,   // the call has ended
    Look,  // has the call changed? (a re-INVITE of it)
};

class Companion {
public:
    struct Dependencies {  // borrowed
        sip::Agent& agent;
        relay::RtpengineTap& tap;
        const io::Clock& clock;
        base::Random& random;
        RecordingIndex& index;
        EventOutlet& events;
        ServerPool& servers;
        std::function<std::optional<sip::Flow>(std::string_view socket)> find_socket;
    };

    Companion(const ClientConfig& config, const base::Uuid& installation,
              Dependencies dependencies);
    Companion(const Companion&) = delete;
    Companion& operator=(const Companion&) = delete;
    ~Companion();

    // The recording's id; that of the one there is, where this call is being recorded for this
    // instance already. Reasons: "bad_request", "too_many_recordings", "not_ready" (no RTPEngine
    // answers), "unknown_call" (none has it), with `waits` "recording_failed".
    using StartDone = std::function<void(base::Result<std::string, base::Reason>)>;
    void start(base::Now now, CompanionWish wish, StartDone done);
    // `which`: an id, or a Call-ID, then all recordings of that call. Reasons: "unknown_recording".
    std::optional<base::Reason> control(base::Now now, CompanionVerb verb, std::string_view which,
                                        const std::string& why);
    void end_all(base::Now now, const base::Reason& why);

    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    // Forgets recordings that are over; while nothing of them is running.
    void tidy();

    std::vector<CompanionView> views() const;
    bool is_idle() const { return calls_.empty(); }
    void configure(const ClientConfig& config) { config_ = config; }

private:
    struct TappedCall;
    base::Result<policy::RecordingPlan, base::Reason> plan(const CompanionWish& wish,
                                                           const policy::CallFacts& facts) const;
    void begin(base::Now now, TappedCall& call);
    void end(base::Now now, TappedCall& call, const base::Reason& why);
    bool set_over(TappedCall& call);
    void on_gone(relay::CallKey call, const base::Reason& why);
    TappedCall* find(std::uint64_t key) const;

    ClientConfig config_;
    const base::Uuid installation_;
    Dependencies d_;
    std::map<std::uint64_t, std::unique_ptr<TappedCall>> calls_;  // by key
    std::vector<std::uint64_t> over_;                             // of them, those that end
    std::set<std::pair<base::TimePoint, std::uint64_t>> ends_;    // when they have lasted too long
    std::uint64_t last_key_;
};

}  // namespace earshot::client
