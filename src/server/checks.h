// The lines of `earshot doctor` that the server knows itself: each a sentence with its figures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/api.h"
#include "capture/capture_engine.h"
#include "io/kernel_counters.h"
#include "io/tls_watch.h"
#include "server/admission.h"
#include "server/attempt_ledger.h"
#include "transport/sip_loop.h"

namespace earshot::server {

struct CheckInput {
    const ServerConfig& config;
    const Load& load;
    const transport::SipLoop::Counters& sockets;
    std::size_t archive_backlog = 0;
    std::uint64_t archive_failures = 0;
    std::uint64_t lost_records = 0;      // signalling records that found the capture queue full
    std::uint64_t dropped_messages = 0;  // bytes that were no SIP
    AttemptLedger::Counters attempts{};
    capture::ReaderState reader{};
    io::KernelCounters kernel_drops{};  // since the start
    // Where messages (MSRP) are taken; empty: nowhere, for this reason; both empty: they are off.
    std::string messages_at{};
    std::string messages_fault{};
    const std::string& reload_fault;  // what a reload could not do; empty: nothing
    const io::TlsWatch& certificates;
    base::WallTime now{};
};
std::vector<api::Check> make_checks(const CheckInput& input);

}  // namespace earshot::server
