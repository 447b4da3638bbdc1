#include "app/secret_file.h"

#include "app/text_file.h"

namespace earshot::app {

std::optional<std::string> read_secret(const std::filesystem::path& file) {
    const auto text = read_text_file(file);
    if (!text) return std::nullopt;
    std::string line = text->substr(0, text->find('\n'));
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) return std::nullopt;
    return line;
}

}  // namespace earshot::app
