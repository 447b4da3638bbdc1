// XML -> ConferenceInfo. What is unknown is passed over; what is past a limit is left out and told.
#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "conference/conference_info.h"
#include "conference/conference_words.h"
#include "conference/limits.h"
#include "xml/xml_document.h"

namespace earshot::conference {
namespace {

using xml::XmlDocument;
using xml::XmlElement;

class DocumentParser {
public:
    explicit DocumentParser(ConferenceDocument& document) : document_(document) {}
    bool run(const XmlElement& root);

private:
    void note(std::string text, const XmlElement& at);
    template <class Visit>
    void for_each_child(const XmlElement& parent, Visit visit);

    Text text_of(const XmlElement& element);
    static State state_of(const XmlElement& element);
    std::optional<std::string> key_of(const XmlElement& element, const char* name);
    template <class Enum>
    Enum word_of(const XmlElement& element);
    std::optional<std::uint32_t> number_of(const XmlElement& element);
    std::optional<bool> truth_of(const XmlElement& element);
    // False, told once, when `list` is as long as it may be.
    template <class List>
    bool has_room(const List& list, std::size_t limit, const char* what, const XmlElement& at);

    void parse_conference(const XmlElement& element, ConferenceInfo& info, bool is_sidebar);
    Description parse_description(const XmlElement& element);
    std::vector<AvailableMedia> parse_available_media(const XmlElement& element);
    ConferenceState parse_state(const XmlElement& element);
    UriList parse_uris(const XmlElement& element);
    UserList parse_users(const XmlElement& element);
    User parse_user(const XmlElement& element, std::string entity);
    std::vector<std::string> parse_roles(const XmlElement& element);
    Endpoint parse_endpoint(const XmlElement& element, std::string entity);
    Execution parse_execution(const XmlElement& element);
    Media parse_media(const XmlElement& element, std::string id);
    void parse_sidebars(const XmlElement& element, ConferenceInfo& info);

    ConferenceDocument& document_;
    std::string_view name_space_;
    bool is_crowded_ = false;
};

// ---- small things -----------------------------------------------------------------------------

void DocumentParser::note(std::string text, const XmlElement& at) {
    if (document_.issues.size() < kMaxIssues)
        document_.issues.push_back({std::move(text), at.line()});
}

// Those of the package's own namespace. Extensions are no business of ours, but for one.
template <class Visit>
void DocumentParser::for_each_child(const XmlElement& parent, Visit visit) {
    for (auto child = parent.first_child(); child; child = child->next_sibling())
        if (child->name_space() == name_space_) visit(*child, child->name());
}

Text DocumentParser::text_of(const XmlElement& element) {
    std::string_view text = element.text();
    if (text.size() > kMaxTextBytes) {
        note(fmt::format("the text of {} is cut: it is too long", element.name()), element);
        text = text.substr(0, kMaxTextBytes);
        while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80)
            text.remove_suffix(1);  // never within a character
        if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xC0) text.remove_suffix(1);
    }
    return std::string{text};
}

State DocumentParser::state_of(const XmlElement& element) {
    const auto state = element.attribute("state");
    if (state && base::iequals(*state, "partial")) return State::Partial;
    if (state && base::iequals(*state, "deleted")) return State::Deleted;
    return State::Full;
}

std::optional<std::string> DocumentParser::key_of(const XmlElement& element, const char* name) {
    const auto key = element.attribute(name);
    const std::string_view text = key ? base::trim(*key) : std::string_view{};
    if (text.empty() || text.size() > kMaxKeyBytes) {
        note(fmt::format("{} is left out: its {} is {}", element.name(), name,
                         text.empty() ? "missing" : "too long"),
             element);
        return std::nullopt;
    }
    return std::string{text};
}

template <class Enum>
Enum DocumentParser::word_of(const XmlElement& element) {
    const std::string_view text = element.text();
    for (const auto& [value, word] : kWords<Enum>)
        if (base::iequals(text, word)) return value;
    note(fmt::format("{} has a value that RFC 4575 does not know", element.name()), element);
    return Enum::None;
}

std::optional<std::uint32_t> DocumentParser::number_of(const XmlElement& element) {
    const auto number = base::parse_number<std::uint32_t>(element.text());
    if (!number) note(fmt::format("{} is no number", element.name()), element);
    return number;
}

std::optional<bool> DocumentParser::truth_of(const XmlElement& element) {
    const std::string_view text = element.text();
    if (base::iequals(text, "true") || text == "1") return true;
    if (base::iequals(text, "false") || text == "0") return false;
    note(fmt::format("{} is neither true nor false", element.name()), element);
    return std::nullopt;
}

template <class List>
bool DocumentParser::has_room(const List& list, std::size_t limit, const char* what,
                              const XmlElement& at) {
    if (list.size() < limit) return true;
    if (!std::exchange(is_crowded_, true)) note(fmt::format("there are too many {}", what), at);
    return false;
}

// ---- the conference ---------------------------------------------------------------------------

bool DocumentParser::run(const XmlElement& root) {
    name_space_ = root.name_space();
    if (root.name() != "conference-info" || (name_space_ != kNamespace && !name_space_.empty()))
        return false;
    if (name_space_.empty()) note("the namespace of conference-info is missing", root);
    ConferenceInfo& info = document_.info;
    auto entity = key_of(root, "entity");
    if (!entity) return false;
    info.entity = *std::move(entity);
    info.state = state_of(root);
    if (const auto version = root.attribute("version"))
        info.version = base::parse_number<std::uint32_t>(base::trim(*version));
    if (!info.version) note("conference-info has no version", root);
    parse_conference(root, info, false);
    return true;
}

void DocumentParser::parse_conference(const XmlElement& element, ConferenceInfo& info,
                                      bool is_sidebar) {
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name == "conference-description") info.description = parse_description(child);
        if (name == "conference-state") info.conference_state = parse_state(child);
        if (name == "users") info.users = parse_users(child);
        if (is_sidebar) return;
        if (name == "sidebars-by-ref") info.sidebars_by_ref = parse_uris(child);
        if (name == "sidebars-by-val") parse_sidebars(child, info);
    });
}

Description DocumentParser::parse_description(const XmlElement& element) {
    Description description;
    description.state = state_of(element);
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name == "display-text") description.display_text = text_of(child);
        if (name == "subject") description.subject = text_of(child);
        if (name == "free-text") description.free_text = text_of(child);
        if (name == "keywords") description.keywords = text_of(child);
        if (name == "conf-uris") description.conf_uris = parse_uris(child);
        if (name == "service-uris") description.service_uris = parse_uris(child);
        if (name == "maximum-user-count") description.maximum_user_count = number_of(child);
        if (name == "available-media") description.available_media = parse_available_media(child);
    });
    return description;
}

std::vector<AvailableMedia> DocumentParser::parse_available_media(const XmlElement& element) {
    std::vector<AvailableMedia> list;
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name != "entry" || !has_room(list, kMaxAvailableMedia, "available media", child))
            return;
        auto label = key_of(child, "label");
        if (!label) return;
        AvailableMedia media;
        media.label = *std::move(label);
        for_each_child(child, [&](const XmlElement& part, std::string_view part_name) {
            if (part_name == "display-text") media.display_text = text_of(part);
            if (part_name == "type") media.type = text_of(part);
            if (part_name == "status") media.status = word_of<MediaStatus>(part);
        });
        list.push_back(std::move(media));
    });
    return list;
}

ConferenceState DocumentParser::parse_state(const XmlElement& element) {
    ConferenceState state;
    state.state = state_of(element);
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name == "user-count") state.user_count = number_of(child);
        if (name == "active") state.active = truth_of(child);
        if (name == "locked") state.locked = truth_of(child);
    });
    return state;
}

// conf-uris, service-uris, associated-aors, sidebars-by-ref: uri is a child here, not an attribute.
UriList DocumentParser::parse_uris(const XmlElement& element) {
    UriList list;
    list.state = state_of(element);
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name != "entry" || !has_room(list.entries, kMaxUris, "addresses", child)) return;
        UriEntry entry;
        for_each_child(child, [&](const XmlElement& part, std::string_view part_name) {
            if (part_name == "uri") entry.uri = *text_of(part);
            if (part_name == "display-text") entry.display_text = text_of(part);
            if (part_name == "purpose") entry.purpose = text_of(part);
        });
        if (entry.uri.empty()) return note("an entry is left out: its uri is missing", child);
        list.entries.push_back(std::move(entry));
    });
    return list;
}

void DocumentParser::parse_sidebars(const XmlElement& element, ConferenceInfo& info) {
    info.sidebars_state = state_of(element);
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name != "entry" || !has_room(info.sidebars, kMaxSidebars, "sidebars", child)) return;
        auto entity = key_of(child, "entity");
        if (!entity) return;
        ConferenceInfo sidebar;
        sidebar.entity = *std::move(entity);
        sidebar.state = state_of(child);
        parse_conference(child, sidebar, true);
        info.sidebars.push_back(std::move(sidebar));
    });
}

// ---- users ------------------------------------------------------------------------------------

UserList DocumentParser::parse_users(const XmlElement& element) {
    UserList list;
    list.state = state_of(element);
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name != "user") return;
        if (!has_room(list.users, kMaxUsers, "users", child)) {
            ++list.left_out;
            return;
        }
        auto entity = key_of(child, "entity");
        if (!entity) return;
        list.users.push_back(parse_user(child, *std::move(entity)));
    });
    return list;
}

User DocumentParser::parse_user(const XmlElement& element, std::string entity) {
    User user;
    user.entity = std::move(entity);
    user.state = state_of(element);
    for (auto child = element.first_child(); child; child = child->next_sibling())
        if (child->name() == "nickname" && child->name_space() == kXconNamespace)
            user.nickname = text_of(*child);
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name == "display-text") user.display_text = text_of(child);
        if (name == "associated-aors") user.associated_aors = parse_uris(child);
        if (name == "roles") user.roles = parse_roles(child);
        if (name == "cascaded-focus") user.cascaded_focus = text_of(child);
        if (name != "endpoint" || !has_room(user.endpoints, kMaxEndpoints, "endpoints", child))
            return;
        if (auto key = key_of(child, "entity"))
            user.endpoints.push_back(parse_endpoint(child, *std::move(key)));
    });
    return user;
}

std::vector<std::string> DocumentParser::parse_roles(const XmlElement& element) {
    std::vector<std::string> roles;
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name != "entry" || !has_room(roles, kMaxRoles, "roles", child)) return;
        if (std::string role = *text_of(child); !role.empty()) roles.push_back(std::move(role));
    });
    return roles;
}

Endpoint DocumentParser::parse_endpoint(const XmlElement& element, std::string entity) {
    Endpoint endpoint;
    endpoint.entity = std::move(entity);
    endpoint.state = state_of(element);
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name == "display-text") endpoint.display_text = text_of(child);
        if (name == "status") endpoint.status = word_of<EndpointStatus>(child);
        if (name == "joining-method") endpoint.joining_method = word_of<JoiningMethod>(child);
        if (name == "joining-info") endpoint.joining_info = parse_execution(child);
        if (name == "disconnection-method")
            endpoint.disconnection_method = word_of<DisconnectionMethod>(child);
        if (name == "disconnection-info") endpoint.disconnection_info = parse_execution(child);
        if (name == "call-info") {
            for_each_child(child, [&](const XmlElement& sip, std::string_view) {
                for_each_child(sip, [&](const XmlElement& part, std::string_view part_name) {
                    if (part_name == "call-id") endpoint.call_id = text_of(part);
                });
            });
        }
        if (name != "media" || !has_room(endpoint.media, kMaxEndpointMedia, "media", child)) return;
        if (auto id = key_of(child, "id"))
            endpoint.media.push_back(parse_media(child, *std::move(id)));
    });
    return endpoint;
}

Execution DocumentParser::parse_execution(const XmlElement& element) {
    Execution execution;
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name == "when") {
            if (const auto time = base::parse_time(child.text())) {
                execution.when = time->time;
            } else {
                note("a time cannot be read", child);
            }
        }
        if (name == "reason") execution.reason = text_of(child);
        if (name == "by") execution.by = text_of(child);
    });
    return execution;
}

Media DocumentParser::parse_media(const XmlElement& element, std::string id) {
    Media media;
    media.id = std::move(id);
    media.state = state_of(element);
    for_each_child(element, [&](const XmlElement& child, std::string_view name) {
        if (name == "display-text") media.display_text = text_of(child);
        if (name == "type") media.type = text_of(child);
        if (name == "label") media.label = text_of(child);
        if (name == "src-id") media.src_id = text_of(child);
        if (name == "status") media.status = word_of<MediaStatus>(child);
    });
    return media;
}

}  // namespace

base::Result<ConferenceDocument, Issue> parse_conference_info(std::string_view text,
                                                              std::string_view charset) {
    const auto xml = XmlDocument::parse(text, charset);
    if (!xml) return Issue{xml.error().text, xml.error().line};
    ConferenceDocument document;
    if (xml->warning()) document.issues.push_back({xml->warning()->text, xml->warning()->line});
    if (!DocumentParser{document}.run(xml->root()))
        return Issue{"it is no conference-info with an entity", xml->root().line()};
    return document;
}

}  // namespace earshot::conference
