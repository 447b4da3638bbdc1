// A part of a stored recording, encrypted under the recording's data key (AES-256-GCM) in chunks,
// so that any place of it can be read alone (docs/recording-format.md). Little-endian:
//
//   header, 32 bytes            chunk n, at 32 + n * 65552          trailer, the last 24 bytes
//   | "EARSHENC"          8 |  | ciphertext, 65536 bytes;       |  | size of the plain bytes 8 |
//   | version = 1         2 |  | of the last chunk what is left |  | tag                    16 |
//   | zero                2 |  | tag                         16 |
//   | number of the part  4 |
//   | recording's id     16 |
//
// Nonce of a chunk: the part's number (4), the chunk's (8); of the trailer's tag, which is over
// header, size and the part's name: that of chunk 2^64 - 1. A recording has a key of its own and
// its parts have numbers of their own, so no nonce comes twice as long as no chunk is written
// twice; the writer only goes forward. A chunk of another place, part or recording fails its tag,
// and so does the trailer of another part or of one that was cut or made longer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "crypto/aead.h"
#include "crypto/secret_key.h"
#include "io/file.h"

namespace earshot::archive {

inline constexpr std::size_t kSealedChunkBytes = 64ULL * 1024;
inline constexpr std::size_t kSealedHeaderBytes = 32;
inline constexpr std::size_t kSealedTrailerBytes = 8 + crypto::kTagBytes;
inline constexpr std::size_t kSealedStride = kSealedChunkBytes + crypto::kTagBytes;

struct PartId {
    base::Uuid recording;
    std::uint32_t number = 0;  // within the recording, never given twice
    std::string name;          // "tracks/1.wav"
};

// Opens chunks of a sealed part; keeps the last one, as readers come back for the rest of it.
class SealedChunks {
public:
    // Chunk `chunk` of `size` plain bytes, valid until the next call.
    base::Result<base::ByteView> find(io::File& file, crypto::Aead& aead, std::uint32_t part,
                                      std::uint64_t chunk, std::size_t size);
    // The same, to where it is wanted; `out` has the chunk's size. Keeps nothing.
    base::Result<base::Done> read(io::File& file, crypto::Aead& aead, std::uint32_t part,
                                  std::uint64_t chunk, std::span<std::uint8_t> out);
    bool has(std::uint64_t chunk) const { return number_ == chunk; }

private:
    base::Bytes sealed_;
    base::Bytes kept_;
    std::uint64_t number_ = ~std::uint64_t{0};  // of what is kept
};

// Seals what is written, from front to back: what is left out is zeros, what was written stays. It
// can be read meanwhile. The file is of no use to others before finish().
class SealedWriter : public io::File {
public:
    SealedWriter(std::unique_ptr<io::File> file, const crypto::SecretKey& key, PartId id);

    base::Result<base::Done> write_at(std::uint64_t offset, base::ByteView bytes) override;
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override;
    base::Result<base::Done> sync_data() override { return file_->sync_data(); }
    base::Result<base::Done> reserve(std::uint64_t /*size*/) override { return base::Done{}; }
    base::Result<base::Done> truncate(std::uint64_t size) override;  // only to make it longer
    base::Result<std::uint64_t> size() override { return size_; }

    // Everything on its way to the disk; gives back the file as it is stored, for a SealedReader.
    base::Result<std::unique_ptr<io::File>> finish();

private:
    base::Result<base::Done> pad_to(std::uint64_t size);
    base::Result<base::Done> seal(base::ByteView bytes);
    base::Result<base::Done> flush();

    std::unique_ptr<io::File> file_;
    crypto::Aead aead_;
    const PartId id_;
    std::uint64_t size_ = 0;    // of the plain bytes
    base::Bytes present_;       // the chunk that is not full yet
    std::uint64_t chunks_ = 0;  // sealed ones
    base::Bytes sealed_;        // on its way to the file
    std::uint64_t stored_ = 0;  // what is there
    bool is_broken_ = false;
    SealedChunks read_back_;
};

// Reads a sealed part at any place. One thread. Errors: Malformed with the offset in the plain
// bytes when anything was altered; what the file says.
class SealedReader : public io::File {
public:
    // Malformed: no sealed part of this recording and name, or another key. Unsupported: a version
    // of later days.
    static base::Result<std::unique_ptr<SealedReader>> open(std::unique_ptr<io::File> file,
                                                            const crypto::SecretKey& key,
                                                            const base::Uuid& recording,
                                                            const std::string& name);

    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override;
    base::Result<std::uint64_t> size() override { return size_; }
    void drop_cache() override { file_->drop_cache(); }

    // It only reads.
    base::Result<base::Done> write_at(std::uint64_t offset, base::ByteView bytes) override;
    base::Result<base::Done> sync_data() override;
    base::Result<base::Done> reserve(std::uint64_t size) override;
    base::Result<base::Done> truncate(std::uint64_t size) override;

private:
    SealedReader(std::unique_ptr<io::File> file, const crypto::SecretKey& key)
        : file_(std::move(file)), aead_(key) {}

    base::Result<base::Done> read_trailer(base::ByteView header, std::string_view name);
    std::size_t bytes_of(std::uint64_t chunk) const;

    std::unique_ptr<io::File> file_;
    crypto::Aead aead_;
    std::uint32_t number_ = 0;
    std::uint64_t size_ = 0;
    SealedChunks chunks_;
};

// Of which recording a file is a sealed part, by how it begins; nullopt when it is none. Nothing is
// authenticated by that.
std::optional<base::Uuid> find_sealed_recording(base::ByteView first_bytes);

}  // namespace earshot::archive
