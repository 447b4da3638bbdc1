// Encrypts the runs of a segment: the records of one recording in one frame are one AES-256-GCM
// message. Not the frame as a whole: whoever archives one of a thousand calls would have to decrypt
// all of them. A run says itself with which nonce it was made, so that an extent is enough to read
// it:
//
//   | tag 16 | frame number 8 | index in the frame's table 4 | zero 4 | records, encrypted |
//
// The key belongs to one segment, where a frame number never comes twice; with the index it is the
// nonce. The recording's UUID is authenticated.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "crypto/aead.h"
#include "crypto/key_wrap.h"
#include "journal/format.h"

namespace earshot::journal {

class RunCipher {
public:
    explicit RunCipher(const crypto::SecretKey& key) : aead_(key) {}
    // For the segment of `header`: NotFound or Malformed as KeyWrapper::unwrap(); nullopt when it
    // is not encrypted. Without `keys` every key is NotFound.
    static base::Result<std::optional<RunCipher>> of(const SegmentHeader& header,
                                                     const crypto::KeyWrapper* keys);

    // `out` has kRunSealSize bytes more than `records` and lies elsewhere.
    void seal(const base::Uuid& recording, std::uint64_t frame_number, std::uint32_t index,
              base::ByteView records, std::span<std::uint8_t> out);
    // Decrypts the records of `run` where they lie. False when anything was altered; they are then
    // what comes of it, and each is good or bad by its own checksum.
    bool open(const base::Uuid& recording, std::span<std::uint8_t> run);

private:
    crypto::Aead aead_;
};

}  // namespace earshot::journal
