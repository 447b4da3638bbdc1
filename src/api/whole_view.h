// A recording as the API shows it: of one piece or of several on one timeline. Where there are
// several, "pieces" lists them, and what lies in one of them says in which ("piece", from 1).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "api/api.h"
#include "catalog/catalog.h"

namespace earshot::api {

// What the recording consists of: its pieces, or it alone.
std::span<const catalog::Recording> pieces_of(const catalog::Recording& recording);

// Lost before it reached the disk: it does not hide the other pieces.
bool was_never_written(const catalog::Recording& piece);

// By its number from 1 or a prefix of its id (catalog::kMinPrefix characters or more) that no other
// piece of it has; null: the recording has no such piece.
const catalog::Recording* find_piece(const catalog::Recording& recording, std::string_view name);

// Milliseconds from the recording's start to the piece's.
std::int64_t offset_of(const catalog::Recording& recording, const catalog::Recording& piece);

nlohmann::json view_of_whole(const catalog::Recording& recording,
                             const std::vector<LiveCall>& live);

// The pieces' views of their levels (view_of_peaks) on the recording's timeline.
nlohmann::json merge_peaks(const catalog::Recording& recording,
                           const std::vector<std::optional<nlohmann::json>>& pieces);

}  // namespace earshot::api
