// How a running call is shown: as a row of the catalogue, and in the list of live calls.
#pragma once

#include "api/api.h"
#include "archive/summary.h"
#include "catalog/catalog.h"
#include "server/call.h"

namespace earshot::server {

// The row of a running call; the archive replaces it by what the journal proves.
catalog::Recording make_row(const Call& call);

// The CS-Group's id in the one form by which recordings of a group are found; empty: in none.
std::string group_of(const archive::Summary& summary);

api::LiveCall make_live_call(const Call& call);

}  // namespace earshot::server
