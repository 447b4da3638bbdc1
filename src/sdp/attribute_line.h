// An a= line as peers write it, for those that work on the text and not on what parse() made of it.
#pragma once

#include <string_view>

#include "base/text.h"

namespace earshot::sdp {

// What some write twice, as in `a=a=record:on` (spec X-3), is taken away. `line` is what follows
// "a=".
inline std::string_view without_second_mark(std::string_view line) {
    if (line.starts_with("a=")) line.remove_prefix(2);
    return line;
}

// The name in what follows "a=": `rtcp` in "rtcp:9". Compare it without regard to case, as parse()
// does.
inline std::string_view attribute_name(std::string_view line) {
    return base::trim(without_second_mark(line.substr(0, line.find(':'))));
}

}  // namespace earshot::sdp
