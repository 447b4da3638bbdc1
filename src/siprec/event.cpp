#include "siprec/event.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace earshot::siprec {
namespace {

using Json = nlohmann::ordered_json;

Json start(std::string_view type, std::uint16_t stream) {
    Json json;
    json["type"] = type;
    if (stream != kNoStream) json["stream"] = stream;
    return json;
}

Event finish(std::string_view type, std::uint16_t stream, const Json& json) {
    return {std::string{type}, stream, json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Json payload_types_json(const std::vector<PayloadType>& types) {
    Json list = Json::array();
    for (const PayloadType& type : types) {
        Json item;
        item["pt"] = type.number;
        item["encoding"] = base::to_valid_utf8(type.encoding);
        item["clock_rate"] = type.clock_rate;
        item["channels"] = type.channels;
        item["fmtp"] = base::to_valid_utf8(type.fmtp);
        list.push_back(std::move(item));
    }
    return list;
}

}  // namespace

Event make_event(std::string_view type, std::uint16_t stream,
                 const std::vector<EventField>& fields) {
    Json json = start(type, stream);
    for (const auto& [name, value] : fields) {
        if (const auto* text = std::get_if<std::string>(&value)) {
            json[std::string{name}] = base::to_valid_utf8(*text);
        } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
            json[std::string{name}] = *number;
        } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
            Json items = Json::array();
            for (const std::string& item : *list) items.push_back(base::to_valid_utf8(item));
            json[std::string{name}] = std::move(items);
        } else {
            json[std::string{name}] = std::get<bool>(value);
        }
    }
    return finish(type, stream, json);
}

Event make_stream_event(std::string_view type, const StreamFacts& facts, std::uint16_t local_port) {
    Json json = start(type, facts.stream);
    json["label"] = base::to_valid_utf8(facts.label);
    json["media"] = base::to_valid_utf8(facts.media);
    json["protocol"] = base::to_valid_utf8(facts.protocol);
    json["direction"] = facts.direction;
    if (!facts.content.empty()) json["content"] = base::to_valid_utf8(facts.content);
    json["paused"] = facts.paused;
    if (local_port != 0) json["local_port"] = local_port;
    json["peer_address"] = base::to_string(facts.peer_rtp);
    json["payload_types"] = payload_types_json(facts.payload_types);
    return finish(type, facts.stream, json);
}

}  // namespace earshot::siprec
