#include "client/cs_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "chat/wrapping.h"
#include "client/joint_state.h"
#include "client/limits.h"
#include "mime/same_user.h"
#include "sdp/content.h"
#include "sip/headers.h"
#include "siprec/limits.h"
#include "siprec/participant_watch.h"
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

std::string_view first_name(const std::vector<siprec::NameId>& names) {
    return names.empty() ? std::string_view{} : std::string_view(names.front().aor);
}

// The same party has the same id in all sessions of its group (M-15).
base::Uuid participant_id(const base::Uuid& name_space, const CsParty& party) {
    return siprec::group_id(
        name_space, fmt::format("participant {} {}", first_name(party.names), party.number));
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
    if (!record.transfer_group && record.conference)
        return siprec::CsGroup{.id = record.conference->group,
                               .name = {},
                               .is_raw = false,
                               .formed = record.conference->grouped};
    if (!record.transfer_group) return std::nullopt;
    return siprec::CsGroup{.id = *record.transfer_group, .name = {}, .is_raw = false, .formed = {}};
}

// Who listens to it later sees on what ground nothing was said in the call itself.
std::string agreed_xml(std::string_view reason) {
    return fmt::format(R"(<indication xmlns="{}" means="agreed">{}</indication>)",
                       siprec::kExtensionNamespace, xml::xml_escape(reason));
}

// The names of participants' ids: a group that a transfer forms in mid-session changes nobody's.
base::Uuid participant_ids(const CsRecord& record, const policy::RecordingSettings& settings) {
    const bool is_named = !settings.group.empty() && !settings.raw_group;
    return is_named ? siprec::group_id(record.installation, settings.group)
                    : record.participant_space;
}

// Those of a roster: as of who calls through here, where one group holds all of its calls.
base::Uuid member_ids(const CsRecord& record, const policy::RecordingSettings& settings) {
    const bool is_named = !settings.group.empty() && !settings.raw_group;
    return is_named ? participant_ids(record, settings) : record.conference->group;
}

siprec::OptionalTime to_optional(const std::optional<base::WallTime>& time) { return {time}; }

// ---- conferences: who is at a leg is a focus, behind it are the members of its roster

// The party of a leg, as its index among the participants; those that left do not count.
using Present = std::array<std::optional<std::size_t>, 2>;

bool is_party(const CsParty& party, const conference::Member& member) {
    return std::any_of(party.names.begin(), party.names.end(), [&](const siprec::NameId& name) {
        return mime::is_same_user(name.aor, member.key.user) ||
               std::any_of(member.aors.begin(), member.aors.end(),
                           [&](const auto& aor) { return mime::is_same_user(name.aor, aor); });
    });
}

// The same member has the same id in all calls with this conference, which are one group (M-15).
siprec::CsParticipant describe(const CsMember& one, const base::Uuid& ids) {
    const conference::Member& member = one.member;
    siprec::CsParticipant participant{
        .id = siprec::group_id(ids, fmt::format("participant {} {}", member.key.user, one.number)),
        .names = {{.aor = member.key.user, .name = member.name, .language = {}}},
        .xml = member_xml(member),
        .joined = member.joined,
        .left = to_optional(member.left),
        .earlier = one.earlier};
    for (const std::string& aor : member.aors)
        participant.names.push_back({.aor = aor, .name = {}, .language = {}});
    if (!member.cascaded_focus.empty()) participant.params.push_back({"isfocus", "true"});
    return participant;
}

// Adds the members; says of which ones the streams are.
class ConferenceDescriber {
public:
    ConferenceDescriber(const CsRecord& record, const base::Uuid& ids, siprec::CsDescription& cs)
        : record_(record), conference_(*record.conference), ids_(ids), cs_(cs) {
        cs_.session_xml += conference_xml(conference_);
        at_.resize(conference_.members.size());
        for (std::size_t i = 0; i < conference_.members.size(); ++i) add(i);
        for (std::size_t i = 0; i < record_.parties.size(); ++i) {
            const CsParty& party = record_.parties[i];
            if (party.leg != conference_.focus) continue;
            cs_.participants[i].params.push_back({"isfocus", "true"});
            // The URI of the conference, which may be another one than was called.
            if (party.names.empty() ||
                !mime::is_same_user(party.names.front().aor, conference_.uri))
                cs_.participants[i].names.push_back(
                    {.aor = conference_.uri, .name = {}, .language = {}});
        }
    }

    // Of a stream that comes from the focus: a mix of all others, or what one of them shows. Who
    // shares, as long as no roster says so, is the focus: to guess would accuse somebody.
    std::vector<std::size_t> senders(const relay::SubscribedStream& stream) const {
        const bool is_content =
            sdp::parse_content(stream.content).has(sdp::Content::Slides) || !stream.sharing.empty();
        if (is_content) {
            std::vector<std::size_t> found = choose(is_presenter);
            return found.empty() && !conference_.tells_presenters ? focuses() : found;
        }
        return choose([&](const auto& member) { return sends(member, stream.media); });
    }
    std::vector<std::size_t> focuses() const {
        std::vector<std::size_t> found;
        for (std::size_t i = 0; i < record_.parties.size(); ++i)
            if (record_.parties[i].leg == conference_.focus && !record_.parties[i].left)
                found.push_back(i);
        return found;
    }
    std::vector<std::size_t> receivers(const relay::SubscribedStream& stream) const {
        return choose([&](const auto& member) { return receives(member, stream.media); });
    }
    // The focus may have muted who is at our own leg.
    bool is_silent(std::size_t party, std::string_view media) const {
        const auto found = std::find(at_.begin(), at_.end(), party);
        if (found == at_.end()) return false;
        const auto index = static_cast<std::size_t>(found - at_.begin());
        const conference::Member& member = conference_.members[index].member;
        return member.is_present && !sends(member, media);
    }

    // The first endpoint of a user.
    const siprec::CsParticipant* find(const std::string& user) const {
        for (std::size_t i = 0; i < conference_.members.size(); ++i)
            if (conference_.members[i].member.key.user == user) return &cs_.participants[*at_[i]];
        return nullptr;
    }

private:
    // Who calls through here is a party already, and the roster says more of it.
    void add(std::size_t index) {
        const CsMember& one = conference_.members[index];
        for (std::size_t i = 0; i < record_.parties.size(); ++i) {
            const CsParty& party = record_.parties[i];
            const bool is_taken = std::find(at_.begin(), at_.end(), i) != at_.end();
            if (is_taken || party.leg == conference_.focus || party.left ||
                !is_party(party, one.member))
                continue;
            at_[index] = i;
            is_local_.insert(i);
            siprec::CsParticipant& described = cs_.participants[i];
            described.xml += member_xml(one.member);
            if (!described.names.empty() && described.names.front().name.empty())
                described.names.front().name = one.member.name;
            return;
        }
        siprec::CsParticipant described = describe(one, ids_);
        const auto same = std::find_if(cs_.participants.begin(), cs_.participants.end(),
                                       [&](const auto& known) { return known.id == described.id; });
        at_[index] = static_cast<std::size_t>(same - cs_.participants.begin());
        if (same == cs_.participants.end())
            cs_.participants.push_back(std::move(described));
        else  // who was at our leg is in it by another call now
            *same = std::move(described);
    }
    template <class Is>
    std::vector<std::size_t> choose(Is is) const {
        std::vector<std::size_t> found;
        for (std::size_t i = 0; i < conference_.members.size(); ++i)
            if (is_local_.count(*at_[i]) == 0 && is(conference_.members[i].member))
                found.push_back(*at_[i]);
        return found;
    }

    const CsRecord& record_;
    const CsConference& conference_;
    const base::Uuid ids_;
    siprec::CsDescription& cs_;
    std::vector<std::optional<std::size_t>> at_;  // of each member: the participant that it is
    std::set<std::size_t> is_local_;              // of them, parties of our own
};

// Sidebars by value: sessions of their own in the same group, without streams, since their media do
// not come here.
void add_sidebars(const CsConference& conference, const ConferenceDescriber& members,
                  siprec::MetadataObjects& objects) {
    for (const CsSidebar& sidebar : conference.sidebars) {
        siprec::CsDescription cs{
            .session_id = siprec::group_id(
                conference.space,
                fmt::format("sidebar {} {}", sidebar.uri, base::to_rfc3339(sidebar.opened))),
            .start = sidebar.opened,
            .stop = to_optional(sidebar.closed),
            .session_xml = conference_xml({.uri = sidebar.uri, .subject = sidebar.subject})};
        siprec::CommunicationSession session =
            std::move(siprec::describe(cs).objects.sessions.front());
        if (!objects.groups.empty()) session.group = objects.groups.front().id;
        for (const std::string& user : sidebar.users) {
            const siprec::CsParticipant* member = members.find(user);
            if (member == nullptr) continue;
            siprec::ParticipantSessionAssoc assoc;
            assoc.participant = siprec::MetadataId{member->id};
            assoc.session = session.id;
            assoc.periods.push_back({sidebar.opened, to_optional(sidebar.closed)});
            objects.participant_sessions.push_back(std::move(assoc));
        }
        objects.sessions.push_back(std::move(session));
    }
}

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
        add_party(record, {.leg = leg, .names = std::move(names), .joined = now, .left = {}});
    }
    std::string session_ids = session_ids_of(facts);
    has_changed = has_changed || session_ids != record.session_ids;
    record.session_ids = std::move(session_ids);
    return has_changed;
}

std::size_t next_number(const CsRecord& record, const std::vector<siprec::NameId>& names) {
    std::size_t next = 0;
    for (const CsParty& party : record.parties)
        if (first_name(party.names) == first_name(names)) next = std::max(next, party.number + 1);
    return next;
}

void add_party(CsRecord& record, CsParty party) {
    party.number = next_number(record, party.names);
    record.parties.push_back(std::move(party));
}

bool is_same_name(const std::vector<siprec::NameId>& a, const std::vector<siprec::NameId>& b) {
    return first_name(a) == first_name(b);
}

bool is_named_alike(const std::vector<siprec::NameId>& a, const std::vector<siprec::NameId>& b) {
    const std::string& one = a.front().name;
    const std::string& other = b.front().name;
    return one.empty() || other.empty() || one == other;
}

std::size_t arrival_number(const CsRecord& record, const std::vector<siprec::NameId>& names) {
    const std::size_t next = next_number(record, names);
    if (names.empty() || mime::is_anonymous(names.front().aor)) return next;
    const CsParty* last = nullptr;
    for (const CsParty& party : record.parties) {
        if (!is_same_name(party.names, names)) continue;
        if (!party.left) return next;
        // Nobody vouches for From: who says another name does not rename what was.
        if (!is_named_alike(party.names, names)) continue;
        if (last == nullptr || *last->left < *party.left) last = &party;
    }
    return last == nullptr ? next : last->number;
}

void arrive(CsRecord& record, CsParty party) {
    const auto known =
        std::find_if(record.parties.begin(), record.parties.end(), [&](const CsParty& one) {
            return one.left && one.number == party.number && is_same_name(one.names, party.names);
        });
    if (known == record.parties.end()) {
        record.parties.push_back(std::move(party));
        return;
    }
    party.earlier = std::move(known->earlier);
    party.earlier.push_back({known->joined, *known->left});
    if (party.names.front().name.empty()) party.names = std::move(known->names);
    // That these are no more has to be told.
    party.presents = known->presents;
    party.nickname = std::move(known->nickname);
    *known = std::move(party);
}

void forget_gone(CsRecord& record, base::WallTime now) {
    // When it left first, of all times that are kept.
    const auto first_left = [](const CsParty& party) {
        return party.earlier.empty() ? to_optional(party.left) : party.earlier.front().disassociate;
    };
    std::size_t times = 0;
    for (const CsParty& party : record.parties)
        times += party.earlier.size() + (party.left ? 1U : 0U);
    for (; times > kMaxGoneMembers; --times) {
        const auto first = std::min_element(
            record.parties.begin(), record.parties.end(), [&](const CsParty& a, const CsParty& b) {
                return first_left(a) && (!first_left(b) || *first_left(a) < *first_left(b));
            });
        // Servers are told of what is new, as long as it fits a document.
        if (times <= kMaxNewTimes && *first_left(*first) + siprec::kGoneTime >= now) return;
        if (!first->earlier.empty()) {
            first->earlier.erase(first->earlier.begin());
            continue;
        }
        record.parties.erase(first);
        ++record.own_conference->left_out;
    }
}

void add_sender(CsRecord& record, Leg leg, const std::string& uri, const std::string& name,
                base::WallTime now) {
    const bool is_known =
        std::any_of(record.senders.begin(), record.senders.end(),
                    [&](const CsSender& one) { return mime::is_same_user(one.name.aor, uri); });
    std::size_t octets = uri.size() + name.size();
    for (const CsSender& one : record.senders) octets += one.name.aor.size() + one.name.name.size();
    if (is_known || record.senders.size() >= kMaxCsSenders || octets > kMaxCsSenderBytes) return;
    const siprec::NameId sender{
        .aor = base::to_valid_utf8(uri), .name = base::to_valid_utf8(name), .language = {}};
    record.senders.push_back(
        {.leg = leg, .name = sender, .joined = now, .number = next_number(record, {sender})});
}

void set_nickname(CsRecord& record, Leg leg, const std::string& nickname) {
    if (CsParty* party = find_present(record, leg)) party->nickname = base::to_valid_utf8(nickname);
}

namespace {

base::Uuid stream_id(const CsRecord& record, std::string_view name) {
    return siprec::group_id(record.session_id, fmt::format("stream {}", name));
}

}  // namespace

std::string stream_text(const CsRecord& record, std::string_view name) {
    return siprec::MetadataId{stream_id(record, name)}.text();
}

std::string participant_text(const CsRecord& record, const policy::RecordingSettings& settings,
                             const CsParty& party) {
    return siprec::MetadataId{participant_id(participant_ids(record, settings), party)}.text();
}

std::array<std::string, 2> present_parties(const CsRecord& record) {
    std::array<std::string, 2> parties;
    for (const CsParty& party : record.parties) {
        if (party.left || party.names.empty()) continue;
        const siprec::NameId& name = party.names.front();
        parties[relay::index_of(party.leg)] = chat::name_addr(name.name, name.aor);
    }
    return parties;
}

namespace {

bool is_content(const relay::SubscribedStream& stream) {
    return !stream.sharing.empty() || sdp::parse_content(stream.content).has(sdp::Content::Slides);
}

siprec::CsStream describe_stream(const CsRecord& record, const relay::SubscribedStream& stream) {
    siprec::CsStream described{
        .id = stream_id(record, stream.name.empty() ? stream.label : stream.name),
        .label = stream.label,
        .is_held = !stream.is_active};
    if (is_content(stream))
        described.xml = siprec::write_sharing(
            {.kind = stream.sharing, .title = base::to_valid_utf8(stream.title)});
    return described;
}

std::string nickname_xml(const std::string& nickname) {
    if (!nickname.empty())
        return siprec::write_conference_role(
            {.nickname = nickname, .roles = {}, .left = {}, .sources = {}});
    // That there is none any more has to be said: what is not named keeps its value.
    return fmt::format(R"(<nickname xmlns="{}"/>)", siprec::kExtensionNamespace);
}

// Their indices; who is a party or a member is one already.
std::vector<std::size_t> describe_senders(const CsRecord& record, const base::Uuid& ids,
                                          siprec::CsDescription& cs) {
    std::vector<std::size_t> senders;
    for (const CsSender& one : record.senders) {
        const base::Uuid id =
            siprec::group_id(ids, fmt::format("participant {} {}", one.name.aor, one.number));
        const auto known = std::find_if(
            cs.participants.begin(), cs.participants.end(), [&](const auto& participant) {
                const auto is_it = [&](const siprec::NameId& name) {
                    return mime::is_same_user(name.aor, one.name.aor);
                };
                return participant.id == id ||
                       (!participant.left &&
                        std::any_of(participant.names.begin(), participant.names.end(), is_it));
            });
        senders.push_back(static_cast<std::size_t>(known - cs.participants.begin()));
        if (known == cs.participants.end())
            cs.participants.push_back({.id = id, .names = {one.name}, .joined = one.joined});
    }
    return senders;
}

// `conference`: of a focus at one of the legs, if there is one.
void describe_legs(const CsRecord& record, const policy::RecordingSettings& settings,
                   const relay::Subscription& subscription, siprec::CsDescription& cs,
                   std::optional<ConferenceDescriber>& conference) {
    const base::Uuid ids = participant_ids(record, settings);
    std::array<std::optional<std::size_t>, 2> at{};  // who is at each leg now
    for (std::size_t i = 0; i < record.parties.size(); ++i) {
        const CsParty& party = record.parties[i];
        siprec::CsParticipant participant{.id = participant_id(ids, party),
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
    if (record.conference) conference.emplace(record, member_ids(record, settings), cs);
    for (std::size_t i = 0; i < record.parties.size(); ++i) {
        std::string& xml = cs.participants[i].xml;
        const bool has_one = xml.find("<nickname") != std::string::npos;  // by the roster
        if (record.parties[i].nickname && !has_one)
            xml += nickname_xml(*record.parties[i].nickname);
    }
    const std::vector<std::size_t> senders = describe_senders(record, ids, cs);
    for (const relay::SubscribedStream& stream : subscription.streams) {
        siprec::CsStream described = describe_stream(record, stream);
        const auto sender = at[relay::index_of(stream.from)];
        const auto receiver = at[relay::index_of(relay::other(stream.from))];
        if (stream.is_of_both) {  // a chat
            for (const auto& party : {sender, receiver}) {
                if (!party) continue;
                described.senders.push_back(*party);
                described.receivers.push_back(*party);
            }
            std::vector<std::size_t> others = senders;
            if (conference) {  // behind the focus is a room
                const auto add = [&others](const std::vector<std::size_t>& more) {
                    others.insert(others.end(), more.begin(), more.end());
                };
                add(conference->senders(stream));
                add(conference->receivers(stream));
            }
            for (const std::size_t one : others) {
                const auto& known = described.senders;
                if (std::find(known.begin(), known.end(), one) != known.end()) continue;
                described.senders.push_back(one);
                described.receivers.push_back(one);
            }
        } else if (stream.media == "message") {  // a file: the message itself names nobody
            if (sender) described.senders.push_back(*sender);
            if (receiver) described.receivers.push_back(*receiver);
        } else {
            const bool is_mix = conference && stream.from == record.conference->focus;
            if (is_mix)
                described.senders = conference->senders(stream);
            else if (sender && !(conference && conference->is_silent(*sender, stream.media)))
                described.senders.push_back(*sender);
            if (conference && !is_mix)
                described.receivers = conference->receivers(stream);
            else if (receiver)
                described.receivers.push_back(*receiver);
        }
        cs.streams.push_back(std::move(described));
    }
}

// Whether a member of our own conference takes part in a stream; `is_common`: of the room as a
// whole.
bool sends_in(const CsParty& party, const relay::SubscribedStream& stream, bool is_common) {
    if (stream.media != "video") return party.is_speaking;
    if (!is_content(stream)) return party.shows_camera;
    return !is_common || party.presents.value_or(false);
}
bool receives_in(const CsParty& party, const relay::SubscribedStream& stream) {
    if (stream.media != "video") return party.is_hearing;
    return is_content(stream) ? party.sees_content && !party.presents.value_or(false)
                              : party.sees_cameras;
}

std::string presenter_xml(bool presents) {
    if (presents)
        return siprec::write_conference_role(
            {.nickname = {}, .roles = {"presenter"}, .left = {}, .sources = {}});
    return fmt::format(R"(<role xmlns="{}"/>)", siprec::kExtensionNamespace);
}

// Each member's stream is heard by all others; a mix is everybody's (spec of RFC 7865 M-19: who is
// muted sends nothing), as is the camera of who speaks; what is shared is its presenter's.
void describe_members(const CsRecord& record, const policy::RecordingSettings& settings,
                      const relay::Subscription& subscription, siprec::CsDescription& cs) {
    const base::Uuid ids = participant_ids(record, settings);
    const OwnConference& conference = *record.own_conference;
    cs.sip_session_ids = conference.session_ids;
    cs.session_xml += conference_xml(
        {.uri = conference.uri, .subject = conference.subject, .left_out = conference.left_out});
    for (std::size_t i = 0; i < record.parties.size(); ++i) {
        const CsParty& party = record.parties[i];
        cs.participants.push_back({.id = participant_id(ids, party),
                                   .names = party.names,
                                   .joined = party.joined,
                                   .left = to_optional(party.left),
                                   .earlier = party.earlier});
        if (party.member == 0) cs.participants.back().params = {{"isfocus", "true"}};
        if (party.presents) cs.participants.back().xml += presenter_xml(*party.presents);
        if (party.nickname) cs.participants.back().xml += nickname_xml(*party.nickname);
    }
    for (const relay::SubscribedStream& stream : subscription.streams) {
        siprec::CsStream described = describe_stream(record, stream);
        const std::uint32_t sender = joint_member(stream.label);
        for (std::size_t i = 0; i < record.parties.size(); ++i) {
            const CsParty& party = record.parties[i];
            if (party.member == 0 || party.left) continue;
            if (stream.is_of_both) {  // the chat room
                if (!party.is_chatting) continue;
                described.senders.push_back(i);
                described.receivers.push_back(i);
                continue;
            }
            const bool is_its_own = sender == party.member;
            if ((is_its_own || sender == 0) && sends_in(party, stream, sender == 0))
                described.senders.push_back(i);
            if (!is_its_own && receives_in(party, stream)) described.receivers.push_back(i);
        }
        described.is_held = described.is_held || described.senders.empty();
        cs.streams.push_back(std::move(described));
    }
}

}  // namespace

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
    std::optional<ConferenceDescriber> conference;
    if (record.own_conference)
        describe_members(record, settings, subscription, cs);
    else
        describe_legs(record, settings, subscription, cs, conference);
    siprec::CsMetadata metadata = siprec::describe(cs);
    CsText text{.state = {.objects = std::move(metadata.objects), .offer = subscription.offer},
                .faults = std::move(metadata.faults)};
    if (conference) add_sidebars(*record.conference, *conference, text.state.objects);
    return text;
}

}  // namespace earshot::client
