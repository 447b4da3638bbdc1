// Why the API does not do what it is asked: a reason's code has one HTTP status everywhere.
#pragma once

#include "base/reason.h"
#include "catalog/catalog.h"
#include "http/message.h"

namespace earshot::api {

// Problems (RFC 9457) with the status of their codes; 500 of a code that is not known.
http::Response refuse(const base::Reason& reason);
// With the ids that begin so ("matches") where there are several.
http::Response refuse(const catalog::FindError& error);

}  // namespace earshot::api
