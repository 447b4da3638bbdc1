// What `earshot call` tells of calls between its phones.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "loadgen/phone_client.h"

namespace earshot::app {

// {"calls": [...], "summary": {...}}; times in ms.
nlohmann::json to_json(const loadgen::PhoneRunResult& run);
void print(std::ostream& out, const loadgen::PhoneRunResult& run);
// One line: "  0.012 s  call 1  A  audio: recording on".
void print(std::ostream& out, std::uint32_t call, loadgen::Phone phone,
           const loadgen::RecordNotice& notice);

// Of one end of a chat, in calls of either kind: how many messages were sent, acknowledged, ...
nlohmann::json to_json(const loadgen::ChatFigures& chat);
// "chat: 6 sent, 6 acknowledged, 6 receipted, 0 received".
std::string describe(const loadgen::ChatFigures& chat);

}  // namespace earshot::app
