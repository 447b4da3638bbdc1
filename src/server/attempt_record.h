// The catalogue's row of one INVITE as a journal record (type 6): written with every call, so that
// the row can be made again when the catalogue could not take it, or when a crash left it
// unfinished.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "catalog/catalog.h"

namespace earshot::server {

std::string to_record(const catalog::Attempt& attempt);
// Journal bytes are not trusted: nullopt for anything to_record could not have written.
std::optional<catalog::Attempt> parse_attempt_record(base::ByteView bytes);

}  // namespace earshot::server
