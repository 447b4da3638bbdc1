// The thread side of CaptureWorker: has the sockets read by the clock, obeys commands, feeds the
// journal. Everything here belongs to the worker's thread, but CaptureLinks, which is how it meets
// the signalling thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/bounded_queue.h"
#include "base/log.h"
#include "base/random.h"
#include "base/uuid.h"
#include "capture/capture_options.h"
#include "capture/events.h"
#include "capture/journal_notices.h"
#include "capture/media_security.h"
#include "capture/notification.h"
#include "capture/stream_receiver.h"
#include "io/clock.h"
#include "io/media_ports.h"
#include "io/media_reader.h"
#include "journal/writer.h"

namespace earshot::capture {

struct AddStream {
    StreamSetup setup;
    io::UdpPair sockets;
    std::int64_t opened_ns = 0;  // what came before is not this stream's
};
struct UpdateStream {
    StreamKey key;
    StreamFormat format;
};
struct PauseStream {
    StreamKey key;
    std::int64_t at_ns = 0;
};
struct ResumeStream {
    StreamKey key;
    std::int64_t at_ns = 0;
};
struct CloseStream {
    StreamKey key;
};
struct RequestDurable {
    std::uint64_t token = 0;
};
struct CloseRecording {
    base::Uuid recording;
};
using Command = std::variant<AddStream, UpdateStream, PauseStream, ResumeStream, CloseStream,
                             JournalEntry, RequestDurable, CloseRecording>;

// All that two threads touch.
struct CaptureLinks {
    base::BoundedQueue<Command> commands{kMaxQueuedCommands};
    base::BoundedQueue<Notification> notifications{kMaxQueuedNotifications};
    std::atomic<bool> snapshot_waiting{false};  // one StatsSnapshot at a time is enough
    std::atomic<std::size_t> open_streams{0};
    // PauseStream commands that have not been obeyed: they come before the next look at a socket.
    std::atomic<std::size_t> waiting_pauses{0};
    std::atomic<std::uint64_t> dropped_notifications{0};
    std::atomic<std::uint64_t> kernel_drops{0};    // packets, since the start
    std::atomic<std::size_t> dropping_streams{0};  // lost packets that way in the last second
    std::atomic<std::uint32_t> busy_percent{0};    // of the thread's time, of late
};

class CaptureLoop final : private io::MediaReader::Sink {
public:
    CaptureLoop(const CaptureOptions& options, CaptureLinks& links, io::MediaPorts& ports,
                journal::Writer& writer, JournalNotices& notices, const io::Clock& clock,
                base::Random& random, base::Log& log);

    // Until the command queue is closed and empty; then drains, closes and commits everything.
    void run(io::MediaReader& reader, const std::function<void()>& wake);

private:
    struct Stream : io::MediaFlow {
        Stream(const StreamSetup& setup, io::UdpPair pair, std::uint32_t ssrc)
            : io::MediaFlow(std::move(pair)), key(setup.key), receiver(setup, ssrc) {
            security = MediaSecurity::make(setup.format);
            has_bursts = setup.media == MediaClass::Bursty;
            is_bursty = has_bursts || (security && security->is_in_a_hurry());
        }

        StreamKey key;
        StreamReceiver receiver;
        bool has_bursts = false;                  // its media; `is_bursty`: how it is read now
        std::unique_ptr<MediaSecurity> security;  // null: media in the clear
        journal::RecordingHandle recording;
        base::TimePoint next_report;
        base::TimePoint next_keep_alive;
        StorageGap gap;                // packets == 0: none
        std::uint64_t seen_drops = 0;  // at the last look, as `seen_lost`
        std::uint64_t seen_lost = 0;
        bool told_probe = false;
        std::uint32_t key_frame_events = 0;
    };
    // A stream, and in which ticks it has its turns: looked at for all of them at each tick, so it
    // lies apart from the rest of the stream.
    struct Seat {
        std::unique_ptr<Stream> stream;
        bool is_bursty = false;
        std::uint32_t paced_tick = 0;  // of paced_ticks_
        std::uint32_t rtcp_tick = 0;   // of rtcp_ticks_
    };
    struct KeyHash {
        std::size_t operator()(const StreamKey& key) const {
            return base::UuidHash{}(key.recording) ^ key.stream;
        }
    };

    void on_command(Command& command);
    void on(AddStream& command);
    void on(UpdateStream& command);
    void on(PauseStream& command);
    void on(ResumeStream& command);
    void on(CloseStream& command);
    void on(JournalEntry& command);
    void on(RequestDurable& command);
    void on(CloseRecording& command);
    bool try_now(Command& command);  // JournalEntry, RequestDurable: false when there is no room
    void postpone(Command command);
    void retry_postponed();

    void obey_pauses();
    void obey_queued();
    void tick();
    void read_media();
    void take_turn(Stream& stream, bool is_paced_turn, bool is_rtcp_turn);
    void drain(Stream& stream, SocketKind kind);
    void after_look(Stream& stream);
    void on_datagram(io::MediaFlow& flow, SocketKind kind, const io::Datagram& datagram) override;
    void on_discarded(io::MediaFlow& flow, std::uint64_t count) override;
    Verdict judge(Stream& stream, SocketKind kind, const io::Datagram& datagram,
                  std::int64_t arrival_ns, std::span<std::uint8_t>& packet);
    Verdict judge_protected(Stream& stream, SocketKind kind, const io::Datagram& datagram,
                            std::int64_t arrival_ns, std::span<std::uint8_t>& packet);
    Verdict judge_opened(Stream& stream, SocketKind kind, const base::NetAddress& source,
                         std::int64_t arrival_ns, const MediaSecurity::Opened& opened,
                         std::span<std::uint8_t>& packet);
    void store_judged(Stream& stream, Verdict verdict, const base::NetAddress& source,
                      std::int64_t arrival_ns, std::span<std::uint8_t> packet);
    void take_early(Stream& stream);
    void give_up_early(Stream& stream);
    void rekey(Stream& stream, const StreamFormat& format);
    static bool is_read_while_paused(const Stream& stream) {
        return stream.receiver.uses_rtcp_mux() ||
               (stream.security && stream.security->is_told_by_path());
    }
    // After a handshake audio is read as audio again.
    void settle_hurry(Stream& stream);
    // What STUN and DTLS want sent and told.
    void tend(Stream& stream);
    std::optional<base::NetAddress> route(const Stream& stream, rtp::PacketKind kind,
                                          std::optional<base::NetAddress> by_sdp) const;
    void send_rtp(Stream& stream, const base::NetAddress& destination);
    void after_input(Stream& stream);
    void on_event(Stream& stream, const ReceiverEvent& event);
    void store_packet(Stream& stream, journal::RecordType type, const base::NetAddress& source,
                      std::int64_t arrival_ns, base::ByteView bytes);
    bool store_event(const Stream& stream, std::int64_t arrival_ns, const std::string& json);
    void store_gap(Stream& stream);
    void send_report(Stream& stream);
    void ask_sender(Stream& stream);
    void send_rtcp(Stream& stream);
    void send_probe(Stream& stream);
    void send_keep_alive(Stream& stream);
    void give_room_for_bursts(Stream& stream);
    void plan_report(Stream& stream, bool initial);

    Stream* find(const StreamKey& key);
    void close(Stream& stream);
    void close_streams_of(const base::Uuid& recording);
    journal::RecordingHandle open_recording(const base::Uuid& recording);
    void close_recording(const base::Uuid& recording);

    void tell(Notification notification, bool vital);
    void push_backlog();
    void measure_load();
    std::size_t count_dropping();
    void tell_stats();
    void commit();
    void shut_down();

    const CaptureOptions options_;
    CaptureLinks& links_;
    io::MediaPorts& ports_;
    journal::Writer& writer_;
    JournalNotices& notices_;
    const io::Clock& clock_;
    base::Random& random_;
    base::Log& log_;

    std::uint64_t paced_ticks_;  // drain periods in ticks of bursty_drain
    std::uint64_t rtcp_ticks_;
    base::Now now_;  // of the tick or command at hand
    std::uint64_t tick_ = 0;
    std::uint32_t next_phase_ = 0;
    base::TimePoint next_commit_;
    base::TimePoint next_stats_;
    bool commit_soon_ = false;
    bool wake_soon_ = false;
    bool told_small_buffer_ = false;
    bool told_small_video_buffer_ = false;
    std::chrono::nanoseconds waited_{};  // for commands, since measured_at_
    base::TimePoint measured_at_{};
    std::uint64_t told_kernel_drops_ = 0;
    std::uint64_t closed_kernel_drops_ = 0;

    io::MediaReader* reader_ = nullptr;  // of run()
    base::Bytes report_;                 // reused for each packet of ours
    std::vector<Seat> seats_;
    std::unordered_map<StreamKey, Stream*, KeyHash> by_key_;
    std::unordered_map<base::Uuid, journal::RecordingHandle, base::UuidHash> recordings_;
    std::deque<Command> postponed_;  // JournalEntry, RequestDurable, CloseRecording, in order
    std::size_t postponed_bytes_ = 0;
    bool told_postponed_full_ = false;
    std::deque<Notification> backlog_;  // vital ones that found the queue full
};

}  // namespace earshot::capture
