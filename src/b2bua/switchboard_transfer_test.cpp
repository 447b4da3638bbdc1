// Transfers (RFC 5589): each party's names of dialogs are exchanged for those of the other leg.
#include <gmock/gmock.h>

#include "b2bua/dialog_name.h"
#include "b2bua/switchboard_fixture.h"

namespace earshot::b2bua {
namespace {

using sip::HeaderId;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class SwitchboardTransfer : public SwitchboardFixture {
protected:
    // Alice's second call, to carol.
    void establish_second() {
        first_call = host.last_call;
        start(alice, invite_spec("sip:carol@192.0.2.30"));
        const auto invite = request_at(carol);
        carol_dialog = respond(carol, invite.transaction, ok_with(sdp_of("192.0.2.30", 8000)));
        second_dialog = response_at(alice).dialog;
        acknowledge(alice, second_dialog);
        second_call = host.last_call;
        alice.heard.clear();
        carol.heard.clear();
        host.take_log();
    }
    // As RFC 5589 §7.3 writes it: of alice's second dialog, as she knows it.
    std::string refer_to(std::string_view uri) {
        const auto facts = alice.agent.find_dialog(second_dialog);
        return to_string(ReferTo{.before = "<",
                                 .uri = std::string(uri),
                                 .headers = "Require=replaces",
                                 .replaces = DialogName{.call_id = std::string(facts->call_id),
                                                        .to_tag = std::string(facts->remote_tag),
                                                        .from_tag = std::string(facts->local_tag)},
                                 .after = ">"});
    }
    // Bob does as he was told, by way of us.
    sip::RequestArrived follow(const std::string& told) {
        const auto asked = parse_refer_to(told);
        EXPECT_TRUE(asked && asked->replaces);
        sip::OutOfDialogSpec spec = invite_spec(asked->uri);
        spec.from = "<sip:bob@example.com>";
        spec.flow.remote = us.address;
        spec.headers = {{"Replaces", to_string(*asked->replaces)}};
        start(bob, spec);
        return request_at(carol);
    }
    void expect_names_carols_dialog(const sip::Message& invite) {
        const auto name = parse_dialog_name(*invite.find(HeaderId::Replaces));
        ASSERT_TRUE(name.has_value());
        EXPECT_EQ(carol.agent.find_dialog(name->call_id, name->to_tag, name->from_tag),
                  carol_dialog);
    }

    CallKey first_call;
    CallKey second_call;
    sip::DialogId second_dialog;
    sip::DialogId carol_dialog;
};

TEST_F(SwitchboardTransfer, PassesABlindTransferAndKnowsTheCallThatFollows) {  // RFC 5589 §6
    establish();
    first_call = host.last_call;
    request(alice, alice_dialog,
            {.method = "REFER",
             .headers = {{"Refer-To", "<sip:carol@192.0.2.30>"},
                         {"Referred-By", "<sip:alice@example.com>"}}});
    const auto refer = request_at(bob);
    EXPECT_EQ(*refer.message.find(HeaderId::ReferTo), "<sip:carol@192.0.2.30>");
    EXPECT_EQ(*refer.message.find("Referred-By"), "<sip:alice@example.com>");
    respond(bob, refer.transaction, {.status = 202});
    EXPECT_EQ(response_at(alice).message.status(), 202);
    request(bob, bob_dialog,
            {.method = "NOTIFY",
             .headers = {{"Event", "refer"}, {"Subscription-State", "active;expires=60"}},
             .content_type = "message/sipfrag;version=2.0",
             .body = "SIP/2.0 100 Trying\r\n"});
    const auto notify = request_at(alice);
    EXPECT_EQ(*notify.message.find(HeaderId::SubscriptionState), "active;expires=60");
    respond(alice, notify.transaction, {.status = 200});
    request(alice, alice_dialog, {.method = "BYE"});
    respond(bob, request_at(bob).transaction, {.status = 200});
    host.take_log();

    sip::OutOfDialogSpec spec = invite_spec("sip:carol@192.0.2.30");
    spec.headers = {{"Referred-By", "<sip:alice@example.com>"}};
    start(bob, spec);
    EXPECT_THAT(host.take_log(),
                ElementsAre("arrived", fmt::format("transferred {}", first_call.value), "offer A"));
    EXPECT_EQ(switchboard.find_call(host.last_call)->transferred_from, first_call);
}

TEST_F(SwitchboardTransfer, MapsTheDialogOfAnAttendedTransfer) {  // RFC 5589 §7
    establish();
    establish_second();
    request(alice, alice_dialog,
            {.method = "REFER", .headers = {{"Refer-To", refer_to("sip:carol@192.0.2.30")}}});
    const auto refer = request_at(bob);
    const std::string told(*refer.message.find(HeaderId::ReferTo));
    EXPECT_THAT(told, StartsWith("<sip:carol@192.0.2.30?Replaces="));
    EXPECT_THAT(told, HasSubstr("&Require=replaces>"));
    respond(bob, refer.transaction, {.status = 202});
    host.take_log();
    const auto invite = follow(told);
    expect_names_carols_dialog(invite.message);
    EXPECT_THAT(host.take_log(),
                ElementsAre("arrived", fmt::format("transferred {} attended", second_call.value),
                            fmt::format("transferred {}", first_call.value), "offer A"));
    respond(carol, invite.transaction, ok_with(sdp_of("192.0.2.30", 8000)));
    acknowledge(bob, response_at(bob).dialog);
    request(carol, carol_dialog, {.method = "BYE"});
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
}

TEST_F(SwitchboardTransfer, LeadsATransferToOurOwnContactToTheFarEnd) {
    establish();
    establish_second();
    // Alice takes the Contact of her second dialog, which is ours.
    const std::string contact(alice.agent.find_dialog(second_dialog)->remote_target);
    EXPECT_EQ(contact, "sip:192.0.2.1:5062");
    request(alice, alice_dialog, {.method = "REFER", .headers = {{"Refer-To", refer_to(contact)}}});
    const std::string told(*request_at(bob).message.find(HeaderId::ReferTo));
    EXPECT_THAT(told, StartsWith("<sip:earshot-"));
    EXPECT_THAT(told, HasSubstr("@192.0.2.1:5062?Replaces="));
    const auto invite = follow(told);  // by way of us, so that it can be recorded
    EXPECT_EQ(invite.message.request_uri(), "sip:192.0.2.30:5060");
    expect_names_carols_dialog(invite.message);
}

TEST_F(SwitchboardTransfer, LeadsAnInviteThatReplacesADialogOfOursToItsFarEnd) {
    establish();
    establish_second();
    const auto facts = alice.agent.find_dialog(second_dialog);
    sip::OutOfDialogSpec spec = invite_spec(std::string(facts->remote_target));
    spec.headers = {{"Replaces", fmt::format("{};to-tag={};from-tag={}", facts->call_id,
                                             facts->remote_tag, facts->local_tag)}};
    start(bob, spec);
    const auto invite = request_at(carol);
    EXPECT_EQ(invite.message.request_uri(), "sip:192.0.2.30:5060");
    expect_names_carols_dialog(invite.message);
    EXPECT_THAT(host.log, Contains(fmt::format("transferred {} attended", second_call.value)));
}

TEST_F(SwitchboardTransfer, LeavesDialogsAloneThatAreNotOurs) {
    establish();
    const std::string value = "<sip:x@192.0.2.99?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    request(alice, alice_dialog, {.method = "REFER", .headers = {{"Refer-To", value}}});
    EXPECT_EQ(*request_at(bob).message.find(HeaderId::ReferTo),
              "<sip:x@192.0.2.99?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>");
    sip::OutOfDialogSpec spec = invite_spec();
    spec.headers = {{"Replaces", "a@b;to-tag=1;from-tag=2;early-only"}};
    start(alice, spec);
    EXPECT_EQ(*request_at(bob).message.find(HeaderId::Replaces),
              "a@b;to-tag=1;from-tag=2;early-only");
}

TEST_F(SwitchboardTransfer, MapsTheNumberThatNamesAReferInItsNotify) {  // RFC 3515 §2.4.6
    establish();
    // So that the CSeqs of the two legs differ.
    request(alice, alice_dialog, {.method = "PRACK", .headers = {{"RAck", "1 1 INVITE"}}});
    request(alice, alice_dialog,
            {.method = "REFER", .headers = {{"Refer-To", "<sip:carol@192.0.2.30>"}}});
    const auto refer = request_at(bob);
    const auto cseq = alice.agent.find_dialog(alice_dialog)->local_cseq;
    ASSERT_NE(refer.message.cseq().number, cseq);
    request(bob, bob_dialog,
            {.method = "NOTIFY",
             .headers = {{"Event", fmt::format("refer;id={}", refer.message.cseq().number)}}});
    EXPECT_EQ(*request_at(alice).message.find(HeaderId::Event), fmt::format("refer;id={}", cseq));
}

}  // namespace
}  // namespace earshot::b2bua
