// From method and path to a handler. A pattern's `{name}` stands for one whole segment.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace earshot::http {

// The values of a pattern's `{...}` segments, in order.
using Parameters = std::vector<std::string_view>;
using RouteHandler = std::function<Response(const Request&, const Parameters&)>;

class Router {
public:
    // A handler for GET serves HEAD as well; the server leaves the body out.
    void add(std::string_view method, std::string_view pattern, RouteHandler handler);

    // 404 when no pattern fits, 405 with Allow when only other methods do.
    Response route(const Request& request) const;

private:
    struct Route {
        std::string method;
        std::vector<std::string> segments;
        RouteHandler handler;
    };
    std::vector<Route> routes_;
};

}  // namespace earshot::http
