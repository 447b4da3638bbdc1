// The thread in which all phones of a run speak and listen. Each phone of each call has sockets of
// its own, as real ones do, so that what is between them sees as many peers. As with MediaSender,
// time is cut into 20 slots of 1 ms that come round every 20 ms; a phone speaks in the slot of its
// number and empties its sockets every fifth time: when a packet came the kernel tells.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/bounded_queue.h"
#include "base/random.h"
#include "base/time.h"
#include "io/udp_socket.h"
#include "loadgen/delay_histogram.h"
#include "loadgen/phone_receiver.h"
#include "loadgen/phone_sdp.h"
#include "loadgen/recorded_stream.h"
#include "loadgen/rtp_stream.h"

namespace earshot::loadgen {

// One phone's end of one call: twice the call's number, plus one for the callee.
using LegId = std::uint32_t;

struct LegMedia {
    std::uint64_t sent = 0;  // RTP packets
    HeardMedia heard;
    std::uint64_t recorded = 0;  // RTP packets to a recording server, both streams
};

class PhoneMedia {
public:
    struct LegSetup {
        io::UdpPair sockets;
        RtpStream::Start start;
        const Voice* voice = nullptr;  // borrowed
        PhoneReceiver::Settings hears{};
    };

    // Of a phone that records itself: what it says, and what it hears.
    struct RecordingSetup {
        std::array<io::UdpPair, kParties> sockets;
        std::array<RecordedStream::Start, kParties> starts;
    };

    // `on_closed` is called on the media thread with the figures of a leg that was closed.
    PhoneMedia(base::Random& random, std::function<void(LegId, LegMedia)> on_closed);
    PhoneMedia(const PhoneMedia&) = delete;
    PhoneMedia& operator=(const PhoneMedia&) = delete;
    ~PhoneMedia();  // ends the thread; open legs are cut off

    // All: false when too many commands wait, which ends the run.
    bool open(LegId leg, LegSetup setup);
    bool set_plan(LegId leg, const PhonePlan& plan);  // the first one lets it speak
    bool play_digits(LegId leg, std::string digits);  // RFC 4733, by the plan's payload type
    bool fall_silent(LegId leg);                      // RTCP BYE, then it only listens
    bool close(LegId leg);
    bool open_recording(LegId leg, RecordingSetup setup);
    bool set_recording(LegId leg, const MediaPlan& plan);
    bool stop_recording(LegId leg);  // RTCP BYE, then nothing more

    // Any thread.
    std::uint64_t packets_sent() const { return sent_.load(std::memory_order_relaxed); }
    // After the last on_closed().
    const DelayHistogram& delays() const { return delays_; }

private:
    static constexpr std::size_t kSlots = 20;

    struct Recording {
        explicit Recording(RecordingSetup setup);

        std::array<io::UdpPair, kParties> sockets;
        std::array<RecordedStream, kParties> streams;
        MediaPlan plan{};
    };
    struct Leg {
        Leg(LegId leg, LegSetup setup);

        LegId id;
        io::UdpPair sockets;
        RtpStream stream;
        PhoneReceiver receiver;
        PhonePlan plan;
        bool may_speak = false;
        bool has_keyed_payload = false;
        std::uint64_t turn = 0;         // of 20 ms, since it was opened
        std::uint64_t next_report = 0;  // the turn of the next sender report
        std::string digits;             // not yet played
        std::size_t digit_turn = 0;     // within the first of them
        std::unique_ptr<Recording> recording{};
    };
    struct Command {
        enum class What : std::uint8_t {
            Open,
            Plan,
            Digits,
            Silence,
            Close,
            Record,
            RecordPlan,
            RecordEnd
        };
        What what = What::Open;
        LegId leg = 0;
        std::unique_ptr<Leg> opened{};
        PhonePlan plan{};
        std::string digits{};
        std::unique_ptr<Recording> recording{};
        MediaPlan recording_plan{};
    };

    bool push(Command command) { return commands_.try_push(std::move(command)); }
    void run();
    void obey(Command& command);
    void serve(std::size_t slot);
    void speak(Leg& leg);
    void play_digit(Leg& leg);
    void send_rtp(Leg& leg, base::ByteView packet);
    void listen(Leg& leg);
    // `party`: 0 what the phone says, 1 what it hears.
    static void record(Leg& leg, std::size_t party, const rtp::RtpHeader& header,
                       base::ByteView packet, std::int64_t at_ns);
    static void report(Leg& leg);
    static void end_recording(Recording& recording);
    void silence(Leg& leg);
    void close(Leg& leg);
    std::uint64_t current_tick() const;
    base::TimePoint next_due(std::uint64_t from_tick) const;

    std::function<void(LegId, LegMedia)> on_closed_;
    std::unordered_map<LegId, std::unique_ptr<Leg>> legs_;
    std::array<std::vector<Leg*>, kSlots> slots_;
    io::DatagramBatch batch_;
    base::Bytes scratch_;
    DelayHistogram delays_;
    std::atomic<std::uint64_t> sent_{0};
    base::SeededRandom jitter_;
    base::TimePoint epoch_;
    base::BoundedQueue<Command> commands_;
    std::thread thread_;  // last: it uses all others
};

}  // namespace earshot::loadgen
