// Both directions of an RFB session, cut into pieces by the input itself: each piece begins with an
// octet that says whose it is (the highest bit) and how long it is.
#include <cstdlib>

#include "rfb/limits.h"
#include "rfb/session.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace earshot;
    rfb::Session session;
    base::ByteView rest(bytes, size);
    while (!rest.empty()) {
        const bool is_viewer = (rest[0] & 0x80) != 0;
        const std::size_t length = std::min<std::size_t>(rest[0] & 0x7f, rest.size() - 1);
        const base::ByteView piece = rest.subspan(1, length);
        is_viewer ? session.on_viewer(piece) : session.on_server(piece);
        rest = rest.subspan(1 + length);
    }
    const rfb::Picture& picture = session.screen().picture;
    if (picture.width() * picture.height() > rfb::kMaxPixels) std::abort();
    if (session.state() == rfb::Session::State::Failed && session.failure().code.empty())
        std::abort();
    return 0;
}
