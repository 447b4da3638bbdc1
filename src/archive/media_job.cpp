#include "archive/media_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>

#include "archive/audio_export.h"
#include "archive/limits.h"
#include "archive/summary_builder.h"
#include "base/text.h"
#include "base/time.h"
#include "payload/fec.h"
#include "rendition/packet_stream.h"

namespace earshot::archive {
namespace {

using rendition::Product;

constexpr std::size_t kFeedBytes = 256UL * 1024;
constexpr std::int64_t kMsNs = 1'000'000;
// From the first piece to a later one, and of a piece: beyond that a stored time is damage.
constexpr std::int64_t kMaxWholeMs = std::int64_t{180} * 24 * 3600 * 1000;

// A shared screen, not a camera: as the server took it, else by RFC 4796.
bool is_content(const StreamFacts& facts) {
    if (!facts.role.empty()) return facts.role == "content";
    return facts.content.find("slides") != std::string::npos;
}

bool wants(Product product, const StreamFacts& facts) {
    switch (product) {
        case Product::Marks:
            return facts.media == "video" && is_content(facts);
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

// A piece, as its packets are read.
struct Piece {
    std::unique_ptr<SummaryBuilder> builder;
    std::unique_ptr<Blocks> blocks;
    // What the recording was when it was stored, with what its metadata told of persons.
    Summary summary;
    std::int64_t begin_ms = 0;  // on the timeline of the whole
    std::int64_t end_ms = 0;
};

// The packets of one stream of a piece on their way.
struct Lane {
    std::uint16_t number = 0;  // of the job's stream
    bool is_video = false;
    Piece* piece = nullptr;
    const StreamFacts* facts = nullptr;
    const std::vector<PacketEntry>* entries = nullptr;
    const Timeline* timeline = nullptr;
    std::map<const PayloadFormat*, std::uint16_t> formats{};  // their indices in the job
    std::size_t next = 0;
    std::optional<std::uint32_t> segment{};
};

class StoredPackets : public rendition::PacketSource {
public:
    StoredPackets(std::vector<std::unique_ptr<Piece>> pieces, std::vector<Lane> lanes,
                  bool with_previews)
        : pieces_(std::move(pieces)), lanes_(std::move(lanes)), with_previews_(with_previews) {}

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
        std::int64_t earliest_ns = INT64_MAX;
        for (Lane& lane : lanes_) {
            if (lane.next >= lane.timeline->packets.size()) continue;
            const std::int64_t at_ns = place_of(lane, lane.timeline->packets[lane.next]);
            // Nothing of a sender's makes its piece longer.
            if (at_ns >= earliest_ns || at_ns >= lane.piece->end_ms * kMsNs) continue;
            earliest = &lane;
            earliest_ns = at_ns;
        }
        return earliest;
    }
    static std::int64_t place_of(const Lane& lane, const PlacedPacket& packet) {
        return packet.position_ns + lane.piece->begin_ms * kMsNs;
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
        const auto record = lane.piece->blocks->find(entry.place);
        if (!record) return part_reason(record.error(), "packets");
        const base::ByteView packet = record->payload.subspan(
            std::min<std::size_t>(journal::kSourceSize, record->payload.size()));
        if (packet.size() > rendition::kMaxPacketBytes) return std::nullopt;
        rendition::append_record(out,
                                 {.type = type,
                                  .begins_segment = lane.segment != placed.segment,
                                  .begins_piece = !lane.segment.has_value(),
                                  .stream = lane.number,
                                  .format = format->second,
                                  .position_ns = place_of(lane, placed)},
                                 packet);
        lane.segment = placed.segment;
        return std::nullopt;
    }

    const std::vector<std::unique_ptr<Piece>> pieces_;  // what the lanes point into
    std::vector<Lane> lanes_;
    bool with_previews_;
};

// What lies inside of RED (RFC 2198) has a number of its own, mostly the first that is offered.
void mark_inside_red(rendition::Stream& stream) {
    const auto is = [](const rendition::Format& format, std::string_view name) {
        return base::iequals(format.encoding, name);
    };
    const bool has_red =
        std::any_of(stream.formats.begin(), stream.formats.end(),
                    [&](const rendition::Format& f) { return f.is_used && is(f, "red"); });
    const auto first =
        std::find_if(stream.formats.begin(), stream.formats.end(), [&](const rendition::Format& f) {
            return !is(f, "red") && !is(f, "rtx") && !payload::find_fec_scheme(f.encoding);
        });
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
        auto known = std::find_if(stream.formats.begin(), stream.formats.end(),
                                  [&](rendition::Format other) {
                                      other.is_used = false;
                                      return other == made;
                                  });
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
    // Of a stream that goes on, the piece before may have used some.
    for (std::size_t i = 0; i < used.size(); ++i)
        if (used[i]) stream.formats[i].is_used = true;
    mark_inside_red(stream);
}

// Of a mix, or of the camera of who speaks, it is the names of all who were in it.
std::string name_of(const Summary& summary, const StreamSummary& stream) {
    constexpr std::size_t kMaxNames = 3;
    const auto name = [&](const std::string& aor) {
        for (const ParticipantSummary& participant : summary.participants)
            if (participant.aor == aor && !participant.name.empty()) return participant.name;
        return aor;
    };
    std::string names;
    const std::size_t count = stream.senders.size();
    for (std::size_t i = 0; i < std::min(count, kMaxNames); ++i)
        names += (i == 0 ? "" : ", ") + name(stream.senders[i]);
    return count > kMaxNames ? fmt::format("{} and {} more", names, count - kMaxNames) : names;
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
    if (product == Product::Marks) return {"no_video", "Nothing was shared in the recording."};
    if (product == Product::Track || product == Product::Sheet)
        return {"no_video", "The recording has no video of that kind."};
    if (product == Product::Tracks || product == Product::Webm || product == Product::Mp4)
        return {"no_media", "The recording has neither sound nor video."};
    return {"no_audio", "The recording has no sound."};
}

base::Result<std::unique_ptr<Piece>, base::Reason> read_piece(const StoredRecording& recording) {
    auto piece = std::make_unique<Piece>();
    auto part = recording.open("packets");
    if (!part) return part.error();
    piece->blocks = std::make_unique<Blocks>(std::move(*part));
    piece->builder = std::make_unique<SummaryBuilder>(base::Uuid{});
    SummaryBuilder& builder = *piece->builder;
    recording.read_facts([&](const journal::Record& record) { builder.add(record); });
    if (auto failure =
            piece->blocks->walk([&](const journal::Record& record, const RecordPlace& place) {
                builder.add(record, place);
            }))
        return *failure;
    builder.finish({});
    auto summary = recording.summary();
    if (!summary) return summary.error();
    piece->summary = std::move(*summary);
    return piece;
}

// Where each piece stands, and how long all of it lasts; nullopt: a stored time makes no sense.
std::optional<std::int64_t> lay_out(std::span<const std::unique_ptr<Piece>> pieces) {
    base::WallTime start = pieces.front()->summary.start;
    for (const auto& piece : pieces) start = std::min(start, piece->summary.start);
    std::int64_t duration_ms = 0;
    for (const auto& piece : pieces) {
        piece->begin_ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(piece->summary.start - start)
                .count();
        const std::int64_t lasts = piece->builder->duration_ms();
        if (piece->begin_ms > kMaxWholeMs || lasts > kMaxWholeMs) return std::nullopt;
        piece->end_ms = piece->begin_ms + lasts;
        duration_ms = std::max(duration_ms, piece->end_ms);
    }
    return duration_ms;
}

void add_gap(rendition::Stream& stream, std::int64_t start_ms, std::int64_t duration_ms,
             std::string reason) {
    if (duration_ms > 0 && stream.gaps.size() < kMaxGaps)
        stream.gaps.push_back(
            {.start_ms = start_ms, .duration_ms = duration_ms, .reason = std::move(reason)});
}

// Makes the job of the pieces' streams.
class JobMaker {
public:
    JobMaker(std::vector<std::unique_ptr<Piece>> pieces, Product product,
             std::optional<std::uint16_t> only)
        : pieces_(std::move(pieces)), product_(product), only_(only) {}

    base::Result<MediaJob, base::Reason> make(std::int64_t duration_ms) {
        std::vector<Summary> summaries;
        for (const auto& piece : pieces_) summaries.push_back(piece->summary);
        job_ = {.product = product_,
                .title = title_of(summaries.front()),
                .started = base::to_rfc3339(begin_of(summaries)),
                .duration_ms = duration_ms};
        const std::vector<std::size_t> sides = stereo_channels(summaries);
        std::size_t audio = 0;
        for (const auto& piece : pieces_)
            for (const std::size_t index : streams_by_label(piece->summary)) {
                const StreamSummary& told = piece->summary.streams[index];
                const bool is_audio = told.media == "audio";
                add(*piece, told, is_audio && audio < sides.size() && sides[audio] == 0);
                if (is_audio) ++audio;
            }
        if (lanes_.empty()) return nothing(product_);
        for (std::size_t i = 0; i < job_.streams.size(); ++i)
            add_gap(job_.streams[i], end_ms_[i], duration_ms - end_ms_[i], "not_recorded");
        MediaJob made{.job = std::move(job_), .packets = {}};
        made.packets = std::make_unique<StoredPackets>(std::move(pieces_), std::move(lanes_),
                                                       needs_previews(product_));
        return made;
    }

private:
    static base::WallTime begin_of(const std::vector<Summary>& summaries) {
        return std::min_element(
                   summaries.begin(), summaries.end(),
                   [](const Summary& a, const Summary& b) { return a.start < b.start; })
            ->start;
    }

    void add(Piece& piece, const StreamSummary& told, bool is_first) {
        const auto facts = piece.builder->streams().find(told.stream);
        if (facts == piece.builder->streams().end() || !piece.builder->has_packets(told.stream) ||
            !wants(product_, facts->second) || (only_ && *only_ != told.stream) ||
            lanes_.size() >= rendition::kMaxJobStreams)
            return;
        rendition::Stream& stream = stream_of(piece, {.number = told.stream,
                                                      .label = told.label,
                                                      .media = facts->second.media,
                                                      .name = name_of(piece.summary, told),
                                                      .is_content = is_content(facts->second),
                                                      .is_first = is_first,
                                                      .formats = {},
                                                      .gaps = {}});
        for (const Gap& gap : told.gaps)
            add_gap(stream, piece.begin_ms + gap.start_ms, gap.duration_ms,
                    std::string(to_string(gap.reason)));
        Lane lane{.number = stream.number,
                  .is_video = stream.is_video(),
                  .piece = &piece,
                  .facts = &facts->second,
                  .entries = &piece.builder->packets(told.stream).entries,
                  .timeline = &piece.builder->timeline(told.stream)};
        add_formats(lane, stream);
        lanes_.push_back(std::move(lane));
    }

    // The one that goes on in this piece, or a new one.
    rendition::Stream& stream_of(const Piece& piece, rendition::Stream wanted) {
        for (std::size_t i = 0; i < job_.streams.size(); ++i) {
            rendition::Stream& known = job_.streams[i];
            if (end_ms_[i] > piece.begin_ms || known.label != wanted.label ||
                known.media != wanted.media || known.name != wanted.name ||
                known.is_content != wanted.is_content)
                continue;
            add_gap(known, end_ms_[i], piece.begin_ms - end_ms_[i], "not_recorded");
            end_ms_[i] = piece.end_ms;
            return known;
        }
        if (pieces_.size() > 1) wanted.number = static_cast<std::uint16_t>(job_.streams.size());
        end_ms_.push_back(piece.end_ms);
        return job_.streams.emplace_back(std::move(wanted));
    }

    std::vector<std::unique_ptr<Piece>> pieces_;
    const Product product_;
    const std::optional<std::uint16_t> only_;
    rendition::Job job_;
    std::vector<std::int64_t> end_ms_;  // of each of the job's streams, so far
    std::vector<Lane> lanes_;
};

}  // namespace

base::Result<MediaJob, base::Reason> make_media_job(std::span<const StoredRecording> recordings,
                                                    Product product,
                                                    std::optional<std::uint16_t> only) {
    std::vector<std::unique_ptr<Piece>> pieces;
    for (const StoredRecording& recording : recordings) {
        auto piece = read_piece(recording);
        if (!piece) return piece.error();
        pieces.push_back(std::move(*piece));
    }
    // One piece after another, so that a stream meets the one that it goes on from.
    std::stable_sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) {
        return a->summary.start < b->summary.start;
    });
    const auto duration_ms = lay_out(pieces);
    if (!duration_ms)
        return part_reason({base::Errc::Malformed, "start or duration out of range"},
                           "summary.json");
    return JobMaker(std::move(pieces), product, only).make(*duration_ms);
}

bool has_sound_beyond_tracks(const Summary& summary) {
    return std::any_of(summary.streams.begin(), summary.streams.end(),
                       [](const StreamSummary& stream) {
                           return stream.media == "audio" && stream.packets > 0 &&
                                  stream.track.empty() && !stream.codec.empty();
                       });
}

}  // namespace earshot::archive
