// Where things lie in a protected packet. Octets of the suite's tag: t; of the MKI: m.
//
//   SRTP, counter mode   | header | encrypted payload            | MKI (m) | tag (t) |
//   SRTP, AEAD           | header | encrypted payload | tag (16) | MKI (m) |
//   SRTCP, counter mode  | 8 | encrypted            | E, index (4) | MKI (m) | tag (10) |
//   SRTCP, AEAD          | 8 | encrypted | tag (16) | E, index (4) | MKI (m) |
//
// RFC 3711 sections 3.1 and 3.4; RFC 7714 sections 8.2 and 9.2.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "srtp/fault.h"
#include "srtp/session_keys.h"

namespace earshot::srtp {

// The fixed header, the contributing sources and the extension (RFC 3550 section 5): what stays in
// the clear. Empty: no RTP.
std::optional<std::size_t> rtp_header_bytes(base::ByteView packet);
// The first header of a compound and the sender's SSRC (RFC 3550 section 6.4). Empty: no RTCP.
std::optional<std::size_t> rtcp_header_bytes(base::ByteView packet);

struct Appendix {
    std::size_t size = 0;  // of all that protecting appends
    std::size_t tag_at = 0;
    std::size_t tag_bytes = 0;
    std::size_t trailer_at = 0;  // SRTCP alone
    std::size_t mki_at = 0;
};
Appendix appendix_of(Suite suite, PacketKind kind, std::size_t mki_bytes);

}  // namespace earshot::srtp
