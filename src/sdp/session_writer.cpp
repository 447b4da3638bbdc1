#include <algorithm>

#include "sdp/session_description.h"
#include "sdp/text_writer.h"

namespace earshot::sdp {
namespace {

void append_connection(std::string& out, const std::optional<Connection>& connection) {
    if (!connection) return;
    append_line(out, "c=IN {} {}", connection->address_type, connection->address);
}

void append_bandwidths(std::string& out, std::span<const Bandwidth> bandwidths) {
    for (const Bandwidth& bandwidth : bandwidths) {
        append_line(out, "b={}:{}", bandwidth.type, bandwidth.value);
    }
}

void append_attributes(std::string& out, std::span<const Attribute> attributes) {
    for (const Attribute& attribute : attributes) {
        out.append("a=").append(attribute.name);
        if (attribute.has_value) out.append(":").append(attribute.value);
        out.append("\r\n");
    }
}

void append_media_line(std::string& out, const MediaDescription& medium) {
    out.append("m=").append(medium.media);
    if (medium.is_malformed) {
        // So that it is malformed again when it is read.
        if (!medium.proto.empty()) out.append(" - ").append(medium.proto);
    } else if (medium.port_count != 1) {
        fmt::format_to(std::back_inserter(out), " {}/{} {}", medium.port, medium.port_count,
                       medium.proto);
    } else {
        fmt::format_to(std::back_inserter(out), " {} {}", medium.port, medium.proto);
    }
    if (!medium.formats.empty()) out.append(" ").append(medium.formats);
    out.append("\r\n");
}

}  // namespace

std::string clean(std::string_view text) {
    std::string cleaned{text};
    std::replace_if(
        cleaned.begin(), cleaned.end(),
        [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; }, '?');
    return cleaned;
}

void append_payload_type(std::string& out, const PayloadType& type) {
    const std::uint32_t number = type.number;
    if (!type.encoding.empty()) {
        append_parts(out, "a=rtpmap:", number, " ", clean(type.encoding), "/", type.clock_rate);
        if (type.channels != 1) append_parts(out, "/", std::uint32_t{type.channels});
        out.append("\r\n");
    }
    if (!type.fmtp.empty()) append_parts(out, "a=fmtp:", number, " ", clean(type.fmtp), "\r\n");
}

std::string write(const SessionDescription& description) {
    std::string out;
    out.reserve(256 + description.all_attributes.size() * 40 + description.media.size() * 80);
    append_line(out, "v=0");
    if (description.origin) {
        const Origin& origin = *description.origin;
        append_line(out, "o={} {} {} {} {} {}", origin.username, origin.session_id,
                    origin.session_version, origin.network_type, origin.address_type,
                    origin.address);
    }
    append_line(out, "s={}", description.name);
    append_connection(out, description.connection);
    append_bandwidths(out, description.bandwidths);
    if (!description.timing.empty()) append_line(out, "t={}", description.timing);
    append_attributes(out, description.session_attributes());
    for (const MediaDescription& medium : description.media) {
        append_media_line(out, medium);
        if (!medium.title.empty()) append_line(out, "i={}", medium.title);
        append_connection(out, medium.connection);
        append_bandwidths(out, medium.bandwidths);
        append_attributes(out, description.attributes_of(medium));
    }
    return out;
}

}  // namespace earshot::sdp
