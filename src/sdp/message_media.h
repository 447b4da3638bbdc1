// m=message lines: MSRP sessions (RFC 4975 section 8), file transfer over them (RFC 5547) and chat
// rooms (RFC 7701 section 8). The path stays text: MSRP's URIs are msrp/'s business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdp/fingerprint.h"
#include "sdp/session_description.h"

namespace earshot::sdp {

// An m= line whose media is message and whose protocol is TCP/MSRP or TCP/TLS/MSRP.
bool is_message_media(const MediaDescription& medium);

// What its attributes say, as written.
struct MessageMedia {
    bool is_secure = false;                    // TCP/TLS/MSRP
    std::string_view path;                     // a=path: one URI, or relays before it
    std::string_view accept_types;             // "message/cpim text/plain *"
    std::string_view accept_wrapped_types;     // empty: none told
    std::optional<std::uint64_t> max_size;     // octets of a message
    std::optional<Setup> setup;                // RFC 6135; none: the offerer is active
    bool has_cema = false;                     // RFC 6714
    std::optional<std::string_view> chatroom;  // "nickname private-messages"; may be empty
    std::string_view file_selector;            // empty: no file is transferred
    std::string_view file_transfer_id;
    std::string_view file_disposition;
    std::string_view file_date;
};
// Of a line for which is_message_media() holds.
MessageMedia message_media_of(const SessionDescription& description,
                              const MediaDescription& medium);

// a=file-selector (RFC 5547 section 6): what is known of a file. The name is what a peer wrote,
// never a path.
struct FileSelector {
    std::string name{};  // quotes and %-escapes undone; empty: not told
    std::string type{};
    std::optional<std::uint64_t> size{};
    struct Hash {
        std::string algorithm;  // "sha-1", lower case
        std::string digest;     // "72:24:5F", as written
        friend bool operator==(const Hash&, const Hash&) = default;
    };
    std::vector<Hash> hashes{};  // kMaxFileHashes at most
    friend bool operator==(const FileSelector&, const FileSelector&) = default;
};
// What cannot be read is passed over.
FileSelector parse_file_selector(std::string_view value);
// As an answer repeats it (section 8.2.2): the selectors as written, but those of hashes.
std::string selector_without_hashes(std::string_view value);

}  // namespace earshot::sdp
