#include "archive/message_collector.h"

#include <algorithm>

#include "archive/file_hash.h"
#include "archive/limits.h"
#include "archive/message_body.h"
#include "base/text.h"
#include "mime/media_type.h"
#include "mime/same_user.h"
#include "sdp/message_media.h"
#include "siprec/participant_watch.h"

namespace earshot::archive {
namespace {

constexpr std::int64_t kMsNs = 1'000'000;

std::string_view state_of(journal::MessageOutcome outcome) {
    switch (outcome) {
        case journal::MessageOutcome::Complete:
            return "complete";
        case journal::MessageOutcome::Aborted:
            return "aborted";
        case journal::MessageOutcome::TooLarge:
            return "too_large";
        case journal::MessageOutcome::Lost:
            return "lost";
        case journal::MessageOutcome::Cut:
            return "cut";
    }
    return "lost";
}

bool is_attachment(std::string_view disposition) {
    return base::iequals(mime::split_parameters(disposition).value, "attachment");
}

std::string_view kind_of(std::string_view content_type, std::string_view disposition,
                         const StreamFacts* stream) {
    const std::string type = base::to_lower(mime::split_parameters(content_type).value);
    if (stream != nullptr && !stream->file_selector.empty()) return "file";
    if (is_attachment(disposition)) return "file";  // whatever it is
    if (type == "application/im-iscomposing+xml") return "composing";
    if (type == "message/imdn+xml") return "notification";
    if (type.starts_with("text/")) return "text";
    if (type.empty()) return "other";
    return type.starts_with("image/") || type.starts_with("audio/") || type.starts_with("video/") ||
                   type.starts_with("application/")
               ? "file"
               : "other";
}

// Who a URI is by the metadata.
std::string find_participant(const std::string& uri, const RecordingFacts& facts) {
    if (uri.empty()) return {};
    const auto& known = facts.participants();
    const auto found = std::find_if(known.begin(), known.end(), [&](const auto& participant) {
        return mime::is_same_user(participant.aor, uri);
    });
    return found == known.end() ? std::string{} : found->aor;
}

std::string find_name(const std::string& aor, const RecordingFacts& facts) {
    for (const ParticipantSummary& participant : facts.participants())
        if (participant.aor == aor) return participant.name;
    return {};
}

ChatPerson person_of(const mime::CpimAddress& address, const RecordingFacts& facts) {
    return {.uri = base::to_valid_utf8(address.uri),
            .name = base::to_valid_utf8(address.name),
            .participant = find_participant(address.uri, facts)};
}

// RFC 7701 sections 5 and 6: To is the room, or, in private, one person of it. A wrapper's To is
// the room in either case; between a party and a room of others it is the other end of that leg.
// Where a room's message does not let itself be read as far as To, it counts as private: who may
// not read those must not find a way around that.
bool is_private(const MessageBody& body, const StreamFacts* stream, const RecordingFacts& facts) {
    const auto rooms = siprec::conference_uris(facts.metadata());
    const auto is_conference = [&](const mime::CpimAddress& address) {
        return std::any_of(rooms.begin(), rooms.end(), [&](const std::string& room) {
            return mime::is_same_user(room, address.uri);
        });
    };
    const bool is_chatroom = stream != nullptr && stream->chatroom;
    if (!body.fault.empty()) return is_chatroom || !rooms.empty();
    const auto& wrapped_to = body.wrapper_to;
    if (!is_chatroom && std::none_of(wrapped_to.begin(), wrapped_to.end(), is_conference))
        return false;
    return std::any_of(body.to.begin(), body.to.end(), [&](const mime::CpimAddress& to) {
        const auto is_it = [&](const mime::CpimAddress& one) {
            return mime::is_same_user(one.uri, to.uri);
        };
        if (is_conference(to) || (body.wrapper_from && is_it(*body.wrapper_from))) return false;
        const bool is_other = !wrapped_to.empty() && !is_it(wrapped_to.front());
        return is_other || !find_participant(to.uri, facts).empty();
    });
}

// The wrapper says who wrote, as the client knows it. On a leg to a room of others that is the
// room, and who wrote stands in what the room sent. A phone's own word beside the wrapper's counts
// nothing.
std::optional<mime::CpimAddress> author_of(const MessageBody& body, const RecordingFacts& facts) {
    if (!body.wrapper_from || !body.inner_from || mime::is_anonymous(body.inner_from->uri))
        return body.from;
    const auto rooms = siprec::conference_uris(facts.metadata());
    const bool is_of_room = std::any_of(rooms.begin(), rooms.end(), [&](const std::string& room) {
        return mime::is_same_user(room, body.wrapper_from->uri);
    });
    return is_of_room ? body.inner_from : body.from;
}

// "72:24:5F" and "72245f" are the same.
bool is_same_digest(std::string_view announced, std::string_view hex) {
    std::string plain;
    for (const char c : announced)
        if (c != ':') plain += base::to_lower(c);
    return plain == hex;
}

void compare_hashes(const FileHashes& hashes, ChatMessage& message) {
    message.sha256 = hashes.sha256;
    for (AnnouncedHash& announced : message.hashes) {
        if (announced.algorithm == "sha-1")
            announced.matches = is_same_digest(announced.digest, hashes.sha1);
        else if (announced.algorithm == "sha-256")
            announced.matches = is_same_digest(announced.digest, hashes.sha256);
    }
}

}  // namespace

std::size_t MessageCollector::Message::whole_prefix() const {
    const auto& ranges = received.ranges();
    if (ranges.empty() || ranges.front().begin != 0) return 0;
    return static_cast<std::size_t>(std::min<std::uint64_t>(ranges.front().end, begin.size()));
}

bool MessageCollector::Message::is_in_memory() const { return whole_prefix() == received.end(); }

// ---- records ------------------------------------------------------------------------------------

void MessageCollector::add(const journal::Record& record) {
    switch (record.header.type) {
        case journal::RecordType::MessageHead:
            return add_head(record);
        case journal::RecordType::MessageContent:
            return add_content(record);
        case journal::RecordType::MessageEnd:
            return add_end(record);
        case journal::RecordType::MessageRequest:
            return add_request(record);
        default:
            return;
    }
}

void MessageCollector::add_head(const journal::Record& record) {
    const auto told = journal::parse_message_head(record.payload);
    if (!told) return;
    if (messages_.size() >= kMaxMessages) {
        is_cut_ = true;
        return;
    }
    Message& message = messages_[told->message];
    message.number = told->message;
    message.stream = record.header.stream;
    message.first_ns = record.header.arrival_ns;
    const auto head = parse_head_text(told->head);
    if (!head) return;
    message.message_id = base::to_valid_utf8(head->message_id);
    message.content_type = base::to_valid_utf8(head->content_type);
    message.disposition = base::to_valid_utf8(head->find_other("Content-Disposition"));
    if (head->byte_range) message.total = head->byte_range->total;
}

void MessageCollector::add_content(const journal::Record& record) {
    const auto content = journal::parse_message_content(record.payload);
    if (!content) return;
    const auto found = messages_.find(content->message);
    if (found == messages_.end()) return;
    Message& message = found->second;
    const std::uint64_t end = content->offset + content->octets.size();
    const std::uint64_t kept = std::min<std::uint64_t>(end, kKeptMessageBytes);
    if (content->offset < kept) {
        const auto at = static_cast<std::size_t>(content->offset);
        const std::string_view octets =
            base::as_text(content->octets).substr(0, static_cast<std::size_t>(kept) - at);
        const std::size_t grows = at + octets.size() > message.begin.size()
                                      ? at + octets.size() - message.begin.size()
                                      : 0;
        if (kept_bytes_ + grows > kMaxKeptMessageBytes) {
            is_cut_ = true;
        } else {
            kept_bytes_ += grows;
            message.begin.resize(message.begin.size() + grows);
            for (const auto& range : message.received.ranges()) {
                const std::uint64_t from = std::max<std::uint64_t>(range.begin, at);
                const std::uint64_t to = std::min<std::uint64_t>(range.end, at + octets.size());
                if (from >= to) continue;
                const auto old = std::string_view(message.begin)
                                     .substr(static_cast<std::size_t>(from),
                                             static_cast<std::size_t>(to - from));
                if (old != octets.substr(static_cast<std::size_t>(from) - at, old.size()))
                    message.has_conflict = true;
            }
            message.begin.replace(at, octets.size(), octets);
        }
    }
    static_cast<void>(message.received.add(content->offset, end));
}

void MessageCollector::add_end(const journal::Record& record) {
    const auto end = journal::parse_message_end(record.payload);
    if (!end) return;
    const auto found = messages_.find(end->message);
    if (found == messages_.end()) return;
    Message& message = found->second;
    message.has_ended = true;
    message.end_ns = record.header.arrival_ns;
    message.outcome = end->outcome;
    message.octets = end->octets;
    if (end->total) message.total = end->total;
}

void MessageCollector::add_request(const journal::Record& record) {
    if (requests_.size() >= kMaxMessages) {
        is_cut_ = true;
        return;
    }
    const auto request = journal::parse_message_request(record.payload);
    if (!request) return;
    requests_.push_back({.stream = record.header.stream,
                         .at_ns = record.header.arrival_ns,
                         .text = std::string(request->head)});
}

// ---- the chat -----------------------------------------------------------------------------------

std::map<std::uint16_t, std::uint64_t> MessageCollector::counts(const RecordingFacts& facts) const {
    std::map<std::uint16_t, std::uint64_t> counted;
    const std::set<std::uint64_t> again = repeated();
    for (const auto& [number, message] : messages_) {
        const auto known = facts.streams().find(message.stream);
        const MessageBody body =
            read_message_body(message.content_type,
                              std::string_view(message.begin).substr(0, message.whole_prefix()));
        ChatMessage one;
        one.kind =
            kind_told(message, body, known == facts.streams().end() ? nullptr : &known->second);
        one.is_repeated = again.contains(number);
        if (is_shown(one)) ++counted[message.stream];
    }
    return counted;
}

// What a client sends again, since its connection was lost before our REPORT, has the same
// Message-ID (RFC 4975 section 5.4). Of who uses one twice for two messages both are shown.
std::set<std::uint64_t> MessageCollector::repeated() const {
    std::set<std::uint64_t> numbers;
    std::map<std::pair<std::uint16_t, std::string_view>, const Message*> whole;
    for (const auto& [number, message] : messages_) {
        if (!message.has_ended || message.outcome != journal::MessageOutcome::Complete ||
            message.message_id.empty())
            continue;
        const auto known =
            whole.try_emplace({message.stream, message.message_id}, &message).first->second;
        if (known != &message && known->octets == message.octets &&
            known->content_type == message.content_type && known->begin == message.begin)
            numbers.insert(number);
    }
    return numbers;
}

std::string MessageCollector::kind_told(const Message& message, const MessageBody& body,
                                        const StreamFacts* stream) {
    const std::uint64_t octets = message.has_ended ? message.octets : message.received.count();
    if (octets == 0 && message.received.count() == 0) return "empty";
    if (body.content == "msrp") return "request";
    if (body.content == "drop") return "notice";
    return std::string(kind_of(body.content_type, disposition_of(message, body), stream));
}

std::uint64_t MessageCollector::incomplete_of(std::uint16_t stream) const {
    return static_cast<std::uint64_t>(
        std::count_if(messages_.begin(), messages_.end(), [&](const auto& entry) {
            const Message& message = entry.second;
            return message.stream == stream &&
                   (!message.has_ended || message.outcome == journal::MessageOutcome::Lost);
        }));
}

std::set<std::uint64_t> MessageCollector::large() const {
    std::set<std::uint64_t> numbers;
    for (const auto& [number, message] : messages_)
        if (!message.is_in_memory() && message.has_ended &&
            message.outcome == journal::MessageOutcome::Complete)
            numbers.insert(number);
    return numbers;
}

// As its selector announced it (RFC 5547).
void MessageCollector::tell_left_out(const MessageBody& body, ChatMessage& told) {
    told.dropped_size = body.dropped_size;
    for (const std::string& type : body.unsupported_types)
        told.unsupported_types.push_back(base::to_valid_utf8(type));
    if (body.file_selector.empty()) return;
    const sdp::FileSelector file = sdp::parse_file_selector(body.file_selector);
    told.content_type = base::to_valid_utf8(file.type);
    told.file_name = base::to_valid_utf8(file.name);
    if (!told.dropped_size) told.dropped_size = file.size;
    told.hashes.clear();
    for (const sdp::FileSelector::Hash& hash : file.hashes)
        told.hashes.push_back({.algorithm = base::to_valid_utf8(hash.algorithm),
                               .digest = base::to_valid_utf8(hash.digest)});
}

// Of what is nearest to the content: the CPIM around it, else the message itself.
std::string_view MessageCollector::disposition_of(const Message& message, const MessageBody& body) {
    return body.content_at > 0 ? std::string_view(body.content_disposition) : message.disposition;
}

void MessageCollector::tell_file(std::string_view disposition, const StreamFacts* stream,
                                 ChatMessage& told) {
    sdp::FileSelector file;
    if (stream != nullptr) file = sdp::parse_file_selector(stream->file_selector);
    told.file_name = base::to_valid_utf8(file.name);
    if (told.file_name.empty()) {
        const auto parameters = mime::split_parameters(disposition).parameters;
        if (const auto name = mime::find_parameter(parameters, "filename"))
            told.file_name = base::to_valid_utf8(*name);
    }
    told.announced_octets = file.size;
    for (const sdp::FileSelector::Hash& hash : file.hashes)
        told.hashes.push_back({.algorithm = base::to_valid_utf8(hash.algorithm),
                               .digest = base::to_valid_utf8(hash.digest)});
}

void MessageCollector::tell_content(const Message& message, std::string_view disposition,
                                    const StreamFacts* stream, ChatMessage& told) {
    const std::size_t prefix = message.whole_prefix();
    const bool is_text = told.kind == "text" || told.kind == "composing" ||
                         told.kind == "notification" || told.kind == "request";
    if (is_text && message.received.end() <= kKeptMessageBytes && told.content_at <= prefix) {
        told.text = base::to_valid_utf8(
            std::string_view(message.begin).substr(told.content_at, prefix - told.content_at));
        if (told.kind != "notification") return;
        if (auto notice = read_imdn(*told.text)) {
            told.about = std::move(notice->message_id);
            told.status = std::move(notice->status);
            told.recipient = std::move(notice->recipient);
        }
        return;
    }
    tell_file(disposition, stream, told);
    if (told.state != "complete" || !message.is_in_memory() || told.content_at > prefix) return;
    FileHash hash;
    hash.add(base::as_bytes(
        std::string_view(message.begin).substr(static_cast<std::size_t>(told.content_at))));
    compare_hashes(hash.finish(), told);
}

ChatMessage MessageCollector::describe(const Message& message, const RecordingFacts& facts) const {
    const auto known = facts.streams().find(message.stream);
    const StreamFacts* stream = known == facts.streams().end() ? nullptr : &known->second;
    MessageBody body = read_message_body(
        message.content_type, std::string_view(message.begin).substr(0, message.whole_prefix()));
    ChatMessage told;
    told.message = message.number;
    told.label = stream != nullptr ? stream->label : std::to_string(message.stream);
    told.at_ms = std::max<std::int64_t>((message.first_ns - facts.start_ns()) / kMsNs, 0);
    if (message.has_ended)
        told.end_ms = std::max((message.end_ns - facts.start_ns()) / kMsNs, told.at_ms);
    told.state = message.has_ended ? state_of(message.outcome) : "interrupted";
    told.has_conflict = message.has_conflict;
    told.is_wrapped = body.is_wrapped;
    told.content = base::to_valid_utf8(body.content);
    told.is_private = is_private(body, stream, facts);
    if (const auto author = author_of(body, facts)) told.from = person_of(*author, facts);
    for (const mime::CpimAddress& to : body.to) told.to.push_back(person_of(to, facts));
    told.nickname = base::to_valid_utf8(body.nickname);
    if (told.from.participant.empty())
        told.from.participant = facts.who_is_called(told.nickname, message.first_ns);
    // A stream of one sender tells who it is where the message does not.
    if (!body.from && stream != nullptr) {
        const auto senders = facts.senders_of(stream->label);
        if (senders.size() == 1)
            told.from = {.uri = senders.front(),
                         .name = find_name(senders.front(), facts),
                         .participant = senders.front()};
    }
    told.date_time = base::to_valid_utf8(body.date_time);
    told.message_id = message.message_id;
    told.cs_message_id = base::to_valid_utf8(body.cs_message_id);
    told.stream_id = base::to_valid_utf8(body.stream_id);
    told.imdn_id = base::to_valid_utf8(body.imdn_id);
    told.subject = base::to_valid_utf8(body.subject);
    told.content_type = base::to_valid_utf8(body.content_type);
    told.fault = body.fault;
    told.octets = message.has_ended ? message.octets : message.received.count();
    told.total = message.total;
    told.content_at = body.content_at;
    told.kind = kind_told(message, body, stream);
    tell_content(message, disposition_of(message, body), stream, told);
    if (told.kind == "notice") tell_left_out(body, told);
    if (told.text) told.content_at = 0;
    return told;
}

Chat MessageCollector::finish(const RecordingFacts& facts) const {
    Chat chat;
    chat.is_cut = is_cut_;
    chat.messages.reserve(messages_.size() + requests_.size());
    const std::set<std::uint64_t> again = repeated();
    for (const auto& [number, message] : messages_) {
        ChatMessage& told = chat.messages.emplace_back(describe(message, facts));
        told.is_repeated = again.contains(number);
    }
    for (const Request& request : requests_) {
        const auto known = facts.streams().find(request.stream);
        ChatMessage told;
        told.label =
            known == facts.streams().end() ? std::to_string(request.stream) : known->second.label;
        told.at_ms = std::max<std::int64_t>((request.at_ns - facts.start_ns()) / kMsNs, 0);
        told.kind = "request";
        told.state = "complete";
        told.text = base::to_valid_utf8(request.text);
        chat.messages.push_back(std::move(told));
    }
    std::stable_sort(chat.messages.begin(), chat.messages.end(),
                     [](const auto& a, const auto& b) { return a.at_ms < b.at_ms; });
    return chat;
}

base::Result<base::Done> MessageCollector::finish_files(Chat& chat, MessageContents& contents) {
    base::Bytes piece(kBlockTargetBytes);
    for (ChatMessage& message : chat.messages) {
        if (message.state != "complete" || message.text || !message.sha256.empty()) continue;
        if (contents.size(message.message) == 0) continue;
        FileHash hash;
        for (std::uint64_t at = message.content_at;;) {
            const auto count = contents.read(message.message, at, piece);
            if (!count) return count.error();
            if (*count == 0) break;
            hash.add(base::ByteView(piece).first(*count));
            at += *count;
        }
        compare_hashes(hash.finish(), message);
    }
    return base::Done{};
}

void add_writers(Chat& chat, const RecordingFacts& facts,
                 std::vector<ParticipantSummary>& participants) {
    const auto rooms = siprec::conference_uris(facts.metadata());
    for (ChatMessage& message : chat.messages) {
        ChatPerson& from = message.from;
        const auto is_it = [&](const std::string& uri) {
            return mime::is_same_user(uri, from.uri);
        };
        if (!from.participant.empty() || from.uri.empty() || mime::is_anonymous(from.uri) ||
            std::any_of(rooms.begin(), rooms.end(), is_it))
            continue;
        const auto known = std::find_if(participants.begin(), participants.end(),
                                        [&](const auto& one) { return is_it(one.aor); });
        if (known != participants.end()) {
            from.participant = known->aor;
        } else if (participants.size() < kMaxTexts) {
            participants.push_back(
                {.aor = from.uri, .name = from.name, .is_seen_in_messages = true});
            from.participant = from.uri;
        }
    }
}

}  // namespace earshot::archive
