#include "archive/chat.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "base/json_writer.h"
#include "base/text.h"
#include "base/time.h"

namespace earshot::archive {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxSameIds = 16;  // of a sender who uses one for each of its messages

void text_if_told(base::JsonWriter& out, std::string_view name, const std::string& text) {
    if (!text.empty()) out.field(name, text);
}
void number_if_told(base::JsonWriter& out, std::string_view name,
                    const std::optional<std::uint64_t>& number) {
    if (number) out.field(name, static_cast<std::int64_t>(*number));
}
void flag_if_set(base::JsonWriter& out, std::string_view name, bool flag) {
    if (flag) out.key(name).boolean(true);
}

void write(base::JsonWriter& out, const ChatPerson& person) {
    out.begin_object().field("uri", person.uri);
    text_if_told(out, "name", person.name);
    text_if_told(out, "participant", person.participant);
    out.end_object();
}

void write_deliveries(base::JsonWriter& out, const ChatMessage& message) {
    if (message.deliveries.empty()) return;
    out.key("deliveries").begin_array();
    for (const Delivery& delivery : message.deliveries) {
        out.begin_object().field("status", delivery.status);
        if (delivery.code != 0) out.field("code", static_cast<std::int64_t>(delivery.code));
        out.field("at_ms", delivery.at_ms).key("person");
        write(out, delivery.person);
        out.end_object();
    }
    out.end_array();
}

void write_file(base::JsonWriter& out, const ChatMessage& message) {
    text_if_told(out, "file_name", message.file_name);
    if (message.content_at != 0)
        out.field("content_at", static_cast<std::int64_t>(message.content_at));
    text_if_told(out, "sha256", message.sha256);
    number_if_told(out, "announced_octets", message.announced_octets);
    if (message.hashes.empty()) return;
    out.key("announced").begin_array();
    for (const AnnouncedHash& hash : message.hashes) {
        out.begin_object().field("algorithm", hash.algorithm).field("digest", hash.digest);
        if (hash.matches) out.key("matches").boolean(*hash.matches);
        out.end_object();
    }
    out.end_array();
}

void write(base::JsonWriter& out, const ChatMessage& message) {
    out.begin_object()
        .field("message", static_cast<std::int64_t>(message.message))
        .field("label", message.label)
        .field("at_ms", message.at_ms);
    if (message.end_ms) out.field("end_ms", *message.end_ms);
    out.field("kind", message.kind).field("state", message.state);
    flag_if_set(out, "private", message.is_private);
    flag_if_set(out, "withheld", message.is_withheld);
    flag_if_set(out, "repeated", message.is_repeated);
    flag_if_set(out, "conflict", message.has_conflict);
    flag_if_set(out, "wrapped", message.is_wrapped);
    text_if_told(out, "content", message.content);
    out.key("from");
    write(out, message.from);
    out.key("to").begin_array();
    for (const ChatPerson& person : message.to) write(out, person);
    out.end_array();
    text_if_told(out, "nickname", message.nickname);
    text_if_told(out, "date_time", message.date_time);
    text_if_told(out, "message_id", message.message_id);
    text_if_told(out, "cs_message_id", message.cs_message_id);
    text_if_told(out, "stream_id", message.stream_id);
    text_if_told(out, "imdn_id", message.imdn_id);
    text_if_told(out, "about", message.about);
    text_if_told(out, "status", message.status);
    text_if_told(out, "recipient", message.recipient);
    write_deliveries(out, message);
    text_if_told(out, "subject", message.subject);
    text_if_told(out, "content_type", message.content_type);
    text_if_told(out, "fault", message.fault);
    out.field("octets", static_cast<std::int64_t>(message.octets));
    number_if_told(out, "total", message.total);
    if (message.text) out.field("text", *message.text);
    write_file(out, message);
    if (!message.unsupported_types.empty()) {
        out.key("unsupported_types").begin_array();
        for (const std::string& type : message.unsupported_types) out.text(type);
        out.end_array();
    }
    number_if_told(out, "dropped_size", message.dropped_size);
    out.end_object();
}

// Without a time of its own nothing tells a second message from one that came twice.
bool is_same_sending(const ChatMessage& a, const ChatMessage& b) {
    const auto at = base::parse_time(a.date_time);
    const auto other = base::parse_time(b.date_time);
    if (!at || !other || std::chrono::abs(at->time - other->time) > kSameSending) return false;
    if (a.content_type != b.content_type || a.is_private != b.is_private) return false;
    if (a.text && b.text) return *a.text == *b.text;
    return !a.sha256.empty() && a.sha256 == b.sha256;
}

// What `write` wrote. Fields that are not there are as they are by default; one of a wrong type
// makes nlohmann throw, which parse_chat() catches.
ChatPerson read_person(const json& object) {
    return {.uri = object.value("uri", std::string{}),
            .name = object.value("name", std::string{}),
            .participant = object.value("participant", std::string{})};
}

std::optional<std::uint64_t> read_number(const json& object, const char* name) {
    if (!object.contains(name)) return std::nullopt;
    return object.at(name).get<std::uint64_t>();
}

void read_file(const json& object, ChatMessage& message) {
    message.file_name = object.value("file_name", std::string{});
    message.content_at = read_number(object, "content_at").value_or(0);
    message.sha256 = object.value("sha256", std::string{});
    message.announced_octets = read_number(object, "announced_octets");
    for (const json& hash : object.value("announced", json::array())) {
        AnnouncedHash& one = message.hashes.emplace_back();
        one.algorithm = hash.at("algorithm").get<std::string>();
        one.digest = hash.at("digest").get<std::string>();
        if (hash.contains("matches")) one.matches = hash.at("matches").get<bool>();
    }
    message.unsupported_types = object.value("unsupported_types", std::vector<std::string>{});
    message.dropped_size = read_number(object, "dropped_size");
}

ChatMessage read_message(const json& object) {
    const auto text = [&](const char* name) { return object.value(name, std::string{}); };
    const auto flag = [&](const char* name) { return object.value(name, false); };
    ChatMessage message;
    message.message = object.at("message").get<std::uint64_t>();
    message.label = object.at("label").get<std::string>();
    message.at_ms = object.at("at_ms").get<std::int64_t>();
    if (object.contains("end_ms")) message.end_ms = object.at("end_ms").get<std::int64_t>();
    message.kind = object.at("kind").get<std::string>();
    message.state = object.at("state").get<std::string>();
    message.is_private = flag("private");
    message.is_repeated = flag("repeated");
    message.has_conflict = flag("conflict");
    message.is_wrapped = flag("wrapped");
    message.content = text("content");
    message.from = read_person(object.at("from"));
    for (const json& person : object.at("to")) message.to.push_back(read_person(person));
    message.nickname = text("nickname");
    message.date_time = text("date_time");
    message.message_id = text("message_id");
    message.cs_message_id = text("cs_message_id");
    message.stream_id = text("stream_id");
    message.imdn_id = text("imdn_id");
    message.about = text("about");
    message.status = text("status");
    message.recipient = text("recipient");
    message.subject = text("subject");
    message.content_type = text("content_type");
    message.fault = text("fault");
    message.octets = object.at("octets").get<std::uint64_t>();
    message.total = read_number(object, "total");
    if (object.contains("text")) message.text = object.at("text").get<std::string>();
    read_file(object, message);
    return message;
}

}  // namespace

void Chat::shift(std::int64_t by_ms) {
    for (ChatMessage& message : messages) {
        message.at_ms += by_ms;
        if (message.end_ms) *message.end_ms += by_ms;
    }
}

void Chat::withhold_private() {
    for (ChatMessage& message : messages) {
        if (!message.is_private) continue;
        message.is_withheld = true;
        message.subject.clear();
        message.imdn_id.clear();
        message.about.clear();
        message.status.clear();
        message.recipient.clear();
        message.text.reset();
        message.fault.clear();
        message.file_name.clear();
        message.sha256.clear();
        message.announced_octets.reset();
        message.hashes.clear();
        message.unsupported_types.clear();
        message.dropped_size.reset();
    }
}

void Chat::mark_repeated() {
    std::map<std::pair<std::string_view, std::string_view>, std::vector<const ChatMessage*>> known;
    for (ChatMessage& message : messages) {
        const std::string& id =
            message.cs_message_id.empty() ? message.message_id : message.cs_message_id;
        if (message.state != "complete" || message.is_repeated || id.empty() ||
            message.from.uri.empty())
            continue;
        auto& same = known[{message.from.uri, id}];
        message.is_repeated = std::any_of(same.begin(), same.end(), [&](const ChatMessage* other) {
            return is_same_sending(*other, message);
        });
        if (!message.is_repeated && same.size() < kMaxSameIds) same.push_back(&message);
    }
}

void Chat::append(Chat&& other) {
    messages.insert(messages.end(), std::make_move_iterator(other.messages.begin()),
                    std::make_move_iterator(other.messages.end()));
    is_cut = is_cut || other.is_cut;
}

bool is_shown(const ChatMessage& message) {
    return !message.is_repeated && (message.kind == "text" || message.kind == "file" ||
                                    message.kind == "other" || message.kind == "notice");
}

std::vector<Sharing> pictures_of(const Chat& chat) {
    std::vector<Sharing> pictures;
    for (const ChatMessage& message : chat.messages) {
        if (message.kind != "file" || message.state != "complete" || message.is_private ||
            message.is_repeated || !base::istarts_with(message.content_type, "image/"))
            continue;
        const ChatPerson& from = message.from;
        pictures.push_back({.label = message.label,
                            .start_ms = message.at_ms,
                            .duration_ms = 0,
                            .kind = "picture",
                            .title = message.file_name,
                            .presenter = from.participant.empty() ? from.uri : from.participant});
    }
    return pictures;
}

std::string to_json(const Chat& chat) {
    std::string text;
    base::JsonWriter out(text);
    out.begin_object().key("cut").boolean(chat.is_cut).key("messages").begin_array();
    for (const ChatMessage& message : chat.messages) write(out, message);
    out.end_array().end_object();
    return text;
}

base::Result<Chat> parse_chat(std::string_view text) {
    constexpr base::Error kForeign{base::Errc::Malformed, "chat.json is none of ours"};
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return kForeign;
    Chat chat;
    try {
        chat.is_cut = object.at("cut").get<bool>();
        for (const json& message : object.at("messages"))
            chat.messages.push_back(read_message(message));
    } catch (const json::exception&) {
        return kForeign;
    }
    return chat;
}

}  // namespace earshot::archive
