// Runs `earshot-opus`, which decodes what participants of conferences say in Opus: strangers'
// packets are not decoded in the process that serves calls. One child for all rooms. It is asked
// and read without waiting; who asks must do without an answer where none comes in time. A child
// that dies, says nonsense or does not answer is started again, a second later, and decodes from
// then on what it is asked. Belongs to one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/reason.h"
#include "base/time.h"
#include "io/file_descriptor.h"
#include "voice/records.h"

namespace earshot::voice {

class DecoderChild {
public:
    struct Options {
        std::string program;                       // the path of earshot-opus; empty: there is none
        std::chrono::milliseconds stall{1'000};    // in which it has to answer
        std::chrono::milliseconds restart{1'000};  // after its end
    };
    struct Counters {
        std::uint64_t asked = 0;
        std::uint64_t answered = 0;
        std::uint64_t lost = 0;     // of those asked: the child was away, behind, or died
        std::uint64_t refused = 0;  // packets that are no Opus
        std::uint64_t starts = 0;
    };
    using Took = std::function<void(const Record& answer)>;

    explicit DecoderChild(Options options) : options_(std::move(options)) {}
    DecoderChild(const DecoderChild&) = delete;
    DecoderChild& operator=(const DecoderChild&) = delete;
    ~DecoderChild() { stop(); }

    // Whether there is such a program.
    static bool is_there(const std::string& program);

    // So that it is there when the first packet is.
    void start(base::TimePoint now);
    void ask(const Record& record, base::TimePoint now);
    // Sends what was asked.
    void flush(base::TimePoint now);
    // What it has answered so far.
    void read(base::TimePoint now, const Took& took);
    // Until it has answered something, at most so long.
    void wait(std::chrono::milliseconds most) const;
    void stop();

    bool is_running() const { return pid_ > 0; }
    bool owes() const { return owed_ > 0; }
    // What became of it since this was asked last.
    std::optional<base::Reason> take_fault() { return std::exchange(fault_, std::nullopt); }
    const Counters& counters() const { return counters_; }
    pid_t pid() const { return pid_; }

private:
    void fail(base::TimePoint now, base::Reason why);
    bool take_message(base::ByteView message, const Took& took);

    const Options options_;
    pid_t pid_ = -1;
    io::FileDescriptor end_;
    base::Bytes asked_;              // not sent yet
    std::uint64_t asked_count_ = 0;  // of those, what is to be answered
    std::uint64_t owed_ = 0;         // answers
    base::TimePoint owed_since_{};   // without one
    base::TimePoint next_start_{};
    base::Bytes message_;
    std::optional<base::Reason> fault_;
    Counters counters_;
};

}  // namespace earshot::voice
