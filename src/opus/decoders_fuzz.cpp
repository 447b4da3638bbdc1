// Any message to the child, and any octets as a packet of Opus.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "opus/decoders.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of one file

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    opus::Decoders decoders;
    const auto check = [](base::ByteView message) {
        if (message.size() > voice::kMaxMessageBytes) std::abort();
        while (!message.empty())
            if (!voice::take_record(message)) std::abort();
    };
    static_cast<void>(decoders.on_message({data, size}, check));
    // Twice the same packet, then what is concealed after it.
    if (size <= voice::kMaxPacketBytes) {
        base::Bytes message;
        for (const auto kind : {voice::RecordKind::Decode, voice::RecordKind::Repair,
                                voice::RecordKind::Decode, voice::RecordKind::Conceal})
            voice::append_record(
                {.kind = kind, .samples = 320, .member = 1, .body = base::ByteView(data, size)},
                message);
        if (!decoders.on_message(message, check)) std::abort();
    }
    return 0;
}
