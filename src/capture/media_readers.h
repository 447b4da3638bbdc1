// How the media sockets of all workers are read: chosen once, at the start.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "capture/capture_options.h"
#include "io/ingress_drop.h"
#include "io/media_claim.h"
#include "io/media_reader.h"

namespace earshot::capture {

// How many workers can have a packet ring: each has its share of the ports.
std::size_t most_rings(const CaptureOptions& options);
// The options of one worker of so many: with packet rings its share of ports, else all of them.
CaptureOptions options_of(const CaptureOptions& options, std::size_t worker, std::size_t workers);

struct MediaReaders {
    ReaderKind kind = ReaderKind::Sockets;
    std::string fallback;                              // why it is not the one asked for
    std::vector<std::unique_ptr<io::MediaReader>> of;  // each worker
    std::optional<io::MediaClaim> claim;               // with packet rings
    std::optional<io::IngressDrop> drop;               // as well
};

// io_uring gives way to sockets where it is forbidden: the same packets are stored. A packet ring
// is asked for because sockets would not do; without it the server does not start. Nor does any
// start whose media another's packet ring takes, or that would make others deaf by its own.
// Reasons: packet_ring, ingress_rule, no_interface, too_many_addresses, media_ports_in_use.
base::Result<MediaReaders, base::Reason> open_readers(const CaptureOptions& options,
                                                      std::size_t workers);

}  // namespace earshot::capture
