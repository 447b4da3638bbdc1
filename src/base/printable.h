// Texts of strangers for a terminal or a text file.
#pragma once

#include <string>
#include <string_view>

namespace earshot::base {

// Control characters become '?', marks of direction and without width their number, "<U+202E>": a
// caller's name must neither move the cursor nor show as another.
std::string printable(std::string_view text);

// The same for a JSON text, which must be valid UTF-8: they become \uXXXX, and it means what it
// meant.
std::string printable_json(std::string_view json);

}  // namespace earshot::base
