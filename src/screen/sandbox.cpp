#include "screen/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "screen/limits.h"

namespace earshot::screen {

namespace {

using base::Reason;

Reason failed(std::string_view what, int error) {
    return {"screen_failed", fmt::format("It could not lock itself in: {}: {}.", what,
                                         std::generic_category().message(error))};
}

constexpr int kNiceness = 10;  // behind those who serve calls, before renditions

// Where the host's memory gives out the kernel ends this process, and not the one that serves
// calls. (Anybody may raise his own number.) Without /proc there is nobody to be told.
void go_first() {
    const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    static_cast<void>(!::write(file, "1000", 4));
    ::close(file);
}

struct Release {
    void operator()(void* filter) const { seccomp_release(filter); }
};

base::Result<base::Done, Reason> set_filter() {
    const std::unique_ptr<void, Release> filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
    if (!filter) return failed("seccomp_init", ENOMEM);
    for (const int call : {SCMP_SYS(read),
                           SCMP_SYS(write),
                           SCMP_SYS(close),
                           SCMP_SYS(brk),
                           SCMP_SYS(mmap),
                           SCMP_SYS(munmap),
                           SCMP_SYS(mremap),
                           SCMP_SYS(mprotect),
                           SCMP_SYS(madvise),
                           SCMP_SYS(futex),
                           SCMP_SYS(clock_gettime),
                           SCMP_SYS(gettimeofday),
                           SCMP_SYS(getrandom),
                           SCMP_SYS(rt_sigreturn),
                           SCMP_SYS(rt_sigprocmask),
                           SCMP_SYS(gettid),
                           SCMP_SYS(getpid),
                           SCMP_SYS(tgkill),
                           SCMP_SYS(restart_syscall),
                           SCMP_SYS(exit),
                           SCMP_SYS(exit_group)})
        if (seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) != 0)
            return failed("seccomp_rule_add", EINVAL);
    // Libraries look how many processors there are: there is nothing to be seen.
    for (const int call : {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(fstat),
                           SCMP_SYS(sched_getaffinity), SCMP_SYS(sysinfo), SCMP_SYS(prlimit64)})
        if (seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EACCES), call, 0) != 0)
            return failed("seccomp_rule_add", EINVAL);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("prctl", errno);
    const int error = seccomp_load(filter.get());
    if (error != 0) return failed("seccomp_load", -error);
    return base::Done{};
}

}  // namespace

base::Result<base::Done, Reason> enter_sandbox() {
    go_first();
    struct Limit {
        __rlimit_resource resource;
        rlim_t value;
    };
    const std::array<Limit, 5> limits{{{RLIMIT_AS, kMemoryBytes},
                                       {RLIMIT_CPU, kCpuSeconds},
                                       {RLIMIT_CORE, 0},
                                       {RLIMIT_FSIZE, 0},
                                       {RLIMIT_NOFILE, 3}}};
    for (const Limit& limit : limits) {
        const rlimit both{limit.value, limit.value};
        if (::setrlimit(limit.resource, &both) != 0) return failed("setrlimit", errno);
    }
    if (::setpriority(PRIO_PROCESS, 0, kNiceness) != 0) return failed("setpriority", errno);
    return set_filter();
}

}  // namespace earshot::screen
