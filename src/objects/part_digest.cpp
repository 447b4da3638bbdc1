#include "objects/part_digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/crc32c.h"

namespace earshot::objects {

using base::Result;

namespace {

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Context make_context() {
    Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    if (!context) std::abort();
    return context;
}

constexpr std::size_t kPieceBytes = 256UL * 1024;

}  // namespace

struct PartDigest::State {
    Context context = make_context();
};

PartDigest::PartDigest() : state_(std::make_unique<State>()) {
    if (EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) std::abort();
}
PartDigest::PartDigest(PartDigest&&) noexcept = default;
PartDigest& PartDigest::operator=(PartDigest&&) noexcept = default;
PartDigest::~PartDigest() = default;

void PartDigest::add(base::ByteView bytes) {
    if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) std::abort();
    crc32c_ = base::crc32c(bytes, crc32c_);
    size_ += bytes.size();
}

void PartDigest::add_zeros(std::uint64_t count) {
    constexpr std::array<std::uint8_t, 4096> kZeros{};
    for (; count > 0; count -= std::min<std::uint64_t>(count, kZeros.size()))
        add(base::ByteView(kZeros).first(
            static_cast<std::size_t>(std::min<std::uint64_t>(count, kZeros.size()))));
}

PartInfo PartDigest::info(std::string name) const {
    PartInfo info{.name = std::move(name), .size = size_, .crc32c = crc32c_};
    const Context copy = make_context();
    if (EVP_MD_CTX_copy_ex(copy.get(), state_->context.get()) != 1 ||
        EVP_DigestFinal_ex(copy.get(), info.sha256.data(), nullptr) != 1)
        std::abort();
    return info;
}

Result<PartInfo> digest_file(io::File& file, const std::string& name) {
    PartDigest digest;
    base::Bytes buffer(kPieceBytes);
    for (;;) {
        const auto count = file.read_at(digest.size(), buffer);
        if (!count) return count.error();
        digest.add(base::ByteView(buffer).first(*count));
        if (*count < buffer.size()) return digest.info(name);
    }
}

Result<bool> is_as_written(io::File& file, const PartInfo& expected) {
    base::Bytes buffer(kPieceBytes);
    std::uint64_t size = 0;
    std::uint32_t crc32c = 0;
    for (;;) {
        const auto count = file.read_at(size, buffer);
        if (!count) return count.error();
        crc32c = base::crc32c(base::ByteView(buffer).first(*count), crc32c);
        size += *count;
        if (*count < buffer.size()) break;
    }
    return size == expected.size && crc32c == expected.crc32c;
}

}  // namespace earshot::objects
