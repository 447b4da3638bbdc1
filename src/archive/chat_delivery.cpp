#include "archive/chat_delivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "archive/message_body.h"
#include "mime/same_user.h"

namespace earshot::archive {
namespace {

constexpr std::size_t kMaxSameIds = 16;     // of who uses one for each of its messages
constexpr std::size_t kMaxNamedPeople = 5;  // in a line, of one state
constexpr int kReportOk = 200;
constexpr int kFirstError = 300;

// RFC 5438 section 9, the furthest first: who read a message on one device may well have refused it
// on another. Not "forbidden": that only says that nobody is told.
struct Word {
    std::string_view status;
    std::string_view by;  // with whom
    std::string_view alone;
};
constexpr std::array kStates{Word{"displayed", "read by ", "read"},
                             Word{"processed", "processed by ", "processed"},
                             Word{"delivered", "delivered to ", "delivered"},
                             Word{"stored", "stored for ", "stored"},
                             Word{"failed", "failed for ", "failed"},
                             Word{"error", "error for ", "error"}};

// kStates.size(): none of them.
std::size_t rank_of(std::string_view status) {
    return static_cast<std::size_t>(
        std::find_if(kStates.begin(), kStates.end(),
                     [&](const Word& state) { return state.status == status; }) -
        kStates.begin());
}

// What one notification or REPORT says, and of which messages it can be.
struct Notice {
    std::string scope;  // within which the id is one message's
    std::string id;
    Delivery told;
};

std::string scope_of(const ChatMessage& message) {
    return message.stream_id.empty() ? "label " + message.label : "stream " + message.stream_id;
}

std::optional<Notice> read_notification(const ChatMessage& message) {
    if (message.about.empty() || rank_of(message.status) == kStates.size()) return std::nullopt;
    Notice notice{
        .scope = "imdn",
        .id = message.about,
        .told = {.person = message.from, .status = message.status, .at_ms = message.at_ms}};
    // Who tells that it passed a message on or kept it may stand between the two (RFC 5438 section
    // 8.3); that somebody has read it nobody else can say.
    const bool is_readers_own = message.status == "displayed";
    if (!is_readers_own && !message.recipient.empty() &&
        !mime::is_same_user(message.recipient, message.from.uri))
        notice.told.person = {.uri = message.recipient, .name = {}};
    return notice;
}

// Success is told of octets: a part of the message is not the message.
bool is_of_all(const std::optional<msrp::ByteRange>& range) {
    return !range || (range->start <= 1 && range->end && range->total == range->end);
}

std::optional<Notice> read_report(const ChatMessage& message) {
    if (message.content != "msrp" || !message.text) return std::nullopt;
    const auto head = parse_head_text(*message.text);
    if (!head) return std::nullopt;
    // A refusal itself names no message: the wrapper does (docs/msrp-recording.md).
    const bool is_answer = !head->is_request();
    if (!is_answer && (head->method != "REPORT" || !head->report_status)) return std::nullopt;
    Notice notice{.scope = scope_of(message),
                  .id = is_answer ? message.cs_message_id : head->message_id,
                  .told = {.person = message.from, .status = "failed", .at_ms = message.at_ms}};
    if (notice.id.empty()) return std::nullopt;
    const int code = is_answer ? head->status : head->report_status->code;
    if (!is_answer && code == kReportOk && is_of_all(head->byte_range))
        notice.told.status = "delivered";
    else if (code >= kFirstError)
        notice.told.code = code;
    else
        return std::nullopt;
    return notice;
}

bool is_one(const ChatPerson& a, const ChatPerson& b) {
    return mime::is_same_user(a.uri, b.uri) && !mime::is_anonymous(a.uri);
}

class Joiner {
public:
    void add(ChatMessage& message) {
        if (message.is_withheld || !is_shown(message)) return;
        if (!message.imdn_id.empty()) known_[{"imdn", message.imdn_id}].push_back(&message);
        if (!message.cs_message_id.empty())
            known_[{scope_of(message), message.cs_message_id}].push_back(&message);
    }

    // `to`: of the notice; whose message it is, where several have the id.
    void join(Notice&& notice, const ChatPerson& by, const std::vector<ChatPerson>& to) {
        const auto found = known_.find({notice.scope, notice.id});
        if (found == known_.end()) return;
        ChatMessage* message = find(found->second, by, to);
        if (message == nullptr) return;
        ChatPerson& person = notice.told.person;
        const auto addressed =
            std::find_if(message->to.begin(), message->to.end(),
                         [&](const ChatPerson& one) { return is_one(one, person); });
        if (addressed != message->to.end()) {
            if (person.name.empty()) person.name = addressed->name;
            if (person.participant.empty()) person.participant = addressed->participant;
        }
        const std::string& key = person.participant.empty() ? person.uri : person.participant;
        const auto [place, is_new] =
            places_.try_emplace({message, key}, message->deliveries.size());
        if (is_new) return message->deliveries.push_back(std::move(notice.told));
        Delivery& before = message->deliveries[place->second];
        if (rank_of(notice.told.status) < rank_of(before.status)) before = std::move(notice.told);
    }

private:
    // The newest one that can be meant: nobody tells of what it wrote itself.
    static ChatMessage* find(const std::vector<ChatMessage*>& same, const ChatPerson& by,
                             const std::vector<ChatPerson>& to) {
        ChatMessage* newest = nullptr;
        std::size_t looked_at = 0;
        for (auto at = same.rbegin(); at != same.rend() && looked_at < kMaxSameIds;
             ++at, ++looked_at) {
            const ChatPerson& writer = (*at)->from;
            if (is_one(writer, by)) continue;
            // Nor of what it has not got.
            const std::vector<ChatPerson>& readers = (*at)->to;
            if ((*at)->is_private && !by.participant.empty() &&
                std::none_of(readers.begin(), readers.end(),
                             [&](const ChatPerson& one) { return is_one(one, by); }))
                continue;
            if (std::any_of(to.begin(), to.end(),
                            [&](const ChatPerson& one) { return is_one(one, writer); }))
                return *at;
            if (newest == nullptr) newest = *at;
        }
        return newest;
    }

    std::map<std::pair<std::string, std::string>, std::vector<ChatMessage*>> known_;
    // Where in `deliveries` a person is.
    std::map<std::pair<const ChatMessage*, std::string>, std::size_t> places_;
};

}  // namespace

void join_deliveries(Chat& chat) {
    Joiner joiner;
    for (ChatMessage& message : chat.messages) {
        if (message.is_repeated) continue;
        auto notice = message.kind == "notification" ? read_notification(message)
                      : message.kind == "request"    ? read_report(message)
                                                     : std::nullopt;
        if (notice)
            joiner.join(*std::move(notice), message.from, message.to);
        else
            joiner.add(message);
    }
}

std::string delivery_text(const ChatMessage& message,
                          const std::function<std::string(const ChatPerson&)>& name_of) {
    struct Group {
        std::vector<std::string> names;
        std::size_t people = 0;
    };
    std::map<std::pair<std::size_t, int>, Group> groups;  // by rank and code
    for (const Delivery& delivery : message.deliveries) {
        const std::size_t rank = rank_of(delivery.status);
        if (rank == kStates.size()) continue;
        Group& group = groups[{rank, delivery.code}];
        ++group.people;
        std::string name = name_of(delivery.person);
        if (!name.empty() && group.names.size() < kMaxNamedPeople)
            group.names.push_back(std::move(name));
    }
    std::string text;
    for (const auto& [state, group] : groups) {
        const Word& word = kStates[state.first];
        text += text.empty() ? "" : "; ";
        text += group.names.empty() ? std::string(word.alone)
                                    : fmt::format("{}{}", word.by, fmt::join(group.names, ", "));
        if (!group.names.empty() && group.people > group.names.size())
            text += fmt::format(" and {} more", group.people - group.names.size());
        if (state.second != 0) text += fmt::format(": {}", state.second);
    }
    return text;
}

}  // namespace earshot::archive
