#include "msrp/receiver.h"

#include <algorithm>

#include "msrp/limits.h"

namespace earshot::msrp {

std::string_view to_string(EndMessage::How how) {
    switch (how) {
        case EndMessage::How::Complete:
            return "complete";
        case EndMessage::How::Aborted:
            return "aborted";
        case EndMessage::How::TooLarge:
            return "too_large";
        case EndMessage::How::Lost:
            return "lost";
        case EndMessage::How::Cut:
            return "cut";
    }
    return "lost";
}

Receiver::Receiver(Sessions& sessions, base::Random& random)
    : sessions_(sessions), random_(random) {}

void Receiver::on_bytes(base::ByteView bytes) {
    if (!is_closed_) parser_.lend(bytes);
}

std::optional<ReceiverAction> Receiver::poll_action() {
    // Content borrows from the parser, so it goes on only when what it told has been taken.
    while (actions_.empty()) {
        auto event = is_closed_ ? std::nullopt : parser_.poll_event();
        if (!event) return std::nullopt;
        on_event(*std::move(event));
    }
    ReceiverAction action = std::move(actions_.front());
    actions_.pop_front();
    return action;
}

void Receiver::on_event(StreamEvent event) {
    if (auto* head = std::get_if<Head>(&event)) return on_head(std::move(*head));
    if (const auto* piece = std::get_if<BodyPiece>(&event)) return on_piece(piece->bytes);
    if (const auto* end = std::get_if<MessageEnd>(&event)) return on_end(end->continuation);
    close(std::get<StreamBroken>(event).reason);
}

void Receiver::on_head(Head head) {
    chunk_ = Chunk{.head = std::move(head)};
    if (!chunk_->head.is_request()) return;
    // We are no relay: our URI is the only one of To-Path (RFC 4975 section 7.3).
    const std::vector<Uri>& to = chunk_->head.to_path;
    if (to.size() == 1) chunk_->session = sessions_.find(to.front());
    if (!chunk_->head.fault.empty()) {
        answer(400, chunk_->head.fault);
    } else if (!chunk_->session) {
        answer(481, "No such session");
    } else if (chunk_->session->is_elsewhere && !bound_.contains(chunk_->session->session)) {
        answer(506, "The session is bound to another connection");
    } else {
        bind();
        if (chunk_->head.method == "SEND") {
            if (!chunk_->head.content_type.empty()) begin_send();
        } else if (chunk_->head.method != "REPORT") {
            answer(501, "Unknown method");
        }
        return;
    }
    chunk_->is_discarded = true;
}

void Receiver::bind() {
    if (!bound_.insert(chunk_->session->session).second) return;
    actions_.emplace_back(BindSession{.session = chunk_->session->session});
}

// A SEND with content, of a session that is bound to this connection.
void Receiver::begin_send() {
    if (!chunk_->session->takes_content) {
        chunk_->is_discarded = true;
        return;
    }
    chunk_->message = open_message();
    if (chunk_->message == nullptr) return;
    const std::optional<ByteRange>& range = chunk_->head.byte_range;
    chunk_->at = range ? range->start - 1 : 0;
    if (range && range->total && *range->total > chunk_->message->max_bytes) refuse_message();
}

Receiver::Message* Receiver::open_message() {
    const Key key{chunk_->session->session, chunk_->head.message_id};
    if (const auto known = open_.find(key); known != open_.end()) return &known->second;

    const auto open_here = std::count_if(open_.begin(), open_.end(), [&](const auto& entry) {
        return entry.first.first == key.first;
    });
    if (static_cast<std::size_t>(open_here) >= kMaxOpenMessages) {
        answer(413, "Too many messages at once");
        chunk_->is_discarded = true;
        return nullptr;
    }
    Message& message = open_[key];
    message.session = key.first;
    message.number = next_message_++;
    message.max_bytes = chunk_->session->max_bytes;
    message.wants_success_report = chunk_->head.success_report;
    message.report_to = chunk_->head.from_path;
    message.own = chunk_->session->own;
    actions_.emplace_back(
        BeginMessage{.session = key.first,
                     .message = message.number,
                     .head = chunk_->head,
                     .is_repeated = std::find(ended_.begin(), ended_.end(), key) != ended_.end()});
    return &message;
}

void Receiver::on_piece(base::ByteView bytes) {
    if (!chunk_ || chunk_->is_discarded) return;
    if (chunk_->head.method != "SEND") {
        chunk_->body += base::as_text(bytes);  // bounded by the parser
        return;
    }
    // Content without Content-Type breaks the RFC; it is a message all the same.
    if (chunk_->message == nullptr) begin_send();
    if (chunk_->is_discarded) return;
    Message& message = *chunk_->message;
    const std::uint64_t end = chunk_->at + bytes.size();
    if (end < chunk_->at || end > message.max_bytes || !message.received.add(chunk_->at, end)) {
        return refuse_message();
    }
    actions_.emplace_back(
        MessageContent{.message = message.number, .offset = chunk_->at, .bytes = bytes});
    chunk_->at = end;
}

// Past what the session takes: the sender is told at once, not when it has sent all of it (RFC 4975
// section 10, 413). What it sends on under this Message-ID is refused again.
void Receiver::refuse_message() {
    answer(413, "Message too large");
    chunk_->is_discarded = true;
    const auto at = open_.find({chunk_->message->session, chunk_->head.message_id});
    chunk_->message = nullptr;
    end_message(at, EndMessage::How::TooLarge);
}

void Receiver::on_end(Continuation continuation) {
    if (!chunk_) return;
    Head& head = chunk_->head;
    if (!head.is_request()) {
        actions_.emplace_back(ResponseCame{.head = std::move(head)});
    } else {
        if (chunk_->message != nullptr) end_send(continuation);
        answer(200, "OK");
        if (head.method != "SEND" && !chunk_->is_discarded) {
            actions_.emplace_back(OtherRequest{.session = chunk_->session->session,
                                               .head = std::move(head),
                                               .body = std::move(chunk_->body)});
        }
    }
    chunk_.reset();
}

void Receiver::end_send(Continuation continuation) {
    Message& message = *chunk_->message;
    const auto at = open_.find({message.session, chunk_->head.message_id});
    if (continuation == Continuation::Aborted) return end_message(at, EndMessage::How::Aborted);
    // The last chunk fixes the size, whatever was said before. It may come before others.
    if (continuation == Continuation::Complete) message.total = chunk_->at;
    if (message.total && message.received.is_whole(*message.total)) {
        end_message(at, EndMessage::How::Complete);
    }
}

// The transaction's answer (RFC 4975 section 7.2), once: with Failure-Report partial only if it is
// an error, with no never. A REPORT gets none.
void Receiver::answer(int status, std::string_view phrase) {
    const Head& head = chunk_->head;
    if (chunk_->is_answered || !head.is_request() || head.method == "REPORT") return;
    chunk_->is_answered = true;
    if (head.method == "SEND") {
        if (head.failure_report == FailureReport::No) return;
        if (head.failure_report == FailureReport::Partial && status == 200) return;
    }
    if (head.from_path.empty()) return;  // nobody to answer to
    Uri own;
    if (chunk_->session) {
        own = chunk_->session->own;
    } else if (!head.to_path.empty()) {
        own = head.to_path.front();
    } else {
        return;
    }
    actions_.emplace_back(SendBytes{write_response(head, own, status, phrase)});
}

void Receiver::end_message(std::map<Key, Message>::iterator at, EndMessage::How how) {
    Message& message = at->second;
    actions_.emplace_back(EndMessage{.message = message.number,
                                     .how = how,
                                     .octets = message.received.count(),
                                     .total = message.total});
    if (how == EndMessage::How::Complete && message.wants_success_report) {
        if (waiting_reports_.size() == kMaxWaitingReports) {
            waiting_reports_.erase(waiting_reports_.begin());
        }
        waiting_reports_[message.number] = Report{.message_id = at->first.second,
                                                  .to = std::move(message.report_to),
                                                  .own = std::move(message.own),
                                                  .octets = message.received.count()};
    }
    if (how == EndMessage::How::Complete) {
        if (ended_.size() == kMaxEndedMessages) ended_.pop_front();
        ended_.push_back(at->first);
    }
    open_.erase(at);
}

void Receiver::on_durable(MessageNumber message) {
    const auto at = waiting_reports_.find(message);
    if (at == waiting_reports_.end() || is_closed_) return;
    const Report& report = at->second;
    Head head;
    head.method = "REPORT";
    head.to_path = report.to;
    head.from_path = {report.own};
    head.message_id = report.message_id;
    head.byte_range = ByteRange{.start = 1, .end = report.octets, .total = report.octets};
    head.report_status = ReportStatus{.code = 200, .comment = "OK"};
    send_request(std::move(head));
    waiting_reports_.erase(at);
}

void Receiver::send_empty(const Uri& own, const std::vector<Uri>& peer) {
    Head head;
    head.method = "SEND";
    head.to_path = peer;
    head.from_path = {own};
    head.message_id = random_.token(8);
    head.byte_range = ByteRange{.start = 1, .end = 0, .total = 0};
    send_request(std::move(head));
}

void Receiver::send_request(Head head) {
    head.transaction = random_.token(8);
    actions_.emplace_back(
        SendBytes{write_head(head) + end_line(head.transaction, Continuation::Complete)});
}

void Receiver::end_all(EndMessage::How how, std::optional<SessionNumber> session) {
    for (auto at = open_.begin(); at != open_.end();) {
        const auto next = std::next(at);
        if (!session || at->first.first == *session) {
            if (chunk_ && chunk_->message == &at->second) {
                chunk_->message = nullptr;
                chunk_->is_discarded = true;
            }
            end_message(at, how);
        }
        at = next;
    }
}

void Receiver::on_session_ended(SessionNumber session) {
    end_all(EndMessage::How::Lost, session);
    bound_.erase(session);
}

void Receiver::on_paused(SessionNumber session) { end_all(EndMessage::How::Cut, session); }

void Receiver::on_connection_lost() {
    end_all(EndMessage::How::Lost, std::nullopt);
    waiting_reports_.clear();
    is_closed_ = true;
}

void Receiver::close(std::string_view reason) {
    end_all(EndMessage::How::Lost, std::nullopt);
    is_closed_ = true;
    actions_.emplace_back(CloseConnection{reason});
}

}  // namespace earshot::msrp
