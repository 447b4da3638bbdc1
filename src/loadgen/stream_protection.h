// SRTP of one sent stream (RFC 3711), or nothing. Belongs to the media sender's thread.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/srtp_key.h"
#include "srtp/sender.h"

namespace earshot::loadgen {

class StreamProtection {
public:
    // Empty: in the clear. The same key again goes on where it was.
    void set_key(const std::optional<base::SrtpMasterKey>& key);
    // What goes onto the wire in place of the packet; valid until the next call. Empty: the key is
    // used up.
    base::ByteView rtp(base::ByteView packet);
    base::ByteView rtcp(base::ByteView packet);

private:
    std::optional<base::SrtpMasterKey> key_;
    std::optional<srtp::Sender> sender_;
    base::Bytes wire_;
};

}  // namespace earshot::loadgen
