#include "archive/summary_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "payload/fec.h"
#include "payload/retransmission.h"

namespace earshot::archive {
namespace {

// A stream that was open for less than this need not have sent anything.
constexpr std::int64_t kMinExpectedNs = 1'000'000'000;

// How much of `intervals` lies inside [from_ns, to_ns]; they do not overlap each other.
std::int64_t covered_ns(const std::vector<Interval>& intervals, std::int64_t from_ns,
                        std::int64_t to_ns) {
    std::int64_t sum = 0;
    for (const Interval& interval : intervals) {
        sum += std::max<std::int64_t>(
            std::min(interval.to_ns, to_ns) - std::max(interval.from_ns, from_ns), 0);
    }
    return sum;
}

bool has_fec(const StreamFacts& facts) {
    return std::any_of(
        facts.formats.begin(), facts.formats.end(), [](const StreamFacts::Formats& formats) {
            return std::any_of(formats.list.begin(), formats.list.end(), [](const auto& format) {
                return payload::find_fec_scheme(format.encoding).has_value();
            });
        });
}

void summarise_video(const VideoFacts& facts, std::int64_t start_ns, StreamSummary& summary) {
    if (facts.pictures == 0) return;  // of a codec that is kept, not read
    // By what came again, too; and what a pause took the timeline knows.
    summary.lost = std::min(summary.lost, facts.lost);
    VideoSummary& video = summary.video.emplace();
    video.pictures = facts.pictures;
    video.key_pictures = facts.key_pictures;
    video.damaged = facts.damaged;
    for (const PictureChange& change : facts.changes)
        video.changes.push_back(
            {.at_ms = std::max<std::int64_t>((change.arrival_ns - start_ns) / 1'000'000, 0),
             .codec = change.codec,
             .width = change.width,
             .height = change.height});
    // In RED (RFC 2198) all packets have its payload type; what is in them the pictures know.
    if (base::iequals(summary.codec, "red/90000") && !video.changes.empty())
        summary.codec = video.changes.front().codec;
}

}  // namespace

void SummaryBuilder::add(const journal::Record& record, const RecordPlace& place) {
    facts_.add(record);
    messages_.add(record);
    if (record.header.type != journal::RecordType::Rtp) return;
    add_rtp(record, place);
    read_units(record);
}

// A packet that came again (RFC 4588) stands in the place of the one that was lost.
void SummaryBuilder::undo_retransmission(const journal::Record& record, rtp::RtpHeader& header) {
    const auto facts = facts_.streams().find(record.header.stream);
    if (facts == facts_.streams().end() || facts->second.media != "video") return;
    StreamPackets& stream = packets_[record.header.stream];
    const PayloadFormat* const format =
        facts->second.find_format(header.payload_type, record.header.arrival_ns);
    if (format == nullptr || !base::iequals(format->encoding, "rtx")) {
        stream.newest_ssrc = header.ssrc;
        return;
    }
    const auto again = payload::parse_retransmission(
        rtp::rtp_payload(record.payload.subspan(journal::kSourceSize), header));
    const auto type = payload::retransmitted_type(format->fmtp);
    if (!again || !type || stream.entries.empty()) return;
    header.ssrc = stream.newest_ssrc;
    header.sequence = again->sequence;
    header.payload_type = *type;
    header.size += header.payload_size - again->payload.size();
    header.payload_size = again->payload.size();
}

void SummaryBuilder::read_units(const journal::Record& record) {
    if (record.payload.size() < journal::kSourceSize) return;
    const auto facts = facts_.streams().find(record.header.stream);
    if (facts == facts_.streams().end()) return;
    if (facts->second.media != "video" && !(facts->second.is_audio() && has_fec(facts->second)))
        return;
    video_[record.header.stream].on_rtp(record.payload.subspan(journal::kSourceSize),
                                        record.header.arrival_ns, facts->second);
}

void SummaryBuilder::add_rtp(const journal::Record& record, const RecordPlace& place) {
    if (record.payload.size() < journal::kSourceSize) return;
    const base::ByteView packet = record.payload.subspan(journal::kSourceSize);
    auto header = rtp::parse_rtp(packet);
    if (!header) return;
    const std::uint16_t number = record.header.stream;
    if (packets_.size() >= kMaxStreams && !packets_.contains(number)) return;
    undo_retransmission(record, *header);
    StreamPackets& stream = packets_[number];
    auto ssrc = std::find(stream.ssrcs.begin(), stream.ssrcs.end(), header->ssrc);
    if (ssrc == stream.ssrcs.end() && stream.ssrcs.size() < kMaxSources) {
        ssrc = stream.ssrcs.insert(stream.ssrcs.end(), header->ssrc);
    }
    if (ssrc == stream.ssrcs.end() || stream.entries.size() >= kMaxIndexedPackets) {
        ++stream.not_indexed;
        return;
    }
    const auto facts = facts_.streams().find(number);
    if (facts != facts_.streams().end())
        follow(facts->second, record.header.arrival_ns, packet, *header);
    ++stream.payload_types[header->payload_type];
    stream.entries.push_back({.arrival_ns = record.header.arrival_ns,
                              .timestamp = header->timestamp,
                              .place = place,
                              .sequence = header->sequence,
                              .payload_size = static_cast<std::uint16_t>(
                                  std::min<std::size_t>(header->payload_size, 65535)),
                              .payload_type = header->payload_type,
                              .source = static_cast<std::uint8_t>(ssrc - stream.ssrcs.begin()),
                              .header_size = static_cast<std::uint16_t>(header->size)});
}

// What of a packet is told by the timeline of the call.
void SummaryBuilder::follow(const StreamFacts& facts, std::int64_t arrival_ns,
                            base::ByteView packet, const rtp::RtpHeader& header) {
    if (facts.media == "text") texts_.add(facts.stream, arrival_ns, packet, header);
    if (facts.is_audio()) speakers_.add(facts, arrival_ns, packet, header);
}

std::string SummaryBuilder::name_of_sender(const StreamFacts& facts) const {
    const std::vector<std::string> senders = facts_.senders_of(facts.label);
    return senders.size() == 1 ? facts_.name_of(senders.front()) : std::string{};
}

CallTimeline SummaryBuilder::call_timeline() const {
    constexpr std::int64_t kMsNs = 1'000'000;
    CallTimeline all;
    for (const std::uint16_t number : texts_.streams()) {
        const StreamFacts& facts = streams_.at(number);
        TextTrack track = texts_.finish(facts, packets_.at(number).entries, timelines_.at(number));
        for (TimedLine& line : track.lines)
            line.by = line.csrc ? facts_.speaker_of(*line.csrc) : name_of_sender(facts);
        all.texts.push_back(std::move(track));
    }
    for (auto& [number, speaker] : speakers_.finish(facts_.start_ns(), facts_.end_ns())) {
        const StreamFacts& facts = streams_.at(number);
        speaker.label = facts.label;
        speaker.name = speaker.csrc ? facts_.speaker_of(*speaker.csrc) : name_of_sender(facts);
        all.speakers.push_back(std::move(speaker));
    }
    for (const auto& [number, facts] : streams_)
        for (const SharedInterval& shared : facts.shared) {
            if (all.sharing.size() == kMaxSharings) break;
            const auto place = [&](std::int64_t at_ns) {
                const std::int64_t at = std::clamp(at_ns, facts_.start_ns(), facts_.end_ns());
                return (at - facts_.start_ns()) / kMsNs;
            };
            const std::int64_t start_ms = place(shared.time.from_ns);
            all.sharing.push_back({.label = facts.label,
                                   .start_ms = start_ms,
                                   .duration_ms = place(shared.time.to_ns) - start_ms,
                                   .kind = shared.kind,
                                   .title = shared.title,
                                   .presenter = shared.presenter});
        }
    return all;
}

std::string SummaryBuilder::find_codec_name(const StreamFacts& facts) const {
    const PayloadFormat* best = nullptr;
    std::uint64_t most = 0;
    const auto packets = packets_.find(facts.stream);
    if (packets != packets_.end()) {
        for (const auto& [type, count] : packets->second.payload_types) {
            const PayloadFormat* format = facts.find_format(type, facts_.end_ns());
            if (format == nullptr || count <= most) continue;
            if (!find_codec(format, facts.is_audio()).is_media()) continue;
            best = format;
            most = count;
        }
    }
    if (best != nullptr) return codec_name(*best);
    for (const StreamFacts::Formats& formats : facts.formats) {
        for (const PayloadFormat& format : formats.list) {
            if (find_codec(&format, facts.is_audio()).is_media()) return codec_name(format);
        }
    }
    return {};
}

StreamSummary SummaryBuilder::summarise_stream(const StreamFacts& facts) {
    StreamSummary summary;
    summary.label = facts.label;
    summary.media = facts.media;
    summary.role = facts.role;
    summary.content = facts.content;
    summary.codec = find_codec_name(facts);
    summary.suite = facts.suite;
    summary.dtls_role = facts.dtls_role;
    summary.stream = facts.stream;
    summary.senders = facts_.senders_of(facts.label);
    const auto packets = packets_.find(facts.stream);
    if (packets != packets_.end()) {
        const Timeline& timeline = timelines_[facts.stream];
        summary.packets = timeline.packets.size() + packets->second.not_indexed;
        summary.lost = timeline.lost;
    }
    if (const auto found = video_.find(facts.stream); found != video_.end()) {
        const VideoFacts video = found->second.finish();
        summary.recovered = video.recovered;
        if (facts.media == "video") summarise_video(video, facts_.start_ns(), summary);
    }
    summary.gaps =
        collect_gaps(timelines_[facts.stream], facts, facts_.start_ns(), facts_.end_ns());
    return summary;
}

void SummaryBuilder::make_timelines() {
    for (auto& [number, packets] : packets_)
        timelines_[number] = make_timeline(packets.entries, streams_.at(number), facts_.start_ns());
}

// A recording client that kept media until a server took it (while another one was lost, or until
// our 200) sends what was said before its INVITE: the recording begins there.
void SummaryBuilder::begin_with_media() {
    constexpr std::int64_t kMsNs = 1'000'000;
    std::int64_t first_ns = 0;
    for (const auto& [number, timeline] : timelines_)
        for (const PlacedPacket& packet : timeline.packets) {  // by position
            if (packet.position_ns < -std::chrono::nanoseconds(kMaxEarlyMedia).count()) continue;
            first_ns = std::min(first_ns, packet.position_ns);
            break;
        }
    if (first_ns > -kMsNs) return;
    facts_.begin_at(facts_.start_ns() + first_ns);
    make_timelines();
}

// Whether the stream should have brought packets and brought none. (Of text none come while nobody
// writes.)
bool SummaryBuilder::lacks_media(const StreamFacts& facts) const {
    if (packets_.contains(facts.stream)) return false;
    if (facts.direction == "inactive" || facts.direction == "recvonly") return false;
    std::int64_t expected = 0;
    for (const Interval& open : facts.negotiated) {
        const std::int64_t to = std::min(open.to_ns, facts_.end_ns());
        expected += std::max<std::int64_t>(to - open.from_ns, 0) -
                    covered_ns(facts.paused, open.from_ns, to) -
                    covered_ns(facts.held, open.from_ns, to) -
                    covered_ns(facts.dropped, open.from_ns, to);
    }
    return expected >= kMinExpectedNs;
}

// What a stream lacks: first what was lost here, then what never came.
std::optional<base::Reason> SummaryBuilder::find_stream_fault() const {
    for (const auto& [number, facts] : streams_) {
        if (!facts.storage.empty()) {
            return base::Reason{"storage",
                                "Stream " + facts.label + " lacks media that could not be stored."};
        }
        const auto packets = packets_.find(number);
        if (packets != packets_.end() && packets->second.not_indexed > 0) {
            return base::Reason{"limit", "Stream " + facts.label +
                                             " has more packets or sources than are placed; "
                                             "all are stored."};
        }
    }
    for (const auto& [number, facts] : streams_) {
        // A camera may be covered for the whole call, and content is not always shared.
        if (facts.is_audio() && lacks_media(facts)) {
            return base::Reason{"stream_without_media",
                                "Stream " + facts.label + " brought no media packet."};
        }
    }
    return std::nullopt;
}

void SummaryBuilder::decide_state(const EndFacts& end, Summary& summary) const {
    const auto decide = [&](State state, base::Reason reason) {
        summary.state = state;
        summary.reason = std::move(reason);
    };
    const auto& end_reason = facts_.end_reason();
    // A chat without voice is a recording all the same.
    if (packets_.empty() && !messages_.has_messages()) {
        // Why there is none is said better by how the call ended, where that was no plain BYE.
        if (end_reason) return decide(State::Failed, *end_reason);
        if (end.failure) return decide(State::Failed, *end.failure);
        const bool is_chat =
            !streams_.empty() && std::all_of(streams_.begin(), streams_.end(), [](const auto& one) {
                return one.second.media == "message";
            });
        if (is_chat) return decide(State::Failed, {"no_messages", "Nothing was written."});
        return decide(State::Failed, {"no_media", "The call brought no media packet."});
    }
    if (end.failure) return decide(State::Partial, *end.failure);
    if (facts_.recovered()) return decide(State::Partial, *facts_.recovered());
    if (!end.was_closed || !facts_.has_ended()) {
        return decide(State::Partial,
                      {"interrupted",
                       "The server died before the call ended: what came until then is here."});
    }
    if (end.damage.any()) {
        return decide(State::Partial,
                      {"journal_damaged", "Parts of the journal could not be read: " +
                                              (end.damage.notes.empty() ? std::string("no details")
                                                                        : end.damage.notes[0])});
    }
    if (end_reason) return decide(State::Partial, *end_reason);
    if (auto fault = find_stream_fault()) return decide(State::Partial, *std::move(fault));
    summary.state = State::Complete;
    summary.reason.reset();
}

// Why it may not be what was hoped for, whatever its state: told apart for the operator who asks
// why a call cannot be heard.
void SummaryBuilder::add_warnings(const EndFacts& end, Summary& summary) const {
    const auto warn = [&](std::string code, const std::string& label, std::string text) {
        summary.warnings.push_back({std::move(code), label, std::move(text)});
    };
    if (packets_.empty() && !messages_.has_messages())
        warn("no_media", {}, "No RTP packet was recorded.");
    for (const auto& [number, facts] : streams_) {
        if (packets_.contains(number)) continue;
        if (facts.strangers_packets > 0)
            warn("wrong_source", facts.label,
                 fmt::format("Stream {} got packets only from {} ({} of them), which is neither "
                             "where its SDP says nor the host of the SIP client.",
                             facts.label, facts.stranger, facts.strangers_packets));
        if (facts.forged_packets > 0)
            warn("not_authentic", facts.label,
                 fmt::format("Stream {} got only packets that are not authentic ({} of them): they "
                             "are not protected with the key that the client told.",
                             facts.label, facts.forged_packets));
        const bool is_expected = facts.is_audio() || facts.media == "video";
        if (!packets_.empty() && is_expected && lacks_media(facts))
            warn("one_sided", facts.label,
                 fmt::format("Stream {} brought no packet, while others did.", facts.label));
    }
    for (const auto& [number, facts] : streams_)
        if (const std::uint64_t count = messages_.incomplete_of(number); count > 0)
            warn("messages_incomplete", facts.label,
                 fmt::format("{} messages of stream {} broke off: their connection, the call or "
                             "the server ended within them.",
                             count, facts.label));
    if (facts_.has_ended() && duration_ms() < end.too_short.count())
        warn("too_short", {},
             fmt::format("The call lasted {} ms, less than {} ms.", duration_ms(),
                         end.too_short.count()));
}

Summary SummaryBuilder::finish(const EndFacts& end) {
    streams_ = facts_.streams();
    for (const auto& [number, packets] : packets_) {
        if (streams_.contains(number)) continue;
        // Its stream_added was lost with a damaged block: the packets are kept all the same.
        StreamFacts& facts = streams_[number];
        facts.stream = number;
        facts.label = std::to_string(number);
    }
    make_timelines();
    begin_with_media();
    Summary summary;
    summary.id = base::to_string(recording_);
    summary.start = base::wall_from_ns(facts_.start_ns());
    summary.duration_ms = duration_ms();
    summary.call_ids = facts_.call_ids();
    summary.session_ids = facts_.session_ids();
    summary.participants = facts_.participants();
    const auto messages = messages_.counts(facts_);
    for (const auto& [number, facts] : streams_) {
        StreamSummary& stream = summary.streams.emplace_back(summarise_stream(facts));
        if (const auto counted = messages.find(number); counted != messages.end())
            stream.messages = counted->second;
    }
    summary.group = facts_.group();
    summary.profile = facts_.profile();
    summary.join_group = facts_.join_group();
    summary.join_keys = facts_.join_keys();
    summary.headers = facts_.headers();
    summary.extensions = facts_.extensions();
    decide_state(end, summary);
    add_warnings(end, summary);
    return summary;
}

}  // namespace earshot::archive
