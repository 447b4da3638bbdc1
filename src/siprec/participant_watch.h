// Who is in a conference when, told as events of the recording. Of a session (CS) that is one: a
// participant of it is a focus (`isfocus`), or it has the `conference` element of our metadata
// extension (docs/conference-recording.md). Who only called each other makes no such events.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "siprec/event.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

// The elements of ours that say more of a participant than RFC 7865 can.
struct ConferenceRole {
    std::string nickname;                // RFC 6501; empty: none
    std::vector<std::string> roles;      // "presenter"
    std::string left;                    // how and why: "booted: too loud"; empty: not told
    std::vector<std::uint32_t> sources;  // SSRCs, which a mixer's CSRC lists name
};
ConferenceRole find_conference_role(const Participant& participant);
// The elements to be sent.
std::string write_conference_role(const ConferenceRole& role);

// `isfocus` of the association: no person.
bool is_focus(const ParticipantSessionAssoc& assoc);

// What the conferences of a recording are called: the AORs of their focuses, and the URIs of our
// `conference` elements.
std::vector<std::string> conference_uris(const MetadataModel& model);

class ParticipantWatch {
public:
    // Compares with what was told before:
    //   participant_joined    participant, name, at, nickname, roles, is_focus, media (sends,
    //                         receives, held)
    //   participant_left      participant, name, at, reason
    //   participant_muted, participant_unmuted, participant_held, participant_resumed,
    //   participant_nickname (nickname), participant_roles (roles)
    // `at` is what the client says, the time of the event when that was heard.
    // `is_voice`: whether a stream of that label is audio, as far as is known; a mute is about
    // those, whatever else the participant sends.
    using IsVoice = std::function<bool(std::string_view label)>;
    void update(const MetadataModel& model, const IsVoice& is_voice, std::vector<Event>& out);

private:
    enum class Media : std::uint8_t { Sends, Receives, None };
    struct Known {
        bool is_present = false;
        OptionalTime joined;
        Media media = Media::None;  // of its voice; of all, where it has none
        bool had_voice = false;
        std::string nickname;
        std::vector<std::string> roles;
    };
    static void judge_media(const MetadataModel& model, const MetadataId& participant,
                            const IsVoice& is_voice, Known& known);
    static bool is_conference(const MetadataModel& model, const MetadataId& session);
    void compare(const MetadataModel& model, const ParticipantSessionAssoc& assoc,
                 const IsVoice& is_voice, std::vector<Event>& out);

    std::map<std::pair<MetadataId, MetadataId>, Known> known_;  // by session and participant
};

}  // namespace earshot::siprec
