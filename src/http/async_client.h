// Many HTTP/1.1 requests at a time on one thread of its own, for callers that may not wait: each is
// sent on a connection of its own and ends by its deadline, whatever the server does.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/reason.h"
#include "base/result.h"
#include "http/client.h"

namespace earshot::http {

class AsyncClient {
public:
    struct Options {
        std::size_t max_in_flight = 64;  // requests that have no answer yet
        const char* thread_name = "http-client";
    };
    // Called once, on the client's thread; quick: post to the own loop and return. Reasons are
    // fetch()'s; "timeout" is the deadline.
    using Done = std::function<void(base::Result<Reply, base::Reason>)>;

    explicit AsyncClient(const Options& options);
    AsyncClient(const AsyncClient&) = delete;
    AsyncClient& operator=(const AsyncClient&) = delete;
    ~AsyncClient();  // what has no answer yet never gets one

    // Any thread; never blocks. False when max_in_flight is reached: `done` is then not called. The
    // timeouts of `call` do not count, its body_limit does.
    [[nodiscard]] bool start(Call call, std::chrono::milliseconds deadline, Done done);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::http
