#include "archive/stored_recording.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "archive/limits.h"
#include "archive/manifest.h"
#include "archive/part_writer.h"
#include "archive/sealed_part.h"

namespace earshot::archive {
namespace {

constexpr std::size_t kReadBytes = 64ULL * 1024;
constexpr std::size_t kMaxLineBytes = 2ULL * 1024 * 1024;  // an event's record, escaped

// The record of a line of the part `events`, borrowed from it; nullopt when the line is damaged.
std::optional<journal::Record> event_record(std::string_view line) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    if (!event.is_object()) return std::nullopt;
    const auto arrival = event.find("arrival_ns");
    if (arrival == event.end() || !arrival->is_number_integer()) return std::nullopt;
    journal::Record record;
    record.header.type = journal::RecordType::Event;
    record.header.arrival_ns = arrival->get<std::int64_t>();
    record.payload = base::as_bytes(line);
    return record;
}

}  // namespace

base::Result<std::unique_ptr<io::File>, base::Reason> StoredRecording::open(
    const std::string& part) const {
    if (part == kManifestName) return open_file(part);
    auto pack = open_pack();
    if (!pack && pack.error().code == "not_found") return open_file(part);
    if (!pack) return pack.error();
    auto file = std::move(*pack).take(part);
    if (file) return std::move(*file);
    return base::Reason{"not_found", "The recording has no part " + part + "."};
}

base::Result<PackReader, base::Reason> StoredRecording::open_pack() const {
    auto file = open_file(kContentName);
    if (!file) return file.error();
    auto pack = PackReader::open(std::move(*file));
    if (!pack) return part_reason(pack.error(), kContentName);
    return std::move(*pack);
}

// As it was before it was encrypted.
base::Result<std::unique_ptr<io::File>, base::Reason> StoredRecording::open_file(
    const std::string& part) const {
    auto file = files_.open_for_reading(io::join_path(directory_, part));
    if (!file && file.error().code == base::Errc::NotFound)
        return base::Reason{"not_found", "The recording has no part " + part + "."};
    if (!file) return part_reason(file.error(), part);
    std::array<std::uint8_t, kSealedHeaderBytes> begin{};
    const auto count = (*file)->read_at(0, begin);
    if (!count) return part_reason(count.error(), part);
    const auto recording = find_sealed_recording(base::ByteView(begin).first(*count));
    if (!recording) return std::move(*file);
    const auto key = load_data_key(files_, directory_, *recording, keys_);
    if (!key) return key.error();
    auto reader = SealedReader::open(std::move(*file), *key, *recording, part);
    if (!reader) return part_reason(reader.error(), part);
    return std::unique_ptr<io::File>(std::move(*reader));
}

base::Result<std::string, base::Reason> StoredRecording::read(const std::string& part,
                                                              std::size_t limit) const {
    const auto file = open(part);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return part_reason(size.error(), part);
    if (*size > limit)
        return part_reason({base::Errc::TooLarge, "file: larger than its limit"}, part);
    base::Bytes bytes(static_cast<std::size_t>(*size));
    const auto count = (*file)->read_at(0, bytes);
    if (!count) return part_reason(count.error(), part);
    return std::string(base::as_text(base::ByteView(bytes).first(*count)));
}

base::Result<Summary, base::Reason> StoredRecording::summary() const {
    const auto text = read("summary.json", kMaxSummaryBytes);
    if (!text) return text.error();
    auto summary = parse_summary(*text);
    if (!summary) return part_reason(summary.error(), "summary.json");
    return *std::move(summary);
}

std::vector<std::string> StoredRecording::parts() const {
    const auto pack = open_pack();
    return pack ? pack->names() : std::vector<std::string>{};
}

std::vector<std::string> StoredRecording::documents() const {
    std::vector<std::string> names;
    for (const std::string& name : parts())
        if (name.starts_with("metadata/")) names.push_back(name);
    if (!names.empty()) return names;
    const auto entries = files_.list(io::join_path(directory_, "metadata"));
    if (!entries) return names;
    for (const io::DirectoryEntry& entry : *entries) {
        if (!entry.is_directory && entry.name.ends_with(".xml")) {
            names.push_back("metadata/" + entry.name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

base::Result<siprec::MetadataModel, base::Reason> StoredRecording::metadata() const {
    const auto stored = summary();
    if (!stored) return stored.error();
    siprec::MetadataModel model;
    base::WallTime arrival = stored->start;
    for (const std::string& name : documents()) {
        const auto text = read(name, kMaxDocumentBytes);
        if (!text) return text.error();
        const auto document = siprec::parse_metadata(*text);
        if (!document || document->kind != siprec::MetadataDocument::Kind::Recording) continue;
        model.apply(*document, arrival);
        arrival += std::chrono::milliseconds(1);  // only their order counts here
    }
    return model;
}

RecordingFacts StoredRecording::facts() const {
    RecordingFacts facts;
    read_facts([&](const journal::Record& record) { facts.add(record); });
    return facts;
}

void StoredRecording::read_facts(const std::function<void(const journal::Record&)>& take) const {
    if (auto events = open("events")) {
        LineReader lines(**events, kMaxLineBytes);
        while (true) {
            const auto line = lines.next();
            if (!line || !line->has_value()) break;
            if (const auto record = event_record(**line)) take(*record);
        }
    }
    if (auto signalling = open("signalling")) {
        PartRecords records(std::move(*signalling), "signalling");
        while (true) {
            const auto record = records.next();
            if (!record || !record->has_value()) break;
            take(**record);
        }
    }
}

base::Result<std::optional<std::string>> LineReader::next() {
    while (true) {
        const std::size_t end = buffer_.find('\n', at_);
        if (end != std::string::npos) {
            std::string line = buffer_.substr(at_, end - at_);
            at_ = end + 1;
            return std::optional<std::string>(std::move(line));
        }
        buffer_.erase(0, at_);
        at_ = 0;
        if (is_at_end_) {
            if (buffer_.empty()) return std::optional<std::string>{};
            return base::Error{base::Errc::Malformed, "the last line is cut",
                               static_cast<std::size_t>(offset_)};
        }
        if (buffer_.size() > limit_) {
            return base::Error{base::Errc::TooLarge, "line too long",
                               static_cast<std::size_t>(offset_)};
        }
        base::Bytes piece(kReadBytes);
        const auto count = file_.read_at(offset_, piece);
        if (!count) return count.error();
        is_at_end_ = *count == 0;
        offset_ += *count;
        buffer_ += base::as_text(base::ByteView(piece).first(*count));
    }
}

base::Result<std::optional<journal::Record>, base::Reason> PartRecords::next() {
    if (!is_open_) {
        const auto header = reader_.open();
        if (!header) return part_reason(header.error(), part_);
        is_open_ = true;
    }
    while (true) {
        if (records_) {
            journal::Record record;
            const auto found = records_->next(record);
            if (!found) return part_reason(found.error(), part_);
            if (*found) return std::optional<journal::Record>(record);
        }
        auto block = reader_.next();
        if (!block) return part_reason(block.error(), part_);
        if (!block->has_value()) return std::optional<journal::Record>{};
        block_ = std::move(*block);
        records_.emplace(block_->raw);
    }
}

}  // namespace earshot::archive
