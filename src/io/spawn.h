// Starts a program: no shell, no descriptor of ours but those it is given, default signals, a
// process group of its own, so that it can be ended with all that it started.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

namespace earshot::io {

// The child has `descriptors` as 0, 1, 2, ... and none else. `arguments`: the first is the program,
// a path. 0, or errno.
int spawn_program(const std::vector<std::string>& arguments, std::span<const int> descriptors,
                  pid_t& child);

}  // namespace earshot::io
