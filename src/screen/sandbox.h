// What earshot-screen takes from itself before the first octet of the session: memory and processor
// time by rlimits, everything but reading, writing and memory by seccomp (as earshot-media does,
// whose libraries need more).
#pragma once

#include "base/reason.h"
#include "base/result.h"

namespace earshot::screen {

base::Result<base::Done, base::Reason> enter_sandbox();

}  // namespace earshot::screen
