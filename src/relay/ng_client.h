// The commanding side of RTPEngine's NG protocol towards several instances: cookies,
// retransmission, and which instances are alive. Without I/O: datagrams go to a ControlLink, and
// come by on_datagram(). What a command means, and to which instance it goes, is the user's.
//
// A command is sent again until it is answered or given up (limits.h); RTPEngine answers the same
// cookie twice from its memory, so none is carried out twice. Commands in flight at the same time
// may be carried out in any order: who needs one before the other waits for its answer.
//
// An instance is usable until something is known against it: a command that was never answered, an
// ICMP refusal, an answer that is none. It is again with its next good answer. One that is silent
// or unusable is pinged.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "relay/control_link.h"
#include "relay/ng_message.h"

namespace earshot::relay {

struct NgInstance {
    bool is_usable = true;
    std::string fault{};  // why not; a sentence
    std::uint64_t answers = 0;
    std::uint64_t resent = 0;                 // datagrams that were sent again
    std::uint64_t given_up = 0;               // commands without an answer
    std::uint64_t refused = 0;                // commands that it answered with an error
    std::uint64_t nonsense = 0;               // datagrams that are no answer
    std::uint64_t late = 0;                   // answers twice, or to what had been given up
    std::chrono::microseconds round_trip{0};  // of its last answer to what was sent once
};

class NgClient : public ControlUser {
public:
    // The whole answer where its "result" is "ok" or "pong". Reasons: media_server_silent,
    // media_server_unreachable (ICMP), media_server_nonsense, media_server_overloaded (also by
    // kMaxNgPending of ours), media_server_unknown_call ("Unknown call-id"), and for other errors
    // media_server_refused; the text has what the instance said.
    // It may run before send() returns, and may call send().
    using Answer = base::Result<NgDictionary, base::Reason>;
    using Done = std::function<void(base::TimePoint now, Answer answer)>;

    // `names` of the instances are for texts; `link` and `random` must outlive it.
    NgClient(std::vector<std::string> names, ControlLink& link, base::Random& random);

    void send(base::TimePoint now, std::size_t instance, const NgDictionary& dictionary, Done done);
    // Called when an instance has become unusable or usable; after the results that come of it.
    void when_changed(std::function<void(base::TimePoint, std::size_t instance)> changed) {
        changed_ = std::move(changed);
    }

    std::size_t size() const { return instances_.size(); }
    const NgInstance& instance(std::size_t number) const { return instances_[number].view; }
    const std::string& name(std::size_t number) const { return instances_[number].name; }
    std::size_t pending(std::size_t number) const { return instances_[number].pending; }

    void on_datagram(base::TimePoint now, std::size_t number, base::ByteView datagram) override;
    void on_refused(base::TimePoint now, std::size_t instance) override;
    void on_time(base::TimePoint now) override;
    std::optional<base::TimePoint> deadline() const override;

private:
    struct Instance {
        std::string name;
        NgInstance view{};
        std::size_t pending = 0;
        base::TimePoint next_ping{};
        bool is_pinging = false;
    };
    struct Command {
        std::size_t instance = 0;
        base::Bytes datagram;
        std::string name;
        Done done;
        base::TimePoint sent{};
        base::TimePoint due{};
        int sends = 0;
    };
    std::optional<std::uint64_t> number_of(std::string_view cookie) const;
    void transmit(base::TimePoint now, std::uint64_t number, Command& command);
    void finish(base::TimePoint now, std::uint64_t number, Answer answer);
    // Finishes one command after it is known whether the instance is usable, tells that afterwards.
    void conclude(base::TimePoint now, std::uint64_t number, Answer answer, std::string fault);
    bool set_usable(std::size_t instance, std::string fault);  // true: that has changed
    base::Reason reason(const Command& command, std::string code, std::string_view what) const;
    Answer judge(const Command& command, NgDictionary answer);
    void ping(base::TimePoint now, std::size_t instance);

    ControlLink& link_;
    const std::string cookie_prefix_;  // of this run: an instance may remember those before
    std::vector<Instance> instances_;
    std::unordered_map<std::uint64_t, Command> commands_;  // that are not answered
    std::set<std::pair<base::TimePoint, std::uint64_t>> due_;
    std::uint64_t last_number_ = 0;
    std::function<void(base::TimePoint, std::size_t)> changed_;
};

}  // namespace earshot::relay
