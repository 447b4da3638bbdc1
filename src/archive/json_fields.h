// What the JSON of this room has in several documents.
#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"

namespace earshot::archive {

// Null stands for what was not told.
inline void write_text_or_null(base::JsonWriter& out, std::string_view name,
                               const std::string& text) {
    out.key(name);
    if (text.empty())
        out.null();
    else
        out.text(text);
}

}  // namespace earshot::archive
