// One SIP message: the bytes exactly as they came, and where its parts lie in them. Parts are kept
// as offsets, so a Message may be copied and moved; every view handed out borrows from the Message
// it was asked of and ends with it (or with a move of it). Made by parse_message() (parser.h)
// alone.
#pragma once

#include <array>
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
    // What names its dialog and transaction was found when the message was read.
    std::string_view call_id() const { return find(HeaderId::CallId).value_or(""); }
    CSeq cseq() const { return {.number = cseq_number_, .method = text(cseq_method_name_)}; }
    Method cseq_method() const { return cseq_method_; }
    std::string_view from_tag() const { return text(from_tag_); }  // empty: none (RFC 2543 peers)
    std::string_view to_tag() const { return text(to_tag_); }
    Via top_via() const;
    NameAddr from() const;
    NameAddr to() const;

    // Exactly the received bytes, blank lines before the message and bytes after the body included.
    base::ByteView raw() const { return raw_; }
    // As long as Content-Length says, else to the end of the datagram. Never changed.
    base::ByteView body() const;
    // The raw bytes from the first of the start line to the blank line, both included.
    base::ByteView head() const;
    bool has_bare_lf() const { return bare_lf_; }  // a leniency to note: lines end without CR (Q33)

private:
    friend class MessageParser;

    // Where a text lies: in raw_, or in unfolded_ as if that lay behind raw_.
    struct Span {
        std::uint32_t at = 0;
        std::uint32_t size = 0;
    };
    struct Field {
        HeaderId id = HeaderId::Other;
        Span name;
        Span value;
    };
    struct ViaSpans {
        Span protocol;
        Span transport;
        Span host;
        Span params;
        std::optional<std::uint16_t> port;
    };

    std::string_view text(Span span) const {
        return span.at < raw_.size()
                   ? std::string_view(base::as_text(raw_).data() + span.at, span.size)
                   : std::string_view(unfolded_.data() + (span.at - raw_.size()), span.size);
    }
    // The number of the first field of that name, or of fields when there is none.
    std::size_t index_of(HeaderId id) const {
        const std::size_t behind = first_field_[static_cast<std::size_t>(id)];
        return behind == 0 ? fields_.size() : behind - 1;
    }

    base::Bytes raw_;
    std::string unfolded_;  // values that were folded, joined; empty in nearly every message
    std::vector<Field> fields_;
    // For each HeaderId the number of its first field + 1; 0: there is none.
    std::array<std::uint8_t, kHeaderIdCount> first_field_{};
    Span first_;   // method, or version of a response
    Span second_;  // request-uri, or reason phrase
    Span head_;
    Span body_;
    ViaSpans top_via_;
    Span from_tag_;
    Span to_tag_;
    Span cseq_method_name_;
    std::uint32_t cseq_number_ = 0;
    Method method_ = Method::Other;
    Method cseq_method_ = Method::Other;
    std::uint16_t status_ = 0;
    bool bare_lf_ = false;
};

}  // namespace earshot::sip
