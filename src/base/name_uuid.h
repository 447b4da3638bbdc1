// UUIDs that stand for a name: version 5 of RFC 9562 section 5.5 (SHA-1).
#pragma once

#include <string_view>

#include "base/uuid.h"

namespace earshot::base {

// Always the same one for the same two. Whoever does not know `name_space` learns nothing of
// `name`.
Uuid make_uuid_v5(const Uuid& name_space, std::string_view name);

}  // namespace earshot::base
