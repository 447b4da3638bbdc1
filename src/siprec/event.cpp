#include "siprec/event.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace earshot::siprec {
namespace {

bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

// RFC 8259 section 7: what must be escaped, no more.
void append_escaped(std::string& out, char c) {
    switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\b':
            out += "\\b";
            break;
        case '\f':
            out += "\\f";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default:
            if (static_cast<unsigned char>(c) < 0x20) {
                out += fmt::format("\\u{:04x}", static_cast<int>(c));
            } else {
                out += c;
            }
    }
}

// Events are small flat objects and come several to each request: their text is written straight
// away, which takes a tenth of the steps of a tree of JSON values.
class Writer {
public:
    Writer(std::string_view type, std::uint16_t stream) {
        json_.reserve(256);
        json_ += '{';
        field("type", type);
        if (stream != kNoStream) field("stream", std::uint32_t{stream});
    }

    void field(std::string_view name, std::string_view text) {
        key(name);
        value(text);
    }
    void field(std::string_view name, std::int64_t number) {
        key(name);
        append_number(number);
    }
    void field(std::string_view name, std::uint32_t number) { field(name, std::int64_t{number}); }
    void field(std::string_view name, bool truth) {
        key(name);
        json_ += truth ? "true" : "false";
    }
    void field(std::string_view name, const std::vector<std::string>& list) {
        key(name);
        json_ += '[';
        for (const std::string& item : list) {
            comma();
            value(item);
        }
        json_ += ']';
    }
    void field(std::string_view name, const std::vector<PayloadType>& types) {
        key(name);
        json_ += '[';
        for (const PayloadType& type : types) {
            comma();
            json_ += '{';
            field("pt", std::uint32_t{type.number});
            field("encoding", type.encoding);
            field("clock_rate", type.clock_rate);
            field("channels", std::uint32_t{type.channels});
            field("fmtp", type.fmtp);
            json_ += '}';
        }
        json_ += ']';
    }

    Event finish(std::string_view type, std::uint16_t stream) && {
        json_ += '}';
        json_.shrink_to_fit();
        return {std::string{type}, stream, std::move(json_), Leniency::None};
    }

private:
    void comma() {
        if (json_.back() != '{' && json_.back() != '[') json_ += ',';
    }
    void key(std::string_view name) {  // ours: nothing to escape
        comma();
        json_ += '"';
        json_ += name;
        json_ += "\":";
    }
    void append_number(std::int64_t number) {
        const fmt::format_int digits{number};
        json_.append(digits.data(), digits.size());
    }
    void value(std::string_view text) {
        json_ += '"';
        if (std::all_of(text.begin(), text.end(), is_plain)) {
            json_ += text;
        } else {
            for (const char c : base::to_valid_utf8(text)) append_escaped(json_, c);
        }
        json_ += '"';
    }

    std::string json_;
};

}  // namespace

Event make_event(std::string_view type, std::uint16_t stream,
                 const std::vector<EventField>& fields) {
    Writer json{type, stream};
    for (const EventField& field : fields)
        std::visit([&](const auto& value) { json.field(field.first, value); }, field.second);
    return std::move(json).finish(type, stream);
}

Event make_leniency_event(std::string_view type, const FoundLeniency& found, std::string_view peer,
                          int line, std::uint16_t stream) {
    const LeniencyFacts& facts = facts_of(found.leniency);
    Writer json{type, stream};
    json.field("code", facts.code);
    // metadata_error has told its fault as "text" from the beginning.
    json.field(type == "metadata_error" ? "text" : "what",
               found.detail.empty() ? facts.fault : std::string_view{found.detail});
    json.field("done", facts.done);
    if (line != 0) json.field("line", std::int64_t{line});
    json.field("peer", peer);
    Event event = std::move(json).finish(type, stream);
    event.leniency = found.leniency;
    return event;
}

Event make_stream_event(std::string_view type, const StreamFacts& facts, std::uint16_t local_port) {
    Writer json{type, facts.stream};
    json.field("label", facts.label);
    json.field("media", facts.media);
    json.field("protocol", facts.protocol);
    json.field("direction", facts.direction);
    if (!facts.content.empty()) json.field("content", facts.content);
    json.field("paused", facts.paused);
    if (local_port != 0) json.field("local_port", std::uint32_t{local_port});
    json.field("peer_address", base::to_string(facts.peer_rtp));
    json.field("payload_types", facts.payload_types);
    return std::move(json).finish(type, facts.stream);
}

}  // namespace earshot::siprec
