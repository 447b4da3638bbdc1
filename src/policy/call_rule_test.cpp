#include "policy/call_rule.h"

#include <gtest/gtest.h>

#include "policy/call_hook.h"
#include "policy/limits.h"

namespace earshot::policy {
namespace {

CallFacts call() {
    return {.call_id = "a84b4c76e66710@pc33",
            .from = {"sip:ada@sales.example", "Ada <& Co>"},
            .to = {"sip:+49301234@pbx.example;user=phone", ""},
            .asserted = {"sip:1001@pbx.example", "Ada L"},
            .request_uri = "sip:+49301234@192.0.2.7:5060",
            .source = "192.0.2.1:5060",
            .headers = {{"X-Agent", "7 <b>"}, {"Subject", "order"}},
            .lot = 40};
}
RecordingSettings to(std::string server) { return {.servers = {std::move(server)}}; }

TEST(CallRule, FillsPlaceholdersAndEscapesThemInXml) {
    EXPECT_EQ(expand("{from.user} of {from.uri}: {header.x-agent}", call(), Escape::None),
              "ada of sip:ada@sales.example: 7 <b>");
    EXPECT_EQ(expand("<name>{from.name}</name>", call(), Escape::Xml),
              "<name>Ada &lt;&amp; Co&gt;</name>");
    EXPECT_EQ(expand("{to.user}/{request.user}/{asserted.name}", call(), Escape::None),
              "+49301234/+49301234/Ada L");
}

TEST(CallRule, LeavesWhatIsNoPlaceholderAsItIs) {
    EXPECT_EQ(expand("{{from.user} {what} {", call(), Escape::None), "{from.user} {what} {");
    EXPECT_EQ(find_unknown_placeholder("{from.user} {what.ever} {x}"), "what.ever");
    EXPECT_EQ(find_unknown_placeholder("{{what} {header.Anything}"), "");
    EXPECT_EQ(expand("[{header.X-None}]", call(), Escape::None), "[]");
}

TEST(CallRule, RecordsEverythingWithoutRulesWhereAServerIsNamed) {
    const auto plans = plan_recordings({}, to("sip:rec"), call());
    ASSERT_EQ(plans.size(), 1U);
    EXPECT_EQ(plans[0].instance, "default");
    EXPECT_EQ(plans[0].rule, "");
    EXPECT_TRUE(plan_recordings({}, {}, call()).empty());
}

TEST(CallRule, TakesTheFirstRuleThatHoldsOfEachInstance) {
    const std::vector<CallRule> rules{
        {.name = "other", .conditions = {.from = {"*@hr.example"}}, .settings = to("sip:1")},
        {.name = "no", .conditions = {.from = {"*@sales.example"}}, .records = false},
        {.name = "all", .settings = to("sip:2")},
        {.name = "quality", .instance = "qm", .settings = to("sip:qm")}};
    const auto plans = plan_recordings(rules, to("sip:rec"), call());
    ASSERT_EQ(plans.size(), 1U);
    EXPECT_EQ(plans[0].instance, "qm");
    EXPECT_EQ(plans[0].settings.servers[0], "sip:qm");
}

TEST(CallRule, RulesOfOtherInstancesAreRules) {
    const std::vector<CallRule> rules{
        {.name = "quality", .instance = "qm", .conditions = {.percent = 0}}};
    EXPECT_TRUE(plan_recordings(rules, to("sip:rec"), call()).empty());
}

TEST(CallRule, HoldsOnlyIfAllConditionsDo) {
    const CallFacts facts = call();
    EXPECT_TRUE(matches({.to = {"+49*"}, .source = {"192.0.2.*"}}, facts));
    EXPECT_FALSE(matches({.to = {"+49*"}, .source = {"198.51.100.1"}}, facts));
    EXPECT_TRUE(matches({.source = {"192.0.2.1:5060"}}, facts));
    EXPECT_TRUE(matches({.request_uri = {"sip:+49301234@192.0.2.7:5060"}}, facts));
    EXPECT_TRUE(matches({.headers = {{"x-agent", {"7*"}}, {"subject", {"*"}}}}, facts));
    EXPECT_FALSE(matches({.headers = {{"x-agent", {"7*"}}, {"x-other", {"*"}}}}, facts));
    EXPECT_TRUE(matches({.is_outbound = false}, facts));
    EXPECT_FALSE(matches({.is_outbound = true}, facts));
}

TEST(CallRule, TakesItsShareOfTheCallsByTheirLot) {
    CallFacts facts = call();
    const CallConditions share{.percent = 40};
    facts.lot = 39;
    EXPECT_TRUE(matches(share, facts));
    facts.lot = 40;
    EXPECT_FALSE(matches(share, facts));
    EXPECT_FALSE(matches(CallConditions{.percent = 0}, CallFacts{}));
    facts.lot = 99;
    EXPECT_TRUE(matches(CallConditions{}, facts));
}

TEST(CallRule, KeepsAHeadersValueOnOneLine) {
    CallFacts facts = call();
    facts.headers.emplace_back("X-Two", "a\r\nRoute: <sip:evil>");
    const RecordingSettings settings = resolve({.headers = {{"X-From", "{header.X-Two}"}}}, facts);
    EXPECT_EQ(settings.headers[0].second, "a  Route: <sip:evil>");
}

TEST(CallRule, EscapesAPartyOnlyWhereItIsXml) {
    RecordingSettings settings{.caller =
                                   "<nameID aor=\"{from.uri}\"><name>{from.name}</name>"
                                   "</nameID>",
                               .callee = "\"{from.name}\" <{to.uri}>"};
    settings = resolve(std::move(settings), call());
    EXPECT_EQ(settings.caller,
              "<nameID aor=\"sip:ada@sales.example\"><name>Ada &lt;&amp; Co&gt;</name></nameID>");
    EXPECT_EQ(settings.callee, "\"Ada <& Co>\" <sip:+49301234@pbx.example;user=phone>");
}

TEST(Trigger, FiresOnTheDigitsThatWerePressedLast) {
    const Trigger trigger{.when = CallHappening::Dtmf, .digits = "*1"};
    EXPECT_TRUE(matches(trigger, {.kind = CallHappening::Dtmf, .digits = "12*1"}));
    EXPECT_FALSE(matches(trigger, {.kind = CallHappening::Dtmf, .digits = "*12"}));
    EXPECT_FALSE(matches({.when = CallHappening::Dtmf}, {.kind = CallHappening::Dtmf}));
}

TEST(Trigger, FiresForThePartyAndTheHeadersThatItNames) {
    const Trigger caller{.when = CallHappening::Hold, .by_caller = true};
    EXPECT_TRUE(matches(caller, {.kind = CallHappening::Hold, .by_caller = true}));
    EXPECT_FALSE(matches(caller, {.kind = CallHappening::Hold, .by_caller = false}));
    EXPECT_FALSE(matches(caller, {.kind = CallHappening::Unhold, .by_caller = true}));
    const Trigger header{.when = CallHappening::Header, .headers = {{"X-Record", {"on"}}}};
    EXPECT_TRUE(matches(header, {.kind = CallHappening::Header, .headers = {{"x-record", "on"}}}));
    EXPECT_FALSE(
        matches(header, {.kind = CallHappening::Header, .headers = {{"x-record", "off"}}}));
}

TEST(CallHook, AsksForAllThatIsKnown) {
    const std::string question = make_call_question(call());
    EXPECT_NE(question.find(R"("from":{"uri":"sip:ada@sales.example","name":"Ada <& Co>"})"),
              std::string::npos)
        << question;
    EXPECT_NE(question.find(R"("direction":"inbound")"), std::string::npos);
    EXPECT_NE(question.find(R"("X-Agent":"7 <b>")"), std::string::npos);
}

TEST(CallHook, MayAnswerEverySetting) {
    const auto plans = parse_call_answer(
        R"({"record":true,"instances":[{"instance":"qm","servers":["sip:{from.user}@qm"],
            "start_at":"invite","on_demand":true,"mandatory":true,"group":"g","raw_group":true,
            "headers":{"X-A":"{call_id}"},"caller":"sip:x@y","skip_failover_codes":"4..",
            "session_extension":"<x>{from.name}</x>","streams":["audio"]}]})",
        {}, call());
    ASSERT_TRUE(plans) << plans.error().text;
    ASSERT_EQ(plans->size(), 1U);
    const RecordingPlan& plan = plans->front();
    EXPECT_EQ(plan.instance, "qm");
    EXPECT_EQ(plan.settings.servers, std::vector<std::string>{"sip:ada@qm"});
    EXPECT_EQ(plan.settings.start_at, StartAt::Invite);
    EXPECT_TRUE(plan.settings.on_demand && plan.settings.mandatory && plan.settings.raw_group);
    EXPECT_EQ(plan.settings.headers[0].second, "a84b4c76e66710@pc33");
    EXPECT_EQ(plan.settings.session_extension, "<x>Ada &lt;&amp; Co&gt;</x>");
}

TEST(CallHook, AnswersInShort) {
    const auto all = parse_call_answer(R"({"record":true})", to("sip:rec"), call());
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 1U);
    EXPECT_EQ(all->front().settings.servers[0], "sip:rec");
    const auto none = parse_call_answer(R"({"record":false})", to("sip:rec"), call());
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->empty());
}

TEST(CallHook, SaysWhatIsWrongWithAnAnswer) {
    const auto fault = [](std::string_view text) {
        const auto plans = parse_call_answer(text, to("sip:rec"), call());
        return plans ? std::string("none") : plans.error().text;
    };
    EXPECT_NE(fault("[]").find("no JSON object"), std::string::npos);
    EXPECT_NE(fault("{}").find("no member record"), std::string::npos);
    EXPECT_NE(fault(R"({"record":true,"instances":[]})").find("instances"), std::string::npos);
    EXPECT_NE(fault(R"({"record":true,"instances":[{"servers":[]}]})").find("no server"),
              std::string::npos);
    EXPECT_NE(fault(R"({"record":true,"instances":[{"start_at":"soon"}]})").find("start_at"),
              std::string::npos);
    EXPECT_NE(fault(R"({"record":true,"instances":[{},{}]})").find("twice"), std::string::npos);
    EXPECT_NE(fault(R"({"record":true,"instances":[{"headers":{"a":1}}]})").find("headers"),
              std::string::npos);
    EXPECT_NE(fault(R"({"record":true,"instances":[{"group":")" +
                    std::string(kMaxSettingBytes + 1, 'x') + "\"}]}")
                  .find("group"),
              std::string::npos);
    EXPECT_EQ(fault(R"({"record":true,"instances":[{"group":")" +
                    std::string(kMaxSettingBytes, 'x') + "\"}]}"),
              "none");
}

TEST(CallRule, ParallelIsANumberOfServersOrAllOfThem) {
    EXPECT_EQ(parse_parallel("1"), 1U);
    EXPECT_EQ(parse_parallel("16"), kMaxServers);
    EXPECT_EQ(parse_parallel("all"), kAllServers);
    EXPECT_EQ(parse_parallel("0"), kAllServers);
    for (const char* text : {"", "17", "-1", "some"}) EXPECT_FALSE(parse_parallel(text)) << text;
}

TEST(CallRule, APlanIsSpreadOverAsManyServersAsThereAre) {
    const auto copies = [](std::uint32_t parallel) {
        RecordingPlan plan;
        plan.settings.servers = {"sip:a@h", "sip:b@h"};
        plan.settings.parallel = parallel;
        return spread_parallel({plan});
    };
    EXPECT_EQ(copies(1).size(), 1U);
    EXPECT_EQ(copies(2).size(), 2U);
    EXPECT_EQ(copies(3).size(), 2U);
    EXPECT_EQ(copies(kAllServers).size(), 2U);
    EXPECT_EQ(copies(2)[0].copy, 0U);
    EXPECT_EQ(copies(2)[1].copy, 1U);
    EXPECT_EQ(spread_parallel({RecordingPlan{}}).size(), 1U);  // it fails, and says why
}

}  // namespace
}  // namespace earshot::policy
