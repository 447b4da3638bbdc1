// The media plane in this process: sockets of its own, N worker threads that pass packets on and
// copy them to subscribers. This side of it is signalling's: what is negotiated, which ports are
// whose, which commands follow from that. All callbacks run before the verb returns.
#pragma once

#include <array>
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
#include "io/clock.h"
#include "io/media_ports.h"
#include "relay/engine.h"
#include "relay/fork_protection.h"
#include "relay/key_reader.h"
#include "relay/media_plane.h"
#include "relay/negotiation.h"
#include "relay/relay_worker.h"
#include "relay/sdp_rewrite.h"
#include "relay/sdp_told.h"
#include "relay/subscription_state.h"

namespace earshot::relay {

struct RelayOptions {
    base::NetAddress bind_host;                       // port ignored
    std::optional<base::NetAddress> other_bind_host;  // of the other IP family, if there is one
    // What peers are told instead (NAT with forwarded ports), by family; else where we are bound.
    std::optional<base::NetAddress> advertised_v4;
    std::optional<base::NetAddress> advertised_v6;
    std::uint16_t first_port = 20000;
    std::uint16_t last_port = 29999;
    std::size_t max_port_pairs = 65'536 / 2;  // what there are descriptors for
    int receive_buffer_bytes = 0;             // of RTP sockets; 0: the system's default
    std::size_t workers = 1;                  // calls are spread over them
    Engine engine = Engine::Fastest;
    // Has work done on the signalling thread, whoever asks; without it nobody is told of servers
    // that are silent. What is not done when the relay ends must not be done later.
    std::function<void(std::function<void()>)> post{};
    // Called on a worker's thread when keys wait for take_keys(); empty: nobody takes them.
    std::function<void()> wake_for_keys{};
};

class BuiltInRelay : public MediaPlane {
public:
    // `clock` and `random` must outlive it; `random` is used on the signalling thread alone.
    // Reasons: no_descriptors, and io_uring_unavailable where that was asked for by name.
    static base::Result<std::unique_ptr<BuiltInRelay>, base::Reason> create(
        const RelayOptions& options, const io::Clock& clock, base::Random& random);
    ~BuiltInRelay() override;

    void offer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void answer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void rollback(CallKey call, Leg offerer) override;
    void remove(CallKey call) override;
    void subscribe(CallKey call, std::uint32_t subscription, const SubscribeOptions& options,
                   SubscriptionDone done) override;
    void answer_subscription(CallKey call, std::uint32_t subscription, std::string_view sdp,
                             PlaneDone done) override;
    void stop_subscription(CallKey call, std::uint32_t subscription, Stop why) override;
    void unsubscribe(CallKey call, std::uint32_t subscription) override;
    void on_server_silent(ServerSilent told) override { server_silent_ = std::move(told); }
    base::Result<base::Done, base::Reason> play(CallKey call, Leg to, SoundPtr sound) override;
    base::Result<CallMedia, base::Reason> query(CallKey call) const override;

    // The keys that parties have pressed by RTP (RFC 4733) since the last time, in their order; of
    // running calls alone.
    using KeyTold = std::function<void(CallKey call, Leg from, char digit)>;
    void take_keys(const KeyTold& told);
    std::uint64_t lost_keys() const { return keys_.lost(); }
    std::uint64_t unread() const;  // of all workers: see RelayWorker

    std::size_t calls() const { return calls_.size(); }
    // For others of this process that need media ports, and what is told as their host.
    io::MediaPorts& media_ports() { return ports_; }
    const base::NetAddress& told_host() const {
        return address(!options_.bind_host.is_v4(), false);
    }
    // What who is told of an address in that family is told.
    const base::NetAddress& told_host(bool is_ipv6, bool is_inside) const {
        return address(is_ipv6, is_inside);
    }
    io::MediaPorts::Counters ports() const { return ports_.counters(clock_.now().steady); }
    std::string_view engine() const { return workers_.front()->engine(); }  // "sockets", "io_uring"

private:
    // An m-line that has sockets.
    struct OpenedLine {
        std::uint64_t id = 0;
        std::string media;
        std::array<SdpEdit::Line, 2> facing;  // our ports, by the leg that they face
        std::shared_ptr<LineCounters> counters;
        base::TimePoint opened{};
        std::optional<SetRemotes> told;  // to the worker
        struct Sounding {
            SoundPtr sound;
            SoundFormats formats;
        };
        std::array<std::optional<ForkKeys>, 2> fork_keys{};  // as told to the worker, by the sender
        std::array<Sounding, 2> sounding{};  // as told to the worker, by the leg that hears it
    };
    // What we are towards one leg.
    struct Facing {
        explicit Facing(std::uint64_t session_id) : sdp(session_id) {}
        SdpTold sdp;
        std::optional<bool> is_ipv6;  // set with the first line
    };
    struct Call {
        Call(CallKey its_key, RelayWorker& its_worker, std::uint64_t a, std::uint64_t b)
            : key(its_key), worker(its_worker), facing{Facing(a), Facing(b)} {}
        const CallKey key;
        RelayWorker& worker;
        Negotiation negotiation;
        std::array<Facing, 2> facing;
        std::map<std::size_t, OpenedLine> lines;
        std::map<std::uint32_t, SubscriptionState> subscriptions;
        std::array<SoundPtr, 2> sounds{};  // by the leg that hears them
    };

    BuiltInRelay(const RelayOptions& options, const io::Clock& clock, base::Random& random);

    RelayWorker& worker_of(CallKey call);
    Call* find(CallKey call);
    const Call* find(CallKey call) const;
    const base::NetAddress& address(bool is_ipv6, bool is_inside = false) const;
    bool is_ipv6(Call& call, Leg facing, const sdp::SessionDescription& told);

    void close_ended_lines(Call& call);
    std::optional<base::Reason> open_lines(Call& call, Leg from, const sdp::SessionDescription& sdp,
                                           std::vector<std::size_t>& opened);
    base::Result<OpenLine, base::Reason> open_line(CallKey call, bool faces_a_ipv6,
                                                   bool faces_b_ipv6);
    void close_line(Call& call, std::size_t line);
    std::string tell(Call& call, Leg to, const LegDescription& from, bool is_inside);
    void tell_worker(Call& call);
    void tell_protection(Call& call);
    static void forget_fork_keys(Call& call);
    void tell_sounds(Call& call);
    static SoundFormats formats_for(const Call& call, Leg to, std::size_t line);
    static std::vector<LiveLine> live_lines(const Call& call);
    std::optional<base::Reason> open_forks(CallKey key, Call& call, std::uint32_t id,
                                           SubscriptionState& subscription);
    static void set_forks(Call& call, const std::vector<ForkTarget>& targets,
                          Stop why = Stop::Wanted);
    void on_silent_fork(const SilentFork& fork);
    static LineMedia view(const Call& call, std::size_t line, const OpenedLine& opened,
                          base::TimePoint now);

    const RelayOptions options_;
    const io::Clock& clock_;
    base::Random& random_;
    io::MediaPorts ports_;
    KeyQueue keys_;
    std::vector<std::unique_ptr<RelayWorker>> workers_;
    std::unordered_map<std::uint64_t, Call> calls_;
    std::uint64_t last_id_ = 0;  // of lines and forks
    ServerSilent server_silent_;
};

}  // namespace earshot::relay
