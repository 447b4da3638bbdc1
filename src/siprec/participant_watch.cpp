#include "siprec/participant_watch.h"

#include <algorithm>

#include "base/text.h"
#include "siprec/cs_description.h"
#include "siprec/limits.h"
#include "xml/xml_document.h"

namespace earshot::siprec {
namespace {

using xml::xml_escape;
using xml::XmlDocument;

bool is_ours(const Extension& extension) { return extension.name_space == kExtensionNamespace; }

void append_element(std::string& xml, std::string_view name, const std::string& text) {
    xml.append("<").append(name).append(" xmlns=\"").append(kExtensionNamespace).append("\">");
    xml.append(xml_escape(text)).append("</").append(name).append(">");
}

std::string first_aor(const Participant* participant) {
    return participant == nullptr || participant->names.empty() ? std::string{}
                                                                : participant->names.front().aor;
}
std::string first_name(const Participant* participant) {
    if (participant != nullptr)
        for (const NameId& name : participant->names)
            if (!name.name.empty()) return name.name;
    return {};
}

}  // namespace

bool is_focus(const ParticipantSessionAssoc& assoc) {
    return std::any_of(assoc.params.begin(), assoc.params.end(), [](const ContactParam& param) {
        return base::iequals(param.name, "isfocus") && !base::iequals(param.value, "false");
    });
}

ConferenceRole find_conference_role(const Participant& participant) {
    ConferenceRole role;
    for (const Extension& extension : participant.extensions) {
        if (!is_ours(extension)) continue;
        const bool is_known = extension.name == "nickname" || extension.name == "role" ||
                              extension.name == "left" || extension.name == "source";
        if (!is_known) continue;
        const auto document = XmlDocument::parse(extension.xml, "utf-8");
        if (!document) continue;
        std::string text{document->root().text().substr(0, kMaxConferenceTextBytes)};
        if (extension.name == "nickname")
            role.nickname = std::move(text);
        else if (extension.name == "left")
            role.left = std::move(text);
        else if (extension.name == "role" && !text.empty() &&
                 role.roles.size() < kMaxConferenceRoles)
            role.roles.push_back(std::move(text));
        else if (extension.name == "source" && role.sources.size() < kMaxConferenceSources)
            if (const auto ssrc = base::parse_number<std::uint32_t>(
                    document->root().attribute("ssrc").value_or("")))
                role.sources.push_back(*ssrc);
    }
    return role;
}

std::string write_conference_role(const ConferenceRole& role) {
    std::string xml;
    if (!role.nickname.empty()) append_element(xml, "nickname", role.nickname);
    for (const std::string& one : role.roles) append_element(xml, "role", one);
    if (!role.left.empty()) append_element(xml, "left", role.left);
    for (const std::uint32_t ssrc : role.sources)
        xml.append("<source xmlns=\"")
            .append(kExtensionNamespace)
            .append("\" ssrc=\"")
            .append(std::to_string(ssrc))
            .append("\"/>");
    return xml;
}

std::vector<std::string> conference_uris(const MetadataModel& model) {
    std::vector<std::string> uris;
    for (const ParticipantSessionAssoc& assoc : model.objects().participant_sessions) {
        const Participant* focus =
            is_focus(assoc) ? model.find_participant(assoc.participant) : nullptr;
        if (focus == nullptr) continue;
        for (const NameId& name : focus->names) uris.push_back(name.aor);
    }
    for (const CommunicationSession& session : model.objects().sessions)
        for (const Extension& extension : session.extensions) {
            if (!is_ours(extension) || extension.name != "conference") continue;
            const auto document = XmlDocument::parse(extension.xml, "utf-8");
            if (!document) continue;
            for (auto part = document->root().first_child(); part; part = part->next_sibling())
                if (part->name() == "uri")
                    uris.emplace_back(part->text().substr(0, kMaxConferenceTextBytes));
        }
    return uris;
}

bool ParticipantWatch::is_conference(const MetadataModel& model, const MetadataId& session) {
    const CommunicationSession* found = model.find_session(session);
    const bool is_named =
        found != nullptr &&
        std::any_of(found->extensions.begin(), found->extensions.end(),
                    [](const Extension& one) { return is_ours(one) && one.name == "conference"; });
    if (is_named) return true;
    const auto& assocs = model.objects().participant_sessions;
    return std::any_of(assocs.begin(), assocs.end(), [&](const ParticipantSessionAssoc& assoc) {
        return assoc.session == session && is_focus(assoc);
    });
}

void ParticipantWatch::judge_media(const MetadataModel& model, const MetadataId& participant,
                                   const IsVoice& is_voice, Known& known) {
    const auto& assocs = model.objects().participant_streams;
    const auto assoc = std::find_if(assocs.begin(), assocs.end(), [&](const auto& one) {
        return one.participant == participant;
    });
    if (assoc == assocs.end()) return;
    const auto is_voice_stream = [&](const MetadataId& id) {
        const MediaStream* stream = model.find_stream(id);
        return stream == nullptr || is_voice(stream->label);
    };
    const auto has_voice = [&](const std::vector<MetadataId>& streams) {
        return std::any_of(streams.begin(), streams.end(), is_voice_stream);
    };
    bool sends = has_voice(assoc->send);
    bool receives = has_voice(assoc->recv);
    known.had_voice = known.had_voice || sends || receives;
    if (!known.had_voice) {
        sends = !assoc->send.empty();
        receives = !assoc->recv.empty();
    }
    known.media = sends ? Media::Sends : receives ? Media::Receives : Media::None;
}

void ParticipantWatch::update(const MetadataModel& model, const IsVoice& is_voice,
                              std::vector<Event>& out) {
    std::vector<std::pair<MetadataId, bool>> sessions;  // few: whether each is a conference
    for (const ParticipantSessionAssoc& assoc : model.objects().participant_sessions) {
        auto found = std::find_if(sessions.begin(), sessions.end(),
                                  [&](const auto& one) { return one.first == assoc.session; });
        if (found == sessions.end())
            found = sessions.insert(found, {assoc.session, is_conference(model, assoc.session)});
        if (found->second) compare(model, assoc, is_voice, out);
    }
}

void ParticipantWatch::compare(const MetadataModel& model, const ParticipantSessionAssoc& assoc,
                               const IsVoice& is_voice, std::vector<Event>& out) {
    const Participant* participant = model.find_participant(assoc.participant);
    Known now;
    now.is_present = !assoc.vanished;
    if (!assoc.periods.empty()) {
        now.joined = assoc.periods.back().associate;
        now.is_present = now.is_present && !assoc.periods.back().disassociate;
    }
    ConferenceRole role;
    if (participant != nullptr) role = find_conference_role(*participant);
    now.nickname = role.nickname;
    now.roles = role.roles;

    const auto tell = [&](std::string_view type, std::vector<EventField> fields = {}) {
        std::vector<EventField> all{{"participant", first_aor(participant)}};
        if (std::string name = first_name(participant); !name.empty())
            all.emplace_back("name", std::move(name));
        for (EventField& field : fields) all.push_back(std::move(field));
        out.push_back(make_event(type, kNoStream, all));
    };
    const auto tell_left = [&](OptionalTime at) {
        std::vector<EventField> fields;
        if (at) fields.emplace_back("at", base::to_rfc3339(*at));
        if (!role.left.empty()) fields.emplace_back("reason", role.left);
        tell("participant_left", std::move(fields));
    };
    Known& before = known_[{assoc.session, assoc.participant}];
    now.had_voice = before.had_voice;
    judge_media(model, assoc.participant, is_voice, now);
    // Left and back again between two documents.
    const bool is_again = before.is_present && now.is_present && before.joined && now.joined &&
                          *now.joined > *before.joined;
    const OptionalTime ended =
        assoc.periods.empty() ? OptionalTime{} : assoc.periods.back().disassociate;
    if (is_again)
        tell_left(assoc.periods.size() > 1 ? (assoc.periods.end() - 2)->disassociate
                                           : OptionalTime{});
    if (now.is_present && (!before.is_present || is_again)) {
        std::vector<EventField> fields;
        if (now.joined) fields.emplace_back("at", base::to_rfc3339(*now.joined));
        if (!now.nickname.empty()) fields.emplace_back("nickname", now.nickname);
        if (!now.roles.empty()) fields.emplace_back("roles", now.roles);
        if (is_focus(assoc))
            fields.emplace_back("is_focus", true);
        else
            fields.emplace_back("media", std::string{now.media == Media::Sends      ? "sends"
                                                     : now.media == Media::Receives ? "receives"
                                                                                    : "none"});
        tell("participant_joined", std::move(fields));
    } else if (before.is_present && !now.is_present) {
        tell_left(ended ? ended : assoc.vanished);
    } else if (now.is_present) {
        if (before.media != now.media && !is_focus(assoc)) {
            if (now.media == Media::None) tell("participant_held");
            if (before.media == Media::None) tell("participant_resumed");
            if (now.media == Media::Receives) tell("participant_muted");
            if (now.media == Media::Sends && before.media == Media::Receives)
                tell("participant_unmuted");
        }
        if (before.nickname != now.nickname)
            tell("participant_nickname", {{"nickname", now.nickname}});
        if (before.roles != now.roles) tell("participant_roles", {{"roles", now.roles}});
    }
    before = std::move(now);
}

}  // namespace earshot::siprec
