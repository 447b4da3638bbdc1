// The capture thread and its sockets in simulated time: what capture::CaptureLoop does with the
// same StreamReceiver, and the checks that each packet is stored once, in one recording, and none
// of a pause.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/uuid.h"
#include "capture/stream_receiver.h"
#include "io/port_allocator.h"
#include "world.h"

namespace earshot::simulation {

struct StoredPacket {
    std::uint16_t stream = 0;
    std::int64_t arrival_ns = 0;
    base::NetAddress source;
    base::Bytes bytes;
};
// What lies in the journal of one recording.
struct Recording {
    std::vector<StoredPacket> packets;
    std::uint64_t rtcp_packets = 0;
    std::uint64_t rejected = 0;
    bool is_closed = false;
};

class Capture {
public:
    // Borrows the world. Pairs of ports from [low, high].
    Capture(World& world, const base::NetAddress& host, std::uint16_t low, std::uint16_t high);

    // ---- the signalling thread's side
    std::optional<std::uint16_t> open(const capture::StreamSetup& setup);
    void update(const capture::StreamKey& key, capture::StreamFormat format);
    void pause(const capture::StreamKey& key);
    void resume(const capture::StreamKey& key);
    void close(const capture::StreamKey& key);
    void close_recording(const base::Uuid& recording);

    // ---- the network's side
    void on_datagram(const Datagram& datagram);

    // The system's clock may not step between a command and its execution: then nobody could say
    // what came before it.
    bool is_waiting() const { return !commands_.empty(); }
    std::size_t open_streams() const { return streams_.size(); }
    std::size_t pairs_in_use() const { return ports_.in_use(); }
    std::vector<base::NetAddress> open_addresses() const;
    const std::map<base::Uuid, Recording>& recordings() const { return recordings_; }

private:
    struct Arrived {
        std::int64_t stamp_ns = 0;
        Datagram datagram;
    };
    struct Stream {
        Stream(const capture::StreamSetup& setup, std::uint16_t rtp_port)
            : port(rtp_port), receiver(setup, 1), is_pause_wanted(setup.paused) {}

        std::uint16_t port;
        capture::StreamReceiver receiver;
        std::vector<Arrived> rtp;  // in the sockets' buffers
        std::vector<Arrived> rtcp;
        bool is_pause_wanted;  // from the command on, not only when it is obeyed
        std::uint64_t delivered = 0;
        std::map<std::int64_t, bool> arrivals;  // not stored so far, by stamp: was it in a pause?
    };

    // Obeyed a moment later, as the capture thread does; in order.
    void command(std::function<void()> work);
    void command(const capture::StreamKey& key, std::function<void(Stream&)> work);
    void obey();
    void tick(const capture::StreamKey& key);
    void drain(const capture::StreamKey& key, Stream& stream);
    void drain(const capture::StreamKey& key, Stream& stream, capture::SocketKind kind);
    void take_released(const capture::StreamKey& key, Stream& stream);
    void store(const capture::StreamKey& key, Stream& stream, const base::NetAddress& source,
               base::ByteView bytes, std::int64_t stamp_ns);
    void finish(const capture::StreamKey& key, Stream& stream);

    World& world_;
    base::NetAddress host_;
    io::PortAllocator ports_;
    std::map<capture::StreamKey, std::unique_ptr<Stream>> streams_;
    std::map<std::uint16_t, Stream*> by_port_;
    std::map<base::Uuid, Recording> recordings_;
    std::deque<std::function<void()>> commands_;
};

}  // namespace earshot::simulation
