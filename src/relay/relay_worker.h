// One thread of the relay: it owns the sockets of its share of the calls and passes their packets
// on. What signalling wants comes as commands, obeyed in their order between two turns.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/bounded_queue.h"
#include "io/clock.h"
#include "io/media_ports.h"
#include "relay/counters.h"
#include "relay/negotiation.h"
#include "relay/packet_flow.h"
#include "relay/packet_io.h"

namespace earshot::relay {

// Lines and forks have numbers that are unique in the process.
struct OpenLine {
    std::uint64_t line = 0;
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
struct CloseLine {  // with its forks
    std::uint64_t line = 0;
};
struct OpenFork {
    std::uint64_t fork = 0;
    std::uint64_t line = 0;
    Leg from = Leg::A;
    io::UdpPair pair;
    std::shared_ptr<ForkCounters> counters;
};
struct SetFork {
    std::uint64_t fork = 0;
    base::NetAddress rtp;  // unspecified: nothing leaves
    base::NetAddress rtcp;
};
struct CloseFork {
    std::uint64_t fork = 0;
};
using Command = std::variant<OpenLine, SetRemotes, CloseLine, OpenFork, SetFork, CloseFork>;

class RelayWorker final : private PacketIo::Sink {
public:
    // `keeps_ports_ready`: this worker opens the ports of calls to come, for all workers.
    RelayWorker(std::unique_ptr<PacketIo> io, io::MediaPorts& ports, const io::Clock& clock,
                bool keeps_ports_ready);
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

private:
    void run();
    base::TimePoint on_turn(bool is_woken) override;
    void on_packet(Port& port, std::span<std::uint8_t> bytes,
                   const base::NetAddress& source) override {
        forwarder_.on_packet(port, bytes, source);
    }
    void on_unsent(Port& port) override { PacketForwarder::on_unsent(port); }
    void obey(Command& command);
    void on(OpenLine& command);
    void on(SetRemotes& command);
    void on(CloseLine& command);
    void on(OpenFork& command);
    void on(SetFork& command);
    void on(CloseFork& command);
    void close(ForkFlow& fork);
    void release(std::array<Port, 2>& ports);

    std::unique_ptr<PacketIo> io_;
    io::MediaPorts& ports_;
    const io::Clock& clock_;
    const bool keeps_ports_ready_;
    PacketForwarder forwarder_;
    base::BoundedQueue<Command> commands_{kMaxQueuedCommands};
    std::unordered_map<std::uint64_t, std::unique_ptr<LineFlow>> lines_;
    std::unordered_map<std::uint64_t, std::unique_ptr<ForkFlow>> forks_;
    // CloseLine: those of this turn, and those whose sockets this turn reads a last time.
    std::vector<Command> just_taken_;
    std::vector<Command> read_out_;
    base::TimePoint refilled_{};
    std::jthread thread_;
};

}  // namespace earshot::relay
