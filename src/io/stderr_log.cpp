#include "io/stderr_log.h"

#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <mutex>

#include "base/json_writer.h"
#include "base/text.h"
#include "base/time.h"

namespace earshot::io {

namespace {

std::string_view level_name(base::LogLevel level) {
    switch (level) {
        case base::LogLevel::Debug:
            return "debug";
        case base::LogLevel::Info:
            return "info";
        case base::LogLevel::Warning:
            return "warning";
        case base::LogLevel::Error:
            return "error";
    }
    return "error";
}

spdlog::level::level_enum to_spdlog(base::LogLevel level) {
    switch (level) {
        case base::LogLevel::Debug:
            return spdlog::level::debug;
        case base::LogLevel::Info:
            return spdlog::level::info;
        case base::LogLevel::Warning:
            return spdlog::level::warn;
        case base::LogLevel::Error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// A value that could be misread (spaces, quotes, line ends: forged log lines, terminal escapes) is
// quoted and escaped.
void append_text_value(std::string_view text, std::string& out) {
    bool plain = !text.empty();
    for (const char c : text) {
        if (c == ' ' || c == '"' || c == '=' || c == '\\' || is_control(c)) plain = false;
    }
    if (plain) {
        out += base::to_valid_utf8(text);
    } else {
        base::append_json_text(out, text);
    }
}

}  // namespace

std::string format_text_line(std::string_view time, base::LogLevel level, std::string_view message,
                             std::initializer_list<base::LogField> fields) {
    std::string line = fmt::format("{} {:<7} ", time, level_name(level));
    for (const char c : base::to_valid_utf8(message)) {
        if (is_control(c)) {
            base::append_json_escape(line, c);
        } else {
            line += c;
        }
    }
    for (const base::LogField& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_text_value(field.value, line);
    }
    return line;
}

std::string format_json_line(std::string_view time, base::LogLevel level, std::string_view message,
                             std::initializer_list<base::LogField> fields) {
    std::string line =
        fmt::format(R"({{"time":"{}","level":"{}","message":)", time, level_name(level));
    base::append_json_text(line, message);
    for (const base::LogField& field : fields) {
        line += ',';
        base::append_json_text(line, field.key);
        line += ':';
        base::append_json_text(line, field.value);
    }
    line += '}';
    return line;
}

namespace {

// Who reads the log may have stopped to: then lines are dropped by the queue, and the end does not
// wait for long.
class PatientSink : public spdlog::sinks::base_sink<std::mutex> {
public:
    void give_up_soon() { is_ending_.store(true); }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        line_.assign(message.payload.begin(), message.payload.end());
        line_ += '\n';
        std::string_view rest = line_;
        // So much fits into a pipe that is said to be writable.
        while (!rest.empty() && wait_until_writable()) {
            const ssize_t count =
                ::write(STDERR_FILENO, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
            if (count < 0 && errno != EINTR && errno != EAGAIN) return;  // nobody reads any more
            if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
        }
    }
    void flush_() override {}

private:
    bool wait_until_writable() {
        constexpr int kLookMs = 100;
        constexpr int kLooksAtTheEnd = 10;  // for all that is left
        while (looks_at_the_end_ < kLooksAtTheEnd) {
            pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
            if (::poll(&out, 1, kLookMs) > 0) return true;
            if (is_ending_.load()) ++looks_at_the_end_;
        }
        return false;
    }

    std::atomic<bool> is_ending_{false};
    int looks_at_the_end_ = 0;
    std::string line_;
};

}  // namespace

struct StderrLog::Implementation {
    bool json = false;
    std::shared_ptr<spdlog::details::thread_pool> pool;  // spdlog's own interfaces share it
    std::shared_ptr<PatientSink> sink;
    std::shared_ptr<spdlog::async_logger> logger;
};

StderrLog::StderrLog(const LogOptions& options)
    : implementation_(std::make_unique<Implementation>()) {
    Implementation& log = *implementation_;
    log.json = options.format == LogFormat::Json ||
               (options.format == LogFormat::Automatic && ::isatty(STDERR_FILENO) == 0);
    log.pool = std::make_shared<spdlog::details::thread_pool>(options.queue_lines, 1);
    log.sink = std::make_shared<PatientSink>();
    log.logger = std::make_shared<spdlog::async_logger>(
        "earshot", log.sink, log.pool, spdlog::async_overflow_policy::overrun_oldest);
    set_level(options.level);
}

// The pool's thread writes what waits and ends.
StderrLog::~StderrLog() { implementation_->sink->give_up_soon(); }

bool StderrLog::writes(base::LogLevel level) const {
    return implementation_->logger->should_log(to_spdlog(level));
}

void StderrLog::write(base::LogLevel level, std::string_view message,
                      std::initializer_list<base::LogField> fields) {
    Implementation& log = *implementation_;
    if (!writes(level)) return;
    const auto now =
        std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
    const std::string time = base::to_rfc3339(now);
    const std::string line = log.json ? format_json_line(time, level, message, fields)
                                      : format_text_line(time, level, message, fields);
    log.logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

void StderrLog::set_level(base::LogLevel level) {
    implementation_->logger->set_level(to_spdlog(level));
}

std::uint64_t StderrLog::dropped_lines() const { return implementation_->pool->overrun_counter(); }

}  // namespace earshot::io
