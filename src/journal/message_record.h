// What the records of MSRP messages hold, one after the other, little-endian
// (docs/journal-format.md):
//
//   MessageHead              MessageContent           MessageEnd
//   | message          8 |   | message          8 |   | message          8 |
//   | flags            1 |   | offset           8 |   | how              1 |
//   | who sent it     18 |   | octets             |   | octets that came 8 |
//   | MSRP head, text    |                            | total            8 |
//
//   MessageRequest: who sent it 18, size of the head 4, MSRP head, body
//
// `message` tells the messages of a recording apart; it is ours, and no Message-ID of a peer. An
// offset counts from 0; where octets overlap those that came before, both are stored and the last
// ones win (RFC 4975 section 5.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/result.h"

namespace earshot::journal {

// Stored on disk: do not renumber.
enum class MessageOutcome : std::uint8_t {
    Complete = 0,  // all of it is here
    Aborted = 1,   // its sender gave it up
    TooLarge = 2,  // refused by 413
    Lost = 3,      // the connection or the session ended
    Cut = 4,       // the recording was paused within it
};
static_assert(static_cast<int>(MessageOutcome::Cut) == 4);

struct MessageHead {
    std::uint64_t message = 0;
    bool is_repeated = false;  // its Message-ID had come before
    base::NetAddress source{};
    std::string_view head{};  // as MSRP writes it, without the end-line
};
struct MessageContent {
    std::uint64_t message = 0;
    std::uint64_t offset = 0;
    base::ByteView octets{};
};
struct MessageEnd {
    std::uint64_t message = 0;
    MessageOutcome outcome = MessageOutcome::Complete;
    std::uint64_t octets = 0;
    std::optional<std::uint64_t> total{};  // as far as it was known
};
struct MessageRequest {
    base::NetAddress source{};
    std::string_view head{};
    std::string_view body{};
};

base::Bytes write(const MessageHead& head);
base::Bytes write(const MessageContent& content);
base::Bytes write(const MessageEnd& end);
base::Bytes write(const MessageRequest& request);

// Views into the payload. Errors: Malformed for one that is cut, or an outcome that is none.
base::Result<MessageHead> parse_message_head(base::ByteView payload);
base::Result<MessageContent> parse_message_content(base::ByteView payload);
base::Result<MessageEnd> parse_message_end(base::ByteView payload);
base::Result<MessageRequest> parse_message_request(base::ByteView payload);

}  // namespace earshot::journal
