#include "rendition/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <system_error>

#include "base/text.h"
#include "io/file_descriptor.h"
#include "io/spawn.h"
#include "rendition/packet_stream.h"

namespace earshot::rendition {
namespace {

using base::Reason;
using io::FileDescriptor;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPieceBytes = 256UL * 1024;
constexpr std::chrono::milliseconds kLookForCancel{100};

struct Ends {
    FileDescriptor ours;
    FileDescriptor childs;
};

// A socket, because one can write to it without SIGPIPE. Both ways where only one is used.
Ends make_ends() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return {};
    (void)::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

base::Bytes make_line(const Job& job) {
    const std::string line = to_json(job) + "\n";
    const base::ByteView bytes = base::as_bytes(line);
    return {bytes.begin(), bytes.end()};
}

Reason failed(std::string_view code, std::string text) {
    return {std::string(code), std::move(text)};
}

// What comes from one of the child's descriptors, up to a limit that our own side sets by taking.
class Inflow {
public:
    explicit Inflow(FileDescriptor end) : end_(std::move(end)) {}

    int descriptor() const { return end_.is_open() ? end_.get() : -1; }
    base::Bytes& bytes() { return bytes_; }
    // How many bytes came; 0 when there are none now, or no more.
    std::size_t read() {
        if (!end_.is_open()) return 0;
        ssize_t count = 0;
        do count = ::read(end_.get(), piece_.data(), piece_.size());
        while (count < 0 && errno == EINTR);
        if (count == 0 || (count < 0 && errno != EAGAIN)) end_.close();
        if (count <= 0) return 0;
        base::append(bytes_, base::ByteView(piece_).first(static_cast<std::size_t>(count)));
        return static_cast<std::size_t>(count);
    }

private:
    FileDescriptor end_;
    base::Bytes piece_ = base::Bytes(kPieceBytes);  // read() is called for each step of a job
    base::Bytes bytes_;
};

class Run {
public:
    Run(const WorkerOptions& options, const Job& job, PacketSource& source, Sink& sink,
        const std::atomic<bool>& is_cancelled)
        : options_(options),
          source_(source),
          sink_(sink),
          is_cancelled_(is_cancelled),
          pending_(make_line(job)) {}
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() {
        if (child_ > 0) end_child();
    }

    base::Result<Report, Reason> run() {
        if (auto failure = start()) return *failure;
        while (!has_ended_) {
            if (auto failure = step()) return *failure;
        }
        return judge();
    }

private:
    using Failure = std::optional<Reason>;

    Failure start() {
        if (::access(options_.program.c_str(), X_OK) != 0)
            return failed("media_missing",
                          fmt::format("{} is not there: this build was made without it "
                                      "(-DEARSHOT_MEDIA=OFF), or it was not installed.",
                                      options_.program));
        Ends in = make_ends();
        std::array<Ends, 3> outs{make_ends(), make_ends(), make_ends()};
        if (!in.ours.is_open() || !outs[0].ours.is_open() || !outs[1].ours.is_open() ||
            !outs[2].ours.is_open())
            return failed("media_failed", "No more descriptors are free.");
        const std::array<int, 4> descriptors{in.childs.get(), outs[0].childs.get(),
                                             outs[1].childs.get(), outs[2].childs.get()};
        const int error = io::spawn_program({options_.program}, descriptors, child_);
        if (error != 0) {
            child_ = -1;
            return failed("media_missing", fmt::format("{} cannot be started: {}", options_.program,
                                                       std::generic_category().message(error)));
        }
        in_ = std::move(in.ours);
        out_.emplace(std::move(outs[0].ours));
        err_.emplace(std::move(outs[1].ours));
        report_.emplace(std::move(outs[2].ours));
        // glibc 2.36 declares pidfd_open() without extern "C".
        child_fd_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
        if (!child_fd_.is_open()) return failed("media_failed", "Its end cannot be waited for.");
        moved_ = Clock::now();
        return std::nullopt;
    }

    Failure step() {
        if (is_cancelled_) return failed("cancelled", "It was cancelled.");
        if (auto failure = refill()) return failure;
        std::array<pollfd, 5> waits{
            {{child_fd_.get(), POLLIN, 0},
             {out_->descriptor(), POLLIN, 0},
             {report_->descriptor(), POLLIN, 0},
             {err_->descriptor(), POLLIN, 0},
             {in_.is_open() && sent_ < pending_.size() ? in_.get() : -1, POLLOUT, 0}}};
        const int count =
            ::poll(waits.data(), waits.size(), static_cast<int>(kLookForCancel.count()));
        if (count < 0 && errno != EINTR) return failed("media_failed", "It cannot be waited for.");
        has_ended_ = count > 0 && waits[0].revents != 0;
        if (waits[4].revents != 0) send();
        if (auto failure = take_all()) return failure;
        if (!has_ended_ && Clock::now() - moved_ > options_.stall)
            return failed("media_stalled", fmt::format("It did nothing for {} ms and was ended.",
                                                       options_.stall.count()));
        return std::nullopt;
    }

    Failure refill() {
        if (sent_ < pending_.size() || is_source_done_ || !in_.is_open()) return std::nullopt;
        pending_.clear();
        sent_ = 0;
        auto more = source_.next(pending_);
        if (!more) return more.error();
        is_source_done_ = !*more;
        return std::nullopt;
    }

    void send() {
        const ssize_t count = ::send(in_.get(), pending_.data() + sent_, pending_.size() - sent_,
                                     MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) {
            sent_ += static_cast<std::size_t>(count);
            moved_ = Clock::now();
        } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
            in_.close();  // it reads no more: what it says tells why
        }
        if (sent_ == pending_.size() && is_source_done_) in_.close();
    }

    // What is there now; of a child that has ended, everything.
    Failure take_all() {
        for (bool more = true; more;) {
            more = false;
            if (out_->read() > 0) {
                more = has_ended_;
                moved_ = Clock::now();
                if (auto failure = take_output()) return failure;
            }
            if (report_->read() > 0) {
                more = has_ended_;
                moved_ = Clock::now();
                if (auto failure = take_lines()) return failure;
            }
            if (err_->read() > 0) {
                more = has_ended_;
                base::Bytes& said = err_->bytes();
                said.resize(std::min(said.size(), kMaxErrorText));
            }
        }
        return std::nullopt;
    }

    Failure take_output() {
        base::Bytes& bytes = out_->bytes();
        std::size_t at = 0;
        while (bytes.size() - at >= kOutputHeaderBytes) {
            const base::ByteView rest = base::ByteView(bytes).subspan(at);
            const auto header = parse_output_header(rest);
            if (!header)
                return failed("media_malformed",
                              fmt::format("What it wrote is damaged: {}.", header.error().what));
            if (rest.size() < kOutputHeaderBytes + header->size) break;
            const auto written =
                sink_.write(header->offset, rest.subspan(kOutputHeaderBytes, header->size));
            if (!written) return written.error();
            at += kOutputHeaderBytes + header->size;
        }
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
        return std::nullopt;
    }

    Failure take_lines() {
        base::Bytes& bytes = report_->bytes();
        while (true) {
            const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{'\n'});
            if (end == bytes.end()) break;
            const std::string line(bytes.begin(), end);
            bytes.erase(bytes.begin(), end + 1);
            auto message = parse_message(line);
            if (!message)
                return failed("media_malformed", "What it said is no line of the format.");
            if (message->at_ms) sink_.on_progress(*message->at_ms);
            if (message->done) done_ = std::move(message->done);
            if (message->error) error_ = std::move(message->error);
        }
        if (bytes.size() <= kMaxReportBytes) return std::nullopt;
        return failed("media_malformed", "It said too much.");
    }

    base::Result<Report, Reason> judge() {
        const int status = end_child();
        if (error_) return *error_;
        if (done_ && WIFEXITED(status) && WEXITSTATUS(status) == 0 && out_->bytes().empty())
            return std::move(*done_);
        std::string why = base::to_valid_utf8(base::as_text(err_->bytes()));
        std::replace_if(
            why.begin(), why.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
        if (!why.empty()) why = ": " + why;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            return failed("media_crashed",
                          "It was killed (signal 9): by somebody, or by the kernel, which does so "
                          "where the memory of the host or of the service gives out.");
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
            return failed("media_limit",
                          "It needed more processor time than a job may have, and was ended.");
        if (WIFSIGNALED(status))
            return failed("media_crashed",
                          fmt::format("It crashed with signal {} ({}){}", WTERMSIG(status),
                                      name_of(WTERMSIG(status)), why));
        return failed("media_crashed", fmt::format("It ended with exit code {}, without a word{}",
                                                   WEXITSTATUS(status), why));
    }

    static std::string_view name_of(int signal) {
        switch (signal) {
            case SIGSEGV:
            case SIGBUS:
                return "it touched memory that is not its own";
            case SIGSYS:
                return "it asked the kernel for what it may not";
            case SIGABRT:
                return "it found itself wrong";
            default:
                return "see signal(7)";
        }
    }

    int end_child() {
        if (!has_ended_) ::kill(-child_, SIGKILL);
        int status = 0;
        while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) continue;
        child_ = -1;
        return status;
    }

    const WorkerOptions& options_;
    PacketSource& source_;
    Sink& sink_;
    const std::atomic<bool>& is_cancelled_;
    base::Bytes pending_;  // on its way to the child
    std::size_t sent_ = 0;
    bool is_source_done_ = false;
    pid_t child_ = -1;
    FileDescriptor child_fd_;
    FileDescriptor in_;
    std::optional<Inflow> out_;
    std::optional<Inflow> err_;
    std::optional<Inflow> report_;
    bool has_ended_ = false;
    Clock::time_point moved_;
    std::optional<Report> done_;
    std::optional<Reason> error_;
};

}  // namespace

base::Result<Report, Reason> run_worker(const WorkerOptions& options, const Job& job,
                                        PacketSource& source, Sink& sink,
                                        const std::atomic<bool>& is_cancelled) {
    return Run(options, job, source, sink, is_cancelled).run();
}

}  // namespace earshot::rendition
