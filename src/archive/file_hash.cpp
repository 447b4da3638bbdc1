#include "archive/file_hash.h"

#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <span>

#include "base/text.h"

namespace earshot::archive {

struct FileHash::State {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free};
};

FileHash::FileHash() : state_(std::make_unique<State>()) {
    if (EVP_DigestInit_ex(state_->context.get(), EVP_sha1(), nullptr) != 1) std::abort();
}
FileHash::~FileHash() = default;

void FileHash::add(base::ByteView bytes) {
    if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) std::abort();
    sha256_.add(bytes);
}

FileHashes FileHash::finish() {
    std::array<std::uint8_t, 20> sha1{};
    if (EVP_DigestFinal_ex(state_->context.get(), sha1.data(), nullptr) != 1) std::abort();
    return {.sha256 = base::to_hex(sha256_.finish()), .sha1 = base::to_hex(sha1)};
}

}  // namespace earshot::archive
