// What was written in a recording's chats (MSRP): the part `chat.json` (docs/msrp-recording.md),
// made when the recording is built. Times count from the recording's start. Nothing read back from
// a disk is trusted.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/call_timeline.h"
#include "base/result.h"

namespace earshot::archive {

struct ChatPerson {
    std::string uri;  // empty: not told, as all here
    std::string name;
    std::string participant{};  // AOR of the metadata's participant that it is
    friend bool operator==(const ChatPerson&, const ChatPerson&) = default;
};

// A hash that was announced for a file (RFC 5547), and whether what came has it.
struct AnnouncedHash {
    std::string algorithm;          // "sha-1"
    std::string digest;             // as announced
    std::optional<bool> matches{};  // absent: of an algorithm that we do not compute
    friend bool operator==(const AnnouncedHash&, const AnnouncedHash&) = default;
};

// What became of a message at one of those who were to have it.
struct Delivery {
    ChatPerson person;
    std::string status;  // displayed, processed, delivered, stored, failed, error (RFC 5438)
    int code = 0;        // of a REPORT that tells of a failure (RFC 4975 section 10)
    std::int64_t at_ms = 0;
    friend bool operator==(const Delivery&, const Delivery&) = default;
};

struct ChatMessage {
    std::uint64_t message = 0;  // as in the journal's records
    std::string label;
    std::int64_t at_ms = 0;
    std::optional<std::int64_t> end_ms{};  // absent: no end of it was recorded
    // text, file, composing, notification, notice (of one that was dropped), request, empty, other
    std::string kind;
    // complete, aborted, too_large, lost, cut, interrupted (no end of it was recorded)
    std::string state;
    bool is_private = false;
    bool is_withheld = false;   // private, and its reader may not see what it says
    bool is_repeated = false;   // it stands there already: sent again, or copied by two clients
    bool has_conflict = false;  // octets came twice and differed
    bool is_wrapped = false;    // application/msrp-recording
    std::string content{};      // rs.Content of a wrapped one
    ChatPerson from{};
    std::vector<ChatPerson> to{};
    std::string nickname{};
    std::string date_time{};      // when it was sent, as its sender or the client says
    std::string message_id{};     // of the recording session
    std::string cs_message_id{};  // of the communication session
    std::string stream_id{};
    std::string imdn_id{};
    std::string about{};      // of a notification: the imdn_id of the message that it is about
    std::string status{};     // the same: delivered, displayed, failed, ... (RFC 5438 section 9)
    std::string recipient{};  // the same: whom it tells of; empty: its sender
    std::vector<Delivery> deliveries{};  // for who reads; not stored (archive/chat_delivery.h)
    std::string subject{};
    std::string content_type{};
    std::string fault{};       // why its layers could not be read
    std::uint64_t octets = 0;  // that came
    std::optional<std::uint64_t> total{};
    std::optional<std::string> text{};  // the content, where it is text and not long
    // Of what is not, or is long:
    std::string file_name{};       // as announced; never a path
    std::uint64_t content_at = 0;  // behind the layers
    std::string sha256{};          // of the content; of what is complete
    std::optional<std::uint64_t> announced_octets{};
    std::vector<AnnouncedHash> hashes{};
    std::vector<std::string> unsupported_types{};  // of a notice
    std::optional<std::uint64_t> dropped_size{};   // the same
    friend bool operator==(const ChatMessage&, const ChatMessage&) = default;

    std::uint64_t content_octets() const { return octets > content_at ? octets - content_at : 0; }
};

inline constexpr std::string_view kChatName = "chat.json";     // not there when empty
inline constexpr std::string_view kMessagesName = "messages";  // the records; not there when none

struct Chat {
    std::vector<ChatMessage> messages;
    bool is_cut = false;  // more came than the limits allow: all of it is in the records

    bool empty() const { return messages.empty(); }
    void shift(std::int64_t by_ms);  // a piece on the timeline of the whole
    void append(Chat&& other);
    // Of private messages only that they were sent is left: when, by whom, to whom.
    void withhold_private();
    // Marks what another message tells already: two clients in the path of a chat copied it, or one
    // sent its copy again in another stream or to a server that had been away. The same sender,
    // Message-ID of the chat, content, and time within kSameSending. Hashes of files must be known.
    void mark_repeated();
    friend bool operator==(const Chat&, const Chat&) = default;
};

// Clocks of two clients may differ so much; who counts Message-IDs anew does not begin sooner.
inline constexpr std::chrono::seconds kSameSending{60};

// Whether people are shown it: a line of the transcript and the page, and one in the counts.
bool is_shown(const ChatMessage& message);

// Still pictures that came whole, as what was shared at that moment; private ones are left out.
std::vector<Sharing> pictures_of(const Chat& chat);

std::string to_json(const Chat& chat);
// Malformed: not of our making.
base::Result<Chat> parse_chat(std::string_view text);

}  // namespace earshot::archive
