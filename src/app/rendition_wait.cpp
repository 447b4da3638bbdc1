#include "app/rendition_wait.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "app/tables.h"
#include "http/message.h"

namespace earshot::app {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kLookEvery{300};

void say_what_is_missing(const json& status, std::ostream& err) {
    const json report = status.value("report", json::object());
    for (const json& track : report.value("tracks", json::array()))
        if (track.value("state", "") == "left_out")
            err << fmt::format("earshot: stream {} ({}) is left out: {}\n",
                               track.value("stream", 0), printable(track.value("codec", "")),
                               printable(track.value("text", "")));
    for (const json& fault : report.value("faults", json::array()))
        err << fmt::format("earshot: stream {} at {:.1f} s: {}\n", fault.value("stream", 0),
                           static_cast<double>(fault.value("at_ms", std::int64_t{0})) / 1000,
                           printable(fault.value("text", "")));
}

}  // namespace

bool is_rendition(const std::string& format) {
    constexpr std::array kNames{"mkv", "mp4", "webm", "ogg", "opus", "sheet", "peaks", "marks"};
    return std::find(kNames.begin(), kNames.end(), format) != kNames.end();
}

std::optional<Failure> wait_for_rendition(const Access& access, const std::string& id,
                                          const std::string& format, const std::string& piece,
                                          std::ostream& err) {
    std::string path = fmt::format("/recordings/{}/renditions/{}", http::percent_encode(id),
                                   http::percent_encode(format));
    if (!piece.empty()) path += "?piece=" + http::percent_encode(piece);
    const bool is_shown = ::isatty(STDERR_FILENO) != 0;
    auto status = request_json(access, "POST", path);
    while (status) {
        const std::string state = status->value("state", "");
        if (is_shown) err << fmt::format("\r{}: {} % ", state, status->value("percent", 0));
        if (state == "ready" || state == "failed") break;
        std::this_thread::sleep_for(kLookEvery);
        status = request_json(access, "GET", path);
    }
    if (is_shown) err << "\r\033[K";
    if (!status) return status.error();
    if (status->value("state", "") == "ready") {
        say_what_is_missing(*status, err);
        return std::nullopt;
    }
    const json reason = status->value("reason", json::object());
    return Failure{Exit::Refused, reason.is_object() ? reason.value("text", "It failed.")
                                                     : std::string("It failed.")};
}

}  // namespace earshot::app
