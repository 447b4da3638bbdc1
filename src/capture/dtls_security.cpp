#include "capture/dtls_security.h"

#include <utility>

namespace earshot::capture {

namespace {

constexpr std::array<io::SocketKind, 2> kSockets{io::SocketKind::Rtp, io::SocketKind::Rtcp};

}  // namespace

DtlsSecurity::DtlsSecurity(const StreamFormat& format)
    : keying_(keying_of(format)), is_muxed_(format.rtcp_mux) {
    paths_[0].signalled = format.remote_rtp;
    paths_[1].signalled = format.remote_rtcp;
    for (Path& path : paths_) {
        if (keying_.ice)
            path.ice.emplace(stun::IceCredentials{keying_.ice->ufrag, keying_.ice->password},
                             keying_.ice->peer_ufrag);
        begin(path);
    }
}

void DtlsSecurity::begin(Path& path) {
    path.peer = {};
    path.has_told_failure = false;
    path.dtls = std::make_unique<srtp::DtlsEndpoint>(
        *keying_.identity, keying_.are_we_active ? srtp::DtlsRole::Client : srtp::DtlsRole::Server,
        keying_.peer);
}

DtlsSecurity::Path& DtlsSecurity::path_of(io::SocketKind socket) {
    return paths_[is_muxed_ || socket == io::SocketKind::Rtp ? 0U : 1U];
}

const DtlsSecurity::Path& DtlsSecurity::path_of(rtp::PacketKind kind) const {
    return paths_[is_muxed_ || kind != rtp::PacketKind::Rtcp ? 0U : 1U];
}

MediaSecurity::Opened DtlsSecurity::open(io::SocketKind socket, std::span<std::uint8_t> datagram,
                                         const base::NetAddress& source, std::int64_t arrival_ns) {
    Path& path = path_of(socket);
    if (path.previous && arrival_ns >= path.previous_until_ns) path.previous.reset();
    if (path.previous)
        if (const Opened opened = open_with(*path.previous, datagram); !opened.rejection)
            return opened;
    if (path.keys) return open_with(path.keys->receiver, datagram);
    path.early.keep({.socket = socket,
                     .source = source,
                     .arrival_ns = arrival_ns,
                     .bytes = base::Bytes(datagram.begin(), datagram.end())});
    drop_too_early(path, arrival_ns);
    return {.size = 0, .rejection = {}, .is_kept = true};
}

MediaSecurity::Opened DtlsSecurity::open_with(srtp::Receiver& receiver,
                                              std::span<std::uint8_t> datagram) {
    const bool is_rtcp = rtp::classify(datagram) == rtp::PacketKind::Rtcp;
    const srtp::Outcome outcome =
        is_rtcp ? receiver.unprotect_rtcp(datagram) : receiver.unprotect_rtp(datagram);
    if (outcome) return {.size = *outcome, .rejection = {}};
    return {.size = 0, .rejection = to_rejection(outcome.error())};
}

void DtlsSecurity::drop_too_early(Path& path, std::int64_t now_ns) {
    const std::int64_t from_ns = now_ns - std::chrono::nanoseconds(kMaxEarlyAge).count();
    while (auto packet = path.early.take_too_many(from_ns))
        settle_early(std::move(*packet), {.size = 0, .rejection = Rejection::Authentication});
}

void DtlsSecurity::settle_early(EarlyPacket packet, Opened opened) {
    early_.push_back({.packet = std::move(packet), .opened = opened});
}

std::optional<MediaSecurity::Early> DtlsSecurity::poll_early() {
    if (early_.empty()) return std::nullopt;
    return early_.take_front();
}

void DtlsSecurity::give_up_early() {
    for (Path& path : paths_)
        while (auto packet = path.early.take_oldest())
            settle_early(std::move(*packet), {.size = 0, .rejection = Rejection::Authentication});
}

bool DtlsSecurity::protect(rtp::PacketKind kind, base::Bytes& packet) {
    Path& path = paths_[is_muxed_ || kind != rtp::PacketKind::Rtcp ? 0U : 1U];
    if (!path.keys) return false;
    srtp::Sender& sender = path.keys->sender;
    const std::size_t size = packet.size();
    const bool is_rtcp = kind == rtp::PacketKind::Rtcp;
    packet.resize(size + (is_rtcp ? sender.rtcp_overhead() : sender.rtp_overhead()));
    return (is_rtcp ? sender.protect_rtcp(packet, size) : sender.protect_rtp(packet, size))
        .has_value();
}

// RFC 8842 section 3: another fingerprint, tls-id or role wants a new association; an ICE restart
// alone does not (section 6).
void DtlsSecurity::update(const StreamFormat& format, std::int64_t now_ns) {
    const DtlsKeying keying = keying_of(format);
    const bool is_new_association =
        keying.peer != keying_.peer || keying.tls_id != keying_.tls_id ||
        keying.are_we_active != keying_.are_we_active || format.rtcp_mux != is_muxed_;
    const bool is_ice_restart = keying.ice != keying_.ice;
    keying_ = keying;
    is_muxed_ = format.rtcp_mux;
    paths_[0].signalled = format.remote_rtp;
    paths_[1].signalled = format.remote_rtcp;
    for (Path& path : paths_) {
        if (is_ice_restart) {
            path.ice.reset();
            if (keying_.ice)
                path.ice.emplace(stun::IceCredentials{keying_.ice->ufrag, keying_.ice->password},
                                 keying_.ice->peer_ufrag);
        }
        if (!is_new_association) continue;
        if (path.keys) {
            path.previous.emplace(std::move(path.keys->receiver));
            path.previous_until_ns = now_ns + std::chrono::nanoseconds(kOldKeyGrace).count();
            path.keys.reset();
        }
        path.not_before = {};
        begin(path);
    }
}

void DtlsSecurity::on_break() {
    for (Path& path : paths_)
        if (path.keys) path.keys->receiver.expect_gap();
}

bool DtlsSecurity::on_control(io::SocketKind socket, base::ByteView datagram,
                              const base::NetAddress& source, bool is_allowed_host,
                              base::TimePoint now) {
    const rtp::PacketKind kind = rtp::classify(datagram);
    Path& path = path_of(socket);
    if (kind == rtp::PacketKind::Stun && path.ice) {
        on_stun(socket, path, datagram, source, now);
        return true;
    }
    if (kind != rtp::PacketKind::Dtls) return false;
    on_dtls(socket, path, datagram, source, is_allowed_host, now);
    return true;
}

void DtlsSecurity::on_stun(io::SocketKind socket, Path& path, base::ByteView datagram,
                           const base::NetAddress& source, base::TimePoint now) {
    base::Bytes reply;
    path.ice->on_datagram(now, datagram, source, reply);
    if (!reply.empty())
        outgoing_.push_back({.socket = socket, .to = source, .bytes = std::move(reply)});
    const auto selected = path.ice->selected(now);
    if (!path.ice->is_nominated() || !selected || *selected == path.told_selected) return;
    path.told_selected = *selected;
    tell({.kind = KeyingEvent::Kind::IceSelected, .socket = socket, .source = *selected});
}

// RFC 5764 section 5.1.2 and threats: a hello from where no peer of ours is must not get far enough
// to disturb that of the peer. With ICE the peer is who knows our password; without it, who sends
// from a host that may send us media.
void DtlsSecurity::on_dtls(io::SocketKind socket, Path& path, base::ByteView datagram,
                           const base::NetAddress& source, bool is_allowed_host,
                           base::TimePoint now) {
    const bool is_peer = path.ice ? path.ice->is_validated(source) : is_allowed_host;
    if (!is_peer || now < path.not_before) return;
    if (path.dtls->state() == srtp::DtlsState::Failed) begin(path);
    // Whom the SDP names comes before who only was quicker, from another port of the same host.
    const bool takes_over = !path.ice && !keying_.are_we_active && path.peer.port != 0 &&
                            path.peer != source && source == path.signalled &&
                            path.dtls->state() == srtp::DtlsState::Handshaking;
    if (takes_over) {
        begin(path);
        path.peer = {};
    }
    // ICE may move the path under a handshake (RFC 8842 section 6); without it the peer stays.
    if (path.peer.port != 0 && path.peer != source && !path.ice) return;
    const bool is_first = path.peer.port == 0;
    // Its SRTP may come before the keys, and before it has nominated the pair.
    if (path.ice && path.peer != source)
        events_.push_back(
            {.kind = KeyingEvent::Kind::ShakesHands, .socket = socket, .source = source});
    path.peer = source;
    path.dtls->on_datagram(now, datagram);
    const bool has_answered = settle(socket, path, now);
    // Noise that is no hello does not make its sender the peer.
    if (is_first && !has_answered && path.dtls->state() == srtp::DtlsState::Handshaking)
        path.peer = {};
}

void DtlsSecurity::on_time(base::TimePoint now) {
    for (const io::SocketKind socket : kSockets) {
        if (is_muxed_ && socket == io::SocketKind::Rtcp) return;
        Path& path = path_of(socket);
        if (keying_.are_we_active && path.dtls->state() == srtp::DtlsState::Failed &&
            now >= path.not_before)
            begin(path);
        if (keying_.are_we_active && path.peer.port == 0) {
            const auto to = path.ice ? path.ice->selected(now) : std::optional{path.signalled};
            if (!to || to->port == 0 || to->is_unspecified()) continue;
            path.peer = *to;
            path.dtls->start(now);
        }
        path.dtls->on_time(now);
        settle(socket, path, now);
    }
}

bool DtlsSecurity::settle(io::SocketKind socket, Path& path, base::TimePoint now) {
    bool has_sent = false;
    while (auto datagram = path.dtls->poll_datagram()) {
        outgoing_.push_back({.socket = socket, .to = path.peer, .bytes = std::move(*datagram)});
        has_sent = true;
    }
    if (const auto keys = path.dtls->take_keys()) {
        path.keys.emplace(*keys);
        suite_ = keys->theirs.suite();
        while (auto packet = path.early.take_oldest()) {
            const Opened opened = open_with(path.keys->receiver, packet->bytes);
            settle_early(std::move(*packet), opened);
        }
        tell({.kind = KeyingEvent::Kind::Connected, .socket = socket, .source = path.peer});
    }
    if (path.dtls->state() != srtp::DtlsState::Failed || path.has_told_failure) return has_sent;
    path.has_told_failure = true;
    tell({.kind = KeyingEvent::Kind::Failed,
          .socket = socket,
          .source = path.peer,
          .reason = srtp::to_string(path.dtls->fault())});
    path.peer = {};
    path.not_before = now + kDtlsRetryInterval;
    return has_sent;
}

void DtlsSecurity::tell(KeyingEvent event) {
    event.is_one_too_many = events_told_ == kMaxKeyingEvents;
    if (!event.is_one_too_many) ++events_told_;
    event.suite = suite_;
    events_.push_back(event);
}

std::optional<MediaSecurity::Outgoing> DtlsSecurity::poll_outgoing() {
    if (outgoing_.empty()) return std::nullopt;
    Outgoing out = std::move(outgoing_.front());
    outgoing_.pop_front();
    return out;
}

std::optional<MediaSecurity::KeyingEvent> DtlsSecurity::poll_event() {
    if (events_.empty()) return std::nullopt;
    const KeyingEvent event = events_.front();
    events_.pop_front();
    return event;
}

std::optional<MediaSecurity::KeyingEvent> DtlsSecurity::connection() const {
    if (!paths_[0].keys) return std::nullopt;
    KeyingEvent event{.kind = KeyingEvent::Kind::Connected, .source = paths_[0].peer};
    event.suite = suite_;
    return event;
}

std::optional<MediaSecurity::Route> DtlsSecurity::route(rtp::PacketKind kind,
                                                        base::TimePoint now) const {
    const Path& path = path_of(kind);
    if (!path.ice) return std::nullopt;
    // RFC 7675: without consent nothing is sent, and nothing else is tried.
    return Route{path.ice->selected(now)};
}

}  // namespace earshot::capture
