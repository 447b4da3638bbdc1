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
#include <utility>
#include <variant>
#include <vector>

#include "base/bounded_queue.h"
#include "base/log.h"
#include "base/random.h"
#include "base/uuid.h"
#include "capture/capture_options.h"
#include "capture/events.h"
#include "capture/journal_notices.h"
#include "capture/notification.h"
#include "capture/record_desk.h"
#include "capture/transport.h"
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
struct JoinStream {  // to the transport of another
    StreamSetup setup;
    StreamKey beside;
};
struct MoveStream {  // to a transport of its own
    StreamKey key;
    StreamFormat format;
    io::UdpPair sockets;
    std::int64_t opened_ns = 0;
};
struct MoveStreamBeside {  // to that of another
    StreamKey key;
    StreamFormat format;
    StreamKey beside;
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
using Command =
    std::variant<AddStream, JoinStream, MoveStream, MoveStreamBeside, UpdateStream, PauseStream,
                 ResumeStream, CloseStream, JournalEntry, RequestDurable, CloseRecording>;

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
    struct KeyHash {
        std::size_t operator()(const StreamKey& key) const {
            return base::UuidHash{}(key.recording) ^ key.stream;
        }
    };

    void on_command(Command& command);
    void on(AddStream& command);
    void on(JoinStream& command);
    void on(MoveStream& command);
    void on(MoveStreamBeside& command);
    void on(UpdateStream& command);
    void on(PauseStream& command);
    void on(ResumeStream& command);
    void on(CloseStream& command);
    void on(JournalEntry& command);
    void on(RequestDurable& command);
    void on(CloseRecording& command);
    void put_record(RecordRequest request);

    void obey_pauses();
    void obey_queued();
    void tick();
    void read_media();
    void take_turn(Transport& transport, bool is_paced_turn, bool is_rtcp_turn);
    void attend(Stream& stream, bool is_due, bool is_paced_turn, bool is_rtcp_turn);
    void drain(Transport& transport, SocketKind kind);
    void drain_all(Stream& stream, SocketKind kind);
    void after_look(Transport& transport);
    void on_datagram(io::MediaFlow& flow, SocketKind kind, const io::Datagram& datagram) override;
    void on_discarded(io::MediaFlow& flow, std::uint64_t count) override;
    // What is known of a datagram beside its bytes.
    struct Arrival {
        SocketKind kind;
        const base::NetAddress& source;
        std::int64_t ns;
        const MediaSecurity::Opened* early = nullptr;  // it was kept until there were keys
    };
    Verdict take(Transport& transport, const Arrival& arrival, std::span<std::uint8_t> packet);
    Verdict judge(Transport& transport, Stream& stream, const Arrival& arrival,
                  std::span<std::uint8_t> packet);
    bool open(Transport& transport, Stream& stream, const Arrival& arrival,
              std::span<std::uint8_t>& packet);
    Verdict deliver(Stream& stream, const Arrival& arrival, std::span<std::uint8_t> packet);
    Verdict sort(Transport& transport, const Arrival& arrival, std::span<std::uint8_t> packet);
    Verdict deliver_rtcp(Transport& transport, const Arrival& arrival,
                         std::span<std::uint8_t> packet);
    void tell_assigned(Transport& transport);
    void rekey(Transport& transport, const StreamFormat& format);
    // After a handshake audio is read as audio again.
    void settle_hurry(Transport& transport);
    // What STUN and DTLS want sent and told.
    void tend(Transport& transport);
    void take_early(Transport& transport);
    void give_up_early(Transport& transport);
    void tell_keying(Stream& stream, const MediaSecurity::KeyingEvent& event);
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
    void give_room_for_bursts(Transport& transport);
    void plan_report(Stream& stream, bool initial);

    Stream* find(const StreamKey& key);
    Stream& add(const StreamSetup& setup);
    void open_transport(Stream& stream, const StreamFormat& format, io::UdpPair sockets,
                        std::int64_t opened_ns);
    void join(Transport& transport, Stream& stream);
    void leave(Stream& stream, const StreamFormat& format);
    void part(Transport& transport, const Stream& stream);
    void part_from_former();
    void close(Transport& transport);
    void close(Stream& stream);
    void close_streams_of(const base::Uuid& recording);

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

    RecordDesk records_;
    std::uint64_t paced_ticks_;  // drain periods in ticks of bursty_drain
    std::uint64_t rtcp_ticks_;
    TransportTable transports_;
    base::Now now_;  // of the tick or command at hand
    std::uint64_t tick_ = 0;
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

    io::MediaReader* reader_ = nullptr;                          // of run()
    base::Bytes report_;                                         // reused for each packet of ours
    std::vector<std::uint16_t> told_by_rtcp_;                    // reused
    std::deque<std::pair<base::TimePoint, StreamKey>> leaving_;  // Stream::former_until, in order
    std::unordered_map<StreamKey, std::unique_ptr<Stream>, KeyHash> by_key_;
    std::deque<Notification> backlog_;  // vital ones that found the queue full
};

}  // namespace earshot::capture
