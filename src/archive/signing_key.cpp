#include "archive/signing_key.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/text.h"

namespace earshot::archive {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr std::string_view kTag = "earshot-ed25519-1 ";
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kMaxKeyFileBytes = 1024;

std::string to_line(const Ed25519Bytes& bytes) {
    return std::string(kTag) + base::to_base64(bytes) + "\n";
}

base::Result<Ed25519Bytes, base::Reason> read_key(io::FileSystem& files, const std::string& path) {
    const auto content = files.read_file(path, kMaxKeyFileBytes);
    if (!content) {
        const bool is_absent = content.error().code == base::Errc::NotFound;
        return base::Reason{
            is_absent ? "not_found" : "storage_error",
            "The key file " + path + (is_absent ? " is not there." : " cannot be read.")};
    }
    std::string_view text = base::trim(base::as_text(*content));
    const bool has_tag = text.starts_with(kTag);
    if (has_tag) text.remove_prefix(kTag.size());
    const auto bytes = base::parse_base64(text);
    Ed25519Bytes key{};
    if (!has_tag || !bytes || bytes->size() != key.size()) {
        return base::Reason{"bad_key", "The key file " + path + " holds no Ed25519 key."};
    }
    std::copy(bytes->begin(), bytes->end(), key.begin());
    return key;
}

base::Reason storage_error(const std::string& path) {
    return {"storage_error", "The key file " + path + " cannot be written."};
}

}  // namespace

void SigningKey::Free::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

SigningKey::SigningKey(const Ed25519Bytes& secret)
    : key_(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size())) {
    std::size_t size = public_key_.size();
    if (!key_ || EVP_PKEY_get_raw_public_key(key_.get(), public_key_.data(), &size) != 1)
        std::abort();
}

base::Bytes SigningKey::sign(base::ByteView message) const {
    const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    base::Bytes signature(kSignatureBytes);
    std::size_t size = signature.size();
    if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) !=
            1) {
        std::abort();
    }
    return signature;
}

bool verify_signature(base::ByteView public_key, base::ByteView message, base::ByteView signature) {
    if (signature.size() != kSignatureBytes || public_key.size() != 32) return false;
    const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(),
                                              public_key.size()),
                  &EVP_PKEY_free);
    const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    return key && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                            message.size()) == 1;
}

base::Result<SigningKey, base::Reason> load_or_create_signing_key(io::FileSystem& files,
                                                                  const std::string& directory,
                                                                  base::Random& random) {
    const std::string path = io::join_path(directory, "signing.key");
    const auto found = read_key(files, path);
    if (!found && found.error().code != "not_found") return found.error();
    const std::string public_path = io::join_path(directory, "signing.pub");
    const auto known = read_key(files, public_path);
    if (!found && (known || known.error().code != "not_found"))
        return base::Reason{"bad_key",
                            "The key file " + path + " is not there, but its public half " +
                                public_path +
                                " is: put it back from a backup. If it is lost for good, move "
                                "signing.pub aside, and recordings are signed with a new key."};
    Ed25519Bytes secret{};
    if (found) {
        secret = *found;
    } else {
        random.fill(secret);
        if (!files.make_directories(directory)) return storage_error(directory);
        if (!files.write_file(path, base::as_bytes(to_line(secret)))) return storage_error(path);
    }
    SigningKey key(secret);
    if (!known || *known != key.public_key()) {  // it is derived: made again when it is not right
        if (!files.write_file(public_path, base::as_bytes(to_line(key.public_key())))) {
            return storage_error(public_path);
        }
    }
    return key;
}

base::Result<base::Bytes, base::Reason> load_public_key(io::FileSystem& files,
                                                        const std::string& directory) {
    const auto key = read_key(files, io::join_path(directory, "signing.pub"));
    if (!key) return key.error();
    return base::Bytes(key->begin(), key->end());
}

}  // namespace earshot::archive
