// Gathers the messages of a recording from their records: who wrote what to whom and what became of
// it. Keeps the first octets of each, never a file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "archive/chat.h"
#include "archive/message_body.h"
#include "archive/message_contents.h"
#include "archive/recording_facts.h"
#include "journal/record.h"
#include "msrp/received_ranges.h"

namespace earshot::archive {

class MessageCollector {
public:
    // Of any type; those that are no messages are passed over.
    void add(const journal::Record& record);

    bool has_messages() const { return !messages_.empty(); }
    // Of a stream, those that did not come whole.
    std::uint64_t incomplete_of(std::uint16_t stream) const;
    bool empty() const { return messages_.empty() && requests_.empty(); }
    // By stream, those that people are shown (is_shown()), whatever became of them.
    std::map<std::uint16_t, std::uint64_t> counts(const RecordingFacts& facts) const;
    // Those whose content is not in memory as a whole: hashes of them need finish_files().
    std::set<std::uint64_t> large() const;

    Chat finish(const RecordingFacts& facts) const;
    // Hashes of what finish() could not tell. Errors: those of `contents`.
    static base::Result<base::Done> finish_files(Chat& chat, MessageContents& contents);

private:
    struct Message {
        std::uint64_t number = 0;
        std::uint16_t stream = 0;
        std::int64_t first_ns = 0;
        std::int64_t end_ns = 0;
        bool has_conflict = false;
        bool has_ended = false;
        journal::MessageOutcome outcome{};
        std::uint64_t octets = 0;
        std::optional<std::uint64_t> total{};
        std::string message_id{};
        std::string content_type{};
        std::string disposition{};
        std::string begin{};  // up to kKeptMessageBytes
        msrp::ReceivedRanges received{};

        // All of it that came lies in `begin`, without a hole.
        bool is_in_memory() const;
        std::size_t whole_prefix() const;
    };
    struct Request {
        std::uint16_t stream = 0;
        std::int64_t at_ns = 0;
        std::string text{};
    };

    void add_head(const journal::Record& record);
    void add_content(const journal::Record& record);
    void add_end(const journal::Record& record);
    void add_request(const journal::Record& record);
    ChatMessage describe(const Message& message, const RecordingFacts& facts) const;
    // Numbers of those that are sent again and have come whole before.
    std::set<std::uint64_t> repeated() const;
    static std::string kind_told(const Message& message, const MessageBody& body,
                                 const StreamFacts* stream);
    static std::string_view disposition_of(const Message& message, const MessageBody& body);
    static void tell_content(const Message& message, std::string_view disposition,
                             const StreamFacts* stream, ChatMessage& told);
    static void tell_file(std::string_view disposition, const StreamFacts* stream,
                          ChatMessage& told);
    static void tell_left_out(const MessageBody& body, ChatMessage& told);

    std::map<std::uint64_t, Message> messages_;
    std::vector<Request> requests_;
    std::size_t kept_bytes_ = 0;
    bool is_cut_ = false;
};

// Who wrote and is not in the metadata becomes a participant of this recording alone, told as seen
// in its messages. Nobody whose name is withheld, nor a room.
void add_writers(Chat& chat, const RecordingFacts& facts,
                 std::vector<ParticipantSummary>& participants);

}  // namespace earshot::archive
