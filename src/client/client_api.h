// The client's resources under /api/v1, /metrics and its page (docs/rest-api.md). Lives on the http
// thread.
#pragma once

#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "api/api.h"
#include "api/front_door.h"
#include "base/random.h"
#include "client/event_hub.h"
#include "client/signalling.h"
#include "http/message.h"
#include "http/router.h"
#include "io/clock.h"

namespace earshot::client {

nlohmann::json view_of_recording(const RecordingView& recording);

// What the API tells and may do. All borrowed.
struct ClientApiParts {
    Signalling& signalling;
    const ClientView& view;
    const EventHub& events;
    const api::Assets& assets;
    const io::Clock& clock;
    base::Random& random;  // the API's own
    std::function<std::vector<api::Check>()> checks;
};

class ClientApi {
public:
    // Starts that wait for their outcome, at once; further ones are answered when they are engaged.
    static constexpr std::size_t kMaxWaitingStarts = 4;

    ClientApi(api::FrontDoor::Options options, ClientApiParts parts);
    ClientApi(const ClientApi&) = delete;
    ClientApi& operator=(const ClientApi&) = delete;

    http::Response handle(const http::Request& request);
    std::string make_login_link() { return door_.make_login_link(); }

private:
    void add_calls();
    void add_control(std::string_view path, CallControl::Of of);
    http::Response list_calls() const;
    http::Response show_call(std::string_view call) const;
    http::Response control(CallControl wish, const http::Request& request, std::string call);
    http::Response health() const;
    http::Response metrics() const;

    const ClientApiParts parts_;
    api::FrontDoor door_;
    http::Router router_;
    std::atomic<std::size_t> waiting_starts_{0};
};

}  // namespace earshot::client
