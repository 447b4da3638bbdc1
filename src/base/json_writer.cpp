#include "base/json_writer.h"

#include <algorithm>

#include "base/printable.h"
#include "base/text.h"

namespace earshot::base {

namespace {

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

bool needs_escape(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"' || c == '\\';
}

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

namespace {

// Runs of plain characters are copied as they are.
void append_escaped(std::string& out, std::string_view text) {
    while (!text.empty()) {
        const auto stop = std::find_if(text.begin(), text.end(), needs_escape);
        const auto run = static_cast<std::size_t>(stop - text.begin());
        out += text.substr(0, run);
        if (run == text.size()) return;
        append_json_escape(out, text[run]);
        text.remove_prefix(run + 1);
    }
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
    out += '"';
    if (std::all_of(text.begin(), text.end(), is_ascii)) {
        append_escaped(out, text);
    } else {
        // Whoever looks at the JSON with a terminal is safe, too.
        std::string escaped;
        append_escaped(escaped, to_valid_utf8(text));
        out += printable_json(escaped);
    }
    out += '"';
}

}  // namespace earshot::base
