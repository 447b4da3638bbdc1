// The REST resources of companion mode (docs/rest-api.md): what a proxy's script says when a call
// begins and ends. Lives on the http thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"
#include "client/companion.h"
#include "client/signalling.h"
#include "http/message.h"
#include "http/router.h"

namespace earshot::client {

// A wish as the body of a POST says it; "bad_request" names what is wrong.
base::Result<CompanionWish, base::Reason> read_companion_wish(std::string_view body);

// Adds them below /api/v1/companion. All must outlive the router. `may_wait` takes one of the few
// places of those who wait, `waited` gives it back.
struct CompanionApiParts {
    Signalling& signalling;
    const ClientView& view;
    std::function<bool()> may_wait;
    std::function<void()> waited;
};
void add_companion_resources(http::Router& router, const CompanionApiParts& parts);

}  // namespace earshot::client
