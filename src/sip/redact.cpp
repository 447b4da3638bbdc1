#include "sip/redact.h"

#include <algorithm>
#include <string_view>

#include "base/bytes.h"
#include "base/text.h"

namespace earshot::sip {
namespace {

using Octets = std::span<std::uint8_t>;

std::size_t overwrite(Octets octets) {
    std::fill(octets.begin(), octets.end(), std::uint8_t{'*'});
    return octets.size();
}

std::size_t count_blanks(std::string_view text) {
    return std::min(text.find_first_not_of(" \t"), text.size());
}

// The lines of a message, without their ends: CRLF, LF or CR. Both ends are searched by memchr,
// each once: nearly all of a message is only passed over.
class Lines {
public:
    explicit Lines(Octets octets) : octets_(octets) {
        cr_ = find('\r');
        lf_ = find('\n');
    }

    bool at_end() const { return at_ >= octets_.size(); }
    Octets take() {
        const std::size_t end = std::min(cr_, lf_);
        const Octets line = octets_.subspan(at_, end - at_);
        at_ = end + (cr_ + 1 == lf_ ? 2 : 1);
        if (cr_ < at_) cr_ = find('\r');
        if (lf_ < at_) lf_ = find('\n');
        return line;
    }

private:
    std::size_t find(char c) const {
        return std::min(base::as_text(octets_).find(c, at_), octets_.size());
    }

    Octets octets_;
    std::size_t at_ = 0;
    std::size_t cr_ = 0;
    std::size_t lf_ = 0;
};

// The size of the header name, its colon and the spaces around it, or 0 when it is another header.
std::size_t credentials_prefix(std::string_view line) {
    for (const std::string_view name : {"authorization", "proxy-authorization"}) {
        if (!base::istarts_with(line, name)) continue;
        std::size_t size = name.size() + count_blanks(line.substr(name.size()));
        if (line.substr(size, 1) != ":") continue;
        ++size;
        return size + count_blanks(line.substr(size));
    }
    return 0;
}

// Follows the value of Authorization over its folds: the scheme's name stays readable.
class CredentialsEraser {
public:
    bool is_inside() const { return is_inside_; }

    std::size_t erase(Octets line) {
        const std::string_view text = base::as_text(line);
        std::size_t at = credentials_prefix(text);
        if (at != 0) {
            is_inside_ = true;
            has_scheme_ = false;
        } else {
            at = count_blanks(text);
            is_inside_ = is_inside_ && at != 0;
        }
        if (!is_inside_) return 0;
        if (!has_scheme_ && at < text.size()) {
            has_scheme_ = true;
            at = std::min(text.find_first_of(" \t", at), text.size());
            at += count_blanks(text.substr(at));
        }
        return overwrite(line.subspan(at));
    }

private:
    bool is_inside_ = false;
    bool has_scheme_ = false;
};

// RFC 4568 §9.2: inline:KEY|lifetime|MKI:length, several of them parted by ';'.
std::size_t erase_inline_keys(Octets line) {
    constexpr std::string_view kInline = "inline:";
    const std::string_view text = base::as_text(line);
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (base::to_lower(text[at]) != kInline.front()) continue;
        if (!base::istarts_with(text.substr(at), kInline)) continue;
        at += kInline.size();
        const std::size_t end = std::min(text.find_first_of("|; \t", at), text.size());
        count += overwrite(line.subspan(at, end - at));
        at = end;
    }
    return count;
}

std::size_t erase_sdp_keys(Octets line) {
    const std::string_view text = base::as_text(line);
    const std::size_t blanks = count_blanks(text);
    const std::string_view sdp = text.substr(blanks);
    if (base::istarts_with(sdp, "a=crypto:")) return erase_inline_keys(line);
    // RFC 8839 section 5.4: who knows it may take part in the checks.
    constexpr std::string_view kIcePassword = "a=ice-pwd:";
    if (base::istarts_with(sdp, kIcePassword))
        return overwrite(line.subspan(blanks + kIcePassword.size()));
    if (base::istarts_with(sdp, "k=")) return overwrite(line.subspan(blanks + 2));
    return 0;
}

// Whether the line can begin with Authorization, Proxy-Authorization, a=c, a=i or k=: few can,
// by its first letters. SDP may be indented.
bool may_hold_secret(Octets line) {
    std::size_t at = 0;
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
    const std::string_view text = base::as_text(line.subspan(at));
    if (text.size() < 2) return false;
    const char second = base::to_lower(text[1]);
    switch (base::to_lower(text[0])) {
        case 'a':
            return second == 'u' ||
                   (second == '=' && text.size() > 2 &&
                    (base::to_lower(text[2]) == 'c' || base::to_lower(text[2]) == 'i'));
        case 'p':
            return second == 'r';
        case 'k':
            return second == '=';
        default:
            return false;
    }
}

}  // namespace

std::size_t redact_secrets(Octets message) {
    CredentialsEraser credentials;
    std::size_t count = 0;
    for (Lines lines(message); !lines.at_end();) {
        const Octets line = lines.take();
        if (!credentials.is_inside() && !may_hold_secret(line)) continue;
        count += credentials.erase(line) + erase_sdp_keys(line);
    }
    return count;
}

}  // namespace earshot::sip
