#include "sip/parser.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "sip/chars.h"

namespace earshot::sip {
// Fills one Message. The first fault is kept and reading goes on, so that a refusal can name its
// dialog and transaction.
class MessageParser {
public:
    explicit MessageParser(base::Bytes bytes) {
        message_.raw_ = std::move(bytes);
        text_ = base::as_text(message_.raw_);
    }

    ParsedMessage parse() {
        skip_blank_lines();
        Line line;
        if (!take_line(line) || !read_start_line(line)) return drop("Not a SIP message");
        read_headers();
        set_body();
        check_required();
        return conclude();
    }

private:
    struct Line {
        std::size_t at = 0;
        std::string_view text;  // without its end
    };

    void fault(int status, std::string_view reason) {
        if (status_ != 0) return;
        status_ = status;
        reason_ = reason;
    }

    ParsedMessage drop(std::string_view reason) {
        ParsedMessage parsed;
        parsed.reason = reason;
        parsed.message = std::move(message_);
        return parsed;
    }

    Message::Span span_of(std::string_view part) const {
        if (part.empty()) return {};
        return {static_cast<std::uint32_t>(part.data() - text_.data()),
                static_cast<std::uint32_t>(part.size())};
    }

    // RFC 3261 §7.5: CRLFs before the start line are ignored.
    void skip_blank_lines() {
        const std::size_t start = text_.find_first_not_of("\r\n");
        at_ = start == std::string_view::npos ? text_.size() : start;
        if (at_ > kMaxBlankBytesBeforeMessage) at_ = text_.size();
        message_.head_.at = static_cast<std::uint32_t>(at_);
    }

    // False when no further line ends within the limit of the head. RFC 3261 wants CRLF; LF alone
    // is taken, too (interop Q33).
    bool take_line(Line& line) {
        const std::size_t limit = std::min(text_.size(), message_.head_.at + kMaxSipHeadBytes);
        const void* found = at_ < limit ? std::memchr(&text_[at_], '\n', limit - at_) : nullptr;
        if (found == nullptr) return false;
        const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - text_.data());
        line.at = at_;
        line.text = text_.substr(at_, end - at_);
        if (!line.text.empty() && line.text.back() == '\r') {
            line.text.remove_suffix(1);
        } else {
            message_.bare_lf_ = true;
        }
        at_ = end + 1;
        return true;
    }

    bool read_start_line(const Line& line) {
        if (base::istarts_with(line.text, "SIP/")) return read_status_line(line.text);
        return read_request_line(trim_lws(line.text));
    }

    bool read_status_line(std::string_view rest) {
        const std::string_view version = base::take_until(rest, ' ');
        rest = trim_lws(rest);
        const auto status = base::parse_number<std::uint16_t>(base::take_until(rest, ' '));
        if (!base::iequals(version, "SIP/2.0") || !status || *status < 100 || *status > 699) {
            return false;
        }
        message_.status_ = *status;
        message_.first_ = span_of(version);
        message_.second_ = span_of(trim_lws(rest));
        return true;
    }

    // Spaces beyond the two of the grammar are tolerated around the parts (RFC 4475 §3.1.2.9 and
    // §3.1.2.10), but not inside the URI. What does not end in SIP/x is no SIP at all.
    bool read_request_line(std::string_view line) {
        const std::size_t last = line.find_last_of(" \t");
        if (last == std::string_view::npos) return false;
        const std::string_view version = line.substr(last + 1);
        if (!base::istarts_with(version, "SIP/")) return false;
        std::string_view middle = trim_lws(line.substr(0, last));
        const std::size_t first = middle.find_first_of(" \t");
        const std::string_view method = middle.substr(0, first);
        if (!is_token(method)) return false;

        middle =
            first == std::string_view::npos ? std::string_view{} : trim_lws(middle.substr(first));
        message_.first_ = span_of(method);
        message_.second_ = span_of(middle);
        message_.method_ = find_method(method);
        if (!base::iequals(version, "SIP/2.0")) fault(505, "Version Not Supported");
        if (middle.empty()) fault(400, "Missing Request-URI");
        if (!parse_uri(middle)) fault(400, "Malformed Request-URI");
        return true;
    }

    void read_headers() {
        message_.fields_.reserve(32);
        Line line;
        while (take_line(line)) {
            if (line.text.empty()) {
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

    void add_field(const Line& line) {
        Message::Field field;
        const std::size_t colon = line.text.find(':');
        const std::string_view name = trim_lws(line.text.substr(0, colon));
        const std::string_view value = colon == std::string_view::npos
                                           ? std::string_view{}
                                           : trim_lws(line.text.substr(colon + 1));
        field.folded = is_fold();
        field.name = span_of(name);
        field.value = field.folded ? unfold(value) : span_of(value);
        // A line without a colon is kept under no known name, its folds with it.
        if (colon != std::string_view::npos) field.id = find_header_id(name);
        message_.fields_.push_back(field);
    }

    // Joins the continuation lines that follow; a fold means one space (RFC 3261 §7.3.1).
    Message::Span unfold(std::string_view first) {
        std::string& out = message_.unfolded_;
        const std::size_t start = out.size();
        out += first;
        Line line;
        while (is_fold() && take_line(line)) {
            const std::string_view part = trim_lws(line.text);
            if (!part.empty() && out.size() > start) out += ' ';
            out += part;
        }
        return {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(out.size() - start)};
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
        for (const Message::Field& field : message_.fields_) {
            if (field.id != HeaderId::ContentLength) continue;
            const auto number = base::parse_number<std::size_t>(message_.value(field));
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
    std::optional<std::string_view> take_single(HeaderId id, std::string_view missing,
                                                std::string_view duplicate) {
        const Message::Field* found = nullptr;
        for (const Message::Field& field : message_.fields_) {
            if (field.id != id) continue;
            if (found != nullptr) fault(400, duplicate);
            if (found == nullptr) found = &field;
        }
        if (found == nullptr) {
            fault(400, missing);
            return std::nullopt;
        }
        return message_.value(*found);
    }

    void check_required() {
        check_vias();
        const auto from = take_single(HeaderId::From, "Missing From", "Duplicate From");
        if (from && !is_address(*from)) fault(400, "Malformed From");
        const auto to = take_single(HeaderId::To, "Missing To", "Duplicate To");
        if (to && !is_address(*to)) fault(400, "Malformed To");
        const auto call_id = take_single(HeaderId::CallId, "Missing Call-ID", "Duplicate Call-ID");
        if (call_id && call_id->empty()) fault(400, "Malformed Call-ID");
        check_cseq();
    }

    static bool is_address(std::string_view value) {
        const auto address = parse_name_addr(value);
        return address && !address->is_wildcard;
    }

    void check_cseq() {
        const auto value = take_single(HeaderId::Cseq, "Missing CSeq", "Duplicate CSeq");
        if (!value) return;
        const auto cseq = parse_cseq(*value);
        if (!cseq) {
            fault(400, "Malformed CSeq");
            return;
        }
        message_.cseq_ = *cseq;
        message_.cseq_method_ = find_method(cseq->method);
        if (message_.is_request() && cseq->method != message_.method_name()) {
            fault(400, "CSeq Names Another Method");
        }
    }

    void check_vias() {
        std::size_t count = 0;
        for (const Message::Field& field : message_.fields_) {
            if (field.id != HeaderId::Via) continue;
            std::string_view rest = message_.value(field);
            std::string_view element;
            while (take_list_element(rest, element)) {
                const bool is_good = parse_via(element).has_value();
                if (count == 0) has_top_via_ = is_good;
                if (!is_good) fault(400, "Malformed Via");
                if (++count <= kMaxHeaderValues) continue;
                fault(513, "Too Many Vias");
                return;
            }
        }
    }

    ParsedMessage conclude() {
        if (!has_top_via_) return drop("No usable Via");
        ParsedMessage parsed;
        parsed.reason = reason_;
        if (status_ == 0) {
            parsed.verdict = Verdict::Good;
        } else if (message_.is_request() && message_.method_ != Method::Ack) {
            // RFC 3261 §18.3 discards broken responses, §17.1.1.3 knows no answer to an ACK.
            parsed.verdict = Verdict::Refuse;
            parsed.status = status_;
        }
        parsed.message = std::move(message_);
        return parsed;
    }

    Message message_;
    std::string_view text_;
    std::size_t at_ = 0;
    int status_ = 0;
    std::string_view reason_;
    bool has_top_via_ = false;
};

ParsedMessage parse_message(base::Bytes bytes) { return MessageParser(std::move(bytes)).parse(); }

ParsedMessage parse_message(std::string_view text) {
    const base::ByteView bytes = base::as_bytes(text);
    return parse_message(base::Bytes(bytes.begin(), bytes.end()));
}

}  // namespace earshot::sip
