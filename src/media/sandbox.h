// What earshot-media takes from itself before the first payload byte: memory and processor time by
// rlimits, everything but reading, writing and memory by seccomp. After that no file can be opened,
// no socket made, no program started; what tries ends the process (SIGSYS), what merely looks for a
// file is told that there is none.
#pragma once

#include "base/reason.h"
#include "base/result.h"
#include "rendition/job.h"

namespace earshot::media {

base::Result<base::Done, base::Reason> enter_sandbox(const rendition::Allowance& allowance);

}  // namespace earshot::media
