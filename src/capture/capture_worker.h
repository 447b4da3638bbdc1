// One thread of the media plane: it owns the media sockets of its share of the calls and the
// journal writer of that share. Sockets are emptied on a timer (performance: 200 ms for paced
// media, 20 ms for video, 1 s for RTCP), each datagram goes through a StreamReceiver, and what it
// accepts is appended to the journal. CaptureEngine has N of them.
//
// All public functions belong to the signalling thread (one thread), but start() and stop(), which
// belong to whoever owns the object, before the first and after the last of the others.
// Commands take effect in the order given, records and streams alike. What cannot wait (a pause, a
// new format, a question for durability) wakes the worker; the rest it finds at its next tick, at
// most bursty_drain later: a wake for each of the records of a call would cost more than they do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/uuid.h"
#include "capture/capture_loop.h"
#include "capture/capture_options.h"
#include "capture/journal_notices.h"
#include "capture/notification.h"
#include "capture/stream.h"
#include "io/clock.h"
#include "io/media_ports.h"
#include "io/media_reader.h"
#include "journal/writer.h"

namespace earshot::capture {

class CaptureWorker {
public:
    // All references must outlive the worker. `random` is used by the worker's thread from start()
    // on, `writer` between start() and stop(). `notices` is the Listener of the same journal.
    CaptureWorker(const CaptureOptions& options, io::MediaPorts& ports, journal::Writer& writer,
                  JournalNotices& notices, const io::Clock& clock, base::Random& random,
                  base::Log& log);
    CaptureWorker(const CaptureWorker&) = delete;
    CaptureWorker& operator=(const CaptureWorker&) = delete;
    ~CaptureWorker();  // stop()

    // `wake` is called on the worker's thread after notifications were queued (post to your loop
    // and poll there until there are none); it must not block. May be empty. Give JournalNotices
    // the same function before its committer starts.
    // `reader`: how the sockets are read; none given: by an io::DrainReader.
    void start(std::function<void()> wake, const std::string& thread_name = "capture",
               std::unique_ptr<io::MediaReader> reader = nullptr);

    // Drains every socket once more, closes every recording that is still open, commits, waits (at
    // most stop_patience) until the journal says that all is durable, and ends the thread. Stop the
    // committer after this. What was sealed can still be polled afterwards.
    void stop();
    void request_stop();  // begins that, without waiting; no other call is taken after it

    // --- streams -----------------------------------------------------------------------------

    // Takes a pair of ports that is open, or opens one: on return the kernel takes packets in, so
    // the 200 may leave. Reasons: no_media_ports, media_socket (with errno's
    // text), overloaded (the command queue is full).
    base::Result<Ports, base::Reason> open_stream(const StreamSetup& setup);

    // Onto the transport of another stream of the recording: BUNDLE (RFC 9143). All of them have
    // the same address, keys and rtcp_mux in their format.
    bool join_stream(const StreamSetup& setup, std::uint16_t beside);
    // A new SDP is in force by which the stream has a transport of its own (as open_stream()), or
    // that of another. What is under way to the old one is taken for kOldTransportGrace.
    base::Result<Ports, base::Reason> move_stream(const StreamKey& key, bool ipv6,
                                                  StreamFormat format);
    bool move_stream_beside(const StreamKey& key, std::uint16_t beside, StreamFormat format);

    // A new SDP is in force. When the remote address moved, the next source needs no silence of
    // the old one.
    bool update_stream(const StreamKey& key, StreamFormat format);
    // RTP that arrived at `at` or later, by the kernel's stamp, is discarded unread and counted;
    // what arrived before is kept. RTCP goes on.
    bool pause_stream(const StreamKey& key, base::WallTime at);
    bool resume_stream(const StreamKey& key, base::WallTime at);
    // Drains the sockets once more (packets before the BYE count), then closes them; the ports
    // rest.
    bool close_stream(const StreamKey& key);

    // --- records -----------------------------------------------------------------------------

    // False: the command queue is full; nothing was taken. This is overload: answer 503. The same
    // holds for all functions here that return bool. The first entry or stream of a recording opens
    // it in the journal.
    bool append(JournalEntry entry);
    // Durable{token} follows when everything given before this call is durable; commits at once.
    // It does not come while the disk fails: ask Journal::health().
    bool request_durable(std::uint64_t token);
    // Closes what streams it still has; RecordingSealed follows once all is durable. What is
    // appended afterwards opens the recording once more, as a further piece.
    bool close_recording(const base::Uuid& recording);

    // --- upward ------------------------------------------------------------------------------

    std::optional<Notification> poll_notification();

    struct Load {
        std::size_t open_streams = 0;
        std::size_t queued_commands = 0;
        std::uint64_t dropped_notifications = 0;
        std::uint64_t kernel_drops = 0;
        std::size_t dropping_streams = 0;
        std::uint32_t busy_percent = 0;
    };
    Load load() const;
    io::ReaderCounters reader_counters() const;  // after start()

private:
    base::Result<Ports, base::Reason> push_with_ports(
        bool ipv6, const std::function<Command(io::UdpPair, std::int64_t)>& make);
    bool push(Command command);
    bool push_quietly(Command command);

    JournalNotices& notices_;
    const io::Clock& clock_;
    io::MediaPorts& ports_;
    CaptureLinks links_;
    CaptureLoop loop_;
    std::unique_ptr<io::MediaReader> reader_;
    std::jthread thread_;
    // Final numbers of closed streams, until their recording is sealed.
    std::unordered_map<base::Uuid, std::vector<StreamStats>, base::UuidHash> closed_streams_;
};

}  // namespace earshot::capture
