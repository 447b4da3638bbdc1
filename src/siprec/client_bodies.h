// Bodies of a recording session from the client's side: what it sends, and what it looks for in
// the server's messages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "sip/message.h"

namespace earshot::siprec {

inline constexpr std::string_view kRsMetadataType = "application/rs-metadata+xml";  // P-90, X-5
inline constexpr std::string_view kRsMetadataDisposition = "recording-session";

struct Body {
    std::string content_type;
    std::string bytes;
    std::string disposition;  // of the whole; empty: none
};
// Either may be empty, not both: SDP alone, metadata alone, or multipart/mixed of the two (P-97).
Body body_of(std::string_view sdp, std::string_view metadata, base::Random& random);

// The SDP of a message, by itself or in a multipart; empty: none. A view into the message.
std::string_view find_sdp(const sip::Message& message);

// The reason, which may be empty, when a server's message asks for a snapshot: by any metadata
// document, which from a server can be nothing else (P-98), or in the form of the drafts.
std::optional<std::string> find_snapshot_request(const sip::Message& message);

// RFC 3261 section 12.2.1.2: the other side does not have the dialog any more.
inline bool is_dialog_gone(int status) { return status == 408 || status == 481; }

// RFC 5057 section 5.1: and what else of the answers to a request in the dialog ends it, or our use
// of it.
inline bool ends_usage(int status) {
    switch (status) {
        case 404:
        case 410:
        case 416:
        case 480:
        case 482:
        case 483:
        case 484:
        case 485:
        case 502:
        case 604:
            return true;
        default:
            return is_dialog_gone(status);
    }
}

// "486 Busy Here", and what a Warning or Reason header explains.
std::string status_and_phrase(const sip::Message& response);
// The same of the Reason header of a BYE; empty: none.
std::string explanation_of(const sip::Message& message);

}  // namespace earshot::siprec
