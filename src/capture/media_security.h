// What stands between a stream's sockets and its StreamReceiver where its media is protected (SRTP,
// RFC 3711): takes the protection off what comes, and puts it onto what we send. A stream in the
// clear has none. Pure; belongs to the capture worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/time.h"
#include "capture/early_packets.h"
#include "capture/limits.h"
#include "capture/stream.h"
#include "io/udp_socket.h"
#include "rtp/demux.h"
#include "srtp/fault.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::capture {

class MediaSecurity {
public:
    struct Opened {
        std::size_t size = 0;                // of the plain packet, at the beginning of the bytes
        std::optional<Rejection> rejection;  // there is none: to be counted
        bool is_kept = false;                // until there are keys: see poll_early()
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

    // ---- of keys that are agreed on the media path (STUN, DTLS: dtls_security.h) ----
    struct Outgoing {
        io::SocketKind socket = io::SocketKind::Rtp;
        base::NetAddress to;
        base::Bytes bytes;
    };
    struct KeyingEvent {
        // ShakesHands: told where ICE has shown who it is; for nobody but the filter of sources.
        enum class Kind : std::uint8_t { Connected, Failed, IceSelected, ShakesHands };
        Kind kind = Kind::Connected;
        io::SocketKind socket = io::SocketKind::Rtp;
        base::NetAddress source;
        std::string_view reason{};     // Failed: a fixed word
        base::SrtpSuite suite{};       // Connected
        bool is_one_too_many = false;  // past kMaxKeyingEvents: not for the journal
    };
    // Where our packets go; empty: nowhere now.
    struct Route {
        std::optional<base::NetAddress> to;
    };

    // A datagram that is no RTP (RFC 7983). False: it means nothing here.
    virtual bool on_control(io::SocketKind /*socket*/, base::ByteView /*datagram*/,
                            const base::NetAddress& /*source*/, bool /*is_allowed_host*/,
                            base::TimePoint /*now*/) {
        return false;
    }
    virtual void on_time(base::TimePoint /*now*/) {}
    virtual std::optional<Outgoing> poll_outgoing() { return std::nullopt; }
    virtual std::optional<KeyingEvent> poll_event() { return std::nullopt; }
    // The association that is there now, as the event told it; nothing: none.
    virtual std::optional<KeyingEvent> connection() const { return std::nullopt; }
    // Whether its sockets have to be read while the stream is paused, too.
    virtual bool is_told_by_path() const { return false; }
    // What open() has kept, in the order in which it came: the bytes are opened in place. To be
    // fetched after open(), on_control(), on_time() and give_up_early().
    struct Early {
        EarlyPacket packet;
        Opened opened;
    };
    virtual std::optional<Early> poll_early() { return std::nullopt; }
    // Nothing is kept any longer: the stream pauses or ends, or is keyed in another way.
    virtual void give_up_early() {}
    // A handshake is due or under way, and must not wait for the turn of a paced stream.
    virtual bool is_in_a_hurry() const { return false; }
    // Nothing: the addresses of the SDP count.
    virtual std::optional<Route> route(rtp::PacketKind /*kind*/, base::TimePoint /*now*/) const {
        return std::nullopt;
    }

    // The stream says when packets stop being authentic for longer than chance and when they are
    // again: a wrong key, a downgrade, an attack. Once each time.
    enum class Turn : std::uint8_t { None, Failing, Restored };
    Turn count(const Opened& opened);

protected:
    static Rejection to_rejection(srtp::Fault fault);

private:
    std::uint32_t failures_in_row_ = 0;
};

}  // namespace earshot::capture
