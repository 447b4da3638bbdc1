#include "app/rest_client.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/access_file.h"
#include "http/client.h"

namespace earshot::app {
namespace {

// The first piece of a long export may take its time; verifying reads everything.
constexpr std::chrono::minutes kPatience{10};

std::string without_slash(std::string url) {
    while (url.ends_with('/')) url.pop_back();
    return url;
}

Outcome<Access> access_of_directory(const std::string& directory, Daemon daemon) {
    const char* name = daemon == Daemon::Client ? "client" : "server";
    auto file = api::read_access_file(directory);
    if (!file) {
        const std::string advice =
            file.error().code == "no_access_file"
                ? fmt::format(
                      " No {0} has run with the data directory \"{1}\". Start one with "
                      "`earshot {0} --data {1}`, or name another with --data or --url.",
                      name, directory)
                : "";
        return Failure{Exit::Unreachable, file.error().text + advice};
    }
    return Access{without_slash(file->url), file->token,
                  fmt::format("Is `earshot {}` running with --data {}?", name, directory)};
}

http::Call make_call(const Access& access, std::string_view method, const std::string& path) {
    http::Call call{
        .method = std::string(method), .url = access.url + "/api/v1" + path, .timeout = kPatience};
    if (!access.token.empty()) call.headers.push_back({"Authorization", "Bearer " + access.token});
    return call;
}

Exit exit_of(int status, std::string_view code) {
    if (status == 404) return Exit::NotFound;
    if (status == 400 || code == "ambiguous_id") return Exit::Usage;
    return Exit::Refused;
}

Failure failure_of(const Access& access, const http::Reply& reply) {
    const auto body = nlohmann::json::parse(reply.body, nullptr, false);
    std::string code;
    std::string text = fmt::format("{} answered {}.", access.url, reply.status);
    if (body.is_object()) {
        if (body.contains("code") && body["code"].is_string()) code = body["code"];
        if (body.contains("detail") && body["detail"].is_string()) text = body["detail"];
    }
    if (code == "several_pieces")  // the server speaks of a query's piece
        text =
            "This recording has several pieces, and this format tells of one: choose it by --piece "
            "N; `earshot show` lists them.";
    if (reply.status == 401)
        text = fmt::format(
            "{} does not take this token. With --url or EARSHOT_URL the token comes "
            "from EARSHOT_TOKEN; it stands in the cli.json of the server's data "
            "directory.",
            access.url);
    return {exit_of(reply.status, code), text};
}

Failure failure_of(const Access& access, const base::Reason& reason) {
    if (reason.code == "bad_url") return {Exit::Usage, reason.text};
    if (reason.code == "unreachable")
        return {Exit::Unreachable,
                fmt::format("No server answers at {}. {}", access.url, access.hint)};
    return {Exit::Unreachable, reason.text};
}

}  // namespace

Outcome<Access> find_access(
    const AccessOptions& options,
    const std::function<std::optional<std::string>(const std::string&)>& environment) {
    const auto of_url = [&](const std::string& url) {
        return Access{without_slash(url), environment("EARSHOT_TOKEN").value_or(""),
                      "Is the address right?"};
    };
    if (!options.url.empty()) return of_url(options.url);
    if (!options.data.empty()) return access_of_directory(options.data, options.daemon);
    const bool is_client = options.daemon == Daemon::Client;
    const auto url = environment(is_client ? "EARSHOT_CLIENT_URL" : "EARSHOT_URL");
    if (url && !url->empty()) return of_url(*url);
    const auto data = environment(is_client ? "EARSHOT_CLIENT_DATA" : "EARSHOT_DATA");
    if (data && !data->empty()) return access_of_directory(*data, options.daemon);
    return access_of_directory(is_client ? "./earshot-client-data" : "./earshot-data",
                               options.daemon);
}

Outcome<nlohmann::json> request_json(const Access& access, std::string_view method,
                                     const std::string& path, const std::string& body_text) {
    http::Call call = make_call(access, method, path);
    call.body = body_text;
    auto reply = http::fetch(call);
    if (!reply) return failure_of(access, reply.error());
    if (reply->status < 200 || reply->status > 299) return failure_of(access, *reply);
    auto body = nlohmann::json::parse(reply->body, nullptr, false);
    if (!body.is_object())
        return Failure{Exit::Unreachable,
                       fmt::format("What answers at {} is not an Earshot server.", access.url)};
    return body;
}

namespace {

Outcome<std::uint64_t> receive(const Access& access, std::string_view method,
                               const std::string& path,
                               const std::function<bool(std::string_view)>& sink) {
    std::uint64_t bytes = 0;
    const auto count = [&](std::string_view piece) {
        bytes += piece.size();
        return sink(piece);
    };
    auto reply = http::fetch(make_call(access, method, path), count);
    if (!reply) return failure_of(access, reply.error());
    if (reply->status < 200 || reply->status > 299) return failure_of(access, *reply);
    return bytes;
}

}  // namespace

Outcome<std::uint64_t> download(const Access& access, const std::string& path,
                                const std::function<bool(std::string_view)>& sink) {
    return receive(access, "GET", path, sink);
}

Outcome<std::uint64_t> follow(const Access& access, const std::string& path,
                              const std::function<void(const nlohmann::json&)>& on_line) {
    std::string rest;
    return receive(access, "POST", path, [&](std::string_view piece) {
        rest += piece;
        for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
            const auto line = nlohmann::json::parse(rest.substr(0, end), nullptr, false);
            rest.erase(0, end + 1);
            if (line.is_object()) on_line(line);
        }
        return true;
    });
}

}  // namespace earshot::app
