// The parts of a recording in one file (docs/recording-format.md): a file system takes longer to
// make a file than it takes us to fill it. Parts grow side by side, so a part lies in pieces; an
// index at the end tells where. Little-endian:
//
//   header, 32 bytes          a part in the index        trailer, the last 32 bytes
//   | "EARSPACK"         8 |  | size of its name    1 |  | offset of the index  8 |
//   | version = 1        2 |  | its name              |  | number of parts      4 |
//   | zero               6 |  | number of pieces    4 |  | CRC-32C of the index 4 |
//   | recording's id    16 |  | of each its offset  8 |  | zero                 8 |
//                             |   and size          8 |  | "EARSPEND"           8 |
//
// The index lies between the last piece and the trailer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "io/file.h"

namespace earshot::archive {

struct PackPiece {
    std::uint64_t offset = 0;  // in the pack
    std::uint64_t size = 0;
};

// Writes a pack from front to back. Borrows the file. After an error the pack is of no use.
class PackWriter {
public:
    PackWriter(io::File& file, const base::Uuid& recording);
    PackWriter(const PackWriter&) = delete;
    PackWriter& operator=(const PackWriter&) = delete;
    ~PackWriter();

    // A new part, ours, to be written from front to back without a hole; it can be read meanwhile.
    // `name` is new and has 255 bytes at most.
    io::File& create(const std::string& name);
    // All of it is on its way to the file; it can still be read. Its memory is free again.
    base::Result<base::Done> close(const std::string& name);
    // Closes what is open, writes the index; no part is of use any more.
    base::Result<base::Done> finish();

private:
    class Part;
    base::Result<base::Done> append(base::ByteView bytes);

    io::File& file_;
    base::Bytes header_;
    std::uint64_t size_ = 0;
    std::map<std::string, std::unique_ptr<Part>> parts_;
};

// Reads a pack. Hostile input: any bytes are survived. Errors: Malformed with the offset in the
// pack; what the file says.
class PackReader {
public:
    // Malformed: no pack. Unsupported: a version of later days.
    static base::Result<PackReader> open(std::unique_ptr<io::File> file);

    const base::Uuid& recording() const { return recording_; }  // as the header says
    std::vector<std::string> names() const;                     // sorted
    bool has(const std::string& name) const { return parts_.contains(name); }
    const std::vector<PackPiece>& pieces(const std::string& name) const { return parts_.at(name); }
    // The part alone, with the pack's file, to be read at any place. NotFound.
    base::Result<std::unique_ptr<io::File>> take(const std::string& name) &&;

private:
    explicit PackReader(std::unique_ptr<io::File> file) : file_(std::move(file)) {}
    base::Result<base::Done> read_index();

    std::unique_ptr<io::File> file_;
    base::Uuid recording_;
    std::map<std::string, std::vector<PackPiece>> parts_;
};

}  // namespace earshot::archive
