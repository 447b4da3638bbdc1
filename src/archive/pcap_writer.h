// A capture file as libpcap and Wireshark read it (nanosecond variant, link type Ethernet), with
// the lower layers made anew around what was received: addresses and ports are the real ones,
// Ethernet addresses, TCP numbers and IP identifications are not. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/net_address.h"

namespace earshot::archive {

base::Bytes make_pcap_header();

class PcapWriter {
public:
    // Appends one captured frame: a UDP datagram. Larger than IP can carry: cut, as a snapshot
    // length would cut it.
    static void add_udp(std::int64_t time_ns, const base::NetAddress& from,
                        const base::NetAddress& to, base::ByteView payload, base::Bytes& out);
    // TCP segments; the numbers run on per pair of addresses, so that a reader joins them again.
    void add_tcp(std::int64_t time_ns, const base::NetAddress& from, const base::NetAddress& to,
                 base::ByteView payload, base::Bytes& out);

private:
    using Flow = std::pair<base::NetAddress, base::NetAddress>;
    std::map<Flow, std::uint32_t> next_sequence_;  // at most kMaxFlows, then all from 1 again
};

}  // namespace earshot::archive
