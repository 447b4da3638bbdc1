// SRTP of one line (RFC 3711) with keys by SDP or by DTLS, or nothing. No I/O; belongs to the
// thread of a media sender.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"
#include "loadgen/line_security.h"
#include "srtp/dtls_endpoint.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::loadgen {

class StreamProtection {
public:
    // The same keys or terms again go on where they were. `identity` outlives this; it may be null
    // where nobody asks for DTLS.
    void set(const LineSecurity& security, const srtp::DtlsIdentity* identity, base::TimePoint now);
    // False while DTLS has not brought keys: what is sent then would go in the clear.
    bool may_send() const { return !security_.dtls || sender_.has_value(); }

    // What goes onto the wire in place of the packet; valid until the next call. Empty: there is no
    // key, or it is used up.
    base::ByteView rtp(base::ByteView packet);
    base::ByteView rtcp(base::ByteView packet);
    // In place; what is left of the datagram. Empty: not under their key.
    base::ByteView open_rtcp(std::span<std::uint8_t> datagram);

    // ---- of DTLS ----
    void on_datagram(base::TimePoint now, base::ByteView datagram);  // what is none is passed over
    void on_time(base::TimePoint now);
    std::optional<base::Bytes> poll_datagram();
    // Why there will be no keys; once.
    std::optional<std::string_view> take_fault();

private:
    void take_keys();

    LineSecurity security_;
    std::unique_ptr<srtp::DtlsEndpoint> dtls_;  // null: not keyed by it
    std::optional<srtp::Sender> sender_;
    std::optional<srtp::Receiver> receiver_;
    bool has_told_fault_ = false;
    base::Bytes wire_;
};

}  // namespace earshot::loadgen
