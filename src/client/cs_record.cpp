#include "client/cs_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "sdp/content.h"
#include "sip/headers.h"
#include "siprec/stream_role.h"
#include "xml/xml_document.h"

namespace earshot::client {
namespace {

using b2bua::CallFacts;
using relay::Leg;

const b2bua::LegFacts& facts_of(const CallFacts& facts, Leg leg) {
    return facts.leg(leg == Leg::A ? b2bua::Leg::A : b2bua::Leg::B);
}

// The asserted identity is somebody's word, From is what the phone says (RFC 3325): both are told.
std::vector<siprec::NameId> names_of(const b2bua::LegFacts& leg) {
    std::vector<siprec::NameId> names;
    const auto add = [&](const b2bua::Party& party) {
        const bool is_known = std::any_of(names.begin(), names.end(),
                                          [&](auto& name) { return name.aor == party.uri; });
        if (!party.uri.empty() && !is_known)
            names.push_back({.aor = party.uri, .name = party.display_name, .language = {}});
    };
    for (const b2bua::Party& party : leg.asserted) add(party);
    add(leg.address);
    return names;
}

std::string session_ids_of(const CallFacts& facts) {
    const auto half = [&](Leg leg) -> std::string_view {
        const std::string& uuid = facts_of(facts, leg).session_uuid;
        return uuid.empty() ? std::string_view("00000000000000000000000000000000") : uuid;
    };
    return fmt::format("{};remote={}", half(Leg::A), half(Leg::B));
}

CsParty* find_present(CsRecord& record, Leg leg) {
    const auto found = std::find_if(record.parties.rbegin(), record.parties.rend(),
                                    [&](auto& party) { return party.leg == leg && !party.left; });
    return found == record.parties.rend() ? nullptr : &*found;
}

// The same party has the same id in all sessions of its group (M-15).
base::Uuid participant_id(const base::Uuid& name_space, const CsRecord& record, std::size_t index) {
    const CsParty& party = record.parties[index];
    const std::string name = party.names.empty() ? std::string{} : party.names.front().aor;
    // Of one that comes again, or calls itself, there are two.
    const auto same = std::count_if(
        record.parties.begin(), record.parties.begin() + static_cast<std::ptrdiff_t>(index),
        [&](auto& other) { return !other.names.empty() && other.names.front().aor == name; });
    return siprec::group_id(name_space, fmt::format("participant {} {}", name, same));
}

// "Name" <uri> or a URI; a nameID element is XML.
void apply_setting(const std::string& setting, bool is_xml, siprec::CsParticipant& participant) {
    const std::string_view text = base::trim(setting);
    if (text.empty()) return;
    if (is_xml) {
        participant.xml = text;
        return;
    }
    const auto parsed = sip::parse_name_addr(text);
    if (!parsed) {
        participant.names = {{.aor = std::string(text), .name = {}, .language = {}}};
        return;
    }
    participant.names = {{.aor = std::string(parsed->uri),
                          .name = std::string(parsed->display_name),
                          .language = {}}};
}

std::optional<siprec::CsGroup> group_of(const CsRecord& record,
                                        const policy::RecordingSettings& settings) {
    if (!settings.group.empty())
        return siprec::CsGroup{.id = siprec::group_id(record.installation, settings.group),
                               .name = settings.group,
                               .is_raw = settings.raw_group,
                               .formed = {}};
    if (!record.transfer_group) return std::nullopt;
    return siprec::CsGroup{.id = *record.transfer_group, .name = {}, .is_raw = false, .formed = {}};
}

// Who listens to it later sees on what ground nothing was said in the call itself.
std::string agreed_xml(std::string_view reason) {
    return fmt::format(R"(<indication xmlns="{}" means="agreed">{}</indication>)",
                       siprec::kExtensionNamespace, xml::xml_escape(reason));
}

siprec::OptionalTime to_optional(const std::optional<base::WallTime>& time) { return {time}; }

}  // namespace

CsRecord make_cs_record(const CallFacts& facts, const base::Uuid& session_id,
                        const base::Uuid& installation, base::WallTime now) {
    CsRecord record{.session_id = session_id,
                    .installation = installation,
                    .call_id = facts.leg(b2bua::Leg::A).call_id,
                    .start = now,
                    .participant_space = session_id};
    update(record, facts, now);
    return record;
}

bool update(CsRecord& record, const CallFacts& facts, base::WallTime now) {
    bool has_changed = false;
    for (const Leg leg : {Leg::A, Leg::B}) {
        std::vector<siprec::NameId> names = names_of(facts_of(facts, leg));
        CsParty* present = find_present(record, leg);
        if (present != nullptr && present->names == names) continue;
        has_changed = true;
        const bool is_same = present != nullptr && !present->names.empty() && !names.empty() &&
                             std::any_of(names.begin(), names.end(), [&](auto& name) {
                                 return name.aor == present->names.front().aor;
                             });
        if (is_same) {  // better known than before
            const siprec::NameId first = present->names.front();
            std::stable_partition(names.begin(), names.end(),
                                  [&](auto& name) { return name.aor == first.aor; });
            if (present->names == names) continue;
            present->names = std::move(names);
            continue;
        }
        if (present != nullptr) present->left = now;
        record.parties.push_back(
            {.leg = leg, .names = std::move(names), .joined = now, .left = {}});
    }
    std::string session_ids = session_ids_of(facts);
    has_changed = has_changed || session_ids != record.session_ids;
    record.session_ids = std::move(session_ids);
    return has_changed;
}

CsText describe(const CsRecord& record, const policy::RecordingSettings& settings,
                const relay::Subscription& subscription) {
    siprec::CsDescription cs{.session_id = record.session_id,
                             .sip_session_ids = {record.session_ids},
                             .start = record.start,
                             .stop = to_optional(record.stop),
                             .group = group_of(record, settings),
                             .session_xml = settings.session_extension,
                             .group_xml = settings.group_extension,
                             .leaves_extensions_raw = settings.raw_extensions};
    if (settings.indication.by == policy::IndicateBy::Agreed)
        cs.session_xml += agreed_xml(settings.indication.agreed_reason);
    if (!settings.extension_namespace.empty())
        cs.extension_namespace = settings.extension_namespace;
    if (record.end) cs.reasons.push_back(*record.end);
    // A group that a transfer forms in mid-session changes nobody's id.
    const bool is_named = !settings.group.empty() && !settings.raw_group;
    const base::Uuid ids = is_named ? cs.group->id : record.participant_space;

    std::array<std::optional<std::size_t>, 2> at{};  // who is at each leg now
    for (std::size_t i = 0; i < record.parties.size(); ++i) {
        const CsParty& party = record.parties[i];
        siprec::CsParticipant participant{.id = participant_id(ids, record, i),
                                          .names = party.names,
                                          .joined = party.joined,
                                          .left = to_optional(party.left)};
        // What a rule says of caller and callee is about those of the INVITE.
        const auto is_same_leg = [&](const CsParty& other) { return other.leg == party.leg; };
        const auto first = std::find_if(record.parties.begin(), record.parties.end(), is_same_leg);
        if (&*first == &party)
            party.leg == Leg::A
                ? apply_setting(settings.caller, settings.caller_is_xml, participant)
                : apply_setting(settings.callee, settings.callee_is_xml, participant);
        if (!party.left) at[relay::index_of(party.leg)] = i;
        cs.participants.push_back(std::move(participant));
    }
    for (const relay::SubscribedStream& stream : subscription.streams) {
        siprec::CsStream described{
            .id = siprec::group_id(record.session_id, "stream " + stream.label),
            .label = stream.label,
            .is_held = !stream.is_active};
        if (!stream.sharing.empty() || sdp::parse_content(stream.content).has(sdp::Content::Slides))
            described.xml = siprec::write_sharing(
                {.kind = stream.sharing, .title = base::to_valid_utf8(stream.title)});
        if (const auto sender = at[relay::index_of(stream.from)])
            described.senders.push_back(*sender);
        if (const auto receiver = at[relay::index_of(relay::other(stream.from))])
            described.receivers.push_back(*receiver);
        cs.streams.push_back(std::move(described));
    }
    siprec::CsMetadata metadata = siprec::describe(cs);
    return {.state = {.objects = std::move(metadata.objects), .offer = subscription.offer},
            .faults = std::move(metadata.faults)};
}

}  // namespace earshot::client
