// What is known of the communication session (CS) of one call, for the metadata of all its
// recordings: who takes part, since when, in which group. Plain state and pure functions.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "b2bua/call_facts.h"
#include "base/reason.h"
#include "base/time.h"
#include "base/uuid.h"
#include "client/cs_conference.h"
#include "policy/call_rule.h"
#include "relay/media_plane.h"
#include "siprec/cs_description.h"
#include "siprec/recording_client_session.h"

namespace earshot::client {

// One who is, or was, at an end of the call.
struct CsParty {
    relay::Leg leg = relay::Leg::A;
    std::vector<siprec::NameId> names{};
    base::WallTime joined{};
    std::optional<base::WallTime> left{};
    std::vector<siprec::Period> earlier{};  // when it was there before it came back
    std::size_t number = 0;  // of those with this name: another phone, or who calls itself
    std::optional<std::string> nickname{};  // in its chats; empty: none any more
    // ---- of a conference
    std::uint32_t member = 0;  // whose streams are its own (joint_state.h); 0: the focus
    bool is_speaking = true;   // neither muted nor on hold by its own wish
    bool is_hearing = true;
    bool shows_camera = false;
    bool sees_cameras = false;
    bool sees_content = false;
    std::optional<bool> presents{};  // whether it does now; none: it never has
    bool is_chatting = false;        // in the conference's chat room
};

// Somebody who has written in a chat of the call without being at an end of it: who takes part in a
// room behind that leg.
struct CsSender {
    relay::Leg leg = relay::Leg::A;
    siprec::NameId name{};
    base::WallTime joined{};
    std::size_t number = 0;  // as of CsParty
};
// Of one call: what the metadata has room for beside a roster of as many.
inline constexpr std::size_t kMaxCsSenders = 150;
inline constexpr std::size_t kMaxCsSenderBytes = std::size_t{32} << 10;

// The conference that the CS is, where the focus is ours: then the parties are its members.
struct OwnConference {
    std::string uri{};
    std::string subject{};
    std::vector<std::string> session_ids{};  // of the dialogs that there are now (RFC 7989)
    std::size_t left_out = 0;                // of those that left
};

struct CsRecord {
    base::Uuid session_id{};
    base::Uuid installation{};  // name space of the ids that are made from names
    std::string call_id{};      // of the caller's leg
    std::string session_ids{};  // RFC 7989
    std::vector<CsParty> parties{};
    base::WallTime start{};
    std::optional<base::WallTime> stop{};
    std::optional<siprec::EndReason> end{};
    base::Uuid
        participant_space{};  // name space of the participants' ids, where no rule has a group
    // Of calls that were transferred, when no rule names a group.
    std::optional<base::Uuid> transfer_group{};
    std::optional<CsConference> conference{};  // where a party is a focus that tells who takes part
    std::optional<OwnConference> own_conference{};  // where the focus is ours
    std::vector<CsSender> senders{};                // in its chats
};

// The parties of a call by its INVITE: P-Asserted-Identity before From or To.
CsRecord make_cs_record(const b2bua::CallFacts& facts, const base::Uuid& session_id,
                        const base::Uuid& installation, base::WallTime now);
// Brings parties and Session-ID up to date; who is no longer at an end has left now. True when
// something changed.
bool update(CsRecord& record, const b2bua::CallFacts& facts, base::WallTime now);

// A number that no party of that name has.
std::size_t next_number(const CsRecord& record, const std::vector<siprec::NameId>& names);
// Adds one with such a number.
void add_party(CsRecord& record, CsParty party);
// Whether both are of one identity: ids are made from the first name.
bool is_same_name(const std::vector<siprec::NameId>& a, const std::vector<siprec::NameId>& b);
// The number of who dials into our own conference: that of the one who left it last of all of that
// name, where none of them is there now; a person who comes back is the same participant, whose
// association has a period more (RFC 7865 section 6.6). Else next_number(): what a person takes
// part with at the same time are several participants. Anonymous callers are never the same.
std::size_t arrival_number(const CsRecord& record, const std::vector<siprec::NameId>& names);
// It is in, with such a number.
void arrive(CsRecord& record, CsParty party);
// Of our own conference the last kMaxGoneMembers times are kept at which somebody left, and those
// of which the servers may not know yet; who has no other time is forgotten with it.
void forget_gone(CsRecord& record, base::WallTime now);

// Somebody writes in a chat behind that leg.
void add_sender(CsRecord& record, relay::Leg leg, const std::string& uri, const std::string& name,
                base::WallTime now);
// Who is at that leg calls itself so in its chats; empty: no more.
void set_nickname(CsRecord& record, relay::Leg leg, const std::string& nickname);

// The id of a stream in the metadata, as text.
std::string stream_text(const CsRecord& record, std::string_view name);
// The id of that party in the metadata, as text.
std::string participant_text(const CsRecord& record, const policy::RecordingSettings& settings,
                             const CsParty& party);

// Who is at each end now, as name-addr; empty: not known.
std::array<std::string, 2> present_parties(const CsRecord& record);

struct CsText {
    siprec::CsState state;
    std::vector<base::Reason> faults;  // what of the settings was left out
};
// The CS as a server with these settings is told it, with what the media plane offers.
CsText describe(const CsRecord& record, const policy::RecordingSettings& settings,
                const relay::Subscription& subscription);

}  // namespace earshot::client
