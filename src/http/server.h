// A small HTTP/1.1 server: one thread for all sockets, a few workers for slow bodies. It limits
// what a peer may send, times everything out, adds the security fields and answers Range and
// If-None-Match. What the requests mean is the handler's business.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/reason.h"
#include "base/result.h"
#include "http/message.h"

namespace earshot::http {

struct ServerOptions {
    std::string host = "127.0.0.1";  // an IP address
    std::uint16_t port = 8080;       // 0: any free one (tests)
    std::size_t workers = 2;         // threads for Deferred, Producer and ByteSource
    std::uint32_t header_limit = 8 * 1024;
    std::uint64_t body_limit = 1024ULL * 1024;
    std::size_t connection_limit = 256;
    std::size_t event_backlog = 256;          // events a slow reader may lag before it is dropped
    std::chrono::seconds timeout{30};         // to read a request; to write each piece
    std::chrono::seconds event_interval{15};  // a comment line keeps idle event streams open
};

class Server {
public:
    // Runs on the http thread and must be quick; slow work goes into a Deferred body.
    using Handler = std::function<Response(const Request&)>;

    Server() = default;
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    virtual ~Server() = default;  // stops

    virtual std::uint16_t port() const = 0;
    // Any thread: to each open event stream.
    virtual void publish(std::string_view event, std::string_view data) = 0;
    // Any thread: how many event streams are open (0: nothing need be published).
    virtual std::size_t listener_count() const = 0;
    // Takes no new requests, lets running responses finish for up to `grace`, then closes all.
    virtual void stop(std::chrono::milliseconds grace) = 0;
};

// Binds, listens and starts the threads. The reason names the address and what to do about it.
base::Result<std::unique_ptr<Server>, base::Reason> start_server(ServerOptions options,
                                                                 Server::Handler handler,
                                                                 base::Log& log);

}  // namespace earshot::http
