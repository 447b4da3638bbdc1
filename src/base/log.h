// The log as everything below app/ sees it: an interface that is passed down, never a global. Where
// lines go and how they look is io/stderr_log.h. Never give it media, message bodies or secrets.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace earshot::base {

enum class LogLevel { Debug, Info, Warning, Error };

struct LogField {
    std::string_view key;  // snake_case; the same word as in the API: recording, call_id, peer
    std::string value;
};

class Log {
public:
    Log() = default;
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    virtual ~Log() = default;

    // Whether lines of this level are written at all: ask where making one costs.
    virtual bool writes(LogLevel /*level*/) const { return true; }
    // Any thread; never blocks. `message` is a sentence for a person, the fields are for machines.
    virtual void write(LogLevel level, std::string_view message,
                       std::initializer_list<LogField> fields) = 0;

    void debug(std::string_view message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::Debug, message, fields);
    }
    void info(std::string_view message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::Info, message, fields);
    }
    void warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::Warning, message, fields);
    }
    void error(std::string_view message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::Error, message, fields);
    }
};

// For tests and tools that have nothing to say.
class NullLog : public Log {
public:
    void write(LogLevel /*level*/, std::string_view /*message*/,
               std::initializer_list<LogField> /*fields*/) override {}
};

}  // namespace earshot::base
