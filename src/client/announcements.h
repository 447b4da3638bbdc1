// Reads the announcements that a configuration names, once, so that no call waits for the disk.
#pragma once

#include <optional>
#include <string>

#include "client/client_config.h"

namespace earshot::client {

// Fills config.announcements; what is wrong with the first file that cannot be used.
std::optional<std::string> load_announcements(ClientConfig& config);

}  // namespace earshot::client
