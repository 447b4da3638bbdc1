// How a running call is shown: as a row of the catalogue, and in the list of live calls.
#pragma once

#include "api/api.h"
#include "catalog/catalog.h"
#include "server/call.h"

namespace earshot::server {

// The row of a running call; the archive replaces it by what the journal proves.
catalog::Recording make_row(const Call& call);

api::LiveCall make_live_call(const Call& call);

}  // namespace earshot::server
