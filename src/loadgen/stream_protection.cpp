#include "loadgen/stream_protection.h"

#include <utility>

#include "rtp/demux.h"

namespace earshot::loadgen {

void StreamProtection::set(const LineSecurity& security, const srtp::DtlsIdentity* identity,
                           base::TimePoint now) {
    if (security == security_) return;
    // Another key of the server alone is no reason to begin ours anew.
    if (security.dtls || security.ours != security_.ours) sender_.reset();
    if (security.ours && !sender_) sender_.emplace(*security.ours);
    receiver_.reset();
    if (security.theirs) receiver_.emplace(*security.theirs);
    security_ = security;
    dtls_.reset();
    if (!security.dtls || identity == nullptr) return;
    has_told_fault_ = false;
    const bool are_we_active = security.dtls->are_we_active;
    dtls_ = std::make_unique<srtp::DtlsEndpoint>(
        *identity, are_we_active ? srtp::DtlsRole::Client : srtp::DtlsRole::Server,
        security.dtls->peer);
    dtls_->start(now);
}

base::ByteView StreamProtection::rtp(base::ByteView packet) {
    if (!sender_) return security_.dtls ? base::ByteView{} : packet;
    wire_.assign(packet.begin(), packet.end());
    wire_.resize(packet.size() + sender_->rtp_overhead());
    if (!sender_->protect_rtp(wire_, packet.size())) return {};
    return wire_;
}

base::ByteView StreamProtection::rtcp(base::ByteView packet) {
    if (!sender_) return security_.dtls ? base::ByteView{} : packet;
    wire_.assign(packet.begin(), packet.end());
    wire_.resize(packet.size() + sender_->rtcp_overhead());
    if (!sender_->protect_rtcp(wire_, packet.size())) return {};
    return wire_;
}

base::ByteView StreamProtection::open_rtcp(std::span<std::uint8_t> datagram) {
    if (rtp::classify(datagram) != rtp::PacketKind::Rtcp) return {};
    if (receiver_) {
        const srtp::Outcome size = receiver_->unprotect_rtcp(datagram);
        return size ? base::ByteView(datagram).first(*size) : base::ByteView{};
    }
    return security_ == LineSecurity{} ? base::ByteView(datagram) : base::ByteView{};
}

void StreamProtection::on_datagram(base::TimePoint now, base::ByteView datagram) {
    if (!dtls_ || rtp::classify(datagram) != rtp::PacketKind::Dtls) return;
    dtls_->on_datagram(now, datagram);
    take_keys();
}

void StreamProtection::on_time(base::TimePoint now) {
    if (!dtls_) return;
    dtls_->on_time(now);
    take_keys();
}

void StreamProtection::take_keys() {
    const auto keys = dtls_->take_keys();
    if (!keys) return;
    sender_.emplace(keys->ours);
    receiver_.emplace(keys->theirs);
}

std::optional<base::Bytes> StreamProtection::poll_datagram() {
    return dtls_ ? dtls_->poll_datagram() : std::nullopt;
}

std::optional<std::string_view> StreamProtection::take_fault() {
    if (!dtls_ || dtls_->state() != srtp::DtlsState::Failed) return std::nullopt;
    if (std::exchange(has_told_fault_, true)) return std::nullopt;
    return srtp::to_string(dtls_->fault());
}

}  // namespace earshot::loadgen
