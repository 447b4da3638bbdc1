#include "archive/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace earshot::archive {

struct Sha256Stream::State {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free};
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
    if (EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) std::abort();
}
Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::add(base::ByteView bytes) {
    if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) std::abort();
}

Sha256 Sha256Stream::finish() {
    Sha256 hash{};
    if (EVP_DigestFinal_ex(state_->context.get(), hash.data(), nullptr) != 1) std::abort();
    return hash;
}

Sha256 sha256(base::ByteView bytes) {
    Sha256Stream stream;
    stream.add(bytes);
    return stream.finish();
}

}  // namespace earshot::archive
