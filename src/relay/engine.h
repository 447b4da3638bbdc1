// Which way of waiting for packets a relay takes.
#pragma once

#include <cstdint>
#include <memory>

#include "base/reason.h"
#include "base/result.h"
#include "relay/packet_io.h"

namespace earshot::relay {

enum class Engine : std::uint8_t { Fastest, Sockets, IoUring };

// Fastest: io_uring where the kernel permits it, else sockets. Reasons: no_descriptors, and
// io_uring_unavailable where it was asked for by name.
base::Result<std::unique_ptr<PacketIo>, base::Reason> open_packet_io(Engine engine);

}  // namespace earshot::relay
