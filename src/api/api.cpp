#include "api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/access_control.h"
#include "api/key_resources.h"
#include "api/recording_resources.h"
#include "api/views.h"
#include "base/text.h"
#include "http/router.h"

namespace earshot::api {
namespace {

using http::Parameters;
using http::Request;
using http::Response;
using nlohmann::json;

constexpr std::string_view kHtml = "text/html; charset=utf-8";

// Cookies are shared by all ports of a host, so two servers on one machine need two names.
std::string cookie_name(std::string_view url) {
    const std::size_t colon = url.rfind(':');
    return fmt::format("earshot_{}", colon == std::string_view::npos ? "" : url.substr(colon + 1));
}

Response ask_for_link(int status, std::string_view what) {
    return http::make_response(
        status, kHtml,
        fmt::format("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                    "<title>Earshot</title>\n"
                    "<body style=\"font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; "
                    "padding: 0 1em\">\n<h1>Earshot</h1>\n<p>{}</p>\n"
                    "<p>On the machine of the server,</p>\n"
                    "<pre>earshot page --data DATA-DIRECTORY</pre>\n"
                    "<p>prints a link that opens this page once, within ten minutes.</p>\n"
                    "</body>\n</html>\n",
                    what));
}

Response unauthorized() {
    Response response = http::problem(401, "no_access",
                                      "Send the token of DATA/cli.json as Authorization: Bearer, "
                                      "or open the page by its one-time link.");
    response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"earshot\""});
    return response;
}

}  // namespace

class Api::Impl {
public:
    Impl(ApiOptions options, ApiParts parts)
        : options_(std::move(options)),
          parts_(parts),
          access_(options_.token, cookie_name(options_.url), options_.extra_hosts, parts_.random),
          recordings_(parts_.catalog, parts_.files, parts_.log) {
        add_recordings();
        add_keys();
        add_server();
    }

    Response handle(const Request& request) {
        if (!access_.is_host_allowed(request))
            return http::problem(
                421, "bad_host",
                "This server answers to loopback names only, as protection against "
                "DNS rebinding.");
        if (request.path == "/livez") return http::make_response(200, "text/plain", "ok\n");
        if (request.path == "/readyz") return ready();
        if (request.path == "/login") return log_in(request);
        if (request.path.starts_with("/api/")) return call(request);
        return page(request);
    }

    std::string make_login_link() {
        return fmt::format("{}/login?code={}", options_.url,
                           access_.make_code(parts_.clock.now().steady));
    }

private:
    using Who = AccessControl::Who;

    // For what reads the disk: it goes to a worker, with copies of what it needs of the request.
    template <class Work>
    void add_slow(std::string_view method, std::string_view pattern, Work work) {
        router_.add(method, pattern, [this, work](const Request& request, const Parameters& given) {
            std::vector<std::string> parameters(given.begin(), given.end());
            Response response;
            response.body = http::Deferred([this, work, request, parameters] {
                return work(recordings_, request, parameters);
            });
            return response;
        });
    }

    // The same with what the server tells of running calls, taken here on the http thread.
    template <class Work>
    void add_slow_with_live(std::string_view pattern, Work work) {
        router_.add("GET", pattern, [this, work](const Request& request, const Parameters& given) {
            std::vector<std::string> parameters(given.begin(), given.end());
            Response response;
            response.body = http::Deferred(
                [this, work, request, parameters, live = parts_.status.live_calls()] {
                    return work(recordings_, request, parameters, live);
                });
            return response;
        });
    }

    void add_recordings() {
        using Resources = RecordingResources;
        using Texts = std::vector<std::string>;
        const std::string one = "/api/v1/recordings/{id}";
        using Live = std::vector<LiveCall>;
        add_slow_with_live("/api/v1/recordings",
                           [](const Resources& r, const Request& q, const Texts&,
                              const Live& live) { return r.list(q, live); });
        add_slow("GET", "/api/v1/attempts", [](const Resources& r, const Request& q, const Texts&) {
            return r.list_attempts(q);
        });
        add_slow("GET", "/api/v1/peers",
                 [this](const Resources& r, const Request& q, const Texts&) {
                     return r.count_by_peer(q, parts_.clock.now().wall);
                 });
        add_slow_with_live(one, [](const Resources& r, const Request&, const Texts& t,
                                   const Live& live) { return r.show(t[0], live); });
        add_slow("GET", one + "/events", [](const Resources& r, const Request& q, const Texts& t) {
            return r.events(q, t[0]);
        });
        add_slow("GET", one + "/manifest",
                 [](const Resources& r, const Request& q, const Texts& t) {
                     return r.manifest(q, t[0]);
                 });
        add_slow("GET", one + "/parts", [](const Resources& r, const Request& q, const Texts& t) {
            return r.parts(q, t[0]);
        });
        add_slow("GET", one + "/export", [](const Resources& r, const Request& q, const Texts& t) {
            return r.render(q, t[0], q.query_value("format").value_or("wav"), true);
        });
        add_slow("GET", one + "/audio/{file}",
                 [](const Resources& r, const Request& q, const Texts& t) {
                     return r.audio(q, t[0], t[1]);
                 });
        add_slow("GET", one + "/peaks", [](const Resources& r, const Request& q, const Texts& t) {
            return r.peaks(q, t[0]);
        });
        add_slow("POST", one + "/verify", [](const Resources& r, const Request& q, const Texts& t) {
            return r.verify(q, t[0]);
        });
        add_erase(one + "/erase");
        add_start();
        add_control(one + "/pause", ControlRequest::Verb::Pause);
        add_control(one + "/resume", ControlRequest::Verb::Resume);
        add_control(one + "/stop", ControlRequest::Verb::Stop);
        add_control(one + "/streams/{label}/stop", ControlRequest::Verb::StopStream);
    }

    void add_erase(const std::string& pattern) {
        router_.add("POST", pattern, [this](const Request& request, const Parameters& given) {
            if (!has_token(request)) return token_needed();
            ErasureRequest wish{
                .at = parts_.clock.now().wall, .access = "token", .from = request.peer};
            Response response;
            response.body =
                http::Deferred([this, wish, body = request.body, id = std::string(given[0])] {
                    return recordings_.erase(id, wish, body);
                });
            return response;
        });
    }

    // Who asks is known here on the http thread; the work waits for the signalling thread.
    void add_start() {
        router_.add("POST", "/api/v1/recordings",
                    [this](const Request& request, const Parameters&) {
                        const Who who = access_.who_asks(request, parts_.clock.now().steady);
                        StartRequest wish{.access = who == Who::Token ? "token" : "session",
                                          .from = request.peer};
                        Response response;
                        response.body = http::Deferred([this, wish, body = request.body] {
                            return RecordingResources::start(wish, body, parts_.control);
                        });
                        return response;
                    });
    }
    void add_control(const std::string& pattern, ControlRequest::Verb verb) {
        router_.add("POST", pattern, [this, verb](const Request& request, const Parameters& given) {
            const Who who = access_.who_asks(request, parts_.clock.now().steady);
            ControlRequest wish{.verb = verb,
                                .stream = given.size() > 1 ? std::string(given[1]) : "",
                                .access = who == Who::Token ? "token" : "session",
                                .from = request.peer};
            Response response;
            response.body =
                http::Deferred([this, wish, body = request.body, id = std::string(given[0])] {
                    return recordings_.control(id, wish, body, parts_.control);
                });
            return response;
        });
    }

    void add_keys() {
        router_.add("GET", "/api/v1/keys", [this](const Request&, const Parameters&) {
            Response response;
            response.body = http::Deferred([keys = parts_.keys] { return list_keys(keys); });
            return response;
        });
        router_.add(
            "POST", "/api/v1/keys/rotate", [this](const Request& request, const Parameters&) {
                if (!has_token(request)) return token_needed();
                Response response;
                response.body = http::Deferred([keys = parts_.keys] { return rotate_keys(keys); });
                return response;
            });
        router_.add(
            "DELETE", "/api/v1/keys/{id}", [this](const Request& request, const Parameters& given) {
                if (!has_token(request)) return token_needed();
                Response response;
                response.body = http::Deferred([keys = parts_.keys, id = std::string(given[0])] {
                    return remove_key(keys, id);
                });
                return response;
            });
    }
    // Keys are for who runs the server, not for every page that is open.
    bool has_token(const Request& request) {
        return access_.who_asks(request, parts_.clock.now().steady) == Who::Token;
    }
    static Response token_needed() {
        return http::problem(403, "token_needed", "Only the token may change or delete keys.");
    }

    void add_server() {
        router_.add("GET", "/api/v1/live", [this](const Request&, const Parameters&) {
            json calls = json::array();
            for (const LiveCall& live : parts_.status.live_calls()) calls.push_back(view_of(live));
            return json_response(200, {{"calls", std::move(calls)}});
        });
        router_.add("GET", "/api/v1/health", [this](const Request&, const Parameters&) {
            return json_response(200, view_of_health(parts_.status.checks(),
                                                     parts_.catalog.health(), options_.version));
        });
        router_.add("GET", "/api/v1/clients", [this](const Request&, const Parameters&) {
            return json_response(200, view_of(parts_.status.clients()));
        });
        router_.add("GET", "/api/v1/events", [](const Request&, const Parameters&) {
            Response response;
            response.body = http::EventStream{http::encode_event("hello", "{}")};
            return response;
        });
        router_.add(
            "POST", "/api/v1/login-link", [this](const Request& request, const Parameters&) {
                // A session may not make more sessions: that is for who holds the token.
                if (access_.who_asks(request, parts_.clock.now().steady) != Who::Token)
                    return http::problem(403, "token_needed", "Only the token makes a login link.");
                const auto life =
                    std::chrono::duration_cast<std::chrono::seconds>(AccessControl::kCodeLife);
                return json_response(201,
                                     {{"url", make_login_link()}, {"expires_in_s", life.count()}});
            });
    }

    Response call(const Request& request) {
        if (access_.who_asks(request, parts_.clock.now().steady) == Who::Nobody)
            return unauthorized();
        return router_.route(request);
    }

    Response ready() const {
        const bool is_ready = parts_.status.is_ready() && parts_.catalog.health().is_writable;
        return is_ready ? http::make_response(200, "text/plain", "ready\n")
                        : http::problem(503, "not_ready", "The server takes no new calls now.");
    }

    Response log_in(const Request& request) {
        if (request.method != "GET")  // HEAD as well: a preview must not use the code up
            return http::problem(405, "method_not_allowed", "Open the link in a browser.");
        const std::string cookie =
            access_.trade_code(request.query_value("code").value_or(""), parts_.clock.now().steady);
        if (cookie.empty())
            return ask_for_link(403, "This link was used before, or it is too old.");
        Response response = http::make_response(303, "text/plain", "");
        response.headers.push_back({"Location", "/"});
        response.headers.push_back({"Set-Cookie", cookie});
        return response;
    }

    // The page's files hold nothing of anybody; only the first one is kept back, to tell how to get
    // in rather than show a page that cannot load.
    Response page(const Request& request) {
        if (request.method != "GET" && request.method != "HEAD")
            return http::problem(405, "method_not_allowed", "Pages are only read.");
        const bool is_start = request.path == "/";
        if (is_start && access_.who_asks(request, parts_.clock.now().steady) == Who::Nobody)
            return ask_for_link(401, "This page opens by a one-time link.");
        const auto asset = parts_.assets.find(request.path);
        if (!asset)
            return http::problem(404, "not_found",
                                 fmt::format("There is nothing at {}.", request.path));
        Response response =
            http::make_response(200, asset->content_type, std::string(asset->content));
        if (!asset->encoding.empty()) {
            response.headers.push_back({"Content-Encoding", std::string(asset->encoding)});
            response.headers.push_back({"Vary", "Accept-Encoding"});
        }
        if (!asset->etag.empty()) {
            response.headers.push_back({"ETag", std::string(asset->etag)});
            response.headers.push_back({"Cache-Control", "no-cache"});
        }
        return response;
    }

    const ApiOptions options_;
    const ApiParts parts_;
    AccessControl access_;
    const RecordingResources recordings_;
    http::Router router_;
};

Api::Api(ApiOptions options, ApiParts parts)
    : impl_(std::make_unique<Impl>(std::move(options), parts)) {}
Api::~Api() = default;
Response Api::handle(const Request& request) { return impl_->handle(request); }
std::string Api::make_login_link() { return impl_->make_login_link(); }

}  // namespace earshot::api
