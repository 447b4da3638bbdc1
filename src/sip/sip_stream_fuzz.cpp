// StreamFramer must give the same events whether a stream comes whole or in pieces. The first byte
// chooses the size of the pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sip/stream_framer.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of one function

std::string run(base::ByteView stream, std::size_t piece) {
    sip::StreamFramer framer;
    std::string events;
    while (!stream.empty()) {
        const std::size_t size = std::min(piece, stream.size());
        framer.feed(stream.first(size));
        stream = stream.subspan(size);
        while (const auto event = framer.poll_event()) {
            events += "\x01" + std::to_string(static_cast<int>(event->kind)) + " ";
            events += event->reason;
            // How much came with a head that is given up depends on the pieces.
            if (event->kind == sip::StreamEvent::Kind::Message) {
                events += base::as_text(event->bytes);
            }
        }
        if (framer.buffered_bytes() > sip::kMaxSipMessageBytes + piece) std::abort();
    }
    return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const base::ByteView stream = base::ByteView(data, size).subspan(1);
    if (run(stream, std::size_t{data[0]} + 1) != run(stream, stream.size() + 1)) std::abort();
    return 0;
}
