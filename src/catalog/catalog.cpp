#include "catalog/catalog.h"

#include <array>
#include <future>
#include <utility>

namespace earshot::catalog {
namespace {

constexpr std::array<std::pair<State, std::string_view>, 4> kStates{
    {{State::Recording, "recording"},
     {State::Complete, "complete"},
     {State::Partial, "partial"},
     {State::Failed, "failed"}}};

}  // namespace

std::string_view to_string(State state) {
    for (const auto& [value, name] : kStates)
        if (value == state) return name;
    return "failed";
}

std::optional<State> parse_state(std::string_view text) {
    for (const auto& [value, name] : kStates)
        if (name == text) return value;
    return std::nullopt;
}

std::optional<base::Reason> submit_and_wait(Catalog& catalog, Change change) {
    std::promise<std::optional<base::Reason>> promise;
    auto done = promise.get_future();
    const bool was_accepted = catalog.submit(
        std::move(change),
        [&promise](std::optional<base::Reason> failure) { promise.set_value(std::move(failure)); });
    if (!was_accepted)
        return base::Reason{"catalogue_busy", "The catalogue has too many changes waiting."};
    return done.get();
}

}  // namespace earshot::catalog
