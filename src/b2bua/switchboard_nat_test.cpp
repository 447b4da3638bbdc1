// Phones behind a NAT that register and are called through us.
#include <gmock/gmock.h>

#include "b2bua/switchboard_fixture.h"
#include "sip/dialog.h"

namespace earshot::b2bua {
namespace {

using sip::HeaderId;
using testing::SizeIs;

class SwitchboardNat : public SwitchboardFixture {
protected:
    SwitchboardNat() { host.answer_route = RouteTo{.next_hop = "sip:192.0.2.20"}; }

    // Alice, heard from 192.0.2.10:5060, registers this Contact; the registrar answers with those
    // `expires` (none: with no Contact at all). Returns what the registrar was told.
    std::string register_alice(const std::string& contact, const std::string& expires,
                               std::uint32_t cseq = 1) {
        sip::OutOfDialogSpec spec;
        spec.method = "REGISTER";
        spec.request_uri = "sip:example.com";
        spec.from = "<sip:alice@example.com>";
        spec.to = "<sip:alice@example.com>";
        spec.call_id = "registration";
        spec.cseq = cseq;
        spec.flow.remote = us.address;
        spec.headers = {{"Contact", "<" + contact + ">"}, {"Expires", "600"}};
        start(alice, spec);
        const auto arrived = request_at(bob);
        std::string told(*arrived.message.first_value(HeaderId::Contact));
        sip::ResponseSpec ok{.status = 200, .headers = {{"Contact", "<sip:x@192.0.2.99>"}}};
        if (!expires.empty()) ok.headers.push_back({"Contact", told + expires});
        respond(bob, arrived.transaction, ok);
        return told;
    }
};

TEST_F(SwitchboardNat, TellsOfAPhoneWhoseContactIsNotWhereItIs) {
    register_alice("sip:alice@10.0.0.7:5071", ";expires=300");
    ASSERT_THAT(host.registered, SizeIs(1));
    const Registered& phone = host.registered[0];
    EXPECT_EQ(phone.uri, "sip:alice@10.0.0.7:5071");
    EXPECT_EQ(base::to_string(phone.flow.remote), "192.0.2.10:5060");
    EXPECT_TRUE(phone.is_behind_nat);
    EXPECT_EQ(phone.time, 300s);
}

TEST_F(SwitchboardNat, TellsOfAPhoneThatIsWhereItSays) {
    register_alice("sip:alice@192.0.2.10:5060", ";expires=300");
    ASSERT_THAT(host.registered, SizeIs(1));
    EXPECT_FALSE(host.registered[0].is_behind_nat);
}

TEST_F(SwitchboardNat, TellsThatARegistrationHasEnded) {
    register_alice("sip:alice@10.0.0.7:5071", "");
    ASSERT_THAT(host.registered, SizeIs(1));
    EXPECT_EQ(host.registered[0].time, 0s);
    EXPECT_EQ(host.registered[0].uri, "");
    register_alice("sip:alice@10.0.0.7:5071", ";expires=0", 2);
    EXPECT_EQ(host.registered.back().time, 0s);
}

TEST_F(SwitchboardNat, ARegistrarThatDoesNotSayRegistersForAnHour) {
    register_alice("sip:alice@10.0.0.7:5071", ";q=1.0");
    ASSERT_THAT(host.registered, SizeIs(1));
    EXPECT_EQ(host.registered[0].time, 3600s);
}

// The phone's Contact leads nowhere from here: ACK and BYE go where its REGISTER came from.
TEST_F(SwitchboardNat, ReachesAPhoneBehindANatWithinTheCall) {
    const std::string contact = register_alice("sip:alice@10.0.0.7:5071", ";expires=300");
    sip::OutOfDialogSpec call = invite_spec(std::string(sip::uri_of(contact)));
    start(bob, call);
    const auto invite = request_at(alice);
    sip::ResponseSpec ok = ok_with(sdp_of("10.0.0.7", 4000));
    ok.headers = {{"Contact", "<sip:alice@10.0.0.7:5071>"}};
    respond(alice, invite.transaction, ok);
    const sip::DialogId dialog = response_at(bob).dialog;
    acknowledge(bob, dialog);
    EXPECT_TRUE(alice.take<sip::AckArrived>().has_value());
    request(bob, dialog, {.method = "BYE"});
    const auto bye = request_at(alice);
    EXPECT_EQ(bye.message.method(), sip::Method::Bye);
    EXPECT_EQ(bye.message.request_uri(), "sip:alice@10.0.0.7:5071");
}

// A place behind us by its address, all else by what its URI names.
TEST_F(SwitchboardNat, TellsItsHostWhereACallGoes) {
    const std::string contact = register_alice("sip:alice@10.0.0.7:5071", ";expires=300");
    start(bob, invite_spec(std::string(sip::uri_of(contact))));
    EXPECT_EQ(host.questions.back().hop, "192.0.2.10");
    start(alice, invite_spec("sip:bob@pbx.example.com"));
    EXPECT_EQ(host.questions.back().hop, "pbx.example.com");
}

}  // namespace
}  // namespace earshot::b2bua
