// A name for the calling thread, as `top -H` and /proc/PID/task/N/comm show it: whose CPU time is
// it?
#pragma once

namespace earshot::io {

void set_thread_name(const char* name);  // 15 characters at most

}  // namespace earshot::io
