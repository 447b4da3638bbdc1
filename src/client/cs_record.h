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
    std::size_t number = 0;  // of those with this name: who comes again, or calls itself
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
// The members of our own conference that left are forgotten but the last kMaxGoneMembers, and those
// of whose leaving the servers may not know yet.
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
