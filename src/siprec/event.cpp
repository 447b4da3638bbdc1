#include "siprec/event.h"

#include <utility>

#include "base/json_writer.h"

namespace earshot::siprec {
namespace {

// An event as it is written: {"type":type,"stream":stream?, and what the caller adds.
class EventWriter {
public:
    EventWriter(std::string_view type, std::uint16_t stream) : type_(type), stream_(stream) {
        text_.reserve(256);
        json_.begin_object().field("type", type);
        if (stream != kNoStream) json_.field("stream", std::int64_t{stream});
    }
    EventWriter(const EventWriter&) = delete;
    EventWriter& operator=(const EventWriter&) = delete;
    ~EventWriter() = default;

    void field(std::string_view name, std::string_view text) { json_.field(name, text); }
    void field(std::string_view name, std::int64_t number) { json_.field(name, number); }
    void field(std::string_view name, bool truth) { json_.key(name).boolean(truth); }
    void field(std::string_view name, const std::vector<std::string>& list) {
        json_.key(name).begin_array();
        for (const std::string& item : list) json_.text(item);
        json_.end_array();
    }
    // As in a=rtcp-fb.
    void field(std::string_view name, const sdp::RtcpFeedback& feedback) {
        json_.key(name).begin_array();
        if (feedback.nack) json_.text("nack");
        if (feedback.pli) json_.text("nack pli");
        if (feedback.fir) json_.text("ccm fir");
        json_.end_array();
    }
    void field(std::string_view name, const std::vector<PayloadType>& types) {
        json_.key(name).begin_array();
        for (const PayloadType& type : types)
            json_.begin_object()
                .field("pt", std::int64_t{type.number})
                .field("encoding", type.encoding)
                .field("clock_rate", std::int64_t{type.clock_rate})
                .field("channels", std::int64_t{type.channels})
                .field("fmtp", type.fmtp)
                .end_object();
        json_.end_array();
    }

    void field(std::string_view name, const std::vector<HeaderExtension>& extensions) {
        json_.key(name).begin_array();
        for (const HeaderExtension& extension : extensions) {
            json_.begin_object()
                .field("id", std::int64_t{extension.id})
                .field("uri", extension.uri);
            if (!extension.attributes.empty()) json_.field("attributes", extension.attributes);
            json_.end_object();
        }
        json_.end_array();
    }

    Event finish() && {
        json_.end_object();
        text_.shrink_to_fit();
        return {std::string{type_}, stream_, std::move(text_), Leniency::None};
    }

private:
    std::string_view type_;
    std::uint16_t stream_;
    std::string text_;
    base::JsonWriter json_{text_};
};

}  // namespace

Event make_event(std::string_view type, std::uint16_t stream,
                 const std::vector<EventField>& fields) {
    EventWriter json{type, stream};
    for (const EventField& field : fields)
        std::visit([&](const auto& value) { json.field(field.first, value); }, field.second);
    return std::move(json).finish();
}

Event make_leniency_event(std::string_view type, const FoundLeniency& found, std::string_view peer,
                          int line, std::uint16_t stream) {
    const LeniencyFacts& facts = facts_of(found.leniency);
    EventWriter json{type, stream};
    json.field("code", facts.code);
    // metadata_error has told its fault as "text" from the beginning.
    json.field(type == "metadata_error" ? "text" : "what",
               found.detail.empty() ? facts.fault : std::string_view{found.detail});
    json.field("done", facts.done);
    if (line != 0) json.field("line", std::int64_t{line});
    json.field("peer", peer);
    Event event = std::move(json).finish();
    event.leniency = found.leniency;
    return event;
}

Event make_stream_event(std::string_view type, const StreamFacts& facts, std::uint16_t local_port) {
    EventWriter json{type, facts.stream};
    json.field("label", facts.label);
    json.field("media", facts.media);
    json.field("protocol", facts.protocol);
    json.field("direction", facts.direction);
    if (!facts.content.empty()) json.field("content", facts.content);
    if (facts.sdes) {
        json.field("keying", std::string_view{"sdes"});
        json.field("suite", base::to_string(facts.sdes->suite()));
    }
    if (facts.dtls) {
        json.field("keying", std::string_view{"dtls"});
        json.field("setup", std::string_view{facts.dtls->are_we_active ? "active" : "passive"});
        json.field("ice", facts.dtls->ice.has_value());
    }
    if (facts.is_bundled) json.field("bundled_mid", facts.mid);
    json.field("paused", facts.paused);
    if (local_port != 0) json.field("local_port", std::int64_t{local_port});
    json.field("peer_address", base::to_string(facts.peer_rtp));
    json.field("payload_types", facts.payload_types);
    if (!facts.header_extensions.empty()) json.field("extmap", facts.header_extensions);
    if (facts.feedback != sdp::RtcpFeedback{}) json.field("feedback", facts.feedback);
    if (facts.messages) {
        const MessageFacts& messages = *facts.messages;
        const auto field_if_told = [&](std::string_view name, const std::string& text) {
            if (!text.empty()) json.field(name, text);
        };
        json.field("secure", messages.is_secure);
        json.field("setup", std::string_view{messages.are_we_active ? "active" : "passive"});
        json.field("accept_types", messages.accept_types);
        field_if_told("accept_wrapped_types", messages.accept_wrapped_types);
        if (messages.max_size)
            json.field("max_size", static_cast<std::int64_t>(*messages.max_size));
        if (messages.chatroom) json.field("chatroom", *messages.chatroom);
        field_if_told("file_selector", messages.file_selector);
        field_if_told("file_transfer_id", messages.file_transfer_id);
        field_if_told("file_disposition", messages.file_disposition);
        field_if_told("file_date", messages.file_date);
    }
    return std::move(json).finish();
}

}  // namespace earshot::siprec
