// What the journal holds: records, in the order of their arrival per recording. The format on disk
// is docs/journal-format.md (journal/format.h); this is what capture, archive and server see.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/uuid.h"

namespace earshot::journal {

// Stored on disk: do not renumber.
enum class RecordType : std::uint8_t {
    SipMessage =
        1,         // u8 direction (0 in, 1 out), u8 transport (0 UDP, 1 TCP, 2 TLS), peer, message
    Metadata = 2,  // a metadata document, as received
    Rtp = 3,       // source, datagram
    Rtcp = 4,      // source, datagram
    Event = 5,     // UTF-8 JSON: {"type": ..., "stream": n?, ...}
    Attempt = 6,   // UTF-8 JSON: the catalogue's row of an INVITE, written with every recording
    Close = 7,     // no payload: nothing follows for this recording; written by Writer::close()
    MessageHead = 8,      // an MSRP message begins: journal/message_record.h, as those below
    MessageContent = 9,   // octets of it, in the order of their arrival
    MessageEnd = 10,      // no more of it will come
    MessageRequest = 11,  // an MSRP request that is no SEND
};  // source, peer: 16 octets IP (IPv4 mapped), u16 port big-endian: base::NetAddress
static_assert(static_cast<int>(RecordType::SipMessage) == 1);
static_assert(static_cast<int>(RecordType::Metadata) == 2);
static_assert(static_cast<int>(RecordType::Rtp) == 3);
static_assert(static_cast<int>(RecordType::Rtcp) == 4);
static_assert(static_cast<int>(RecordType::Event) == 5);
static_assert(static_cast<int>(RecordType::Attempt) == 6);
static_assert(static_cast<int>(RecordType::Close) == 7);
static_assert(static_cast<int>(RecordType::MessageHead) == 8);
static_assert(static_cast<int>(RecordType::MessageContent) == 9);
static_assert(static_cast<int>(RecordType::MessageEnd) == 10);
static_assert(static_cast<int>(RecordType::MessageRequest) == 11);
inline constexpr RecordType kLastRecordType = RecordType::MessageRequest;

inline constexpr std::uint16_t kNoStream = 0xffff;  // the record belongs to no stream
inline constexpr std::size_t kSourceSize = 18;      // octets before an RTP or RTCP datagram

struct RecordHeader {
    RecordType type = RecordType::Event;
    std::uint8_t flags = 0;  // none defined yet
    std::uint16_t stream = kNoStream;
    std::int64_t arrival_ns = 0;  // CLOCK_REALTIME as the kernel stamped it, not corrected
};

struct Record {
    RecordHeader header{};
    base::ByteView payload{};  // borrowed: see RecordReader::next()
};

}  // namespace earshot::journal
