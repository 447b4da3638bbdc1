#include "siprec/cs_description.h"

#include <algorithm>
#include <utility>

#include "base/name_uuid.h"
#include "base/text.h"
#include "siprec/extension_block.h"
#include "xml/xml_document.h"

namespace earshot::siprec {
namespace {

using xml::xml_escape;

bool is_hex(char c) {
    return base::is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// RFC 3986 section 2: what may stand in a URI as it is.
bool is_uri_character(char c) {
    constexpr std::string_view kMarks = "-._~:/?[]@!$&'()*+,;=";
    return base::is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
}

// xs:anyURI: what a caller writes into From is escaped, not trusted.
std::string as_uri(std::string_view text) {
    std::string uri;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool is_escape =
            c == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
        if (is_escape || is_uri_character(c)) {
            uri += c;
            continue;
        }
        const auto octet = static_cast<std::uint8_t>(c);
        uri.append("%").append(base::to_hex({&octet, 1}));
    }
    return uri;
}

// xs:language; another one is left out.
bool is_language(std::string_view tag) {
    bool is_first = true;
    while (!tag.empty()) {
        const std::string_view part = base::take_until(tag, '-');
        if (part.empty() || part.size() > 8) return false;
        for (const char c : part) {
            const char lower = base::to_lower(c);
            if (!(lower >= 'a' && lower <= 'z') && (is_first || !base::is_digit(c))) return false;
        }
        is_first = false;
    }
    return !is_first;
}

class Describer {
public:
    explicit Describer(const CsDescription& description) : call_(description) {}

    CsMetadata run() {
        add_group();
        add_session();
        for (const CsParticipant& participant : call_.participants) add_participant(participant);
        for (const CsStream& stream : call_.streams) add_stream(stream);
        for (std::size_t i = 0; i < call_.participants.size(); ++i) add_associations(i);
        return std::move(result_);
    }

private:
    // The elements of a block; none, and a fault, when it cannot be read.
    ExtensionBlock read(std::string_view xml, std::string_view what, bool takes_names = false) {
        if (base::trim(xml).empty()) return {};
        auto block = read_extension_block(xml, call_.extension_namespace,
                                          call_.leaves_extensions_raw, takes_names);
        if (block) return *std::move(block);
        fault(takes_names ? "bad_participant" : "bad_extension",
              "The XML for the " + std::string{what} + " is left out: " + block.error() + ".");
        return {};
    }
    void fault(std::string_view code, std::string text) {
        result_.faults.push_back({std::string{code}, std::move(text)});
    }

    void add_group() {
        if (!call_.group) {
            if (!base::trim(call_.group_xml).empty())
                fault("extension_without_group",
                      "The group's extension is left out, since the call is in no group.");
            return;
        }
        const CsGroup& described = *call_.group;
        Group group;
        group.id = group_of(described);
        group.period.associate = described.formed ? described.formed : call_.start;
        std::vector<Extension> extensions;
        if (!described.is_raw && !described.name.empty()) {
            std::string xml = "<e:name xmlns:e=\"" + std::string{kExtensionNamespace} + "\">";
            xml.append(xml_escape(described.name)).append("</e:name>");
            extensions.push_back({"name", std::string{kExtensionNamespace}, std::move(xml)});
        }
        for (Extension& one : read(call_.group_xml, "group").extensions)
            extensions.push_back(std::move(one));
        group.extensions = std::move(extensions);
        result_.objects.groups.push_back(std::move(group));
    }
    static MetadataId group_of(const CsGroup& group) {
        return group.is_raw ? MetadataId{group.name} : MetadataId{group.id};
    }

    void add_session() {
        CommunicationSession session;
        session.id = MetadataId{call_.session_id};
        session.sip_session_ids = call_.sip_session_ids;
        session.reasons = call_.reasons;
        if (call_.group) session.group = group_of(*call_.group);
        session.start = call_.start;
        session.stop = call_.stop;
        session.extensions = read(call_.session_xml, "session").extensions;
        result_.objects.sessions.push_back(std::move(session));
    }

    void add_participant(const CsParticipant& described) {
        Participant participant;
        participant.id = MetadataId{described.id};
        ExtensionBlock given = read(described.xml, "participant", true);
        participant.names = std::move(given.names);
        if (participant.names.empty()) participant.names = described.names;
        for (NameId& name : participant.names) {
            name.aor = as_uri(name.aor);
            if (!is_language(name.language)) name.language.clear();
        }
        participant.extensions = std::move(given.extensions);
        result_.objects.participants.push_back(std::move(participant));
    }

    void add_stream(const CsStream& described) {
        MediaStream stream;
        stream.id = MetadataId{described.id};
        stream.session = MetadataId{call_.session_id};
        stream.label = described.label;
        stream.extensions = read(described.xml, "stream").extensions;
        result_.objects.streams.push_back(std::move(stream));
    }

    void add_associations(std::size_t index) {
        const CsParticipant& participant = call_.participants[index];
        const Period period{participant.joined ? participant.joined : call_.start,
                            participant.left};
        ParticipantSessionAssoc in_session;
        in_session.participant = MetadataId{participant.id};
        in_session.session = MetadataId{call_.session_id};
        for (const Period& before : participant.earlier) in_session.periods.push_back(before);
        in_session.periods.push_back(period);
        in_session.params = participant.params;
        result_.objects.participant_sessions.push_back(std::move(in_session));

        // M-19, M-20: without send and recv it says that this one neither sends nor receives.
        ParticipantStreamAssoc media;
        media.participant = MetadataId{participant.id};
        media.periods.push_back(period);
        const auto names_it = [index](const std::vector<std::size_t>& indices) {
            return std::find(indices.begin(), indices.end(), index) != indices.end();
        };
        for (const CsStream& stream : call_.streams) {
            if (stream.is_held || participant.left) continue;
            if (names_it(stream.senders)) media.send.emplace_back(stream.id);
            if (names_it(stream.receivers)) media.recv.emplace_back(stream.id);
        }
        result_.objects.participant_streams.push_back(std::move(media));
    }

    const CsDescription& call_;
    CsMetadata result_;
};

}  // namespace

CsMetadata describe(const CsDescription& description) { return Describer{description}.run(); }

base::Uuid group_id(const base::Uuid& name_space, std::string_view name) {
    return base::make_uuid_v5(name_space, name);
}

}  // namespace earshot::siprec
