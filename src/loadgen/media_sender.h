// The thread that speaks in all calls. Time is cut into 20 slots of one millisecond that come round
// every 20 ms; call n speaks in slot n mod 20, so that the load is even, and the calls of one slot
// share their sockets, so that their packets leave in one system call. Deadlines are absolute:
// after a stall all that is due is sent, and the average never drifts.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/time.h"
#include "loadgen/media_plan.h"
#include "loadgen/media_socket.h"
#include "loadgen/rtp_stream.h"
#include "loadgen/stream_protection.h"

namespace earshot::loadgen {

inline constexpr std::size_t kSlots = 20;

class MediaSender {
public:
    struct Settings {
        std::size_t calls = 1;
        std::uint64_t packets_per_call = 500;  // of each stream; pauses count as if sent
        bool has_keyed_payload = false;
        std::string host;                          // of the CNAMEs
        const srtp::DtlsIdentity* dtls = nullptr;  // for plans that want it; borrowed
    };
    struct Callbacks {
        // All packets of a call have gone out; not for calls that were stopped.
        std::function<void(std::uint32_t call)> on_finished;
        // The handshake of one of its lines has failed, by DtlsFault's word: the call does not
        // begin.
        std::function<void(std::uint32_t call, std::string_view fault)> on_no_keys;
    };

    // One group of sockets: those of party a and of party b. Groups are used by slot.
    using SocketGroup = std::array<MediaSocketPair, kParties>;

    // Borrows the voices. The callbacks are called on the sender's thread. `sockets` has
    // min(calls, kSlots).
    MediaSender(Settings settings, std::vector<SocketGroup> sockets,
                const std::array<Voice, kParties>& voices, base::Random& random,
                Callbacks callbacks);
    MediaSender(const MediaSender&) = delete;
    MediaSender& operator=(const MediaSender&) = delete;
    ~MediaSender();  // ends the thread; running calls are cut off

    const base::NetAddress& rtp_address(std::uint32_t call, std::size_t party) const;

    // The first plan starts the call's clock; a later one changes addresses, formats or pauses.
    // False when too many commands wait.
    bool set_plan(std::uint32_t call, const MediaPlan& plan);
    // RTCP BYE, then nothing more. A call that has finished is left alone.
    bool stop_call(std::uint32_t call);

    // Any thread.
    std::uint64_t packets_sent(std::uint32_t call, std::size_t party) const;
    std::uint64_t packets_sent() const { return total_.load(std::memory_order_relaxed); }

private:
    struct Command {
        std::uint32_t call = 0;
        bool is_stop = false;
        MediaPlan plan;
    };
    // One call as the thread sees it.
    struct Call {
        explicit Call(std::array<RtpStream, kParties> both) : streams(std::move(both)) {}
        std::array<RtpStream, kParties> streams;
        std::array<StreamProtection, kParties> protection;
        MediaPlan plan;
        std::uint64_t position = 0;
        std::uint64_t next_report = 0;
        bool is_running = false;  // speaks, or would if it were not paused
        bool is_by_dtls = false;
        bool has_ended = false;
    };

    void run();
    void obey(const Command& command);
    void speak(std::size_t slot);
    // What DTLS wants in a slot: its sockets are read, its calls looked after.
    void shake_hands(std::size_t slot);
    void tend(std::uint32_t index, Call& call);
    void begin_if_keyed(std::uint32_t index, Call& call);
    void send_rtcp(std::uint32_t index, Call& call, std::size_t party, base::ByteView report);
    void report(std::uint32_t index, Call& call);
    void end_call(std::uint32_t index, Call& call);
    std::uint64_t current_tick() const;
    base::TimePoint next_due(std::uint64_t from_tick) const;

    Settings settings_;
    std::vector<SocketGroup> sockets_;
    const Callbacks callbacks_;
    std::vector<Call> calls_;
    std::array<std::vector<std::uint32_t>, kSlots> running_;  // by slot, in the order of start
    std::array<std::vector<std::uint32_t>, kSlots>
        keyed_by_dtls_;  // the same, from their answer on
    std::array<std::vector<OutgoingDatagram>, kParties> batch_;
    base::Bytes received_;
    std::vector<std::uint32_t> finished_;
    std::vector<std::atomic<std::uint64_t>> sent_;  // by call and party
    std::atomic<std::uint64_t> total_{0};
    base::SeededRandom jitter_;
    base::TimePoint epoch_;
    base::BoundedQueue<Command> commands_;
    std::thread thread_;  // last: it uses all others
};

}  // namespace earshot::loadgen
