// A recording server as configuration names it: "sip:rec@192.0.2.30;weight=3". The weight is ours
// and no part of the URI that is asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"

namespace earshot::client {

struct ServerEntry {
    std::string uri{};
    std::optional<std::uint16_t> weight{};
};

// Reasons: "bad_uri", "bad_weight".
base::Result<ServerEntry, base::Reason> parse_server(std::string_view text);

}  // namespace earshot::client
