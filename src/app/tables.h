// What the verbs print for people. Everything that came from a peer is made safe for a terminal.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/printable.h"

namespace earshot::app {

using base::printable;

// Columns as wide as their widest cell, two spaces between; a column with numbers alone is aligned
// to the right. The first row is the heading.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows);

std::string duration_text(const nlohmann::json& duration_ms);  // "1:05.2", "-" while it runs
// Enough of an id to be unique: the first 18 characters of a UUIDv7 are its time and 12 random
// bits.
std::string short_id(std::string_view id);

void print_recordings(std::ostream& out, const nlohmann::json& recordings);
void print_attempts(std::ostream& out, const nlohmann::json& attempts);
void print_recording(std::ostream& out, const nlohmann::json& recording);
// The answer of /recordings/ID/events, in the order of their times. Nothing without any.
void print_events(std::ostream& out, const nlohmann::json& events);
// A line a fault, with the part's name before it.
void print_verification(std::ostream& out, const nlohmann::json& verification);
// For a list that is as long as it was allowed to be: how to go on. Empty without rows.
std::string more_rows_note(const nlohmann::json& rows);
// What became of the INVITEs of each peer.
void print_peers(std::ostream& out, const nlohmann::json& peers);
void print_calls(std::ostream& out, const nlohmann::json& calls);
// Rooms of the client and who is in them.
void print_rooms(std::ostream& out, const nlohmann::json& conferences);
void print_attendances(std::ostream& out, const nlohmann::json& attendances);
void print_health(std::ostream& out, const nlohmann::json& health);
// What each client sends that is not as it should be: the answer of /clients. Nothing without any.
void print_clients(std::ostream& out, const nlohmann::json& clients);

}  // namespace earshot::app
