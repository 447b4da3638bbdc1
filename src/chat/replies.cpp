#include "chat/replies.h"

#include <utility>

namespace earshot::chat {

std::string empty_send(base::Random& random, std::string transaction,
                       const std::vector<msrp::Uri>& peer, const msrp::Uri& own) {
    msrp::Head head;
    head.transaction = std::move(transaction);
    head.method = "SEND";
    head.to_path = peer;
    head.from_path = {own};
    head.message_id = random.token(8);
    head.byte_range = msrp::ByteRange{.start = 1, .end = 0, .total = 0};
    return write_head(head) + end_line(head.transaction, msrp::Continuation::Complete);
}

std::optional<std::string> answer_to(const msrp::Head& request, int status,
                                     std::string_view phrase) {
    if (!request.is_request() || request.method == "REPORT") return std::nullopt;
    if (request.from_path.empty() || request.to_path.empty()) return std::nullopt;
    if (request.method == "SEND") {
        if (request.failure_report == msrp::FailureReport::No) return std::nullopt;
        const bool is_error = status >= kFirstError;
        if (request.failure_report == msrp::FailureReport::Partial && !is_error)
            return std::nullopt;
    }
    return write_response(request, request.to_path.front(), status, phrase);
}

void send_answer(Network& network, ConnectionId connection, const msrp::Head& request,
                 const Refusal& refusal) {
    if (auto answer = answer_to(request, refusal.status, refusal.phrase))
        network.send(connection, *std::move(answer));
}

void send_ok(Network& network, ConnectionId connection, const msrp::Head& request) {
    send_answer(network, connection, request, {kOk, "OK"});
}

void send_success_report(Network& network, base::Random& random, ConnectionId connection,
                         const msrp::Head& request, std::uint64_t octets) {
    msrp::Head told;
    told.transaction = random.token(8);
    told.method = "REPORT";
    told.to_path = request.from_path;
    told.from_path = request.to_path;
    told.message_id = request.message_id;
    told.byte_range = msrp::ByteRange{.start = 1, .end = octets, .total = octets};
    told.report_status = msrp::ReportStatus{.code = kOk, .comment = "OK"};
    network.send(connection,
                 write_head(told) + end_line(told.transaction, msrp::Continuation::Complete));
}

}  // namespace earshot::chat
