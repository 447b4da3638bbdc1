// Any bytes as what a chat is made of: the layers of a message, a head as the journal has it, the
// records of messages and chat.json. Read or refused; what was written is read again.
#include <cstdlib>
#include <string>

#include "archive/chat.h"
#include "archive/chat_delivery.h"
#include "archive/message_body.h"
#include "archive/message_collector.h"
#include "journal/message_record.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target, no header

void read_layers(std::string_view text) {
    for (const char* type : {"message/cpim", "application/msrp-recording", "text/plain"}) {
        const archive::MessageBody body = archive::read_message_body(type, text);
        if (body.content_at > text.size()) std::abort();
    }
}

// The first octet of each record is its type, the next two its size.
void read_records(base::ByteView bytes) {
    archive::MessageCollector collector;
    while (bytes.size() >= 3) {
        const std::size_t size = std::min<std::size_t>(base::load_u16(bytes, 1), bytes.size() - 3);
        const auto type = static_cast<journal::RecordType>(8 + bytes[0] % 4);
        collector.add({.header = {.type = type, .stream = 1, .arrival_ns = 5},
                       .payload = bytes.subspan(3, size)});
        bytes = bytes.subspan(3 + size);
    }
    const archive::Chat chat = collector.finish({});
    archive::Chat joined = chat;
    archive::join_deliveries(joined);
    for (const archive::ChatMessage& message : joined.messages)
        static_cast<void>(archive::delivery_text(
            message, [](const archive::ChatPerson& person) { return person.uri; }));
    const auto again = archive::parse_chat(archive::to_json(chat));
    if (!again || again->messages.size() != chat.messages.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const base::ByteView bytes(data, size);
    const std::string_view text = base::as_text(bytes);
    read_layers(text);
    static_cast<void>(archive::read_imdn(text));
    read_records(bytes);
    static_cast<void>(archive::parse_head_text(text));
    if (const auto chat = archive::parse_chat(text)) {
        const auto again = archive::parse_chat(archive::to_json(*chat));
        if (!again || *again != *chat) std::abort();
    }
    return 0;
}
