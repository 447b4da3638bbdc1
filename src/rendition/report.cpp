#include "rendition/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_writer.h"
#include "base/text.h"
#include "rendition/limits.h"

namespace earshot::rendition {
namespace {

using nlohmann::json;

void write(base::JsonWriter& out, const Report& report) {
    out.begin_object().key("tracks").begin_array();
    for (const TrackNote& track : report.tracks)
        out.begin_object()
            .field("stream", std::int64_t{track.stream})
            .field("codec", track.codec)
            .field("state", track.state)
            .field("text", track.text)
            .end_object();
    out.end_array().key("faults").begin_array();
    for (const Fault& fault : report.faults)
        out.begin_object()
            .field("stream", std::int64_t{fault.stream})
            .field("at_ms", fault.at_ms)
            .field("duration_ms", fault.duration_ms)
            .field("count", std::int64_t{fault.count})
            .field("text", fault.text)
            .end_object();
    out.end_array().key("marks").begin_array();
    for (const Mark& mark : report.marks)
        out.begin_object()
            .field("stream", std::int64_t{mark.stream})
            .field("at_ms", mark.at_ms)
            .end_object();
    out.end_array().end_object();
}

std::string text_of(const json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_string()) return {};
    return base::to_valid_utf8(found->get_ref<const std::string&>().substr(0, kMaxErrorText));
}

std::int64_t number_of(const json& object, const char* name, std::int64_t high) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_number_integer()) return 0;
    return std::clamp<std::int64_t>(found->get<std::int64_t>(), 0, high);
}

Report read_report(const json& object) {
    constexpr std::int64_t kMaxMs = INT64_MAX / 1'000'000;
    Report report;
    const auto each = [&](const char* name, std::size_t limit, auto add) {
        const auto found = object.find(name);
        if (found == object.end() || !found->is_array()) return;
        for (const json& item : *found)
            if (item.is_object() && limit-- > 0) add(item);
    };
    each("tracks", kMaxJobStreams * kMaxStreamFormats, [&](const json& item) {
        report.tracks.push_back(
            {.stream = static_cast<std::uint16_t>(number_of(item, "stream", 0xffff)),
             .codec = text_of(item, "codec"),
             .state = text_of(item, "state"),
             .text = text_of(item, "text")});
    });
    each("faults", kMaxFaults, [&](const json& item) {
        report.faults.push_back(
            {.stream = static_cast<std::uint16_t>(number_of(item, "stream", 0xffff)),
             .at_ms = number_of(item, "at_ms", kMaxMs),
             .duration_ms = number_of(item, "duration_ms", kMaxMs),
             .count = static_cast<std::uint32_t>(number_of(item, "count", UINT32_MAX)),
             .text = text_of(item, "text")});
    });
    each("marks", kMaxFaults, [&](const json& item) {
        report.marks.push_back(
            {.stream = static_cast<std::uint16_t>(number_of(item, "stream", 0xffff)),
             .at_ms = number_of(item, "at_ms", kMaxMs)});
    });
    return report;
}

}  // namespace

std::string to_json(const Report& report) {
    std::string text;
    base::JsonWriter out(text);
    write(out, report);
    return text;
}

base::Result<Report> parse_report(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return base::Error{base::Errc::Malformed, "the report is no object"};
    return read_report(object);
}

std::string progress_line(std::int64_t at_ms) {
    return R"({"at_ms":)" + std::to_string(at_ms) + "}\n";
}

std::string done_line(const Report& report) { return R"({"done":)" + to_json(report) + "}\n"; }

std::string error_line(const base::Reason& reason) {
    std::string text;
    base::JsonWriter out(text);
    out.begin_object().key("error").begin_object();
    out.field("code", reason.code).field("text", reason.text).end_object().end_object();
    return text + "\n";
}

base::Result<Message> parse_message(std::string_view line) {
    const json object = json::parse(line, nullptr, false);
    if (!object.is_object()) return base::Error{base::Errc::Malformed, "the line is no object"};
    Message message;
    if (const auto at = object.find("at_ms"); at != object.end())
        message.at_ms = number_of(object, "at_ms", INT64_MAX / 1'000'000);
    if (const auto done = object.find("done"); done != object.end() && done->is_object())
        message.done = read_report(*done);
    if (const auto error = object.find("error"); error != object.end() && error->is_object())
        message.error = base::Reason{text_of(*error, "code"), text_of(*error, "text")};
    return message;
}

}  // namespace earshot::rendition
