#include "app/player.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/text.h"

namespace earshot::app {
namespace {

const std::array<Player, 5>& known_players() {
    static const std::array<Player, 5> kPlayers{
        {{"pw-play", {}},
         {"paplay", {}},
         {"aplay", {"-q"}},
         {"ffplay", {"-nodisp", "-autoexit", "-loglevel", "error"}},
         {"play", {"-q"}}}};
    return kPlayers;
}

bool is_in(std::string_view search_path, const std::string& program) {
    std::string_view rest = search_path;
    while (!rest.empty()) {
        const std::string file = std::string(base::take_until(rest, ':')) + '/' + program;
        if (::access(file.c_str(), X_OK) == 0) return true;
    }
    return false;
}

}  // namespace

std::vector<Player> find_players(const std::string& search_path) {
    std::vector<Player> found;
    for (const Player& player : known_players())
        if (is_in(search_path, player.program)) found.push_back(player);
    return found;
}

bool play_file(const Player& player, const std::string& file) {
    std::vector<std::string> words{player.program};
    words.insert(words.end(), player.options.begin(), player.options.end());
    words.push_back(file);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);

    pid_t child = 0;
    if (::posix_spawnp(&child, player.program.c_str(), nullptr, nullptr, arguments.data(),
                       environ) != 0)
        return false;
    int status = 0;
    if (::waitpid(child, &status, 0) != child) return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace earshot::app
