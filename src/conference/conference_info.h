// The state of a conference as its focus tells it (RFC 4575): one document as received or to be
// sent, and the rules by which documents are merged. No I/O, no clock; any thread, but one object
// at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace earshot::conference {

inline constexpr std::string_view kEventPackage = "conference";
inline constexpr std::string_view kContentType = "application/conference-info+xml";
inline constexpr std::string_view kNamespace = "urn:ietf:params:xml:ns:conference-info";
// RFC 6501: of a nickname.
inline constexpr std::string_view kXconNamespace = "urn:ietf:params:xml:ns:xcon-conference-info";

// Of an element that has a `state` attribute (section 4.4). Absent is Full.
enum class State { Full, Partial, Deleted };

// `None` in the following: the document does not say.
enum class EndpointStatus {
    None,
    Pending,
    DialingOut,
    DialingIn,
    Alerting,
    OnHold,
    Connected,
    MutedViaFocus,
    Disconnecting,
    Disconnected
};
enum class JoiningMethod { None, DialedIn, DialedOut, FocusOwner };
enum class DisconnectionMethod { None, Departed, Booted, Failed, Busy };
// As the participant sees it: a muted one is RecvOnly.
enum class MediaStatus { None, SendRecv, SendOnly, RecvOnly, Inactive };

std::string_view to_string(EndpointStatus status);  // the RFC's words; empty for None
std::string_view to_string(JoiningMethod method);
std::string_view to_string(DisconnectionMethod method);
std::string_view to_string(MediaStatus status);

// A text that is absent leaves the local one alone when a partial document is merged; an empty one
// takes it away.
using Text = std::optional<std::string>;

struct UriEntry {
    std::string uri;  // key
    Text display_text;
    Text purpose;  // participation, streaming; web-page, recording, event
    friend bool operator==(const UriEntry&, const UriEntry&) = default;
};

struct UriList {
    State state = State::Full;
    std::vector<UriEntry> entries;
    friend bool operator==(const UriList&, const UriList&) = default;
};

// joining-info, disconnection-info.
struct Execution {
    std::optional<base::WallTime> when;
    Text reason;
    Text by;
    friend bool operator==(const Execution&, const Execution&) = default;
};

struct Media {
    std::string id;  // key
    State state = State::Full;
    Text display_text;
    Text type;    // audio, video, text, message
    Text label;   // of available-media; RFC 4574
    Text src_id;  // of RTP: the SSRC, in decimal
    MediaStatus status = MediaStatus::None;

    std::optional<std::uint32_t> ssrc() const;
    friend bool operator==(const Media&, const Media&) = default;
};

struct Endpoint {
    std::string entity;  // key
    State state = State::Full;
    Text display_text;
    EndpointStatus status = EndpointStatus::None;
    JoiningMethod joining_method = JoiningMethod::None;
    std::optional<Execution> joining_info;
    DisconnectionMethod disconnection_method = DisconnectionMethod::None;
    std::optional<Execution> disconnection_info;
    std::vector<Media> media;
    Text call_id;  // call-info/sip
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct User {
    std::string entity;  // key
    State state = State::Full;
    Text display_text;
    Text nickname;  // RFC 6501
    std::optional<UriList> associated_aors;
    std::optional<std::vector<std::string>> roles;
    Text cascaded_focus;
    std::vector<Endpoint> endpoints;
    friend bool operator==(const User&, const User&) = default;
};

struct UserList {
    State state = State::Full;
    std::vector<User> users;   // in the order in which they first appeared
    std::size_t left_out = 0;  // that limits.h kept out
    friend bool operator==(const UserList&, const UserList&) = default;
};

struct AvailableMedia {
    std::string label;  // key
    Text display_text;
    Text type;
    MediaStatus status = MediaStatus::None;
    friend bool operator==(const AvailableMedia&, const AvailableMedia&) = default;
};

struct Description {
    State state = State::Full;
    Text display_text;
    Text subject;
    Text free_text;
    Text keywords;
    std::optional<UriList> conf_uris;
    std::optional<UriList> service_uris;
    std::optional<std::uint32_t> maximum_user_count;
    std::optional<std::vector<AvailableMedia>> available_media;
    friend bool operator==(const Description&, const Description&) = default;
};

struct ConferenceState {
    State state = State::Full;
    std::optional<std::uint32_t> user_count;
    std::optional<bool> active;
    std::optional<bool> locked;
    friend bool operator==(const ConferenceState&, const ConferenceState&) = default;
};

// The whole document, and a sidebar by value.
struct ConferenceInfo {
    std::string entity;  // the conference URI; key of a sidebar
    State state = State::Full;
    std::optional<std::uint32_t> version;  // of the document; a sidebar has none
    std::optional<Description> description;
    std::optional<ConferenceState> conference_state;
    std::optional<UserList> users;
    std::optional<UriList> sidebars_by_ref;
    std::optional<State> sidebars_state;  // of sidebars-by-val; absent: the element is
    std::vector<ConferenceInfo> sidebars;

    const User* find_user(std::string_view user) const;
    friend bool operator==(const ConferenceInfo&, const ConferenceInfo&) = default;
};

// A fault of a document that a person should read. `line` counts from 1; 0 is "not in the text".
struct Issue {
    std::string text;
    int line = 0;
    friend bool operator==(const Issue&, const Issue&) = default;
};

struct ConferenceDocument {
    ConferenceInfo info;
    std::vector<Issue> issues;  // faults that did not hinder reading
};

// Fails, with the line, only when the text is not well-formed XML, has a DOCTYPE, breaks a limit of
// xml/limits.h, or is no conference-info with an entity. `charset`: of the MIME type, may be empty.
base::Result<ConferenceDocument, Issue> parse_conference_info(std::string_view text,
                                                              std::string_view charset = {});

// Each `state` is written that is not Full.
std::string write_conference_info(const ConferenceInfo& info);

// Section 4.6: puts `update` into `local`. Full children replace, partial ones are merged by their
// keys, deleted ones go. The version is not looked at: that is Roster's. What does not fit is
// counted in users->left_out.
void merge(ConferenceInfo& local, const ConferenceInfo& update);

// The partial document, without a version, that makes `before` of a subscriber into `after`:
// changed users in full, gone ones as deleted. nullopt: nothing has changed.
std::optional<ConferenceInfo> make_partial(const ConferenceInfo& before,
                                           const ConferenceInfo& after);

}  // namespace earshot::conference
