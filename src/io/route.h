// Which of our addresses the kernel would send from.
#pragma once

#include "base/net_address.h"
#include "base/result.h"

namespace earshot::io {

// The local address (port 0) of a route to `remote`; sends nothing. Io when there is no route.
base::Result<base::NetAddress> local_address_toward(const base::NetAddress& remote);

}  // namespace earshot::io
