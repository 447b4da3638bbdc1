#include "api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/front_door.h"
#include "api/key_resources.h"
#include "api/recording_resources.h"
#include "api/rendition_resources.h"
#include "api/views.h"
#include "base/text.h"
#include "http/router.h"

namespace earshot::api {
namespace {

using http::Parameters;
using http::Request;
using http::Response;
using nlohmann::json;

}  // namespace

class Api::Impl {
public:
    Impl(ApiOptions options, ApiParts parts)
        : options_(std::move(options)),
          parts_(parts),
          door_({.token = options_.token,
                 .url = options_.url,
                 .extra_hosts = options_.extra_hosts,
                 .page_command = "earshot page --data DATA-DIRECTORY"},
                parts_.assets, parts_.clock, parts_.random),
          renditions_(parts_.renditions == nullptr
                          ? nullptr
                          : std::make_unique<RenditionResources>(*parts_.renditions, parts_.files)),
          recordings_(parts_.catalog, parts_.files, parts_.log, renditions_.get()) {
        add_recordings();
        add_renditions();
        add_keys();
        add_server();
    }

    Response handle(const Request& request) {
        return door_.handle(request, router_,
                            parts_.status.is_ready() && parts_.catalog.health().is_writable);
    }

    std::string make_login_link() { return door_.make_login_link(); }

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

    // The same with what `know` tells of the request; that is asked here, on the http thread.
    template <class Know, class Work>
    void add_slow_knowing(std::string_view pattern, Know know, Work work) {
        router_.add(
            "GET", pattern, [this, know, work](const Request& request, const Parameters& given) {
                std::vector<std::string> parameters(given.begin(), given.end());
                Response response;
                response.body =
                    http::Deferred([this, work, request, parameters, known = know(request)] {
                        return work(recordings_, request, parameters, known);
                    });
                return response;
            });
    }

    void add_recordings() {
        using Resources = RecordingResources;
        using Texts = std::vector<std::string>;
        const std::string one = "/api/v1/recordings/{id}";
        const auto live_calls = [this](const Request&) { return parts_.status.live_calls(); };
        const auto reading_of = [this](const Request& request) {
            return door_.may_read_private(request) ? archive::Reading::Everything
                                                   : archive::Reading::WithoutPrivate;
        };
        using Live = std::vector<LiveCall>;
        add_slow_knowing("/api/v1/recordings", live_calls,
                         [](const Resources& r, const Request& q, const Texts&, const Live& live) {
                             return r.list(q, live);
                         });
        add_slow("GET", "/api/v1/attempts", [](const Resources& r, const Request& q, const Texts&) {
            return r.list_attempts(q);
        });
        add_slow("GET", "/api/v1/peers",
                 [this](const Resources& r, const Request& q, const Texts&) {
                     return r.count_by_peer(q, parts_.clock.now().wall);
                 });
        add_slow_knowing(one, live_calls,
                         [](const Resources& r, const Request&, const Texts& t, const Live& live) {
                             return r.show(t[0], live);
                         });
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
        add_slow_knowing(
            one + "/export", reading_of,
            [](const Resources& r, const Request& q, const Texts& t, archive::Reading reading) {
                return r.render(q, t[0], q.query_value("format").value_or("wav"), true, reading);
            });
        add_slow("GET", one + "/audio/{file}",
                 [](const Resources& r, const Request& q, const Texts& t) {
                     return r.audio(q, t[0], t[1]);
                 });
        add_slow("GET", one + "/peaks", [](const Resources& r, const Request& q, const Texts& t) {
            return r.peaks(q, t[0]);
        });
        add_slow("GET", one + "/timeline",
                 [](const Resources& r, const Request& q, const Texts& t) {
                     return r.render(q, t[0], "timeline", false, archive::Reading::Everything);
                 });
        add_slow_knowing(
            one + "/chat", reading_of,
            [](const Resources& r, const Request& q, const Texts& t, archive::Reading reading) {
                return r.render(q, t[0], "chat", false, reading);
            });
        add_slow_knowing(
            one + "/messages/{number}", reading_of,
            [](const Resources& r, const Request& q, const Texts& t, archive::Reading reading) {
                return r.message(q, t[0], t[1], reading);
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

    void add_renditions() {
        using Verb = RenditionResources::Verb;
        if (!renditions_) return;
        const std::string one = "/api/v1/recordings/{id}/renditions/{name}";
        const auto add = [this](std::string_view method, const std::string& pattern, Verb verb) {
            add_slow(method, pattern,
                     [this, verb](const RecordingResources& r, const Request& q,
                                  const std::vector<std::string>& t) {
                         return renditions_->serve(r, q, t[0], t[1], verb);
                     });
        };
        add("POST", one, Verb::Ask);
        add("GET", one, Verb::Look);
        add("DELETE", one, Verb::Drop);
        add("GET", one + "/content", Verb::Content);
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
                        const Who who = door_.who_asks(request);
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
            const Who who = door_.who_asks(request);
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
    bool has_token(const Request& request) { return door_.who_asks(request) == Who::Token; }
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
        door_.add_login_link(router_);
    }

    const ApiOptions options_;
    const ApiParts parts_;
    FrontDoor door_;
    const std::unique_ptr<RenditionResources> renditions_;  // null: none are made
    const RecordingResources recordings_;
    http::Router router_;
};

Api::Api(ApiOptions options, ApiParts parts)
    : impl_(std::make_unique<Impl>(std::move(options), parts)) {}
Api::~Api() = default;
Response Api::handle(const Request& request) { return impl_->handle(request); }
std::string Api::make_login_link() { return impl_->make_login_link(); }

}  // namespace earshot::api
