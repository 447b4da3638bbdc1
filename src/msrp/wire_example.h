// For tests: the examples of docs/msrp-recording.md, as they are on the wire.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace earshot::msrp {

// The block that begins with "```msrp NAME", with CRLF line ends; empty: there is none.
inline std::string wire_example(std::string_view name) {
    std::ifstream file(std::string{EARSHOT_TEST_DATA} + "/../../docs/msrp-recording.md");
    const std::string document{std::istreambuf_iterator<char>(file), {}};
    const std::string begin = "\n```msrp " + std::string(name) + "\n";
    const std::size_t at = document.find(begin);
    if (at == std::string::npos) return {};
    const std::size_t from = at + begin.size();
    std::string wire;
    for (const char c : document.substr(from, document.find("\n```", from) + 1 - from)) {
        if (c == '\n') wire += '\r';
        wire += c;
    }
    return wire;
}

}  // namespace earshot::msrp
