#include "api/recording_files.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <optional>

#include "api/whole_view.h"
#include "archive/chat_export.h"
#include "archive/data_key.h"
#include "archive/sealed_part.h"
#include "archive/signing_key.h"
#include "base/bytes.h"
#include "base/text.h"
#include "io/linux_file.h"

namespace earshot::api {
namespace {

class FileSource : public http::ByteSource {
public:
    FileSource(std::unique_ptr<io::File> file, std::uint64_t size)
        : file_(std::move(file)), size_(size) {}

    std::uint64_t size() const override { return size_; }

    base::Result<std::size_t, base::Reason> read(std::uint64_t offset,
                                                 std::span<std::uint8_t> out) override {
        const auto count = file_->read_at(offset, out);
        if (!count) return archive::part_reason(count.error(), "of the track or message");
        return *count;
    }

private:
    std::unique_ptr<io::File> file_;
    std::uint64_t size_;
};

base::Result<bool> is_sealed(io::FileSystem& disk, const std::string& path) {
    const auto file = disk.open_for_reading(path);
    if (!file) return file.error();
    std::array<std::uint8_t, archive::kSealedHeaderBytes> begin{};
    const auto count = (*file)->read_at(0, begin);
    if (!count) return count.error();
    return archive::find_sealed_recording(base::ByteView(begin).first(*count)).has_value();
}

base::Result<bool> exists(io::FileSystem& disk, const std::string& path) {
    const auto file = disk.open_for_reading(path);
    if (!file && file.error().code != base::Errc::NotFound) return file.error();
    return file.has_value();
}

class DiskFiles : public RecordingFiles {
public:
    DiskFiles(std::string data_dir, objects::ObjectStore& objects, const crypto::KeyWrapper& keys)
        : data_dir_(std::move(data_dir)), objects_(objects), keys_(keys) {}

    base::Result<std::unique_ptr<archive::Rendering>, base::Reason> render(
        const catalog::Recording& recording, archive::Format format, archive::Reading reading,
        std::chrono::minutes utc_offset) const override {
        std::vector<std::string> directories;
        for (const catalog::Recording& piece : pieces_of(recording)) {
            // One that never brought anything to store does not hide the others.
            if (!recording.pieces.empty() && was_never_written(piece)) continue;
            auto directory = open_directory_of(piece);
            if (!directory) return directory.error();
            directories.push_back(std::move(*directory));
        }
        if (directories.empty())
            return base::Reason{"not_archived",
                                fmt::format("No piece of recording {} was ever written to its "
                                            "folder.",
                                            recording.id)};
        return archive::render_whole(directories, format, &keys_, reading, utc_offset);
    }

    base::Result<std::unique_ptr<http::ByteSource>, base::Reason> open_track(
        const catalog::Recording& recording, std::string_view label) const override {
        auto directory = open_directory_of(recording);
        if (!directory) return directory.error();
        auto file = archive::open_track(*directory, label, &keys_);
        if (!file && file.error().code == "not_found")
            return base::Reason{"not_found",
                                fmt::format("Recording {} has no track for the label \"{}\".",
                                            recording.id, label)};
        if (!file) return file.error();
        const auto size = (*file)->size();
        if (!size) return archive::part_reason(size.error(), "of the track");
        return std::unique_ptr<http::ByteSource>(
            std::make_unique<FileSource>(std::move(*file), *size));
    }

    base::Result<Message, base::Reason> open_message(const catalog::Recording& piece,
                                                     std::uint64_t number,
                                                     archive::Reading reading) const override {
        auto directory = open_directory_of(piece);
        if (!directory) return directory.error();
        io::LinuxFileSystem disk;
        auto message = archive::open_message(disk, *directory, number, &keys_, reading);
        if (!message) return message.error();
        return Message{
            .content = std::make_unique<FileSource>(std::move(message->file), message->size),
            .name = std::move(message->name)};
    }

    base::Result<std::string, base::Reason> read_peaks(
        const catalog::Recording& recording) const override {
        auto directory = open_directory_of(recording);
        if (!directory) return directory.error();
        return archive::read_peaks(*directory, &keys_);
    }

    base::Result<std::string, base::Reason> find_directory(
        const catalog::Recording& piece) const override {
        return open_directory_of(piece);
    }

    base::Result<archive::Verification, base::Reason> verify(
        const catalog::Recording& recording) const override {
        auto directory = directory_of(recording);
        if (!directory) return directory.error();
        archive::Verification found = archive::verify_recording(*directory, trusted_key(), &keys_);
        if (const auto gone = fault_of_folder(recording))
            found.faults.push_back({.code = "folder_gone",
                                    .part = {},
                                    .text = *gone,
                                    .block = std::nullopt,
                                    .offset = std::nullopt});
        const bool is_erased = recording.reason && recording.reason->code == "erased";
        if (found.contents == archive::Contents::NoKey && is_erased) {
            found.contents = archive::Contents::Erased;
            found.contents_text =
                "The recording is erased: its key was deleted, and nobody can read it.";
        }
        if (found.contents == archive::Contents::NoKey)
            found.faults.push_back({.code = "key_gone",
                                    .part = archive::kKeyName,
                                    .text = "The key of the recording is gone, and nobody has "
                                            "erased it with `earshot erase`.",
                                    .block = std::nullopt,
                                    .offset = std::nullopt});
        // Another recording's folder in its place is whole and signed, too.
        if (!found.id.empty() && found.id != recording.id)
            found.faults.push_back({.code = "wrong_recording",
                                    .part = "manifest.json",
                                    .text = fmt::format("The folder holds the recording {}.",
                                                        base::to_valid_utf8(found.id)),
                                    .block = std::nullopt,
                                    .offset = std::nullopt});
        return found;
    }

    std::optional<base::Reason> find_obstacle(const catalog::Recording& piece) const override {
        const auto directory = open_directory_of(piece);
        if (!directory) return directory.error();
        if (!objects::key_of_location(piece.directory))
            return base::Reason{"not_found",
                                fmt::format("{} is no folder of a recording.", piece.directory)};
        io::LinuxFileSystem disk;
        auto encrypted = is_sealed(disk, io::join_path(*directory, "summary.json"));
        if (!encrypted && encrypted.error().code == base::Errc::NotFound)  // a key tells it, too
            encrypted = exists(disk, io::join_path(*directory, archive::kKeyName));
        if (!encrypted) return archive::part_reason(encrypted.error(), "summary.json");
        if (*encrypted) return std::nullopt;
        return base::Reason{"not_encrypted",
                            fmt::format("The recording {} is not encrypted: only deleting its "
                                        "folder {} erases it.",
                                        piece.id, *directory)};
    }

    // By way of the store: a rotation of the keys that is at it just now must not bring it back.
    std::optional<base::Reason> erase(const catalog::Recording& piece) const override {
        if (auto obstacle = find_obstacle(piece)) return obstacle;
        const auto object = objects::key_of_location(piece.directory);
        if (const auto gone = objects_.remove_part(*object, archive::kKeyName); !gone)
            return archive::part_reason(gone.error(), archive::kKeyName);
        return std::nullopt;
    }

private:
    base::Result<std::string, base::Reason> directory_of(
        const catalog::Recording& recording) const {
        if (!recording.directory.empty()) return data_dir_ + "/recordings/" + recording.directory;
        const std::string_view why = recording.state == catalog::State::Recording
                                         ? "is not finished yet"
                                         : "was never written to its folder";
        return base::Reason{"not_archived", fmt::format("Recording {} {}.", recording.id, why)};
    }

    base::Result<std::string, base::Reason> open_directory_of(
        const catalog::Recording& recording) const {
        if (const auto gone = fault_of_folder(recording)) return base::Reason{"not_found", *gone};
        return directory_of(recording);
    }

    // Why a folder that the catalogue knows cannot be read; nullopt when it is there.
    std::optional<std::string> fault_of_folder(const catalog::Recording& recording) const {
        const auto directory = directory_of(recording);
        std::error_code error;
        if (!directory || std::filesystem::is_directory(*directory, error)) return std::nullopt;
        const std::string all = data_dir_ + "/recordings";
        if (!std::filesystem::is_directory(all, error))
            return fmt::format(
                "{} is not there, which holds all recordings: was it moved, or is "
                "its disk not mounted?",
                all);
        return fmt::format("The folder {} of the recording is not there: was it moved or removed?",
                           *directory);
    }

    std::optional<base::Bytes> trusted_key() const {
        io::LinuxFileSystem disk;
        auto key = archive::load_public_key(disk, data_dir_ + "/keys");
        return key ? std::optional(std::move(*key)) : std::nullopt;
    }

    const std::string data_dir_;
    objects::ObjectStore& objects_;
    const crypto::KeyWrapper& keys_;
};

}  // namespace

std::unique_ptr<RecordingFiles> make_recording_files(std::string data_dir,
                                                     objects::DirectoryStore& objects,
                                                     const crypto::KeyWrapper& keys) {
    return std::make_unique<DiskFiles>(std::move(data_dir), objects, keys);
}

}  // namespace earshot::api
