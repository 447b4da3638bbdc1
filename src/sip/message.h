// One SIP message: the bytes exactly as they came, and where its parts lie in them. Parts are kept
// as offsets, so a Message may be copied and moved; every view handed out borrows from the Message
// it was asked of and ends with it (or with a move of it). Made by parse_message() (parser.h)
// alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "sip/header_id.h"
#include "sip/headers.h"

namespace earshot::sip {

struct HeaderView {
    HeaderId id = HeaderId::Other;
    std::string_view name;   // as written: "v", "CALL-ID"
    std::string_view value;  // trimmed; line folds are replaced by one space (RFC 3261 §7.3.1)
};

class Message {
public:
    bool is_request() const { return status_ == 0; }
    bool is_response() const { return status_ != 0; }

    // Of a request; empty (Method::Other) in a response.
    Method method() const { return method_; }
    std::string_view method_name() const {
        return is_request() ? text(first_) : std::string_view{};
    }
    std::string_view request_uri() const {
        return is_request() ? text(second_) : std::string_view{};
    }
    // Of a response, 100-699; 0 and empty in a request.
    int status() const { return status_; }
    std::string_view reason() const { return is_response() ? text(second_) : std::string_view{}; }

    std::size_t header_count() const { return fields_.size(); }
    HeaderView header(std::size_t index) const;  // in the order of the message

    // The value of the first field of that name, commas and all; nullopt when there is none.
    std::optional<std::string_view> find(HeaderId id) const;
    std::optional<std::string_view> find(std::string_view name) const;  // any name, also compact
    bool has(HeaderId id) const { return find(id).has_value(); }
    // Each field's value, not split.
    std::vector<std::string_view> all(HeaderId id) const;
    // Each value of each field, split at commas outside quotes and angle brackets, empty ones left
    // out; kMaxHeaderValues at most. Right for Via, Route, Contact, Allow, Supported, ...; wrong
    // for headers that are no lists (Date, Subject, Authorization).
    std::vector<std::string_view> values(HeaderId id) const;
    std::optional<std::string_view> first_value(HeaderId id) const;
    // Whether a list of tokens (Require, Supported, Allow, ...) names this one; case is ignored.
    bool lists(HeaderId id, std::string_view token) const;

    // The headers every message has. In a message that was refused they may be missing: empty then.
    std::string_view call_id() const;
    const CSeq& cseq() const { return cseq_; }  // method text borrows; see cseq_method()
    Method cseq_method() const { return cseq_method_; }
    NameAddr from() const;
    NameAddr to() const;
    std::string_view from_tag() const;  // empty when there is none (RFC 2543 peers)
    std::string_view to_tag() const;
    Via top_via() const;

    // Exactly the received bytes, blank lines before the message and bytes after the body included.
    base::ByteView raw() const { return raw_; }
    // As long as Content-Length says, else to the end of the datagram. Never changed.
    base::ByteView body() const;
    // The raw bytes from the first of the start line to the blank line, both included.
    base::ByteView head() const;
    bool has_bare_lf() const { return bare_lf_; }  // a leniency to note: lines end without CR (Q33)

private:
    friend class MessageParser;

    struct Span {
        std::uint32_t at = 0;
        std::uint32_t size = 0;
    };
    struct Field {
        HeaderId id = HeaderId::Other;
        bool folded = false;  // the value lies in unfolded_, not in raw_
        Span name;
        Span value;
    };

    std::string_view text(Span span) const {
        return base::as_text(raw_).substr(span.at, span.size);
    }
    std::string_view value(const Field& field) const {
        return field.folded ? std::string_view(unfolded_).substr(field.value.at, field.value.size)
                            : text(field.value);
    }
    const Field* find_field(HeaderId id) const;

    base::Bytes raw_;
    std::string unfolded_;  // values that were folded, joined; empty in nearly every message
    std::vector<Field> fields_;
    Span first_;   // method, or version of a response
    Span second_;  // request-uri, or reason phrase
    Span head_;
    Span body_;
    CSeq cseq_;
    Method method_ = Method::Other;
    Method cseq_method_ = Method::Other;
    std::uint16_t status_ = 0;
    bool bare_lf_ = false;
};

}  // namespace earshot::sip
