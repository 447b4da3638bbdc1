#include "server/call_views.h"

#include <fmt/format.h>

#include "archive/summary.h"

namespace earshot::server {

namespace {

std::string codec_of(const siprec::StreamFacts& facts) {
    if (facts.payload_types.empty()) return {};
    const siprec::PayloadType& first = facts.payload_types.front();
    return fmt::format("{}/{}", first.encoding, first.clock_rate);
}

// Of DTLS once the handshake has brought one.
std::string suite_of(const CallStream& stream) {
    const auto& facts = stream.facts;
    if (facts.sdes) return std::string{base::to_string(facts.sdes->suite())};
    if (!facts.dtls || !stream.dtls_suite) return {};
    return std::string{base::to_string(*stream.dtls_suite)};
}

std::string dtls_role_of(const siprec::StreamFacts& facts) {
    if (!facts.dtls) return {};
    return facts.dtls->are_we_active ? "active" : "passive";
}

std::optional<std::uint64_t> messages_of(const CallStream& stream) {
    if (stream.gate == nullptr) return std::nullopt;
    return stream.messages;
}

const char* state_of(const CallStream& stream) {
    if (stream.is_dropped) return "dropped";
    if (stream.is_closed) return "removed";
    if (stream.facts.paused) return "paused";
    if (stream.gate != nullptr) return "active";  // messages: no packets are counted
    return stream.counters.packets == 0 ? "waiting" : "active";
}

std::string client_of(const siprec::OperatorPause& pause) {
    switch (pause.client) {
        case siprec::OperatorPause::Client::Untold:
            return "untold";
        case siprec::OperatorPause::Client::Agreed:
            return "agreed";
        case siprec::OperatorPause::Client::Refused:
            break;
    }
    return "refused";
}

archive::Summary summarise(const Call& call) {
    archive::Summary summary;
    summary.id = base::to_string(call.recording);
    summary.start = call.arrived.wall;
    summary.call_ids = {call.facts.call_id};
    summary.session_ids = call.facts.session_ids;
    for (const auto& party : call.facts.participants)
        summary.participants.push_back({.aor = party.aor, .name = party.name});
    const siprec::MetadataId group{call.facts.group};
    (siprec::is_profile(group) ? summary.profile : summary.group) = call.facts.group;
    for (const auto& [name, value] : call.facts.headers) {
        std::string& merged = summary.headers[name];
        merged += merged.empty() ? value : ", " + value;
    }
    for (const auto& [number, stream] : call.streams)
        summary.streams.push_back({.label = stream.facts.label,
                                   .media = stream.facts.media,
                                   .role = {},
                                   .content = stream.facts.content,
                                   .codec = codec_of(stream.facts),
                                   .packets = stream.counters.packets,
                                   .lost = stream.counters.lost,
                                   .gaps = {},
                                   .suite = suite_of(stream),
                                   .dtls_role = dtls_role_of(stream.facts),
                                   .stream = number,
                                   .track = {},
                                   .senders = {}});
    return summary;
}

}  // namespace

std::string group_of(const archive::Summary& summary) {
    const auto uuid = siprec::MetadataId{summary.group}.uuid();
    return uuid ? base::to_string(*uuid) : summary.group;
}

catalog::Recording make_row(const Call& call) {
    const archive::Summary summary = summarise(call);
    std::vector<catalog::JoinKey> keys;
    for (const siprec::JoinKey& key : call.join_keys) keys.push_back({key.name, key.value});
    return {.id = summary.id,
            .state = catalog::State::Recording,
            .reason = std::nullopt,
            .start = summary.start,
            .duration_ms = std::nullopt,
            .peer = call.attempt.peer,
            .call_ids = summary.call_ids,
            .session_ids = summary.session_ids,
            .summary = archive::to_json(summary),
            .search = archive::search_text(summary),
            .directory = {},
            .group = group_of(summary),
            .join_group = call.join_group,
            .join_keys = std::move(keys)};
}

api::LiveCall make_live_call(const Call& call) {
    api::LiveCall live{.id = base::to_string(call.recording),
                       .call_id = call.facts.call_id,
                       .from = call.facts.from,
                       .to = call.facts.to,
                       .peer = call.attempt.peer,
                       .is_ours = call.is_ours,
                       .start = call.arrived.wall,
                       .is_withheld = call.session->is_withheld(),
                       .streams = {},
                       .operator_pause = {}};
    if (const siprec::OperatorPause& pause = call.session->operator_pause(); pause.is_paused)
        live.operator_pause = {.who = pause.who,
                               .reason = pause.reason,
                               .client = client_of(pause),
                               .status = pause.status};
    for (const auto& [number, stream] : call.streams) {
        std::uint64_t rejected = 0;
        for (const std::uint64_t count : stream.counters.rejected) rejected += count;
        live.streams.push_back({.stream = number,
                                .label = stream.facts.label,
                                .media = stream.facts.media,
                                .codec = codec_of(stream.facts),
                                .suite = suite_of(stream),
                                .dtls_role = dtls_role_of(stream.facts),
                                .state = state_of(stream),
                                .packets = stream.counters.packets,
                                .rejected = rejected,
                                .messages = messages_of(stream)});
    }
    return live;
}

}  // namespace earshot::server
