#include "mime/media_type.h"

#include "base/text.h"

namespace earshot::mime {
namespace {

// The length of a quoted string's inside, `text` beginning after the opening quote; all of it when
// the closing quote is missing.
std::size_t quoted_length(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') return i;
        if (text[i] == '\\') ++i;
    }
    return text.size();
}

struct Parameter {
    std::string_view name;
    std::string_view value;
};

// Takes one NAME[=VALUE] with its closing ';' off the front.
Parameter take_parameter(std::string_view& rest) {
    // A loop: find_first_of() calls memchr for each character.
    std::size_t name_end = 0;
    while (name_end < rest.size() && rest[name_end] != '=' && rest[name_end] != ';') ++name_end;
    Parameter parameter{base::trim(rest.substr(0, name_end)), {}};
    if (name_end == rest.size()) {
        rest = {};
        return parameter;
    }
    const bool has_value = rest[name_end] == '=';
    rest.remove_prefix(name_end + 1);
    if (!has_value) return parameter;

    const std::string_view value = base::trim(rest);
    if (value.starts_with('"')) {
        rest.remove_prefix(static_cast<std::size_t>(value.data() - rest.data()) + 1);
        const std::size_t length = quoted_length(rest);
        parameter.value = rest.substr(0, length);
        rest.remove_prefix(length);
        base::take_until(rest, ';');
    } else {
        parameter.value = base::trim(base::take_until(rest, ';'));
    }
    return parameter;
}

}  // namespace

ParameterizedValue split_parameters(std::string_view field_value) {
    ParameterizedValue split;
    split.value = base::trim(base::take_until(field_value, ';'));
    split.parameters = field_value;
    return split;
}

std::optional<std::string_view> find_parameter(std::string_view parameters, std::string_view name) {
    while (!parameters.empty()) {
        const Parameter parameter = take_parameter(parameters);
        if (base::iequals(parameter.name, name)) return parameter.value;
    }
    return std::nullopt;
}

}  // namespace earshot::mime
