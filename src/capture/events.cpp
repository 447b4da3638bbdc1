#include "capture/events.h"

#include <fmt/format.h>

#include "base/json_writer.h"

namespace earshot::capture {

std::string event_json(std::uint16_t stream, const SsrcChange& event) {
    return fmt::format(R"({{"type":"ssrc_changed","stream":{},"from":{},"to":{},"source":"{}"}})",
                       stream, event.from, event.to, base::to_string(event.source));
}

std::string event_json(std::uint16_t stream, const SourceMoved& event) {
    return fmt::format(R"({{"type":"source_changed","stream":{},"ssrc":{},"from":"{}","to":"{}"}})",
                       stream, event.ssrc, base::to_string(event.from), base::to_string(event.to));
}

std::string event_json(std::uint16_t stream, const RejectedSome& event) {
    return fmt::format(
        R"({{"type":"packets_rejected","stream":{},"cause":"{}","total":{},"source":"{}"}})",
        stream, to_string(event.cause), event.total, base::to_string(event.source));
}

std::string event_json(std::uint16_t stream, const DigitSeen& event) {
    return fmt::format(R"({{"type":"dtmf","stream":{},"digit":"{}","duration_ms":{}}})", stream,
                       event.digit, event.duration_ms);
}

std::string event_json(std::uint16_t stream, const DigitsBlanked& /*event*/) {
    return fmt::format(R"({{"type":"digits_not_stored","stream":{}}})", stream);
}

std::string event_json(std::uint16_t stream, const ContributorsChanged& event) {
    const auto* end = event.ssrcs.begin() + event.count;
    return fmt::format(R"({{"type":"contributors","stream":{},"csrcs":[{}]}})", stream,
                       fmt::join(event.ssrcs.begin(), end, ","));
}

std::string event_json(std::uint16_t stream, const SourceDescribed& event) {
    std::string json = fmt::format(R"({{"type":"source_described","stream":{},"ssrc":{},"cname":)",
                                   stream, event.ssrc);
    base::append_json_text(json, event.cname);
    if (event.same_as) json += fmt::format(R"(,"same_as":{})", *event.same_as);
    return json + "}";
}

std::string event_json(std::uint16_t stream, const SourceLeft& event) {
    std::string json = fmt::format(R"({{"type":"source_left","stream":{},"ssrc":{},"reason":)",
                                   stream, event.ssrc);
    base::append_json_text(json, event.reason);
    return json + "}";
}

std::string probe_json(std::uint16_t stream, const base::NetAddress& destination) {
    return fmt::format(R"({{"type":"media_probed","stream":{},"destination":"{}"}})", stream,
                       base::to_string(destination));
}

std::string event_json(std::uint16_t stream, const KeyFrameRequest& request) {
    return fmt::format(R"({{"type":"key_frame_requested","stream":{},"reason":"{}","by":"{}"}})",
                       stream, to_string(request.reason), to_string(request.method));
}

std::string security_json(std::uint16_t stream, MediaSecurity::Turn turn, base::SrtpSuite suite,
                          const base::NetAddress& source) {
    if (turn == MediaSecurity::Turn::Restored)
        return fmt::format(R"({{"type":"srtp_restored","stream":{},"suite":"{}","source":"{}"}})",
                           stream, base::to_string(suite), base::to_string(source));
    return fmt::format(
        R"({{"type":"srtp_failing","stream":{},"suite":"{}","packets":{},"source":"{}"}})", stream,
        base::to_string(suite), kFailuresInRow, base::to_string(source));
}

std::string event_json(std::uint16_t stream, const MediaSecurity::KeyingEvent& event) {
    using Kind = MediaSecurity::KeyingEvent::Kind;
    const char* const component = event.socket == io::SocketKind::Rtp ? "rtp" : "rtcp";
    const std::string source = base::to_string(event.source);
    switch (event.kind) {
        case Kind::Connected:
            return fmt::format(
                R"({{"type":"dtls_connected","stream":{},"component":"{}","suite":"{}","source":"{}"}})",
                stream, component, base::to_string(event.suite), source);
        case Kind::Failed:
            return fmt::format(
                R"({{"type":"dtls_failed","stream":{},"component":"{}","reason":"{}","source":"{}"}})",
                stream, component, event.reason, source);
        case Kind::IceSelected:
        case Kind::ShakesHands:
            break;
    }
    return fmt::format(R"({{"type":"ice_selected","stream":{},"component":"{}","source":"{}"}})",
                       stream, component, source);
}

std::string event_json(const Bundle::SourceAssigned& assigned) {
    return fmt::format(R"({{"type":"source_assigned","stream":{},"ssrc":{},"by":"{}"}})",
                       assigned.stream, assigned.ssrc, to_string(assigned.by));
}

std::string event_json(std::uint16_t stream, const StorageGap& gap) {
    return fmt::format(
        R"({{"type":"storage_gap","stream":{},"packets":{},"from_ns":{},"to_ns":{}}})", stream,
        gap.packets, gap.from_ns, gap.to_ns);
}

std::string event_json(std::uint16_t stream, const StreamCounters& counters) {
    std::string blanked;  // hardly any stream has these
    if (counters.digits_blanked > 0)
        blanked += fmt::format(R"("digits_blanked":{},)", counters.digits_blanked);
    if (counters.redundancy_blanked > 0)
        blanked += fmt::format(R"("redundancy_blanked":{},)", counters.redundancy_blanked);
    std::string rejected;
    for (std::size_t i = 0; i < kRejections; ++i) {
        rejected += fmt::format(R"({}"{}":{})", i == 0 ? "" : ",",
                                to_string(static_cast<Rejection>(i)), counters.rejected[i]);
    }
    return fmt::format(
        R"({{"type":"stream_counters","stream":{},"packets":{},"octets":{},"rtcp_packets":{},)"
        R"("paused_discarded":{},"lost":{},"duplicates":{},"reordered":{},"kernel_drops":{},)"
        R"("storage_lost":{},"ssrc_changes":{},"asked_again":{},"restored":{},"key_frames_asked":{},)"
        R"("jitter_ms":{:.3f},"first_arrival_ns":{},)"
        R"("last_arrival_ns":{},{}"rejected":{{{}}}}})",
        stream, counters.packets, counters.octets, counters.rtcp_packets, counters.paused_discarded,
        counters.lost, counters.duplicates, counters.reordered, counters.kernel_drops,
        counters.storage_lost, counters.ssrc_changes, counters.asked_again, counters.restored,
        counters.key_frames_asked, counters.jitter_ms, counters.first_arrival_ns,
        counters.last_arrival_ns, blanked, rejected);
}

}  // namespace earshot::capture
