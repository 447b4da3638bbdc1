#include "sip/parser.h"

#include <algorithm>
#include <bitset>
#include <cstring>

#include "base/text.h"
#include "sip/chars.h"

namespace earshot::sip {
// Fills one ParsedMessage. The first fault is kept and reading goes on, so that a refusal can name
// its dialog and transaction.
class MessageParser {
public:
    MessageParser(ParsedMessage& parsed, base::Bytes bytes)
        : parsed_(parsed), message_(parsed.message) {
        message_.raw_ = std::move(bytes);
        text_ = base::as_text(message_.raw_);
    }

    void parse() {
        skip_blank_lines();
        std::string_view line;
        if (!take_line(line) || !read_start_line(line)) return drop("Not a SIP message");
        read_headers();
        set_body();
        check_required();
        conclude();
    }

private:
    void fault(int status, std::string_view reason) {
        if (status_ != 0) return;
        status_ = status;
        parsed_.reason = reason;
    }

    void drop(std::string_view reason) { parsed_.reason = reason; }

    // Of a part of text_.
    Message::Span raw_span_of(std::string_view part) const {
        if (part.empty()) return {};
        return {static_cast<std::uint32_t>(part.data() - text_.data()),
                static_cast<std::uint32_t>(part.size())};
    }

    // Of a part of a field's value, which may lie in unfolded_.
    Message::Span span_of(std::string_view part, Message::Span value) const {
        if (part.empty()) return {};
        return {value.at + static_cast<std::uint32_t>(part.data() - message_.text(value).data()),
                static_cast<std::uint32_t>(part.size())};
    }

    // RFC 3261 §7.5: CRLFs before the start line are ignored.
    void skip_blank_lines() {
        const std::size_t start = text_.find_first_not_of("\r\n");
        at_ = start == std::string_view::npos ? text_.size() : start;
        if (at_ > kMaxBlankBytesBeforeMessage) at_ = text_.size();
        message_.head_.at = static_cast<std::uint32_t>(at_);
        head_limit_ = std::min(text_.size(), at_ + kMaxSipHeadBytes);
    }

    // False when no further line ends within the limit of the head. RFC 3261 wants CRLF; LF alone
    // is taken, too (interop Q33).
    bool take_line(std::string_view& line) {
        if (at_ >= head_limit_) return false;
        const char* const start = text_.data() + at_;
        const void* const found = std::memchr(start, '\n', head_limit_ - at_);
        if (found == nullptr) return false;
        const auto size = static_cast<std::size_t>(static_cast<const char*>(found) - start);
        const bool has_cr = size != 0 && start[size - 1] == '\r';
        if (!has_cr) message_.bare_lf_ = true;
        line = {start, has_cr ? size - 1 : size};
        at_ += size + 1;
        return true;
    }

    bool read_start_line(std::string_view line) {
        if (base::istarts_with(line, "SIP/")) return read_status_line(line);
        return read_request_line(trim_lws(line));
    }

    bool read_status_line(std::string_view rest) {
        const std::string_view version = base::take_until(rest, ' ');
        rest = trim_lws(rest);
        const auto status = base::parse_number<std::uint16_t>(base::take_until(rest, ' '));
        if (!base::iequals(version, "SIP/2.0") || !status || *status < 100 || *status > 699) {
            return false;
        }
        message_.status_ = *status;
        message_.first_ = raw_span_of(version);
        message_.second_ = raw_span_of(trim_lws(rest));
        return true;
    }

    // Spaces beyond the two of the grammar are tolerated around the parts (RFC 4475 §3.1.2.9 and
    // §3.1.2.10), but not inside the URI. What does not end in SIP/x is no SIP at all.
    bool read_request_line(std::string_view line) {
        // Loops: find_first_of() calls memchr for each character.
        const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
        std::size_t start = line.size();
        while (start > 0 && !is_blank(line[start - 1])) --start;
        const std::string_view version = line.substr(start);
        if (start == 0 || !base::istarts_with(version, "SIP/")) return false;
        std::string_view middle = trim_lws(line.substr(0, start - 1));
        std::size_t size = 0;
        while (size < middle.size() && !is_blank(middle[size])) ++size;
        const std::string_view method = middle.substr(0, size);
        if (!is_token(method)) return false;

        middle = trim_lws(middle.substr(size));
        message_.first_ = raw_span_of(method);
        message_.second_ = raw_span_of(middle);
        message_.method_ = find_method(method);
        if (!base::iequals(version, "SIP/2.0")) fault(505, "Version Not Supported");
        if (middle.empty()) fault(400, "Missing Request-URI");
        if (!parse_uri(middle)) fault(400, "Malformed Request-URI");
        return true;
    }

    void read_headers() {
        message_.fields_.reserve(32);
        std::string_view line;
        while (take_line(line)) {
            if (line.empty()) {
                end_head();
                return;
            }
            if (message_.fields_.size() == kMaxSipHeaders) {
                fault(513, "Too Many Headers");
                break;
            }
            add_field(line);
        }
        end_head();
        // Without the blank line only what announces no body is taken for whole, as the published
        // baddn of RFC 4475 is.
        const bool is_whole = at_ == text_.size() && content_length() == std::size_t{0};
        if (text_.size() - message_.head_.at > kMaxSipHeadBytes) fault(513, "Headers Too Large");
        if (!is_whole) fault(400, "Headers Without End");
        at_ = text_.size();  // where a body would begin is unknown
    }

    void end_head() { message_.head_.size = static_cast<std::uint32_t>(at_ - message_.head_.at); }

    bool is_fold() const { return at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t'); }

    void add_field(std::string_view line) {
        const std::size_t colon = line.find(':');
        const std::string_view name = trim_lws(line.substr(0, colon));
        Message::Field& field = message_.fields_.emplace_back();
        field.name = raw_span_of(name);
        // A line without a colon is kept under no known name, its folds with it.
        std::string_view value;
        if (colon != std::string_view::npos) {
            value = trim_lws(line.substr(colon + 1));
            field.id = find_header_id(name);
        }
        field.value = is_fold() ? unfold(value) : raw_span_of(value);

        const auto id = static_cast<std::size_t>(field.id);
        std::uint8_t& first = message_.first_field_[id];
        if (first != 0) {
            is_repeated_.set(id);
        } else {
            first = static_cast<std::uint8_t>(message_.fields_.size());
        }
    }

    // Joins the continuation lines that follow; a fold means one space (RFC 3261 §7.3.1).
    Message::Span unfold(std::string_view first) {
        std::string& out = message_.unfolded_;
        const std::size_t start = out.size();
        out += first;
        std::string_view line;
        while (is_fold() && take_line(line)) {
            const std::string_view part = trim_lws(line);
            if (!part.empty() && out.size() > start) out += ' ';
            out += part;
        }
        return {static_cast<std::uint32_t>(text_.size() + start),
                static_cast<std::uint32_t>(out.size() - start)};
    }

    void set_body() {
        std::size_t size = text_.size() - at_;
        message_.body_.at = static_cast<std::uint32_t>(at_);
        if (const auto announced = content_length()) {
            if (*announced > size) fault(400, "Content-Length Larger Than Message");
            size = std::min(size, *announced);
        }
        message_.body_.size = static_cast<std::uint32_t>(size);
        if (text_.size() > kMaxSipMessageBytes) fault(513, "Message Too Large");
    }

    std::optional<std::size_t> content_length() {
        std::optional<std::size_t> length;
        const auto& fields = message_.fields_;
        for (std::size_t i = message_.index_of(HeaderId::ContentLength); i < fields.size(); ++i) {
            if (fields[i].id != HeaderId::ContentLength) continue;
            const auto number = base::parse_number<std::size_t>(message_.text(fields[i].value));
            if (!number) fault(400, "Malformed Content-Length");
            if (number && length && *number != *length) {
                fault(400, "Content-Lengths Differ");  // RFC 4475 §3.3.9
            }
            if (!length) length = number;
        }
        return length;
    }

    // The field of that name; a fault when it is missing or there are two: one parser must never
    // read another dialog out of a message than the next one.
    const Message::Field* find_single(HeaderId id, std::string_view missing,
                                      std::string_view duplicate) {
        const std::size_t index = message_.index_of(id);
        if (index == message_.fields_.size()) {
            fault(400, missing);
            return nullptr;
        }
        if (is_repeated_[static_cast<std::size_t>(id)]) fault(400, duplicate);
        return &message_.fields_[index];
    }

    void check_required() {
        check_vias();
        const auto* from = find_single(HeaderId::From, "Missing From", "Duplicate From");
        if (from != nullptr && !read_tag(from->value, message_.from_tag_)) {
            fault(400, "Malformed From");
        }
        const auto* to = find_single(HeaderId::To, "Missing To", "Duplicate To");
        if (to != nullptr && !read_tag(to->value, message_.to_tag_)) fault(400, "Malformed To");
        const auto* call_id = find_single(HeaderId::CallId, "Missing Call-ID", "Duplicate Call-ID");
        if (call_id != nullptr && call_id->value.size == 0) fault(400, "Malformed Call-ID");
        const auto* cseq = find_single(HeaderId::Cseq, "Missing CSeq", "Duplicate CSeq");
        if (cseq != nullptr) check_cseq(cseq->value);
    }

    // False when the value is no address.
    bool read_tag(Message::Span value, Message::Span& tag) {
        const auto address = parse_name_addr(message_.text(value));
        if (!address || address->is_wildcard) return false;
        tag = span_of(address->tag(), value);
        return true;
    }

    void check_cseq(Message::Span value) {
        const auto cseq = parse_cseq(message_.text(value));
        if (!cseq) {
            fault(400, "Malformed CSeq");
            return;
        }
        message_.cseq_number_ = cseq->number;
        message_.cseq_method_name_ = span_of(cseq->method, value);
        const bool is_of_request = message_.is_request() && cseq->method == message_.method_name();
        message_.cseq_method_ = is_of_request ? message_.method_ : find_method(cseq->method);
        if (message_.is_request() && !is_of_request) fault(400, "CSeq Names Another Method");
    }

    void check_vias() {
        std::size_t count = 0;
        const auto& fields = message_.fields_;
        for (std::size_t i = message_.index_of(HeaderId::Via); i < fields.size(); ++i) {
            if (fields[i].id != HeaderId::Via) continue;
            std::string_view rest = message_.text(fields[i].value);
            std::string_view element;
            while (take_list_element(rest, element)) {
                const auto via = parse_via(element);
                if (!via) fault(400, "Malformed Via");
                if (count == 0 && via) keep_top_via(*via, fields[i].value);
                if (++count <= kMaxHeaderValues) continue;
                fault(513, "Too Many Vias");
                return;
            }
        }
    }

    void keep_top_via(const Via& via, Message::Span value) {
        has_top_via_ = true;
        message_.top_via_ = {.protocol = span_of(via.protocol, value),
                             .transport = span_of(via.transport, value),
                             .host = span_of(via.host, value),
                             .params = span_of(via.params, value),
                             .port = via.port};
    }

    void conclude() {
        if (!has_top_via_) return drop("No usable Via");
        if (status_ == 0) {
            parsed_.verdict = Verdict::Good;
        } else if (message_.is_request() && message_.method_ != Method::Ack) {
            // RFC 3261 §18.3 discards broken responses, §17.1.1.3 knows no answer to an ACK.
            parsed_.verdict = Verdict::Refuse;
            parsed_.status = status_;
        }
    }

    ParsedMessage& parsed_;
    Message& message_;
    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t head_limit_ = 0;  // no line of the head ends past it
    int status_ = 0;              // of the first fault
    bool has_top_via_ = false;
    std::bitset<kHeaderIdCount> is_repeated_;  // names of more than one field
};

ParsedMessage parse_message(base::Bytes bytes) {
    ParsedMessage parsed;
    MessageParser(parsed, std::move(bytes)).parse();
    return parsed;
}

ParsedMessage parse_message(std::string_view text) {
    const base::ByteView bytes = base::as_bytes(text);
    return parse_message(base::Bytes(bytes.begin(), bytes.end()));
}

}  // namespace earshot::sip
