// How a capture worker is set up, and what it is given for the journal.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/uuid.h"
#include "capture/limits.h"
#include "capture/reader_kind.h"
#include "journal/record.h"

namespace earshot::capture {

struct CaptureOptions {
    base::NetAddress bind_host;                       // where media sockets are bound; port ignored
    std::optional<base::NetAddress> other_bind_host;  // of the other IP family, if there is one
    std::uint16_t first_port = 10000;
    std::uint16_t last_port = 19999;
    std::size_t max_port_pairs = 65'536 / 2;  // what there are descriptors for
    int receive_buffer_bytes = 0;             // SO_RCVBUF of RTP sockets; 0: the system's default
    ReaderKind reader = ReaderKind::Sockets;
    std::size_t ring_bytes = kRingBytes;  // of the packet rings of all workers
    std::string cname;                    // RTCP SDES CNAME of this server, e.g. earshot@host
    std::chrono::milliseconds paced_drain{200};
    std::chrono::milliseconds bursty_drain{20};
    std::chrono::milliseconds rtcp_drain{1000};
    std::chrono::milliseconds keep_alive{15'000};  // RFC 6263 section 7: Tr; 0: none is sent
    std::chrono::milliseconds commit_interval{200};
    std::chrono::milliseconds stop_patience{5000};
};

// A record of the signalling side for the journal: SipMessage, Metadata, Event, Attempt.
struct JournalEntry {
    journal::RecordType type = journal::RecordType::Event;
    base::Uuid recording;
    std::uint16_t stream = journal::kNoStream;
    std::int64_t arrival_ns = 0;
    base::Bytes payload;
};

}  // namespace earshot::capture
