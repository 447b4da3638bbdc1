// The rules' parts, each as a table: what is given, what is expected.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "policy/glob.h"
#include "policy/hook.h"
#include "policy/limits.h"
#include "policy/rule.h"

namespace earshot::policy {
namespace {

TEST(Glob, MatchesStarsAndQuestionMarksWithoutCase) {
    const struct {
        const char* pattern;
        const char* text;
        bool matches;
    } table[] = {{"", "", true},          {"", "a", false},       {"*", "", true},
                 {"*", "anything", true}, {"a", "A", true},       {"a?c", "abc", true},
                 {"a?c", "ac", false},    {"a*c", "ac", true},    {"a*c", "abcbc", true},
                 {"a*c", "abcb", false},  {"*b*b", "abb", true},  {"*b*b", "ab", false},
                 {"**", "x", true},       {"?*", "", false},      {"*.com", "a.com.de", false},
                 {"a[b]", "ab", false},   {"+49*", "+4930", true}};
    for (const auto& row : table)
        EXPECT_EQ(glob_matches(row.pattern, row.text), row.matches)
            << row.pattern << " on " << row.text;
}

TEST(Glob, ManyStarsCostNoMoreThanTheProductOfBothLengths) {
    std::string pattern;
    for (int i = 0; i < 120; ++i) pattern += "*a";
    EXPECT_FALSE(glob_matches(pattern + "*b", std::string(kMaxMatchedBytes, 'a')));
}

TEST(Glob, LooksAtNoMoreThanTheLimitOfAText) {
    const std::string text = std::string(kMaxMatchedBytes, 'a');
    EXPECT_TRUE(glob_matches("a*a", text + "b"));
    EXPECT_FALSE(glob_matches("*b", text + "b"));
    EXPECT_TRUE(glob_matches("*b", text.substr(1) + "b"));
}

TEST(Address, LosesItsParametersAndItsScheme) {
    EXPECT_EQ(address_of("sip:alice@example.com;user=phone?a=b"), "sip:alice@example.com");
    EXPECT_EQ(address_of("sip:+49;ext=5@example.com;x"), "sip:+49;ext=5@example.com");
    EXPECT_EQ(address_of("tel:+4930;phone-context=x"), "tel:+4930");
    EXPECT_EQ(without_scheme("sips:a@b"), "a@b");
    EXPECT_EQ(without_scheme("a@b"), "a@b");
}

TEST(Address, NumberIsTheUserPartWithoutSeparators) {
    const struct {
        const char* uri;
        const char* number;
    } table[] = {{"sip:+49-30-123@example.com", "+4930123"},
                 {"tel:+49(30)1.23", "+4930123"},
                 {"sip:030123;x=y@h", "030123"},
                 {"sip:*73@h", "*73"},
                 {"sip:alice@h", ""},
                 {"sip:4+9@h", ""},
                 {"sip:+@h", ""},
                 {"", ""}};
    for (const auto& row : table) EXPECT_EQ(number_of(row.uri), row.number) << row.uri;
}

int minute_of(int day, int hour, int minute) { return day * kDayMinutes + hour * 60 + minute; }

TEST(TimeWindow, HoldsFromItsBeginToBeforeItsEnd) {
    const struct {
        const char* window;
        int minute;
        bool holds;
    } table[] = {{"mon-fri 08:00-18:00", minute_of(0, 8, 0), true},
                 {"mon-fri 08:00-18:00", minute_of(0, 7, 59), false},
                 {"mon-fri 08:00-18:00", minute_of(4, 17, 59), true},
                 {"mon-fri 08:00-18:00", minute_of(4, 18, 0), false},
                 {"mon-fri 08:00-18:00", minute_of(5, 9, 0), false},
                 {"sat,sun", minute_of(6, 23, 59), true},
                 {"sat,sun", minute_of(0, 0, 0), false},
                 {"SAT-mon", minute_of(0, 12, 0), true},
                 {"SAT-mon", minute_of(1, 12, 0), false},
                 {"22:00-06:00", minute_of(3, 5, 59), true},
                 {"22:00-06:00", minute_of(3, 6, 0), false},
                 {"fri 22:00-06:00", minute_of(5, 3, 0), true},
                 {"fri 22:00-06:00", minute_of(4, 3, 0), false},
                 {"sun 22:00-06:00", minute_of(0, 3, 0), true},  // over the end of the week
                 {"18:00-24:00", minute_of(2, 23, 59), true},
                 {"08:00-08:00", minute_of(2, 7, 0), true}};  // a whole day
    for (const auto& row : table) {
        const auto window = TimeWindow::parse(row.window);
        ASSERT_TRUE(window) << row.window;
        EXPECT_EQ(window->contains(row.minute), row.holds) << row.window << " at " << row.minute;
    }
}

TEST(TimeWindow, RefusesWhatItDoesNotUnderstand) {
    for (const char* text :
         {"", " ", "monday", "mon-", "-fri", "mon fri", "8:00-18:00", "08:00", "08:00-",
          "08:60-09:00", "24:01-25:00", "24:00-01:00", "mon 08:00-18:00 utc", "mon,,tue"})
        EXPECT_FALSE(TimeWindow::parse(text)) << text;
}

TEST(TimeWindow, EveryTruncationOfAGoodOneIsReadOrRefused) {
    const std::string good = "mon-fri,sun 08:00-18:00";
    for (std::size_t size = 0; size <= good.size(); ++size)
        (void)TimeWindow::parse(good.substr(0, size));
}

TEST(Zone, KnowsSummerTime) {
    const auto berlin = Zone::find("Europe/Berlin");
    ASSERT_TRUE(berlin);
    const auto winter = base::parse_time("2026-03-02T09:15:00Z")->time;  // a Monday
    const auto summer = base::parse_time("2026-07-06T09:15:00Z")->time;  // a Monday
    EXPECT_EQ(Zone{}.week_minute(winter), minute_of(0, 9, 15));
    EXPECT_EQ(berlin->week_minute(winter), minute_of(0, 10, 15));
    EXPECT_EQ(berlin->week_minute(summer), minute_of(0, 11, 15));
    EXPECT_FALSE(Zone::find("Europe/Berln"));
}

InviteFacts facts_of_a_call() {
    InviteFacts facts;
    facts.call_id = "c1@sbc";
    facts.from = "sip:src@sbc.example.com;transport=udp";
    facts.to = "sip:rec@earshot.example.com";
    facts.peer = "sbc1";
    facts.peer_address = "192.0.2.1:5060";
    facts.participants = {{"sip:alice@hr.example.com", "Alice"}, {"sip:+4930123@pbx", ""}};
    facts.group = "inbound";
    facts.session_ids = {"hVpd7YQgRW2nD22h7q60JQ=="};
    facts.headers = {{"X-Record", "No-Consent"}, {"X-Record", "second"}};
    facts.streams = {{"1", "audio", {"PCMU", "telephone-event"}}, {"2", "video", {"H264"}}};
    facts.time = base::parse_time("2026-03-02T09:15:00Z")->time;
    return facts;
}

TEST(Conditions, EachOneHoldsOrNot) {
    using C = Conditions;
    const auto window = [](const char* text) { return *TimeWindow::parse(text); };
    const struct {
        const char* what;
        C conditions;
        bool holds;
    } table[] = {
        {"none", {}, true},
        {"participant", {.participants = {"*@hr.example.com"}}, true},
        {"participant by scheme", {.participants = {"sip:alice@*"}}, true},
        {"another participant", {.participants = {"bob@*"}}, false},
        {"one of two", {.participants = {"bob@*", "ALICE@*"}}, true},
        {"number", {.numbers = {"+49*"}}, true},
        {"number of a name", {.numbers = {"alice"}}, false},
        {"number prefix", {.number_prefixes = {"030", "+4930"}}, true},
        {"no such prefix", {.number_prefixes = {"+4940"}}, false},
        {"number and prefix of one party",
         {.numbers = {"*123"}, .number_prefixes = {"+4930"}},
         true},
        {"group", {.groups = {"in*"}}, true},
        {"another group", {.groups = {"outbound"}}, false},
        {"session", {.session_ids = {"hVpd7*"}}, true},
        {"another session", {.session_ids = {"x*"}}, false},
        {"peer", {.peers = {"sbc?"}}, true},
        {"another peer", {.peers = {"pbx"}}, false},
        {"from", {.from = {"src@sbc.example.com"}}, true},
        {"another from", {.from = {"*@pbx"}}, false},
        {"to", {.to = {"sip:rec@*"}}, true},
        {"another to", {.to = {"sip:x@*"}}, false},
        {"header", {.headers = {{"x-record", {"no*"}}}}, true},
        {"a second field of the name", {.headers = {{"X-Record", {"second"}}}}, true},
        {"another value", {.headers = {{"X-Record", {"yes"}}}}, false},
        {"an absent header", {.headers = {{"X-Record", {"*"}}, {"X-Other", {"*"}}}}, false},
        {"time", {.windows = {window("mon 09:00-10:00")}}, true},
        {"another time", {.windows = {window("mon 10:00-11:00")}}, false},
        {"time in a zone",
         {.windows = {window("mon 10:00-11:00")}, .zone = *Zone::find("Europe/Berlin")},
         true},
        {"all must hold", {.groups = {"inbound"}, .peers = {"pbx"}}, false},
    };
    for (const auto& row : table)
        EXPECT_EQ(matches(row.conditions, facts_of_a_call()), row.holds) << row.what;
}

TEST(Conditions, LookAtNoMoreThanTheLimitOfParties) {
    InviteFacts facts = facts_of_a_call();
    const Conditions conditions{.participants = {"last@*"}};
    facts.participants.assign(kMaxMatchedTexts - 1, {"sip:a@b", ""});
    facts.participants.push_back({"sip:last@b", ""});
    EXPECT_TRUE(matches(conditions, facts));
    facts.participants.insert(facts.participants.begin(), {"sip:a@b", ""});
    EXPECT_FALSE(matches(conditions, facts));
}

TEST(Rules, TheFirstThatHoldsWins) {
    const std::vector<Rule> rules{{"other", {.groups = {"outbound"}}, {}},
                                  {"hr", {.participants = {"*@hr.*"}}, {.action = Action::Decline}},
                                  {"all", {}, {}}};
    ASSERT_NE(find_rule(rules, facts_of_a_call()), nullptr);
    EXPECT_EQ(find_rule(rules, facts_of_a_call())->name, "hr");
    EXPECT_EQ(find_rule(rules, {})->name, "all");
    EXPECT_EQ(find_rule({}, {}), nullptr);
}

TEST(Rules, BeforeAnOfferOnlyTheRuleThatWillHoldInAnyCaseIsCertain) {
    const Rule decline_peer{"peer", {.peers = {"sbc1"}}, {.action = Action::Decline}};
    const Rule other_peer{"other", {.groups = {"x"}, .peers = {"sbc2"}}, {}};
    const InviteFacts facts{.from = "sip:earshot@192.0.2.7", .peer = "sbc1"};
    const auto certain = [&](const std::vector<Rule>& rules) {
        const Rule* rule = find_certain_rule(rules, facts);
        return rule != nullptr ? rule->name : std::string();
    };
    EXPECT_EQ(certain({}), "");
    EXPECT_EQ(certain({decline_peer}), "peer");
    EXPECT_EQ(certain({other_peer, decline_peer}), "peer");  // cannot hold, whatever is offered
    EXPECT_EQ(certain({{"from", {.from = {"earshot@*"}}, {}}, decline_peer}), "from");
    // Each of these may hold once the client has offered, and then comes first.
    for (const Conditions& open :
         {Conditions{.participants = {"*"}}, Conditions{.numbers = {"*"}},
          Conditions{.number_prefixes = {"+"}}, Conditions{.groups = {"*"}},
          Conditions{.session_ids = {"*"}}, Conditions{.headers = {{"X-A", {"*"}}}},
          Conditions{.groups = {"*"}, .peers = {"sbc1"}}})
        EXPECT_EQ(certain({{"open", open, {}}, decline_peer}), "");
}

TEST(Outcome, StreamsAreDeclinedByMediumLabelAndCodec) {
    const InviteFacts facts = facts_of_a_call();
    const auto declined = [&](const StreamPattern& pattern) {
        const Outcome outcome{.action = Action::Streams, .streams = {pattern}};
        std::string labels;
        for (const OfferedStream& stream : facts.streams)
            if (declines(outcome, stream)) labels += stream.label;
        return labels;
    };
    EXPECT_EQ(declined({.medium = "video"}), "2");
    EXPECT_EQ(declined({.label = "1"}), "1");
    EXPECT_EQ(declined({.codec = "h26*"}), "2");
    EXPECT_EQ(declined({.medium = "audio", .codec = "opus"}), "");
    EXPECT_EQ(declined({}), "12");
}

TEST(Outcome, ThatLeavesNoStreamIsADecline) {
    const InviteFacts facts = facts_of_a_call();
    const Outcome all{.action = Action::Streams, .streams = {{.medium = "*"}}};
    EXPECT_EQ(resolve(all, facts).action, Action::Decline);
    const Outcome some{.action = Action::Streams, .streams = {{.medium = "video"}}};
    EXPECT_EQ(resolve(some, facts).action, Action::Streams);
    EXPECT_EQ(resolve(all, {}).action, Action::Streams);  // an INVITE without an offer
}

TEST(Hook, IsAskedWithAllFacts) {
    const auto question = nlohmann::json::parse(make_question(facts_of_a_call()));
    EXPECT_EQ(question["call_id"], "c1@sbc");
    EXPECT_EQ(question["peer"], "sbc1");
    EXPECT_EQ(question["time"], "2026-03-02T09:15:00.000Z");
    EXPECT_EQ(question["participants"][0]["aor"], "sip:alice@hr.example.com");
    EXPECT_EQ(question["headers"]["X-Record"], "No-Consent, second");
    EXPECT_EQ(question["streams"][1]["codecs"][0], "H264");
    EXPECT_EQ(question["group"], "inbound");
    EXPECT_EQ(question["direction"], "incoming");
    EXPECT_EQ(nlohmann::json::parse(make_question({.is_outgoing = true}))["direction"], "outgoing");
}

TEST(Hook, AnswersTheSameActionsAsRules) {
    const auto decline = parse_answer(R"({"action":"decline","code":480,"reason":"Busy","x":1})");
    ASSERT_TRUE(decline);
    EXPECT_EQ(*decline, (Outcome{.action = Action::Decline, .code = 480, .phrase = "Busy"}));
    EXPECT_EQ(*parse_answer(R"({"action":"record"})"), Outcome{});
    const auto wait = parse_answer(R"({"action":"inactive","record_after_s":5})");
    ASSERT_TRUE(wait);
    EXPECT_EQ(wait->record_after, std::chrono::seconds{5});
    const auto streams = parse_answer(R"({"action":"streams","streams":[{"medium":"video"}]})");
    ASSERT_TRUE(streams);
    EXPECT_EQ(streams->streams, (std::vector<StreamPattern>{{.medium = "video"}}));
}

TEST(Hook, AnswerThatIsNotUnderstoodIsAFailureNotARecording) {
    for (const char* text :
         {"", "[]", "{}", "null", R"({"action":"recrod"})", R"({"action":1})",
          R"({"action":"decline","code":200})", R"({"action":"decline","code":399})",
          R"({"action":"decline","code":700})", R"({"action":"decline","code":"603"})",
          R"({"action":"streams"})", R"({"action":"streams","streams":[{}]})",
          R"({"action":"streams","streams":["video"]})",
          R"({"action":"inactive","record_after_s":-1})",
          R"({"action":"inactive","record_after_s":86401})"}) {
        const auto answer = parse_answer(text);
        ASSERT_FALSE(answer) << text;
        EXPECT_EQ(answer.error().code, "bad_answer");
    }
}

TEST(Hook, AnswersHaveLimits) {
    const auto with_reason = [](std::size_t size) {
        return R"({"action":"decline","reason":")" + std::string(size, 'x') + R"("})";
    };
    EXPECT_TRUE(parse_answer(with_reason(kMaxPhraseBytes)));
    EXPECT_FALSE(parse_answer(with_reason(kMaxPhraseBytes + 1)));
    const auto with_streams = [](std::size_t count) {
        std::string list;
        for (std::size_t i = 0; i < count; ++i)
            list += std::string(i == 0 ? "" : ",") + R"({"label":"1"})";
        return R"({"action":"streams","streams":[)" + list + "]}";
    };
    EXPECT_TRUE(parse_answer(with_streams(kMaxAnswerStreams)));
    EXPECT_FALSE(parse_answer(with_streams(kMaxAnswerStreams + 1)));
    const auto padded = [](std::size_t size) {
        const std::string text = R"({"action":"record"})";
        return text + std::string(size - text.size(), ' ');
    };
    EXPECT_TRUE(parse_answer(padded(kMaxAnswerBytes)));
    EXPECT_FALSE(parse_answer(padded(kMaxAnswerBytes + 1)));
}

TEST(Hook, EveryTruncationOfAGoodAnswerIsAFailure) {
    const std::string good = R"({"action":"streams","code":603,"streams":[{"codec":"opus"}]})";
    ASSERT_TRUE(parse_answer(good));
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(parse_answer(good.substr(0, size))) << size;
}

}  // namespace
}  // namespace earshot::policy
