#include "xml/xml_charset.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"

namespace earshot::xml {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kMaxNameBytes = 32;

// A name comes from the peer and iconv knows more than a thousand, loaded from modules: only those
// that documents have are handed to it.
bool is_known(std::string_view name) {
    constexpr std::array<std::string_view, 7> kFamilies = {
        "iso-8859-", "iso8859-", "windows-12", "cp12", "koi8-", "euc-", "gb"};
    constexpr std::array<std::string_view, 4> kSingle = {"latin1", "shift_jis", "big5", "tis-620"};
    const bool is_a_name =
        name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
            const char lower = base::to_lower(c);
            return base::is_digit(c) || (lower >= 'a' && lower <= 'z') || c == '-' || c == '_';
        });
    if (!is_a_name) return false;
    const auto begins = [&](std::string_view family) { return base::istarts_with(name, family); };
    const auto equals = [&](std::string_view known) { return base::iequals(name, known); };
    return std::any_of(kFamilies.begin(), kFamilies.end(), begins) ||
           std::any_of(kSingle.begin(), kSingle.end(), equals);
}

bool is_utf8(std::string_view name) {
    constexpr std::array<std::string_view, 4> kNames = {"utf-8", "utf8", "us-ascii", "ascii"};
    return std::any_of(kNames.begin(), kNames.end(),
                       [&](std::string_view known) { return base::iequals(name, known); });
}

class Converter {
public:
    explicit Converter(const std::string& charset)
        : handle_(iconv_open("UTF-8", charset.c_str())) {}
    Converter(const Converter&) = delete;
    Converter& operator=(const Converter&) = delete;
    ~Converter() {
        if (is_open()) iconv_close(handle_);
    }

    // iconv_open() fails by this value.
    // NOLINTNEXTLINE(performance-no-int-to-ptr,cppcoreguidelines-pro-type-cstyle-cast)
    bool is_open() const { return handle_ != (iconv_t)-1; }
    std::optional<std::string> convert(std::string_view bytes) {
        std::string out(3 * bytes.size() + 16, '\0');  // no byte becomes more than three
        char* from = const_cast<char*>(bytes.data());  // iconv() only reads it
        std::size_t from_left = bytes.size();
        char* to = out.data();
        std::size_t to_left = out.size();
        const std::size_t result = iconv(handle_, &from, &from_left, &to, &to_left);
        if (result == static_cast<std::size_t>(-1) || from_left != 0) return std::nullopt;
        out.resize(out.size() - to_left);
        return out;
    }

private:
    iconv_t handle_;
};

// The byte order of UTF-16 with a mark, or of a '<' without one.
const char* find_utf16_order(std::string_view bytes) {
    if (bytes.starts_with("\xff\xfe"sv) || bytes.starts_with("<\0"sv)) return "UTF-16LE";
    if (bytes.starts_with("\xfe\xff"sv) || bytes.starts_with("\0<"sv)) return "UTF-16BE";
    return nullptr;
}

// <?xml version="1.0" encoding="..."?>; empty when it tells none.
std::string_view declared_encoding(std::string_view text) {
    if (!text.starts_with("<?xml")) return {};
    std::string_view rest = text.substr(0, text.find("?>"));
    const std::size_t at = rest.find("encoding");
    if (at == std::string_view::npos) return {};
    rest = base::trim(rest.substr(at + "encoding"sv.size()));
    if (!rest.starts_with('=')) return {};
    rest = base::trim(rest.substr(1));
    if (rest.empty() || (rest.front() != '"' && rest.front() != '\'')) return {};
    const char quote = rest.front();
    rest.remove_prefix(1);
    return rest.substr(0, rest.find(quote));
}

base::Result<XmlText> convert(std::string_view bytes, std::string_view charset) {
    Converter converter{std::string{charset}};
    if (!converter.is_open())
        return base::Error{base::Errc::Unsupported, "the encoding is not supported"};
    auto text = converter.convert(bytes);
    if (!text) return base::Error{base::Errc::Malformed, "the text is not in its encoding"};
    return XmlText{*std::move(text), false};
}

}  // namespace

base::Result<XmlText> decode_xml_text(std::string_view bytes, std::string_view charset) {
    constexpr std::string_view kMark = "\xef\xbb\xbf";
    if (bytes.starts_with(kMark)) {
        while (bytes.starts_with(kMark)) bytes.remove_prefix(kMark.size());
        return XmlText{std::string{bytes}, false};
    }
    if (const char* order = find_utf16_order(bytes)) {
        const bool has_mark = bytes.front() != '<' && bytes.front() != '\0';
        return convert(bytes.substr(has_mark ? 2 : 0), order);
    }
    bool charset_ignored = false;
    if (!charset.empty()) {
        if (is_utf8(charset)) return XmlText{std::string{bytes}, false};
        if (is_known(charset)) {
            auto text = convert(bytes, charset);
            if (text || text.error().code == base::Errc::Malformed) return text;
        }
        charset_ignored = true;
    }
    const std::string_view declared = declared_encoding(bytes);
    // UTF-16 cannot be what a declaration in single bytes is written in.
    if (declared.empty() || is_utf8(declared) || base::istarts_with(declared, "utf-16"))
        return XmlText{std::string{bytes}, charset_ignored};
    if (!is_known(declared))
        return base::Error{base::Errc::Unsupported, "the encoding is not supported"};
    auto text = convert(bytes, declared);
    if (text) text->charset_ignored = charset_ignored;
    return text;
}

}  // namespace earshot::xml
