// ConferenceInfo -> XML, in the order of the schema (RFC 4575 section 8).
#include "base/text.h"
#include "conference/conference_info.h"
#include "conference/conference_words.h"
#include "xml/xml_document.h"

namespace earshot::conference {
namespace {

using xml::xml_escape;

class Writer {
public:
    std::string take() { return std::move(out_); }

    Writer& raw(std::string_view text) {
        out_ += text;
        return *this;
    }
    Writer& attribute(std::string_view name, std::string_view value) {
        return raw(" ").raw(name).raw("=\"").raw(xml_escape(value)).raw("\"");
    }
    Writer& state(State state) {
        if (state == State::Partial) attribute("state", "partial");
        if (state == State::Deleted) attribute("state", "deleted");
        return *this;
    }
    void open(std::string_view name, State its_state) {
        raw("<").raw(name).state(its_state).raw(">");
    }
    void close(std::string_view name) { raw("</").raw(name).raw(">\r\n"); }
    void element(std::string_view name, std::string_view text) {
        raw("<").raw(name).raw(">").raw(xml_escape(text));
        close(name);
    }
    void text(std::string_view name, const Text& text) {
        if (text) element(name, *text);
    }
    void word(std::string_view name, std::string_view word) {
        if (!word.empty()) element(name, word);
    }
    void number(std::string_view name, const std::optional<std::uint32_t>& number) {
        if (number) element(name, std::to_string(*number));
    }
    void truth(std::string_view name, const std::optional<bool>& truth) {
        if (truth) element(name, *truth ? "true" : "false");
    }

private:
    std::string out_;
};

void write(Writer& out, std::string_view name, const std::optional<UriList>& list) {
    if (!list) return;
    out.open(name, list->state);
    for (const UriEntry& entry : list->entries) {
        out.raw("<entry>");
        out.element("uri", entry.uri);
        out.text("display-text", entry.display_text);
        out.text("purpose", entry.purpose);
        out.close("entry");
    }
    out.close(name);
}

void write(Writer& out, std::string_view name, const std::optional<Execution>& execution) {
    if (!execution) return;
    out.raw("<").raw(name).raw(">");
    if (execution->when) out.element("when", base::to_rfc3339(*execution->when));
    out.text("reason", execution->reason);
    out.text("by", execution->by);
    out.close(name);
}

void write(Writer& out, const Description& description) {
    out.open("conference-description", description.state);
    out.text("display-text", description.display_text);
    out.text("subject", description.subject);
    out.text("free-text", description.free_text);
    out.text("keywords", description.keywords);
    write(out, "conf-uris", description.conf_uris);
    write(out, "service-uris", description.service_uris);
    out.number("maximum-user-count", description.maximum_user_count);
    if (description.available_media) {
        out.raw("<available-media>");
        for (const AvailableMedia& media : *description.available_media) {
            out.raw("<entry").attribute("label", media.label).raw(">");
            out.text("display-text", media.display_text);
            out.text("type", media.type);
            out.word("status", to_string(media.status));
            out.close("entry");
        }
        out.close("available-media");
    }
    out.close("conference-description");
}

void write(Writer& out, const ConferenceState& state) {
    out.open("conference-state", state.state);
    out.number("user-count", state.user_count);
    out.truth("active", state.active);
    out.truth("locked", state.locked);
    out.close("conference-state");
}

void write(Writer& out, const Media& media) {
    out.raw("<media").attribute("id", media.id).state(media.state).raw(">");
    out.text("display-text", media.display_text);
    out.text("type", media.type);
    out.text("label", media.label);
    out.text("src-id", media.src_id);
    out.word("status", to_string(media.status));
    out.close("media");
}

void write(Writer& out, const Endpoint& endpoint) {
    out.raw("<endpoint").attribute("entity", endpoint.entity).state(endpoint.state).raw(">");
    out.text("display-text", endpoint.display_text);
    out.word("status", to_string(endpoint.status));
    out.word("joining-method", to_string(endpoint.joining_method));
    write(out, "joining-info", endpoint.joining_info);
    out.word("disconnection-method", to_string(endpoint.disconnection_method));
    write(out, "disconnection-info", endpoint.disconnection_info);
    for (const Media& media : endpoint.media) write(out, media);
    if (endpoint.call_id) {
        out.raw("<call-info><sip>");
        out.text("call-id", endpoint.call_id);
        out.raw("</sip></call-info>\r\n");
    }
    out.close("endpoint");
}

void write(Writer& out, const User& user) {
    out.raw("<user").attribute("entity", user.entity).state(user.state).raw(">");
    out.text("display-text", user.display_text);
    write(out, "associated-aors", user.associated_aors);
    if (user.roles) {
        out.raw("<roles>");
        for (const std::string& role : *user.roles) out.element("entry", role);
        out.close("roles");
    }
    out.text("cascaded-focus", user.cascaded_focus);
    for (const Endpoint& endpoint : user.endpoints) write(out, endpoint);
    if (user.nickname) {  // an extension: behind all of the package's own
        out.raw("<xcon:nickname>").raw(xml_escape(*user.nickname));
        out.close("xcon:nickname");
    }
    out.close("user");
}

void write_children(Writer& out, const ConferenceInfo& info) {
    if (info.description) write(out, *info.description);
    if (info.conference_state) write(out, *info.conference_state);
    if (info.users) {
        out.open("users", info.users->state);
        out.raw("\r\n");
        for (const User& user : info.users->users) write(out, user);
        out.close("users");
    }
    write(out, "sidebars-by-ref", info.sidebars_by_ref);
    if (!info.sidebars_state) return;
    out.open("sidebars-by-val", *info.sidebars_state);
    for (const ConferenceInfo& sidebar : info.sidebars) {
        out.raw("<entry").attribute("entity", sidebar.entity).state(sidebar.state).raw(">");
        write_children(out, sidebar);
        out.close("entry");
    }
    out.close("sidebars-by-val");
}

bool has_nickname(const ConferenceInfo& info) {
    if (info.users)
        for (const User& user : info.users->users)
            if (user.nickname) return true;
    for (const ConferenceInfo& sidebar : info.sidebars)
        if (has_nickname(sidebar)) return true;
    return false;
}

}  // namespace

std::string_view to_string(EndpointStatus status) { return find_word(status); }
std::string_view to_string(JoiningMethod method) { return find_word(method); }
std::string_view to_string(DisconnectionMethod method) { return find_word(method); }
std::string_view to_string(MediaStatus status) { return find_word(status); }

std::optional<std::uint32_t> Media::ssrc() const {
    return src_id ? base::parse_number<std::uint32_t>(*src_id) : std::nullopt;
}

std::string write_conference_info(const ConferenceInfo& info) {
    Writer out;
    out.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<conference-info")
        .attribute("xmlns", kNamespace);
    if (has_nickname(info)) out.attribute("xmlns:xcon", kXconNamespace);
    out.attribute("entity", info.entity);
    // Written even where it is the default: not every subscriber knows that it is.
    if (info.state == State::Full) out.attribute("state", "full");
    out.state(info.state);
    if (info.version) out.attribute("version", std::to_string(*info.version));
    out.raw(">\r\n");
    write_children(out, info);
    out.close("conference-info");
    return out.take();
}

}  // namespace earshot::conference
