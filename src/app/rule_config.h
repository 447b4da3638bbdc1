// Reads the [[rule]] tables of a configuration file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/toml.h"
#include "policy/rule.h"

namespace earshot::app {

// Appends to `rules`; `file` is for messages. The first mistake ends it.
std::optional<ConfigError> read_rules(const toml::node& node, const std::string& file,
                                      std::vector<policy::Rule>& rules);

// "did you mean ..." for the nearest of the known words, else all of them.
std::string suggest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace earshot::app
