// Writes SIP messages. Strict in what we send: long header names, CRLF, Content-Length always.
// Values may hold text of peers: CR, LF and NUL in them become spaces, so no value can make a
// second line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/net_address.h"
#include "sip/header_id.h"
#include "sip/message.h"

namespace earshot::sip {

class MessageBuilder {
public:
    static MessageBuilder request(std::string_view method, std::string_view uri);
    static MessageBuilder request(Method method, std::string_view uri) {
        return request(to_string(method), uri);
    }
    // An empty reason is default_reason(status).
    static MessageBuilder response(int status, std::string_view reason = {});

    // Fields leave in the order they were added; Content-Length is computed and never given.
    MessageBuilder& add(HeaderId id, std::string_view value);
    MessageBuilder& add(std::string_view name, std::string_view value);  // not a token: left out
    MessageBuilder& prepend(HeaderId id, std::string_view value);        // Via of a new hop
    MessageBuilder& set(HeaderId id, std::string_view value);  // instead of all of that name
    MessageBuilder& remove(HeaderId id);
    MessageBuilder& body(std::string_view content_type, base::ByteView bytes);
    MessageBuilder& body(std::string_view content_type, std::string_view text) {
        return body(content_type, base::as_bytes(text));
    }

    // The whole message; base::as_bytes() looks at it as octets.
    std::string build() const;

private:
    struct Line {  // of text_, its CRLF included
        HeaderId id = HeaderId::Other;
        std::uint32_t at = 0;
        std::uint32_t size = 0;
    };

    MessageBuilder();
    void append_value(std::string_view value);
    Line append_field(HeaderId id, std::string_view name, std::string_view value);

    std::string text_;  // the start line, then every field that was ever added
    std::size_t start_line_size_ = 0;
    std::vector<Line> fields_;  // those that leave, in their order
    std::string body_;
};

struct ResponseOptions {
    std::string_view reason;  // empty: default_reason(status)
    std::string_view to_tag;  // added to To when the request's has none and status is not 100
    // Where the request came from: the top Via gets `received` when its host is another one (RFC
    // 3261 §18.2.1), and `rport` filled in when it asks for it (RFC 3581 §4). Null: Via is left
    // alone.
    const base::NetAddress* source = nullptr;
    bool is_routed = false;  // who answered gives Record-Route: the request's is left out
};

// RFC 3261 §8.2.6: Via, From, To, Call-ID and CSeq of the request, Timestamp in a 100, Record-Route
// in what can make a dialog (§12.1.1: 101-299 to INVITE, SUBSCRIBE, REFER). Works on refused
// requests, too: what they lack is left out.
MessageBuilder response_to(const Message& request, int status, const ResponseOptions& options = {});

}  // namespace earshot::sip
