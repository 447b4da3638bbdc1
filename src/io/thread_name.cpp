#include "io/thread_name.h"

#include <pthread.h>

namespace earshot::io {

void set_thread_name(const char* name) { pthread_setname_np(pthread_self(), name); }

}  // namespace earshot::io
