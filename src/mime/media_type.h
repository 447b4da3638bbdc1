// The value of a Content-Type or Content-Disposition field: a word and its parameters (RFC 2045
// section 5.1, RFC 2183). Views into the given text.
#pragma once

#include <optional>
#include <string_view>

namespace earshot::mime {

struct ParameterizedValue {
    std::string_view value;       // "multipart/mixed", "recording-session"; as written, trimmed
    std::string_view parameters;  // what follows the first ';', unparsed
};

// Safe on any text; the views borrow it. Nothing is refused: an empty value means there was none.
ParameterizedValue split_parameters(std::string_view field_value);

// The parameter's value without its quotes (an escaped character keeps its backslash: no name we
// read can hold one). Names are compared without case; the first of equal names counts.
std::optional<std::string_view> find_parameter(std::string_view parameters, std::string_view name);

}  // namespace earshot::mime
