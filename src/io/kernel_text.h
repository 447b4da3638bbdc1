// What the kernel tells of itself as text, below /proc and /sys.
#pragma once

#include <string>

namespace earshot::io {

// The whole file; empty when it is not there or may not be read.
std::string read_kernel_text(const std::string& path);

}  // namespace earshot::io
