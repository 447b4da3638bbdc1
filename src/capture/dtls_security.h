// The protection of a stream whose keys are agreed on its own path: STUN (ICE-lite, RFC 8445) and
// DTLS (RFC 5764) arrive between the packets, and SRTP is opened with what they agreed. Pure but
// for what OpenSSL does; belongs to the capture worker's thread.
//
// RTP and RTCP have a path each; where RTCP shares the port there is one (RFC 5761).
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "base/rare_queue.h"
#include "capture/media_security.h"
#include "srtp/dtls_endpoint.h"
#include "stun/ice_lite.h"

namespace earshot::capture {

class DtlsSecurity final : public MediaSecurity {
public:
    explicit DtlsSecurity(const StreamFormat& format);  // with format.dtls

    Opened open(io::SocketKind socket, std::span<std::uint8_t> datagram,
                const base::NetAddress& source, std::int64_t arrival_ns) override;
    bool protect(rtp::PacketKind kind, base::Bytes& packet) override;
    void update(const StreamFormat& format, std::int64_t now_ns) override;
    void on_break() override;
    base::SrtpSuite suite() const override { return suite_; }

    bool on_control(io::SocketKind socket, base::ByteView datagram, const base::NetAddress& source,
                    bool is_allowed_host, base::TimePoint now) override;
    void on_time(base::TimePoint now) override;
    std::optional<Outgoing> poll_outgoing() override;
    std::optional<KeyingEvent> poll_event() override;
    std::optional<Early> poll_early() override;
    void give_up_early() override;
    std::optional<KeyingEvent> connection() const override;
    bool is_told_by_path() const override { return true; }
    // Of the path of RTP: RTCP can wait for its turn.
    bool is_in_a_hurry() const override {
        return !paths_[0].keys || (paths_[0].ice && !paths_[0].ice->is_nominated());
    }
    std::optional<Route> route(rtp::PacketKind kind, base::TimePoint now) const override;

private:
    struct Keys {
        explicit Keys(const srtp::DtlsKeys& keys) : receiver(keys.theirs), sender(keys.ours) {}
        srtp::Receiver receiver;
        srtp::Sender sender;
    };
    struct Path {
        std::optional<stun::IceLite> ice;
        std::unique_ptr<srtp::DtlsEndpoint> dtls;
        base::NetAddress signalled;        // of the peer, by the SDP
        base::NetAddress peer;             // who the handshake is with; port 0: nobody yet
        base::TimePoint not_before{};      // of the next handshake, after one that failed
        bool has_told_failure = false;     // of the present endpoint
        base::NetAddress told_selected{};  // by an event
        std::optional<Keys> keys;
        std::optional<srtp::Receiver> previous;  // of the association before
        std::int64_t previous_until_ns = 0;
        EarlyPackets early;
    };

    static DtlsKeying keying_of(const StreamFormat& format) { return *format.dtls; }
    Path& path_of(io::SocketKind socket);
    const Path& path_of(rtp::PacketKind kind) const;
    void begin(Path& path);
    static Opened open_with(srtp::Receiver& receiver, std::span<std::uint8_t> datagram);
    void drop_too_early(Path& path, std::int64_t now_ns);
    void settle_early(EarlyPacket packet, Opened opened);
    void on_stun(io::SocketKind socket, Path& path, base::ByteView datagram,
                 const base::NetAddress& source, base::TimePoint now);
    void on_dtls(io::SocketKind socket, Path& path, base::ByteView datagram,
                 const base::NetAddress& source, bool is_allowed_host, base::TimePoint now);
    // Whether anything was sent.
    bool settle(io::SocketKind socket, Path& path, base::TimePoint now);
    void tell(KeyingEvent event);

    DtlsKeying keying_;
    bool is_muxed_;
    std::array<Path, 2> paths_;  // by io::SocketKind
    base::SrtpSuite suite_ = base::SrtpSuite::AesCm128Sha1_80;
    base::RareQueue<Outgoing> outgoing_;
    base::RareQueue<KeyingEvent> events_;
    base::RareQueue<Early> early_;  // settled
    std::uint32_t events_told_ = 0;
};

}  // namespace earshot::capture
