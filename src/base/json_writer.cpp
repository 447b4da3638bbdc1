#include "base/json_writer.h"

#include <algorithm>

#include "base/text.h"

namespace earshot::base {

namespace {

bool is_plain(char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f &&
           c != '"' && c != '\\';
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

void append_json_escape(std::string& out, char c) {
    constexpr std::string_view kHex = "0123456789abcdef";
    switch (c) {
        case '"':
        case '\\':
            out += '\\';
            out += c;
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    const auto octet = static_cast<unsigned char>(c);
    out += "\\u00";
    out += kHex[octet >> 4];
    out += kHex[octet & 15];
}

void append_json_text(std::string& out, std::string_view text) {
    out += '"';
    if (std::all_of(text.begin(), text.end(), is_plain))
        out += text;
    else
        for (const char c : to_valid_utf8(text)) {
            if (c == '"' || c == '\\' || is_control(c))
                append_json_escape(out, c);
            else
                out += c;
        }
    out += '"';
}

}  // namespace earshot::base
