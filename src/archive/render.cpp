#include "archive/render.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "archive/audio_export.h"
#include "archive/chat_export.h"
#include "archive/limits.h"
#include "archive/manifest.h"
#include "archive/pcap_export.h"
#include "archive/stored_recording.h"
#include "archive/text_export.h"
#include "archive/text_rendering.h"
#include "base/json_writer.h"
#include "io/linux_file.h"
#include "siprec/metadata.h"

namespace earshot::archive {
namespace {

using nlohmann::json;

constexpr std::size_t kChunkBytes = 64ULL * 1024;
constexpr std::size_t kMaxLineBytes = 2ULL * 1024 * 1024;

struct FormatRow {
    Format format;
    std::string_view name;
    std::string_view content_type;
    std::string_view extension;
};
constexpr std::array<FormatRow, 10> kFormats{
    {{Format::Wav, "wav", "audio/wav", "wav"},
     {Format::Stereo, "stereo", "audio/wav", "wav"},
     {Format::Pcap, "pcap", "application/vnd.tcpdump.pcap", "pcap"},
     {Format::Xml, "xml", "application/xml", "xml"},
     {Format::Json, "json", "application/json", "json"},
     {Format::Vtt, "vtt", "text/vtt", "vtt"},
     {Format::Srt, "srt", "application/x-subrip", "srt"},
     {Format::Text, "txt", "text/plain; charset=utf-8", "txt"},
     {Format::Timeline, "timeline", "application/json", "timeline.json"},
     {Format::Chat, "chat", "application/json", "chat.json"}}};

const FormatRow& row_of(Format format) { return kFormats.at(static_cast<std::size_t>(format)); }

using Labels = std::map<std::int64_t, std::string>;  // by the stream's number

// An event names its stream by number; people know the label. It is that of the time of the event.
// `line` is JSON.
void add_label(std::string& line, const json& event, Labels& labels) {
    if (!event.is_object() || !event.contains("stream")) return;
    const json& stream = event["stream"];
    if (!stream.is_number_integer()) return;
    const auto number = stream.get<std::int64_t>();
    if (event.contains("label")) {
        if (event["label"].is_string() && (labels.contains(number) || labels.size() < kMaxStreams))
            labels[number] = event["label"].get<std::string>();
        return;
    }
    const auto known = labels.find(number);
    const std::size_t end = line.rfind('}');
    if (known == labels.end() || end == std::string::npos) return;
    std::string label;
    base::append_json_text(label, known->second);
    line.insert(end, ",\"label\":" + label);
}

// {"summary": ..., "events": [...], "manifest": ...}; the events line by line.
class JsonRendering : public Rendering {
public:
    JsonRendering(std::string head, std::string tail, std::unique_ptr<io::File> events,
                  Labels labels)
        : pending_(std::move(head)),
          tail_(std::move(tail)),
          labels_(std::move(labels)),
          events_(std::move(events)),
          lines_(*events_, kMaxLineBytes) {}

    base::Result<bool, base::Reason> next(std::string& chunk) override {
        while (!is_at_end_ && pending_.size() < kChunkBytes) {
            auto line = lines_.next();
            if (!line) return part_reason(line.error(), "events");
            if (!line->has_value()) {
                pending_ += tail_;
                is_at_end_ = true;
                break;
            }
            const json event = json::parse(**line, nullptr, false);
            if (event.is_discarded())
                return part_reason({base::Errc::Malformed, "a line is no JSON"}, "events");
            add_label(**line, event, labels_);
            pending_ += is_first_ ? "\n" : ",\n";
            pending_ += **line;
            is_first_ = false;
        }
        chunk = std::move(pending_);
        pending_.clear();
        return !chunk.empty();
    }

private:
    std::string pending_;
    std::string tail_;
    Labels labels_;  // as of the last event; of streams that come later, their last one
    std::unique_ptr<io::File> events_;
    LineReader lines_;
    bool is_first_ = true;
    bool is_at_end_ = false;
};

using RenderResult = base::Result<std::unique_ptr<Rendering>, base::Reason>;

RenderResult render_json(const StoredRecording& recording) {
    const auto summary = recording.summary();
    if (!summary) return summary.error();
    const auto manifest = recording.read(kManifestName, kMaxManifestBytes);
    if (!manifest) return manifest.error();
    if (!json::accept(*manifest)) {
        return part_reason({base::Errc::Malformed, "it is no JSON"}, kManifestName);
    }
    auto events = recording.open("events");
    if (!events) return events.error();
    Labels labels;
    for (const StreamSummary& stream : summary->streams) labels[stream.stream] = stream.label;
    std::string head = "{\"summary\":" + to_json(*summary) + ",\n\"events\":[";
    return std::unique_ptr<Rendering>(
        std::make_unique<JsonRendering>(std::move(head), "\n],\n\"manifest\":" + *manifest + "}\n",
                                        std::move(*events), std::move(labels)));
}

// The documents merged in order. What one recording session told at different times stands in
// `metadata/` as received; here is its last state.
RenderResult render_xml(const StoredRecording& recording) {
    const auto model = recording.metadata();
    if (!model) return model.error();
    if (model->objects().count() == 0) {
        return base::Reason{"no_metadata", "The recording has no metadata that can be read."};
    }
    return std::unique_ptr<Rendering>(
        std::make_unique<TextRendering>(siprec::write_metadata(model->snapshot())));
}

// {"pieces": [...]}, the JSON of one piece after another.
class PiecesRendering : public Rendering {
public:
    explicit PiecesRendering(std::vector<std::unique_ptr<Rendering>> pieces)
        : pieces_(std::move(pieces)) {}
    base::Result<bool, base::Reason> next(std::string& chunk) override {
        if (at_ == pieces_.size()) return false;
        if (!is_begun_) {
            is_begun_ = true;
            chunk = at_ == 0 ? "{\"pieces\":[" : ",\n";
            return true;
        }
        auto more = pieces_[at_]->next(chunk);
        if (!more || *more) return more;
        is_begun_ = false;
        chunk = ++at_ == pieces_.size() ? "]}\n" : "";
        if (chunk.empty()) return next(chunk);
        return true;
    }

private:
    std::vector<std::unique_ptr<Rendering>> pieces_;
    std::size_t at_ = 0;
    bool is_begun_ = false;
};

RenderResult render_pieces(io::FileSystem& files, const std::vector<std::string>& directories,
                           const crypto::KeyWrapper* keys) {
    std::vector<std::unique_ptr<Rendering>> pieces;
    for (const std::string& directory : directories) {
        auto piece = render_json(StoredRecording(files, directory, keys));
        if (!piece) return piece.error();
        pieces.push_back(std::move(*piece));
    }
    return std::unique_ptr<Rendering>(std::make_unique<PiecesRendering>(std::move(pieces)));
}

// Renders from the real disk and keeps its file system alive.
class OwningRendering : public Rendering {
public:
    OwningRendering(std::unique_ptr<io::FileSystem> files, std::unique_ptr<Rendering> inner)
        : files_(std::move(files)), inner_(std::move(inner)) {}
    std::optional<std::uint64_t> size() const override { return inner_->size(); }
    base::Result<bool, base::Reason> next(std::string& chunk) override {
        return inner_->next(chunk);
    }

private:
    std::unique_ptr<io::FileSystem> files_;
    std::unique_ptr<Rendering> inner_;
};

}  // namespace

std::optional<Format> parse_format(std::string_view name) {
    const auto* found = std::find_if(kFormats.begin(), kFormats.end(),
                                     [&](const FormatRow& row) { return row.name == name; });
    if (found == kFormats.end()) return std::nullopt;
    return found->format;
}
std::string_view content_type(Format format) { return row_of(format).content_type; }
std::string_view file_extension(Format format) { return row_of(format).extension; }

RenderResult render(io::FileSystem& files, const std::string& directory, Format format,
                    const crypto::KeyWrapper* keys, Reading reading,
                    std::chrono::minutes utc_offset) {
    const StoredRecording recording(files, directory, keys);
    switch (format) {
        case Format::Wav:
            return render_audio({&recording, 1}, false);
        case Format::Stereo:
            return render_audio({&recording, 1}, true);
        case Format::Pcap:
            return render_pcap(recording);
        case Format::Xml:
            return render_xml(recording);
        case Format::Vtt:
        case Format::Srt:
        case Format::Text:
        case Format::Timeline:
            return render_text({&recording, 1}, format, reading, utc_offset);
        case Format::Chat:
            return render_chat({&recording, 1}, reading);
        case Format::Json:
            break;
    }
    return render_json(recording);
}

RenderResult render_whole(io::FileSystem& files, const std::vector<std::string>& directories,
                          Format format, const crypto::KeyWrapper* keys, Reading reading,
                          std::chrono::minutes utc_offset) {
    if (directories.size() == 1)
        return render(files, directories.front(), format, keys, reading, utc_offset);
    if (format == Format::Json) return render_pieces(files, directories, keys);
    if (format == Format::Pcap || format == Format::Xml)
        return base::Reason{"several_pieces", "This format tells of one piece of a recording."};
    std::vector<StoredRecording> pieces;
    pieces.reserve(directories.size());
    for (const std::string& directory : directories) pieces.emplace_back(files, directory, keys);
    if (format == Format::Chat) return render_chat(pieces, reading);
    if (format != Format::Wav && format != Format::Stereo)
        return render_text(pieces, format, reading, utc_offset);
    return render_audio(pieces, format == Format::Stereo);
}

RenderResult render_whole(const std::vector<std::string>& directories, Format format,
                          const crypto::KeyWrapper* keys, Reading reading,
                          std::chrono::minutes utc_offset) {
    auto files = std::make_unique<io::LinuxFileSystem>();
    auto inner = render_whole(*files, directories, format, keys, reading, utc_offset);
    if (!inner) return inner.error();
    return std::unique_ptr<Rendering>(
        std::make_unique<OwningRendering>(std::move(files), std::move(*inner)));
}

base::Result<std::string, base::Reason> read_peaks(const std::string& directory,
                                                   const crypto::KeyWrapper* keys) {
    io::LinuxFileSystem files;
    return StoredRecording(files, directory, keys).read("peaks.json", kMaxPeaksBytes);
}

base::Result<std::unique_ptr<io::File>, base::Reason> open_track(const std::string& directory,
                                                                 std::string_view label,
                                                                 const crypto::KeyWrapper* keys) {
    io::LinuxFileSystem files;
    const StoredRecording recording(files, directory, keys);
    const auto summary = recording.summary();
    if (!summary) return summary.error();
    for (const StreamSummary& stream : summary->streams) {
        const bool is_safe = stream.track.find('/') == std::string::npos;
        if (stream.label == label && !stream.track.empty() && is_safe)
            return recording.open("tracks/" + stream.track + ".wav");
    }
    return base::Reason{"not_found", "No stream of this label has a track."};
}

}  // namespace earshot::archive
