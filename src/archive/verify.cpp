#include "archive/verify.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "archive/block_file.h"
#include "archive/chat.h"
#include "archive/data_key.h"
#include "archive/manifest.h"
#include "archive/part_writer.h"
#include "archive/stored_recording.h"
#include "base/text.h"
#include "io/linux_file.h"

namespace earshot::archive {
namespace {

constexpr std::string_view kBadId = "The manifest's id is that of no recording.";
constexpr std::size_t kReadBytes = 256ULL * 1024;
constexpr int kMaxDepth = 3;  // old parts lie one folder deep; what lies deeper is extra

class Verifier {
public:
    Verifier(io::FileSystem& files, const std::string& directory, const crypto::KeyWrapper* keys)
        : files_(files), directory_(directory), keys_(keys) {}

    Verification run(const std::optional<base::Bytes>& trusted_key) {
        const auto text =
            files_.read_file(io::join_path(directory_, kManifestName), kMaxManifestBytes);
        if (!text) {
            const bool is_absent = text.error().code == base::Errc::NotFound;
            add(is_absent ? "missing" : "unreadable", kManifestName,
                "The manifest cannot be read.");
            return std::move(result_);
        }
        const auto parsed = parse_manifest(base::as_text(*text));
        if (!parsed) {
            add("manifest", kManifestName, "The manifest was changed or is not one of Earshot's.");
            return std::move(result_);
        }
        const Manifest& manifest = parsed->manifest;
        result_.id = manifest.id;
        result_.public_key = base::to_base64(manifest.public_key);
        if (!parsed->is_signed) add("signature", kManifestName, "The signature is wrong.");
        if (trusted_key && manifest.public_key != *trusted_key) {
            add("wrong_key", kManifestName,
                "The manifest is signed by another key than this server's.");
        }
        if (!base::parse_uuid(manifest.id)) add("manifest", kManifestName, std::string(kBadId));
        for (const ManifestPart& part : manifest.parts) check_part(part);
        result_.is_encrypted = manifest.key_hash.has_value();
        if (manifest.key_hash) check_key(*manifest.key_hash);
        if (result_.contents == Contents::Checked) check_contents(manifest);
        find_extra(manifest);
        return std::move(result_);
    }

private:
    void add(std::string code, std::string part, std::string text,
             std::optional<std::uint64_t> block = std::nullopt,
             std::optional<std::uint64_t> offset = std::nullopt) {
        result_.faults.push_back(
            {std::move(code), std::move(part), std::move(text), block, offset});
    }

    std::unique_ptr<io::File> open(const std::string& part) {
        // A manifest is signed, but by whom is told last: no path leads out of the folder.
        if (part.empty() || part.front() == '/' || part.find("..") != std::string::npos) {
            add("manifest", part, "The manifest names a part outside the recording.");
            return nullptr;
        }
        auto file = files_.open_for_reading(io::join_path(directory_, part));
        if (file) return std::move(*file);
        const bool is_absent = file.error().code == base::Errc::NotFound;
        add(is_absent ? "missing" : "unreadable", part,
            is_absent ? "The part is not there." : "The part cannot be opened.");
        return nullptr;
    }

    void check_part(const ManifestPart& part) {
        const auto file = open(part.name);
        if (!file) return;
        ++result_.parts;
        Sha256Stream hash;
        base::Bytes piece(static_cast<std::size_t>(
            std::max<std::uint64_t>(std::min<std::uint64_t>(kReadBytes, part.size), 1)));
        std::uint64_t size = 0;
        while (true) {
            const auto count = file->read_at(size, piece);
            if (!count) return add("unreadable", part.name, "The disk refuses a read.", {}, size);
            if (*count == 0) break;
            hash.add(base::ByteView(piece).first(*count));
            size += *count;
        }
        result_.bytes += size;
        if (size != part.size) {
            add("size", part.name,
                "The part has " + std::to_string(size) + " bytes instead of " +
                    std::to_string(part.size) + ".");
        } else if (hash.finish() != part.sha256) {
            add("hash", part.name, "The part's content was changed.");
        }
    }

    // The part `key` is not signed, as it changes with the key-encryption key; the key in it is.
    void check_key(const Sha256& expected) {
        const auto id = base::parse_uuid(result_.id);
        if (!id) {  // told already
            result_.contents = Contents::NotChecked;
            result_.contents_text = std::string(kBadId);
            return;
        }
        const auto key = load_data_key(files_, directory_, *id, keys_);
        if (key && hash_of_key(*id, *key) == expected) return;
        result_.contents = Contents::NotChecked;
        if (key) {
            result_.contents_text = "The key is not the one that the recording was encrypted with.";
            return add("bad_data_key", kKeyName, result_.contents_text);
        }
        const base::Reason& reason = key.error();
        result_.contents_text = reason.text;
        if (reason.code == "erased") {
            result_.contents = Contents::NoKey;
            result_.contents_text =
                "The recording's key is not there: it was erased, or this copy lacks it.";
        }
        if (reason.code == "damaged" || reason.code == "unsupported")
            add("bad_data_key", kKeyName, reason.text);
        if (reason.code == "io") add("unreadable", kKeyName, reason.text);
    }

    void check_contents(const Manifest& manifest) {
        const bool is_damaged = !result_.faults.empty();
        const StoredRecording recording(files_, directory_, keys_);
        if (!manifest.chains) {
            const auto pack = recording.open_pack();
            if (!pack) return add_contents(kContentName, pack.error());
            if (base::to_string(pack->recording()) != result_.id)
                add("wrong_recording", kContentName, "The parts are another recording's.");
            for (const char* part : {"packets", "signalling"})
                if (!pack->has(part)) add("contents", part, "The recording lacks this part.");
        }
        const auto chains = manifest.chains;
        check_blocks(recording, "packets", BlockFileKind::Packets,
                     chains ? &chains->packets : nullptr);
        check_blocks(recording, "signalling", BlockFileKind::Signalling,
                     chains ? &chains->signalling : nullptr);
        if (const auto names = recording.parts();
            std::find(names.begin(), names.end(), kMessagesName) != names.end())
            check_blocks(recording, std::string(kMessagesName), BlockFileKind::Messages, nullptr);
        // What is known by now is that something is wrong; these seals tell where.
        if (is_damaged && !manifest.chains && manifest.key_hash) check_seals(recording);
    }

    // What is not there, or not readable, was told by check_part(), or where all parts are in one
    // file by check_contents().
    void add_contents(const std::string& part, const base::Reason& reason,
                      std::optional<std::uint64_t> offset = std::nullopt) {
        if (reason.code == "damaged" || reason.code == "unsupported")
            add("contents", part, reason.text, {}, offset);
    }

    void check_seals(const StoredRecording& recording) {
        for (const std::string& part : recording.parts()) {
            if (part == "packets" || part == "signalling" || part == kMessagesName) continue;
            const auto file = recording.open(part);
            if (!file) continue;
            base::Bytes piece(kReadBytes);
            std::uint64_t at = 0;
            while (true) {
                const auto count = (*file)->read_at(at, piece);
                if (!count) {
                    add_contents(part, part_reason(count.error(), part), at);
                    break;
                }
                if (*count == 0) break;
                at += *count;
            }
        }
    }

    // `chain`: of its version; null where that has none.
    void check_blocks(const StoredRecording& recording, const std::string& part, BlockFileKind kind,
                      const Chain* chain) {
        const auto found = recording.open(part);
        if (!found) return add_contents(part, found.error(), 0);
        const std::unique_ptr<io::File>& opened = *found;
        BlockReader reader(*opened);
        const auto header = reader.open();
        if (!header || header->kind != kind || header->has_chain != (chain != nullptr) ||
            base::to_string(header->recording) != result_.id) {
            return add("chain", part, "The part's header is not that of this recording.", {}, 0);
        }
        Sha256 previous = header->hash;
        std::uint64_t number = 0;
        while (true) {
            const std::uint64_t at = reader.offset();
            const auto block = reader.next(chain != nullptr);
            if (block && !block->has_value()) break;
            if (!block && block.error().code == base::Errc::Io) {
                return add("unreadable", part, "The disk refuses a read.", number, at);
            }
            if (!block) {
                add("block_crc", part,
                    "The block is damaged: " + std::string(block.error().what) + ".", number, at);
                if (!reader.can_go_on()) return;
            } else {
                check_records(part, **block, number);
            }
            if (chain != nullptr && reader.last_previous() != previous) {
                add("chain", part, "The block does not follow the one before it.", number, at);
            }
            previous = reader.last_hash();
            ++number;
        }
        if (chain != nullptr && (number != chain->blocks || previous != chain->head)) {
            add("chain", part, "The chain of blocks does not end as the manifest says.", number);
        }
    }

    void check_records(const std::string& part, const Block& block, std::uint64_t number) {
        std::uint32_t count = 0;
        BlockRecords records(block.raw);
        journal::Record record;
        while (true) {
            const auto found = records.next(record);
            if (found && !*found) break;
            if (!found) {
                return add("block_crc", part, "A record of the block is cut.", number,
                           block.offset);
            }
            ++count;
        }
        if (count != block.header.records || number != block.header.number) {
            add("chain", part, "The block's numbers are wrong.", number, block.offset);
        }
    }

    void find_extra(const Manifest& manifest) {
        std::set<std::string> known{kManifestName};
        if (manifest.key_hash) known.insert(kKeyName);
        for (const ManifestPart& part : manifest.parts) {
            known.insert(part.name);
            known.insert(part.name.substr(0, part.name.find('/')));  // its folder, or itself
        }
        find_extra_in("", known, 0);
    }

    void find_extra_in(const std::string& folder, const std::set<std::string>& known, int depth) {
        const auto entries =
            files_.list(folder.empty() ? directory_ : io::join_path(directory_, folder));
        if (!entries || depth >= kMaxDepth) return;
        for (const io::DirectoryEntry& entry : *entries) {
            const std::string name = folder.empty() ? entry.name : folder + "/" + entry.name;
            if (!known.contains(name)) {
                add("extra", name, "The manifest does not name this.");
            } else if (entry.is_directory) {
                find_extra_in(name, known, depth + 1);
            }
        }
    }

    io::FileSystem& files_;
    const std::string& directory_;
    const crypto::KeyWrapper* keys_;
    Verification result_;
};

}  // namespace

std::string_view to_string(Contents contents) {
    switch (contents) {
        case Contents::Checked:
            return "checked";
        case Contents::NotChecked:
            return "not_checked";
        case Contents::NoKey:
            return "no_key";
        case Contents::Erased:
            break;
    }
    return "erased";
}

Verification verify_recording(io::FileSystem& files, const std::string& directory,
                              const std::optional<base::Bytes>& trusted_key,
                              const crypto::KeyWrapper* keys) {
    return Verifier(files, directory, keys).run(trusted_key);
}

Verification verify_recording(const std::string& directory,
                              const std::optional<base::Bytes>& trusted_key,
                              const crypto::KeyWrapper* keys) {
    io::LinuxFileSystem files;
    return verify_recording(files, directory, trusted_key, keys);
}

nlohmann::json to_json(const Verification& verification) {
    nlohmann::json faults = nlohmann::json::array();
    for (const Fault& fault : verification.faults) {
        nlohmann::json item{{"code", fault.code},
                            {"part", base::to_valid_utf8(fault.part)},
                            {"text", fault.text},
                            {"block", nullptr},
                            {"offset", nullptr}};
        if (fault.block) item["block"] = *fault.block;
        if (fault.offset) item["offset"] = *fault.offset;
        faults.push_back(std::move(item));
    }
    return {{"id", verification.id},
            {"ok", verification.is_ok()},
            {"parts", verification.parts},
            {"bytes", verification.bytes},
            {"public_key", verification.public_key},
            {"encrypted", verification.is_encrypted},
            {"contents", to_string(verification.contents)},
            {"contents_text", verification.contents_text},
            {"faults", std::move(faults)}};
}

}  // namespace earshot::archive
