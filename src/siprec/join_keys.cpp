#include "siprec/join_keys.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "sip/headers.h"
#include "siprec/limits.h"
#include "xml/xml_document.h"

namespace earshot::siprec {
namespace {

using xml::XmlDocument;
using xml::XmlElement;
using Kind = JoinKeySource::Kind;

constexpr std::size_t kHalfDigits = 32;   // RFC 7989 section 5
constexpr std::size_t kMinSessionId = 8;  // of a session_id that is no UUID: "1" is of many calls

constexpr std::array<std::pair<Kind, std::string_view>, 5> kKinds{
    {{Kind::SessionId, "session_id"},
     {Kind::SipSessionId, "sip_session_id"},
     {Kind::Header, "header:"},
     {Kind::FromParameter, "from:"},
     {Kind::Element, "element:"}}};

// Ids that are not known yet are written as zeros: "0", 32 of them, the nil UUID.
bool is_zero(std::string_view value) {
    return value.find_first_not_of("0-") == std::string_view::npos;
}

class Keys {
public:
    void add(const JoinKeySource& source, std::string_view value) {
        const std::string_view trimmed = base::trim(value);
        if (is_zero(trimmed) || trimmed.size() > kMaxJoinKeyBytes || all_.size() >= kMaxJoinKeys)
            return;
        JoinKey key{to_string(source), base::to_valid_utf8(trimmed)};
        if (std::find(all_.begin(), all_.end(), key) == all_.end()) all_.push_back(std::move(key));
    }
    void add_halves(const JoinKeySource& source, std::string_view value) {
        for (const std::string& half : session_id_halves(value)) add(source, half);
    }
    std::vector<JoinKey> take() { return std::move(all_); }

private:
    std::vector<JoinKey> all_;
};

void add_from_parameter(const JoinKeySource& source, const sip::Message& request, Keys& keys) {
    const auto from =
        sip::parse_name_addr(request.find(sip::HeaderId::From).value_or(std::string_view{}));
    if (!from) return;
    auto value = from->param(source.name);
    if (const auto uri = sip::parse_uri(from->uri); uri && !value) value = uri->param(source.name);
    if (value) keys.add(source, *value);
}

void add_headers(const JoinKeySource& source, const sip::Message& request, Keys& keys) {
    for (std::size_t i = 0; i < request.header_count(); ++i) {
        const sip::HeaderView header = request.header(i);
        if (base::iequals(header.name, source.name)) keys.add(source, header.value);
    }
}

void add_session_id(const JoinKeySource& source, const MetadataId& id, Keys& keys) {
    if (const auto uuid = id.uuid())
        keys.add(source, base::to_string(*uuid));
    else if (id.text().size() >= kMinSessionId)
        keys.add(source, id.text());
}

// `element` and all below. What follows a ';' says how the id is written (";encoding=hex").
void add_elements(const JoinKeySource& source, const XmlElement& element, Keys& keys) {
    std::string_view name = element.name();
    if (const std::size_t colon = name.rfind(':'); colon != std::string_view::npos)
        name.remove_prefix(colon + 1);
    if (base::iequals(name, source.name) && !element.first_child()) {
        const std::string_view text = element.text();
        keys.add(source, text.substr(0, text.find(';')));
    }
    for (auto child = element.first_child(); child; child = child->next_sibling())
        add_elements(source, *child, keys);  // at most kMaxXmlDepth deep
}

bool contains(std::string_view text, std::string_view word) {
    const auto is_same = [](char a, char b) { return base::to_lower(a) == base::to_lower(b); };
    return std::search(text.begin(), text.end(), word.begin(), word.end(), is_same) != text.end();
}

// Looks into foreign elements; each costs a run of the XML parser, so only those that name a key,
// and so many of them.
class ElementSearch {
public:
    ElementSearch(std::span<const JoinKeySource> sources, Keys& keys) : keys_(keys) {
        for (const JoinKeySource& source : sources)
            if (source.kind == Kind::Element) sources_.push_back(&source);
    }

    template <class Extensions>
    void add(const Extensions& extensions) {
        for (const Extension& extension : extensions) {
            const bool is_named = std::any_of(
                sources_.begin(), sources_.end(),
                [&](const auto* source) { return contains(extension.xml, source->name); });
            if (!is_named || read_ == kMaxJoinElements) continue;
            ++read_;
            const auto xml = XmlDocument::parse(extension.xml, {});
            if (!xml) continue;
            for (const JoinKeySource* source : sources_) add_elements(*source, xml->root(), keys_);
        }
    }
    template <class Object>
    void add_of(const std::vector<Object>& objects) {
        for (const Object& object : objects) add(object.extensions);
    }

private:
    Keys& keys_;
    std::vector<const JoinKeySource*> sources_;
    std::size_t read_ = 0;
};

}  // namespace

std::optional<JoinKeySource> parse_join_key_source(std::string_view text) {
    for (const auto& [kind, prefix] : kKinds) {
        if (!prefix.ends_with(':')) {
            if (text == prefix) return JoinKeySource{kind, {}};
            continue;
        }
        if (!text.starts_with(prefix)) continue;
        const std::string_view name = text.substr(prefix.size());
        const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
            return c > ' ' && c < '\x7f' && c != ':' && c != ';' && c != ',';
        });
        if (!name.empty() && is_name) return JoinKeySource{kind, std::string{name}};
    }
    return std::nullopt;
}

std::string to_string(const JoinKeySource& source) {
    for (const auto& [kind, prefix] : kKinds)
        if (kind == source.kind) return std::string{prefix} + source.name;
    return {};
}

std::vector<std::string> session_id_halves(std::string_view value) {
    std::vector<std::string> halves;
    const auto add = [&](std::string_view half) {
        const bool is_hex = half.size() == kHalfDigits &&
                            half.find_first_not_of("0123456789abcdefABCDEF") == half.npos;
        if (is_hex && !is_zero(half)) halves.push_back(base::to_lower(half));
    };
    const sip::TokenValue parsed = sip::parse_token_value(value);
    add(base::trim(parsed.token));
    if (const auto remote = parsed.param("remote")) add(*remote);
    return halves;
}

std::vector<JoinKey> find_join_keys(const sip::Message& request,
                                    std::span<const JoinKeySource> sources) {
    Keys keys;
    for (const JoinKeySource& source : sources) {
        if (source.kind == Kind::SipSessionId)
            keys.add_halves(source, request.find(sip::HeaderId::SessionId).value_or(""));
        if (source.kind == Kind::FromParameter) add_from_parameter(source, request, keys);
        if (source.kind == Kind::Header) add_headers(source, request, keys);
    }
    return keys.take();
}

std::vector<JoinKey> find_join_keys(const MetadataModel& metadata,
                                    std::span<const JoinKeySource> sources) {
    Keys keys;
    const MetadataObjects& all = metadata.objects();
    for (const JoinKeySource& source : sources) {
        for (const CommunicationSession& session : all.sessions) {
            if (source.kind == Kind::SessionId) add_session_id(source, session.id, keys);
            if (source.kind == Kind::SipSessionId)
                for (const std::string& id : session.sip_session_ids) keys.add_halves(source, id);
        }
    }
    ElementSearch search(sources, keys);
    search.add(all.extensions);
    search.add_of(all.groups);
    search.add_of(all.sessions);
    search.add_of(all.participants);
    search.add_of(all.streams);
    search.add_of(all.session_recordings);
    search.add_of(all.participant_sessions);
    search.add_of(all.participant_streams);
    return keys.take();
}

}  // namespace earshot::siprec
