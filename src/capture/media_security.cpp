#include "capture/media_security.h"

#include <chrono>
#include <utility>

#include "capture/dtls_security.h"

namespace earshot::capture {
namespace {

std::int64_t in_ns(std::chrono::nanoseconds duration) { return duration.count(); }

srtp::Receiver make_receiver(const std::vector<base::SrtpMasterKey>& keys) {
    srtp::Receiver receiver(keys.front());
    for (std::size_t i = 1; i < keys.size(); ++i) (void)receiver.add(keys[i]);
    return receiver;
}

// Keys that came by SDP (RFC 4568).
class SdesSecurity : public MediaSecurity {
public:
    explicit SdesSecurity(const StreamKeys& keys)
        : keys_(keys), receiver_(make_receiver(keys.peer)), sender_(keys.ours) {}

    Opened open(io::SocketKind /*socket*/, std::span<std::uint8_t> datagram,
                const base::NetAddress& /*source*/, std::int64_t arrival_ns) override {
        const bool is_rtcp = rtp::classify(datagram) == rtp::PacketKind::Rtcp;
        const auto unprotect = [&](srtp::Receiver& receiver) {
            return is_rtcp ? receiver.unprotect_rtcp(datagram) : receiver.unprotect_rtp(datagram);
        };
        if (previous_ && arrival_ns >= previous_until_ns_) previous_.reset();
        // While the old key is still in use it is tried first: it knows its packet index, the new
        // one has to search for it.
        if (previous_)
            if (const srtp::Outcome outcome = unprotect(*previous_))
                return {.size = *outcome, .rejection = {}};
        const srtp::Outcome outcome = unprotect(receiver_);
        if (outcome) return {.size = *outcome, .rejection = {}};
        return {.size = 0, .rejection = to_rejection(outcome.error())};
    }

    bool protect(rtp::PacketKind kind, base::Bytes& packet) override {
        const std::size_t size = packet.size();
        const bool is_rtcp = kind == rtp::PacketKind::Rtcp;
        packet.resize(size + (is_rtcp ? sender_.rtcp_overhead() : sender_.rtp_overhead()));
        return (is_rtcp ? sender_.protect_rtcp(packet, size) : sender_.protect_rtp(packet, size))
            .has_value();
    }

    void update(const StreamFormat& format, std::int64_t now_ns) override {
        const StreamKeys& keys = *format.keys;
        if (keys.peer != keys_.peer) {
            previous_.emplace(
                std::exchange(receiver_, make_receiver(keys.peer)));  // ROC 0 (section 6.4.1)
            previous_until_ns_ = now_ns + in_ns(kOldKeyGrace);
        }
        if (!(keys.ours == keys_.ours)) sender_ = srtp::Sender(keys.ours);
        keys_ = keys;
    }

    void on_break() override { receiver_.expect_gap(); }
    base::SrtpSuite suite() const override { return receiver_.suite(); }

private:
    StreamKeys keys_;
    srtp::Receiver receiver_;
    srtp::Sender sender_;
    std::optional<srtp::Receiver> previous_;
    std::int64_t previous_until_ns_ = 0;
};

}  // namespace

Rejection MediaSecurity::to_rejection(srtp::Fault fault) {
    switch (fault) {
        case srtp::Fault::Replay:
            return Rejection::Replay;
        case srtp::Fault::Malformed:
            return Rejection::Malformed;
        default:
            return Rejection::Authentication;
    }
}

std::unique_ptr<MediaSecurity> MediaSecurity::make(const StreamFormat& format) {
    if (format.dtls) return std::make_unique<DtlsSecurity>(format);
    if (!format.keys) return nullptr;
    return std::make_unique<SdesSecurity>(*format.keys);
}

MediaSecurity::Turn MediaSecurity::count(const Opened& opened) {
    if (opened.rejection == Rejection::Authentication)
        return ++failures_in_row_ == kFailuresInRow ? Turn::Failing : Turn::None;
    if (opened.rejection) return Turn::None;  // a replay says nothing about the key
    return std::exchange(failures_in_row_, 0) >= kFailuresInRow ? Turn::Restored : Turn::None;
}

}  // namespace earshot::capture
