// Start line and header fields of one MSRP request or response (RFC 4975 sections 5.1, 7, 9). The
// body is not here: it may be longer than memory, see stream_parser.h.
//
//     MSRP tid SEND          To-Path, From-Path, ..., Content-Type last, only with a body
//     MSRP tid 200 OK        To-Path, From-Path
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "msrp/byte_range.h"
#include "msrp/uri.h"

namespace earshot::msrp {

// Behind the transaction in the end-line: how this chunk stands to its message.
enum class Continuation : char { Complete = '$', More = '+', Aborted = '#' };

// RFC 4975 section 7.1.2: which answers the sender wants.
enum class FailureReport : std::uint8_t { Yes, No, Partial };

// Status of a REPORT: "000 200 OK". Namespace 000 is MSRP's own codes.
struct ReportStatus {
    int code = 0;
    std::string comment{};
};

struct Head {
    std::string transaction;  // 4 to 32 characters
    std::string method;       // SEND, REPORT, AUTH, NICKNAME, ...; empty: a response
    int status = 0;           // of a response, 100 to 999
    std::string comment;      // of a response; empty: none

    std::vector<Uri> to_path;    // the leftmost is the next hop
    std::vector<Uri> from_path;  // the leftmost is the hop before
    std::string message_id;      // empty: none
    std::optional<ByteRange> byte_range;
    bool success_report = false;                        // absent: no
    FailureReport failure_report = FailureReport::Yes;  // absent: yes
    std::optional<ReportStatus> report_status;
    std::string content_type;  // empty: there is no body
    // All others by their names as written, in their order: Use-Nickname, Expires, MIME fields.
    std::vector<std::pair<std::string, std::string>> others;

    // Why a request has to be answered by 400 although its end can be found; empty: nothing is
    // wrong. Static text that names the field. What could be read is there.
    std::string_view fault;

    bool is_request() const { return !method.empty(); }
    std::string_view find_other(std::string_view name) const;  // without case; empty: none
};

// The first line alone: what says where the message ends. Errors: Malformed.
base::Result<Head> parse_start_line(std::string_view line);
// Adds one header line. Faults go into `fault`, the first one counts.
void add_header(Head& head, std::string_view line);
// What only the whole head tells: paths are there, a SEND has its Message-ID.
void finish_head(Head& head);

// With CRLFs; ends behind the last field. A body follows after one more CRLF, the end-line directly
// where there is none.
std::string write_head(const Head& head);
std::string end_line(std::string_view transaction, Continuation continuation);

// The answer to a request: paths turned as RFC 4975 section 7.2 says (to the hop before, alone),
// with its end-line.
std::string write_response(const Head& request, const Uri& own, int status,
                           std::string_view comment);

}  // namespace earshot::msrp
