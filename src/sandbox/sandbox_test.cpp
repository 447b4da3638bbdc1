#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string_view>

namespace earshot::sandbox {
namespace {

using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

constexpr Limits kLimits{
    .memory_bytes = std::uint64_t{512} << 20, .cpu_seconds = 60, .descriptors = 64, .niceness = 1};

// Does it in a sandbox, in the child of a death test: ends with 0 when it is as expected.
template <class Deed>
[[noreturn]] void inside(const Deed& deed) {
    if (!enter(kLimits, "test_failed")) ::_exit(2);
    ::_exit(deed() ? 0 : 1);
}

[[noreturn]] void write_and_read() {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) ::_exit(2);
    inside([&] {
        char letter = 'a';
        return ::write(ends[1], &letter, 1) == 1 && ::read(ends[0], &letter, 1) == 1;
    });
}
[[noreturn]] void look_who_goes_first() {
    const int file = ::open("/proc/self/oom_score_adj", O_RDONLY);
    inside([&] {
        std::array<char, 5> text{};
        return ::read(file, text.data(), text.size()) == 5 &&
               std::string_view(text.data(), 4) == "1000";
    });
}
[[noreturn]] void ask_for_its_time() {
    Limits limits = kLimits;
    limits.cpu_seconds = 0;
    rlimit before{};
    ::getrlimit(RLIMIT_CPU, &before);
    if (!enter(limits, "test_failed")) ::_exit(2);
    // Two seconds of work, which a limit of 0 would not let pass.
    timespec spent{};
    do ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    while (before.rlim_cur == RLIM_INFINITY && spent.tv_sec < 2);
    ::_exit(0);
}
[[noreturn]] void look_for_file() {
    inside([] { return ::open("/proc/cpuinfo", O_RDONLY) < 0 && errno == EACCES; });
}
[[noreturn]] void make_socket() {
    inside([] { return ::socket(AF_INET, SOCK_STREAM, 0) < 0; });
}
[[noreturn]] void start_process() {
    inside([] { return ::fork() < 0; });
}
[[noreturn]] void take_too_much() {
    inside([] { return std::malloc(kLimits.memory_bytes) == nullptr; });
}

TEST(Sandbox, LeavesTheDescriptorsThatItHas) {
    EXPECT_EXIT(write_and_read(), ExitedWithCode(0), "");
}
TEST(Sandbox, IsTheFirstToGoWhereMemoryGivesOut) {
    EXPECT_EXIT(look_who_goes_first(), ExitedWithCode(0), "");
}
TEST(Sandbox, NoLimitOfProcessorTimeIsNone) {
    EXPECT_EXIT(ask_for_its_time(), ExitedWithCode(0), "");
}
TEST(Sandbox, TellsWhoLooksForAFileThatThereIsNone) {
    EXPECT_EXIT(look_for_file(), ExitedWithCode(0), "");
}
TEST(Sandbox, EndsWhoMakesASocket) { EXPECT_EXIT(make_socket(), KilledBySignal(SIGSYS), ""); }
TEST(Sandbox, EndsWhoStartsAProcess) { EXPECT_EXIT(start_process(), KilledBySignal(SIGSYS), ""); }
TEST(Sandbox, GivesNoMoreMemoryThanIsAllowed) {
    EXPECT_EXIT(take_too_much(), ExitedWithCode(0), "");
}

}  // namespace
}  // namespace earshot::sandbox
