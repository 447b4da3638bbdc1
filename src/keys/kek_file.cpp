#include "keys/kek_file.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/key_wrap.h"
#include "keys/limits.h"

namespace earshot::keys {

using base::Errc;
using base::Error;

namespace {

constexpr std::string_view kTag = "earshot-kek-1";
constexpr std::string_view kAnyVersion = "earshot-kek-";
constexpr std::string_view kPlain = "plain";
constexpr std::string_view kSealed = "sealed";
constexpr std::size_t kCheckBytes = 8;

}  // namespace

base::Result<KekFile> parse_kek_file(std::string_view text) {
    std::string_view rest = base::trim(text);
    const std::string_view tag = base::take_until(rest, ' ');
    if (tag != kTag && tag.starts_with(kAnyVersion))
        return Error{Errc::Unsupported, "its version is not known"};
    if (tag != kTag) return Error{Errc::Malformed, "it is no key-encryption key of Earshot's"};
    const std::string_view kind = base::take_until(rest, ' ');
    if (kind != kPlain && kind != kSealed) return Error{Errc::Malformed, "its kind is not known"};
    KekFile file{.is_sealed = kind == kSealed};
    file.check = base::take_until(rest, ' ');
    const auto check = base::parse_hex(file.check);
    if (!check || check->size() != kCheckBytes || file.check != base::to_lower(file.check))
        return Error{Errc::Malformed, "its check is no run of 16 hex digits"};
    auto content = base::parse_base64(rest);
    const bool is_right_size =
        content && (file.is_sealed ? !content->empty() && content->size() <= kMaxSealedBytes
                                   : content->size() == crypto::kKeyBytes);
    if (!is_right_size) return Error{Errc::Malformed, "its key is cut or altered"};
    file.content = std::move(*content);
    return file;
}

std::string to_text(const KekFile& file) {
    std::string text(kTag);
    text += ' ';
    text += file.is_sealed ? kSealed : kPlain;
    text += ' ' + file.check + ' ' + base::to_base64(file.content) + '\n';
    return text;
}

std::string check_of(const base::Uuid& id, const crypto::SecretKey& key) {
    base::Bytes twice(id.bytes.begin(), id.bytes.end());
    twice.insert(twice.end(), id.bytes.begin(), id.bytes.end());
    const crypto::WrappedKey wrapped =
        crypto::KeyRing(id, key.copy()).wrap(crypto::SecretKey::from(twice));
    return base::to_hex(base::ByteView(wrapped.bytes).last(kCheckBytes));
}

}  // namespace earshot::keys
