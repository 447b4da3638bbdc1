// A helper program that is asked one thing: bytes to its standard input, bytes from its standard
// output, an exit code. No shell, no descriptor of ours but these; it cannot outlive its deadline.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"

namespace earshot::io {

struct ChildCommand {
    std::vector<std::string> arguments;  // the first is the program: a path, PATH is not searched
    std::string_view input;              // borrowed for the call
    std::chrono::milliseconds timeout{10'000};
    std::size_t max_output_bytes = 64UL * 1024;
};

// Waits for the program's end; any thread. Its standard output when it exited with 0, else the
// reason as the end of a sentence ("it ended with exit code 2: <first line of its standard
// error>"), code "child_failed". It runs in a process group of its own, which is killed where it
// takes too long or says too much. Memory that held the output is wiped when it fails.
base::Result<std::string, base::Reason> run_child(const ChildCommand& command);

}  // namespace earshot::io
