#include "archive/chat_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "archive/chat_delivery.h"
#include "archive/limits.h"
#include "archive/message_contents.h"
#include "archive/text_rendering.h"
#include "base/text.h"

namespace earshot::archive {
namespace {

base::Result<Chat, base::Reason> read_piece(const StoredRecording& piece) {
    const auto text = piece.read(std::string(kChatName), kMaxChatBytes);
    if (!text && text.error().code == "not_found") return Chat{};
    if (!text) return text.error();
    auto chat = parse_chat(*text);
    if (!chat) return part_reason(chat.error(), std::string(kChatName));
    return *std::move(chat);
}

// A display name is its bearer's own choice: one that reads as an address must not hide whose it
// is.
bool poses_as_address(std::string_view name) {
    return name.find_first_of("<>@") != std::string_view::npos ||
           base::istarts_with(name, "sip:") || base::istarts_with(name, "sips:") ||
           base::istarts_with(name, "tel:");
}

// Short names, and those of them that would tell two people not apart.
class Names {
public:
    explicit Names(const Chat& chat) {
        for (const ChatMessage& message : chat.messages) {
            // A file has a line of its own, which is no chat.
            if (is_shown(message) && message.kind != "file")
                chats_.try_emplace(chat_of(message), chats_.size() + 1);
            add(message.from);
            for (const ChatPerson& person : message.to) add(person);
            for (const Delivery& delivery : message.deliveries) add(delivery.person);
        }
    }

    std::string of(const ChatPerson& person) const {
        std::string name = short_name(person.name, person.uri);
        const auto found = uris_.find(name);
        const bool is_clear = found == uris_.end() || found->second.size() < 2;
        if (!is_clear && name != person.uri) name += " <" + person.uri + ">";
        return name;
    }

    std::string sender_of(const ChatMessage& message) const {
        std::string sender = of(message.from);
        if (!message.nickname.empty())
            sender += (sender.empty() ? "\"" : " \"") + message.nickname + "\"";
        if (sender.empty()) sender = "Chat " + message.label;
        // Several chats in one recording, be it on one line: which of them it is.
        if (const auto chat = chats_.find(chat_of(message));
            chats_.size() > 1 && chat != chats_.end())
            sender += fmt::format(" (chat {})", chat->second);
        if (!message.is_private) return sender;
        const std::string to = message.to.empty() ? std::string{} : of(message.to.front());
        return sender + (to.empty() ? " (private)" : " to " + to + " (private)");
    }

private:
    // A line of the recording session carries one chat, or several that their Stream-ID tells
    // apart.
    static const std::string& chat_of(const ChatMessage& message) {
        return message.stream_id.empty() ? message.label : message.stream_id;
    }
    void add(const ChatPerson& person) {
        if (!person.uri.empty()) uris_[short_name(person.name, person.uri)].insert(person.uri);
    }

    std::map<std::string, std::set<std::string>> uris_;
    std::map<std::string, std::size_t> chats_;  // in the order in which they begin
};

std::string fate_of(const ChatMessage& message) {
    // A notice of what was left out always ends so (docs/msrp-recording.md).
    if (message.kind == "notice" && message.state == "aborted") return {};
    if (message.state == "complete") return {};
    if (message.state == "aborted") return " [given up by its sender]";
    if (message.state == "too_large") return " [too large: refused]";
    if (message.state == "cut") return " [cut: the recording was paused]";
    return " [incomplete]";
}

std::string file_line(const ChatMessage& message) {
    std::string line = fmt::format("[file \"{}\", {}, {} octets", message.file_name,
                                   message.content_type.empty() ? "no type" : message.content_type,
                                   message.content_octets());
    if (message.announced_octets && *message.announced_octets != message.content_octets())
        line += fmt::format(" of {} announced", *message.announced_octets);
    for (const AnnouncedHash& hash : message.hashes)
        if (hash.matches && !*hash.matches) line += ", its hash is not the one announced";
    if (!message.sha256.empty()) line += ", sha256 " + message.sha256;
    return line + "]";
}

std::string notice_line(const ChatMessage& message) {
    std::vector<std::string> facts = message.unsupported_types;
    // A file that the server had no line for: what was announced of it.
    const bool is_file = !message.file_name.empty() || !message.hashes.empty();
    if (is_file && !message.content_type.empty()) facts.push_back(message.content_type);
    if (!message.file_name.empty()) facts.insert(facts.begin(), "\"" + message.file_name + "\"");
    if (message.dropped_size) facts.push_back(fmt::format("{} octets", *message.dropped_size));
    for (const AnnouncedHash& hash : message.hashes)
        facts.push_back(hash.algorithm + " " + hash.digest);
    return fmt::format("[a {} that the client did not send here{}{}]", is_file ? "file" : "message",
                       facts.empty() ? "" : ": ", fmt::join(facts, ", "));
}

// The content of a message: reads only.
class ContentFile : public io::File {
public:
    ContentFile(std::unique_ptr<io::File> part, std::uint64_t message, std::uint64_t begin)
        : part_(std::move(part)), contents_(*part_), message_(message), begin_(begin) {}

    base::Result<base::Done> scan() { return contents_.scan({message_}); }

    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        return contents_.read(message_, begin_ + offset, out);
    }
    base::Result<std::uint64_t> size() override {
        const std::uint64_t end = contents_.size(message_);
        return end - std::min(end, begin_);
    }

    base::Result<base::Done> write_at(std::uint64_t /*offset*/, base::ByteView /*bytes*/) override {
        return kReadOnly;
    }
    base::Result<base::Done> sync_data() override { return kReadOnly; }
    base::Result<base::Done> reserve(std::uint64_t /*size*/) override { return kReadOnly; }
    base::Result<base::Done> truncate(std::uint64_t /*size*/) override { return kReadOnly; }

private:
    static constexpr base::Error kReadOnly{base::Errc::Unsupported,
                                           "a stored message is only read"};

    std::unique_ptr<io::File> part_;
    MessageContents contents_;
    std::uint64_t message_;
    std::uint64_t begin_;
};

}  // namespace

base::Result<Chat, base::Reason> read_chat(std::span<const StoredRecording> pieces,
                                           Reading reading) {
    std::vector<base::WallTime> starts;
    for (const StoredRecording& piece : pieces) {
        const auto summary = piece.summary();
        if (!summary) return summary.error();
        starts.push_back(summary->start);
    }
    const base::WallTime first = *std::min_element(starts.begin(), starts.end());
    Chat all;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        auto chat = read_piece(pieces[i]);
        if (!chat) return chat.error();
        chat->shift(
            std::chrono::duration_cast<std::chrono::milliseconds>(starts[i] - first).count());
        all.append(*std::move(chat));
    }
    std::stable_sort(all.messages.begin(), all.messages.end(),
                     [](const auto& a, const auto& b) { return a.at_ms < b.at_ms; });
    if (pieces.size() > 1) all.mark_repeated();
    if (reading == Reading::WithoutPrivate) all.withhold_private();
    join_deliveries(all);
    return all;
}

base::Result<std::unique_ptr<Rendering>, base::Reason> render_chat(
    std::span<const StoredRecording> pieces, Reading reading) {
    const auto chat = read_chat(pieces, reading);
    if (!chat) return chat.error();
    if (chat->empty())
        return base::Reason{"no_chat", "Nothing was written in this recording's chats."};
    return std::unique_ptr<Rendering>(std::make_unique<TextRendering>(to_json(*chat) + "\n"));
}

std::string short_name(const std::string& name, const std::string& uri) {
    if (poses_as_address(name)) return fmt::format("\"{}\" <{}>", name, uri);
    return name.empty() ? short_address(uri) : name;
}

std::string short_address(std::string_view uri) {
    std::string_view user = uri;
    for (const std::string_view scheme : {"sips:", "sip:", "tel:"})
        if (base::istarts_with(user, scheme)) {
            user.remove_prefix(scheme.size());
            break;
        }
    user = user.substr(0, user.find_first_of("@;?"));
    return std::string(user.empty() ? uri : user);
}

std::vector<ChatLine> lines_of(const Chat& chat) {
    const Names names(chat);
    std::vector<ChatLine> lines;
    for (const ChatMessage& message : chat.messages) {
        if (!is_shown(message)) continue;
        std::string text;
        const bool is_content =
            message.kind == "text" || message.kind == "file" || message.kind == "other";
        if (message.is_withheld && is_content)
            text = "[a private message, not shown]";
        else if (message.kind == "text")
            text = message.text ? *message.text : file_line(message);
        else if (message.kind == "file" || message.kind == "other")
            text = file_line(message);
        else
            text = notice_line(message);
        std::string by = names.sender_of(message);
        const std::string delivery =
            delivery_text(message, [&](const ChatPerson& person) { return names.of(person); });
        if (!delivery.empty()) by += " (" + delivery + ")";
        lines.push_back({.at_ms = message.at_ms,
                         .by = std::move(by),
                         .text = std::move(text) + fate_of(message)});
    }
    return lines;
}

base::Result<MessageFile, base::Reason> open_message(io::FileSystem& files,
                                                     const std::string& directory,
                                                     std::uint64_t number,
                                                     const crypto::KeyWrapper* keys,
                                                     Reading reading) {
    const StoredRecording recording(files, directory, keys);
    const auto chat = read_piece(recording);
    if (!chat) return chat.error();
    const auto found = std::find_if(chat->messages.begin(), chat->messages.end(),
                                    [&](const auto& one) { return one.message == number; });
    if (number == 0 || found == chat->messages.end())
        return base::Reason{"not_found", "The recording has no such message."};
    if (found->is_private && reading == Reading::WithoutPrivate)
        return base::Reason{"private_message",
                            "This is a private message; only who may read those gets it."};
    auto part = recording.open(std::string(kMessagesName));
    if (!part) return part.error();
    auto file = std::make_unique<ContentFile>(std::move(*part), number, found->content_at);
    if (const auto done = file->scan(); !done)
        return part_reason(done.error(), std::string(kMessagesName));
    const std::uint64_t size = *file->size();
    return MessageFile{.file = std::move(file),
                       .size = size,
                       .name = found->file_name,
                       .content_type = found->content_type};
}

}  // namespace earshot::archive
