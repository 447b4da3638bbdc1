// What a child process that reads strangers' media takes from itself before the first octet of it:
// memory, processor time and rank by rlimits, all but reading, writing and memory by seccomp. After
// that no file can be opened, no socket made, no program or thread started; what tries ends the
// process (SIGSYS), what merely looks around (libraries ask for files, processors, a terminal) is
// told that there is nothing (EACCES). Where the host's memory gives out it is the one that goes.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"

namespace earshot::sandbox {

struct Limits {
    std::uint64_t memory_bytes = 0;  // of address space
    std::uint64_t cpu_seconds = 0;   // 0: without end, of one that is watched by who started it
    std::uint32_t descriptors = 3;   // no new one gets this number, or one above it
    int niceness = 0;                // 0 to 19: behind those who serve calls
};

// For good. To be called while the process has one thread. The reason, which has `failure_code`,
// says which step failed: then nothing may be read.
base::Result<base::Done, base::Reason> enter(const Limits& limits, std::string_view failure_code);

}  // namespace earshot::sandbox
