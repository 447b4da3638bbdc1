// earshot-screen: follows an RFB session that passed through the recording client, and makes video
// of it. Descriptor 0 the tap, 1 the pictures (rfb/tap_stream.h). It ends when the tap does.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "sandbox/sandbox.h"
#include "screen/limits.h"
#include "screen/recorder.h"

namespace {

using earshot::base::Bytes;
using earshot::base::ByteView;
namespace rfb = earshot::rfb;

constexpr int kNiceness = 10;  // behind those who serve calls, before renditions
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

bool write_all(ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
}

int run() {
    earshot::screen::Recorder recorder;
    rfb::ByteQueue in;
    Bytes piece(kPieceBytes);
    Bytes out;
    while (true) {
        const ssize_t count = ::read(STDIN_FILENO, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        in.append(ByteView(piece).first(static_cast<std::size_t>(count)));
        while (in.has(rfb::kTapHeaderBytes)) {
            const auto header = rfb::parse_tap_header(in.view());
            if (!header) return EXIT_FAILURE;
            if (!in.has(rfb::kTapHeaderBytes + header->size)) break;
            in.drop(rfb::kTapHeaderBytes);
            recorder.on_record(*header, in.take(header->size), out);
        }
        if (!write_all(out)) return EXIT_FAILURE;
        out.clear();
    }
}

}  // namespace

int main() {
    // Without a client there is nothing to do: a person who starts it by hand is told so.
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
        std::cerr << "earshot-screen is started by `earshot client` (docs/screen-sharing.md).\n";
        return 2;
    }
    ::signal(SIGPIPE, SIG_IGN);
    try {
        const earshot::sandbox::Limits limits{.memory_bytes = earshot::screen::kMemoryBytes,
                                              .cpu_seconds = earshot::screen::kCpuSeconds,
                                              .descriptors = STDERR_FILENO + 1,
                                              .niceness = kNiceness};
        if (const auto locked = earshot::sandbox::enter(limits, "screen_failed"); !locked) {
            Bytes out;
            rfb::append_tap_record(
                rfb::TapKind::Failed, 0,
                earshot::base::as_bytes(locked.error().code + " " + locked.error().text), out);
            static_cast<void>(write_all(out));
            return EXIT_FAILURE;
        }
        return run();
    } catch (const std::exception&) {
        return EXIT_FAILURE;
    }
}
