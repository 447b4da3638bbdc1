#include "archive/call_timeline.h"

#include <iterator>
#include <nlohmann/json.hpp>

#include "archive/json_fields.h"

namespace earshot::archive {
namespace {

using nlohmann::json;

void write_csrc(base::JsonWriter& out, const std::optional<std::uint32_t>& csrc) {
    if (csrc)
        out.number(std::int64_t{*csrc});
    else
        out.null();
}

void write(base::JsonWriter& out, const TextTrack& track) {
    out.begin_object()
        .field("label", track.label)
        .field("missing", static_cast<std::int64_t>(track.missing))
        .key("cut")
        .boolean(track.is_cut)
        .key("keys")
        .begin_array();
    for (const Keystroke& key : track.keys) {
        out.begin_array().number(key.at_ms);
        write_csrc(out, key.csrc);
        out.text(key.text).end_array();
    }
    out.end_array().key("lines").begin_array();
    for (const TimedLine& line : track.lines) {
        out.begin_object()
            .field("start_ms", line.start_ms)
            .field("end_ms", line.end_ms)
            .key("csrc");
        write_csrc(out, line.csrc);
        write_text_or_null(out, "by", line.by);
        out.field("text", line.text).end_object();
    }
    out.end_array().end_object();
}

void write(base::JsonWriter& out, const Speaker& speaker) {
    out.begin_object().field("label", speaker.label).key("csrc");
    write_csrc(out, speaker.csrc);
    write_text_or_null(out, "name", speaker.name);
    out.key("spans").begin_array();
    for (const Span& span : speaker.spans)
        out.begin_array().number(span.start_ms).number(span.duration_ms).end_array();
    out.end_array().end_object();
}

void write(base::JsonWriter& out, const Sharing& sharing) {
    out.begin_object()
        .field("label", sharing.label)
        .field("start_ms", sharing.start_ms)
        .field("duration_ms", sharing.duration_ms);
    write_text_or_null(out, "kind", sharing.kind);
    write_text_or_null(out, "title", sharing.title);
    write_text_or_null(out, "presenter", sharing.presenter);
    out.end_object();
}

template <class T>
void write_list(base::JsonWriter& out, std::string_view name, const std::vector<T>& list) {
    out.key(name).begin_array();
    for (const T& item : list) write(out, item);
    out.end_array();
}

// Reads what `write` wrote; one wrong type and all fails.
class Reader {
public:
    bool ok() const { return ok_; }

    CallTimeline timeline(const json& object) {
        CallTimeline all;
        for (const json& item : list(object, "texts")) all.texts.push_back(text_track(item));
        for (const json& item : list(object, "speakers")) all.speakers.push_back(speaker(item));
        for (const json& item : list(object, "sharing")) all.sharing.push_back(sharing(item));
        return all;
    }

private:
    const json& field(const json& object, const char* name) {
        static const json kNothing;
        const auto found = object.is_object() ? object.find(name) : object.end();
        if (object.is_object() && found != object.end()) return *found;
        ok_ = false;
        return kNothing;
    }
    const json& item(const json& array, std::size_t at) {
        static const json kNothing;
        if (array.is_array() && at < array.size()) return array[at];
        ok_ = false;
        return kNothing;
    }
    const json& list(const json& object, const char* name) {
        static const json kEmpty = json::array();
        const json& found = field(object, name);
        if (found.is_array()) return found;
        ok_ = false;
        return kEmpty;
    }
    std::string text(const json& value) {
        if (value.is_string()) return value.get<std::string>();
        ok_ = false;
        return {};
    }
    std::string text_or_null(const json& value) { return value.is_null() ? "" : text(value); }
    std::int64_t number(const json& value) {
        const bool fits = value.is_number_integer() &&
                          !(value.is_number_unsigned() && value.get<std::uint64_t>() > kMaxMs);
        if (fits && value.get<std::int64_t>() >= -static_cast<std::int64_t>(kMaxMs))
            return value.get<std::int64_t>();
        ok_ = false;
        return 0;
    }
    std::optional<std::uint32_t> csrc(const json& value) {
        if (value.is_null()) return std::nullopt;
        const std::int64_t source = number(value);
        if (source < 0 || source > UINT32_MAX) ok_ = false;
        return static_cast<std::uint32_t>(source);
    }
    TextTrack text_track(const json& object) {
        TextTrack track;
        track.label = text(field(object, "label"));
        const std::int64_t missing = number(field(object, "missing"));
        if (missing < 0) ok_ = false;
        track.missing = static_cast<std::uint64_t>(missing);
        const json& cut = field(object, "cut");
        if (!cut.is_boolean()) ok_ = false;
        track.is_cut = cut.is_boolean() && cut.get<bool>();
        for (const json& key : list(object, "keys"))
            track.keys.push_back({.at_ms = number(item(key, 0)),
                                  .csrc = csrc(item(key, 1)),
                                  .text = text(item(key, 2))});
        for (const json& line : list(object, "lines"))
            track.lines.push_back({.start_ms = number(field(line, "start_ms")),
                                   .end_ms = number(field(line, "end_ms")),
                                   .csrc = csrc(field(line, "csrc")),
                                   .by = text_or_null(field(line, "by")),
                                   .text = text(field(line, "text"))});
        return track;
    }
    Speaker speaker(const json& object) {
        Speaker speaker{.label = text(field(object, "label")),
                        .csrc = csrc(field(object, "csrc")),
                        .name = text_or_null(field(object, "name")),
                        .spans = {}};
        for (const json& span : list(object, "spans"))
            speaker.spans.push_back(
                {.start_ms = number(item(span, 0)), .duration_ms = number(item(span, 1))});
        return speaker;
    }
    Sharing sharing(const json& object) {
        return {.label = text(field(object, "label")),
                .start_ms = number(field(object, "start_ms")),
                .duration_ms = number(field(object, "duration_ms")),
                .kind = text_or_null(field(object, "kind")),
                .title = text_or_null(field(object, "title")),
                .presenter = text_or_null(field(object, "presenter"))};
    }

    static constexpr std::uint64_t kMaxMs = 1ULL << 52U;
    bool ok_ = true;
};

template <class T>
void append_all(std::vector<T>& to, std::vector<T>&& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void CallTimeline::shift(std::int64_t by_ms) {
    for (TextTrack& track : texts) {
        for (Keystroke& key : track.keys) key.at_ms += by_ms;
        for (TimedLine& line : track.lines) {
            line.start_ms += by_ms;
            line.end_ms += by_ms;
        }
    }
    for (Speaker& speaker : speakers)
        for (Span& span : speaker.spans) span.start_ms += by_ms;
    for (Sharing& one : sharing) one.start_ms += by_ms;
}

void CallTimeline::append(CallTimeline&& other) {
    append_all(texts, std::move(other.texts));
    append_all(speakers, std::move(other.speakers));
    append_all(sharing, std::move(other.sharing));
}

std::string to_json(const CallTimeline& timeline, const People* people) {
    std::string text;
    base::JsonWriter out(text);
    out.begin_object();
    write_list(out, "texts", timeline.texts);
    write_list(out, "speakers", timeline.speakers);
    write_list(out, "sharing", timeline.sharing);
    if (people != nullptr) write(out, *people);
    out.end_object();
    return text;
}

base::Result<CallTimeline> parse_call_timeline(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    Reader reader;
    CallTimeline timeline = reader.timeline(object);
    if (!reader.ok()) return base::Error{base::Errc::Malformed, "timeline: not of our making"};
    return timeline;
}

}  // namespace earshot::archive
