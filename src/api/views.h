// The API's JSON objects (docs/rest-api.md), made from what the rooms below give.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/api.h"
#include "catalog/catalog.h"

namespace earshot::api {

// The object of `earshot ls --json`: the stored summary, with what the row knows better, and the
// counts of calls that run, which it does not have before their end. See whole_view.h for one of
// several pieces.
nlohmann::json view_of_piece(const catalog::Recording& piece, const std::vector<LiveCall>& live);
nlohmann::json view_of_reason(const std::optional<base::Reason>& reason);
nlohmann::json view_of(const catalog::Attempt& attempt);
// Who sent the INVITE: "incoming" is the client's, "outgoing" ours.
constexpr const char* direction_of(bool is_ours) { return is_ours ? "outgoing" : "incoming"; }
// Rows of one peer follow each other. "attempts" is the sum of "outcomes".
nlohmann::json view_of(const std::vector<catalog::PeerCount>& counts);
nlohmann::json view_of(const LiveCall& call);
nlohmann::json view_of(const Clients& clients);
// {"state", "version", "checks"}.
nlohmann::json view_of_checks(const std::vector<Check>& checks, const std::string& version);
// Of the server's own checks and the catalogue's: the same with "program" and "catalogue".
nlohmann::json view_of_health(const std::vector<Check>& checks, const catalog::Health& catalogue,
                              const std::string& version);
// What archive::read_peaks gave, as the player takes it: {"interval_ms", "tracks": [{"label",
// "peaks": [low, high, low, high, ...]}]}, -1 to 1. nullopt when it is damaged.
std::optional<nlohmann::json> view_of_peaks(const std::string& stored);

http::Response json_response(int status, const nlohmann::json& body);

}  // namespace earshot::api
