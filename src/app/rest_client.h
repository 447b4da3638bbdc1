// How the verbs reach a server: which one, with which token, and what its refusals mean for the
// exit code.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "app/command.h"
#include "base/result.h"

namespace earshot::app {

enum class Daemon { Server, Client };

struct AccessOptions {
    std::string data{};  // --data; empty: not given
    std::string url{};   // --url; empty: not given
    Daemon daemon = Daemon::Server;
};

struct Access {
    std::string url{};    // without a slash at its end
    std::string token{};  // may be empty: the server then refuses
    std::string hint{};   // for "no server answers": what to check
};

// A verb that cannot go on: its exit code and the sentence for a person.
struct Failure {
    Exit code = Exit::Unreachable;
    std::string text{};
};

template <class T>
using Outcome = base::Result<T, Failure>;

// Order: --url, --data, EARSHOT_URL, EARSHOT_DATA, ./earshot-data; of the client
// EARSHOT_CLIENT_URL, EARSHOT_CLIENT_DATA, ./earshot-client-data. A URL takes its token from
// EARSHOT_TOKEN, a directory from its cli.json.
Outcome<Access> find_access(
    const AccessOptions& options,
    const std::function<std::optional<std::string>(const std::string&)>& environment);

// One request; the body of a good answer, parsed: a JSON object. `path` begins below /api/v1:
// "/recordings".
Outcome<nlohmann::json> request_json(const Access& access, std::string_view method,
                                     const std::string& path, const std::string& body = {});

// A good answer's body piece by piece; the number of bytes.
Outcome<std::uint64_t> download(const Access& access, const std::string& path,
                                const std::function<bool(std::string_view)>& sink);
// The same of an answer that is made while the work goes on: a JSON object a line.
Outcome<std::uint64_t> follow(const Access& access, const std::string& path,
                              const std::function<void(const nlohmann::json&)>& on_line);

}  // namespace earshot::app
