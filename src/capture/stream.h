// What the signalling side says about a stream, and what capture counts of it. Plain values that
// travel between the threads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate_fingerprint.h"
#include "base/net_address.h"
#include "base/srtp_key.h"
#include "base/uuid.h"

namespace earshot::srtp {
class DtlsIdentity;
}

namespace earshot::capture {

struct StreamKey {
    base::Uuid recording;
    std::uint16_t stream = 0;  // the session's number, never used again within a recording
    friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
};

enum class MediaClass : std::uint8_t {
    Paced,   // audio, text: sockets are drained every 200 ms
    Bursty,  // video, screens: every 20 ms
};

struct PayloadType {
    std::uint8_t number = 0;  // 0-127
    std::string encoding;     // as in rtpmap: PCMU, telephone-event, CN; case does not matter
    std::uint32_t clock_rate = 8000;
};

// Feedback that both sides understand (RFC 4585, RFC 5104).
struct FeedbackTerms {
    bool nack = false;
    bool pli = false;
    bool fir = false;
};

// SRTP as SDP keyed it (RFC 4568).
struct StreamKeys {
    std::vector<base::SrtpMasterKey> peer;  // one or more: see srtp::Receiver::add()
    base::SrtpMasterKey ours;
};

// ICE of a stream, in which we are the lite agent (RFC 8839).
struct IceParameters {
    std::string ufrag;  // ours
    std::string password;
    std::string peer_ufrag;
    friend bool operator==(const IceParameters&, const IceParameters&) = default;
};

// SRTP whose keys are agreed on the media path (RFC 5763).
struct DtlsKeying {
    const srtp::DtlsIdentity* identity = nullptr;  // ours; outlives the stream
    std::vector<base::CertificateFingerprint> peer;
    std::string tls_id;          // RFC 8842
    bool are_we_active = false;  // we begin the handshake
    std::optional<IceParameters> ice;
};

// What tells a stream's packets where several share a transport (RFC 9143 section 9.2), beside its
// payload types.
struct BundleTerms {
    std::string mid;
    std::uint8_t mid_extension = 0;    // id of the header extension that has it; 0: none has
    std::vector<std::uint32_t> ssrcs;  // a=ssrc
    friend bool operator==(const BundleTerms&, const BundleTerms&) = default;
};

// The part of the SDP in force that decides which packets belong to the stream.
struct StreamFormat {
    std::vector<PayloadType> payload_types;  // of both sides; empty: accept any
    base::NetAddress remote_rtp;             // c= and m= of the peer; unspecified when it gave none
    base::NetAddress remote_rtcp;            // a=rtcp, or port + 1, or remote_rtp when muxed
    std::vector<std::uint32_t> signalled_ssrcs;  // a=ssrc
    bool rtcp_mux = false;                       // agreed: our RTCP leaves from the RTP port
    FeedbackTerms feedback{};
    std::optional<StreamKeys> keys{};
    std::optional<DtlsKeying> dtls{};     // neither: media in the clear
    std::optional<BundleTerms> bundle{};  // it may share its transport with others
};

struct StreamSetup {
    StreamKey key;
    MediaClass media = MediaClass::Paced;
    base::NetAddress signalling_peer;  // its host may send media from any port (RTPProxy does)
    StreamFormat format;
    bool paused = false;                         // offered inactive
    std::vector<base::NetAddress> media_from{};  // further hosts that may send it
    bool ipv6 = false;                           // the family of its sockets, where both are bound
    bool probe = false;        // the peer sends nothing before it got a packet: see kMaxProbes
    bool keeps_digits = true;  // false: what telephone-event packets tell is stored nowhere
};

struct Ports {
    base::NetAddress rtp;
    base::NetAddress rtcp;  // rtp's port + 1
};

// Why a datagram was not stored. Do not reorder: indexes StreamCounters::rejected.
enum class Rejection : std::uint8_t {
    NotRtp,          // STUN, DTLS, noise (RFC 7983), or RTP at the RTCP port
    Malformed,       // RTP or RTCP that breaks RFC 3550
    Source,          // from a host that is neither the SDP's nor the SIP peer's
    PayloadType,     // not negotiated now or in the last 5 s
    Ssrc,            // another source while the accepted one was alive, or never proven
    TooLarge,        // over io::kMaxMediaBytes
    Authentication,  // SRTP: altered, forged, or under another key
    Replay,          // SRTP: came before, or is too old to tell
    Unassigned,      // it says that it is of a line which is not of this BUNDLE group
};
inline constexpr std::size_t kRejections = 9;
const char* to_string(Rejection rejection);  // not_rtp, malformed, source, payload_type, ssrc, ...

struct StreamCounters {
    std::uint64_t packets = 0;  // RTP accepted, duplicates included
    std::uint64_t octets = 0;   // their bytes from the RTP header on
    std::uint64_t rtcp_packets = 0;
    std::uint64_t paused_discarded = 0;  // datagrams that arrived while paused
    std::uint64_t lost = 0;              // by sequence number, never seen
    std::uint64_t duplicates = 0;
    std::uint64_t reordered = 0;
    std::uint64_t kernel_drops = 0;        // the socket's buffer was full
    std::uint64_t storage_lost = 0;        // accepted, but the journal had no room: a gap `storage`
    std::uint64_t digits_blanked = 0;      // packets of key presses, stored without their payload
    std::uint64_t redundancy_blanked = 0;  // and those with redundancy of what came while paused
    std::array<std::uint64_t, kRejections> rejected{};
    std::uint32_t ssrc_changes = 0;
    std::uint64_t asked_again = 0;       // lost packets that were asked for (NACK)
    std::uint64_t restored = 0;          // of these, those that came after all
    std::uint32_t key_frames_asked = 0;  // by PLI, FIR or INFO
    double jitter_ms = 0;                // RFC 3550 section 6.4.1, of the newest source
    std::int64_t first_arrival_ns = 0;   // 0: no packet yet
    std::int64_t last_arrival_ns = 0;
};

struct StreamStats {
    StreamKey key;
    StreamCounters counters;
};

}  // namespace earshot::capture
