#include "app/client_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/client_rule_config.h"
#include "app/config_reader.h"
#include "app/config_values.h"
#include "app/secret_file.h"
#include "app/tls_config.h"
#include "base/text.h"
#include "client/announcements.h"
#include "policy/limits.h"
#include "sip/uri.h"
#include "siprec/recording_client_session.h"

namespace earshot::app {

using base::Result;
using client::ClientConfig;

namespace {

using Key = KeyOf<ClientConfig>;

std::vector<std::string> items_of(std::string_view text) {
    std::vector<std::string> items;
    while (!text.empty()) items.emplace_back(base::trim(base::take_until(text, ',')));
    return items;
}

std::string set_globs(std::vector<std::string>& globs, std::string_view text) {
    globs = items_of(text);
    for (const std::string& glob : globs)
        if (glob.find('/') != std::string::npos)
            return "holds a network, which is not known here: write globs of addresses, like "
                   "192.0.2.*";
    return globs.size() > policy::kMaxPatterns ? "has too many items" : std::string{};
}

std::string set_next_hop(std::string& next_hop, std::string_view text) {
    const auto uri = sip::parse_uri(text);
    if (!text.empty() && (!uri || !uri->is_sip()))
        return "is no SIP URI: expected one like sip:pbx.example.com or "
               "sip:192.0.2.7:5060;transport=tcp";
    next_hop = text;
    return {};
}

std::string set_servers(std::vector<std::string>& servers, std::string_view text) {
    servers = items_of(text);
    if (servers.size() > policy::kMaxServers)
        return fmt::format("has more than {} servers", policy::kMaxServers);
    return find_server_fault(servers);
}

std::string set_start_at(policy::StartAt& target, std::string_view text) {
    const auto at = policy::parse_start_at(text);
    if (!at) return "is none of answer, early, invite";
    target = *at;
    return {};
}

std::string set_chat_mapping(policy::ChatMapping& target, std::string_view text) {
    const auto mapping = policy::parse_chat_mapping(text);
    if (!mapping) return "is none of session, reuse, mux";
    target = *mapping;
    return {};
}

std::string set_parallel(std::uint32_t& target, std::string_view text) {
    const auto count = policy::parse_parallel(text);
    if (!count) return fmt::format("is no number from 0 to {}", policy::kMaxServers);
    target = *count;
    return {};
}

std::string set_codes(std::string& codes, std::string_view text) {
    const auto parsed = siprec::SkipCodes::parse(std::string(text));
    if (!parsed) return "is no regular expression: " + parsed.error().text;
    codes = text;
    return {};
}

std::string set_secret(std::string& secret, std::string_view file) {
    secret.clear();
    if (file.empty()) return {};
    const auto line = read_secret(std::filesystem::path(file));
    if (!line) return "cannot be read, or its first line is empty";
    secret = *line;
    return {};
}

std::string set_plane(client::MediaPlaneConfig& plane, std::string_view text) {
    using Kind = client::MediaPlaneConfig::Kind;
    if (text == "built_in")
        plane.kind = Kind::BuiltIn;
    else if (text == "rtpengine")
        plane.kind = Kind::Rtpengine;
    else if (text == "rtpproxy")
        plane.kind = Kind::Rtpproxy;
    else
        return "is none of built_in, rtpengine, rtpproxy";
    return {};
}

std::string set_instances(client::MediaPlaneConfig& plane, std::string_view text) {
    constexpr std::size_t kMaxInstances = 16;
    plane.instances.clear();
    for (const std::string& item : items_of(text)) {
        const auto address = base::parse_net_address(item);
        if (!address || address->port == 0 || address->is_unspecified())
            return "is no list of literal addresses with ports, like 127.0.0.1:2223";
        plane.instances.push_back(*address);
    }
    return plane.instances.size() > kMaxInstances ? "has more than 16 instances" : std::string{};
}

std::string set_plane_failure(client::MediaPlaneConfig& plane, std::string_view text) {
    if (text != "built_in" && text != "refuse") return "is neither built_in nor refuse";
    plane.falls_back = text == "built_in";
    return {};
}

std::string set_ng_flags(std::string& flags, std::string_view text) {
    flags = text;
    const std::string fault = client::find_flags_fault(text);
    return fault.empty() ? fault : "cannot be told RTPEngine: " + fault;
}

std::string set_on_failure(bool& records, std::string_view text) {
    if (text != "record" && text != "skip") return "is neither record nor skip";
    records = text == "record";
    return {};
}

std::string set_keep_alive_by(bool& by_options, std::string_view text) {
    if (text != "options" && text != "crlf") return "is neither options nor crlf";
    by_options = text == "options";
    return {};
}

std::string set_rtpengines(std::vector<base::NetAddress>& addresses, std::string_view text) {
    addresses.clear();
    for (const std::string& item : items_of(text)) {
        const auto address = base::parse_net_address(item);
        if (!address || address->port == 0 || address->is_unspecified())
            return fmt::format("holds \"{}\", which is no address like 127.0.0.1:2223", item);
        addresses.push_back(*address);
    }
    return addresses.size() > client::kMaxRtpengines
               ? fmt::format("has more than {} instances", client::kMaxRtpengines)
               : std::string{};
}

std::string set_record(client::FocusConfig::Record& record, std::string_view text) {
    using Record = client::FocusConfig::Record;
    if (text == "auto")
        record = Record::Auto;
    else if (text == "separate")
        record = Record::Separate;
    else if (text == "mixed")
        record = Record::Mixed;
    else if (text == "both")
        record = Record::Both;
    else
        return "is none of auto, separate, mixed, both";
    return {};
}

std::string set_keys(std::string& keys, std::string_view text) {
    if (text.find_first_not_of("0123456789*#ABCD") != std::string_view::npos || text.size() > 16)
        return "is no sequence of up to 16 keys of a telephone, like *6";
    keys = text;
    return {};
}

std::string set_chat_listen(client::ChatConfig& chats, std::string_view text) {
    chats.listen.reset();
    if (text.empty()) return {};
    base::NetAddress address;
    if (std::string fault = set_address(address, text); !fault.empty()) return fault;
    chats.listen = address;
    return {};
}

std::string set_login_relay(client::ChatConfig& chats, std::string_view text) {
    if (!text.empty() && !client::is_login_relay(text))
        return "is no MSRP URI: expected one like msrps://relay.example.com:2855;tcp";
    chats.login_relay = text;
    return {};
}

std::string set_told(ClientConfig& config, std::string_view key, std::string_view text) {
    return policy::set_indication(config.recording.indication, key, text);
}

constexpr std::array kKeys{
    Key{"sip", "listen", Kind::Text, "127.0.0.1:5062",
        "addresses of the SIP listeners, UDP and TCP, separated by commas",
        [](ClientConfig& c, std::string_view t) { return set_listens(c.sip_listen, t); }},
    Key{"sip", "advertised_address", Kind::Text, "",
        "IP addresses that others see (NAT): one IPv4, one IPv6; a port if it differs",
        [](ClientConfig& c, std::string_view t) { return set_advertised(c.advertised, t); }},
    Key{"sip", "advertised_except", Kind::List, "",
        "hosts (globs, also of names) on our side of the NAT: they are told the listener's address",
        [](ClientConfig& c, std::string_view t) { return set_globs(c.advertised_except, t); }},
    Key{"sip", "dns_servers", Kind::Text, "",
        "DNS servers that are asked where host names lead; empty: the system's",
        [](ClientConfig& c, std::string_view t) { return set_dns(c.dns_servers, t); }},
    Key{"sip", "tcp_above_bytes", Kind::Number, "1300",
        "a longer request goes over TCP, where that is possible (RFC 3261 18.1.1); 0: never",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.tcp_above_bytes, t, 0, 65'535);
        }},
    Key{"sip", "keep_alive_s", Kind::Number, "25",
        "phones behind a NAT that registered through here hear something so often; 0: never",
        [](ClientConfig& c, std::string_view t) { return set_number(c.keep_alive, t, 0, 3600); }},
    Key{"sip", "keep_alive_by", Kind::Text, "options",
        "options or crlf: what they get over UDP; over TCP it is CRLF",
        [](ClientConfig& c, std::string_view t) {
            return set_keep_alive_by(c.keeps_alive_by_options, t);
        }},
    Key{"sip", "tls", Kind::Text, "",
        "SIP over TLS: address, or several; without a port 5061; empty: none",
        [](ClientConfig& c, std::string_view t) { return set_tls_listens(c.tls_listen, t); }},
    Key{"sip", "certificate_file", Kind::Text, "",
        "our certificate, then those up to its CA (PEM); several: chosen by the name asked for",
        [](ClientConfig& c, std::string_view t) { return set_certificates(c.tls, t); }},
    Key{"sip", "private_key_file", Kind::Text, "",
        "its key (PEM, without a password); as many as there are certificates",
        [](ClientConfig& c, std::string_view t) { return set_private_keys(c.tls, t); }},
    Key{"sip", "ca_file", Kind::Text, "",
        "CAs that the other end's certificate must come from (PEM); empty: the system's",
        [](ClientConfig& c, std::string_view t) {
            c.tls.ca_file = t;
            return std::string{};
        }},
    Key{"sip", "client_certificate", Kind::Text, "no",
        "what sip.tls asks of who connects: no, request or require",
        [](ClientConfig& c, std::string_view t) { return set_client_certificate(c.tls, t); }},
    Key{"sip", "tls_min_version", Kind::Text, "1.2", "1.2 or 1.3",
        [](ClientConfig& c, std::string_view t) { return set_tls_version(c.tls, t); }},
    Key{"sip", "insecure", Kind::Flag, "false",
        "take calls from everyone although the listener is not loopback",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.insecure, t); }},
    Key{"sip", "max_calls", Kind::Number, "4000", "running calls; beyond it new ones get 503",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.max_calls, t, 1, 1'000'000);
        }},
    Key{"sip", "max_calls_per_host", Kind::Number, "0",
        "running calls of one host; beyond it 503; 0: no limit",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.max_calls_per_host, t, 0, 1'000'000);
        }},
    Key{"media", "silent_call_s", Kind::Number, "7200",
        "a call of which neither side sent media for so long is ended; 0: never",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.silent_call, t, 0, 86'400);
        }},
    Key{"http", "listen", Kind::Text, "127.0.0.1:8081", "address of the page and the REST API",
        [](ClientConfig& c, std::string_view t) { return set_address(c.http_listen, t); }},
    Key{"media", "ports", Kind::Text, "20000-29999", "UDP ports for RTP (even) and RTCP (odd)",
        [](ClientConfig& c, std::string_view t) { return set_ports(c.media_ports, t); }},
    Key{"media", "workers", Kind::Number, "0", "threads that relay media; 0: one for each core",
        [](ClientConfig& c, std::string_view t) { return set_number(c.media_workers, t, 0, 64); }},
    Key{"media", "ring_ms", Kind::Number, "3000",
        "media of each stream that is kept in memory for the server that follows a lost one, and "
        "from before the first one's answer; 0: none",
        [](ClientConfig& c, std::string_view t) { return set_number(c.media_ring, t, 0, 5'000); }},
    Key{"media", "plane", Kind::Text, "built_in",
        "who relays media: built_in (this process), rtpengine or rtpproxy",
        [](ClientConfig& c, std::string_view t) { return set_plane(c.media_plane, t); }},
    Key{"media", "instances", Kind::List, "",
        "control sockets (HOST:PORT) of the media plane, in the order in which calls go to them",
        [](ClientConfig& c, std::string_view t) { return set_instances(c.media_plane, t); }},
    Key{"media", "on_failure", Kind::Text, "built_in",
        "what becomes of a new call that none of them takes: built_in or refuse",
        [](ClientConfig& c, std::string_view t) { return set_plane_failure(c.media_plane, t); }},
    Key{"media", "flags", Kind::Text, "replace-origin replace-session-connection ICE=remove",
        "of offers and answers, as in Kamailio's rtpengine_offer()",
        [](ClientConfig& c, std::string_view t) { return set_ng_flags(c.media_plane.flags, t); }},
    Key{"media", "subscribe_flags", Kind::Text, "",
        "of the subscriptions of recordings, as in OpenSIPS' $siprec(media)",
        [](ClientConfig& c, std::string_view t) {
            return set_ng_flags(c.media_plane.subscribe_flags, t);
        }},
    Key{"msrp", "relay", Kind::Flag, "true",
        "chats (MSRP) go through the client; false: from party to party, and are not recorded",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.chats.relays, t); }},
    Key{"msrp", "listen", Kind::Text, "",
        "address (TCP) where parties connect for chats; empty: a free port of media.ports",
        [](ClientConfig& c, std::string_view t) { return set_chat_listen(c.chats, t); }},
    Key{"msrp", "login_relay", Kind::Text, "",
        "relay (RFC 4976) for the chats of conferences that are attended: msrps://HOST:2855;tcp",
        [](ClientConfig& c, std::string_view t) { return set_login_relay(c.chats, t); }},
    Key{"msrp", "login_user", Kind::Text, "", "user name at that relay",
        [](ClientConfig& c, std::string_view t) {
            c.chats.login.username = t;
            return std::string{};
        }},
    Key{"msrp", "login_password_file", Kind::Text, "", "file whose first line is its password",
        [](ClientConfig& c, std::string_view t) { return set_secret(c.chats.login.password, t); }},
    Key{"storage", "data", Kind::Text, "./earshot-client-data", "directory of all data",
        [](ClientConfig& c, std::string_view t) {
            c.data = std::filesystem::path(std::string(t));
            return t.empty() ? std::string("is empty") : std::string{};
        }},
    Key{"client", "next_hop", Kind::Text, "",
        "SIP URI where all calls go; empty: where their Request-URI or Route leads",
        [](ClientConfig& c, std::string_view t) { return set_next_hop(c.next_hop, t); }},
    Key{"client", "allow_from", Kind::List, "",
        "hosts (globs) that may call and register; empty: all that reach the listener",
        [](ClientConfig& c, std::string_view t) { return set_globs(c.allow_from, t); }},
    Key{"client", "follow_conferences", Kind::Flag, "true",
        "ask the focus of a conference that a recorded call is in who takes part (RFC 4575)",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.follows_conferences, t); }},
    Key{"client", "attend_alone_s", Kind::Number, "60",
        "a conference that is attended is left when all others have left it for so long, as its "
        "focus tells; 0: never",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.attends_alone, t, 0, 86'400);
        }},
    Key{"client", "inside", Kind::List, "",
        "hosts (globs) whose calls are outbound; all others are inbound",
        [](ClientConfig& c, std::string_view t) { return set_globs(c.inside, t); }},
    Key{"client", "servers", Kind::List, "",
        "recording servers, in the order in which they are tried; empty: nothing is recorded",
        [](ClientConfig& c, std::string_view t) { return set_servers(c.recording.servers, t); }},
    Key{"client", "skip_failover_codes", Kind::Text, "",
        "regular expression of the answers after which no other server is tried",
        [](ClientConfig& c, std::string_view t) {
            return set_codes(c.recording.skip_failover_codes, t);
        }},
    Key{"client", "server_silence_ms", Kind::Number, "5000",
        "a server that sends nothing for so long counts as 408",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.server_silence, t, 100, 60'000);
        }},
    Key{"client", "failover", Kind::Flag, "true",
        "another server goes on with a recording whose server is lost in mid-call",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.fails_over, t); }},
    Key{"client", "failover_ms", Kind::Number, "60000",
        "after a loss the servers are asked, round by round, for so long; mandatory: one round",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.failover_time, t, 0, 3'600'000);
        }},
    Key{"client", "probe_interval_ms", Kind::Number, "30000",
        "each recording server is asked by OPTIONS whether it lives; 0: none is",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.probe_interval, t, 0, 86'400'000);
        }},
    Key{"client", "parallel", Kind::Number, "1", "servers that record each call at once; 0: all",
        [](ClientConfig& c, std::string_view t) { return set_parallel(c.recording.parallel, t); }},
    Key{"client", "allowed_servers", Kind::List, "",
        "hosts (globs) that may begin recordings, besides those of servers",
        [](ClientConfig& c, std::string_view t) { return set_globs(c.allowed_servers, t); }},
    Key{"client", "user", Kind::Text, "", "user name for recording servers that ask for one",
        [](ClientConfig& c, std::string_view t) {
            c.credentials.username = t;
            return std::string{};
        }},
    Key{"client", "password_file", Kind::Text, "", "file whose first line is its password",
        [](ClientConfig& c, std::string_view t) { return set_secret(c.credentials.password, t); }},
    Key{"client", "start_at", Kind::Text, "answer",
        "when a recording begins: answer, early (early media) or invite",
        [](ClientConfig& c, std::string_view t) { return set_start_at(c.recording.start_at, t); }},
    Key{"client", "mandatory", Kind::Flag, "false", "end calls that cannot be recorded",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.recording.mandatory, t); }},
    Key{"client", "on_demand", Kind::Flag, "false", "record only once somebody says start",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.recording.on_demand, t); }},
    Key{"client", "indication", Kind::Text, "tone",
        "how parties are told that do not understand a=record: tone, announcement or agreed",
        [](ClientConfig& c, std::string_view t) { return set_told(c, "indication", t); }},
    Key{"client", "tone_level_db", Kind::Number, "-20", "peak of the tone below full scale, in dB",
        [](ClientConfig& c, std::string_view t) { return set_told(c, "tone_level_db", t); }},
    Key{"client", "tone_interval_s", Kind::Number, "15", "from one tone to the next",
        [](ClientConfig& c, std::string_view t) { return set_told(c, "tone_interval_s", t); }},
    Key{"client", "announcement", Kind::Text, "", "WAV file of the announcement",
        [](ClientConfig& c, std::string_view t) { return set_told(c, "announcement", t); }},
    Key{"client", "announce_first", Kind::Flag, "false",
        "the announcement is heard alone, and only then the recording begins",
        [](ClientConfig& c, std::string_view t) {
            return set_flag(c.recording.indication.announce_first, t);
        }},
    Key{"client", "agreed_reason", Kind::Text, "",
        "how the parties know of the recording, where that is agreed",
        [](ClientConfig& c, std::string_view t) { return set_told(c, "agreed_reason", t); }},
    Key{"client", "recordpref", Kind::Text, "ignore",
        "what a party's a=recordpref counts: ignore, honour, or restrict (off and pause alone)",
        [](ClientConfig& c, std::string_view t) { return set_told(c, "recordpref", t); }},
    Key{"client", "chat_mapping", Kind::Text, "session",
        "lines of chats (MSRP) in a recording session: session (one each), reuse or mux",
        [](ClientConfig& c, std::string_view t) {
            return set_chat_mapping(c.recording.chat_mapping, t);
        }},
    Key{"client", "extension_namespace", Kind::Text, "",
        "namespace of extension blocks that name none; empty: Earshot's",
        [](ClientConfig& c, std::string_view t) {
            c.recording.extension_namespace = t;
            return std::string{};
        }},
    Key{"client", "decision_url", Kind::Text, "",
        "asked about calls for which no rule holds; empty: nobody is",
        [](ClientConfig& c, std::string_view t) { return set_url(c.decision.url, t); }},
    Key{"client", "decision_deadline_ms", Kind::Number, "500", "how long its answer is waited for",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.decision.deadline, t, 10, 20'000);
        }},
    Key{"client", "decision_on_failure", Kind::Text, "record",
        "record or skip: what is done without an answer",
        [](ClientConfig& c,
           std::string_view t) { return set_on_failure(c.decision.records_on_failure, t); }},
    Key{"client", "webhook_url", Kind::Text, "",
        "told of recordings that begin, end and fail; empty: nobody is",
        [](ClientConfig& c, std::string_view t) { return set_url(c.webhook.url, t); }},
    Key{"client", "webhook_secret_file", Kind::Text, "",
        "file whose first line signs what it is told (HMAC-SHA256)",
        [](ClientConfig& c, std::string_view t) { return set_secret(c.webhook.secret, t); }},
    Key{"companion", "rtpengine", Kind::List, "",
        "control sockets (NG) of the RTPEngines whose calls are recorded by REST; empty: none are",
        [](ClientConfig& c, std::string_view t) {
            return set_rtpengines(c.companion.rtpengine, t);
        }},
    Key{"companion", "max_recordings", Kind::Number, "4000",
        "recordings of their calls at once; beyond it 503",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.companion.max_recordings, t, 1, 1'000'000);
        }},
    Key{"companion", "longest_s", Kind::Number, "21600",
        "a recording of theirs that nobody ends is ended after so long; 0: never",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.companion.longest, t, 0, 604'800);
        }},
    Key{"focus", "rooms", Kind::List, "",
        "user parts (globs) of the SIP URIs that are conference rooms here; empty: none are",
        [](ClientConfig& c, std::string_view t) { return set_globs(c.focus.rooms, t); }},
    Key{"focus", "domains", Kind::List, "", "hosts (globs) of those URIs, beside our own addresses",
        [](ClientConfig& c, std::string_view t) { return set_globs(c.focus.domains, t); }},
    Key{"focus", "max_rooms", Kind::Number, "100", "conferences at once; beyond it 503",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.focus.max_rooms, t, 1, 10'000);
        }},
    Key{"focus", "max_participants", Kind::Number, "60",
        "participants of one conference; beyond it 486",
        [](ClientConfig& c,
           std::string_view t) { return set_number(c.focus.max_participants, t, 1, 63); }},
    Key{"focus", "record", Kind::Text, "auto",
        "a stream for each participant (separate), one mix with CSRC list (mixed), both, or auto",
        [](ClientConfig& c, std::string_view t) { return set_record(c.focus.record, t); }},
    Key{"focus", "separate_up_to", Kind::Number, "16",
        "auto: with more participants than this the mix is recorded instead",
        [](ClientConfig& c, std::string_view t) {
            return set_number(c.focus.separate_up_to, t, 0, 63);
        }},
    Key{"focus", "chimes", Kind::Flag, "true", "all hear when somebody joins or leaves",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.focus.chimes, t); }},
    Key{"focus", "chat", Kind::Flag, "true", "each room has a chat (MSRP, RFC 7701)",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.focus.chat, t); }},
    Key{"focus", "tls_chat", Kind::Flag, "true",
        "who comes by TLS has the chat, too: servers get it by TLS alone from then on",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.focus.tls_chat, t); }},
    Key{"focus", "private_messages", Kind::Flag, "true",
        "in it participants may write to one another alone",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.focus.private_messages, t); }},
    Key{"focus", "record_private", Kind::Flag, "true",
        "what they write so is recorded; else servers are told only that there was a message",
        [](ClientConfig& c, std::string_view t) { return set_flag(c.focus.record_private, t); }},
    Key{"focus", "mute_keys", Kind::Text, "*6",
        "keys by which a participant mutes itself, and unmutes; empty: none",
        [](ClientConfig& c, std::string_view t) { return set_keys(c.focus.mute_keys, t); }},
    Key{"log", "level", Kind::Text, "info", "debug, info, warning or error",
        [](ClientConfig& c, std::string_view t) { return set_level(c.log_level, t); }},
};

// A listener at all addresses, or at several of one family: neither Contact nor c= could name the
// one that a peer reaches.
std::optional<base::NetAddress> find_unclear_address(const ClientConfig& config) {
    std::vector<base::NetAddress> listens = config.sip_listen;
    listens.insert(listens.end(), config.tls_listen.begin(), config.tls_listen.end());
    for (const base::NetAddress& listen : listens) {
        const auto is_same_family = [&](const base::NetAddress& other) {
            return other.is_v4() == listen.is_v4();
        };
        if (std::any_of(config.advertised.begin(), config.advertised.end(), is_same_family))
            continue;
        const bool is_alone = std::none_of(listens.begin(), listens.end(), [&](const auto& other) {
            return is_same_family(other) && !other.same_host(listen);
        });
        if (listen.is_unspecified() || !is_alone) return listen;
    }
    return std::nullopt;
}

// RFC 4976 section 5.1: a relay is known by its certificate before it is told credentials.
std::optional<ConfigError> check_login_relay(const ClientConfig& config, const std::string& file) {
    const client::ChatConfig& chats = config.chats;
    if (chats.login.username.empty() != chats.login.password.empty())
        return ConfigError{.where = file,
                           .key = "msrp.login_user",
                           .text = "login_user and login_password_file belong together",
                           .suggestion = "give both, or neither"};
    if (config.insecure || client::is_guarded_relay(chats.login_relay)) return std::nullopt;
    return ConfigError{.where = file,
                       .key = "msrp.login_relay",
                       .text = "without TLS anyone on the way could read the chats",
                       .suggestion = "write msrps://, or insecure = true under [sip]"};
}

// What no single key can tell (design: security by default).
std::optional<ConfigError> check_whole(const ClientConfig& config, const std::string& file) {
    if (auto error = check_tls(config.tls_listen, config.tls, file)) return error;
    std::vector<base::NetAddress> open = config.sip_listen;
    if (!io::is_guarded(config.tls))
        open.insert(open.end(), config.tls_listen.begin(), config.tls_listen.end());
    for (const base::NetAddress& listen : open) {
        if (listen.is_loopback() || config.insecure || !config.allow_from.empty()) continue;
        return ConfigError{
            .where = file,
            .key = "sip.listen",
            .text = fmt::format("{} is not loopback, and anyone could place calls through it",
                                base::to_string(listen)),
            .suggestion =
                "name the hosts that may call in client.allow_from, like "
                "[\"192.0.2.*\"], or write insecure = true under [sip]"};
    }
    if (const auto unclear = find_unclear_address(config))
        return ConfigError{
            .where = file,
            .key = "sip.listen",
            .text = fmt::format("{} does not tell which address phones and servers are to send to",
                                base::to_string(*unclear)),
            .suggestion =
                "listen at one address of each IP family, or name it in "
                "sip.advertised_address"};
    const bool has_unnamed =
        std::any_of(config.sip_listen.begin(), config.sip_listen.end(),
                    [](const auto& listen) { return listen.is_unspecified(); });
    if (has_unnamed && !config.advertised_except.empty())
        return ConfigError{.where = file,
                           .key = "sip.advertised_except",
                           .text = "the hosts that it names have to be told one address",
                           .suggestion = "let sip.listen name one instead of all"};
    const bool is_foreign = config.media_plane.kind != client::MediaPlaneConfig::Kind::BuiltIn;
    if (is_foreign && config.media_plane.instances.empty())
        return ConfigError{.where = file,
                           .key = "media.instances",
                           .text = "media.plane is not built_in, and nothing says where it is",
                           .suggestion = "name its control sockets, like [\"127.0.0.1:2223\"]"};
    if (!config.http_listen.is_loopback())
        return ConfigError{
            .where = file,
            .key = "http.listen",
            .text = fmt::format("{} is not loopback; accounts do not exist yet",
                                base::to_string(config.http_listen)),
            .suggestion = "listen on 127.0.0.1 and reach it through a reverse proxy or ssh -L"};
    if (const std::string wrong = policy::find_fault(config.recording.indication); !wrong.empty())
        return ConfigError{.where = file, .key = "client.indication", .text = wrong};
    if (auto error = check_login_relay(config, file)) return error;
    if (config.credentials.username.empty() != config.credentials.password.empty())
        return ConfigError{.where = file,
                           .key = "client.user",
                           .text = "user and password_file belong together",
                           .suggestion = "give both, or neither"};
    return std::nullopt;
}

const Schema<ClientConfig>& schema() {
    using Node = toml::node;
    static constexpr std::array kLists{
        ListOf<ClientConfig>{"client", "rule",
                             [](const Node& node, const std::string& file, ClientConfig& c) {
                                 return read_call_rules(node, file, c.recording, c.rules);
                             }},
        ListOf<ClientConfig>{"client", "on",
                             [](const Node& node, const std::string& file, ClientConfig& c) {
                                 return read_triggers(node, file, c.triggers);
                             }}};
    static constexpr std::array<std::string_view, 5> kForeign{"peer", "rule", "decision", "join",
                                                              "metadata"};
    static const Schema<ClientConfig> schema{"EARSHOT_CLIENT", kKeys, kLists, kForeign,
                                             check_whole};
    return schema;
}

}  // namespace

Result<ClientConfig, ConfigError> parse_client_config(std::string_view text,
                                                      const std::string& name,
                                                      const Environment& environment,
                                                      const std::vector<Override>& flags) {
    auto config = read_config(schema(), text, name, environment, flags);
    if (!config) return config;
    if (const auto wrong = client::load_announcements(*config))
        return ConfigError{.where = name.empty() ? "configuration" : name,
                           .key = "announcement",
                           .text = *wrong,
                           .suggestion = "name a WAV file of up to a minute"};
    return config;
}

Result<ClientConfig, ConfigError> load_client_config(const std::filesystem::path& file,
                                                     const Environment& environment,
                                                     const std::vector<Override>& flags) {
    const auto text = read_config_file(file);
    if (!text) return text.error();
    return parse_client_config(*text, file.string(), environment, flags);
}

std::string describe_client_keys() { return describe(schema()); }

}  // namespace earshot::app
