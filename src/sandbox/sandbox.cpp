#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

namespace earshot::sandbox {
namespace {

// The step that failed, and why.
struct Failure {
    std::string_view step;
    int error = 0;  // errno
};
using Outcome = base::Result<base::Done, Failure>;

// Where the host's memory gives out the kernel ends this process, and not the one that serves
// calls. (Anybody may raise his own number.) Without /proc there is nobody to be told.
void go_first() {
    const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    static_cast<void>(!::write(file, "1000", 4));
    ::close(file);
}

Outcome set_limits(const Limits& limits) {
    struct Limit {
        __rlimit_resource resource;
        rlim_t value;
    };
    const std::array<Limit, 5> all{{{RLIMIT_AS, limits.memory_bytes},
                                    {RLIMIT_CPU, limits.cpu_seconds},
                                    {RLIMIT_CORE, 0},
                                    {RLIMIT_FSIZE, 0},
                                    {RLIMIT_NOFILE, limits.descriptors}}};
    for (const Limit& limit : all) {
        if (limit.resource == RLIMIT_CPU && limit.value == 0) continue;
        // At the soft limit of RLIMIT_CPU comes SIGXCPU, which says what it was; at the hard one
        // SIGKILL, as from anybody.
        const rlim_t more = limit.resource == RLIMIT_CPU ? 5 : 0;
        const rlimit both{limit.value, limit.value + more};
        if (::setrlimit(limit.resource, &both) != 0) return Failure{"setrlimit", errno};
    }
    if (::setpriority(PRIO_PROCESS, 0, limits.niceness) != 0) return Failure{"setpriority", errno};
    return base::Done{};
}

struct Release {
    void operator()(void* filter) const { seccomp_release(filter); }
};

Outcome set_filter() {
    const std::unique_ptr<void, Release> filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
    if (!filter) return Failure{"seccomp_init", ENOMEM};
    const auto add = [&](std::uint32_t action, int call) {
        return seccomp_rule_add(filter.get(), action, call, 0) == 0;
    };
    // Memory and mapping, the descriptors that it has, time, its end. No clone: no threads.
    for (const int call :
         {SCMP_SYS(read),          SCMP_SYS(readv),           SCMP_SYS(write),
          SCMP_SYS(writev),        SCMP_SYS(close),           SCMP_SYS(brk),
          SCMP_SYS(mmap),          SCMP_SYS(munmap),          SCMP_SYS(mremap),
          SCMP_SYS(mprotect),      SCMP_SYS(madvise),         SCMP_SYS(futex),
          SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),    SCMP_SYS(clock_getres),
          SCMP_SYS(getrandom),     SCMP_SYS(rt_sigreturn),    SCMP_SYS(rt_sigprocmask),
          SCMP_SYS(sched_yield),   SCMP_SYS(gettid),          SCMP_SYS(getpid),
          SCMP_SYS(tgkill),        SCMP_SYS(restart_syscall), SCMP_SYS(exit),
          SCMP_SYS(exit_group)})
        if (!add(SCMP_ACT_ALLOW, call)) return Failure{"seccomp_rule_add", EINVAL};
    // Libraries look how many processors there are, for a terminal, for random numbers: there is
    // nothing to be seen.
    for (const int call :
         {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(stat),
          SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(readlink),
          SCMP_SYS(readlinkat), SCMP_SYS(ioctl), SCMP_SYS(fcntl), SCMP_SYS(uname),
          SCMP_SYS(sysinfo), SCMP_SYS(getcwd), SCMP_SYS(prlimit64), SCMP_SYS(getrusage),
          SCMP_SYS(sched_getaffinity), SCMP_SYS(rt_sigaction)})
        if (!add(SCMP_ACT_ERRNO(EACCES), call)) return Failure{"seccomp_rule_add", EINVAL};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Failure{"prctl", errno};
    const int error = seccomp_load(filter.get());
    if (error != 0) return Failure{"seccomp_load", -error};
    return base::Done{};
}

}  // namespace

base::Result<base::Done, base::Reason> enter(const Limits& limits, std::string_view failure_code) {
    go_first();
    Outcome done = set_limits(limits);
    if (done) done = set_filter();
    if (done) return base::Done{};
    const Failure& failure = done.error();
    return base::Reason{std::string(failure_code),
                        "It could not lock itself in: " + std::string(failure.step) + ": " +
                            std::generic_category().message(failure.error) + "."};
}

}  // namespace earshot::sandbox
