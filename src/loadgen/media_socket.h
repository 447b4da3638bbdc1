// A pair of UDP sockets (RTP even, RTCP next) that sends many datagrams with one system call. It
// reads for DTLS alone: a full receive buffer of reports costs nothing. One thread after its
// making.
#pragma once

#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/result.h"
#include "io/file_descriptor.h"

namespace earshot::loadgen {

struct OutgoingDatagram {
    base::ByteView bytes;
    base::NetAddress to;
};

struct IncomingDatagram {
    base::ByteView bytes;
    base::NetAddress from;
};

class MediaSocketPair {
public:
    // On a random free pair of the client's port range. Errors: Full when no pair was free, Io with
    // errno (EADDRNOTAVAIL: not our address).
    static base::Result<MediaSocketPair> bind(const base::NetAddress& host, base::Random& random);

    const base::NetAddress& rtp_address() const { return address_; }

    // Returns how many the kernel took; the rest is lost, as on the wire.
    std::size_t send_rtp(std::span<const OutgoingDatagram> datagrams) const;
    std::size_t send_rtcp(std::span<const OutgoingDatagram> datagrams) const;
    // Into the buffer; nothing waits: nothing.
    std::optional<IncomingDatagram> receive_rtp(std::span<std::uint8_t> buffer) const;

private:
    MediaSocketPair(io::FileDescriptor rtp, io::FileDescriptor rtcp, base::NetAddress address)
        : rtp_(std::move(rtp)), rtcp_(std::move(rtcp)), address_(address) {}

    io::FileDescriptor rtp_;
    io::FileDescriptor rtcp_;
    base::NetAddress address_;
};

}  // namespace earshot::loadgen
