#include "journal/run_cipher.h"

#include <algorithm>

namespace earshot::journal {

using base::Errc;
using base::Error;
using base::Result;

namespace {

constexpr std::size_t kNonceAt = crypto::kTagBytes;
static_assert(kNonceAt + crypto::kNonceBytes + 4 == kRunSealSize);

}  // namespace

Result<std::optional<RunCipher>> RunCipher::of(const SegmentHeader& header,
                                               const crypto::KeyWrapper* keys) {
    if (!header.key) return std::optional<RunCipher>();
    if (keys == nullptr) return Error{Errc::NotFound, "the journal is encrypted, no key is given"};
    const auto key = keys->unwrap(*header.key);
    if (!key) return key.error();
    return std::optional<RunCipher>(RunCipher(*key));
}

void RunCipher::seal(const base::Uuid& recording, std::uint64_t frame_number, std::uint32_t index,
                     base::ByteView records, std::span<std::uint8_t> out) {
    const std::span<std::uint8_t> front = out.first(kRunSealSize);
    base::store_le<std::uint64_t>(front, kNonceAt, frame_number);
    base::store_le<std::uint32_t>(front, kNonceAt + 8, index);
    base::store_le<std::uint32_t>(front, kNonceAt + crypto::kNonceBytes, 0);
    crypto::Nonce nonce{};
    std::copy_n(front.begin() + kNonceAt, nonce.size(), nonce.begin());
    const crypto::Tag tag =
        aead_.seal(nonce, recording.bytes, records, out.subspan(kRunSealSize, records.size()));
    std::copy(tag.begin(), tag.end(), front.begin());
}

bool RunCipher::open(const base::Uuid& recording, std::span<std::uint8_t> run) {
    if (run.size() < kRunSealSize) return false;
    crypto::Tag tag{};
    crypto::Nonce nonce{};
    std::copy_n(run.begin(), tag.size(), tag.begin());
    std::copy_n(run.begin() + kNonceAt, nonce.size(), nonce.begin());
    const std::span<std::uint8_t> records = run.subspan(kRunSealSize);
    return aead_.decrypt(nonce, recording.bytes, records, records, tag);
}

}  // namespace earshot::journal
