#include "io/worker_count.h"

#include <sched.h>

#include <algorithm>
#include <thread>

namespace earshot::io {

std::size_t worker_count(std::size_t wanted) {
    if (wanted != 0) return wanted;
    cpu_set_t cores;
    if (::sched_getaffinity(0, sizeof(cores), &cores) == 0)
        return static_cast<std::size_t>(std::max(1, CPU_COUNT(&cores)));
    return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace earshot::io
