#include "app/peer_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/rule_config.h"
#include "app/secret_file.h"
#include "base/text.h"

namespace earshot::app {

using base::NetAddress;

namespace {

// Walks the list; the first mistake ends it.
class PeerReader {
public:
    PeerReader(std::vector<server::Peer>& peers, const std::string& file)
        : peers_(peers), file_(file) {}

    std::optional<ConfigError> read(const toml::node& node) {
        const toml::array* peers = node.as_array();
        if (peers == nullptr)
            return error_at(node, "peer", "is a list of tables", "write [[peer]]");
        for (const toml::node& entry : *peers) {
            const toml::table* table = entry.as_table();
            if (table == nullptr)
                return error_at(entry, "peer", "is a list of tables", "write [[peer]]");
            server::Peer peer;
            // The profile first: a switch beside it has the last word.
            if (const toml::node* profile = table->get("profile")) {
                auto error = read_profile(peer, *profile);
                if (error) return error;
            }
            for (const auto& [name, value] : *table) {
                auto error = read_peer_key(peer, name.str(), value);
                if (error) return error;
            }
            const bool has_digest = !peer.digest.username.empty();
            if (has_digest != !peer.digest.password.empty())
                return error_at(entry, "peer", "needs both username and password_file, or neither");
            if (peer.ours.username.empty() != peer.ours.password.empty())
                return error_at(entry, "peer",
                                "needs both our_username and our_password_file, or neither");
            const bool has_certificate = !peer.certificate_names.empty();
            if (has_certificate && has_digest)
                return error_at(entry, "peer.certificate_names",
                                "stand beside a username: it is known by one of them");
            if (peer.name.empty() || (peer.addresses.empty() && !has_digest && !has_certificate))
                return error_at(entry, "peer",
                                "needs a name and addresses, or a name and certificate_names, or a "
                                "name, username and password_file",
                                R"(name = "sbc1", addresses = ["192.0.2.1"])");
            if (auto error = check_others(entry, peer)) return error;
            peers_.push_back(std::move(peer));
        }
        return std::nullopt;
    }

private:
    ConfigError error_at(const toml::node& node, std::string key, std::string text,
                         std::string hint = {}) const {
        return {.where = file_,
                .line = node.source().begin.line,
                .key = std::move(key),
                .text = std::move(text),
                .suggestion = std::move(hint)};
    }

    // Who sends must be clear: rules, events and doctor name a peer, and an address or a user is
    // one peer's only.
    std::optional<ConfigError> check_others(const toml::node& entry,
                                            const server::Peer& peer) const {
        for (const server::Peer& other : peers_) {
            if (other.name == peer.name)
                return error_at(entry, "peer.name",
                                fmt::format("there are two peers \"{}\"", peer.name),
                                "write all its addresses into one, or give each its own name");
            for (const NetAddress& address : peer.addresses)
                if (std::find(other.addresses.begin(), other.addresses.end(), address) !=
                    other.addresses.end())
                    return error_at(
                        entry, "peer.addresses",
                        fmt::format("{} is an address of \"{}\" and of \"{}\"",
                                    base::host_to_string(address), other.name, peer.name),
                        "an address tells one peer");
            for (const std::string& domain : peer.certificate_names)
                if (std::find(other.certificate_names.begin(), other.certificate_names.end(),
                              domain) != other.certificate_names.end())
                    return error_at(entry, "peer.certificate_names",
                                    fmt::format("\"{}\" is of \"{}\" and of \"{}\"", domain,
                                                other.name, peer.name),
                                    "a certificate tells one peer");
            if (!peer.digest.username.empty() && other.digest.username == peer.digest.username)
                return error_at(entry, "peer.username",
                                fmt::format("\"{}\" is a user of \"{}\" and of \"{}\"",
                                            peer.digest.username, other.name, peer.name),
                                "a username tells one peer");
        }
        return std::nullopt;
    }

    // What cannot be told from the messages of a kind of client, by its name.
    std::optional<ConfigError> read_profile(server::Peer& peer, const toml::node& node) {
        const std::string_view name = node.value_or<std::string_view>("");
        if (name == "cisco") {  // CUBE without metadata and headers, a plain call to the recorder
            peer.records_unmarked = true;
        } else if (name == "nat") {  // its gateway learns our address from our first packet
            peer.probe_media = true;
        } else if (name != "generic") {
            return error_at(node, "peer.profile", fmt::format("\"{}\" is no profile", name),
                            suggest(name, {"generic", "cisco", "nat"}));
        }
        return std::nullopt;
    }

    std::optional<ConfigError> read_second_video(server::Peer& peer, const toml::node& node) {
        const std::string_view text = node.value_or<std::string_view>("");
        if (text != "camera" && text != "content")
            return error_at(node, "peer.second_video",
                            fmt::format("\"{}\" is neither camera nor content", text),
                            suggest(text, {"camera", "content"}));
        peer.second_video =
            text == "content" ? siprec::SecondVideo::Content : siprec::SecondVideo::Camera;
        return std::nullopt;
    }

    // Why `text` names no host; empty when it does.
    static std::string fault_of_host(std::string_view text) {
        if (text.find('/') != std::string_view::npos)
            return "is a network; networks are not supported, so list each address";
        if (base::parse_net_address(text)) return "has a port; a peer is known by its host";
        const auto address = base::parse_host(text, 0);
        if (!address) return "is not a literal IP address; names are not looked up";
        return address->is_unspecified() ? "is the address of no client" : "";
    }

    std::optional<ConfigError> read_hosts(std::vector<NetAddress>& hosts, std::string_view name,
                                          const toml::node& node) {
        const std::string key = fmt::format("peer.{}", name);
        const toml::array* list = node.as_array();
        if (list == nullptr)
            return error_at(node, key, "must be a list of texts",
                            fmt::format("write {} = {}", name,
                                        list_form(node.value_or<std::string_view>("192.0.2.1"))));
        for (const toml::node& item : *list) {
            const auto text = item.value_or<std::string_view>("");
            const std::string fault = fault_of_host(text);
            if (!fault.empty())
                return error_at(item, key, fmt::format("\"{}\" {}", text, fault),
                                R"(like "192.0.2.1")");
            hosts.push_back(*base::parse_host(text, 0));
        }
        return std::nullopt;
    }

    // Domains as RFC 5922 compares them: whole, never wildcards.
    std::optional<ConfigError> read_domains(std::vector<std::string>& names,
                                            const toml::node& node) {
        constexpr std::string_view kExample = R"(certificate_names = ["sbc1.example.com"])";
        const toml::array* list = node.as_array();
        if (list == nullptr)
            return error_at(node, "peer.certificate_names", "must be a list of texts",
                            std::string(kExample));
        for (const toml::node& item : *list) {
            std::string_view name = item.value_or<std::string_view>("");
            if (base::istarts_with(name, "sip:")) name.remove_prefix(4);
            if (name.empty() || name.find_first_of("*@:/ ") != std::string_view::npos)
                return error_at(item, "peer.certificate_names",
                                fmt::format("\"{}\" is no domain of a certificate", name),
                                std::string(kExample));
            names.push_back(base::to_lower(name));
        }
        return std::nullopt;
    }

    std::optional<ConfigError> read_transport(server::Peer& peer, const toml::node& node) {
        const auto text = node.value_or<std::string_view>("");
        if (text != "any" && text != "tls")
            return error_at(node, "peer.transport", fmt::format("\"{}\" is no choice", text),
                            "any or tls");
        peer.needs_tls = text == "tls";
        return std::nullopt;
    }

    // What is kept as it is written.
    static std::string* text_of(server::Peer& peer, std::string_view name) {
        if (name == "name") return &peer.name;
        if (name == "join_group") return &peer.join_group;
        if (name == "username") return &peer.digest.username;
        return name == "our_username" ? &peer.ours.username : nullptr;
    }
    // What is the first line of a file.
    static std::string* secret_of(server::Peer& peer, std::string_view name) {
        if (name == "password_file") return &peer.digest.password;
        return name == "our_password_file" ? &peer.ours.password : nullptr;
    }

    std::optional<ConfigError> read_peer_key(server::Peer& peer, std::string_view name,
                                             const toml::node& node) {
        if (name == "profile") return std::nullopt;  // read before
        if (name == "addresses") return read_hosts(peer.addresses, name, node);
        if (name == "media_from") return read_hosts(peer.media_from, name, node);
        if (name == "certificate_names") return read_domains(peer.certificate_names, node);
        if (name == "transport") return read_transport(peer, node);
        if (name == "second_video") return read_second_video(peer, node);
        if (const auto text = node.value_exact<std::string>()) {
            if (std::string* kept = text_of(peer, name)) {
                *kept = *text;
                return std::nullopt;
            }
            if (std::string* secret = secret_of(peer, name)) {
                auto password = read_secret(*text);
                if (!password)
                    return error_at(node, fmt::format("peer.{}", name),
                                    "cannot be read or is empty", "its first line is the password");
                *secret = *std::move(password);
                return std::nullopt;
            }
        }
        if (const auto flag = node.value_exact<bool>()) {
            if (name == "store_digits") {
                peer.store_digits = *flag;
                return std::nullopt;
            }
            if (name == "records_unmarked" || name == "probe_media" || name == "strict") {
                if (name == "records_unmarked") peer.records_unmarked = *flag;
                if (name == "probe_media") peer.probe_media = *flag;
                if (name == "strict") peer.strict = *flag;
                return std::nullopt;
            }
        }
        const std::vector<std::string_view> known{
            "name",          "addresses",         "username",
            "password_file", "our_username",      "our_password_file",
            "profile",       "media_from",        "probe_media",
            "strict",        "join_group",        "records_unmarked",
            "transport",     "certificate_names", "store_digits",
            "second_video"};
        if (std::find(known.begin(), known.end(), name) != known.end())
            return error_at(node, fmt::format("peer.{}", name), "has the wrong type",
                            R"(name = "sbc1", addresses = ["192.0.2.1"], strict = false)");
        return error_at(node, fmt::format("peer.{}", name), "unknown key", suggest(name, known));
    }

    std::vector<server::Peer>& peers_;
    const std::string& file_;
};

}  // namespace

std::optional<ConfigError> read_peers(const toml::node& node, const std::string& file,
                                      std::vector<server::Peer>& peers) {
    return PeerReader(peers, file).read(node);
}

}  // namespace earshot::app
