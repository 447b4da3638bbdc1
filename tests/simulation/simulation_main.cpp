// simulation FIRST COUNT: runs COUNT scenarios of each kind from seed FIRST on. `simulation SEED`
// replays one of them and tells what happens.
#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "pair_scenario.h"
#include "scenario.h"
#include "world.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program is a leaf

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) return std::nullopt;
    return number;
}

void add(simulation::RunFigures& sum, const simulation::RunFigures& one) {
    sum.calls += one.calls;
    sum.recorded += one.recorded;
    sum.packets += one.packets;
    sum.forged += one.forged;
    sum.sessions += one.sessions;
    sum.compared += one.compared;
    sum.milliseconds += one.milliseconds;
}

}  // namespace

int main(int argc, char** argv) {
    const auto first = argc > 1 ? parse_number(argv[1]) : std::nullopt;
    const auto count = argc > 2 ? parse_number(argv[2]) : std::optional<std::uint64_t>{1};
    if (!first || !count || argc > 3) {
        fmt::print(stderr, "usage: {} SEED [COUNT]\n", argv[0]);
        return 2;
    }
    simulation::RunFigures sum;
    for (std::uint64_t seed = *first; seed < *first + *count; ++seed) {
        try {
            add(sum, simulation::run_scenario(seed, argc == 2));
            add(sum, simulation::run_pair_scenario(seed, argc == 2));
        } catch (const simulation::Broken& broken) {
            fmt::print("seed {}: broken: {}\nreplay: {} {}\n", seed, broken.what(), argv[0], seed);
            return 1;
        }
    }
    fmt::print(
        "{} seeds: {} calls, {} recorded, {} packets ({} forged); {} sessions of our client, "
        "{} compared; {} s simulated\n",
        *count, sum.calls, sum.recorded, sum.packets, sum.forged, sum.sessions, sum.compared,
        sum.milliseconds / 1000);
    return 0;
}
