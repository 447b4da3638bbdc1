#include "io/child_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "base/text.h"
#include "io/file_descriptor.h"
#include "io/spawn.h"

namespace earshot::io {

using base::Reason;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxErrorBytes = 200;
constexpr std::size_t kPieceBytes = 4096;

Reason child_failed(std::string text) { return {"child_failed", std::move(text)}; }

Reason system_failed(std::string_view call, int number) {
    return child_failed(fmt::format("{}: {}", call, std::generic_category().message(number)));
}

// What the program reads: a file without a name, so nobody has to feed it, and it may open
// /dev/stdin.
FileDescriptor make_input(std::string_view bytes) {
    FileDescriptor file(::memfd_create("earshot-input", MFD_CLOEXEC));
    if (!file.is_open()) return file;
    while (!bytes.empty()) {
        const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return {};
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    if (::lseek(file.get(), 0, SEEK_SET) != 0) return {};
    return file;
}

struct Pipe {
    FileDescriptor read;
    FileDescriptor write;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
    Pipe pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
    (void)::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
    return pipe;
}

// One of the program's outputs. What does not fit is read and dropped.
class Output {
public:
    Output(FileDescriptor pipe, std::size_t limit) : pipe_(std::move(pipe)), limit_(limit) {
        text_.reserve(limit);  // never moved in memory, so that it can be wiped
    }
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    ~Output() { ::explicit_bzero(text_.data(), text_.size()); }

    int descriptor() const { return pipe_.get(); }
    bool is_open() const { return pipe_.is_open(); }
    bool is_too_long() const { return is_too_long_; }
    const std::string& text() const { return text_; }
    std::string take() { return std::exchange(text_, {}); }

    // One piece, as a program may write as fast as we read; false when there is none now.
    bool read() {
        if (!pipe_.is_open()) return false;
        std::array<char, kPieceBytes> piece{};
        ssize_t count = 0;
        do count = ::read(pipe_.get(), piece.data(), piece.size());
        while (count < 0 && errno == EINTR);
        if (count < 0 && errno == EAGAIN) return false;
        if (count <= 0) {
            pipe_.close();
            return false;
        }
        const auto size = static_cast<std::size_t>(count);
        const std::size_t room = std::min(size, limit_ - text_.size());
        text_.append(piece.data(), room);
        is_too_long_ = is_too_long_ || room < size;
        ::explicit_bzero(piece.data(), piece.size());
        return true;
    }
    // What is there yet when the program has ended: others may go on writing.
    void read_rest() {
        while (!is_too_long_ && read()) continue;
    }

private:
    FileDescriptor pipe_;
    const std::size_t limit_;
    std::string text_;
    bool is_too_long_ = false;
};

enum class Waiting { Ended, TookTooLong, SaidTooMuch, Failed };

// Until the program has ended; what it wrote before is in the outputs then. Failed: errno tells
// why.
Waiting wait_for_end(int child_fd, Output& out, Output& err, Clock::time_point give_up_at) {
    while (!out.is_too_long()) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(give_up_at - Clock::now()).count();
        if (left <= 0) return Waiting::TookTooLong;
        // Closed ones are -1, which poll() passes over.
        std::array<pollfd, 3> waits{{{child_fd, POLLIN, 0},
                                     {out.is_open() ? out.descriptor() : -1, POLLIN, 0},
                                     {err.is_open() ? err.descriptor() : -1, POLLIN, 0}}};
        const int count = ::poll(waits.data(), waits.size(), static_cast<int>(left));
        if (count < 0 && errno != EINTR) return Waiting::Failed;
        // A grandchild may hold the pipes open for ever: what counts is the program itself.
        if (count > 0 && waits[0].revents != 0) {
            out.read_rest();
            err.read_rest();
            return Waiting::Ended;
        }
        out.read();
        err.read();
    }
    return Waiting::SaidTooMuch;
}

// What the program said of its failure: a line that is fit for a log.
std::string first_line(std::string_view text) {
    std::string line = base::to_valid_utf8(base::trim(text.substr(0, text.find('\n'))));
    std::replace_if(
        line.begin(), line.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
    return line;
}

}  // namespace

base::Result<std::string, Reason> run_child(const ChildCommand& command) {
    const auto give_up_at = Clock::now() + command.timeout;
    const FileDescriptor input = make_input(command.input);
    Pipe out_pipe = make_pipe();
    Pipe err_pipe = make_pipe();
    if (!input.is_open() || !out_pipe.read.is_open() || !err_pipe.read.is_open())
        return system_failed("its input and output cannot be made", errno);
    pid_t child = 0;
    const std::array<int, 3> descriptors{input.get(), out_pipe.write.get(), err_pipe.write.get()};
    const int failure = spawn_program(command.arguments, descriptors, child);
    if (failure != 0) return system_failed("it cannot be started", failure);
    out_pipe.write.close();
    err_pipe.write.close();
    Output out(std::move(out_pipe.read), command.max_output_bytes);
    Output err(std::move(err_pipe.read), kMaxErrorBytes);

    // glibc 2.36 declares pidfd_open() without extern "C".
    const FileDescriptor child_fd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    const Waiting waiting =
        child_fd.is_open() ? wait_for_end(child_fd.get(), out, err, give_up_at) : Waiting::Failed;
    const int error = errno;
    if (waiting != Waiting::Ended) ::kill(-child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;

    if (out.is_too_long())
        return child_failed(fmt::format("it wrote more than {} bytes", command.max_output_bytes));
    if (waiting == Waiting::Failed) return system_failed("its end cannot be waited for", error);
    if (waiting == Waiting::TookTooLong)
        return child_failed(fmt::format("it did not end within {} ms", command.timeout.count()));
    const std::string said = first_line(err.text());
    const std::string why = said.empty() ? "" : ": " + said;
    if (WIFSIGNALED(status))
        return child_failed(fmt::format("it was ended by signal {}{}", WTERMSIG(status), why));
    if (WEXITSTATUS(status) != 0)
        return child_failed(fmt::format("it ended with exit code {}{}", WEXITSTATUS(status), why));
    return out.take();
}

}  // namespace earshot::io
