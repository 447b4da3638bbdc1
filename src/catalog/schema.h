// The catalogue's tables as numbered steps, each from one version to the next and never back. The
// version is SQLite's user_version; application_id tells our files from others'.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/reason.h"
#include "catalog/sqlite.h"

namespace earshot::catalog {

inline constexpr std::int64_t kApplicationId = 0x45617273;  // "Ears"; do not change

// Step n (counted from 1) brings version n-1 to n. Released steps are never edited.
std::span<const std::string_view> migrations();

// Brings the file to the last step's version: a copy `PATH.before-VERSION` first (not of an empty
// file), then all missing steps in one transaction. Refuses a newer version and a foreign file.
std::optional<base::Reason> migrate(Database& database, std::span<const std::string_view> steps);

}  // namespace earshot::catalog
