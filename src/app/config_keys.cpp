#include "app/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/config_values.h"
#include "app/tls_config.h"
#include "base/text.h"
#include "server/limits.h"

namespace earshot::app {

using server::ServerConfig;

namespace {

// It becomes the Contact of a 302 as it stands.
std::string set_redirect(std::string& target, std::string_view text) {
    const bool is_sip = base::istarts_with(text, "sip:") || base::istarts_with(text, "sips:");
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < '\x7f' && c != '<' && c != '>' && c != '"';
    });
    if (!text.empty() && !(is_sip && is_plain))
        return "is no SIP URI: expected one like sip:rec2.example.com";
    target = text;
    return {};
}

std::string set_reader(server::ReaderKind& reader, std::string_view text) {
    const auto kind = server::parse_reader_kind(text);
    if (!kind) return "is none of sockets, io_uring, packet_ring";
    reader = *kind;
    return {};
}

std::string set_join_keys(std::vector<siprec::JoinKeySource>& keys, std::string_view text) {
    keys.clear();
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view item = base::trim(base::take_until(rest, ','));
        const auto key = siprec::parse_join_key_source(item);
        if (!key)
            return "is no list of keys: each is session_id, sip_session_id, header:NAME, from:NAME "
                   "or element:NAME";
        keys.push_back(*key);
    }
    return {};
}

std::string set_dropped(std::vector<siprec::DroppedElement>& list, std::string_view text) {
    list.clear();
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view item = base::trim(base::take_until(rest, ','));
        const auto element = siprec::parse_dropped_element(item);
        if (!element)
            return "is no list of elements: each is NAME, {NAMESPACE}NAME, {NAMESPACE}* or {*}*";
        list.push_back(*element);
    }
    return {};
}

// No shell reads it, and PATH is not searched: what runs is what stands there.
std::string set_command(std::vector<std::string>& words, std::string_view text) {
    words.clear();
    while (!text.empty()) words.emplace_back(base::trim(base::take_until(text, ',')));
    if (!words.empty() && !words.front().starts_with('/'))
        return "does not begin with the absolute path of a program";
    return {};
}

std::string set_on_failure(bool& records, std::string_view text) {
    if (text != "record" && text != "decline") return "is neither record nor decline";
    records = text == "record";
    return {};
}

constexpr std::array kKeys{
    Key{"sip", "listen", Kind::Text, "127.0.0.1:5060",
        "addresses of the SIP listeners, UDP and TCP, separated by commas",
        [](ServerConfig& c, std::string_view t) { return set_listens(c.sip_listen, t); }},
    Key{"sip", "advertised_address", Kind::Text, "",
        "IP addresses that clients see (NAT): one IPv4, one IPv6; a port if it differs",
        [](ServerConfig& c, std::string_view t) { return set_advertised(c.advertised, t); }},
    Key{"sip", "dns_servers", Kind::Text, "",
        "DNS servers that are asked where a client's host name leads; empty: the system's",
        [](ServerConfig& c, std::string_view t) { return set_dns(c.dns_servers, t); }},
    Key{"sip", "insecure", Kind::Flag, "false",
        "take SIP from everyone although the listener is not loopback",
        [](ServerConfig& c, std::string_view t) { return set_flag(c.insecure, t); }},
    Key{"sip", "strict", Kind::Flag, "false",
        "refuse what the standards do not allow instead of noting it",
        [](ServerConfig& c, std::string_view t) { return set_flag(c.strict, t); }},
    Key{"sip", "max_calls", Kind::Number, "4000", "running calls; beyond it new ones get 503",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.max_calls, t, 1, 1'000'000);
        }},
    Key{"sip", "max_calls_per_host", Kind::Number, "0",
        "running calls of one host; beyond it 503; 0: no limit",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.max_calls_per_host, t, 0, 1'000'000);
        }},
    Key{"sip", "max_unacknowledged", Kind::Number, "500",
        "calls of one host that wait for its ACK; beyond it 503",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.max_unacknowledged, t, 1, 1'000'000);
        }},
    Key{"sip", "tls", Kind::Text, "",
        "SIP over TLS: address, or several; without a port 5061; empty: none",
        [](ServerConfig& c, std::string_view t) { return set_tls_listens(c.tls_listen, t); }},
    Key{"sip", "certificate_file", Kind::Text, "",
        "our certificate, then those up to its CA (PEM); several: chosen by the name asked for",
        [](ServerConfig& c, std::string_view t) { return set_certificates(c.tls, t); }},
    Key{"sip", "private_key_file", Kind::Text, "",
        "its key (PEM, without a password); as many as there are certificates",
        [](ServerConfig& c, std::string_view t) { return set_private_keys(c.tls, t); }},
    Key{"sip", "ca_file", Kind::Text, "",
        "CAs that the other end's certificate must come from (PEM); empty: the system's",
        [](ServerConfig& c, std::string_view t) {
            c.tls.ca_file = t;
            return std::string{};
        }},
    Key{"sip", "client_certificate", Kind::Text, "no",
        "what sip.tls asks of who connects: no, request or require",
        [](ServerConfig& c, std::string_view t) { return set_client_certificate(c.tls, t); }},
    Key{"sip", "tls_min_version", Kind::Text, "1.2", "1.2 or 1.3",
        [](ServerConfig& c, std::string_view t) { return set_tls_version(c.tls, t); }},
    Key{"sip", "redirect_to", Kind::Text, "",
        "SIP URI that new calls are sent to by 302, for maintenance",
        [](ServerConfig& c, std::string_view t) { return set_redirect(c.redirect_to, t); }},
    Key{"sip", "session_expires_s", Kind::Number, "1800",
        "session interval (RFC 4028): half of it passes between refreshes",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.session_timer.session_expires, t, 1, 86'400);
        }},
    Key{"sip", "min_se_s", Kind::Number, "90", "shorter session intervals get 422",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.session_timer.min_se, t, 1, 86'400);
        }},
    Key{"sip", "refresh_always", Kind::Flag, "false",
        "refresh also sessions of clients that do not support timers",
        [](ServerConfig& c, std::string_view t) {
            return set_flag(c.session_timer.refresh_always, t);
        }},
    Key{"sip", "probe_silent_s", Kind::Number, "900",
        "a client that sent no media for so long is asked whether it is still there; 0: never",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.probe_silent, t, 0, 86'400);
        }},
    Key{"http", "listen", Kind::Text, "127.0.0.1:8080", "address of the page and the REST API",
        [](ServerConfig& c, std::string_view t) { return set_address(c.http_listen, t); }},
    Key{"media", "ports", Kind::Text, "10000-19999", "UDP ports for RTP (even) and RTCP (odd)",
        [](ServerConfig& c, std::string_view t) { return set_ports(c.media_ports, t); }},
    Key{"media", "workers", Kind::Number, "0",
        "threads that capture media, each with its journal; 0: one for each core",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.media_workers, t, 0, server::kMaxMediaWorkers);
        }},
    Key{"media", "reader", Kind::Text, "sockets",
        "how media is read: sockets, io_uring or packet_ring (needs capabilities)",
        [](ServerConfig& c, std::string_view t) { return set_reader(c.media_reader, t); }},
    Key{"media", "max_busy_percent", Kind::Number, "90",
        "above this share of a media thread's time new calls get 503; 0: no limit",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.max_busy_percent, t, 0, 100);
        }},
    Key{"media", "min_free_memory_mib", Kind::Number, "64",
        "below this free memory new calls get 503",
        [](ServerConfig& c, std::string_view t) {
            std::uint64_t mib = 0;
            std::string wrong = set_number(mib, t, 0, 1ULL << 40);
            if (wrong.empty()) c.min_free_memory_bytes = mib << 20;
            return wrong;
        }},
    Key{"media", "keep_alive_s", Kind::Number, "15",
        "an RTP flow that is idle for so long gets a packet (RFC 6263); 0: none does",
        [](ServerConfig& c, std::string_view t) { return set_number(c.keep_alive, t, 0, 3600); }},
    Key{"media", "store_digits", Kind::Flag, "true",
        "keys that are pressed (DTMF) are kept: as events, and in telephone-event packets and INFO",
        [](ServerConfig& c, std::string_view t) { return set_flag(c.store_digits, t); }},
    Key{"msrp", "enabled", Kind::Flag, "true", "messages are recorded, too; false: they get port 0",
        [](ServerConfig& c, std::string_view t) { return set_flag(c.messages.is_on, t); }},
    Key{"msrp", "listen", Kind::Text, "",
        "addresses for MSRP, TCP and TLS at each; empty: port 2855 of the hosts of sip.listen",
        [](ServerConfig& c, std::string_view t) {
            c.messages.listen.clear();
            return t.empty() ? std::string{} : set_listens(c.messages.listen, t);
        }},
    Key{"msrp", "max_message_mib", Kind::Number, "100",
        "a larger message is refused; a file that is sent by itself may be larger",
        [](ServerConfig& c, std::string_view t) {
            std::uint64_t mib = 0;
            std::string wrong = set_number(mib, t, 1, 1ULL << 20);
            if (wrong.empty()) c.messages.max_message_bytes = mib << 20;
            return wrong;
        }},
    Key{"msrp", "match_session_id_only", Kind::Flag, "false",
        "a session border controller rewrites the addresses of paths without a=msrp-cema",
        [](ServerConfig& c, std::string_view t) {
            return set_flag(c.messages.match_session_id_only, t);
        }},
    Key{"storage", "data", Kind::Text, "./earshot-data", "directory of all data",
        [](ServerConfig& c, std::string_view t) {
            c.data = std::filesystem::path(std::string(t));
            return t.empty() ? std::string("is empty") : std::string{};
        }},
    Key{"storage", "encrypt", Kind::Flag, "true",
        "journal and recordings are encrypted, each recording under a key of its own",
        [](ServerConfig& c, std::string_view t) { return set_flag(c.encrypt, t); }},
    Key{"storage", "key_command", Kind::List, "",
        "program, with arguments, that seals the key-encryption keys (KMS, HSM)",
        [](ServerConfig& c, std::string_view t) { return set_command(c.key_command, t); }},
    Key{"storage", "commit_interval_ms", Kind::Number, "200",
        "how often the journal is made durable; media sockets are emptied as often, at the least",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.commit_interval, t, 10, 10'000);
        }},
    Key{"storage", "linger_ms", Kind::Number, "1000",
        "a recording closes this long after its last dialog",
        [](ServerConfig& c, std::string_view t) { return set_number(c.linger, t, 0, 600'000); }},
    Key{"storage", "too_short_ms", Kind::Number, "1000",
        "a recording that lasted less gets the warning too_short; 0: none does",
        [](ServerConfig& c, std::string_view t) { return set_number(c.too_short, t, 0, 600'000); }},
    Key{"storage", "min_free_mib", Kind::Number, "256", "below this free space new calls get 503",
        [](ServerConfig& c, std::string_view t) {
            std::uint64_t mib = 0;
            std::string wrong = set_number(mib, t, 0, 1ULL << 40);
            if (wrong.empty()) c.min_free_bytes = mib << 20;
            return wrong;
        }},
    Key{"decision", "url", Kind::Text, "", "asked when no rule holds; empty: nobody is",
        [](ServerConfig& c, std::string_view t) { return set_url(c.decision.url, t); }},
    Key{"decision", "deadline_ms", Kind::Number, "1000", "how long an answer is waited for",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.decision.deadline, t, 10, 20'000);
        }},
    Key{"decision", "on_failure", Kind::Text, "record",
        "record or decline: what is done without an answer",
        [](ServerConfig& c, std::string_view t) {
            return set_on_failure(c.decision.records_on_failure, t);
        }},
    Key{"join", "keys", Kind::List,
        "session_id, sip_session_id, from:x-refci, header:Cisco-Guid, element:ucid, "
        "element:AvayaUCID",
        "calls with an equal one of these are pieces of one recording; empty: none are",
        [](ServerConfig& c, std::string_view t) { return set_join_keys(c.join.keys, t); }},
    Key{"join", "window_s", Kind::Number, "600",
        "a recording takes further pieces so long after its last one",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.join.window, t, 0, 86'400);
        }},
    Key{"metadata", "drop", Kind::List, "",
        "elements of the metadata that are not kept, with all that is in them",
        [](ServerConfig& c, std::string_view t) { return set_dropped(c.dropped_metadata, t); }},
    Key{"log", "level", Kind::Text, "info", "debug, info, warning or error",
        [](ServerConfig& c, std::string_view t) { return set_level(c.log_level, t); }},
};

}  // namespace

std::span<const Key> server_keys() { return kKeys; }

}  // namespace earshot::app
