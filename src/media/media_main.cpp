// earshot-media: decodes, mixes and muxes what strangers sent, where it can do no harm. One process
// a job: descriptor 0 the job and the packets, 1 the output, 2 what libraries say, 3 progress and
// the end (docs/packet-format.md). Started by the server, or by a test.
#include <fcntl.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>

#include "media/limits.h"
#include "media/stage.h"
#include "sandbox/sandbox.h"

namespace {

using earshot::base::Reason;
using earshot::media::Outcome;
using earshot::media::Stage;
using earshot::rendition::Product;

constexpr int kIn = 0;
constexpr int kOut = 1;
constexpr int kTell = 3;
constexpr int kNiceness = 15;  // a job waits for whoever serves calls

void tell(const std::string& line) {
    static_cast<void>(earshot::media::write_all(kTell, earshot::base::as_bytes(line)));
}

Outcome make(Stage& stage) {
    switch (stage.job.product) {
        case Product::Tracks:
        case Product::Track:
            return make_tracks(stage);
        case Product::Webm:
        case Product::Mp4:
            return make_watch(stage);
        case Product::Sheet:
            return make_sheet(stage);
        case Product::Marks:
            return make_marks(stage);
        default:
            return make_sound(stage);
    }
}

Outcome run() {
    earshot::media::Input input(kIn);
    auto line = input.read_line(earshot::rendition::kMaxJobBytes);
    if (!line) return line.error();
    auto job = earshot::rendition::parse_job(*line);
    if (!job) return Reason{"media_malformed", std::string(job.error().what) + "."};
    const earshot::sandbox::Limits limits{.memory_bytes = job->allowance.memory_bytes,
                                          .cpu_seconds = job->allowance.cpu_seconds,
                                          .descriptors = kTell + 1,
                                          .niceness = kNiceness};
    if (auto locked = earshot::sandbox::enter(limits, "media_failed"); !locked) return locked;

    earshot::media::Output output(kOut);
    std::int64_t told_ms = 0;
    Stage stage{.job = *job,
                .input = input,
                .output = output,
                .on_progress = [&](std::int64_t position_ns) {
                    const std::int64_t at_ms = position_ns / 1'000'000;
                    if (at_ms < told_ms + earshot::media::kProgressMs) return;
                    told_ms = at_ms;
                    tell(earshot::rendition::progress_line(at_ms));
                }};
    auto made = make(stage);
    if (!made) return made;
    stage.report.faults = stage.faults.take();
    tell(earshot::rendition::done_line(stage.report));
    return earshot::base::Done{};
}

int fail(const Reason& reason) {
    tell(earshot::rendition::error_line(reason));
    return EXIT_FAILURE;
}

}  // namespace

int main() {
    // Without a server there is nothing to do: a person who starts it by hand is told so.
    if (::fcntl(kTell, F_GETFD) < 0) {
        std::cerr << "earshot-media is started by `earshot server` (docs/media.md).\n";
        return 2;
    }
    ::signal(SIGPIPE, SIG_IGN);
    av_log_set_level(AV_LOG_QUIET);  // its lines quote payloads
    try {
        const auto done = run();
        return done ? EXIT_SUCCESS : fail(done.error());
    } catch (const std::bad_alloc&) {
        return fail({"media_limit", "It needed more memory than a job may have."});
    } catch (const std::exception& error) {
        return fail({"media_failed", std::string("It failed: ") + error.what() + "."});
    }
}
