// MetadataDocument -> XML in the RFC's form and the schema's order, whatever form it came in.
#include "siprec/metadata.h"
#include "xml/xml_document.h"

namespace earshot::siprec {
namespace {

using xml::xml_escape;

constexpr std::string_view kStart =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
    "<";
constexpr std::string_view kNamespace = " xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n";

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
    void element(std::string_view name, std::string_view text) {
        raw("    <").raw(name).raw(">").raw(xml_escape(text)).raw("</").raw(name).raw(">\r\n");
    }
    void time(std::string_view name, const OptionalTime& time) {
        if (time) element(name, base::to_rfc3339(*time));
    }
    void period(const Period& period) {
        time("associate-time", period.associate);
        time("disassociate-time", period.disassociate);
    }
    void extensions(const std::vector<Extension>& extensions) {
        for (const Extension& extension : extensions) {
            // The schema allows foreign namespaces only; what came without one stays in storage.
            if (extension.name_space.empty() ||
                extension.name_space.starts_with("urn:ietf:params:xml:ns:recording"))
                continue;
            raw("    ").raw(extension.xml).raw("\r\n");
        }
    }

private:
    std::string out_;
};

void write(Writer& out, const Group& group) {
    out.raw("  <group").attribute("group_id", group.id.text()).raw(">\r\n");
    out.period(group.period);
    out.extensions(group.extensions);
    out.raw("  </group>\r\n");
}

void write(Writer& out, const CommunicationSession& session) {
    out.raw("  <session").attribute("session_id", session.id.text()).raw(">\r\n");
    for (const std::string& id : session.sip_session_ids) out.element("sipSessionID", id);
    for (const EndReason& reason : session.reasons) {
        out.raw("    <reason").attribute("cause", std::to_string(reason.cause));
        out.attribute("protocol", reason.protocol).raw(">");
        out.raw(xml_escape(reason.text)).raw("</reason>\r\n");
    }
    if (!session.group.is_empty()) out.element("group-ref", session.group.text());
    out.time("start-time", session.start);
    out.time("stop-time", session.stop);
    out.extensions(session.extensions);
    out.raw("  </session>\r\n");
}

void write(Writer& out, const Participant& participant) {
    out.raw("  <participant").attribute("participant_id", participant.id.text()).raw(">\r\n");
    for (const NameId& name : participant.names) {
        out.raw("    <nameID").attribute("aor", name.aor);
        if (name.name.empty()) {
            out.raw("/>\r\n");
            continue;
        }
        out.raw("><name");
        if (!name.language.empty()) out.attribute("xml:lang", name.language);
        out.raw(">").raw(xml_escape(name.name)).raw("</name></nameID>\r\n");
    }
    if (participant.names.empty()) out.raw("    <nameID aor=\"\"/>\r\n");  // the schema wants one
    out.extensions(participant.extensions);
    out.raw("  </participant>\r\n");
}

void write(Writer& out, const MediaStream& stream) {
    out.raw("  <stream").attribute("stream_id", stream.id.text());
    if (!stream.session.is_empty()) out.attribute("session_id", stream.session.text());
    out.raw(">\r\n");
    if (!stream.label.empty()) out.element("label", stream.label);
    out.extensions(stream.extensions);
    out.raw("  </stream>\r\n");
}

// One element for each period: that is how the RFC tells leave and rejoin.
template <class Assoc, class WriteOne>
void write_periods(const Assoc& assoc, WriteOne write_one) {
    if (assoc.periods.empty()) write_one(Period{});
    for (const Period& period : assoc.periods) write_one(period);
}

void write(Writer& out, const SessionRecordingAssoc& assoc) {
    write_periods(assoc, [&](const Period& period) {
        out.raw("  <sessionrecordingassoc").attribute("session_id", assoc.session.text());
        out.raw(">\r\n");
        out.period(period);
        out.extensions(assoc.extensions);
        out.raw("  </sessionrecordingassoc>\r\n");
    });
}

void write(Writer& out, const ParticipantSessionAssoc& assoc) {
    write_periods(assoc, [&](const Period& period) {
        out.raw("  <participantsessionassoc");
        out.attribute("participant_id", assoc.participant.text());
        out.attribute("session_id", assoc.session.text()).raw(">\r\n");
        out.period(period);
        for (const ContactParam& param : assoc.params) {
            out.raw("    <param").attribute("pname", param.name).attribute("pval", param.value);
            out.raw("/>\r\n");
        }
        out.extensions(assoc.extensions);
        out.raw("  </participantsessionassoc>\r\n");
    });
}

// Only the latest period: send and recv belong to it alone.
void write(Writer& out, const ParticipantStreamAssoc& assoc) {
    out.raw("  <participantstreamassoc");
    out.attribute("participant_id", assoc.participant.text()).raw(">\r\n");
    for (const MetadataId& id : assoc.send) out.element("send", id.text());
    for (const MetadataId& id : assoc.recv) out.element("recv", id.text());
    if (!assoc.periods.empty()) out.period(assoc.periods.back());
    out.extensions(assoc.extensions);
    out.raw("  </participantstreamassoc>\r\n");
}

template <class Object>
void write_all(Writer& out, const std::vector<Object>& objects) {
    for (const Object& object : objects) write(out, object);
}

}  // namespace

std::string write_metadata(const MetadataDocument& document) {
    if (document.kind == MetadataDocument::Kind::SnapshotRequest)
        return write_snapshot_request(document.request_reason);
    Writer out;
    out.raw(kStart).raw("recording").raw(kNamespace);
    out.raw("  <datamode>");
    out.raw(document.mode == DataMode::Partial ? "partial" : "complete").raw("</datamode>\r\n");
    const MetadataObjects& all = document.objects;
    write_all(out, all.groups);
    write_all(out, all.sessions);
    write_all(out, all.participants);
    write_all(out, all.streams);
    write_all(out, all.session_recordings);
    write_all(out, all.participant_sessions);
    write_all(out, all.participant_streams);
    out.extensions(all.extensions);
    out.raw("</recording>\r\n");
    return out.take();
}

std::string write_snapshot_request(std::string_view reason) {
    Writer out;
    out.raw(kStart).raw("requestsnapshot").raw(kNamespace);
    if (!reason.empty()) out.element("requestreason", reason);
    out.raw("</requestsnapshot>\r\n");
    return out.take();
}

}  // namespace earshot::siprec
