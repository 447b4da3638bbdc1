#include <openssl/evp.h>

#include "objects/object_store.h"

namespace earshot::objects {

using base::Errc;
using base::Error;
using base::Result;

namespace {

struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

constexpr Error kHashFailed{Errc::Io, "SHA-256 is not available"};

}  // namespace

Result<PartInfo> digest_file(io::File& file, const std::string& name) {
    const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
    if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1)
        return kHashFailed;
    PartInfo part{.name = name};
    base::Bytes buffer(256UL * 1024);
    for (;;) {
        const auto count = file.read_at(part.size, buffer);
        if (!count) return count.error();
        if (EVP_DigestUpdate(context.get(), buffer.data(), *count) != 1) return kHashFailed;
        part.size += *count;
        if (*count < buffer.size()) break;
    }
    if (EVP_DigestFinal_ex(context.get(), part.sha256.data(), nullptr) != 1) return kHashFailed;
    return part;
}

}  // namespace earshot::objects
