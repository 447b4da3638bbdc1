// How media sockets are read (io/media_reader.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace earshot::capture {

enum class ReaderKind : std::uint8_t { Sockets, IoUring, PacketRing };

std::string_view to_string(ReaderKind kind);  // as the configuration names it
std::optional<ReaderKind> parse_reader_kind(std::string_view text);

}  // namespace earshot::capture
