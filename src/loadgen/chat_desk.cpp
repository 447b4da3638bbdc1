#include "loadgen/chat_desk.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/text.h"
#include "loadgen/limits.h"
#include "mime/cpim.h"

namespace earshot::loadgen {
namespace {

constexpr std::size_t kMaxConnects = 3;
constexpr std::size_t kMaxQueuedBytes = std::size_t{256} << 10U;

std::string text_of(const mime::CpimAddress& address) {
    return address.name.empty() ? address.uri : address.name + " <" + address.uri + ">";
}

}  // namespace

std::optional<base::Reason> fault_of(const ChatFigures& figures) {
    if (figures.unsent == 0 && figures.acknowledged == figures.sent && figures.failed == 0)
        return std::nullopt;
    if (figures.fault) return figures.fault;
    return base::Reason{"messages_lost", "Of the chat " +
                                             std::to_string(figures.sent - figures.acknowledged) +
                                             " messages were not acknowledged, " +
                                             std::to_string(figures.unsent) + " not sent."};
}

void ChatDesk::open(ChatId id, Setup setup) {
    by_session_[setup.own.session_id] = id;
    const auto made = ends_.try_emplace(id, std::move(setup), random_).first;
    made->second.figures.label = made->second.setup.label;
}

std::optional<msrp::Sessions::Found> ChatDesk::find(const msrp::Uri& to) {
    const auto found = by_session_.find(to.session_id);
    if (found == by_session_.end()) return std::nullopt;
    const End& end = ends_.at(found->second);
    if (!msrp::is_same(end.setup.own, to)) return std::nullopt;
    return Found{.session = found->second, .own = end.setup.own, .max_bytes = end.setup.max_bytes};
}

// A description in mid-call may name a new path: that is a new session (RFC 4975 section 8.2).
void ChatDesk::set_plan(base::Now now, ChatId id, ChatPlan plan) {
    const auto found = ends_.find(id);
    if (found == ends_.end()) return;
    End& end = found->second;
    const bool is_new = end.plan.path.empty() != plan.path.empty() ||
                        (!plan.path.empty() && !is_same(end.plan.path.back(), plan.path.back()));
    end.plan = std::move(plan);
    if (is_new) {
        if (end.connection != 0) network_.close(end.connection);
        end.connection = 0;
        end.connects = 0;
        if (end.plan.connect_to) connect(end);
    }
    act(now, end);
    settle(now, id, end);
}

void ChatDesk::connect(End& end) {
    ++end.connects;
    end.connection = network_.connect(*end.plan.connect_to, end.plan.tls_name);
    if (end.connection == 0) fault(end, {"chat_not_connected", "No connection could be made."});
}

void ChatDesk::fault(End& end, base::Reason reason) {
    if (!end.figures.fault) end.figures.fault = std::move(reason);
}

void ChatDesk::finish(base::Now now, ChatId id) {
    const auto found = ends_.find(id);
    if (found == ends_.end()) {
        on_ended_(id);
        return;
    }
    if (!found->second.finish_by) found->second.finish_by = now.steady + kPatience;
    settle(now, id, found->second);
}

ChatFigures ChatDesk::figures(ChatId id) const {
    const auto found = ends_.find(id);
    if (found == ends_.end()) return {};
    ChatFigures figures = found->second.figures;
    figures.unsent =
        static_cast<std::uint32_t>(found->second.setup.acts.size() - found->second.next_act);
    return figures;
}

// ---- connections ------------------------------------------------------------------------------

ChatDesk::Wire& ChatDesk::wire_of(ChatNetwork::Connection connection) {
    msrp::Sessions& sessions = *this;
    return wires_.try_emplace(connection, sessions, random_).first->second;
}

void ChatDesk::on_open(base::Now now, ChatNetwork::Connection connection) {
    wire_of(connection);
    const auto found = std::find_if(ends_.begin(), ends_.end(), [connection](const auto& entry) {
        return entry.second.connection == connection;
    });
    if (found == ends_.end()) return;  // somebody connects to us, and says to which session
    if (auto reason = network_.find_fault(connection, found->second.plan.fingerprints)) {
        fault(found->second, *std::move(reason));
        found->second.connects = kMaxConnects;
        network_.close(connection);
        on_closed(now, connection);
        return;
    }
    bind(now, found->first, connection);
}

void ChatDesk::bind(base::Now now, ChatId id, ChatNetwork::Connection connection) {
    End& end = ends_.at(id);
    const bool is_ours = end.plan.connect_to && end.connection == connection;
    end.connection = connection;
    end.figures.was_connected = true;
    if (!end.began) end.began = now.steady;
    // RFC 4975 section 5.4: who connects sends at once, so that the other end knows whose
    // connection it is.
    if (is_ours) write_binding(end);
    act(now, end);
    settle(now, id, end);
}

void ChatDesk::write_binding(End& end) {
    msrp::MessageSpec spec;
    spec.to = end.plan.path;
    spec.own = end.setup.own;
    spec.message_id = random_.token(8);
    spec.size = 0;
    end.writing[end.sender.begin(std::move(spec))] = {.content = {}, .is_of_script = false};
}

void ChatDesk::on_bytes(base::Now now, ChatNetwork::Connection connection, base::ByteView bytes) {
    wire_of(connection).receiver.on_bytes(bytes);
    read(now, connection);
}

void ChatDesk::on_closed(base::Now now, ChatNetwork::Connection connection) {
    if (const auto wire = wires_.find(connection); wire != wires_.end()) {
        wire->second.receiver.on_connection_lost();
        read(now, connection);
        wires_.erase(connection);
    }
    for (auto& [id, end] : ends_) {
        if (end.connection != connection) continue;
        end.connection = 0;
        // Once the far end hung up (or is about to) there is nobody to connect to.
        if (end.plan.connect_to && !end.finish_by && end.connects < kMaxConnects) {
            connect(end);
        } else if (!end.figures.was_connected) {
            fault(end, {"chat_not_connected", "The other end could not be reached."});
        }
        settle(now, id, end);
    }
}

void ChatDesk::on_time(base::Now now) {
    for (auto& [id, end] : ends_) {
        end.sender.on_time(now.steady);
        act(now, end);
        settle(now, id, end);
    }
}

// ---- what is written --------------------------------------------------------------------------

void ChatDesk::act(base::Now now, End& end) {
    const bool may_write =
        end.began && end.connection != 0 && end.plan.sends && !end.finish_by && !end.has_ended;
    while (may_write && end.next_act < end.setup.acts.size() &&
           now.steady >= *end.began + end.setup.acts[end.next_act].after) {
        const ChatAct& next = end.setup.acts[end.next_act++];
        if (next.content == nullptr) {
            ask_for_nickname(end, next);
        } else {
            write(now, end, next);
        }
    }
    pump(now, end);
}

void ChatDesk::write(base::Now now, End& end, const ChatAct& act) {
    chat::MessageFacts facts;
    facts.from = act.is_from_caller ? chat::Side::A : chat::Side::B;
    facts.message_id = random_.token(8);
    facts.content_type = act.content_type;
    facts.at = now.wall;
    facts.nickname = act.nickname;
    facts.total = act.content->size();
    std::array<std::string, 2> parties;
    parties[chat::index_of(facts.from)] = act.from;
    parties[chat::index_of(chat::other(facts.from))] = act.to;
    const auto wrapping = chat::wrap(facts, end.plan.types, parties);
    if (!wrapping) {
        ++end.figures.failed;
        fault(end, {"type_not_taken", "The other end does not take " + act.content_type + "."});
        return;
    }
    msrp::MessageSpec spec;
    spec.to = end.plan.path;
    spec.own = end.setup.own;
    spec.message_id = random_.token(8);
    spec.content_type = wrapping->content_type;
    spec.headers = wrapping->headers;
    spec.success_report = true;
    std::string content = wrapping->prefix + *act.content;
    spec.size = content.size();
    end.writing[end.sender.begin(std::move(spec))] = {.content = std::move(content)};
    ++end.figures.sent;
}

// RFC 7701 section 7.1: a request without a body, which is answered like a SEND.
void ChatDesk::ask_for_nickname(End& end, const ChatAct& act) {
    msrp::Head head;
    head.transaction = random_.token(8);
    head.method = "NICKNAME";
    head.to_path = end.plan.path;
    head.from_path = {end.setup.own};
    head.others = {{"Use-Nickname", "\"" + act.nickname + "\""}};
    end.nickname_transaction = head.transaction;
    network_.send(end.connection, write_head(head) + msrp::end_line(head.transaction,
                                                                    msrp::Continuation::Complete));
}

void ChatDesk::pump(base::Now now, End& end) {
    if (end.connection == 0) return;
    end.sender.set_may_send(network_.queued_bytes(end.connection) < kMaxQueuedBytes);
    while (auto action = end.sender.poll_action()) {
        if (auto* out = std::get_if<msrp::Outgoing>(&*action)) {
            network_.send(end.connection, std::move(out->bytes));
            end.sender.set_may_send(network_.queued_bytes(end.connection) < kMaxQueuedBytes);
        } else if (const auto* want = std::get_if<msrp::WantContent>(&*action)) {
            const std::string& content = end.writing.at(want->message).content;
            const std::string_view part =
                std::string_view{content}.substr(want->offset, want->max_bytes);
            end.sender.give(now.steady, want->message, base::as_bytes(part),
                            want->offset + part.size() == content.size());
        } else if (const auto* sent = std::get_if<msrp::Sent>(&*action)) {
            Writing& message = end.writing.at(sent->message);
            message.is_sent = true;
            if (message.is_of_script) {
                ++end.figures.acknowledged;
            } else {
                end.writing.erase(sent->message);
            }
        } else if (const auto* confirmed = std::get_if<msrp::Confirmed>(&*action)) {
            ++end.figures.receipted;
            end.writing.erase(confirmed->message);
        } else if (const auto* failed = std::get_if<msrp::Failed>(&*action)) {
            const auto found = end.writing.find(failed->message);
            if (found == end.writing.end()) continue;
            if (found->second.is_of_script && !found->second.is_sent) ++end.figures.failed;
            // A binding that fails later is one of a session that the far end has just ended.
            if (found->second.is_of_script || end.figures.acknowledged == 0)
                fault(end, {"message_refused", "A message was answered by " +
                                                   std::to_string(failed->status) + " " +
                                                   base::to_valid_utf8(failed->comment) + "."});
            end.writing.erase(found);
        }
    }
}

void ChatDesk::settle(base::Now now, ChatId id, End& end) {
    if (!end.finish_by || end.has_ended) return;
    const bool has_all = end.writing.empty() || end.connection == 0;
    if (!has_all && now.steady < *end.finish_by) return;
    end.has_ended = true;
    if (end.connection != 0) network_.close(std::exchange(end.connection, 0));
    on_ended_(id);
}

// ---- what comes -------------------------------------------------------------------------------

void ChatDesk::read(base::Now now, ChatNetwork::Connection connection) {
    const auto wire = wires_.find(connection);
    if (wire == wires_.end()) return;
    while (auto action = wire->second.receiver.poll_action()) take(now, connection, *action);
    for (auto& [id, end] : ends_) {
        if (end.connection != connection) continue;
        pump(now, end);
        settle(now, id, end);
    }
}

void ChatDesk::take(base::Now now, ChatNetwork::Connection connection,
                    msrp::ReceiverAction& action) {
    Wire& wire = wires_.at(connection);
    if (auto* out = std::get_if<msrp::SendBytes>(&action)) {
        network_.send(connection, std::move(out->bytes));
    } else if (const auto* bound = std::get_if<msrp::BindSession>(&action)) {
        if (ends_.at(bound->session).connection != connection)
            bind(now, bound->session, connection);
    } else if (const auto* begun = std::get_if<msrp::BeginMessage>(&action)) {
        wire.incoming[begun->message] = {.end = begun->session,
                                         .content_type = begun->head.content_type,
                                         .content = {},
                                         .octets = 0};
    } else if (const auto* content = std::get_if<msrp::MessageContent>(&action)) {
        Incoming& message = wire.incoming.at(content->message);
        // In order but for relays; what is kept of a message is its beginning.
        if (content->offset == message.content.size() &&
            message.content.size() < kMaxHeardTextBytes)
            message.content.append(base::as_text(content->bytes)
                                       .substr(0, kMaxHeardTextBytes - message.content.size()));
    } else if (const auto* ended = std::get_if<msrp::EndMessage>(&action)) {
        const auto found = wire.incoming.find(ended->message);
        if (found == wire.incoming.end()) return;
        found->second.octets = ended->octets;
        if (ended->how == msrp::EndMessage::How::Complete) {
            wire.receiver.on_durable(ended->message);  // a phone has it when it has it
            keep(found->second);
        }
        wire.incoming.erase(found);
    } else if (const auto* request = std::get_if<msrp::OtherRequest>(&action)) {
        if (request->head.method == "REPORT")
            ends_.at(request->session).sender.on_report(request->head);
    } else if (const auto* response = std::get_if<msrp::ResponseCame>(&action)) {
        for (auto& [id, end] : ends_) {
            if (end.connection != connection) continue;
            end.sender.on_response(response->head);
            if (!end.nickname_transaction.empty() &&
                end.nickname_transaction == response->head.transaction)
                end.figures.nickname_status = response->head.status;
        }
    } else if (std::holds_alternative<msrp::CloseConnection>(action)) {
        network_.close(connection);
    }
}

// A SEND without content binds a session and is no message.
void ChatDesk::keep(const Incoming& message) {
    if (message.content_type.empty()) return;
    ChatFigures& figures = ends_.at(message.end).figures;
    ++figures.received;
    if (figures.heard.size() == kMaxHeardMessages) return;
    HeardMessage heard;
    heard.content_type = base::to_valid_utf8(message.content_type);
    heard.octets = message.octets;
    std::string_view text = message.content;
    if (base::iequals(chat::bare_type(message.content_type), "message/cpim")) {
        if (const auto head = mime::parse_cpim(text)) {
            if (head->from) heard.from = base::to_valid_utf8(text_of(*head->from));
            if (!head->to.empty()) heard.to = base::to_valid_utf8(text_of(head->to.front()));
            heard.content_type = base::to_valid_utf8(head->content_type);
            text.remove_prefix(head->content_at);
        }
    }
    if (base::istarts_with(heard.content_type, "text/")) heard.text = base::to_valid_utf8(text);
    figures.heard.push_back(std::move(heard));
}

}  // namespace earshot::loadgen
