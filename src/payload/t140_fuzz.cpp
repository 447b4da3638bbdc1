// Any bytes as RED and as a stream of T.140 packets: [length][flags][sequence step] before each.
#include "base/text.h"
#include "payload/red.h"
#include "payload/t140.h"
#include "payload/text_conversation.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    payload::T140Receiver receiver;
    payload::TextConversation conversation;
    base::ByteView rest(bytes, size);
    std::int64_t sequence = 0;
    std::int64_t at_ms = 0;
    while (rest.size() >= 3) {
        const std::size_t length = std::min<std::size_t>(rest[0], rest.size() - 3);
        const std::uint8_t flags = rest[1];
        sequence += static_cast<std::int8_t>(rest[2]);
        const base::ByteView packet = rest.subspan(3, length);
        rest = rest.subspan(3 + length);
        at_ms += 300;
        if ((flags & 1U) != 0) receiver.on_break();
        std::optional<std::uint32_t> csrc;
        if ((flags & 2U) != 0) csrc = flags >> 4U;
        receiver.on_packet({.sequence = sequence,
                            .timestamp = static_cast<std::uint32_t>(at_ms),
                            .csrc = csrc,
                            .is_red = (flags & 4U) != 0,
                            .payload = packet});
        while (const auto block = receiver.poll_block()) {
            if (block->is_missing) {
                conversation.miss(at_ms, block->csrc);
            } else {
                if (block->text != base::to_valid_utf8(block->text)) __builtin_trap();
                conversation.type(at_ms - block->age_ticks, block->csrc, block->text);
            }
        }
    }
    for (const payload::TextLine& line : conversation.lines())
        if (line.text != base::to_valid_utf8(line.text)) __builtin_trap();
    return 0;
}
