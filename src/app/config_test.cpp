#include "app/config.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace earshot::app {
namespace {

std::optional<std::string> no_variables(const std::string&) { return std::nullopt; }

auto parse(const std::string& text) { return parse_config(text, "earshot.toml", no_variables, {}); }

std::string error_of(const std::string& text) {
    const auto config = parse(text);
    return config ? "no error" : to_string(config.error());
}

TEST(Config, DefaultsAreLoopback) {
    const auto config = parse("");
    ASSERT_TRUE(config);
    EXPECT_EQ(base::to_string(config->sip_listen), "127.0.0.1:5060");
    EXPECT_EQ(base::to_string(config->http_listen), "127.0.0.1:8080");
    EXPECT_EQ(config->media_ports, (server::PortRange{10000, 19999}));
    EXPECT_EQ(config->data, "./earshot-data");
}

TEST(Config, FlagBeatsVariableBeatsFileBeatsDefault) {
    const Environment environment = [](const std::string& name) -> std::optional<std::string> {
        if (name == "EARSHOT_SIP_LISTEN") return "127.0.0.1:5071";
        if (name == "EARSHOT_DATA") return "/srv/earshot";
        return std::nullopt;
    };
    const char* text = "[sip]\nlisten = \"127.0.0.1:5070\"\nmax_calls = 9\n";
    const auto config =
        parse_config(text, "f", environment,
                     {{.where = "--sip", .key = "sip.listen", .value = "127.0.0.1:5072"}});
    ASSERT_TRUE(config);
    EXPECT_EQ(config->sip_listen.port, 5072);
    EXPECT_EQ(config->data, "/srv/earshot");
    EXPECT_EQ(config->max_calls, 9U);
}

TEST(Config, NamesFileLineKeyAndSuggestion) {
    EXPECT_EQ(error_of("[sip]\n\nlistn = \"x\"\n"),
              "earshot.toml:3: sip.listn: unknown key (did you mean \"listen\"?)");
    EXPECT_EQ(error_of("[spi]\n"), "earshot.toml:1: spi: unknown table (did you mean \"sip\"?)");
    EXPECT_EQ(error_of("[sip]\nmax_calls = \"9\"\n"),
              "earshot.toml:2: sip.max_calls: must be a whole number (the default is 4000)");
    EXPECT_EQ(error_of("[media]\nports = \"10001-20000\"\n"),
              "earshot.toml:2: media.ports: \"10001-20000\" must begin with an even and end with "
              "an odd port (RTP "
              "takes the even, RTCP the odd one) (the default is 10000-19999)");
    EXPECT_EQ(error_of("[sip\n").substr(0, 15), "earshot.toml:1:");
}

TEST(Config, RefusesAPortRangeThatHoldsNoCall) {
    const auto ports = [](const std::string& range) {
        return parse("[media]\nports = \"" + range + "\"\n").has_value();
    };
    EXPECT_TRUE(ports("10000-10007"));
    EXPECT_FALSE(ports("10000-10005"));
}

TEST(Config, ADirectoryIsNoFile) {
    const auto config = load_config("/", no_variables, {});
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().text, "cannot be read");
}

TEST(Config, ListenerBeyondLoopbackNeedsPeersOrTheWordInsecure) {
    EXPECT_NE(error_of("[sip]\nlisten = \"0.0.0.0:5060\"\n").find("is not loopback"),
              std::string::npos);
    EXPECT_TRUE(parse("[sip]\nlisten = \"0.0.0.0:5060\"\ninsecure = true\n"));
    const auto config = parse(
        "[sip]\nlisten = \"0.0.0.0:5060\"\n[[peer]]\nname = \"sbc1\"\naddresses = [\"192.0.2.1\", "
        "\"2001:db8::1\"]\n");
    ASSERT_TRUE(config);
    ASSERT_EQ(config->peers.size(), 1U);
    EXPECT_EQ(config->peers[0].addresses.size(), 2U);
}

TEST(Config, P125_ListenerBeyondLoopbackStartsWithDigestPeersAlone) {
    const std::string file = testing::TempDir() + "earshot-password";
    std::ofstream(file) << "tulip\r\nsecond line\n";
    const auto config = parse(
        "[sip]\nlisten = \"0.0.0.0:5060\"\n[[peer]]\nname = \"branch\"\nusername = \"branch\"\n"
        "password_file = \"" +
        file + "\"\n");
    std::remove(file.c_str());
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->peers.at(0).digest, (sip::Credentials{"branch", "tulip"}));
}

TEST(Config, SessionIntervalIsNoShorterThanItsMinimum) {
    EXPECT_NE(error_of("[sip]\nsession_expires_s = 89\n").find("sip.min_se_s"), std::string::npos);
    EXPECT_TRUE(parse("[sip]\nsession_expires_s = 90\n"));
}

TEST(Config, RedirectionIsToASipUri) {
    EXPECT_EQ(parse("[sip]\nredirect_to = \"sip:rec2.example.com\"\n")->redirect_to,
              "sip:rec2.example.com");
    EXPECT_TRUE(parse("[sip]\nredirect_to = \"\"\n")->redirect_to.empty());
    for (const char* wrong : {"rec2.example.com", "sip:a b", "sip:a>;x"}) {
        EXPECT_NE(error_of("[sip]\nredirect_to = \"" + std::string{wrong} + "\"\n").find("SIP URI"),
                  std::string::npos)
            << wrong;
    }
}

TEST(Config, PageBeyondLoopbackIsRefusedWhileThereAreNoAccounts) {
    EXPECT_NE(error_of("[http]\nlisten = \"0.0.0.0:8080\"\n").find("accounts"), std::string::npos);
}

TEST(Config, PeerMistakesAreNamed) {
    EXPECT_NE(error_of("[[peer]]\nname = \"a\"\n").find("needs a name and addresses"),
              std::string::npos);
    EXPECT_NE(error_of("[[peer]]\nname = \"a\"\nusername = \"u\"\n").find("password_file"),
              std::string::npos);
    EXPECT_NE(error_of("[[peer]]\nname = \"a\"\nusername = \"u\"\npassword_file = \"/nowhere\"\n")
                  .find("cannot be read"),
              std::string::npos);
    EXPECT_NE(error_of("[[peer]]\nadress = []\n").find("did you mean \"addresses\""),
              std::string::npos);
    EXPECT_NE(error_of("[[peer]]\nname=\"a\"\naddresses = [\"sbc.example\"]\n").find("literal IP"),
              std::string::npos);
}

}  // namespace
TEST(Config, PeerProfilesAndSwitchesSayWhatMessagesCannot) {
    const auto config = parse(
        "[[peer]]\nname = \"cube\"\naddresses = [\"192.0.2.1\"]\nprobe_media = true\nprofile = "
        "\"cisco\"\n"
        "[[peer]]\nname = \"ns\"\naddresses = [\"192.0.2.2\"]\nmedia_from = [\"192.0.2.3\", "
        "\"2001:db8::3\"]\nstrict = true\n"
        "[[peer]]\nname = \"home\"\naddresses = [\"192.0.2.4\"]\nprofile = \"nat\"\n"
        "[[peer]]\nname = \"cube2\"\naddresses = [\"192.0.2.5\"]\nrecords_unmarked = false\n"
        "profile = \"cisco\"\n");
    ASSERT_TRUE(config) << to_string(config.error());
    ASSERT_EQ(config->peers.size(), 4U);
    EXPECT_TRUE(config->peers[0].records_unmarked);
    EXPECT_TRUE(config->peers[0].probe_media);
    EXPECT_FALSE(config->peers[0].strict);
    EXPECT_EQ(config->peers[1].media_from.size(), 2U);
    EXPECT_EQ(config->peers[1].strict, std::optional<bool>{true});
    EXPECT_TRUE(config->peers[2].probe_media);
    EXPECT_FALSE(config->peers[2].records_unmarked);
    EXPECT_FALSE(config->peers[3].records_unmarked);  // the switch has the last word
}

TEST(Config, MistakesInPeerProfilesAreNamed) {
    const std::string peer = "[[peer]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n";
    EXPECT_EQ(error_of(peer + "profile = \"cisko\"\n"),
              "earshot.toml:4: peer.profile: \"cisko\" is no profile (did you mean \"cisco\"?)");
    EXPECT_NE(
        error_of(peer + "probe_media = \"yes\"\n").find("peer.probe_media: has the wrong type"),
        std::string::npos);
    EXPECT_NE(error_of(peer + "probe_medai = true\n").find("did you mean \"probe_media\""),
              std::string::npos);
    EXPECT_NE(error_of(peer + "media_from = [\"sbc\"]\n").find("peer.media_from: is not a literal"),
              std::string::npos);
}

}  // namespace earshot::app
