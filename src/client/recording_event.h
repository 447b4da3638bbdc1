// What is told of the recordings of calls: to the log, to event streams and to the webhook.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/time.h"

namespace earshot::client {

struct RecordingEvent {
    std::string kind{};  // "start", "stop", "refused", "failed", ...: of siprec::ClientEvent
    base::WallTime at{};
    std::uint64_t call = 0;    // its number in this process
    std::string call_id{};     // of the caller's leg
    std::string rs_call_id{};  // of the recording session
    std::string session_id{};  // of the communication session, as in the metadata
    std::string server{};
    std::string from_server{};  // of "failover": the one that was lost
    std::string instance{};
    int status = 0;
    base::Reason reason{};
};

std::string to_json(const RecordingEvent& event);

// Quick: called on the signalling thread.
class EventOutlet {
public:
    EventOutlet() = default;
    EventOutlet(const EventOutlet&) = delete;
    EventOutlet& operator=(const EventOutlet&) = delete;
    virtual ~EventOutlet() = default;
    virtual void tell(const RecordingEvent& event) = 0;
};

}  // namespace earshot::client
