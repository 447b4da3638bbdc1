#include "archive/media_job.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "archive/audio_export.h"
#include "archive/limits.h"
#include "archive/summary_builder.h"
#include "base/text.h"
#include "base/time.h"
#include "rendition/packet_stream.h"

namespace earshot::archive {
namespace {

using rendition::Product;

constexpr std::size_t kFeedBytes = 256UL * 1024;

bool wants(Product product, const StreamFacts& facts) {
    switch (product) {
        case Product::Tracks:
        case Product::Webm:
        case Product::Mp4:
            return facts.is_audio() || facts.media == "video";
        case Product::Track:
        case Product::Sheet:
            return facts.media == "video";
        default:
            return facts.is_audio();
    }
}
bool needs_previews(Product product) {
    return product == Product::Tracks || product == Product::Track;
}

// Which streams show a shared screen and not a camera, by what the events tell of them.
class ContentMarks {
public:
    void add(const journal::Record& record) {
        if (record.header.type != journal::RecordType::Event) return;
        const std::string_view text = base::as_text(record.payload);
        if (text.find("content") == std::string_view::npos) return;  // most have no such word
        const auto event = nlohmann::json::parse(text, nullptr, false);
        if (!event.is_object()) return;
        const auto stream = event.find("stream");
        if (stream == event.end() || !stream->is_number_unsigned()) return;
        if (is_content(event) && marks_.size() < kMaxStreams)
            marks_[stream->get<std::uint64_t>()] = true;
    }
    bool has(std::uint16_t stream) const { return marks_.contains(stream); }

private:
    // RFC 4796: slides; or what the server made of it (event stream_role).
    static bool is_content(const nlohmann::json& event) {
        const auto text = [&](const char* name) {
            const auto found = event.find(name);
            return found != event.end() && found->is_string() ? found->get<std::string>() : "";
        };
        return text("role") == "content" || text("content").find("slides") != std::string::npos;
    }
    std::map<std::uint64_t, bool> marks_;
};

// Blocks of a part by their numbers, a few unpacked at a time.
class Blocks {
public:
    explicit Blocks(std::unique_ptr<io::File> file) : file_(std::move(file)), reader_(*file_) {}

    // Each record with its place.
    template <class Take>
    std::optional<base::Reason> walk(Take take) {
        const auto header = reader_.open();
        if (!header) return part_reason(header.error(), "packets");
        recording_ = header->recording;
        while (true) {
            const std::uint64_t offset = reader_.offset();
            auto block = reader_.next();
            if (!block) return part_reason(block.error(), "packets");
            if (!block->has_value()) return std::nullopt;
            const auto number = static_cast<std::uint32_t>(offsets_.size());
            offsets_.push_back(offset);
            BlockRecords records((*block)->raw);
            std::uint32_t at = 0;
            while (true) {
                journal::Record record;
                const auto found = records.next(record);
                if (!found) return part_reason(found.error(), "packets");
                if (!*found) break;
                take(record, RecordPlace{.block = number, .offset = at});
                at += static_cast<std::uint32_t>(kRecordHeaderBytes + record.payload.size());
            }
        }
    }

    base::Result<journal::Record> find(const RecordPlace& place) {
        Cached* cached = nullptr;
        for (Cached& candidate : cache_)
            if (candidate.number == place.block) cached = &candidate;
        if (cached == nullptr) {
            cached =
                &*std::min_element(cache_.begin(), cache_.end(),
                                   [](const auto& a, const auto& b) { return a.used < b.used; });
            reader_.seek(offsets_.at(place.block));
            auto block = reader_.next();
            if (!block) return block.error();
            if (!block->has_value()) return base::Error{base::Errc::Malformed, "block is missing"};
            cached->number = place.block;
            cached->raw = std::move((*block)->raw);
        }
        cached->used = ++clock_;
        journal::Record record;
        const auto found = BlockRecords(cached->raw, place.offset).next(record);
        if (!found) return found.error();
        if (!*found) return base::Error{base::Errc::Malformed, "record is missing"};
        return record;
    }

    const base::Uuid& recording() const { return recording_; }

private:
    // The journal has the packets of one drain stream by stream, and a stream that stood still
    // comes late: places that are read together lie some blocks apart.
    static constexpr std::size_t kCachedBlocks = 12;
    struct Cached {
        std::uint32_t number = UINT32_MAX;
        std::uint64_t used = 0;
        base::Bytes raw;
    };
    std::unique_ptr<io::File> file_;
    BlockReader reader_;
    base::Uuid recording_;
    std::vector<std::uint64_t> offsets_;
    std::array<Cached, kCachedBlocks> cache_;
    std::uint64_t clock_ = 0;
};

// The packets of one stream on their way.
struct Lane {
    std::uint16_t number = 0;
    bool is_video = false;
    const StreamFacts* facts = nullptr;
    const std::vector<PacketEntry>* entries = nullptr;
    const Timeline* timeline = nullptr;
    std::map<const PayloadFormat*, std::uint16_t> formats{};  // their indices in the job
    std::size_t next = 0;
    std::optional<std::uint32_t> segment{};
};

class StoredPackets : public rendition::PacketSource {
public:
    StoredPackets(std::unique_ptr<SummaryBuilder> builder, std::unique_ptr<Blocks> blocks,
                  std::vector<Lane> lanes, bool with_previews, std::int64_t end_ns)
        : builder_(std::move(builder)),
          blocks_(std::move(blocks)),
          lanes_(std::move(lanes)),
          with_previews_(with_previews),
          end_ns_(end_ns) {}

    base::Result<bool, base::Reason> next(base::Bytes& out) override {
        if (with_previews_) {
            with_previews_ = false;
            for (Lane& lane : lanes_)
                if (auto failure = add_previews(lane, out)) return *failure;
            if (!out.empty()) return true;
        }
        while (out.size() < kFeedBytes) {
            Lane* lane = find_earliest();
            if (lane == nullptr) {
                rendition::append_record(out, {.type = rendition::RecordType::End}, {});
                return false;
            }
            if (auto failure = add(*lane, lane->next, rendition::RecordType::Packet, out))
                return *failure;
            ++lane->next;
        }
        return true;
    }

private:
    Lane* find_earliest() {
        Lane* earliest = nullptr;
        std::int64_t earliest_ns = end_ns_;  // nothing of a sender's makes it longer
        for (Lane& lane : lanes_) {
            if (lane.next >= lane.timeline->packets.size()) continue;
            const std::int64_t at_ns = lane.timeline->packets[lane.next].position_ns;
            if (at_ns >= earliest_ns) continue;
            earliest = &lane;
            earliest_ns = at_ns;
        }
        return earliest;
    }

    std::optional<base::Reason> add_previews(Lane& lane, base::Bytes& out) {
        if (!lane.is_video) return std::nullopt;
        const std::size_t limit = out.size() + kMaxPreviewBytes;
        const std::size_t count = std::min(lane.timeline->packets.size(), kMaxPreviews);
        for (std::size_t i = 0; i < count && out.size() < limit; ++i)
            if (auto failure = add(lane, i, rendition::RecordType::Preview, out)) return failure;
        lane.segment.reset();
        return std::nullopt;
    }

    std::optional<base::Reason> add(Lane& lane, std::size_t index, rendition::RecordType type,
                                    base::Bytes& out) {
        const PlacedPacket& placed = lane.timeline->packets[index];
        const PacketEntry& entry = (*lane.entries)[placed.entry];
        const auto format =
            lane.formats.find(lane.facts->find_format(entry.payload_type, entry.arrival_ns));
        if (format == lane.formats.end()) return std::nullopt;  // nobody said what it is
        const auto record = blocks_->find(entry.place);
        if (!record) return part_reason(record.error(), "packets");
        const base::ByteView packet = record->payload.subspan(
            std::min<std::size_t>(journal::kSourceSize, record->payload.size()));
        if (packet.size() > rendition::kMaxPacketBytes) return std::nullopt;
        rendition::append_record(out,
                                 {.type = type,
                                  .begins_segment = lane.segment != placed.segment,
                                  .stream = lane.number,
                                  .format = format->second,
                                  .position_ns = placed.position_ns},
                                 packet);
        lane.segment = placed.segment;
        return std::nullopt;
    }

    std::unique_ptr<SummaryBuilder> builder_;  // what the lanes point into
    std::unique_ptr<Blocks> blocks_;
    std::vector<Lane> lanes_;
    bool with_previews_;
    const std::int64_t end_ns_;
};

// What lies inside of RED (RFC 2198) has a number of its own, mostly the first that is offered.
void mark_inside_red(rendition::Stream& stream) {
    const auto is_red = [](const rendition::Format& format) {
        return base::iequals(format.encoding, "red");
    };
    const bool has_red =
        std::any_of(stream.formats.begin(), stream.formats.end(),
                    [&](const rendition::Format& f) { return f.is_used && is_red(f); });
    const auto first = std::find_if(stream.formats.begin(), stream.formats.end(),
                                    [&](const rendition::Format& f) { return !is_red(f); });
    if (has_red && first != stream.formats.end()) first->is_used = true;
}

// All formats that were negotiated; those of packets are marked.
void add_formats(Lane& lane, rendition::Stream& stream) {
    const auto add = [&](const PayloadFormat& format) {
        if (lane.formats.contains(&format)) return;
        const rendition::Format made{.payload_type = format.number,
                                     .is_used = false,
                                     .encoding = format.encoding,
                                     .clock_rate = format.clock_rate,
                                     .channels = format.channels,
                                     .fmtp = format.fmtp};
        auto known = std::find(stream.formats.begin(), stream.formats.end(), made);
        if (known == stream.formats.end()) {
            if (stream.formats.size() >= rendition::kMaxStreamFormats) return;
            known = stream.formats.insert(stream.formats.end(), made);
        }
        lane.formats[&format] = static_cast<std::uint16_t>(known - stream.formats.begin());
    };
    for (const StreamFacts::Formats& formats : lane.facts->formats)
        for (const PayloadFormat& format : formats.list) add(format);
    std::vector<bool> used(stream.formats.size());
    for (const PlacedPacket& placed : lane.timeline->packets) {
        const PacketEntry& entry = (*lane.entries)[placed.entry];
        const PayloadFormat* format = lane.facts->find_format(entry.payload_type, entry.arrival_ns);
        if (format == nullptr) continue;
        add(*format);  // one of RFC 3551's table
        used.resize(stream.formats.size());
        if (const auto found = lane.formats.find(format); found != lane.formats.end())
            used[found->second] = true;
    }
    for (std::size_t i = 0; i < used.size(); ++i) stream.formats[i].is_used = used[i];
    mark_inside_red(stream);
}

std::string name_of(const Summary& summary, const StreamSummary& stream) {
    if (stream.senders.empty()) return {};
    const std::string& aor = stream.senders.front();
    for (const ParticipantSummary& participant : summary.participants)
        if (participant.aor == aor && !participant.name.empty()) return participant.name;
    return aor;
}

std::string title_of(const Summary& summary) {
    std::string title;
    for (const ParticipantSummary& participant : summary.participants) {
        if (!title.empty()) title += ", ";
        title += participant.name.empty() ? participant.aor : participant.name;
    }
    return title.empty() ? summary.id : title;
}

base::Reason nothing(Product product) {
    if (product == Product::Track || product == Product::Sheet)
        return {"no_video", "The recording has no video of that kind."};
    if (product == Product::Tracks || product == Product::Webm || product == Product::Mp4)
        return {"no_media", "The recording has neither sound nor video."};
    return {"no_audio", "The recording has no sound."};
}

}  // namespace

base::Result<MediaJob, base::Reason> make_media_job(const StoredRecording& recording,
                                                    Product product,
                                                    std::optional<std::uint16_t> only) {
    auto part = recording.open("packets");
    if (!part) return part.error();
    auto blocks = std::make_unique<Blocks>(std::move(*part));
    auto builder = std::make_unique<SummaryBuilder>(base::Uuid{});
    ContentMarks content;
    recording.read_facts([&](const journal::Record& record) {
        builder->add(record);
        content.add(record);
    });
    if (auto failure = blocks->walk([&](const journal::Record& record, const RecordPlace& place) {
            builder->add(record, place);
        }))
        return *failure;
    builder->finish({});
    // What the recording was when it was stored, with what its metadata told of persons.
    const auto summary = recording.summary();
    if (!summary) return summary.error();

    MediaJob made;
    made.job = {.product = product,
                .title = title_of(*summary),
                .started = base::to_rfc3339(summary->start),
                .duration_ms = builder->duration_ms()};
    const std::vector<std::size_t> sides = stereo_channels({&*summary, 1});
    std::vector<Lane> lanes;
    std::size_t audio = 0;
    for (const std::size_t index : streams_by_label(*summary)) {
        const StreamSummary& told = summary->streams[index];
        const bool is_first = told.media == "audio" && audio < sides.size() && sides[audio] == 0;
        if (told.media == "audio") ++audio;
        const auto facts = builder->streams().find(told.stream);
        if (facts == builder->streams().end() || !builder->has_packets(told.stream) ||
            !wants(product, facts->second) || (only && *only != told.stream) ||
            lanes.size() >= rendition::kMaxJobStreams)
            continue;
        Lane lane{.number = told.stream,
                  .is_video = facts->second.media == "video",
                  .facts = &facts->second,
                  .entries = &builder->packets(told.stream).entries,
                  .timeline = &builder->timeline(told.stream)};
        rendition::Stream stream{.number = told.stream,
                                 .label = told.label,
                                 .media = facts->second.media,
                                 .name = name_of(*summary, told),
                                 .is_content = content.has(told.stream),
                                 .is_first = is_first,
                                 .formats = {},
                                 .gaps = {}};
        for (const Gap& gap : told.gaps)
            stream.gaps.push_back({.start_ms = gap.start_ms,
                                   .duration_ms = gap.duration_ms,
                                   .reason = std::string(to_string(gap.reason))});
        add_formats(lane, stream);
        made.job.streams.push_back(std::move(stream));
        lanes.push_back(std::move(lane));
    }
    if (lanes.empty()) return nothing(product);
    const std::int64_t end_ns = made.job.duration_ms * 1'000'000;
    made.packets = std::make_unique<StoredPackets>(
        std::move(builder), std::move(blocks), std::move(lanes), needs_previews(product), end_ns);
    return made;
}

bool has_sound_beyond_tracks(const Summary& summary) {
    return std::any_of(summary.streams.begin(), summary.streams.end(),
                       [](const StreamSummary& stream) {
                           return stream.media == "audio" && stream.packets > 0 &&
                                  stream.track.empty() && !stream.codec.empty();
                       });
}

}  // namespace earshot::archive
