// Reads the [[rule]] tables of a configuration file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/toml.h"
#include "policy/rule.h"

namespace earshot::app {

// Appends to `rules`; `file` is for messages, `peers` are those that a rule may name. The first
// mistake ends it.
std::optional<ConfigError> read_rules(const toml::node& node, const std::string& file,
                                      const std::vector<server::Peer>& peers,
                                      std::vector<policy::Rule>& rules);

}  // namespace earshot::app
