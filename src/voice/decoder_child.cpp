#include "voice/decoder_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "io/spawn.h"

namespace earshot::voice {

using base::Reason;

bool DecoderChild::is_there(const std::string& program) {
    return !program.empty() && ::access(program.c_str(), X_OK) == 0;
}

void DecoderChild::start(base::TimePoint now) {
    if (is_running() || now < next_start_) return;
    next_start_ = now + options_.restart;
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        fault_ = Reason{"decoder_missing", "No more descriptors are free."};
        return;
    }
    io::FileDescriptor ours(ends[0]);
    const io::FileDescriptor childs(ends[1]);
    static_cast<void>(::fcntl(ours.get(), F_SETFL, O_NONBLOCK));
    const std::array<int, 2> descriptors{childs.get(), childs.get()};
    const int error = io::spawn_program({options_.program}, descriptors, pid_);
    if (error != 0) {
        pid_ = -1;
        fault_ =
            Reason{"decoder_missing", fmt::format("{} cannot be started: {}.", options_.program,
                                                  std::generic_category().message(error))};
        return;
    }
    end_ = std::move(ours);
    ++counters_.starts;
}

void DecoderChild::ask(const Record& record, base::TimePoint now) {
    if (asked_.size() + kRecordHeaderBytes + record.body.size() > kMaxMessageBytes) flush(now);
    append_record(record, asked_);
    if (record.kind == RecordKind::Forget) return;
    ++asked_count_;
    ++counters_.asked;
}

void DecoderChild::flush(base::TimePoint now) {
    if (asked_.empty()) return;
    if (asked_count_ > 0) start(now);  // who has nothing to decode has nothing to forget
    const std::uint64_t count = std::exchange(asked_count_, 0);
    ssize_t sent = -1;
    if (is_running()) {
        do sent = ::send(end_.get(), asked_.data(), asked_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        while (sent < 0 && errno == EINTR);
        if (sent < 0 && errno != EAGAIN) {
            fail(now, {"decoder_crashed", "The program that decodes Opus has ended."});
        }
    }
    asked_.clear();
    if (sent < 0) {
        counters_.lost += count;
        return;
    }
    if (owed_ == 0) owed_since_ = now;
    owed_ += count;
}

void DecoderChild::read(base::TimePoint now, const Took& took) {
    message_.resize(kMaxMessageBytes + 1);
    while (is_running()) {
        const ssize_t count = ::recv(end_.get(), message_.data(), message_.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) break;
        if (count <= 0)
            return fail(now, {"decoder_crashed", "The program that decodes Opus has ended."});
        owed_since_ = now;
        if (!take_message(base::ByteView(message_).first(static_cast<std::size_t>(count)), took))
            return fail(now, {"decoder_crashed", "The program that decodes Opus says nonsense."});
    }
    if (is_running() && owed_ > 0 && now - owed_since_ > options_.stall)
        fail(now, {"decoder_stalled", "The program that decodes Opus does not answer."});
}

// It decodes what strangers send, and is believed no more than they are.
bool DecoderChild::take_message(base::ByteView message, const Took& took) {
    if (message.size() > kMaxMessageBytes) return false;
    while (!message.empty()) {
        const auto answer = take_record(message);
        const bool is_answer = answer && (answer->kind == RecordKind::Decoded ||
                                          answer->kind == RecordKind::Concealed);
        if (!is_answer || owed_ == 0) return false;
        --owed_;
        ++counters_.answered;
        if (answer->kind == RecordKind::Concealed) ++counters_.refused;
        took(*answer);
    }
    return true;
}

void DecoderChild::wait(std::chrono::milliseconds most) const {
    if (!is_running() || owed_ == 0) return;
    pollfd one{.fd = end_.get(), .events = POLLIN, .revents = 0};
    static_cast<void>(::poll(&one, 1, static_cast<int>(most.count())));
}

void DecoderChild::fail(base::TimePoint now, Reason why) {
    stop();
    next_start_ = now + options_.restart;
    fault_ = std::move(why);
}

void DecoderChild::stop() {
    counters_.lost += std::exchange(owed_, 0);
    end_.close();
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
    pid_ = -1;
}

}  // namespace earshot::voice
