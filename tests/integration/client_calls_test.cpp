// What passes through the recording client beside plain calls, by the real binaries: transfers and
// the groups that they make at the server, subscriptions, streams that break.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>

#include "integration/agent_phone.h"
#include "integration/fake_hook.h"
#include "integration/harness.h"
#include "integration/tcp_client.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using sip::HeaderId;
using sip::Method;
using testing::HasSubstr;
using testing::StartsWith;

class ClientCalls : public testing::Test {
protected:
    void begin(const std::string& config = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n" + config))
            << client_.log();
        phones_ = std::make_unique<AgentPhones>(client_.sip());
    }
    // So many of the running calls are recorded now.
    void expect_recorded(std::size_t count) {
        EXPECT_TRUE(eventually([&] { return count_in("recording") == count; }))
            << client_.calls().dump(1) << client_.log();
    }
    std::size_t count_in(std::string_view state) const {
        std::size_t count = 0;
        for (const json& call : client_.calls())
            for (const json& recording : call["recordings"])
                count += recording["state"] == state ? 1 : 0;
        return count;
    }
    // The recordings are of one group; returns who took part in the newest.
    std::set<std::string> expect_one_group(std::size_t count) {
        const json recordings = server_.wait_for_recordings(count);
        EXPECT_EQ(recordings.size(), count) << client_.log();
        std::set<std::string> groups;
        for (const json& recording : recordings)
            groups.insert(recording["group"].is_string() ? recording["group"] : "none");
        EXPECT_EQ(groups.size(), 1U) << recordings.dump(1);
        EXPECT_FALSE(groups.contains("none")) << recordings.dump(1);
        std::set<std::string> parties;
        if (recordings.empty()) return parties;
        for (const json& participant : recordings[0]["participants"])
            parties.insert(participant["aor"].get<std::string>());
        return parties;
    }
    // The transferee does as it is told: 202, the INVITE, NOTIFY with the outcome.
    AgentPhones::Call obey(const sip::RequestArrived& refer, AgentPhone& transferee,
                           sip::DialogId dialog, AgentPhone& transferor, AgentPhone& target,
                           sip::OutOfDialogSpec spec) {
        transferee.respond(refer.transaction, {.status = 202});
        spec.headers.push_back({"Referred-By", "<" + transferor.uri() + ">"});
        const sip::TransactionId invite = transferee.start(spec);
        const auto arrived = phones_->request_at(target, Method::Invite);
        replaces_ = arrived.message.find(HeaderId::Replaces).value_or("");
        const auto made = phones_->answer(transferee, invite, target, arrived);
        const sip::TransactionId notify = transferee.send(
            dialog, {.method = "NOTIFY",
                     .headers = {{"Event", "refer"}, {"Subscription-State", "terminated"}},
                     .content_type = "message/sipfrag",
                     .body = "SIP/2.0 200 OK\r\n"});
        const auto told = phones_->request_at(transferor, Method::Notify);
        EXPECT_EQ(base::as_text(told.message.body()), "SIP/2.0 200 OK\r\n");
        transferor.respond(told.transaction, {.status = 200});
        EXPECT_EQ(phones_->final_at(transferee, notify).status(), 200);
        return made;
    }

    TestServer server_;
    TestClient client_;
    std::unique_ptr<AgentPhones> phones_;
    std::string replaces_;  // of the INVITE that the target of a transfer had
};

TEST_F(ClientCalls, ABlindTransferMakesOneGroup) {  // RFC 5589 §6
    begin();
    AgentPhone& ada = phones_->add("ada");
    AgentPhone& bo = phones_->add("bo");
    AgentPhone& cy = phones_->add("cy");
    const auto first = phones_->call(ada, bo);
    expect_recorded(1);
    const sip::TransactionId refer = ada.send(
        first.caller, {.method = "REFER", .headers = {{"Refer-To", "<" + cy.uri() + ">"}}});
    const auto told = phones_->request_at(bo, Method::Refer);
    EXPECT_EQ(*told.message.find(HeaderId::ReferTo), "<" + cy.uri() + ">");
    const auto second = obey(told, bo, first.callee, ada, cy, bo.request_to(cy.uri()));
    EXPECT_EQ(phones_->final_at(ada, refer).status(), 202);
    expect_recorded(2);
    phones_->hang_up(ada, first.caller, bo);
    phones_->hang_up(bo, second.caller, cy);
    EXPECT_EQ(expect_one_group(2), (std::set<std::string>{bo.uri(), cy.uri()}));
}

TEST_F(ClientCalls, AnAttendedTransferMakesOneGroupOfThreeCalls) {  // RFC 5589 §7
    begin();
    AgentPhone& ada = phones_->add("ada");
    AgentPhone& bo = phones_->add("bo");
    AgentPhone& cy = phones_->add("cy");
    const auto first = phones_->call(ada, bo);
    const auto consult = phones_->call(ada, cy);
    expect_recorded(2);
    const auto named = ada.agent().find_dialog(consult.caller);
    ASSERT_TRUE(named);
    const std::string replaces = std::string(named->call_id) + "%3Bto-tag%3D" +
                                 std::string(named->remote_tag) + "%3Bfrom-tag%3D" +
                                 std::string(named->local_tag);
    const sip::TransactionId refer = ada.send(
        first.caller, {.method = "REFER",
                       .headers = {{"Refer-To", "<" + cy.uri() + "?Replaces=" + replaces + ">"}}});
    const auto told = phones_->request_at(bo, Method::Refer);
    const std::string refer_to(*told.message.find(HeaderId::ReferTo));
    const std::size_t begins = refer_to.find("Replaces=");
    ASSERT_NE(begins, std::string::npos) << refer_to;
    std::string name = refer_to.substr(begins + 9, refer_to.find('>') - begins - 9);
    for (const auto& [escape, character] : {std::pair{"%3B", ";"}, std::pair{"%3D", "="}})
        for (std::size_t at = name.find(escape); at != std::string::npos; at = name.find(escape))
            name.replace(at, 3, character);
    sip::OutOfDialogSpec spec = bo.request_to(cy.uri());
    spec.headers = {{"Replaces", name}};
    const auto third = obey(told, bo, first.callee, ada, cy, spec);
    EXPECT_EQ(phones_->final_at(ada, refer).status(), 202);
    // What cy was told to replace is its own dialog of the consultation.
    const auto own = cy.agent().find_dialog(consult.callee);
    ASSERT_TRUE(own);
    EXPECT_THAT(replaces_, StartsWith(std::string(own->call_id) + ";"));
    EXPECT_THAT(replaces_, HasSubstr("to-tag=" + std::string(own->local_tag)));
    EXPECT_THAT(replaces_, HasSubstr("from-tag=" + std::string(own->remote_tag)));
    phones_->hang_up(cy, consult.callee, ada);
    phones_->hang_up(ada, first.caller, bo);
    expect_recorded(1);
    phones_->hang_up(bo, third.caller, cy);
    EXPECT_EQ(expect_one_group(3), (std::set<std::string>{bo.uri(), cy.uri()}));
}

// Without any rule about groups: who holds one call and makes another consults about it.
TEST_F(ClientCalls, AConsultationIsInTheGroupOfTheCallThatIsHeldMeanwhile) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    AgentPhone& customer = phones_->add("customer");
    AgentPhone& expert = phones_->add("expert");
    const auto first = phones_->call(customer, ada);
    expect_recorded(1);
    const auto say = [&](std::string_view direction, std::string_view answered) {
        const sip::TransactionId invite = ada.send(first.callee, {.method = "INVITE",
                                                                  .headers = {},
                                                                  .content_type = "application/sdp",
                                                                  .body = ada.sdp(direction)});
        customer.respond(phones_->request_at(customer, Method::Invite).transaction,
                         customer.answer(answered));
        EXPECT_EQ(phones_->final_at(ada, invite).status(), 200);
        ada.acknowledge(first.callee);
    };
    const auto is_held = [&](bool wanted) {
        return eventually([&] {
            const json calls = client_.calls();
            return calls.size() == 1 && calls[0]["held"] == wanted;
        });
    };
    say("sendonly", "recvonly");
    ASSERT_TRUE(is_held(true)) << client_.log();
    const auto consult = phones_->call(ada, expert);
    expect_recorded(2);
    phones_->hang_up(ada, consult.caller, expert);
    say("sendrecv", "sendrecv");
    ASSERT_TRUE(is_held(false)) << client_.log();
    const auto other = phones_->call(ada, expert);  // has nothing to do with the customer
    expect_recorded(2);
    phones_->hang_up(ada, other.caller, expert);
    phones_->hang_up(customer, first.caller, ada);
    const json all = server_.wait_for_recordings(3);
    ASSERT_EQ(all.size(), 3U) << client_.log();
    EXPECT_TRUE(all[0]["group"].is_null()) << all[0].dump(1);  // the newest
    EXPECT_TRUE(all[1]["group"].is_string()) << all[1].dump(1);
    EXPECT_EQ(all[1]["group"], all[2]["group"]);
}

// What a floor's mix cannot take is recorded all the same.
TEST_F(ClientCalls, ACallThatCannotBeMixedHasASessionOfItsOwn) {
    begin(
        "[[client.rule]]\nname = \"floor\"\nsession = \"persistent\"\nmix = true\n"
        "indication = \"agreed\"\nagreed_reason = \"contract of employment\"\n");
    AgentPhone& ada = phones_->add("ada");
    AgentPhone& bo = phones_->add("bo");
    AgentPhone& cy = phones_->add("cy");
    const auto mixed = phones_->call(ada, cy);
    expect_recorded(1);
    EXPECT_EQ(client_.calls()[0]["recordings"][0]["shared"], "floor");
    const std::string opus =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio 9 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n";
    sip::OutOfDialogSpec spec = ada.request_to(bo.uri());
    spec.body = opus;
    const sip::TransactionId invite = ada.start(spec);
    const auto arrived = phones_->request_at(bo, Method::Invite);
    sip::ResponseSpec taken = bo.answer();
    taken.body = opus;
    bo.respond(arrived.transaction, taken);
    EXPECT_EQ(phones_->final_at(ada, invite).status(), 200);
    expect_recorded(2);
    std::set<std::string> sessions;
    for (const json& call : client_.calls())
        sessions.insert(call["recordings"][0]["shared"].is_string() ? "shared" : "own");
    EXPECT_EQ(sessions, (std::set<std::string>{"own", "shared"})) << client_.calls().dump(1);
    EXPECT_THAT(client_.log(), HasSubstr("recording: own_session"));
    phones_->hang_up(ada, mixed.caller, cy);
}

TEST_F(ClientCalls, ASubscriptionItsNotificationsAndItsRefreshPass) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    AgentPhone& pbx = phones_->add("pbx");
    sip::OutOfDialogSpec spec = ada.request_to(pbx.uri());
    spec.method = "SUBSCRIBE";
    spec.from_tag = "ada";
    spec.call_id = "watching@ada";
    spec.headers = {{"Contact", "<" + ada.uri() + ">"}, {"Event", "message-summary"}};
    spec.body.clear();
    spec.content_type.clear();
    const sip::TransactionId subscribe = ada.start(spec);
    const auto asked = phones_->request_at(pbx, Method::Subscribe);
    const std::string tag(pbx.agent().local_tag(asked.transaction));
    std::vector<std::string> routes;
    for (const std::string_view route : asked.message.values(HeaderId::RecordRoute))
        routes.emplace_back(route);
    pbx.respond(asked.transaction,
                {.status = 200, .headers = {{"Contact", "<" + pbx.uri() + ">"}}});
    const sip::Message accepted = phones_->final_at(ada, subscribe);
    EXPECT_EQ(accepted.status(), 200);
    EXPECT_EQ(accepted.to_tag(), tag);

    sip::OutOfDialogSpec notify = pbx.request_to(ada.uri());
    notify.method = "NOTIFY";
    notify.from_tag = tag;
    notify.to = "<" + ada.uri() + ">;tag=ada";
    notify.call_id = "watching@ada";
    notify.routes = routes;
    notify.headers = {{"Event", "message-summary"}, {"Subscription-State", "active"}};
    notify.content_type = "application/simple-message-summary";
    notify.body = "Messages-Waiting: yes\r\n";
    const sip::TransactionId told = pbx.start(notify);
    const auto news = phones_->request_at(ada, Method::Notify);
    EXPECT_EQ(base::as_text(news.message.body()), "Messages-Waiting: yes\r\n");
    ada.respond(news.transaction, {.status = 200});
    EXPECT_EQ(phones_->final_at(pbx, told).status(), 200);

    spec.cseq = 2;
    spec.to += ";tag=" + tag;
    spec.routes = {routes.rbegin(), routes.rend()};
    spec.headers.push_back({"Expires", "0"});
    const sip::TransactionId end = ada.start(spec);
    const auto ended = phones_->request_at(pbx, Method::Subscribe);
    EXPECT_EQ(*ended.message.find(HeaderId::Expires), "0");
    pbx.respond(ended.transaction, {.status = 200});
    EXPECT_EQ(phones_->final_at(ada, end).status(), 200);
}

TEST_F(ClientCalls, AStreamThatCannotBeFollowedIsAnsweredAndClosed) {
    begin();
    TcpClient tcp(
        static_cast<std::uint16_t>(std::stoi(client_.sip().substr(client_.sip().rfind(':') + 1))));
    tcp.send(
        "OPTIONS sip:bo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n"
        "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n");
    EXPECT_THAT(tcp.receive(), StartsWith("SIP/2.0 400 Missing Content-Length"));
    EXPECT_TRUE(tcp.is_closed_by_peer());
}

// The hook is asked while the caller holds, presses keys and goes on; its answer finds all of it.
TEST_F(ClientCalls, WhatHappensWhileTheHookIsAskedIsNotLost) {
    ASSERT_TRUE(server_.start()) << server_.log();
    std::promise<void> may_answer;
    const auto answer = may_answer.get_future().share();
    FakeHook hook([&] {
        answer.wait_for(std::chrono::seconds{20});
        return http::make_response(200, "application/json",
                                   R"({"record":true,"instances":[{"servers":[")" +
                                       server_.sip_uri() + R"("],"on_demand":true}]})");
    });
    ASSERT_TRUE(client_.start("[client]\ndecision_url = \"" + hook.url() +
                              "\"\ndecision_deadline_ms = 20000\n"
                              "[[client.on]]\nname = \"code\"\nevent = \"dtmf\"\ndigits = \"*1\"\n"
                              "action = \"start\"\n"))
        << client_.log();
    phones_ = std::make_unique<AgentPhones>(client_.sip());
    AgentPhone& ada = phones_->add("ada");
    AgentPhone& bo = phones_->add("bo");
    const auto call = phones_->call(ada, bo);
    for (const char* key : {"*", "1"}) {
        const sip::TransactionId info =
            ada.send(call.caller, {.method = "INFO",
                                   .headers = {},
                                   .content_type = "application/dtmf-relay",
                                   .body = std::string("Signal=") + key + "\r\nDuration=160\r\n"});
        bo.respond(phones_->request_at(bo, Method::Info).transaction, {.status = 200});
        EXPECT_EQ(phones_->final_at(ada, info).status(), 200);
    }
    may_answer.set_value();
    expect_recorded(1);
    phones_->hang_up(ada, call.caller, bo);
}

TEST_F(ClientCalls, WhatAnOperatorHasPausedTheEndOfAHoldDoesNotResume) {
    begin(
        "[[client.on]]\nname = \"hold\"\nevent = \"hold\"\naction = \"pause\"\n"
        "[[client.on]]\nname = \"unhold\"\nevent = \"unhold\"\naction = \"resume\"\n");
    AgentPhone& ada = phones_->add("ada");
    AgentPhone& bo = phones_->add("bo");
    const auto call = phones_->call(ada, bo);
    expect_recorded(1);
    const std::string call_id = client_.calls()[0]["call_id"];
    const auto change = [&](std::string_view direction, std::string_view answered) {
        const sip::TransactionId invite = ada.send(call.caller, {.method = "INVITE",
                                                                 .headers = {},
                                                                 .content_type = "application/sdp",
                                                                 .body = ada.sdp(direction)});
        bo.respond(phones_->request_at(bo, Method::Invite).transaction, bo.answer(answered));
        EXPECT_EQ(phones_->final_at(ada, invite).status(), 200);
        ada.acknowledge(call.caller);
    };
    change("sendonly", "recvonly");
    EXPECT_TRUE(eventually([&] { return count_in("paused") == 1; })) << client_.log();
    EXPECT_EQ(client_.run({"pause", call_id, "--client"}).exit_code, 0);
    change("sendrecv", "sendrecv");
    EXPECT_TRUE(eventually([&] {
        return client_.log().find("paused_by_operator") != std::string::npos ||
               client_.log().find("An operator has paused") != std::string::npos;
    })) << client_.log();
    EXPECT_EQ(count_in("paused"), 1U) << client_.log();
    EXPECT_EQ(client_.run({"resume", call_id, "--client"}).exit_code, 0);
    expect_recorded(1);
    change("sendonly", "recvonly");  // and by triggers alone it goes on as before
    EXPECT_TRUE(eventually([&] { return count_in("paused") == 1; })) << client_.log();
    change("sendrecv", "sendrecv");
    expect_recorded(1);
    phones_->hang_up(ada, call.caller, bo);
}

}  // namespace
}  // namespace earshot::integration
