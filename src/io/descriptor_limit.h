// How many files and sockets this process may have open.
#pragma once

#include <cstddef>

#include "base/log.h"

namespace earshot::io {

// Raises the soft limit to the hard one and returns what holds now. One descriptor a media port:
// the usual soft limit of 1024 would end admission at 250 calls (design 9.1).
std::size_t raise_descriptor_limit(base::Log& log);

}  // namespace earshot::io
