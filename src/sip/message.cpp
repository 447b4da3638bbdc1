#include "sip/message.h"

#include <algorithm>

#include "base/text.h"
#include "sip/limits.h"

namespace earshot::sip {

HeaderView Message::header(std::size_t index) const {
    const Field& field = fields_[index];
    return {.id = field.id, .name = text(field.name), .value = value(field)};
}

const Message::Field* Message::find_field(HeaderId id) const {
    const auto found = std::find_if(fields_.begin(), fields_.end(),
                                    [&](const Field& field) { return field.id == id; });
    return found == fields_.end() ? nullptr : &*found;
}

std::optional<std::string_view> Message::find(HeaderId id) const {
    const Field* field = find_field(id);
    if (field == nullptr) return std::nullopt;
    return value(*field);
}

std::optional<std::string_view> Message::find(std::string_view name) const {
    const HeaderId id = find_header_id(name);
    if (id != HeaderId::Other) return find(id);
    for (const Field& field : fields_) {
        if (field.id == HeaderId::Other && base::iequals(text(field.name), name)) {
            return value(field);
        }
    }
    return std::nullopt;
}

std::vector<std::string_view> Message::all(HeaderId id) const {
    std::vector<std::string_view> found;
    for (const Field& field : fields_) {
        if (field.id == id) found.push_back(value(field));
    }
    return found;
}

std::vector<std::string_view> Message::values(HeaderId id) const {
    std::vector<std::string_view> found;
    for (const Field& field : fields_) {
        if (field.id != id) continue;
        std::string_view rest = value(field);
        std::string_view element;
        while (take_list_element(rest, element)) {
            if (found.size() == kMaxHeaderValues) return found;
            found.push_back(element);
        }
    }
    return found;
}

std::optional<std::string_view> Message::first_value(HeaderId id) const {
    for (const Field& field : fields_) {
        if (field.id != id) continue;
        std::string_view rest = value(field);
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

std::string_view Message::call_id() const { return find(HeaderId::CallId).value_or(""); }

NameAddr Message::from() const {
    const auto parsed = parse_name_addr(find(HeaderId::From).value_or(""));
    return parsed ? *parsed : NameAddr{};
}

NameAddr Message::to() const {
    const auto parsed = parse_name_addr(find(HeaderId::To).value_or(""));
    return parsed ? *parsed : NameAddr{};
}

std::string_view Message::from_tag() const { return from().tag(); }
std::string_view Message::to_tag() const { return to().tag(); }

Via Message::top_via() const {
    const auto parsed = parse_via(first_value(HeaderId::Via).value_or(""));
    return parsed ? *parsed : Via{};
}

base::ByteView Message::body() const { return base::ByteView(raw_).subspan(body_.at, body_.size); }

base::ByteView Message::head() const { return base::ByteView(raw_).subspan(head_.at, head_.size); }

}  // namespace earshot::sip
