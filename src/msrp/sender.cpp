#include "msrp/sender.h"

#include <algorithm>

#include "msrp/limits.h"

namespace earshot::msrp {

OutgoingNumber Sender::begin(MessageSpec spec) {
    const OutgoingNumber number = next_number_++;
    by_id_.emplace(spec.message_id, number);
    messages_[number].spec = std::move(spec);
    wanting_.insert(number);
    return number;
}

std::optional<SenderAction> Sender::poll_action() {
    if (actions_.empty()) {
        const auto number = next_to_ask();
        if (!number) return std::nullopt;
        Message& message = messages_.at(*number);
        message.is_asked = true;
        wanting_.erase(*number);
        last_asked_ = *number;
        std::uint64_t most = kChunkBytes;
        if (message.spec.size) most = std::min(most, *message.spec.size - message.sent);
        return WantContent{.message = *number,
                           .offset = message.sent,
                           .max_bytes = static_cast<std::size_t>(most)};
    }
    SenderAction action = std::move(actions_.front());
    actions_.pop_front();
    return action;
}

// In turn, so that a short message does not wait for a long one (RFC 4975 section 7.1.1: chunking
// is there for that).
std::optional<OutgoingNumber> Sender::next_to_ask() const {
    if (!may_send_ || wanting_.empty()) return std::nullopt;
    const auto behind = wanting_.upper_bound(last_asked_);
    return behind == wanting_.end() ? *wanting_.begin() : *behind;
}

void Sender::erase(OutgoingNumber number) {
    const auto at = messages_.find(number);
    if (at == messages_.end()) return;
    const auto [first, last] = by_id_.equal_range(at->second.spec.message_id);
    for (auto known = first; known != last; ++known) {
        if (known->second != number) continue;
        by_id_.erase(known);
        break;
    }
    wanting_.erase(number);
    messages_.erase(at);
}

void Sender::give(base::TimePoint now, OutgoingNumber number, base::ByteView content,
                  bool is_last) {
    const auto at = messages_.find(number);
    if (at == messages_.end() || !at->second.is_asked) return;  // aborted or failed meanwhile
    Message& message = at->second;
    message.is_asked = false;
    if (message.spec.size && message.sent + content.size() >= *message.spec.size) is_last = true;
    write_chunk(now, number, message, content,
                is_last ? Continuation::Complete : Continuation::More);
    message.is_all_sent = is_last;
    if (!is_last) wanting_.insert(number);
    settle(number);
}

void Sender::write_chunk(base::TimePoint now, OutgoingNumber number, Message& message,
                         base::ByteView content, Continuation continuation) {
    const MessageSpec& spec = message.spec;
    Head head;
    // The sender answers for it that no end-line stands in the content (RFC 4975 section 7.1).
    do {
        head.transaction = random_.token(8);
    } while (base::as_text(content).find("-------" + head.transaction) != std::string_view::npos);
    head.method = "SEND";
    head.to_path = spec.to;
    head.from_path = {spec.own};
    head.message_id = spec.message_id;
    // Where a chunk is longer than 2,048 octets its end is '*' (section 7.1.1).
    head.byte_range = ByteRange{.start = message.sent + 1, .end = std::nullopt, .total = spec.size};
    if (content.size() <= kUninterruptibleBytes)
        head.byte_range->end = message.sent + content.size();
    if (continuation == Continuation::Complete)
        head.byte_range->total = message.sent + content.size();
    head.success_report = spec.success_report;
    head.failure_report = spec.failure_report;
    head.others = spec.headers;
    head.content_type = spec.content_type;

    std::string bytes = write_head(head);
    if (!spec.content_type.empty()) {
        bytes.append("\r\n").append(base::as_text(content)).append("\r\n");
    }
    bytes += end_line(head.transaction, continuation);
    actions_.emplace_back(Outgoing{std::move(bytes)});
    message.sent += content.size();
    if (spec.failure_report == FailureReport::Yes) {
        ++message.unanswered;
        transactions_[head.transaction] = {.message = number, .until = now + kResponseTime};
    } else if (spec.failure_report == FailureReport::Partial) {
        // Errors alone are answered: remembered as long, silence is consent.
        transactions_[head.transaction] = {.message = number, .until = now + kResponseTime};
    }
}

void Sender::abort(OutgoingNumber number) {
    const auto at = messages_.find(number);
    if (at == messages_.end()) return;
    Message& message = at->second;
    if (message.sent > 0 && !message.is_all_sent) {
        message.spec.failure_report = FailureReport::No;
        write_chunk({}, number, message, {}, Continuation::Aborted);
    }
    fail(number, 0, "aborted");
}

void Sender::on_response(const Head& response) {
    const auto at = transactions_.find(response.transaction);
    if (at == transactions_.end()) return;
    const OutgoingNumber number = at->second.message;
    transactions_.erase(at);
    const auto message = messages_.find(number);
    if (message == messages_.end()) return;
    if (response.status != 200) return fail(number, response.status, response.comment);
    if (message->second.unanswered > 0) --message->second.unanswered;
    settle(number);
}

// A REPORT names the message, and by Byte-Range what of it (RFC 4975 section 7.1.2).
void Sender::on_report(const Head& report) {
    if (!report.report_status) return;
    const auto [first_known, last_known] = by_id_.equal_range(report.message_id);
    const auto known = std::find_if(first_known, last_known, [&](const auto& entry) {
        return !report.to_path.empty() &&
               is_same(report.to_path.back(), messages_.at(entry.second).spec.own);
    });
    if (known == last_known) return;
    const auto at = messages_.find(known->second);
    if (report.report_status->code != 200) {
        return fail(at->first, report.report_status->code, report.report_status->comment);
    }
    // Reports of parts are added up; those of a receiver that repeats itself end no sooner.
    const bool has_end = report.byte_range && report.byte_range->end;
    const std::uint64_t first = report.byte_range ? report.byte_range->start - 1 : 0;
    const std::uint64_t end = has_end ? *report.byte_range->end : at->second.sent;
    if (first <= at->second.confirmed) at->second.confirmed = std::max(at->second.confirmed, end);
    at->second.is_reported = true;
    settle(at->first);
}

void Sender::settle(OutgoingNumber number) {
    const auto at = messages_.find(number);
    if (at == messages_.end() || !at->second.is_all_sent) return;
    Message& message = at->second;
    const bool is_confirmed =
        message.spec.success_report && message.is_reported && message.confirmed >= message.sent;
    // A receiver that confirms all of it has it, whatever answers are still on their way.
    if (!message.is_told_sent && (message.unanswered == 0 || is_confirmed)) {
        message.is_told_sent = true;
        actions_.emplace_back(Sent{number});
    }
    if (is_confirmed) actions_.emplace_back(Confirmed{number});
    if (is_confirmed || (message.is_told_sent && !message.spec.success_report)) erase(number);
}

void Sender::fail(OutgoingNumber number, int status, std::string_view comment) {
    actions_.emplace_back(
        Failed{.message = number, .status = status, .comment = std::string(comment)});
    erase(number);
    std::erase_if(transactions_, [&](const auto& entry) { return entry.second.message == number; });
}

void Sender::on_time(base::TimePoint now) {
    std::vector<OutgoingNumber> late;
    std::erase_if(transactions_, [&](const auto& entry) {
        if (entry.second.until > now) return false;
        const auto at = messages_.find(entry.second.message);
        if (at != messages_.end() && at->second.spec.failure_report == FailureReport::Yes) {
            late.push_back(entry.second.message);
        }
        return true;
    });
    for (const OutgoingNumber number : late) {
        if (messages_.contains(number)) fail(number, 408, "no answer within 30 s");
    }
}

std::optional<base::TimePoint> Sender::deadline() const {
    std::optional<base::TimePoint> first;
    for (const auto& [transaction, entry] : transactions_) {
        if (!first || entry.until < *first) first = entry.until;
    }
    return first;
}

}  // namespace earshot::msrp
