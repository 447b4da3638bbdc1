#include "archive/archive.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "archive/block_file.h"
#include "archive/data_key.h"
#include "archive/manifest.h"
#include "archive/message_contents.h"
#include "archive/part_writer.h"
#include "archive/summary_builder.h"
#include "archive/track_writer.h"
#include "base/text.h"

namespace earshot::archive {
namespace {

using nlohmann::json;

// Appends text to a part in large writes.
class TextPart {
public:
    explicit TextPart(io::File& file) : file_(file) {}
    base::Result<base::Done> write(std::string_view text) {
        buffer_ += text;
        if (buffer_.size() < kFlushBytes) return base::Done{};
        return flush();
    }
    base::Result<base::Done> flush() {
        auto written = file_.write_at(offset_, base::as_bytes(buffer_));
        offset_ += buffer_.size();
        buffer_.clear();
        return written;
    }

private:
    static constexpr std::size_t kFlushBytes = 64ULL * 1024;
    io::File& file_;
    std::string buffer_;
    std::uint64_t offset_ = 0;
};

// A line of the part `events`: the event as it was journalled, with its time.
std::string make_event_line(const journal::Record& record) {
    json line = json::parse(base::as_text(record.payload), nullptr, false);
    if (!line.is_object()) {
        line = {{"type", "unreadable_event"}, {"base64", base::to_base64(record.payload)}};
    }
    if (record.header.type == journal::RecordType::Attempt && !line.contains("type")) {
        line["type"] = "attempt";
    }
    line["time"] = base::to_rfc3339(base::wall_from_ns(record.header.arrival_ns));
    line["arrival_ns"] = record.header.arrival_ns;
    if (record.header.stream != journal::kNoStream) line["stream"] = record.header.stream;
    return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

// A label as a file name: letters, digits, '-' and '_' stay, anything else becomes '_'. `taken`
// holds lower-case names: two labels must not meet on any file system.
std::string make_track_name(const std::string& label, std::uint16_t stream,
                            std::set<std::string>& taken) {
    constexpr std::size_t kMaxName = 64;
    std::string name;
    for (const char c : label.substr(0, kMaxName)) {
        const bool is_plain = base::is_digit(c) ||
                              (base::to_lower(c) >= 'a' && base::to_lower(c) <= 'z') || c == '-' ||
                              c == '_';
        name += is_plain ? c : '_';
    }
    if (name.empty()) name = "stream";
    if (!taken.insert(base::to_lower(name)).second) {
        name += "." + std::to_string(stream);  // unlike any label's name: those hold no dot
        taken.insert(base::to_lower(name));
    }
    return name;
}

class Build {
public:
    explicit Build(const BuildInput& input) : input_(input), summary_builder_(input.recording) {}

    // The folder's date comes with the first record and cannot be changed afterwards.
    base::Result<BuildOutput, base::Reason> run() {
        auto record = input_.records.next();
        if (!record)
            return base::Reason{"no_records", "The journal holds nothing of this recording."};
        key_ = {.recording = input_.recording,
                .start = base::wall_from_ns(record->header.arrival_ns)};
        auto writer = input_.objects.begin(key_);
        if (!writer) return storage_reason(writer.error(), "folder");
        object_ = std::move(*writer);
        auto parts = PartWriter::begin(*object_, input_.recording, input_.encryption);
        if (!parts) return storage_reason(parts.error(), kContentName);
        parts_ = *std::move(parts);
        if (auto failure = store_records(*record)) return *failure;
        finish_summary();
        if (auto failure = store_tracks()) return *failure;
        Chat chat;
        if (messages_) {
            if (auto failure = finish_chat(chat)) return *failure;
        }
        if (auto failure = store_timeline(chat)) return *failure;
        if (!chat.empty()) {
            if (auto failure = store_text(std::string(kChatName), to_json(chat) + "\n"))
                return *failure;
        }
        const std::string text = to_stored_json(summary_) + "\n";
        if (auto failure = store_text("summary.json", text)) return *failure;
        return finish();
    }

private:
    using Failure = std::optional<base::Reason>;

    Failure close(const std::string& name) {
        const auto closed = parts_->close(name);
        if (!closed) return storage_reason(closed.error(), name);
        return std::nullopt;
    }

    Failure store_text(const std::string& name, std::string_view text) {
        const auto written = parts_->create(name).write_at(0, base::as_bytes(text));
        if (!written) return storage_reason(written.error(), name);
        return close(name);
    }

    Failure store_records(journal::Record record) {
        packet_file_ = &parts_->create("packets");
        packets_.emplace(*packet_file_, BlockFileKind::Packets, input_.recording);
        signalling_.emplace(parts_->create("signalling"), BlockFileKind::Signalling,
                            input_.recording);
        TextPart event_lines(parts_->create("events"));
        std::optional<journal::Record> next = record;
        for (; next; next = input_.records.next()) {
            if (auto failed = store_record(*next, event_lines)) return failed;
        }
        auto done = packets_->finish();
        if (done) done = signalling_->finish();
        if (done) done = event_lines.flush();
        if (done && messages_) done = messages_->finish();
        if (!done) return storage_reason(done.error(), "packets, signalling, events or messages");
        if (auto failed = close("signalling")) return failed;
        return close("events");
    }

    Failure store_record(const journal::Record& record, TextPart& events) {
        switch (record.header.type) {
            case journal::RecordType::Rtp:
            case journal::RecordType::Rtcp: {
                const auto place = packets_->append(record.header, record.payload);
                if (!place) return storage_reason(place.error(), "packets");
                summary_builder_.add(record, *place);
                return std::nullopt;
            }
            case journal::RecordType::SipMessage: {
                const auto place = signalling_->append(record.header, record.payload);
                if (!place) return storage_reason(place.error(), "signalling");
                break;
            }
            case journal::RecordType::Metadata: {
                if (documents_ >= kMaxDocuments) break;
                std::string name = std::to_string(++documents_);
                name = "metadata/" + std::string(4 - name.size(), '0') + name + ".xml";
                if (auto failure = store_text(name, base::as_text(record.payload))) return failure;
                break;
            }
            case journal::RecordType::MessageHead:
            case journal::RecordType::MessageContent:
            case journal::RecordType::MessageEnd:
            case journal::RecordType::MessageRequest: {
                if (!messages_) {
                    message_file_ = &parts_->create(std::string(kMessagesName));
                    messages_.emplace(*message_file_, BlockFileKind::Messages, input_.recording);
                }
                const auto place = messages_->append(record.header, record.payload);
                if (!place) return storage_reason(place.error(), std::string(kMessagesName));
                break;
            }
            case journal::RecordType::Event:
            case journal::RecordType::Attempt: {
                const auto written = events.write(make_event_line(record));
                if (!written) return storage_reason(written.error(), "events");
                break;
            }
            case journal::RecordType::Close:
                break;
        }
        summary_builder_.add(record);
        return std::nullopt;
    }

    void finish_summary() {
        summary_ = summary_builder_.finish({.damage = input_.records.damage(),
                                            .failure = input_.failure,
                                            .was_closed = input_.was_closed,
                                            .too_short = input_.too_short});
    }

    // Packets came, and nothing is to be heard in them from begin to end.
    void note_silence(const StreamSummary& stream, const Track& track) {
        const auto is_loud = [](std::int16_t sample) { return std::abs(sample) > kSilenceLevel; };
        if (track.peak_min.empty() ||
            std::any_of(track.peak_min.begin(), track.peak_min.end(), is_loud) ||
            std::any_of(track.peak_max.begin(), track.peak_max.end(), is_loud))
            return;
        summary_.warnings.push_back(
            {"silent", stream.label,
             "Stream " + stream.label + " brought packets, but silence throughout."});
    }

    Failure store_tracks() {
        json levels{{"interval_ms", kPeakIntervalMs}, {"tracks", json::array()}};
        std::set<std::string> taken;
        StoredRecords records(*packet_file_, *packets_);
        for (const std::size_t index : streams_by_label(summary_)) {
            StreamSummary& stream = summary_.streams[index];
            if (stream.media != "audio" || !summary_builder_.has_packets(stream.stream)) continue;
            const auto& entries = summary_builder_.packets(stream.stream).entries;
            const Timeline& timeline = summary_builder_.timeline(stream.stream);
            const StreamFacts& facts = summary_builder_.streams().at(stream.stream);
            const auto form = find_track_form(entries, timeline, facts);
            if (!form) continue;
            const std::string name = make_track_name(stream.label, stream.stream, taken);
            const std::string part = "tracks/" + name + ".wav";
            const auto track =
                write_track(parts_->create(part), *form, summary_builder_.duration_ms(), entries,
                            timeline, facts, records);
            if (!track) return storage_reason(track.error(), part);
            if (auto failed = close(part)) return failed;
            stream.track = name;
            note_silence(stream, *track);
            json noise = json::array();
            for (const NoiseMark& mark : track->noise) {
                noise.push_back({mark.start_ms, mark.duration_ms});
            }
            levels["tracks"].push_back({{"label", stream.label},
                                        {"track", name},
                                        {"min", track->peak_min},
                                        {"max", track->peak_max},
                                        {"comfort_noise", std::move(noise)}});
        }
        return store_text("peaks.json", levels.dump() + "\n");
    }

    Failure store_timeline(const Chat& chat) {
        CallTimeline timeline = summary_builder_.call_timeline();
        for (Sharing& picture : pictures_of(chat))
            if (timeline.sharing.size() < kMaxSharings)
                timeline.sharing.push_back(std::move(picture));
        if (timeline.empty()) return std::nullopt;
        return store_text(std::string(kTimelineName), to_json(timeline) + "\n");
    }

    // Files are read once more, for their hashes.
    Failure finish_chat(Chat& chat) {
        chat = summary_builder_.chat();
        if (const auto large = summary_builder_.messages().large(); !large.empty()) {
            MessageContents contents(*message_file_);
            auto done = contents.scan(large);
            if (done) done = MessageCollector::finish_files(chat, contents);
            if (!done) return storage_reason(done.error(), std::string(kMessagesName));
        }
        chat.mark_repeated();
        add_writers(chat, summary_builder_.facts(), summary_.participants);
        return close(std::string(kMessagesName));
    }

    base::Result<BuildOutput, base::Reason> finish() {
        const auto written = parts_->finish();
        if (!written) return storage_reason(written.error(), kContentName);
        const auto content = object_->digest(kContentName);
        if (!content) return storage_reason(content.error(), kContentName);
        const Manifest manifest{
            .id = summary_.id,
            .parts = {{.name = content->name, .size = content->size, .sha256 = content->sha256}},
            .chains = std::nullopt,
            .public_key = {},
            .key_hash = parts_->key_hash()};
        BuildOutput output;
        std::vector<objects::PartInfo>& expected = output.object.expected;
        expected.push_back(*content);
        const std::string text = make_manifest(summary_, manifest, input_.now, input_.key);
        if (auto failure = store_plain(kManifestName, base::as_bytes(text), expected))
            return *failure;
        if (const auto key = parts_->key_part())
            if (auto failure = store_plain(kKeyName, *key, expected)) return *failure;
        for (const objects::PartInfo& info : expected) output.bytes += info.size;
        output.object.writer = std::move(object_);
        std::string date = base::to_rfc3339(key_.start).substr(0, 10);
        std::replace(date.begin(), date.end(), '-', '/');
        output.directory = date + "/" + summary_.id;
        output.summary = std::move(summary_);
        return output;
    }

    // What can be read without a key.
    Failure store_plain(const std::string& name, base::ByteView bytes,
                        std::vector<objects::PartInfo>& expected) {
        const auto file = object_->create_part(name);
        if (!file) return storage_reason(file.error(), name);
        const auto written = (*file)->write_at(0, bytes);
        if (!written) return storage_reason(written.error(), name);
        const auto info = object_->digest(name);
        if (!info) return storage_reason(info.error(), name);
        expected.push_back(*info);
        return std::nullopt;
    }

    const BuildInput& input_;
    SummaryBuilder summary_builder_;
    objects::ObjectKey key_;
    std::unique_ptr<objects::ObjectWriter> object_;
    std::unique_ptr<PartWriter> parts_;
    io::File* packet_file_ = nullptr;  // among them
    std::optional<BlockWriter> packets_;
    std::optional<BlockWriter> signalling_;
    io::File* message_file_ = nullptr;     // the same
    std::optional<BlockWriter> messages_;  // from the first message on
    std::size_t documents_ = 0;
    Summary summary_;
};

}  // namespace

base::Reason storage_reason(const base::Error& error, const std::string& part) {
    const bool is_full = error.code == base::Errc::Full || error.detail == ENOSPC;
    return {is_full ? "storage_full" : "storage_error",
            "The part " + part + " cannot be written: " + std::string(error.what) + " (" +
                std::to_string(error.detail) + ")."};
}

base::Result<BuildOutput, base::Reason> build_recording(const BuildInput& input) {
    return Build(input).run();
}

base::Result<Summary, base::Reason> summarise(const base::Uuid& recording, RecordSource& records,
                                              bool was_closed) {
    SummaryBuilder builder(recording);
    while (const auto record = records.next()) builder.add(*record);
    if (builder.facts().is_empty()) {
        return base::Reason{"no_records", "The journal holds nothing of this recording."};
    }
    return builder.finish(
        {.damage = records.damage(), .failure = std::nullopt, .was_closed = was_closed});
}

}  // namespace earshot::archive
