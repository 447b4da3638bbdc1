#include "io/kernel_text.h"

#include <fstream>
#include <iterator>

namespace earshot::io {

std::string read_kernel_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace earshot::io
