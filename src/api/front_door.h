// What each daemon's HTTP server has before its resources: who may come in, by which names, the
// page and the links that open it, /livez and /readyz. Lives on the http thread.
#pragma once

#include <string>
#include <vector>

#include "api/access_control.h"
#include "api/api.h"
#include "base/random.h"
#include "http/message.h"
#include "http/router.h"
#include "io/clock.h"

namespace earshot::api {

class FrontDoor {
public:
    using Who = AccessControl::Who;
    struct Options {
        std::string token{};                     // the bearer token; see access_file.h
        std::string url{};                       // "http://127.0.0.1:8080", for printed links
        std::vector<std::string> extra_hosts{};  // Host names allowed beyond the loopback ones
        std::string page_command{};              // that prints a link to the page
    };

    // Borrows the others for its life.
    FrontDoor(Options options, const Assets& assets, const io::Clock& clock, base::Random& random);

    // `resources`: what lies below /api/ and at /metrics, for who is let in.
    http::Response handle(const http::Request& request, const http::Router& resources,
                          bool is_ready);
    Who who_asks(const http::Request& request);
    bool may_read_private(const http::Request& request);
    // A link that opens the page once, within 10 minutes. `reads_private`:
    // AccessControl::make_code.
    std::string make_login_link(bool reads_private = false);
    // The resource by which the command line asks for one.
    void add_login_link(http::Router& router);

private:
    http::Response log_in(const http::Request& request);
    http::Response page(const http::Request& request);

    const Options options_;
    const Assets& assets_;
    const io::Clock& clock_;
    AccessControl access_;
};

}  // namespace earshot::api
