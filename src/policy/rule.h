// The rules by which a recording server takes, declines or holds back a recording session (RFC 7866
// sections 7.2, 12.1; conformance P-42, P-43, P-126). Pure: facts in, a decision out. The first
// rule whose conditions all hold wins; where none does the session is recorded, or the decision
// hook is asked.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "policy/time_window.h"

namespace earshot::policy {

struct OfferedStream {
    std::string label{};
    std::string medium{};               // "audio", "video", ...
    std::vector<std::string> codecs{};  // "PCMU", "opus", in the order offered
};

// What is known of an INVITE when it is decided upon.
struct InviteFacts {
    std::string call_id{};
    std::string from{};  // URI of From, as that of To: of the recording session, not of the call
    std::string to{};
    std::string peer{};          // the name of its [[peer]]; empty: none is configured
    std::string peer_address{};  // "192.0.2.1:5060"
    struct Party {
        std::string aor;
        std::string name;
    };
    std::vector<Party> participants{};  // of the metadata
    std::string group{};
    std::vector<std::string> session_ids{};
    std::vector<std::pair<std::string, std::string>> headers{};  // those that are not SIP's own
    std::vector<OfferedStream> streams{};                        // those that could be recorded
    base::WallTime time{};
    bool is_outgoing = false;  // the INVITE is ours, and these are of the client's answer
};

enum class Action { Record, Decline, Inactive, Streams };
std::string_view to_string(Action action);  // "record", "decline", "inactive", "streams"
std::optional<Action> parse_action(std::string_view text);

// Globs; an empty one is any.
struct StreamPattern {
    std::string medium{};
    std::string label{};
    std::string codec{};  // any of the line's codecs
    friend bool operator==(const StreamPattern&, const StreamPattern&) = default;
};
bool matches(const StreamPattern& pattern, const OfferedStream& stream);

inline constexpr int kDefaultDeclineCode = 603;

// What to do with a session.
struct Outcome {
    Action action = Action::Record;
    int code = kDefaultDeclineCode;        // Decline: 400 to 699
    std::string phrase{};                  // Decline: reason phrase; empty: the usual one
    std::vector<StreamPattern> streams{};  // Streams: these are answered by port 0
    // Inactive: media is asked for after this time; never by itself when absent.
    std::optional<std::chrono::seconds> record_after{};
    friend bool operator==(const Outcome&, const Outcome&) = default;
};
bool declines(const Outcome& outcome, const OfferedStream& stream);
// An outcome that leaves no stream of the offer is a decline.
Outcome resolve(Outcome outcome, const InviteFacts& facts);

// Each list holds alternatives, globs but for `number_prefixes` and `windows`; an empty list is no
// condition. All lists must hold.
struct Conditions {
    std::vector<std::string> participants{};     // AOR of any party, with or without its scheme
    std::vector<std::string> numbers{};          // number of any party: "+4930*"
    std::vector<std::string> number_prefixes{};  // "+4930"
    std::vector<std::string> groups{};
    std::vector<std::string> session_ids{};
    std::vector<std::string> peers{};  // names of [[peer]]
    std::vector<std::string> from{};   // URI, with or without its scheme
    std::vector<std::string> to{};
    // Name of a header and the globs for its value; every name must be there.
    std::vector<std::pair<std::string, std::vector<std::string>>> headers{};
    std::vector<TimeWindow> windows{};
    Zone zone{};
    friend bool operator==(const Conditions&, const Conditions&) = default;
};

struct Rule {
    std::string name{};
    Conditions conditions{};
    Outcome outcome{};
    friend bool operator==(const Rule&, const Rule&) = default;
};

bool matches(const Conditions& conditions, const InviteFacts& facts);
// Borrowed from `rules`; null when none holds.
const Rule* find_rule(std::span<const Rule> rules, const InviteFacts& facts);
// The same for an INVITE of ours, before the client has told more than peer, from, to and time: the
// rule that will hold whatever it tells; null also when that cannot be said yet.
const Rule* find_certain_rule(std::span<const Rule> rules, const InviteFacts& facts);

}  // namespace earshot::policy
