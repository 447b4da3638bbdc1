#include "app/client_config.h"

#include <gtest/gtest.h>

#include <map>

namespace earshot::app {
namespace {

using client::ClientConfig;

base::Result<ClientConfig, ConfigError> read(std::string_view text,
                                             std::map<std::string, std::string> variables = {},
                                             const std::vector<Override>& flags = {}) {
    return parse_client_config(
        text, "client.toml",
        [&](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            if (found == variables.end()) return std::nullopt;
            return found->second;
        },
        flags);
}
std::string fault(std::string_view text) {
    const auto config = read(text);
    return config ? "none" : to_string(config.error());
}

TEST(ClientConfig, SaysHowChatsShareLinesForAllAndInARule) {
    using Mapping = policy::ChatMapping;
    const auto config = read(R"([client]
servers = ["sip:recorder@192.0.2.30"]
chat_mapping = "mux"
[[client.rule]]
name = "as all"
[[client.rule]]
name = "other"
chat_mapping = "reuse"
)");
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(read("")->recording.chat_mapping, Mapping::Session);
    EXPECT_EQ(config->recording.chat_mapping, Mapping::Mux);
    ASSERT_EQ(config->rules.size(), 2U);
    EXPECT_EQ(config->rules[0].settings.chat_mapping, Mapping::Mux);
    EXPECT_EQ(config->rules[1].settings.chat_mapping, Mapping::Reuse);
    EXPECT_NE(fault("[client]\nchat_mapping = \"one\"\n").find("session, reuse, mux"),
              std::string::npos);
}

TEST(ClientConfig, HasTheDefaultsOfTheDesign) {
    const auto config = read("");
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(base::to_string(config->sip_listen.at(0)), "127.0.0.1:5062");
    EXPECT_EQ(base::to_string(config->http_listen), "127.0.0.1:8081");
    EXPECT_EQ(config->media_ports.low, 20000);
    EXPECT_EQ(config->media_ports.high, 29999);
    EXPECT_EQ(config->data, "./earshot-client-data");
    EXPECT_EQ(config->recording.start_at, policy::StartAt::Answer);
    EXPECT_TRUE(config->recording.servers.empty());
}

TEST(ClientConfig, TakesThreeLinesToRecordEverythingBeforeAPbx) {
    const auto config = read(
        "sip.listen = \"127.0.0.1:5070\"\n"
        "client.next_hop = \"sip:192.0.2.20\"\n"
        "client.servers = [\"sip:a@192.0.2.30\", \"sip:b@192.0.2.31\"]\n");
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->next_hop, "sip:192.0.2.20");
    EXPECT_EQ(config->recording.servers.size(), 2U);
}

TEST(ClientConfig, LeavesMediaToInstancesOfRtpengine) {
    const auto config = read(
        "[media]\nplane = \"rtpengine\"\ninstances = [\"127.0.0.1:2223\", \"[::1]:2224\"]\n"
        "on_failure = \"refuse\"\nsubscribe_flags = \"RTP/AVP\"\n");
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->media_plane.kind, client::MediaPlaneConfig::Kind::Rtpengine);
    ASSERT_EQ(config->media_plane.instances.size(), 2U);
    EXPECT_EQ(base::to_string(config->media_plane.instances[1]), "[::1]:2224");
    EXPECT_FALSE(config->media_plane.falls_back);
    EXPECT_EQ(config->media_plane.flags, "replace-origin replace-session-connection ICE=remove");
    EXPECT_EQ(config->media_plane.subscribe_flags, "RTP/AVP");
}

TEST(ClientConfig, SaysWhatIsWrongWithAMediaPlane) {
    EXPECT_NE(fault("media.plane = \"asterisk\"").find("none of built_in, rtpengine, rtpproxy"),
              std::string::npos);
    EXPECT_NE(fault("media.plane = \"rtpengine\"").find("nothing says where it is"),
              std::string::npos);
    EXPECT_NE(fault("media.instances = [\"localhost:2223\"]").find("literal addresses"),
              std::string::npos);
    EXPECT_NE(fault("media.on_failure = \"ignore\"").find("neither built_in nor refuse"),
              std::string::npos);
    EXPECT_NE(fault("media.flags = \"sdp=x\"").find("sdp=x cannot be set here"), std::string::npos);
}

TEST(ClientConfig, HasVariablesAndFlagsOfItsOwn) {
    const auto config = read("client.next_hop = \"sip:file\"",
                             {{"EARSHOT_CLIENT_NEXT_HOP", "sip:variable"},
                              {"EARSHOT_CLIENT_DATA", "/var/lib/client"},
                              {"EARSHOT_DATA", "/var/lib/server"}},
                             {{"--sip", "sip.listen", "127.0.0.1:5099"}});
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->next_hop, "sip:variable");
    EXPECT_EQ(config->data, "/var/lib/client");
    EXPECT_EQ(config->sip_listen.at(0).port, 5099);
}

TEST(ClientConfig, RulesBeginAsWhatTheTableClientSays) {
    const auto config = read(R"(
[[client.rule]]
name = "sales"
from = "*@sales.example"
header = { X-Queue = ["a*", "b"] }
percent = 25
direction = "outbound"
group = "{header.X-Queue}"
headers = { X-Agent = "{from.user}" }
[[client.rule]]
name = "qm"
instance = "quality"
servers = ["sip:qm.example"]
start_at = "invite"
on_demand = true
[[client.rule]]
name = "nobody else"
record = false
[client]
servers = ["sip:rec.example"]
mandatory = true
)");
    ASSERT_TRUE(config) << to_string(config.error());
    ASSERT_EQ(config->rules.size(), 3U);
    const policy::CallRule& sales = config->rules[0];
    EXPECT_EQ(sales.settings.servers[0], "sip:rec.example");
    EXPECT_TRUE(sales.settings.mandatory);
    EXPECT_EQ(sales.conditions.percent, 25U);
    EXPECT_EQ(sales.conditions.is_outbound, true);
    EXPECT_EQ(sales.settings.headers[0].second, "{from.user}");
    EXPECT_EQ(config->rules[1].instance, "quality");
    EXPECT_EQ(config->rules[1].settings.servers[0], "sip:qm.example");
    EXPECT_TRUE(config->rules[1].settings.on_demand);
    EXPECT_FALSE(config->rules[2].records);
}

TEST(ClientConfig, ReadsTriggers) {
    const auto config = read(R"(
[[client.on]]
name = "hold"
event = "hold"
by = "callee"
action = "pause"
[[client.on]]
name = "key"
event = "dtmf"
digits = "*1"
action = "send"
method = "INFO"
content_type = "text/plain"
body = "{call_id}"
)");
    ASSERT_TRUE(config) << to_string(config.error());
    ASSERT_EQ(config->triggers.size(), 2U);
    EXPECT_EQ(config->triggers[0].by_caller, false);
    EXPECT_EQ(config->triggers[1].action, policy::TriggerAction::Send);
    EXPECT_EQ(config->triggers[1].body, "{call_id}");
}

TEST(ClientConfig, NamesTheMistakeAndWhatWouldBeRight) {
    EXPECT_EQ(fault("[client]\nserver = [\"sip:a\"]\n"),
              "client.toml:2: client.server: unknown key (did you mean \"servers\"?)");
    EXPECT_NE(fault("client.servers = [\"http://x\"]").find("no SIP URI"), std::string::npos);
    EXPECT_NE(fault("[[client.rule]]\nname = \"a\"\n").find("names no servers"), std::string::npos);
    EXPECT_NE(fault("[[client.rule]]\nname = \"a\"\nfrm = \"x\"\n").find("did you mean \"from\"?"),
              std::string::npos);
    EXPECT_NE(fault("[[client.rule]]\nname = \"a\"\nservers = \"sip:a\"\ngroup = \"{from.usr}\"\n")
                  .find("{from.usr}, which is no placeholder"),
              std::string::npos);
    EXPECT_NE(fault("[[client.rule]]\nname = \"a\"\nservers = \"sip:a\"\n"
                    "headers = { Via = \"x\" }\n")
                  .find("Via"),
              std::string::npos);
    EXPECT_NE(fault("[[client.on]]\nname = \"a\"\nevent = \"dtmf\"\naction = \"stop\"\n")
                  .find("has no digits"),
              std::string::npos);
    EXPECT_NE(
        fault("[[client.on]]\nname = \"a\"\nevent = \"hold\"\naction = \"stop\"\nbody = \"x\"")
            .find("belongs to action"),
        std::string::npos);
    EXPECT_NE(fault("client.skip_failover_codes = \"[4\"").find("no regular expression"),
              std::string::npos);
}

TEST(ClientConfig, JudgesWhatARuleWouldPutIntoMetadata) {
    const auto rule = [](const std::string& setting) {
        return fault("[[client.rule]]\nname = \"a\"\nservers = \"sip:a\"\n" + setting);
    };
    const auto has = [&](const std::string& setting, std::string_view text) {
        return rule(setting).find(text) != std::string::npos;
    };
    EXPECT_EQ(rule("media = \"192.0.2.9\""), "none");
    EXPECT_EQ(rule("media = \"2001:db8::9\""), "none");
    EXPECT_TRUE(has("media = \"pbx.example\"", "is no IP address")) << rule("media = \"x\"");
    EXPECT_EQ(rule("streams = [\"audio\", \"video\"]"), "none");
    EXPECT_TRUE(has("streams = [\"audoi\"]", "did you mean \"audio\"?"));
    EXPECT_EQ(rule("session_extension = \"<x>{from.name}</x><y/>\""), "none");
    EXPECT_TRUE(has("session_extension = \"<x>\"", "session_extension that would be left out"));
    EXPECT_TRUE(has("group = \"g\"\ngroup_extension = \"<p:x/>\"", "group_extension"));
    EXPECT_TRUE(has("group_extension = \"<x/>\"", "no group"));
    EXPECT_EQ(rule("group = \"g\"\ngroup_extension = \"<x/>\""), "none");
    EXPECT_EQ(rule("caller = '<nameID aor=\"sip:{from.user}@x\"/>'"), "none");
    EXPECT_TRUE(has("caller = '<nameID aor=\"sip:x\">'", "caller that would be left out"));
}

TEST(ClientConfig, IsNoOpenRelayUnlessToldSo) {
    EXPECT_NE(fault("sip.listen = \"0.0.0.0:5060\"").find("client.allow_from"), std::string::npos);
    EXPECT_EQ(fault("sip.listen = \"192.0.2.7:5060\"\nclient.allow_from = [\"192.0.2.*\"]"),
              "none");
    EXPECT_EQ(fault("[sip]\nlisten = \"192.0.2.7:5060\"\ninsecure = true"), "none");
    EXPECT_NE(fault("client.allow_from = [\"192.0.2.0/24\"]").find("globs"), std::string::npos);
    EXPECT_NE(fault("http.listen = \"0.0.0.0:8081\"").find("accounts do not exist"),
              std::string::npos);
}

TEST(ClientConfig, LogsInAtAnMsrpRelayByTlsUnlessToldOtherwise) {
    const std::string relay = "[msrp]\nlogin_relay = \"";
    const auto config = read(relay + "msrps://relay.example.com:2855;tcp\"\n");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->chats.login_relay, "msrps://relay.example.com:2855;tcp");
    EXPECT_TRUE(config->chats.relays);
    EXPECT_EQ(fault(relay + "msrp://127.0.0.1:2855;tcp\"\n"), "none");
    EXPECT_NE(fault(relay + "msrp://192.0.2.5:2855;tcp\"\n").find("without TLS"),
              std::string::npos);
    EXPECT_EQ(fault("[sip]\ninsecure = true\n" + relay + "msrp://192.0.2.5:2855;tcp\"\n"), "none");
    EXPECT_NE(fault(relay + "sip:relay.example.com\"\n").find("no MSRP URI"), std::string::npos);
    EXPECT_NE(fault("[msrp]\nlogin_user = \"recorder\"\n").find("belong together"),
              std::string::npos);
}

TEST(ClientConfig, NeedsAnAddressThatItCanTell) {
    const std::string open = "sip.insecure = true\nsip.listen = ";
    EXPECT_NE(fault(open + "\"0.0.0.0:5060\"").find("advertised_address"), std::string::npos);
    EXPECT_NE(fault(open + "\"127.0.0.1:5062, 192.0.2.7:5060\"").find("advertised_address"),
              std::string::npos);
    EXPECT_EQ(fault(open + "\"127.0.0.1:5062, 127.0.0.1:5063, [::1]:5062\""), "none");
    EXPECT_EQ(fault(open + "\"0.0.0.0:5060\"\nsip.advertised_address = \"192.0.2.7\""), "none");
}

TEST(ClientConfig, TakesServersAndANextHopByTls) {
    EXPECT_EQ(fault("client.next_hop = \"sips:pbx\""), "none");
    EXPECT_EQ(fault("client.servers = [\"sip:rec;transport=tls\", \"sips:rec\"]"), "none");
}

TEST(ClientConfig, WantsACertificateToListenByTls) {
    EXPECT_NE(fault("sip.tls = \"127.0.0.1\"").find("needs a certificate"), std::string::npos);
    EXPECT_NE(fault("sip.tls = \"192.0.2.7\"").find("needs a certificate"), std::string::npos);
}

TEST(ClientConfig, PassesOverWhatIsTheServers) {
    EXPECT_EQ(fault("[join]\nwindow_s = 5\n[[peer]]\nname = \"a\"\n"), "none");
    EXPECT_NE(fault("[joint]\n").find("unknown table"), std::string::npos);
}

}  // namespace
}  // namespace earshot::app
