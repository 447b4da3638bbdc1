// A session description (RFC 8866, RFC 4566) as offers and answers of recording sessions need it.
// Plain values: all text is views into the SDP that was parsed (see KeptDescription for one that
// outlives it). The parser takes what peers send: bare LF or CR, no line end at the end, missing
// or misplaced lines, unreadable ones; it never asserts on input and its time is linear.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"
#include "sdp/limits.h"
#include "sdp/payload_type.h"

namespace earshot::sdp {

enum class Direction : std::uint8_t { SendRecv, SendOnly, RecvOnly, Inactive };
std::string_view to_string(Direction direction);  // the attribute's name

// RFC 7866 section 7.1.2 and 7.3.2, values by RFC 7866's prose (spec ).
enum class RecordState : std::uint8_t { Absent, On, Off, Paused };
enum class RecordPreference : std::uint8_t { Absent, On, Off, Pause, NoPreference };

// a=NAME or a=NAME:VALUE.
struct Attribute {
    std::string_view name;
    std::string_view value;
    bool has_value = false;
    friend bool operator==(const Attribute&, const Attribute&) = default;
};

// o=: all fields as text, so that nothing a peer writes there is lost. Compare bodies, not
// versions, to find out whether an offer changed: a deployed client never raises the version.
struct Origin {
    std::string_view username;
    std::string_view session_id;
    std::string_view session_version;
    std::string_view network_type;
    std::string_view address_type;
    std::string_view address;
    friend bool operator==(const Origin&, const Origin&) = default;
};

struct Connection {
    std::string_view address_type;  // "IP4", "IP6"
    std::string_view address;       // without /ttl; may be a name

    bool is_unspecified() const;  // 0.0.0.0 or ::, the old form of hold (RFC 3264 section 8.4)
    friend bool operator==(const Connection&, const Connection&) = default;
};

struct Bandwidth {
    std::string_view type;  // "AS" (kbit/s), "TIAS" (bit/s), ...
    std::uint64_t value = 0;
    friend bool operator==(const Bandwidth&, const Bandwidth&) = default;
};

// a=rtcp:PORT [IN IP4 ADDRESS] (RFC 3605).
struct RtcpAttribute {
    std::uint16_t port = 0;
    std::optional<Connection> connection;
    friend bool operator==(const RtcpAttribute&, const RtcpAttribute&) = default;
};

// One m= line with what belongs to it.
struct MediaDescription {
    std::string_view media;  // "audio"
    std::uint16_t port = 0;  // 0: refused, removed, or unreadable (see is_malformed)
    std::uint16_t port_count = 1;
    std::string_view proto;     // "RTP/AVP"
    std::string_view formats;   // the rest of the line as written: "8 0 101"
    bool is_malformed = false;  // the line lacks fields or its port is no number: refuse it

    // For RTP profiles: the numbers of the m= line in their order, each once, with rtpmap, else
    // the static table, and fmtp.
    std::vector<PayloadType> payload_types;

    std::optional<Connection> connection;  // media level only; see connection_of()
    std::vector<Bandwidth> bandwidths;
    std::vector<std::uint32_t> ssrcs;  // of a=ssrc, each once

    // Media level, then session level, then sendrecv. The old `direction:both` is sendrecv.
    Direction direction = Direction::SendRecv;
    std::optional<std::string_view> label;  // RFC 4574: any text; compare as text
    std::string_view mid;
    std::string_view content;  // RFC 4796: "slides,main"
    std::string_view title;    // i= of the line (RFC 8866 section 5.4)
    std::optional<std::uint32_t> ptime_ms;
    std::optional<RtcpAttribute> rtcp;
    bool has_rtcp_mux = false;
    RecordState record = RecordState::Absent;  // media level, then session level
    RecordPreference record_preference = RecordPreference::Absent;  // the same

    // Where its attributes lie; use SessionDescription::attributes_of().
    std::uint32_t first_attribute = 0;
    std::uint32_t attribute_count = 0;

    friend bool operator==(const MediaDescription&, const MediaDescription&) = default;

    bool is_rtp() const;         // RTP/AVP, RTP/AVPF, RTP/SAVP, ...
    bool is_secure_rtp() const;  // RTP/SAVP, RTP/SAVPF and those over DTLS
    const PayloadType* find_payload_type(std::uint8_t number) const;
};

struct SessionDescription {
    std::optional<Origin> origin;
    std::string_view name;                 // s=
    std::optional<Connection> connection;  // session level
    std::string_view timing;               // the first t= line: "0 0"
    std::vector<Bandwidth> bandwidths;     // session level
    RecordState record = RecordState::Absent;
    RecordPreference record_preference = RecordPreference::Absent;
    std::vector<MediaDescription> media;

    std::vector<Attribute> all_attributes;  // session level first, then each medium's
    std::uint32_t session_attribute_count = 0;

    // What was passed over, for a leniency event. All zero and false for a clean description.
    std::string_view excess_media;       // from the first m= line past kMaxMedia to the end
    std::size_t attributes_dropped = 0;  // past kMaxAttributes
    std::size_t unreadable_lines = 0;    // not of the form x=...
    bool has_bare_line_ends = false;     // LF or CR alone
    bool lacks_lines = false;            // no v=, o=, s=, t= or no c= that applies
    bool has_odd_order = false;          // RFC 8866 section 5

    std::span<const Attribute> session_attributes() const;
    std::span<const Attribute> attributes_of(const MediaDescription& medium) const;
    // The first attribute of that name at the medium (names are case-sensitive in SDP; peers'
    // are compared without case).
    const Attribute* find_attribute(const MediaDescription& medium,
                                    std::string_view attribute_name) const;
    const Attribute* find_session_attribute(std::string_view attribute_name) const;

    // The medium's c= or the session's; null when there is none.
    const Connection* connection_of(const MediaDescription& medium) const;
    // c=0.0.0.0: the peer holds by the old form, whatever the direction says.
    bool is_held_by_address(const MediaDescription& medium) const;
};

// Where the peer's RTP and RTCP are for one medium: RTCP by rtcp-mux, a=rtcp, else port + 1. Empty
// for port 0, no c=, or a c= that is a name. With rtcp-mux in an offer that is not yet answered,
// pass `uses_rtcp_mux` false.
std::optional<base::NetAddress> rtp_address(const SessionDescription& description,
                                            const MediaDescription& medium);
std::optional<base::NetAddress> rtcp_address(const SessionDescription& description,
                                             const MediaDescription& medium, bool uses_rtcp_mux);

// One a=crypto value (RFC 4568): "1 AES_CM_128_HMAC_SHA1_80 inline:... UNENCRYPTED_SRTP".
struct CryptoAttribute {
    std::uint32_t tag = 0;
    std::string_view suite;
    std::string_view key_parameters;
    std::string_view session_parameters;
};
std::optional<CryptoAttribute> parse_crypto(std::string_view value);

// The description borrows `text`. Errors: TooLarge past kMaxSdpBytes; Malformed when no line of it
// has the form x=..., so it is not SDP at all. Everything else is taken, with the flags above.
base::Result<SessionDescription> parse(std::string_view text);

// The lines we know, in the order of RFC 8866 with CRLF; has the content of parse(write(d)). Lines
// u= e= p= r= z= k=, i= of the session and m= lines past kMaxMedia are not written.
std::string write(const SessionDescription& description);

// Whether both say the same, the notes on their form aside. An offer whose content is the same as
// the last one's changes nothing, whatever its o= version.
bool has_same_content(const SessionDescription& a, const SessionDescription& b);

// A description that owns its text; it may be moved freely.
class KeptDescription {
public:
    static base::Result<KeptDescription> parse(std::string text);

    const SessionDescription& operator*() const { return description_; }
    const SessionDescription* operator->() const { return &description_; }
    const std::string& text() const { return *text_; }

private:
    KeptDescription(std::unique_ptr<const std::string> text, SessionDescription description)
        : text_(std::move(text)), description_(std::move(description)) {}

    std::unique_ptr<const std::string> text_;  // on the heap: its address survives a move
    SessionDescription description_;
};

}  // namespace earshot::sdp
