// base::Log on standard error (standard output is for results): text on a terminal, otherwise one
// JSON object a line. Written by a thread of its own; a full queue loses its oldest lines, counted,
// and never blocks the caller.
#pragma once

#include <cstdint>
#include <memory>

#include "base/log.h"

namespace earshot::io {

enum class LogFormat { Automatic, Text, Json };  // Automatic: text when stderr is a terminal

struct LogOptions {
    base::LogLevel level = base::LogLevel::Info;
    LogFormat format = LogFormat::Automatic;
    std::size_t queue_lines = 8192;
};

class StderrLog : public base::Log {
public:
    explicit StderrLog(const LogOptions& options = {});
    StderrLog(const StderrLog&) = delete;
    StderrLog& operator=(const StderrLog&) = delete;
    ~StderrLog() override;  // writes what waits

    bool writes(base::LogLevel level) const override;
    void write(base::LogLevel level, std::string_view message,
               std::initializer_list<base::LogField> fields) override;

    void set_level(base::LogLevel level);  // any thread, at any time
    std::uint64_t dropped_lines() const;

private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

// The two forms of a line, without its end. `time` is RFC 3339.
std::string format_text_line(std::string_view time, base::LogLevel level, std::string_view message,
                             std::initializer_list<base::LogField> fields);
std::string format_json_line(std::string_view time, base::LogLevel level, std::string_view message,
                             std::initializer_list<base::LogField> fields);

}  // namespace earshot::io
