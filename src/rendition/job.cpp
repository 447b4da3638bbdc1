#include "rendition/job.h"

#include <nlohmann/json.hpp>

#include "base/json_writer.h"

namespace earshot::rendition {
namespace {

using nlohmann::json;

constexpr std::int64_t kMaxDurationMs = std::int64_t{366} * 24 * 3600 * 1000;

void write_stream(base::JsonWriter& out, const Stream& stream) {
    out.begin_object()
        .field("stream", std::int64_t{stream.number})
        .field("label", stream.label)
        .field("media", stream.media)
        .field("name", stream.name);
    out.key("content").boolean(stream.is_content);
    out.key("first").boolean(stream.is_first);
    out.key("formats").begin_array();
    for (const Format& format : stream.formats)
        out.begin_object()
            .field("pt", std::int64_t{format.payload_type})
            .key("used")
            .boolean(format.is_used)
            .field("encoding", format.encoding)
            .field("clock_rate", std::int64_t{format.clock_rate})
            .field("channels", std::int64_t{format.channels})
            .field("fmtp", format.fmtp)
            .end_object();
    out.end_array().key("gaps").begin_array();
    for (const Gap& gap : stream.gaps)
        out.begin_object()
            .field("start_ms", gap.start_ms)
            .field("duration_ms", gap.duration_ms)
            .field("reason", gap.reason)
            .end_object();
    out.end_array().end_object();
}

// Takes fields off an object; what is not there or of another type makes all of it malformed.
class Reader {
public:
    explicit Reader(const json& object) : object_(object), is_good_(object.is_object()) {}

    bool is_good() const { return is_good_; }
    std::string text(const char* name) {
        const json* value = find(name);
        is_good_ = is_good_ && value != nullptr && value->is_string();
        return is_good_ ? value->get<std::string>() : std::string();
    }
    std::int64_t number(const char* name, std::int64_t low, std::int64_t high) {
        const json* value = find(name);
        is_good_ = is_good_ && value != nullptr && value->is_number_integer();
        const std::int64_t number = is_good_ ? value->get<std::int64_t>() : low;
        is_good_ = is_good_ && number >= low && number <= high;
        return number;
    }
    bool flag(const char* name) {
        const json* value = find(name);
        is_good_ = is_good_ && value != nullptr && value->is_boolean();
        return is_good_ && value->get<bool>();
    }
    // Calls `read` with each of at most `limit` items, until one is bad.
    template <class Read>
    void each(const char* name, std::size_t limit, Read read) {
        const json* value = find(name);
        is_good_ = is_good_ && value != nullptr && value->is_array() && value->size() <= limit;
        if (!is_good_) return;
        for (const json& item : *value) {
            Reader fields(item);
            read(fields);
            is_good_ = is_good_ && fields.is_good();
        }
    }

private:
    const json* find(const char* name) const {
        if (!is_good_) return nullptr;
        const auto found = object_.find(name);
        return found == object_.end() ? nullptr : &*found;
    }
    const json& object_;
    bool is_good_;
};

Stream read_stream(Reader& fields) {
    Stream stream;
    stream.number = static_cast<std::uint16_t>(fields.number("stream", 0, 0xffff));
    stream.label = fields.text("label");
    stream.media = fields.text("media");
    stream.name = fields.text("name");
    stream.is_content = fields.flag("content");
    stream.is_first = fields.flag("first");
    fields.each("formats", kMaxStreamFormats, [&](Reader& item) {
        Format format;
        format.payload_type = static_cast<std::uint8_t>(item.number("pt", 0, 127));
        format.is_used = item.flag("used");
        format.encoding = item.text("encoding");
        format.clock_rate = static_cast<std::uint32_t>(item.number("clock_rate", 1, 1'000'000));
        format.channels = static_cast<std::uint16_t>(item.number("channels", 1, 255));
        format.fmtp = item.text("fmtp");
        stream.formats.push_back(std::move(format));
    });
    constexpr std::size_t kMaxGaps = 1000;
    fields.each("gaps", kMaxGaps, [&](Reader& item) {
        Gap gap;
        gap.start_ms = item.number("start_ms", 0, kMaxDurationMs);
        gap.duration_ms = item.number("duration_ms", 0, kMaxDurationMs);
        gap.reason = item.text("reason");
        stream.gaps.push_back(std::move(gap));
    });
    return stream;
}

}  // namespace

std::string to_json(const Job& job) {
    std::string text;
    base::JsonWriter out(text);
    out.begin_object()
        .field("version", std::int64_t{1})
        .field("product", to_string(job.product))
        .field("title", job.title)
        .field("started", job.started)
        .field("duration_ms", job.duration_ms)
        .field("memory_bytes", static_cast<std::int64_t>(job.allowance.memory_bytes))
        .field("cpu_seconds", std::int64_t{job.allowance.cpu_seconds});
    out.key("streams").begin_array();
    for (const Stream& stream : job.streams) write_stream(out, stream);
    out.end_array().end_object();
    return text;
}

base::Result<Job> parse_job(std::string_view line) {
    const base::Error wrong{base::Errc::Malformed, "the job line is not of our making"};
    if (line.size() > kMaxJobBytes) return base::Error{base::Errc::TooLarge, "the job line"};
    const json object = json::parse(line, nullptr, false);
    Reader fields(object);
    static_cast<void>(fields.number("version", 1, 1));
    const auto product = parse_product(fields.text("product"));
    if (!fields.is_good() || !product) return wrong;
    Job job;
    job.product = *product;
    job.title = fields.text("title");
    job.started = fields.text("started");
    job.duration_ms = fields.number("duration_ms", 0, kMaxDurationMs);
    job.allowance.memory_bytes =
        static_cast<std::uint64_t>(fields.number("memory_bytes", 0, INT64_MAX));
    job.allowance.cpu_seconds =
        static_cast<std::uint32_t>(fields.number("cpu_seconds", 0, UINT32_MAX));
    fields.each("streams", kMaxJobStreams,
                [&](Reader& item) { job.streams.push_back(read_stream(item)); });
    if (!fields.is_good()) return wrong;
    return job;
}

}  // namespace earshot::rendition
