#include "loadgen/stream_protection.h"

namespace earshot::loadgen {

void StreamProtection::set_key(const std::optional<base::SrtpMasterKey>& key) {
    if (key == key_) return;
    key_ = key;
    sender_.reset();
    if (key) sender_.emplace(*key);
}

base::ByteView StreamProtection::rtp(base::ByteView packet) {
    if (!sender_) return packet;
    wire_.assign(packet.begin(), packet.end());
    wire_.resize(packet.size() + sender_->rtp_overhead());
    if (!sender_->protect_rtp(wire_, packet.size())) return {};
    return wire_;
}

base::ByteView StreamProtection::rtcp(base::ByteView packet) {
    if (!sender_) return packet;
    wire_.assign(packet.begin(), packet.end());
    wire_.resize(packet.size() + sender_->rtcp_overhead());
    if (!sender_->protect_rtcp(wire_, packet.size())) return {};
    return wire_;
}

}  // namespace earshot::loadgen
