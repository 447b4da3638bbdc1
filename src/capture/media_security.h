// What stands between a stream's sockets and its StreamReceiver where its media is protected (SRTP,
// RFC 3711): takes the protection off what comes, and puts it onto what we send. A stream in the
// clear has none. Pure; belongs to the capture worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/net_address.h"
#include "capture/limits.h"
#include "capture/stream.h"
#include "io/udp_socket.h"
#include "rtp/demux.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::capture {

class MediaSecurity {
public:
    struct Opened {
        std::size_t size = 0;                // of the plain packet, at the beginning of the bytes
        std::optional<Rejection> rejection;  // there is none: to be counted
    };
    // As keyed by the format; null: in the clear.
    static std::unique_ptr<MediaSecurity> make(const StreamFormat& format);

    MediaSecurity() = default;
    MediaSecurity(const MediaSecurity&) = delete;
    MediaSecurity& operator=(const MediaSecurity&) = delete;
    virtual ~MediaSecurity() = default;

    // A datagram that StreamReceiver::may_accept() let through; in place.
    virtual Opened open(io::SocketKind socket, std::span<std::uint8_t> datagram,
                        const base::NetAddress& source, std::int64_t arrival_ns) = 0;
    // Of ours, before it is sent. False: it may not be sent.
    virtual bool protect(rtp::PacketKind kind, base::Bytes& packet) = 0;

    // The SDP changed; the format is keyed in the same way. What is under way under the old keys is
    // taken for kOldKeyGrace.
    virtual void update(const StreamFormat& format, std::int64_t now_ns) = 0;
    // Packets came that were not read (a pause): the rollover counter is to be found anew.
    virtual void on_break() = 0;

    virtual base::SrtpSuite suite() const = 0;

    // The stream says when packets stop being authentic for longer than chance and when they are
    // again: a wrong key, a downgrade, an attack. Once each time.
    enum class Turn : std::uint8_t { None, Failing, Restored };
    Turn count(const Opened& opened);

private:
    std::uint32_t failures_in_row_ = 0;
};

}  // namespace earshot::capture
