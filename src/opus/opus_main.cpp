// earshot-opus: decodes what participants of conferences say in Opus, for the recording client,
// which is their focus. Descriptors 0 and 1 are one SOCK_SEQPACKET socket (voice/records.h). It
// ends when that does.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "opus/decoders.h"
#include "opus/limits.h"
#include "sandbox/sandbox.h"
#include "voice/records.h"

namespace {

using earshot::base::Bytes;
using earshot::base::ByteView;

// A message, whole or not at all.
bool write_message(ByteView message) {
    ssize_t count = -1;
    do count = ::write(STDOUT_FILENO, message.data(), message.size());
    while (count < 0 && errno == EINTR);
    return count == static_cast<ssize_t>(message.size());
}

int run() {
    earshot::opus::Decoders decoders;
    Bytes message(earshot::voice::kMaxMessageBytes + 1);
    bool is_heard = true;
    const auto write = [&](ByteView answer) { is_heard = is_heard && write_message(answer); };
    while (is_heard) {
        const ssize_t count = ::read(STDIN_FILENO, message.data(), message.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (!decoders.on_message(ByteView(message).first(static_cast<std::size_t>(count)), write))
            return EXIT_FAILURE;
    }
    return EXIT_FAILURE;
}

}  // namespace

int main() {
    // Without a client there is nothing to do: a person who starts it by hand is told so.
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != SOCK_SEQPACKET) {
        std::cerr << "earshot-opus is started by `earshot client` (docs/client.md, conferences).\n";
        return 2;
    }
    ::signal(SIGPIPE, SIG_IGN);
    try {
        // Of time it has what it takes: who asks it ends it when it does not answer.
        const earshot::sandbox::Limits limits{.memory_bytes = earshot::opus::kMemoryBytes,
                                              .cpu_seconds = 0,
                                              .descriptors = STDERR_FILENO + 1,
                                              .niceness = 0};
        if (!earshot::sandbox::enter(limits, "decoder_failed")) return EXIT_FAILURE;
        return run();
    } catch (const std::exception&) {
        return EXIT_FAILURE;
    }
}
