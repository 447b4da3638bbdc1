// Carries what is told of recordings to the log, to open event streams, to counters and, signed, to
// a webhook.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/log.h"
#include "client/client_config.h"
#include "client/recording_event.h"
#include "http/async_client.h"
#include "http/server.h"

namespace earshot::client {

struct EventCounters {
    std::atomic<std::uint64_t> started{0};         // recording sessions that a server accepted
    std::atomic<std::uint64_t> stopped{0};         // of them, those that are over
    std::atomic<std::uint64_t> failed{0};          // that no server accepted
    std::atomic<std::uint64_t> refusals{0};        // of single servers
    std::atomic<std::uint64_t> failovers{0};       // in mid-call
    std::atomic<std::uint64_t> starts_refused{0};  // that servers asked for
    std::atomic<std::uint64_t> webhook_failures{0};
};

class EventHub : public EventOutlet {
public:
    // Borrows `log` for its life.
    EventHub(WebhookConfig webhook, base::Log& log);

    void tell(const RecordingEvent& event) override;
    // To event streams alone: calls have changed. Any thread.
    void tell_change();
    // Null: nobody listens (yet, or any more).
    void publish_to(http::Server* server) { server_ = server; }
    const EventCounters& counters() const { return counters_; }

private:
    void count(std::string_view kind);
    void write_log(const RecordingEvent& event);
    void post(const RecordingEvent& event, const std::string& body);

    const WebhookConfig webhook_;
    base::Log& log_;
    std::atomic<http::Server*> server_{nullptr};
    EventCounters counters_;
    http::AsyncClient client_;
};

}  // namespace earshot::client
