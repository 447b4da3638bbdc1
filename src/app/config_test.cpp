#include "app/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "app/text_file.h"
#include "policy/limits.h"

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
    ASSERT_EQ(config->sip_listen.size(), 1U);
    EXPECT_EQ(base::to_string(config->sip_listen.front()), "127.0.0.1:5060");
    EXPECT_TRUE(config->advertised.empty());
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
    EXPECT_EQ(config->sip_listen.front().port, 5072);
    EXPECT_EQ(config->data, "/srv/earshot");
    EXPECT_EQ(config->max_calls, 9U);
}

TEST(Config, ListensAtSeveralAddressesAndNamesOthersToClientsBeyondANat) {
    const auto config = parse(
        "[sip]\nlisten = \"127.0.0.1:5060, [::1]:5062\"\n"
        "advertised_address = \"203.0.113.7:5080, 2001:db8::7\"\n");
    ASSERT_TRUE(config) << to_string(config.error());
    ASSERT_EQ(config->sip_listen.size(), 2U);
    EXPECT_EQ(base::to_string(config->sip_listen[1]), "[::1]:5062");
    ASSERT_EQ(config->advertised.size(), 2U);
    EXPECT_EQ(base::to_string(config->advertised[0]), "203.0.113.7:5080");
    EXPECT_EQ(base::to_string(config->advertised[1]), "[2001:db8::7]:0");

    std::string eight = "127.0.0.1:1";
    for (int port = 2; port <= 8; ++port) eight += ",127.0.0.1:" + std::to_string(port);
    EXPECT_TRUE(parse("[sip]\nlisten = \"" + eight + "\"\n"));
    EXPECT_NE(error_of("[sip]\nlisten = \"" + eight + ",127.0.0.1:9\"\n").find("more than 8"),
              std::string::npos);
    for (const char* wrong :
         {"listen = \"\"", "listen = \"127.0.0.1:1,127.0.0.1:1\"",
          "listen = \"127.0.0.1:1,198.51.100.1:1\"", "advertised_address = \"rec.example.com\"",
          "advertised_address = \"0.0.0.0\"", "advertised_address = \"192.0.2.1, 192.0.2.2\""})
        EXPECT_FALSE(parse(std::string("[sip]\n") + wrong + "\n")) << wrong;
}

TEST(Config, TakesAKeyCommandWithItsArguments) {
    const auto config = parse(
        "[storage]\nencrypt = true\nkey_command = [\"/usr/local/bin/kms\", \"--key\", \"a b\"]\n");
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->key_command,
              (std::vector<std::string>{"/usr/local/bin/kms", "--key", "a b"}));
    EXPECT_TRUE(parse("")->encrypt);
    EXPECT_TRUE(parse("")->key_command.empty());
    EXPECT_NE(error_of("[storage]\nkey_command = [\"kms\"]\n").find("absolute path"),
              std::string::npos);
    EXPECT_EQ(error_of("[storage]\nkey_command = [\"/kms\", \"a,b\"]\n"),
              "earshot.toml:2: storage.key_command: has an item with a comma (commas separate "
              "items)");
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
    EXPECT_EQ(error_of("[media]\nports = \"19999-10000\"\n"),
              "earshot.toml:2: media.ports: \"19999-10000\" begins after its end: expected "
              "LOW-HIGH, like 10000-19999 (the default is 10000-19999)");
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

TEST(Config, APeerIsToldOurPasswordByKeysOfItsOwn) {
    const std::string file = testing::TempDir() + "earshot-our-password";
    std::ofstream(file) << "rose\n";
    const std::string peer = "[[peer]]\nname = \"sbc\"\naddresses = [\"192.0.2.1\"]\n";
    const auto config =
        parse(peer + "our_username = \"recorder\"\nour_password_file = \"" + file + "\"\n");
    std::remove(file.c_str());
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->peers.at(0).ours, (sip::Credentials{"recorder", "rose"}));
    EXPECT_EQ(config->peers.at(0).digest, sip::Credentials{});
    EXPECT_NE(error_of(peer + "our_username = \"recorder\"\n").find("our_password_file"),
              std::string::npos);
    EXPECT_NE(error_of(peer + "our_password_file = \"/nowhere\"\n").find("cannot be read"),
              std::string::npos);
}

TEST(Config, SessionIntervalIsNoShorterThanItsMinimum) {
    EXPECT_NE(error_of("[sip]\nsession_expires_s = 89\n").find("sip.min_se_s"), std::string::npos);
    EXPECT_TRUE(parse("[sip]\nsession_expires_s = 90\n"));
}

TEST(Config, SessionsShorterThanRfc4028AllowsAreForLoopbackOnly) {
    const std::string open = "[sip]\nlisten = \"0.0.0.0:5060\"\ninsecure = true\n";
    EXPECT_EQ(error_of(open + "min_se_s = 89\n"),
              "earshot.toml: sip.min_se_s: 89 is less than 90, the least that RFC 4028 section 5 "
              "allows (shorter sessions are for tests, with all listeners on loopback)");
    EXPECT_TRUE(parse(open + "min_se_s = 90\n"));
    EXPECT_TRUE(parse("[sip]\nmin_se_s = 2\n"));
}

TEST(Config, AListAndATextAreToldApartByTheRightForm) {
    EXPECT_EQ(error_of("[join]\nkeys = \"session_id, header:X\"\n"),
              "earshot.toml:2: join.keys: must be a list of texts (write keys = [\"session_id\", "
              "\"header:X\"])");
    EXPECT_EQ(error_of("[sip]\nlisten = [\"127.0.0.1:5060\", \"[::1]:5060\"]\n"),
              "earshot.toml:2: sip.listen: must be a text in quotes (write listen = "
              "\"127.0.0.1:5060, [::1]:5060\")");
    EXPECT_EQ(error_of("[[peer]]\naddresses = \"192.0.2.1,192.0.2.2\"\n"),
              "earshot.toml:2: peer.addresses: must be a list of texts (write addresses = "
              "[\"192.0.2.1\", \"192.0.2.2\"])");
    EXPECT_EQ(error_of("[sip]\nredirect_to = \"x\"\n"),
              "earshot.toml:2: sip.redirect_to: \"x\" is no SIP URI: expected one like "
              "sip:rec2.example.com (it is empty by default)");
}

TEST(Config, APeerIsToldByOneNameAndItsAddressesAreItsOwn) {
    const auto peer = [](const std::string& name, const std::string& addresses) {
        return "[[peer]]\nname = \"" + name + "\"\naddresses = [" + addresses + "]\n";
    };
    EXPECT_EQ(error_of(peer("a", "\"192.0.2.1\"") + peer("a", "\"192.0.2.2\"")),
              "earshot.toml:4: peer.name: there are two peers \"a\" (write all its addresses into "
              "one, or give each its own name)");
    EXPECT_EQ(error_of(peer("a", "\"192.0.2.1\"") + peer("b", "\"192.0.2.2\", \"192.0.2.1\"")),
              "earshot.toml:4: peer.addresses: 192.0.2.1 is an address of \"a\" and of \"b\" (an "
              "address tells one peer)");
    const auto fault = [&](const std::string& address) {
        return error_of(peer("a", "\"" + address + "\""));
    };
    EXPECT_EQ(fault("192.0.2.0/24"),
              "earshot.toml:3: peer.addresses: \"192.0.2.0/24\" is a network; networks are not "
              "supported, so list each address (like \"192.0.2.1\")");
    EXPECT_NE(fault("192.0.2.1:5060").find("has a port"), std::string::npos);
    EXPECT_NE(fault("0.0.0.0").find("of no client"), std::string::npos);
    EXPECT_NE(fault("sbc.example").find("names are not looked up"), std::string::npos);
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

TEST(RuleConfig, AllKeysAreRead) {
    const auto config = parse(R"(
[[peer]]
name = "sbc1"
addresses = ["192.0.2.1"]

[[rule]]
name = "hr"
participant = ["*@hr.example.com", "boss@example.com"]
number = "+4930*"
number_prefix = "+49"
group = "inbound"
session_id = "x*"
peer = "sbc1"
from = "src@*"
to = "sip:rec@*"
header = { X-Record = "no*", X-Reason = ["a", "b"] }
when = ["mon-fri 08:00-18:00", "sat"]
zone = "Europe/Berlin"
action = "decline"
code = 480
reason = "Not Recorded"

[[rule]]
name = "no-video"
action = "streams"
streams = [{ medium = "video" }, { label = "3", codec = "opus" }]

[[rule]]
name = "later"
action = "inactive"
record_after_s = 5

[decision]
url = "http://127.0.0.1:9000/decide"
deadline_ms = 250
on_failure = "decline"
)");
    ASSERT_TRUE(config) << to_string(config.error());
    ASSERT_EQ(config->rules.size(), 3U);
    const policy::Rule& hr = config->rules[0];
    EXPECT_EQ(hr.name, "hr");
    EXPECT_EQ(hr.conditions.participants.size(), 2U);
    EXPECT_EQ(hr.conditions.headers.size(), 2U);
    EXPECT_EQ(hr.conditions.headers[1].first, "X-Record");
    EXPECT_EQ(hr.conditions.windows.size(), 2U);
    EXPECT_EQ(hr.conditions.number_prefixes, std::vector<std::string>{"+49"});
    EXPECT_EQ(hr.outcome.action, policy::Action::Decline);
    EXPECT_EQ(hr.outcome.code, 480);
    EXPECT_EQ(hr.outcome.phrase, "Not Recorded");
    EXPECT_EQ(config->rules[1].outcome.streams[1],
              (policy::StreamPattern{.label = "3", .codec = "opus"}));
    EXPECT_EQ(config->rules[2].outcome.record_after, std::chrono::seconds{5});
    EXPECT_EQ(config->decision.deadline, std::chrono::milliseconds{250});
    EXPECT_FALSE(config->decision.records_on_failure);
}

TEST(RuleConfig, MistakesAreNamedByLineAndKey) {
    const auto rule = [](const std::string& lines) {
        return error_of("[[rule]]\nname = \"a\"\n" + lines);
    };
    EXPECT_EQ(rule("particpant = \"x\"\n"),
              "earshot.toml:3: rule.particpant: unknown key (did you mean \"participant\"?)");
    EXPECT_EQ(rule("action = \"declin\"\n"),
              "earshot.toml:3: rule.action: \"declin\" is no action (did you mean \"decline\"?)");
    EXPECT_EQ(rule("action = \"decline\"\ncode = 302\n"),
              "earshot.toml:4: rule.code: must be a whole number from 400 to 699");
    EXPECT_EQ(rule("when = \"mon-fry\"\n"),
              "earshot.toml:3: rule.when: \"mon-fry\" names a day that is none of mon to sun (like "
              "\"mon-fri 08:00-18:00\", \"sat,sun\" or \"22:00-06:00\")");
    EXPECT_EQ(rule("when = \"sat\"\nzone = \"Berlin\"\n"),
              "earshot.toml:4: rule.zone: is no time zone that this system knows (like "
              "\"Europe/Berlin\"; the default is \"UTC\")");
    EXPECT_EQ(rule("code = 603\n"),
              "earshot.toml:3: rule.code: means nothing with action = \"record\" (it belongs to "
              "action = \"decline\")");
    EXPECT_EQ(rule("action = \"streams\"\n"),
              "earshot.toml:3: rule.streams: is missing (streams = [{ medium = \"video\" }])");
    EXPECT_NE(rule("action = \"streams\"\nstreams = [{ kodec = \"x\" }]\n")
                  .find("did you mean \"codec\""),
              std::string::npos);
    EXPECT_NE(rule("group = []\n").find("would never hold"), std::string::npos);
    EXPECT_NE(rule("group = 3\n").find("a text in quotes"), std::string::npos);
    EXPECT_NE(rule("zone = \"UTC\"\n").find("without when"), std::string::npos);
    EXPECT_NE(rule("[[rule]]\nname = \"a\"\n").find("two rules \"a\""), std::string::npos);
    EXPECT_NE(error_of("[[rule]]\ngroup = \"x\"\n").find("rule.name: is missing"),
              std::string::npos);
    EXPECT_NE(error_of("[rule]\nname = \"x\"\n").find("write [[rule]]"), std::string::npos);
}

TEST(RuleConfig, APeerThatARuleNamesIsThere) {
    const std::string peers =
        "[[peer]]\nname = \"sbc1\"\naddresses = [\"192.0.2.1\"]\n"
        "[[peer]]\nname = \"pbx\"\naddresses = [\"192.0.2.2\"]\n";
    const auto rule = [](const std::string& peer) {
        return "[[rule]]\nname = \"a\"\npeer = " + peer + "\n";
    };
    EXPECT_TRUE(parse(rule("[\"SBC*\", \"pbx\"]") + peers));
    EXPECT_EQ(error_of(rule("[\"pbx\",\n\"sbc2\"]") + peers),
              "earshot.toml:4: rule.peer: \"sbc2\" is the name of no [[peer]] (there are: sbc1, "
              "pbx)");
    EXPECT_EQ(error_of(rule("\"sbc1\"")),
              "earshot.toml:3: rule.peer: \"sbc1\" is the name of no [[peer]] (there is none in "
              "this file)");
}

TEST(RuleConfig, LimitsHoldAtTheirEdge) {
    const auto rules = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i)
            text += "[[rule]]\nname = \"" + std::to_string(i) + "\"\n";
        return text;
    };
    EXPECT_TRUE(parse(rules(policy::kMaxRules)));
    EXPECT_FALSE(parse(rules(policy::kMaxRules + 1)));
    const auto pattern = [](std::size_t size) {
        return "[[rule]]\nname = \"a\"\ngroup = \"" + std::string(size, 'x') + "\"\n";
    };
    EXPECT_TRUE(parse(pattern(policy::kMaxPatternBytes)));
    EXPECT_FALSE(parse(pattern(policy::kMaxPatternBytes + 1)));
    const auto patterns = [](std::size_t count) {
        std::string text = "[[rule]]\nname = \"a\"\ngroup = [";
        for (std::size_t i = 0; i < count; ++i) text += "\"x\",";
        return text + "]\n";
    };
    EXPECT_TRUE(parse(patterns(policy::kMaxPatterns)));
    EXPECT_FALSE(parse(patterns(policy::kMaxPatterns + 1)));
}

TEST(DecisionConfig, MistakesAreNamed) {
    EXPECT_NE(error_of("[decision]\nurl = \"https://x/\"\n").find("https is not supported"),
              std::string::npos);
    EXPECT_NE(error_of("[decision]\non_failure = \"open\"\n").find("neither record nor decline"),
              std::string::npos);
    EXPECT_NE(error_of("[decision]\ndeadline_ms = 9\n").find("from 10 to 20000"),
              std::string::npos);
    EXPECT_NE(error_of("[decison]\n").find("did you mean \"decision\""), std::string::npos);
}

TEST(Config, ReadsOnlyRegularFilesOfALimitedSize) {
    const auto folder = std::filesystem::temp_directory_path();
    EXPECT_FALSE(read_text_file(folder));
    EXPECT_FALSE(read_text_file("/dev/zero"));
    EXPECT_FALSE(read_text_file(folder / "earshot-no-such-file"));
    const auto fifo = folder / ("earshot-fifo-" + std::to_string(::getpid()));
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_FALSE(read_text_file(fifo));  // nobody writes to it; it must not be waited for
    std::filesystem::remove(fifo);
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

TEST(Config, DigitsAreStoredUnlessToldOtherwiseForAllOrForOne) {
    const auto config = parse(
        "media.store_digits = false\n[[peer]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n"
        "store_digits = true\n[[peer]]\nname = \"b\"\naddresses = [\"192.0.2.2\"]\n");
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_FALSE(config->store_digits);
    EXPECT_EQ(config->peers[0].store_digits, std::optional<bool>{true});
    EXPECT_FALSE(config->peers[1].store_digits);
    EXPECT_TRUE(parse("")->store_digits);
}

TEST(Config, ASecondVideoIsACameraOrContent) {
    const std::string peer = "[[peer]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n";
    EXPECT_EQ(parse(peer)->peers[0].second_video, siprec::SecondVideo::Camera);
    EXPECT_EQ(parse(peer + "second_video = \"content\"\n")->peers[0].second_video,
              siprec::SecondVideo::Content);
    EXPECT_EQ(error_of(peer + "second_video = \"contnt\"\n"),
              "earshot.toml:4: peer.second_video: \"contnt\" is neither camera nor content (did "
              "you mean \"content\"?)");
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
    EXPECT_NE(error_of(peer + "media_from = [\"sbc\"]\n").find("\"sbc\" is not a literal"),
              std::string::npos);
}

}  // namespace earshot::app
