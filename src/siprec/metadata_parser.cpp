// XML -> MetadataDocument: the RFC's form and the older ones (metadata-model section 7).
#include <algorithm>
#include <array>
#include <bitset>
#include <initializer_list>
#include <utility>

#include "base/text.h"
#include "siprec/limits.h"
#include "siprec/metadata.h"
#include "siprec/metadata_tags.h"
#include "xml/xml_document.h"

namespace earshot::siprec {
namespace {

using xml::XmlDocument;
using xml::XmlElement;
using Tag = MetadataTag;

// A clock that was never set says 1970 (Ribbon, Q21).
constexpr base::WallTime kFirstPlausibleTime{std::chrono::seconds{946'684'800}};  // 2000-01-01

std::string_view local_name(const XmlElement& element) {
    std::string_view name = element.name();
    // A prefix that nobody declared stays in the name.
    if (const std::size_t colon = name.rfind(':'); colon != std::string_view::npos)
        name.remove_prefix(colon + 1);
    return name;
}

struct Child : XmlElement {
    Child(const XmlElement& element, Tag its_tag) : XmlElement(element), tag(its_tag) {}
    Tag tag;
};

class DocumentParser {
public:
    base::Result<MetadataDocument, MetadataIssue> run(const XmlDocument& xml);

private:
    // What encloses an object, for the forms that nest.
    struct Context {
        MetadataId session;
        MetadataId group;
    };

    template <class Visit>
    void for_each_child(const XmlElement& parent, Visit visit);
    Tag tag_of(const XmlElement& element) const;
    void note(Leniency code, std::string text, const XmlElement& at);
    void note_once(Leniency code, std::string text, const XmlElement& at);
    bool count_object();

    void parse_child(const Child& element, const Context& context);
    bool parse_object(const Child& element, const Context& context);
    void parse_group(const XmlElement& element);
    void parse_session(const XmlElement& element, const Context& context);
    void parse_session_child(const Child& child, CommunicationSession& session);
    bool parse_name(const Child& child, Participant& participant);
    void check_names(const Participant& participant, const XmlElement& element);
    void parse_participant(const XmlElement& element, const Context& context);
    void parse_stream(const XmlElement& element, const Context& context);
    void parse_session_recording(const XmlElement& element, const Context& context);
    void parse_participant_session(const XmlElement& element, const Context& context);
    void parse_participant_stream(const XmlElement& element);

    MetadataId definition_id(const XmlElement& element, const char* name, std::size_t index);
    MetadataId reference(const XmlElement& element, std::initializer_list<const char*> names);
    void check_id(const MetadataId& id, const XmlElement& at);
    OptionalTime parse_time(const XmlElement& element);
    bool parse_period(const Child& child, Period& period);
    void check_period(const Period& period, const XmlElement& at);
    void add_stream_ids(const XmlElement& element, std::vector<MetadataId>& ids);
    template <class List>
    void add_extension(const XmlElement& element, List& extensions);
    void attach_parented_extensions();
    void fill_missing_sessions();

    MetadataDocument document_;
    std::string_view name_space_;
    std::size_t object_count_ = 0;
    std::vector<std::pair<MetadataId, Extension>> parented_;  // extensiondata with parent=
    std::bitset<kLeniencies> noted_;
    bool too_many_ = false;
};

Tag DocumentParser::tag_of(const XmlElement& element) const {
    const std::string_view uri = element.name_space();
    const bool is_ours = uri.empty() || uri == name_space_ || is_recording_namespace(uri);
    return is_ours ? find_metadata_tag(local_name(element)) : Tag::Foreign;
}

template <class Visit>
void DocumentParser::for_each_child(const XmlElement& parent, Visit visit) {
    for (auto child = parent.first_child(); child; child = child->next_sibling())
        visit(Child{*child, tag_of(*child)});
}

void DocumentParser::note(Leniency code, std::string text, const XmlElement& at) {
    if (document_.issues.size() + 1 < kMaxMetadataIssues) {
        document_.issues.push_back({std::move(text), at.line(), code});
    } else if (document_.issues.size() < kMaxMetadataIssues) {
        document_.issues.push_back({"there are further faults", at.line(), code});
    }
}

void DocumentParser::note_once(Leniency code, std::string text, const XmlElement& at) {
    const auto bit = static_cast<std::size_t>(code);
    if (!noted_.test(bit)) note(code, std::move(text), at);
    noted_.set(bit);
}

bool DocumentParser::count_object() {
    if (++object_count_ > kMaxMetadataObjects) too_many_ = true;
    return !too_many_;
}

// ---- ids, times, extensions -------------------------------------------------------------------

void DocumentParser::check_id(const MetadataId& id, const XmlElement& at) {
    const auto uuid = id.uuid();
    if (!uuid) {
        note(Leniency::BadId, "the id '" + id.text() + "' is not base64 of a UUID's 16 bytes", at);
        return;
    }
    if (uuid->version() == 1)
        note_once(Leniency::RevealingId,
                  "the id '" + id.text() + "' is a version 1 UUID, which may reveal a MAC address",
                  at);
}

// The RFC's attribute, else the drafts' plain "id". An object without an id is kept under its
// place in the document, so that a snapshot sent again finds it (Avaya sends stream_id="").
MetadataId DocumentParser::definition_id(const XmlElement& element, const char* name,
                                         std::size_t index) {
    std::optional<std::string_view> value = element.attribute(name);
    if (!value) {
        value = element.attribute("id");
        document_.is_older_form = document_.is_older_form || value.has_value();
    }
    const std::string_view text = value ? base::trim(*value) : std::string_view{};
    if (text.empty()) {
        note(Leniency::NoId, std::string{local_name(element)} + " has no " + name, element);
        return MetadataId{"#" + std::string{local_name(element)} + "-" + std::to_string(index)};
    }
    MetadataId id{text};
    check_id(id, element);
    return id;
}

MetadataId DocumentParser::reference(const XmlElement& element,
                                     std::initializer_list<const char*> names) {
    bool first = true;
    for (const char* name : names) {
        if (const auto value = element.attribute(name)) {
            if (!first) document_.is_older_form = true;
            return MetadataId{base::trim(*value)};
        }
        first = false;
    }
    return {};
}

OptionalTime DocumentParser::parse_time(const XmlElement& element) {
    const std::string_view text = element.text();
    const auto parsed = base::parse_time(text);
    if (!parsed) {
        note(Leniency::UnreadableTime,
             std::string{local_name(element)} + " '" + std::string{text} + "' is no time", element);
        return std::nullopt;
    }
    if (!parsed->exact)
        note_once(Leniency::TimeForm,
                  std::string{local_name(element)} + " '" + std::string{text} +
                      "' is not in the form of RFC 3339",
                  element);
    if (parsed->time < kFirstPlausibleTime)
        note_once(
            Leniency::ImplausibleTime,
            std::string{local_name(element)} + " '" + std::string{text} + "' lies before 2000",
            element);
    return parsed->time;
}

bool DocumentParser::parse_period(const Child& child, Period& period) {
    if (child.tag == Tag::AssociateTime) {
        period.associate = parse_time(child);
    } else if (child.tag == Tag::DisassociateTime) {
        period.disassociate = parse_time(child);
    } else {
        return false;
    }
    return true;
}

void DocumentParser::check_period(const Period& period, const XmlElement& at) {
    if (period.associate && period.disassociate && *period.disassociate < *period.associate)
        note(Leniency::ReversedTimes, "disassociate-time lies before associate-time", at);
}

// <send>ID</send>, or BroadWorks' <send><id>ID</id></send>.
void DocumentParser::add_stream_ids(const XmlElement& element, std::vector<MetadataId>& ids) {
    const auto add = [&](const XmlElement& holder) {
        const std::string_view text = holder.text();
        if (!text.empty() && count_object()) ids.emplace_back(text);
    };
    if (!element.first_child()) {
        add(element);
        return;
    }
    document_.is_older_form = true;
    for_each_child(element, add);
}

template <class List>
void DocumentParser::add_extension(const XmlElement& element, List& extensions) {
    if (!count_object()) return;
    const std::string_view uri = element.name_space();
    if (uri.empty() || is_recording_namespace(uri)) {
        // The schema wants a foreign namespace; OpenSIPS and the Oracle draft form have none.
        note_once(Leniency::UnnamespacedExtension,
                  "'" + std::string{element.name()} +
                      "' is in no namespace of its own and kept as an extension",
                  element);
    }
    Extension extension{std::string{local_name(element)}, std::string{uri}, element.outer_xml()};
    const auto parent = element.attribute("parent");
    if (parent && base::iequals(extension.name, "extensiondata")) {
        parented_.emplace_back(MetadataId{base::trim(*parent)}, std::move(extension));
    } else {
        extensions.push_back(std::move(extension));
    }
}

template <class Object>
bool attach(std::vector<Object>& objects, const MetadataId& id, Extension& extension) {
    for (Object& object : objects) {
        if (object.id == id) {
            object.extensions.push_back(std::move(extension));
            return true;
        }
    }
    return false;
}

void DocumentParser::attach_parented_extensions() {
    MetadataObjects& all = document_.objects;
    for (auto& [id, extension] : parented_) {
        document_.is_older_form = true;
        const bool found = attach(all.participants, id, extension) ||
                           attach(all.sessions, id, extension) ||
                           attach(all.streams, id, extension) || attach(all.groups, id, extension);
        if (!found) all.extensions.push_back(std::move(extension));
    }
}

// ---- objects ----------------------------------------------------------------------------------

void DocumentParser::parse_group(const XmlElement& element) {
    Group group;
    group.line = element.line();
    group.id = definition_id(element, "group_id", document_.objects.groups.size());
    Context context;
    context.group = group.id;
    for_each_child(element, [&](const Child& child) {
        if (parse_period(child, group.period) || parse_object(child, context)) return;
        add_extension(child, group.extensions);
    });
    check_period(group.period, element);
    document_.objects.groups.push_back(std::move(group));
}

// RFC 7989 section 5: hex digits, the remote half as a parameter. Their number is not looked at:
// what cannot be one is told, a Call-ID (OpenSIPS, Q4).
bool is_session_id(std::string_view value) {
    const std::string_view local = value.substr(0, value.find(';'));
    return std::all_of(local.begin(), local.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    });
}

int parse_cause(std::string_view text) {
    return static_cast<int>(base::parse_number<std::uint16_t>(base::trim(text)).value_or(0));
}

void DocumentParser::parse_session_child(const Child& child, CommunicationSession& session) {
    if (child.tag == Tag::SipSessionId) {
        // White space may be folded into the value.
        std::string value{child.text()};
        value.erase(std::remove_if(value.begin(), value.end(),
                                   [](char c) {
                                       return base::trim({&c, 1}).empty();
                                   }),
                    value.end());
        if (!value.empty() && !is_session_id(value))
            note_once(Leniency::SessionIdForm,
                      "the sipSessionID '" + value + "' is not in the form of RFC 7989", child);
        if (count_object()) session.sip_session_ids.push_back(std::move(value));
    } else if (child.tag == Tag::Reason) {
        EndReason reason;
        reason.protocol = child.attribute("protocol").value_or("SIP");
        reason.cause = parse_cause(child.attribute("cause").value_or(""));
        reason.text = child.text();
        if (count_object()) session.reasons.push_back(std::move(reason));
    } else if (child.tag == Tag::GroupRef) {
        session.group = MetadataId{child.text()};
    } else if (child.tag == Tag::StartTime) {
        session.start = parse_time(child);
    } else if (child.tag == Tag::AssociateTime) {  // draft
        document_.is_older_form = true;
        session.start = parse_time(child);
    } else if (child.tag == Tag::StopTime || child.tag == Tag::DisassociateTime) {
        session.stop = parse_time(child);
    } else {
        add_extension(child, session.extensions);
    }
}

void DocumentParser::parse_session(const XmlElement& element, const Context& context) {
    CommunicationSession session;
    session.line = element.line();
    session.id = definition_id(element, "session_id", document_.objects.sessions.size());
    session.group = context.group;
    Context inner = context;
    inner.session = session.id;
    for_each_child(element, [&](const Child& child) {
        if (!parse_object(child, inner)) parse_session_child(child, session);
    });
    if (session.start && session.stop && *session.stop < *session.start)
        note(Leniency::ReversedTimes, "stop-time lies before start-time", element);
    document_.objects.sessions.push_back(std::move(session));
}

// <nameID aor=""><name/></nameID>, or the drafts' <aor> and <name> side by side.
bool DocumentParser::parse_name(const Child& child, Participant& participant) {
    std::vector<NameId>& names = participant.names;
    if (child.tag == Tag::NameId) {
        if (!count_object()) return true;
        NameId& name = names.emplace_back();
        name.aor = base::trim(child.attribute("aor").value_or(""));
        for_each_child(child, [&](const Child& part) {
            if (part.tag == Tag::Aor) name.aor = part.text();
            if (part.tag != Tag::Name) return;
            name.name = part.text();
            name.language = part.language();
        });
    } else if (child.tag == Tag::Aor) {
        document_.is_older_form = true;
        if (count_object()) names.push_back({std::string{child.text()}, {}, {}});
    } else if (child.tag == Tag::Name) {
        document_.is_older_form = true;
        if (names.empty()) names.emplace_back();
        names.back().name = child.text();
        names.back().language = child.language();
    } else {
        return false;
    }
    return true;
}

// RFC 7865 section 6.5.1: a SIP, SIPS or tel URI, a host name or an IP address.
bool lacks_scheme(std::string_view aor) {
    if (aor.empty() || aor.find(':') != std::string_view::npos) return false;
    return aor.find('@') != std::string_view::npos || aor.find('.') == std::string_view::npos;
}

void DocumentParser::check_names(const Participant& participant, const XmlElement& element) {
    if (participant.names.empty()) note(Leniency::NoNameId, "participant has no nameID", element);
    for (const NameId& name : participant.names)
        if (lacks_scheme(name.aor))
            note_once(Leniency::AorWithoutScheme, "the aor '" + name.aor + "' has no scheme",
                      element);
    if (is_placeholder(participant))
        note_once(Leniency::PlaceholderParticipant,
                  "the participant '" + participant.names.front().aor + "' stands for nobody",
                  element);
}

void DocumentParser::parse_participant(const XmlElement& element, const Context& context) {
    Participant participant;
    participant.line = element.line();
    participant.id =
        definition_id(element, "participant_id", document_.objects.participants.size());
    ParticipantSessionAssoc in_session;
    ParticipantStreamAssoc on_streams;
    in_session.participant = on_streams.participant = participant.id;
    in_session.line = on_streams.line = participant.line;
    in_session.session = reference(element, {"session_id", "session"});
    if (in_session.session.is_empty()) in_session.session = context.session;
    Period period;
    bool has_streams = false;
    for_each_child(element, [&](const Child& child) {
        if (parse_name(child, participant) || parse_period(child, period)) return;
        const bool sends = child.tag == Tag::Send;
        if (sends || child.tag == Tag::Recv) {  // draft: inside the participant
            has_streams = true;
            add_stream_ids(child, sends ? on_streams.send : on_streams.recv);
        } else {
            add_extension(child, participant.extensions);
        }
    });
    const bool has_period = period.associate || period.disassociate;
    check_period(period, element);
    if (has_period) in_session.periods = on_streams.periods = {period};
    MetadataObjects& all = document_.objects;
    check_names(participant, element);
    all.participants.push_back(std::move(participant));
    if (has_period || has_streams || !in_session.session.is_empty()) {
        document_.is_older_form = true;
        all.participant_sessions.push_back(std::move(in_session));
        if (has_streams) all.participant_streams.push_back(std::move(on_streams));
    }
}

// The drafts' mode, times and csrc tell nothing that the RTP does not.
bool is_draft_stream_child(Tag tag) {
    return tag == Tag::Mode || tag == Tag::AssociateTime || tag == Tag::DisassociateTime ||
           tag == Tag::StartTime || tag == Tag::StopTime || tag == Tag::Csrc;
}

void DocumentParser::parse_stream(const XmlElement& element, const Context& context) {
    MediaStream stream;
    stream.line = element.line();
    stream.id = definition_id(element, "stream_id", document_.objects.streams.size());
    stream.session = reference(element, {"session_id", "session"});
    if (stream.session.is_empty()) stream.session = context.session;
    for_each_child(element, [&](const Child& child) {
        if (child.tag == Tag::Label) {
            stream.label = child.text();
        } else if (is_draft_stream_child(child.tag)) {
            document_.is_older_form = true;
        } else {
            add_extension(child, stream.extensions);
        }
    });
    document_.objects.streams.push_back(std::move(stream));
}

void DocumentParser::parse_session_recording(const XmlElement& element, const Context& context) {
    SessionRecordingAssoc assoc;
    assoc.line = element.line();
    assoc.session = reference(element, {"session_id", "session"});
    if (assoc.session.is_empty()) assoc.session = context.session;
    Period period;
    for_each_child(element, [&](const Child& child) {
        if (!parse_period(child, period)) add_extension(child, assoc.extensions);
    });
    check_period(period, element);
    if (period.associate || period.disassociate) assoc.periods = {period};
    document_.objects.session_recordings.push_back(std::move(assoc));
}

void DocumentParser::parse_participant_session(const XmlElement& element, const Context& context) {
    ParticipantSessionAssoc assoc;
    assoc.line = element.line();
    assoc.participant = reference(element, {"participant_id", "participant"});
    assoc.session = reference(element, {"session_id", "session"});
    if (assoc.session.is_empty()) assoc.session = context.session;
    Period period;
    for_each_child(element, [&](const Child& child) {
        if (child.tag == Tag::Param) {
            if (count_object())
                assoc.params.push_back({std::string{child.attribute("pname").value_or("")},
                                        std::string{child.attribute("pval").value_or("")}});
        } else if (!parse_period(child, period)) {
            add_extension(child, assoc.extensions);
        }
    });
    check_period(period, element);
    if (period.associate || period.disassociate) assoc.periods = {period};
    if (assoc.participant.is_empty()) {
        note(Leniency::AssociationWithoutParticipant,
             "participantsessionassoc has no participant_id and is left out", element);
        return;
    }
    document_.objects.participant_sessions.push_back(std::move(assoc));
}

void DocumentParser::parse_participant_stream(const XmlElement& element) {
    ParticipantStreamAssoc assoc;
    assoc.line = element.line();
    assoc.participant = reference(element, {"participant_id", "participant"});
    Period period;
    for_each_child(element, [&](const Child& child) {
        if (child.tag == Tag::Send) {
            add_stream_ids(child, assoc.send);
        } else if (child.tag == Tag::Recv) {
            add_stream_ids(child, assoc.recv);
        } else if (!parse_period(child, period)) {
            add_extension(child, assoc.extensions);
        }
    });
    check_period(period, element);
    if (period.associate || period.disassociate) assoc.periods = {period};
    if (assoc.participant.is_empty()) {
        note(Leniency::AssociationWithoutParticipant,
             "participantstreamassoc has no participant_id and is left out", element);
        return;
    }
    document_.objects.participant_streams.push_back(std::move(assoc));
}

// False when the element is no object of ours. Drafts nest sessions in groups and participants in
// sessions; the depth limit of the XML bounds the recursion.
bool DocumentParser::parse_object(const Child& element, const Context& context) {
    const bool is_object = element.tag == Tag::Group || element.tag == Tag::Session ||
                           element.tag == Tag::Participant || element.tag == Tag::Stream ||
                           element.tag == Tag::SessionRecordingAssoc ||
                           element.tag == Tag::ParticipantSessionAssoc ||
                           element.tag == Tag::ParticipantStreamAssoc;
    if (!is_object) return false;
    if (!count_object()) return true;
    switch (element.tag) {
        case Tag::Group:
            parse_group(element);
            break;
        case Tag::Session:
            parse_session(element, context);
            break;
        case Tag::Participant:
            parse_participant(element, context);
            break;
        case Tag::Stream:
            parse_stream(element, context);
            break;
        case Tag::SessionRecordingAssoc:
            parse_session_recording(element, context);
            break;
        case Tag::ParticipantSessionAssoc:
            parse_participant_session(element, context);
            break;
        default:
            parse_participant_stream(element);
    }
    return true;
}

void DocumentParser::parse_child(const Child& element, const Context& context) {
    if (element.tag == Tag::DataMode) {
        const std::string_view mode = element.text();
        if (local_name(element) != "datamode") document_.is_older_form = true;
        if (base::iequals(mode, "partial")) {
            document_.mode = DataMode::Partial;
        } else if (!base::iequals(mode, "complete")) {
            note(Leniency::UnknownDataMode,
                 "datamode '" + std::string{mode} + "' is read as complete", element);
        }
    } else if (!parse_object(element, context)) {
        add_extension(element, document_.objects.extensions);
    }
}

// An association that names no session means the only one there is.
void DocumentParser::fill_missing_sessions() {
    MetadataObjects& all = document_.objects;
    const MetadataId only = all.sessions.size() == 1 ? all.sessions.front().id : MetadataId{};
    for (auto& assoc : all.session_recordings)
        if (assoc.session.is_empty()) assoc.session = only;
    for (auto& assoc : all.participant_sessions)
        if (assoc.session.is_empty()) assoc.session = only;
}

base::Result<MetadataDocument, MetadataIssue> DocumentParser::run(const XmlDocument& xml) {
    const XmlElement root = xml.root();
    name_space_ = root.name_space();
    const std::string_view name = local_name(root);
    const bool is_request = base::iequals(name, "requestsnapshot");
    if (!is_request && name != "recording" && name != "recording_metadata") {
        return MetadataIssue{
            "the root element '" + std::string{name} + "' is no recording metadata", root.line(),
            Leniency::MetadataUnreadable};
    }
    if (!name_space_.empty() && !is_recording_namespace(name_space_)) {
        // M-26: nothing negotiates the version; a later one may mean something else.
        return MetadataIssue{"the namespace '" + std::string{name_space_} + "' is not supported",
                             root.line(), Leniency::MetadataUnreadable};
    }
    document_.is_older_form = name_space_ != kRecordingNamespaces[0];
    if (name_space_.empty())
        note(Leniency::NoNamespace, "the root element is in no namespace", root);
    if (xml.charset_ignored())
        note(Leniency::UnknownCharset, "the charset parameter is unknown and was ignored", root);
    if (xml.warning()) document_.issues.push_back({xml.warning()->text, xml.warning()->line});

    if (is_request) {
        document_.kind = MetadataDocument::Kind::SnapshotRequest;
        for_each_child(root, [&](const Child& child) {
            if (child.tag == Tag::RequestReason) {
                document_.request_reason = child.text();
            } else {
                add_extension(child, document_.objects.extensions);
            }
        });
    } else {
        for_each_child(root, [&](const Child& child) { parse_child(child, {}); });
    }
    if (too_many_)
        return MetadataIssue{"the document has too many objects", root.line(),
                             Leniency::MetadataTooLarge};
    attach_parented_extensions();
    fill_missing_sessions();
    return std::move(document_);
}

// OpenSIPS copies display names and addresses into its XML without escaping them. An ampersand that
// starts no reference becomes "&amp;"; nothing else can be repaired without guessing.
std::string escape_bare_ampersands(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 16);
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += text[i];
        if (text[i] != '&') continue;
        const std::size_t end = text.substr(0, i + 12).find_first_of("; <&\"'\r\n", i + 1);
        const bool is_reference = end != std::string_view::npos && text[end] == ';' && end > i + 1;
        if (!is_reference) out += "amp;";
    }
    return out;
}

}  // namespace

base::Result<MetadataDocument, MetadataIssue> parse_metadata(std::string_view text,
                                                             std::string_view charset) {
    auto xml = XmlDocument::parse(text, charset);
    std::optional<MetadataIssue> repaired;
    if (!xml && text.size() <= kMaxMetadataBytes) {
        const std::string escaped = escape_bare_ampersands(text);
        if (escaped.size() != text.size()) {
            auto second = XmlDocument::parse(escaped, charset);
            if (second) {
                repaired = MetadataIssue{"a bare '&' was read as '&amp;'", xml.error().line,
                                         Leniency::BareAmpersand};
                xml = std::move(second);
            }
        }
    }
    if (!xml)
        return MetadataIssue{xml.error().text, xml.error().line, Leniency::MetadataUnreadable};
    auto document = DocumentParser{}.run(*xml);
    if (document && repaired) document->issues.insert(document->issues.begin(), *repaired);
    return document;
}

}  // namespace earshot::siprec
