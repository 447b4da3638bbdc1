// The Event records that capture writes to the journal itself (UTF-8 JSON; docs/journal-format.md).
// The fields but cname and reason are numbers, addresses and fixed words, which need no escaping.
//
//   ssrc_changed      stream, from, to, source        another sender after a silence or a new SDP
//   source_changed    stream, ssrc, from, to          the same SSRC from another address
//   packets_rejected  stream, cause, total, source    not stored; causes: capture::Rejection
//   contributors      stream, csrcs                   who speaks in a mix, by its CSRC list
//   source_described  stream, ssrc, cname, same_as    by RTCP SDES; same_as: that SSRC's CNAME too
//   source_left       stream, ssrc, reason            by RTCP BYE, where it says why
//   media_probed      stream, destination             a client that waits for media first
//   key_frame_requested stream, reason, by            reason: start, loss, resume; by: fir, pli,
//   info srtp_failing      stream, suite, packets, source  so many in a row were not authentic
//   srtp_restored     stream, suite, source           and now one is again
//   dtls_connected    stream, component, suite, source   keys were agreed on the media path
//   dtls_failed       stream, component, reason, source  srtp::DtlsFault; tried again
//   ice_selected      stream, component, source          the peer has nominated this pair
//   source_assigned   stream, ssrc, by                of a BUNDLE group; by: mid, payload_type,
//   order dtmf              stream, digit, duration_ms      telephone-event; sensitive
//   digits_not_stored stream                          keys are pressed, and not kept; told once
//   storage_gap       stream, packets, from_ns, to_ns accepted, but the journal had no room
//   stream_counters   stream, ...                     StreamCounters when the stream was closed
#pragma once

#include <string>

#include "capture/bundle.h"
#include "capture/media_security.h"
#include "capture/stream_receiver.h"

namespace earshot::capture {

struct StorageGap {
    std::uint64_t packets = 0;
    std::int64_t from_ns = 0;
    std::int64_t to_ns = 0;
};

std::string event_json(std::uint16_t stream, const SsrcChange& event);
std::string event_json(std::uint16_t stream, const SourceMoved& event);
std::string event_json(std::uint16_t stream, const RejectedSome& event);
std::string event_json(std::uint16_t stream, const DigitSeen& event);
std::string event_json(std::uint16_t stream, const DigitsBlanked& event);
std::string event_json(std::uint16_t stream, const ContributorsChanged& event);
std::string event_json(std::uint16_t stream, const SourceDescribed& event);
std::string event_json(std::uint16_t stream, const SourceLeft& event);
std::string probe_json(std::uint16_t stream, const base::NetAddress& destination);
std::string event_json(std::uint16_t stream, const KeyFrameRequest& request);
std::string security_json(std::uint16_t stream, MediaSecurity::Turn turn, base::SrtpSuite suite,
                          const base::NetAddress& source);
std::string event_json(std::uint16_t stream, const MediaSecurity::KeyingEvent& event);
std::string event_json(const Bundle::SourceAssigned& assigned);
std::string event_json(std::uint16_t stream, const StorageGap& gap);
std::string event_json(std::uint16_t stream, const StreamCounters& counters);

}  // namespace earshot::capture
