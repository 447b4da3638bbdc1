// The conferences of this client under /api/v1/conferences (docs/rest-api.md): who is in them, and
// mute. Lives on the http thread.
#pragma once

#include "client/signalling.h"
#include "http/router.h"

namespace earshot::client {

// Both must outlive the router.
void add_focus_resources(http::Router& router, Signalling& signalling, const ClientView& view);

}  // namespace earshot::client
