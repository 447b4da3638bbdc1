// The REST resources of conferences (docs/rest-api.md): those that calls are in, and those that the
// client calls itself. Lives on the http thread.
#pragma once

#include <string_view>

#include "base/reason.h"
#include "base/result.h"
#include "client/attendance.h"
#include "client/companion_api.h"
#include "http/router.h"

namespace earshot::client {

// A wish as the body of a POST says it; "bad_request" names what is wrong.
base::Result<AttendWish, base::Reason> read_attend_wish(std::string_view body);

// Adds /api/v1/rosters and those below /api/v1/attendances.
void add_conference_resources(http::Router& router, const CompanionApiParts& parts);

}  // namespace earshot::client
