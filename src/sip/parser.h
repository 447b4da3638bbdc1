// Bytes -> Message. Tolerant where deployed peers are wrong (bare LF, blank lines before the start
// line, folds, odd spacing, unknown methods and headers), strict where two readings would be
// dangerous (a second Call-ID, From, To, CSeq; Content-Lengths that differ). Linear in the input.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "sip/limits.h"
#include "sip/message.h"

namespace earshot::sip {

enum class Verdict : std::uint8_t {
    Good,    // carry on
    Refuse,  // a request to answer with `status` `reason`; `message` holds what could be read
    Drop,    // say nothing: no SIP, no Via to answer to, a broken response or ACK; count and log it
};

struct ParsedMessage {
    Verdict verdict = Verdict::Drop;
    int status = 0;           // Refuse: 400, 413, 505, ... to answer with; else 0
    std::string_view reason;  // static text, fit for a reason phrase: "Missing Call-ID"
    // Good: complete and checked: Via, From, To, Call-ID, CSeq are there and readable, CSeq's
    // method is the request's. Refuse: at least a Via; response_to() (builder.h) works on it. Drop:
    // raw() alone can be relied on.
    Message message;
};

// One whole message: a datagram, or what StreamFramer cut out of a stream. The bytes are moved in
// and kept as they are. A body shorter than Content-Length is refused; bytes past it are no body.
ParsedMessage parse_message(base::Bytes bytes);
ParsedMessage parse_message(std::string_view text);  // copies it

}  // namespace earshot::sip
