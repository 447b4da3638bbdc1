// One m=message line of a recording session: what the client offers and what we answer (RFC 4975
// section 8, RFC 6135, RFC 6714, RFC 5547). MSRP itself is elsewhere: paths are text here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate_fingerprint.h"
#include "base/net_address.h"
#include "sdp/message_media.h"

namespace earshot::siprec {

// What the offer says. The path is a secret of both sides: it is told in no event.
struct MessageFacts {
    std::string path;            // a=path as written: relays first, the client last
    bool is_secure = false;      // TCP/TLS/MSRP
    bool are_we_active = false;  // a=setup:passive: we connect
    bool has_cema = false;       // a=msrp-cema: connect to c= and m=, not to the path
    // c= and m=, where it is an address and no name.
    std::optional<base::NetAddress> connection{};
    std::string accept_types{};
    std::string accept_wrapped_types{};  // empty: not told, as all below
    std::optional<std::uint64_t> max_size{};
    std::optional<std::string> chatroom{};  // RFC 7701: its tokens
    std::string file_selector{};            // RFC 5547: a file is sent
    std::string file_transfer_id{};
    std::string file_disposition{};
    std::string file_date{};
    std::vector<base::CertificateFingerprint> fingerprints{};  // of who connects by TLS
    friend bool operator==(const MessageFacts&, const MessageFacts&) = default;

    bool is_file() const { return !file_selector.empty(); }
};

// Which MSRP lines can be taken at all.
struct MessageTerms {
    bool takes_plain = false;  // TCP/MSRP
    bool takes_tls = false;    // TCP/TLS/MSRP
};

// Where we receive, once the line is open.
struct MessageEndpoint {
    std::string path;                                           // our a=path: one URI
    std::uint16_t port = 0;                                     // of it
    std::uint64_t max_bytes = 0;                                // of a message
    std::optional<base::CertificateFingerprint> fingerprint{};  // ours, of TLS
};

// The line as it is agreed.
struct MessageLine {
    MessageFacts facts;
    MessageEndpoint ours;  // empty path: not open yet
};

MessageFacts message_facts_of(const sdp::SessionDescription& description,
                              const sdp::MediaDescription& medium);

// What our answer says of the line beside m=, c=, direction and label, as whole lines: we take any
// type, and say so first for those that we can show.
std::string write_message_attributes(const MessageLine& line);

}  // namespace earshot::siprec
