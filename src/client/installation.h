// DATA/installation: a random UUID, made at the first start. Ids that are made from names (groups)
// are the same after a restart because of it, and reveal nothing of the names (RFC 7865 §6.10).
#pragma once

#include <string>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/uuid.h"
#include "io/file.h"

namespace earshot::client {

// Reason: "storage_error".
base::Result<base::Uuid, base::Reason> load_or_make_installation_id(io::FileSystem& files,
                                                                    const std::string& data,
                                                                    base::Random& random);

}  // namespace earshot::client
