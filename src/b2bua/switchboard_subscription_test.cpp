// Subscriptions and REFER outside of calls, passed on as a proxy does.
#include <gmock/gmock.h>

#include "b2bua/own_names.h"
#include "b2bua/switchboard_fixture.h"

namespace earshot::b2bua {
namespace {

using sip::HeaderId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class SwitchboardSubscription : public SwitchboardFixture {
protected:
    SwitchboardSubscription() { host.answer_route = RouteTo{.next_hop = "sip:192.0.2.20"}; }

    // Alice watches a line of the PBX, which is bob.
    sip::OutOfDialogSpec subscribe_spec(const std::string& method = "SUBSCRIBE") const {
        sip::OutOfDialogSpec spec;
        spec.method = method;
        spec.request_uri = "sip:7001@example.com";
        spec.from = "<sip:alice@example.com>";
        spec.to = "<sip:7001@example.com>";
        spec.call_id = "watching";
        spec.from_tag = "alices";
        spec.flow.remote = us.address;
        spec.headers = {
            {"Contact", "<sip:alice@10.0.0.7:5071>"}, {"Event", "dialog"}, {"Expires", "600"}};
        return spec;
    }
    void subscribe(const sip::OutOfDialogSpec& spec) {
        start(alice, spec);
        const auto arrived = request_at(bob);
        bobs_tag = bob.agent.local_tag(arrived.transaction);
        routes = values(arrived.message, HeaderId::RecordRoute);
        respond(
            bob, arrived.transaction,
            {.status = 200, .headers = {{"Contact", "<sip:line@192.0.2.20>"}, {"Expires", "300"}}});
        answer = response_at(alice).message;
    }
    // Within the dialog.
    sip::OutOfDialogSpec notify_spec() const {
        sip::OutOfDialogSpec spec;
        spec.method = "NOTIFY";
        spec.request_uri = "sip:alice@10.0.0.7:5071";
        spec.routes = routes;
        spec.from = "<sip:7001@example.com>";
        spec.from_tag = bobs_tag;
        spec.to = "<sip:alice@example.com>;tag=alices";
        spec.call_id = "watching";
        spec.flow.remote = us.address;
        spec.headers = {{"Event", "dialog"},
                        {"Subscription-State", "active;expires=300"},
                        {"Contact", "<sip:line@192.0.2.20>"}};
        spec.content_type = "application/dialog-info+xml";
        spec.body = "<dialog-info/>";
        return spec;
    }
    sip::OutOfDialogSpec refresh_spec() const {
        sip::OutOfDialogSpec spec = subscribe_spec();
        spec.request_uri = "sip:line@192.0.2.20";
        spec.routes = {routes.rbegin(), routes.rend()};
        spec.to = "<sip:7001@example.com>;tag=" + bobs_tag;
        spec.cseq = 2;
        return spec;
    }
    static std::vector<std::string> values(const sip::Message& message, HeaderId id) {
        std::vector<std::string> all;
        for (const std::string_view value : message.values(id)) all.emplace_back(value);
        return all;
    }

    std::string bobs_tag;
    std::vector<std::string> routes;  // as bob was told
    sip::Message answer;
};

TEST_F(SwitchboardSubscription, LeavesTheDialogToItsEndsAndStaysOnTheWay) {
    subscribe(subscribe_spec());
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.to_tag(), bobs_tag);
    EXPECT_EQ(*answer.find(HeaderId::Contact), "<sip:line@192.0.2.20>");
    EXPECT_EQ(*answer.find(HeaderId::Expires), "300");
    EXPECT_EQ(values(answer, HeaderId::RecordRoute), routes);
    ASSERT_THAT(routes, SizeIs(2));
    EXPECT_EQ(routes[0], "<sip:192.0.2.1:5062;lr>");
    EXPECT_THAT(routes[1], StartsWith("<sip:earshot-"));
    EXPECT_THAT(routes[1], HasSubstr("@192.0.2.1:5062;lr>"));
    expect_nothing_left();
}

TEST_F(SwitchboardSubscription, PassesItsNotificationsToWhereItCameFrom) {
    subscribe(subscribe_spec());
    start(bob, notify_spec());
    const auto told = request_at(alice);
    EXPECT_EQ(told.message.method(), sip::Method::Notify);
    EXPECT_EQ(told.message.request_uri(), "sip:alice@10.0.0.7:5071");
    EXPECT_EQ(told.message.to_tag(), "alices");
    EXPECT_EQ(told.message.from_tag(), bobs_tag);
    EXPECT_EQ(told.message.call_id(), "watching");
    EXPECT_THAT(values(told.message, HeaderId::Route), IsEmpty());
    EXPECT_EQ(base::as_text(told.message.body()), "<dialog-info/>");
    EXPECT_EQ(*told.message.find(HeaderId::Contact), "<sip:line@192.0.2.20>");
    EXPECT_TRUE(host.questions.back().is_to_registered);
    respond(alice, told.transaction, {.status = 200});
    EXPECT_EQ(response_at(bob).message.status(), 200);
    expect_nothing_left();
}

TEST_F(SwitchboardSubscription, PassesItsRefreshAndItsEnd) {
    subscribe(subscribe_spec());
    start(alice, refresh_spec());
    const auto refresh = request_at(bob);
    EXPECT_EQ(refresh.message.request_uri(), "sip:line@192.0.2.20");
    EXPECT_EQ(refresh.message.to_tag(), bobs_tag);
    EXPECT_EQ(refresh.message.cseq().number, 2U);
    EXPECT_THAT(values(refresh.message, HeaderId::Route), IsEmpty());
    respond(bob, refresh.transaction, {.status = 481});
    const auto refused = response_at(alice);
    EXPECT_EQ(refused.message.status(), 481);
    EXPECT_EQ(refused.message.to_tag(), bobs_tag);
}

TEST_F(SwitchboardSubscription, KeepsTheWayThatProxiesOnBothSidesHaveRecorded) {
    sip::OutOfDialogSpec spec = subscribe_spec();
    spec.headers.push_back({"Record-Route", "<sip:192.0.2.10:5060;lr>"});  // before us
    subscribe(spec);
    ASSERT_THAT(routes, SizeIs(3));
    EXPECT_EQ(routes[2], "<sip:192.0.2.10:5060;lr>");
    start(bob, notify_spec());
    const auto told = request_at(alice);
    EXPECT_THAT(values(told.message, HeaderId::Route), ElementsAre("<sip:192.0.2.10:5060;lr>"));
    sip::OutOfDialogSpec refresh = refresh_spec();  // alice's proxy has taken its own off
    refresh.routes.erase(refresh.routes.begin());
    refresh.routes.push_back("<sip:192.0.2.20;lr>");  // behind us
    start(alice, refresh);
    EXPECT_THAT(values(request_at(bob).message, HeaderId::Route),
                ElementsAre("<sip:192.0.2.20;lr>"));
}

TEST_F(SwitchboardSubscription, ANotificationMayOvertakeTheAnswer) {  // RFC 6665 §4.4.1
    start(alice, subscribe_spec());
    const auto arrived = request_at(bob);
    bobs_tag = bob.agent.local_tag(arrived.transaction);
    routes = values(arrived.message, HeaderId::RecordRoute);
    start(bob, notify_spec());
    const auto told = request_at(alice);
    // The dialog is made by it: from it the subscriber learns the way.
    const auto way = values(told.message, HeaderId::RecordRoute);
    ASSERT_THAT(way, SizeIs(2));
    sip::OutOfDialogSpec refresh = refresh_spec();
    refresh.routes = way;  // as the one who was asked has it: in order
    start(alice, refresh);
    EXPECT_EQ(request_at(bob).message.cseq().number, 2U);
}

TEST_F(SwitchboardSubscription, OfThePbxToAPhoneGoesToThePhoneAlsoWhenItIsRefreshed) {
    sip::OutOfDialogSpec call = subscribe_spec();
    call.headers = {{"Contact", "<sip:alice@10.0.0.7:5071>"}, {"Expires", "600"}};
    call.method = "REGISTER";
    start(alice, call);
    const std::string contact(*request_at(bob).message.first_value(HeaderId::Contact));

    sip::OutOfDialogSpec spec = subscribe_spec();
    spec.request_uri = std::string(sip::uri_of(contact));
    spec.from_tag = "pbxs";
    spec.headers[0].value = "<sip:line@192.0.2.20>";
    start(bob, spec);
    const auto arrived = request_at(alice);
    EXPECT_EQ(arrived.message.request_uri(), "sip:alice@10.0.0.7:5071");
    routes = values(arrived.message, HeaderId::RecordRoute);
    const std::string tag(alice.agent.local_tag(arrived.transaction));
    respond(alice, arrived.transaction, {.status = 200});

    spec.request_uri = "sip:alice@10.0.0.7:5071";
    spec.routes = {routes.rbegin(), routes.rend()};
    spec.to += ";tag=" + tag;
    spec.cseq = 2;
    start(bob, spec);
    EXPECT_EQ(request_at(alice).message.cseq().number, 2U) << "and not to the next hop";
}

TEST_F(SwitchboardSubscription, NothingPassesInDialogsThatDidNotComeAboutThroughHere) {
    bobs_tag = "bobs";
    start(bob, notify_spec());
    EXPECT_EQ(response_at(bob).message.status(), 481);
    start(alice, refresh_spec());
    EXPECT_EQ(response_at(alice).message.status(), 481);
    EXPECT_EQ(alice.count<sip::RequestArrived>() + bob.count<sip::RequestArrived>(), 0U);
}

TEST_F(SwitchboardSubscription, NobodyIsLedToAPlaceThatWeDidNotSeal) {
    subscribe(subscribe_spec());
    const Places forger(PlaceSecret{6, 6, 6});
    routes[1] =
        "<" +
        forger.to_uri("sip:192.0.2.1:5062", {"sip:carol@192.0.2.30", {.remote = carol.address}}) +
        ";lr>";
    start(bob, notify_spec());
    EXPECT_THAT(carol.received, IsEmpty());
    EXPECT_EQ(host.questions.back().is_to_registered, false);
}

TEST_F(SwitchboardSubscription, PassesAReferOutsideOfCallsAndWhatBecomesOfIt) {  // RFC 3515
    sip::OutOfDialogSpec spec = subscribe_spec("REFER");
    spec.headers = {{"Contact", "<sip:alice@10.0.0.7:5071>"}, {"Refer-To", "<sip:c@example.com>"}};
    start(alice, spec);
    const auto arrived = request_at(bob);
    EXPECT_EQ(*arrived.message.find(HeaderId::ReferTo), "<sip:c@example.com>");
    bobs_tag = bob.agent.local_tag(arrived.transaction);
    routes = values(arrived.message, HeaderId::RecordRoute);
    respond(bob, arrived.transaction, {.status = 202});
    EXPECT_EQ(response_at(alice).message.status(), 202);
    sip::OutOfDialogSpec notify = notify_spec();
    notify.headers[0].value = "refer";
    notify.content_type = "message/sipfrag";
    notify.body = "SIP/2.0 200 OK\r\n";
    start(bob, notify);
    EXPECT_EQ(base::as_text(request_at(alice).message.body()), "SIP/2.0 200 OK\r\n");
    expect_nothing_left();
}

TEST_F(SwitchboardSubscription, AReferThatNamesACallOfOursNamesItAsTheFarEndKnowsIt) {
    establish();
    const auto near = alice.agent.find_dialog(alice_dialog);
    const auto far = bob.agent.find_dialog(bob_dialog);
    ASSERT_TRUE(near && far);
    sip::OutOfDialogSpec spec = subscribe_spec("REFER");
    spec.headers = {{"Contact", "<sip:alice@10.0.0.7:5071>"},
                    {"Refer-To", fmt::format("<sip:bob@192.0.2.20?Replaces={}%3Bto-tag%3D{}%3B"
                                             "from-tag%3D{}>",
                                             near->call_id, near->remote_tag, near->local_tag)}};
    start(alice, spec);
    EXPECT_THAT(std::string(*request_at(bob).message.find(HeaderId::ReferTo)),
                HasSubstr(std::string(far->call_id)));
}

}  // namespace
}  // namespace earshot::b2bua
