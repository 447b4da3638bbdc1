#include "io/descriptor_limit.h"

#include <sys/resource.h>

namespace earshot::io {

namespace {

constexpr std::size_t kUsualDescriptors = 1024;

}  // namespace

std::size_t raise_descriptor_limit(base::Log& log) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUsualDescriptors;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log.warning("the limit of open files could not be raised");
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : kUsualDescriptors;
}

}  // namespace earshot::io
