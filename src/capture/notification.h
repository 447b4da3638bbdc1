// What a capture worker tells the signalling thread.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/net_address.h"
#include "base/srtp_key.h"
#include "capture/feedback.h"
#include "capture/stream.h"
#include "journal/journal.h"

namespace earshot::capture {

struct FirstPacket {
    StreamKey key;
    std::int64_t arrival_ns = 0;
    std::uint32_t ssrc = 0;
    base::NetAddress source;
};

// The worker writes these to the journal as Event records itself, when they happen: ssrc_changed,
// source_changed, packets_rejected, dtmf, storage_gap, stream_counters (docs: events.h). Who is
// told of them here informs people and stores nothing.
struct SsrcChanged {
    StreamKey key;
    std::int64_t arrival_ns = 0;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    base::NetAddress source;
};
struct PacketsRejected {  // at most one each 10 s per stream and cause
    StreamKey key;
    Rejection cause = Rejection::NotRtp;
    std::uint64_t total = 0;  // of this cause, since the stream began
    base::NetAddress source;  // of the newest one
};
struct DtmfDigit {  // sensitive: card numbers are typed like this
    StreamKey key;
    std::int64_t arrival_ns = 0;
    char digit = 0;
    std::uint32_t duration_ms = 0;
};

// A video stream wants a picture that a decoder can begin with, and no RTCP feedback was negotiated
// by which to ask: INFO (RFC 5168).
struct KeyFrameWanted {
    StreamKey key;
    KeyFrameReason reason = KeyFrameReason::Start;
};

// SRTP keys were agreed on the media path (DTLS); again with each new association.
struct StreamKeyed {
    StreamKey key;
    base::SrtpSuite suite{};
};

// All streams that are open, once a second.
struct StatsSnapshot {
    std::vector<StreamStats> streams;
};

// The stream's sockets are drained and closed; these are its final numbers.
struct StreamClosed {
    StreamStats stats;
};

// Everything of the recording is durable in the journal, nothing will follow. The archive reads
// `closed.extents` from `journal`, then releases `closed.serial` there.
struct RecordingSealed {
    journal::ClosedRecording closed;
    std::vector<StreamStats> streams;     // each stream that ever was, in order of closing
    journal::Journal* journal = nullptr;  // that holds it; the engine's
};

// Everything appended before CaptureWorker::request_durable(token) is durable.
struct Durable {
    std::uint64_t token = 0;
};

using Notification =
    std::variant<FirstPacket, SsrcChanged, PacketsRejected, DtmfDigit, KeyFrameWanted, StreamKeyed,
                 StatsSnapshot, StreamClosed, RecordingSealed, Durable>;

}  // namespace earshot::capture
