// One recording's folder, read part by part: all of them lie in the file `content`, or, before
// version 3 of the manifest, in a file each. Nothing in it is trusted.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/block_file.h"
#include "archive/data_key.h"
#include "archive/pack.h"
#include "archive/recording_facts.h"
#include "archive/summary.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/file.h"

namespace earshot::archive {

class StoredRecording {
public:
    // Borrows `files` and `keys`; without them encrypted parts cannot be read.
    StoredRecording(io::FileSystem& files, std::string directory,
                    const crypto::KeyWrapper* keys = nullptr)
        : files_(files), directory_(std::move(directory)), keys_(keys) {}

    // As it was before it was encrypted. Reason codes as load_data_key(), and "not_found".
    base::Result<std::unique_ptr<io::File>, base::Reason> open(const std::string& part) const;
    // Reason codes the same; "not_found" where each part has a file.
    base::Result<PackReader, base::Reason> open_pack() const;
    base::Result<std::string, base::Reason> read(const std::string& part, std::size_t limit) const;
    base::Result<Summary, base::Reason> summary() const;
    std::vector<std::string> parts() const;  // of a pack, sorted; none where it cannot be read
    // The metadata documents' names in order: "metadata/0001.xml".
    std::vector<std::string> documents() const;
    // All documents in order: what they come to in the end.
    base::Result<siprec::MetadataModel, base::Reason> metadata() const;
    // From the events and the signalling alone; of what cannot be read as much as can be.
    RecordingFacts facts() const;
    // The records that facts() is made of, valid for the call.
    void read_facts(const std::function<void(const journal::Record&)>& take) const;

private:
    base::Result<std::unique_ptr<io::File>, base::Reason> open_file(const std::string& name) const;

    io::FileSystem& files_;
    std::string directory_;
    const crypto::KeyWrapper* keys_;
};

// Calls `use` with each line of a part, without its newline; lines longer than `limit` are an
// error. Pulled, so that an export reads no faster than its reader.
class LineReader {
public:
    LineReader(io::File& file, std::size_t limit) : file_(file), limit_(limit) {}
    // nullopt at the end.
    base::Result<std::optional<std::string>> next();

private:
    io::File& file_;
    const std::size_t limit_;
    std::string buffer_;
    std::size_t at_ = 0;
    std::uint64_t offset_ = 0;
    bool is_at_end_ = false;
};

// The records of a part made of blocks, in order.
class PartRecords {
public:
    PartRecords(std::unique_ptr<io::File> file, std::string part)
        : file_(std::move(file)), part_(std::move(part)), reader_(*file_) {}

    // Valid until the next call; nullopt at the end.
    base::Result<std::optional<journal::Record>, base::Reason> next();

private:
    std::unique_ptr<io::File> file_;
    std::string part_;
    BlockReader reader_;
    std::optional<Block> block_;
    std::optional<BlockRecords> records_;
    bool is_open_ = false;
};

}  // namespace earshot::archive
