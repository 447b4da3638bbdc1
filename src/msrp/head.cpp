#include "msrp/head.h"

#include "base/text.h"
#include "msrp/limits.h"

namespace earshot::msrp {
namespace {

// RFC 4975 section 9: ident = ALPHANUM 3*31ident-char.
bool is_ident(std::string_view text) {
    if (text.size() < kMinIdentBytes || text.size() > kMaxIdentBytes) return false;
    const auto is_alphanumeric = [](char c) {
        const char lower = base::to_lower(c);
        return (lower >= 'a' && lower <= 'z') || base::is_digit(c);
    };
    if (!is_alphanumeric(text.front())) return false;
    for (const char c : text) {
        if (!is_alphanumeric(c) && std::string_view(".-+%=").find(c) == std::string_view::npos) {
            return false;
        }
    }
    return true;
}

bool is_method(std::string_view text) {
    if (text.empty() || text.size() > kMaxIdentBytes) return false;
    for (const char c : text) {
        if (c < 'A' || c > 'Z') return false;
    }
    return true;
}

void blame(Head& head, std::string_view fault) {
    if (head.fault.empty()) head.fault = fault;
}

void read_path(Head& head, std::string_view value, std::vector<Uri>& path, std::string_view fault) {
    auto parsed = parse_path(value);
    if (!parsed || !path.empty()) return blame(head, fault);
    path = *std::move(parsed);
}

void read_status(Head& head, std::string_view value) {
    if (base::take_until(value, ' ') != "000") return blame(head, "Status of another namespace");
    const auto code = base::parse_number<int>(base::take_until(value, ' '));
    if (!code || *code < 100 || *code > 999) return blame(head, "malformed Status");
    head.report_status = ReportStatus{.code = *code, .comment = std::string(value)};
}

void read_failure_report(Head& head, std::string_view value) {
    if (base::iequals(value, "no")) {
        head.failure_report = FailureReport::No;
    } else if (base::iequals(value, "partial")) {
        head.failure_report = FailureReport::Partial;
    } else if (!base::iequals(value, "yes")) {
        blame(head, "malformed Failure-Report");
    }
}

void read_success_report(Head& head, std::string_view value) {
    head.success_report = base::iequals(value, "yes");
    if (!head.success_report && !base::iequals(value, "no")) {
        blame(head, "malformed Success-Report");
    }
}

void read_byte_range(Head& head, std::string_view value) {
    head.byte_range = parse_byte_range(value);
    if (!head.byte_range) blame(head, "malformed Byte-Range");
}

void read_message_id(Head& head, std::string_view value) {
    head.message_id = value;
    if (!is_ident(value)) blame(head, "malformed Message-ID");
}

std::string_view text_of(FailureReport report) {
    switch (report) {
        case FailureReport::Yes:
            return "yes";
        case FailureReport::No:
            return "no";
        case FailureReport::Partial:
            return "partial";
    }
    return "yes";
}

void write_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string_view Head::find_other(std::string_view name) const {
    for (const auto& [key, value] : others) {
        if (base::iequals(key, name)) return value;
    }
    return {};
}

base::Result<Head> parse_start_line(std::string_view line) {
    const auto malformed = [](std::string_view what) {
        return base::Error{base::Errc::Malformed, what};
    };
    if (base::take_until(line, ' ') != "MSRP") return malformed("not an MSRP start line");
    Head head;
    const std::string_view transaction = base::take_until(line, ' ');
    if (!is_ident(transaction)) return malformed("malformed transaction of an MSRP start line");
    head.transaction = transaction;
    const std::string_view word = base::take_until(line, ' ');
    if (is_method(word)) {
        head.method = word;
        if (!line.empty()) blame(head, "text behind the method");
        return head;
    }
    const auto status = base::parse_number<int>(word);
    if (!status || word.size() != 3 || *status < 100) {
        return malformed("neither method nor status in an MSRP start line");
    }
    head.status = *status;
    head.comment = line;
    return head;
}

void add_header(Head& head, std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return blame(head, "malformed header line");
    const std::string_view name = base::trim(line.substr(0, colon));
    const std::string_view value = base::trim(line.substr(colon + 1));
    const auto is = [&](std::string_view field) { return base::iequals(name, field); };

    if (is("To-Path")) return read_path(head, value, head.to_path, "malformed To-Path");
    if (is("From-Path")) return read_path(head, value, head.from_path, "malformed From-Path");
    if (is("Message-ID")) return read_message_id(head, value);
    if (is("Byte-Range")) return read_byte_range(head, value);
    if (is("Success-Report")) return read_success_report(head, value);
    if (is("Failure-Report")) return read_failure_report(head, value);
    if (is("Status")) return read_status(head, value);
    if (is("Content-Type")) {
        head.content_type = value;
        if (value.empty()) blame(head, "empty Content-Type");
        return;
    }
    if (head.others.size() == kMaxHeaders) return blame(head, "too many header fields");
    head.others.emplace_back(name, value);
}

void finish_head(Head& head) {
    if (head.to_path.empty()) blame(head, "missing To-Path");
    if (head.from_path.empty()) blame(head, "missing From-Path");
    if ((head.method == "SEND" || head.method == "REPORT") && head.message_id.empty()) {
        blame(head, "missing Message-ID");
    }
}

std::string write_head(const Head& head) {
    std::string out = "MSRP " + head.transaction + " ";
    if (head.is_request()) {
        out += head.method;
    } else {
        out += std::to_string(head.status);
        if (!head.comment.empty()) out += " " + head.comment;
    }
    out += "\r\n";
    write_field(out, "To-Path", to_string(head.to_path));
    write_field(out, "From-Path", to_string(head.from_path));
    if (!head.message_id.empty()) write_field(out, "Message-ID", head.message_id);
    if (head.byte_range) write_field(out, "Byte-Range", to_string(*head.byte_range));
    if (head.success_report) write_field(out, "Success-Report", "yes");
    if (head.failure_report != FailureReport::Yes) {
        write_field(out, "Failure-Report", text_of(head.failure_report));
    }
    if (head.report_status) {
        std::string value = "000 " + std::to_string(head.report_status->code);
        if (!head.report_status->comment.empty()) value += " " + head.report_status->comment;
        write_field(out, "Status", value);
    }
    for (const auto& [name, value] : head.others) write_field(out, name, value);
    if (!head.content_type.empty()) write_field(out, "Content-Type", head.content_type);
    return out;
}

std::string end_line(std::string_view transaction, Continuation continuation) {
    std::string line = "-------";
    line.append(transaction).push_back(static_cast<char>(continuation));
    return line + "\r\n";
}

std::string write_response(const Head& request, const Uri& own, int status,
                           std::string_view comment) {
    Head response;
    response.transaction = request.transaction;
    response.status = status;
    response.comment = comment;
    // RFC 4975 section 7.2: SEND is answered hop by hop, so only the leftmost URI of From-Path.
    if (!request.from_path.empty()) response.to_path.push_back(request.from_path.front());
    response.from_path.push_back(own);
    return write_head(response) + end_line(request.transaction, Continuation::Complete);
}

}  // namespace earshot::msrp
