#include "sip/message.h"

#include <algorithm>

#include "base/text.h"
#include "sip/limits.h"

namespace earshot::sip {

static_assert(kMaxSipHeaders < 255, "first_field_ counts fields in one octet");

HeaderView Message::header(std::size_t index) const {
    const Field& field = fields_[index];
    return {.id = field.id, .name = text(field.name), .value = text(field.value)};
}

std::optional<std::string_view> Message::find(HeaderId id) const {
    const std::size_t index = index_of(id);
    if (index == fields_.size()) return std::nullopt;
    return text(fields_[index].value);
}

std::optional<std::string_view> Message::find(std::string_view name) const {
    const HeaderId id = find_header_id(name);
    if (id != HeaderId::Other) return find(id);
    for (std::size_t i = index_of(id); i < fields_.size(); ++i) {
        if (fields_[i].id == id && base::iequals(text(fields_[i].name), name)) {
            return text(fields_[i].value);
        }
    }
    return std::nullopt;
}

std::vector<std::string_view> Message::all(HeaderId id) const {
    std::vector<std::string_view> found;
    for (std::size_t i = index_of(id); i < fields_.size(); ++i) {
        if (fields_[i].id == id) found.push_back(text(fields_[i].value));
    }
    return found;
}

std::vector<std::string_view> Message::values(HeaderId id) const {
    std::vector<std::string_view> found;
    for (std::size_t i = index_of(id); i < fields_.size(); ++i) {
        if (fields_[i].id != id) continue;
        std::string_view rest = text(fields_[i].value);
        std::string_view element;
        while (take_list_element(rest, element)) {
            if (found.size() == kMaxHeaderValues) return found;
            found.push_back(element);
        }
    }
    return found;
}

std::optional<std::string_view> Message::first_value(HeaderId id) const {
    for (std::size_t i = index_of(id); i < fields_.size(); ++i) {
        if (fields_[i].id != id) continue;
        std::string_view rest = text(fields_[i].value);
        std::string_view element;
        if (take_list_element(rest, element)) return element;
    }
    return std::nullopt;
}

bool Message::lists(HeaderId id, std::string_view token) const {
    const std::vector<std::string_view> listed = values(id);
    return std::any_of(listed.begin(), listed.end(),
                       [&](std::string_view element) { return base::iequals(element, token); });
}

NameAddr Message::from() const {
    const auto parsed = parse_name_addr(find(HeaderId::From).value_or(""));
    return parsed ? *parsed : NameAddr{};
}

NameAddr Message::to() const {
    const auto parsed = parse_name_addr(find(HeaderId::To).value_or(""));
    return parsed ? *parsed : NameAddr{};
}

Via Message::top_via() const {
    return {.protocol = text(top_via_.protocol),
            .transport = text(top_via_.transport),
            .host = text(top_via_.host),
            .port = top_via_.port,
            .params = text(top_via_.params)};
}

base::ByteView Message::body() const { return base::ByteView(raw_).subspan(body_.at, body_.size); }

base::ByteView Message::head() const { return base::ByteView(raw_).subspan(head_.at, head_.size); }

}  // namespace earshot::sip
