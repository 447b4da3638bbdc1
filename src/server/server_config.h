// What `earshot server` can be told. Plain values; reading them from flags, environment and file is
// app/config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/net_address.h"
#include "capture/reader_kind.h"
#include "catalog/catalog.h"
#include "io/port_range.h"
#include "io/tls_settings.h"
#include "messages/limits.h"
#include "policy/rule.h"
#include "sip/digest.h"
#include "sip/session_timer.h"
#include "siprec/join_keys.h"
#include "siprec/metadata_drop.h"
#include "siprec/stream_role.h"

namespace earshot::server {

using capture::parse_reader_kind;
using capture::ReaderKind;  // how media is read
using io::PortRange;

// A client that may send recordings, known by its address, by digest or by its certificate: the
// list that admits a listener beyond loopback.
struct Peer {
    std::string name{};                         // as shown in events and logs
    std::vector<base::NetAddress> addresses{};  // hosts; their port is 0 and means any
    sip::Credentials digest{};                  // empty username: by address alone
    // SIP domains (RFC 5922); it is known by a certificate that bears one of them and by nothing
    // else, its addresses say where from. Empty: by the others.
    std::vector<std::string> certificate_names{};
    bool needs_tls = false;   // what comes from it by UDP or TCP is refused
    sip::Credentials ours{};  // what we answer when it challenges us; empty username: nothing

    // What its messages cannot tell (docs/configuration.md).
    bool records_unmarked = false;       // every INVITE of it is a recording session (E-3)
    bool probe_media = false;            // it sends nothing before it got a packet (Q35)
    std::optional<bool> store_digits{};  // instead of media.store_digits
    siprec::SecondVideo second_video = siprec::SecondVideo::Camera;  // what an unmarked one is
    std::vector<base::NetAddress> media_from{};  // further hosts that send its RTP (Q31)
    std::optional<bool> strict{};                // instead of sip.strict
    std::string join_group{};  // its calls join those of peers with the same; empty: of its own
    friend bool operator==(const Peer&, const Peer&) = default;
};

// Whom to ask about an INVITE for which no rule holds.
struct DecisionHookConfig {
    std::string url;  // http://...; empty: nobody, it is recorded
    std::chrono::milliseconds deadline{1000};
    bool records_on_failure = true;  // without an answer: record (fail open) or decline
    friend bool operator==(const DecisionHookConfig&, const DecisionHookConfig&) = default;
};

// Which dialogs become pieces of one recording.
struct JoinConfig {
    std::vector<siprec::JoinKeySource> keys{};  // empty: none
    std::chrono::seconds window = catalog::kDefaultJoinWindow;
};

// Messages (MSRP).
struct MessageConfig {
    bool is_on = true;
    std::vector<base::NetAddress> listen{};  // empty: kMsrpPort of the hosts of sip.listen
    std::uint64_t max_message_bytes = messages::kMaxMessageBytes;  // a=max-size
    bool match_session_id_only = false;  // a middlebox rewrites the addresses of paths
    friend bool operator==(const MessageConfig&, const MessageConfig&) = default;
};
inline constexpr std::uint16_t kMsrpPort = 2855;  // RFC 4975 section 15.3

struct ServerConfig {
    std::vector<base::NetAddress> sip_listen;  // UDP and TCP at each
    std::vector<base::NetAddress> tls_listen;  // TLS at each
    io::TlsSettings tls;                       // of these, and of what we connect to
    // Our addresses as the clients see them, at most one of each IP family; port 0: as it listens.
    std::vector<base::NetAddress> advertised;
    base::NetAddress http_listen;
    PortRange media_ports;
    std::size_t media_workers = 0;  // capture threads; 0: one for each core
    ReaderKind media_reader = ReaderKind::Sockets;
    std::chrono::seconds probe_silent{900};  // without media the client is asked; 0: never
    std::chrono::seconds keep_alive{15};     // of idle RTP flows (RFC 6263); 0: none
    bool store_digits = true;                // keys that are pressed (DTMF)
    std::filesystem::path data = "./earshot-data";

    std::string dns_servers;  // HOST[:PORT] separated by commas; empty: the system's

    bool insecure = false;  // take SIP from any address although the listener is not loopback
    bool strict = false;    // refuse what the standards do not allow instead of noting it
    sip::SessionTimerConfig session_timer{};
    std::string redirect_to{};  // SIP URI: new calls get 302 to it (maintenance); empty: taken
    std::vector<Peer> peers;    // empty: every address that reaches the listener

    std::vector<policy::Rule> rules;  // the first that holds decides about an INVITE
    DecisionHookConfig decision;
    JoinConfig join;
    MessageConfig messages;
    std::vector<siprec::DroppedElement> dropped_metadata;  // M-31: is not kept

    bool encrypt = true;                     // what is stored, under keys of DATA/keys/kek
    std::vector<std::string> key_command{};  // seals these keys (KMS, HSM); empty: none does
    std::chrono::milliseconds commit_interval{200};
    std::chrono::milliseconds linger{1000};  // a recording closes this long after its last dialog
    std::chrono::milliseconds too_short{1000};          // a call that lasted less gets a warning
    std::uint64_t min_free_bytes = 256ULL << 20;        // below it new calls get 503
    std::uint64_t min_free_memory_bytes = 64ULL << 20;  // likewise
    std::uint32_t max_busy_percent =
        90;                          // of a media thread's time; above it likewise; 0: no limit
    std::uint32_t max_calls = 4000;  // running calls; beyond it new ones get 503
    std::uint32_t max_calls_per_host = 0;    // of them by one host; 0: as many as there are
    std::uint32_t max_unacknowledged = 500;  // INVITEs of one host that wait for their ACK
    base::LogLevel log_level = base::LogLevel::Info;
};

}  // namespace earshot::server
