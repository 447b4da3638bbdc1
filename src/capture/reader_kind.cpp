#include "capture/reader_kind.h"

#include <algorithm>
#include <array>

namespace earshot::capture {

namespace {

constexpr std::array<std::string_view, 3> kNames{"sockets", "io_uring", "packet_ring"};

}  // namespace

std::string_view to_string(ReaderKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::optional<ReaderKind> parse_reader_kind(std::string_view text) {
    const auto* const found = std::find(kNames.begin(), kNames.end(), text);
    if (found == kNames.end()) return std::nullopt;
    return static_cast<ReaderKind>(found - kNames.begin());
}

}  // namespace earshot::capture
