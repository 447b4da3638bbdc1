// What `earshot client` can be told. Plain values; reading them from flags, environment and file is
// app/client_config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/net_address.h"
#include "io/port_range.h"
#include "io/tls_settings.h"
#include "policy/call_rule.h"
#include "relay/sound.h"
#include "sip/digest.h"

namespace earshot::client {

// Whom to ask about a call for which no rule holds.
struct CallHookConfig {
    std::string url;  // http://...; empty: nobody
    std::chrono::milliseconds deadline{500};
    bool records_on_failure = true;  // without an answer: by the defaults, or not at all
    friend bool operator==(const CallHookConfig&, const CallHookConfig&) = default;
};

// Who is told of recordings that begin, end and fail, by POST.
struct WebhookConfig {
    std::string url;     // http://...; empty: nobody
    std::string secret;  // signs the body; empty: unsigned
    friend bool operator==(const WebhookConfig&, const WebhookConfig&) = default;
};

inline constexpr std::size_t kMaxRtpengines = 16;

// Recordings of calls that live in an RTPEngine, asked for by REST (client/companion.h).
struct CompanionConfig {
    std::vector<base::NetAddress> rtpengine;  // control sockets; none: no companion mode
    std::uint32_t max_recordings = 4000;
    std::chrono::seconds longest{21'600};  // 0: no limit
    friend bool operator==(const CompanionConfig&, const CompanionConfig&) = default;
};

// Conferences that we are the focus of (client/conferences.h): rooms that phones dial into.
struct FocusConfig {
    enum class Record : std::uint8_t {
        Auto,      // a stream of each participant, of more than separate_up_to one mix of them all
        Separate,  // a stream of each participant
        Mixed,     // one stream with CSRC list and levels
        Both,
    };
    std::vector<std::string> rooms;    // globs of user parts of Request-URIs; none: no focus
    std::vector<std::string> domains;  // globs of their hosts, beside our own names
    std::uint32_t max_rooms = 100;
    std::uint32_t max_participants = 60;  // of one room
    Record record = Record::Auto;
    std::uint32_t separate_up_to = 16;
    bool chimes = true;            // all hear that somebody comes or leaves
    bool chat = true;              // each room has one (RFC 7701)
    bool tls_chat = true;          // who comes by TLS has it, too
    bool private_messages = true;  // in it, from participant to participant
    bool record_private = true;    // else servers are only told that there was one
    std::string mute_keys = "*6";  // pressed by a participant: muted, and again: not; empty: none
    friend bool operator==(const FocusConfig&, const FocusConfig&) = default;
};

// Chats of calls (MSRP).
struct ChatConfig {
    bool relays = true;  // through us; else they pass from party to party, unrecorded
    std::optional<base::NetAddress> listen;  // nothing: a port of media.ports
    // MSRP URI of a relay at which we log in (RFC 4976), for chats of conferences that we attend;
    // empty: none.
    std::string login_relay;
    sip::Credentials login;
    friend bool operator==(const ChatConfig&, const ChatConfig&) = default;
};

// Who relays the media of calls.
struct MediaPlaneConfig {
    enum class Kind : std::uint8_t { BuiltIn, Rtpengine, Rtpproxy };
    Kind kind = Kind::BuiltIn;
    std::vector<base::NetAddress> instances;  // control sockets, in the order of preference
    bool falls_back = true;                   // to the relay of this process; else calls get 503
    std::string flags;                        // of offers and answers (relay/ng_flags.h)
    std::string subscribe_flags;              // of what is recorded
    friend bool operator==(const MediaPlaneConfig&, const MediaPlaneConfig&) = default;
};

struct ClientConfig {
    std::vector<base::NetAddress> sip_listen;    // UDP and TCP at each
    std::vector<base::NetAddress> tls_listen;    // TLS at each
    io::TlsSettings tls;                         // of these, and of what we connect to
    std::vector<base::NetAddress> advertised;    // as others see us; at most one of each IP family
    std::vector<std::string> advertised_except;  // globs of hosts that are told where we are bound
    base::NetAddress http_listen;
    io::PortRange media_ports;
    std::size_t media_workers = 0;                // relay threads; 0: one for each core
    std::chrono::milliseconds media_ring{3'000};  // kept of each stream for recording servers
    MediaPlaneConfig media_plane;
    ChatConfig chats;
    std::filesystem::path data = "./earshot-client-data";
    std::string dns_servers;  // HOST[:PORT] separated by commas; empty: the system's

    std::size_t tcp_above_bytes = 1300;      // of a request over UDP: it goes over TCP; 0: none
    std::chrono::seconds keep_alive{25};     // to registered phones behind a NAT; 0: never
    bool keeps_alive_by_options = true;      // over UDP; else by CRLF, which no phone answers
    bool insecure = false;                   // take calls from everyone
    std::vector<std::string> allow_from;     // globs of hosts; with any, nobody else may call
    std::vector<std::string> inside;         // globs of hosts whose calls are outbound ones
    std::string next_hop;                    // SIP URI where calls go; empty: where their URI leads
    std::uint32_t max_calls = 4000;          // running; beyond it 503
    std::uint32_t max_calls_per_host = 0;    // of them by one host; 0: as many as there are
    std::chrono::seconds silent_call{7200};  // without media: it is ended; 0: never

    bool follows_conferences = true;  // asks a focus who takes part in its conference (RFC 4575)
    // A conference that we attend is left once nobody else has been there for so long; 0: never.
    std::chrono::seconds attends_alone{60};

    policy::RecordingSettings recording;  // where nothing else is said
    sip::Credentials credentials;         // for recording servers that ask for them
    std::chrono::milliseconds server_silence{5'000};
    bool fails_over = true;                            // in mid-call
    std::chrono::milliseconds failover_time{60'000};   // that servers are tried after a loss
    std::chrono::milliseconds probe_interval{30'000};  // of OPTIONS to the servers; 0: none
    std::vector<std::string> allowed_servers;  // globs of further hosts that may begin recordings
    std::vector<policy::CallRule> rules;
    std::vector<policy::Trigger> triggers;
    // What the settings name, read by load_announcements(); by file, and whether it is heard alone.
    std::map<std::pair<std::string, bool>, relay::SoundPtr> announcements;
    CallHookConfig decision;
    WebhookConfig webhook;
    CompanionConfig companion;
    FocusConfig focus;
    base::LogLevel log_level = base::LogLevel::Info;
};

// What is wrong with media.flags; empty: nothing.
std::string find_flags_fault(std::string_view flags);

// Of msrp.login_relay: whether it is an MSRP URI, and whether nobody on the way to it can listen.
bool is_login_relay(std::string_view uri);
bool is_guarded_relay(std::string_view uri);

// Whether anything of it can lead to a recording.
inline bool names_servers(const ClientConfig& config) {
    return !config.recording.servers.empty() || !config.rules.empty() ||
           !config.decision.url.empty();
}

}  // namespace earshot::client
