// One thread of the relay: it owns the sockets of its share of the calls and passes their packets
// on. What signalling wants comes as commands, obeyed in their order between two turns.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/bounded_queue.h"
#include "io/clock.h"
#include "io/media_ports.h"
#include "relay/counters.h"
#include "relay/negotiation.h"
#include "relay/packet_flow.h"
#include "relay/packet_io.h"
#include "relay/packet_ring.h"
#include "relay/replay.h"

namespace earshot::relay {

// Lines and forks have numbers that are unique in the process.
struct OpenLine {
    std::uint64_t line = 0;
    CallKey call;
    std::array<io::UdpPair, 2> pairs;  // that face A and B
    std::shared_ptr<LineCounters> counters;
};
struct SetRemotes {
    std::uint64_t line = 0;
    std::array<Remote, 2> legs;
    bool has_rtcp_mux = false;
    bool is_secure = false;
    friend bool operator==(const SetRemotes&, const SetRemotes&) = default;
};
// How the copies of what the leg sends are protected.
struct SetProtection {
    std::uint64_t line = 0;
    Leg from = Leg::A;
    std::optional<ForkKeys> keys;  // empty: they go out as they come
};
struct CloseLine {  // with its forks
    std::uint64_t line = 0;
};
// What `to` hears beside its peer, from now on; null: nothing.
struct SetSound {
    std::uint64_t line = 0;
    Leg to = Leg::A;
    std::unique_ptr<SoundMixer> mixer;
};
struct SetSoundFormats {
    std::uint64_t line = 0;
    Leg to = Leg::A;
    SoundFormats formats;
};
struct OpenFork {
    std::uint64_t fork = 0;
    std::uint64_t line = 0;
    Leg from = Leg::A;
    io::UdpPair pair;
    std::shared_ptr<ForkCounters> counters;
    CallKey call;
    std::uint32_t subscription = 0;
    std::chrono::milliseconds keep{};  // SubscribeOptions
    bool is_paused = false;
};
struct SetFork {
    std::uint64_t fork = 0;
    base::NetAddress rtp;  // unspecified: nothing leaves
    base::NetAddress rtcp;
    Stop why = Stop::Wanted;  // then
};
struct CloseFork {
    std::uint64_t fork = 0;
};
using Command = std::variant<OpenLine, SetRemotes, SetProtection, CloseLine, SetSound,
                             SetSoundFormats, OpenFork, SetFork, CloseFork>;

// A server seems dead to one of its streams.
struct SilentFork {
    CallKey call;
    std::uint32_t subscription = 0;
    std::uint64_t fork = 0;
    Silence why = Silence::None;
};

class RelayWorker final : private PacketIo::Sink {
public:
    using SilentForkTold = std::function<void(const SilentFork&)>;

    struct Options {
        bool keeps_ports_ready = false;  // opens the ports of calls to come, for all workers
        std::size_t ring_blocks = 0;     // that it may have
        SilentForkTold on_silent;        // on its thread
    };
    // `keys` gets what is pressed; it must outlive the worker.
    RelayWorker(std::unique_ptr<PacketIo> io, io::MediaPorts& ports, const io::Clock& clock,
                Options options, KeyQueue& keys);
    RelayWorker(const RelayWorker&) = delete;
    RelayWorker& operator=(const RelayWorker&) = delete;
    ~RelayWorker() override;  // stop()

    // False: the engine cannot be used on its thread.
    bool start(const std::string& thread_name);
    void stop();

    // --- signalling's ------------------------------------------------------------------------

    bool has_room() const { return commands_.size() < kMaxQueuedCommands / 2; }
    // False: the queue is full, which has_room() told long before.
    bool give(Command command);
    const char* engine() const { return io_->name(); }
    // How often a socket could not be waited for; it is tried again every 200 ms.
    std::uint64_t unread() const { return unread_.load(std::memory_order_relaxed); }

private:
    std::chrono::milliseconds patience() const;
    void run();
    base::TimePoint on_turn(bool is_woken) override;
    void on_packet(Port& port, std::span<std::uint8_t> bytes,
                   const base::NetAddress& source) override {
        forwarder_.on_packet(port, bytes, source);
    }
    void on_unsent(Port& port, int error) override { forwarder_.on_unsent(port, error); }
    void on_end() override;
    void look_after_forks(base::TimePoint now);
    void obey(Command& command);
    void on(OpenLine& command);
    void on(SetRemotes& command);
    void on(SetProtection& command);
    void on(CloseLine& command);
    void on(SetSound& command);
    void on(SetSoundFormats& command);
    void on(OpenFork& command);
    void on(SetFork& command);
    void on(CloseFork& command);
    void set_keys(LineFlow& line, const SetRemotes& command);
    void read_from(Port& port);
    void try_again();
    void connect_forks();
    void replay(ForkFlow& fork, std::optional<std::int64_t> since_ns);
    void fill_sounds();
    void close(ForkFlow& fork);
    void release(std::array<Port, 2>& ports);

    std::unique_ptr<PacketIo> io_;
    io::MediaPorts& ports_;
    const io::Clock& clock_;
    const Options options_;
    KeyQueue& keys_;
    PacketForwarder forwarder_;
    Replayer replayer_;
    RingBlocks ring_blocks_;
    base::BoundedQueue<Command> commands_{kMaxQueuedCommands};
    std::unordered_map<std::uint64_t, std::unique_ptr<LineFlow>> lines_;
    std::unordered_map<std::uint64_t, std::unique_ptr<ForkFlow>> forks_;
    // Of calls that have ended, while what they owe their servers goes out.
    std::unordered_map<std::uint64_t, std::unique_ptr<ForkFlow>> leaving_;
    // CloseLine: those of this turn, and those whose sockets this turn reads a last time.
    std::vector<Command> just_taken_;
    std::vector<Command> read_out_;
    base::TimePoint refilled_{};
    base::TimePoint looked_{};  // after the forks
    base::TimePoint tried_again_{};
    bool has_unconnected_ = false;  // a fork that wants to send and found no route
    bool has_unread_ = false;       // a port that is to be read and could not be added
    std::atomic<std::uint64_t> unread_{0};
    std::unordered_set<std::uint64_t> sounding_;  // lines with a sound
    base::TimePoint filled_{};
    std::jthread thread_;
};

}  // namespace earshot::relay
