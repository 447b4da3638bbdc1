// The rules by which a recording client decides which calls are recorded, by which servers and how
// (docs/configuration.md, "What a client records"). Pure: facts of a call in, plans out. Each rule
// belongs to an instance, a recording session of its own on the same call; of an instance's rules
// the first whose conditions all hold decides.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "policy/indication.h"
#include "policy/time_window.h"

namespace earshot::policy {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// What is known of a call by its INVITE.
struct CallFacts {
    struct Party {
        std::string uri{};   // without its parameters' brackets: sip:ada@example.com;user=phone
        std::string name{};  // without quotes; may be empty
    };
    std::string call_id{};
    Party from{};
    Party to{};
    Party asserted{};  // P-Asserted-Identity; empty: none
    std::string request_uri{};
    std::string source{};      // "192.0.2.1:5060"
    bool is_outbound = false;  // its source is one of client.inside
    HeaderList headers{};      // all of them, as they came
    base::WallTime time{};
    std::uint32_t lot = 0;  // drawn once for each call: 0 to 99, for `percent`
};

// The value of `template` with its placeholders filled in: {from.uri}, {from.user}, {from.name},
// the same of to and asserted, {request.uri}, {request.user}, {call_id}, {source}, {time},
// {header.NAME} (empty when it is not there); {{ is a brace. Unknown ones are left as they are.
enum class Escape : std::uint8_t { None, Xml };
std::string expand(std::string_view text, const CallFacts& facts, Escape escape);
// The first placeholder that expand() does not know; empty: none.
std::string find_unknown_placeholder(std::string_view text);

// Whether a body of this type is XML: "application/x+xml; charset=utf-8".
bool is_xml(std::string_view content_type);
// A header's value is one line, whatever the INVITE held.
std::string one_line(std::string text);

// When the recording session is begun.
enum class StartAt : std::uint8_t { Answer, Early, Invite };
std::optional<StartAt> parse_start_at(std::string_view text);  // "answer", "early", "invite"
std::string_view to_string(StartAt at);

// The recording session (RS) of a call: its own, one that it shares with other calls while any of
// them runs, or one that stands also while none does (RFC 7866 section 10).
enum class SessionKind : std::uint8_t { Own, Shared, Persistent };
std::optional<SessionKind> parse_session_kind(std::string_view text);  // "own", "shared", ...
std::string_view to_string(SessionKind kind);

// How chats (MSRP) go on the lines of an RS: each on one of its own, on one that another chat has
// left, or several on one (docs/msrp-recording.md).
enum class ChatMapping : std::uint8_t { Session, Reuse, Mux };
std::optional<ChatMapping> parse_chat_mapping(std::string_view text);  // "session", "reuse", "mux"

inline constexpr std::uint32_t kAllServers = 0;
std::optional<std::uint32_t> parse_parallel(std::string_view text);  // "all" (0), to kMaxServers

// How one call is recorded. Texts hold placeholders until resolve().
struct RecordingSettings {
    std::vector<std::string> servers{};  // SIP URIs, in the order in which they are tried
    std::string skip_failover_codes{};   // POSIX extended regex; empty: every failure fails over
    StartAt start_at = StartAt::Answer;
    bool on_demand = false;      // not before somebody says start
    bool mandatory = false;      // a call that cannot be recorded is ended
    std::uint32_t parallel = 1;  // servers that record it at once; kAllServers: every one
    std::string group{};         // empty: none
    bool raw_group = false;      // group_id is this text instead of a UUID
    std::string caller{};        // name-addr, URI or XML with <nameID>; empty: the INVITE's
    std::string callee{};
    bool caller_is_xml = false;  // set by resolve()
    bool callee_is_xml = false;
    HeaderList headers{};  // of the first request
    std::string from_uri{};
    std::string to_uri{};
    std::string socket{};                // HOST:PORT of the listener that sends; empty: any
    std::string media{};                 // IP address told to the server; empty: ours
    std::string session_extension{};     // XML
    std::string group_extension{};       // XML
    std::string extension_namespace{};   // of blocks that have none
    bool raw_extensions = false;         // as they are, also without a namespace
    std::vector<std::string> streams{};  // media types: "audio"; empty: all
    IndicationSettings indication{};
    SessionKind session = SessionKind::Own;
    std::string session_name{};  // of those that share one; empty: the group, else the rule
    bool mix = false;            // of an RS that is not its own: all voices in one stream
    std::uint32_t renew_h = 24;  // a persistent RS that is older is replaced when no call runs
    ChatMapping chat_mapping = ChatMapping::Session;
    friend bool operator==(const RecordingSettings&, const RecordingSettings&) = default;
};

// Lists hold alternatives, globs; an empty one is no condition. All must hold.
struct CallConditions {
    std::vector<std::string> from{};  // URI, with or without its scheme
    std::vector<std::string> to{};
    std::vector<std::string> request_uri{};
    std::vector<std::string> source{};  // "192.0.2.*", with or without the port
    std::vector<std::pair<std::string, std::vector<std::string>>> headers{};
    std::vector<TimeWindow> windows{};
    Zone zone{};
    std::optional<bool> is_outbound{};
    std::uint32_t percent = 100;  // of the calls for which all else holds
    friend bool operator==(const CallConditions&, const CallConditions&) = default;
};

inline constexpr std::string_view kDefaultInstance = "default";

struct CallRule {
    std::string name{};
    std::string instance{kDefaultInstance};
    CallConditions conditions{};
    bool records = true;
    RecordingSettings settings{};
    friend bool operator==(const CallRule&, const CallRule&) = default;
};

bool matches(const CallConditions& conditions, const CallFacts& facts);

// One recording session to be.
struct RecordingPlan {
    std::string instance{};
    std::string rule{};  // that decided; empty: none did
    RecordingSettings settings{};
    std::uint32_t copy = 0;  // of those that several servers make at once: 0 to parallel - 1
};

// What the session is called that a call with this plan shares with others.
std::string shared_name(const RecordingPlan& plan);

// A plan for each server that is to record at once: each is a recording session of its own, with
// the same session of the metadata.
std::vector<RecordingPlan> spread_parallel(std::vector<RecordingPlan> plans);

// What the rules say of a call: a plan for each instance whose first rule that holds records. Where
// there are no rules at all, the default instance records everything by `defaults`, if these name a
// server.
std::vector<RecordingPlan> plan_recordings(std::span<const CallRule> rules,
                                           const RecordingSettings& defaults,
                                           const CallFacts& facts);
// Whether `caller` or `callee` is the content of a <participant> instead of a name-addr or URI.
bool is_participant_xml(std::string_view party);
// The settings with all placeholders filled in.
RecordingSettings resolve(RecordingSettings settings, const CallFacts& facts);

// ---- what happens during a call

enum class CallHappening : std::uint8_t { Hold, Unhold, Transfer, Header, Dtmf };
std::optional<CallHappening> parse_happening(std::string_view text);
std::string_view to_string(CallHappening happening);

enum class TriggerAction : std::uint8_t { Start, Pause, Resume, Stop, Send };
std::optional<TriggerAction> parse_trigger_action(std::string_view text);
std::string_view to_string(TriggerAction action);

struct Happening {
    CallHappening kind = CallHappening::Hold;
    bool by_caller = false;  // else by the callee
    HeaderList headers{};    // Header: of a re-INVITE or INFO
    std::string digits{};    // Dtmf: those of this party so far, the newest last
};

struct Trigger {
    std::string name{};
    CallHappening when = CallHappening::Hold;
    std::optional<bool> by_caller{};
    // Header: name and globs for its value; every name must be there.
    std::vector<std::pair<std::string, std::vector<std::string>>> headers{};
    std::string digits{};    // Dtmf: "*1"
    std::string instance{};  // empty: all of the call
    TriggerAction action = TriggerAction::Pause;
    // Send: a request within the recording session.
    std::string method{"INFO"};
    HeaderList send_headers{};
    std::string content_type{};
    std::string body{};
    friend bool operator==(const Trigger&, const Trigger&) = default;
};

bool matches(const Trigger& trigger, const Happening& happening);

}  // namespace earshot::policy
