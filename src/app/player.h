// Playing a sound file with what the machine has.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace earshot::app {

struct Player {
    std::string program;
    std::vector<std::string> options;
};

// Those of `search_path` (as in PATH), best first: pw-play, paplay, aplay, ffplay, play.
std::vector<Player> find_players(const std::string& search_path);

// Waits for its end; whether it played.
bool play_file(const Player& player, const std::string& file);

}  // namespace earshot::app
