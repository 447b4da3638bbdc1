// One blocking HTTP/1.1 request at a time, for the command line and for tests.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"
#include "http/message.h"

namespace earshot::http {

struct Call {
    std::string method = "GET";
    std::string url{};  // "http://HOST[:PORT]/path?query"; other schemes are refused
    Fields headers{};
    std::string body{};
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds timeout{30'000};       // without any progress
    std::uint64_t body_limit = 64ULL * 1024 * 1024;  // of a body kept in memory (no sink)
};

struct Reply {
    int status = 0;
    Fields headers{};
    std::string body{};  // empty when a sink took it

    std::string_view header(std::string_view name) const;
};

// Takes the body of a 2xx reply in pieces; false ends the transfer.
using BodySink = std::function<bool(std::string_view piece)>;

// Reason codes: "bad_url", "unreachable" (no connection), "timeout", "broken" (the connection ended
// within the reply), "too_large", "stopped" (the sink said so).
base::Result<Reply, base::Reason> fetch(const Call& call, const BodySink& sink = {});

}  // namespace earshot::http
