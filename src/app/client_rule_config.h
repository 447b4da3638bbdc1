// Reads the [[client.rule]] and [[client.on]] tables of a client's configuration file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/toml.h"
#include "policy/call_rule.h"

namespace earshot::app {

// Appends to `rules`, each with `defaults` where it says nothing; `file` is for messages. The first
// mistake ends it.
std::optional<ConfigError> read_call_rules(const toml::node& node, const std::string& file,
                                           const policy::RecordingSettings& defaults,
                                           std::vector<policy::CallRule>& rules);
std::optional<ConfigError> read_triggers(const toml::node& node, const std::string& file,
                                         std::vector<policy::Trigger>& triggers);

// What is wrong with a list of recording servers, as the rest of a sentence; empty: nothing.
std::string find_server_fault(const std::vector<std::string>& servers);

}  // namespace earshot::app
