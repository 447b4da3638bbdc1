// What passes unchanged; registrations and other requests outside of calls.
#include <gmock/gmock.h>

#include <algorithm>

#include "b2bua/limits.h"
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

// The lines of a message but those that every hop or leg writes anew.
std::vector<std::string> passed_lines(const sip::Message& message) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < message.header_count(); ++i) {
        const sip::HeaderView field = message.header(i);
        switch (field.id) {
            case HeaderId::Via:
            case HeaderId::From:
            case HeaderId::To:
            case HeaderId::CallId:
            case HeaderId::Cseq:
            case HeaderId::Contact:
            case HeaderId::MaxForwards:
            case HeaderId::ContentLength:
            case HeaderId::SessionId:
            case HeaderId::Route:
            case HeaderId::RecordRoute:
                continue;
            default:
                break;
        }
        const std::string_view name =
            field.id == HeaderId::Other ? field.name : sip::to_string(field.id);
        lines.push_back(std::string(name) + ": " + std::string(field.value));
    }
    // The body's type is written last.
    std::stable_partition(lines.begin(), lines.end(),
                          [](const std::string& line) { return line.find("Content-Type") != 0; });
    return lines;
}

class SwitchboardPassing : public SwitchboardFixture {
protected:
    // Bytes of a message that no Agent would write, straight from `phone`.
    void receive(const Phone& phone, const std::string& text) {
        auto parsed = sip::parse_message(std::string_view(text));
        ASSERT_EQ(parsed.verdict, sip::Verdict::Good) << text;
        us.agent.on_message(now.steady, {.remote = phone.address}, std::move(parsed.message));
        run();
    }
    static std::string last_of(const Phone& phone) {
        return phone.received.empty() ? "" : phone.received.back();
    }

    sip::OutOfDialogSpec register_spec(const std::string& contact) const {
        sip::OutOfDialogSpec spec;
        spec.method = "REGISTER";
        spec.request_uri = "sip:example.com";
        spec.from = "<sip:alice@example.com>";
        spec.to = "<sip:alice@example.com>";
        spec.call_id = "registration";
        spec.from_tag = "reg";
        spec.flow.remote = us.address;
        spec.headers = {{"Contact", contact}, {"Expires", "600"}};
        return spec;
    }
};

TEST_F(SwitchboardPassing, LeavesAllOfAnInviteAloneThatIsNotALegsOwn) {
    const std::string body =
        "--b\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\n" +
        sdp_of("192.0.2.10", 4000) +
        "\r\n--b\r\nContent-Type: application/x-own\r\nX-Part: 1\r\n\r\n\x01\x02 --b not\r\n"
        "\r\n--b--\r\ntrailer";
    const std::string head =
        "INVITE sip:bob@192.0.2.20 SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK7\r\n"
        "f: \"Al, ice\" <sip:alice@example.com;x=y>;tag=a;keep=me\r\nt: <sip:bob@example.com>\r\n"
        "i: call-7\r\nCSeq: 9 INVITE\r\nm: <sip:alice@192.0.2.10>;audio;+x=\"1;2\"\r\n"
        "Max-Forwards: 20\r\n"
        "X-B: 1\r\nX-A: 2,3\r\nx-b: 4\r\ns: Hi\r\nk: timer\r\nSupported: x-own, 100rel\r\n"
        "Require: x-need\r\nProxy-Require: x-proxy\r\nAllow: INVITE, ACK\r\n"
        "Allow: X-DANCE\r\nUser-Agent: Tin/1 (can)\r\nP-Asserted-Identity: <sip:a@x>, <tel:+1>\r\n"
        "History-Info: <sip:q@x?Reason=SIP%3Bcause%3D302>;index=1\r\nPrivacy: none\r\n"
        "Authorization: Digest username=\"a, b\", nonce=\"=\"\r\n"
        "Referred-By: <sip:r@x>;cid=\"1@x\"\r\nx: 1800;refresher=uac\r\nDate: Sat, 13 Nov 2010 "
        "23:29:00 GMT\r\nAccept-Contact: *;mobility=\"fixed\"\r\nr: <sip:z@x>\r\n"
        "Content-Language: en\r\nMIME-Version: 1.0\r\nc: multipart/mixed;boundary=b\r\n";
    const std::string text = head + "l: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    receive(alice, text);
    const auto sent = sip::parse_message(std::string_view(text)).message;
    const auto invite = request_at(bob);
    EXPECT_EQ(passed_lines(invite.message), passed_lines(sent));
    EXPECT_EQ(*invite.message.find(HeaderId::Contact), "<sip:192.0.2.1:5062>;audio;+x=\"1;2\"");
    EXPECT_THAT(std::string(*invite.message.find(HeaderId::From)),
                StartsWith("\"Al, ice\" <sip:alice@example.com;x=y>;keep=me;tag="));
    std::string expected = body;
    expected.replace(expected.find("c=IN IP4 192.0.2.10"), 19, "c=IN IP4 192.0.2.1");
    EXPECT_EQ(base::as_text(invite.message.body()), expected);
}

TEST_F(SwitchboardPassing, LeavesAllOfAnAnswerAloneThatIsNotALegsOwn) {
    start(alice, invite_spec());
    const auto invite = request_at(bob);
    sip::ResponseSpec ok = ok_with(sdp_of("192.0.2.20", 6000));
    ok.phrase = "Fine";
    ok.headers = {{"X-B", "1"},           {"X-A", "2,3"},        {"X-B", "4"},
                  {"Allow", "INVITE"},    {"Allow", "X-DANCE"},  {"Server", "PBX/9"},
                  {"Supported", "x-own"}, {"Require", "x-need"}, {"Warning", "399 x \"a, b\""}};
    ok.contact_parameters = ";isfocus";
    respond(bob, invite.transaction, ok);
    const auto sent = sip::parse_message(std::string_view(us.received.back())).message;
    const auto answer = response_at(alice);
    EXPECT_EQ(passed_lines(answer.message), passed_lines(sent));
    EXPECT_EQ(answer.message.reason(), "Fine");
    EXPECT_EQ(*answer.message.find(HeaderId::Contact), "<sip:192.0.2.1:5062>;isfocus");
}

TEST_F(SwitchboardPassing, RefusesAPackedBodyItCannotRead) {
    sip::OutOfDialogSpec spec = invite_spec();
    spec.headers = {{"Content-Encoding", "gzip"}};
    start(alice, spec);
    const auto refusal = response_at(alice);
    EXPECT_EQ(refusal.message.status(), 415);
    EXPECT_EQ(*refusal.message.find(HeaderId::AcceptEncoding), "identity");
}

// ---- registrations

TEST_F(SwitchboardPassing, RegistersAPhoneUnderAContactOfOurs) {
    host.answer_route = RouteTo{.next_hop = "sip:192.0.2.20"};
    start(alice, register_spec("\"Al\" <sip:alice@10.0.0.7:5071;x=y>;+sip.instance=\"<urn:1>\""));
    const auto challenged = request_at(bob);
    EXPECT_EQ(challenged.message.request_uri(), "sip:example.com");
    EXPECT_EQ(challenged.message.call_id(), "registration");
    respond(bob, challenged.transaction,
            {.status = 401, .headers = {{"WWW-Authenticate", "Digest realm=\"x\""}}});
    EXPECT_EQ(*response_at(alice).message.find(HeaderId::WwwAuthenticate), "Digest realm=\"x\"");

    sip::OutOfDialogSpec again =
        register_spec("\"Al\" <sip:alice@10.0.0.7:5071;x=y>;+sip.instance=\"<urn:1>\"");
    again.cseq = 2;
    again.headers.push_back({"Authorization", "Digest username=\"alice\""});
    start(alice, again);
    const auto arrived = request_at(bob);
    EXPECT_EQ(*arrived.message.find(HeaderId::Authorization), "Digest username=\"alice\"");
    EXPECT_EQ(arrived.message.cseq().number, 2U);
    const std::string contact(*arrived.message.first_value(HeaderId::Contact));
    EXPECT_THAT(contact, StartsWith("\"Al\" <sip:earshot-"));
    EXPECT_THAT(contact, HasSubstr("@192.0.2.1:5062>;+sip.instance=\"<urn:1>\""));
    respond(bob, arrived.transaction,
            {.status = 200,
             .headers = {{"Contact", contact + ";expires=600"},
                         {"Contact", "<sip:other@192.0.2.99>;expires=10"}}});
    EXPECT_THAT(response_at(alice).message.values(HeaderId::Contact),
                ElementsAre("\"Al\" <sip:alice@10.0.0.7:5071;x=y>;+sip.instance=\"<urn:1>\";"
                            "expires=600",
                            "<sip:other@192.0.2.99>;expires=10"));

    // A call to it: to the phone's own Contact, at the address that it registered from. Nothing is
    // remembered: all of that stands in the URI.
    sip::OutOfDialogSpec call = invite_spec(std::string(sip::uri_of(contact)));
    call.flow.remote = us.address;
    start(bob, call);
    const auto invite = request_at(alice);
    EXPECT_EQ(invite.message.request_uri(), "sip:alice@10.0.0.7:5071;x=y");
    EXPECT_TRUE(host.questions.back().is_to_registered);
    EXPECT_EQ(host.questions.back().request_uri, "sip:alice@10.0.0.7:5071;x=y");
}

TEST_F(SwitchboardPassing, PassesTheEndOfARegistration) {
    host.answer_route = RouteTo{.next_hop = "sip:192.0.2.20"};
    start(alice, register_spec("*"));
    EXPECT_EQ(*request_at(bob).message.find(HeaderId::Contact), "*");
}

TEST_F(SwitchboardPassing, RefusesAContactPastItsLimit) {
    host.answer_route = RouteTo{.next_hop = "sip:192.0.2.20"};
    const std::string uri = "sip:a@192.0.2.10;x=";
    start(alice, register_spec("<" + uri + std::string(kMaxContactBytes - uri.size(), 'x') + ">"));
    respond(bob, request_at(bob).transaction, {.status = 200});
    EXPECT_EQ(response_at(alice).message.status(), 200);
    sip::OutOfDialogSpec spec =
        register_spec("<" + uri + std::string(kMaxContactBytes - uri.size() + 1, 'x') + ">");
    spec.cseq = 2;
    start(alice, spec);
    EXPECT_EQ(response_at(alice).message.status(), 400);
}

// ---- the others

TEST_F(SwitchboardPassing, AnswersOptionsToItselfAndPassesThoseToOthers) {
    sip::OutOfDialogSpec spec = invite_spec("sip:192.0.2.1:5062");
    spec.method = "OPTIONS";
    spec.body.clear();
    spec.content_type.clear();
    start(alice, spec);
    const auto ours = response_at(alice);
    EXPECT_EQ(ours.message.status(), 200);
    EXPECT_TRUE(ours.message.lists(HeaderId::Allow, "INVITE"));
    spec.request_uri = "sip:bob@192.0.2.20";
    start(alice, spec);
    const auto asked = request_at(bob);
    respond(bob, asked.transaction, {.status = 200, .headers = {{"Allow", "X-DANCE"}}});
    EXPECT_EQ(*response_at(alice).message.find(HeaderId::Allow), "X-DANCE");
    expect_nothing_left();
}

TEST_F(SwitchboardPassing, SaysThatNoCallsAreTakenWhileItDrains) {
    establish();
    switchboard.set_draining(true);
    sip::OutOfDialogSpec spec = invite_spec("sip:192.0.2.1:5062");
    spec.method = "OPTIONS";
    start(alice, spec);
    const auto refused = response_at(alice);
    EXPECT_EQ(refused.message.status(), 503);
    EXPECT_TRUE(refused.message.has(HeaderId::RetryAfter));
    start(alice, invite_spec());
    EXPECT_EQ(response_at(alice).message.status(), 503);
    request(alice, alice_dialog, {.method = "INFO"});  // what runs, runs on
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Info);
    switchboard.set_draining(false);
    start(alice, spec);
    EXPECT_EQ(response_at(alice).message.status(), 200);
}

TEST_F(SwitchboardPassing, PassesAMessageAndItsRefusal) {
    sip::OutOfDialogSpec spec = invite_spec();
    spec.method = "MESSAGE";
    spec.content_type = "text/plain";
    spec.body = "hello";
    spec.headers = {{"Max-Forwards", "5"}, {"X-One", "1"}};
    start(alice, spec);
    const auto arrived = request_at(bob);
    EXPECT_EQ(base::as_text(arrived.message.body()), "hello");
    EXPECT_EQ(*arrived.message.find(HeaderId::MaxForwards), "4");
    EXPECT_EQ(*arrived.message.find("X-One"), "1");
    respond(bob, arrived.transaction, {.status = 415, .headers = {{"Accept", "text/html"}}});
    const auto refused = response_at(alice);
    EXPECT_EQ(refused.message.status(), 415);
    EXPECT_EQ(*refused.message.find(HeaderId::Accept), "text/html");
    expect_nothing_left();
}

TEST_F(SwitchboardPassing, TellsThatNobodyAnswersOutsideOfCalls) {
    is_dark["bob"] = true;
    sip::OutOfDialogSpec spec = invite_spec();
    spec.method = "MESSAGE";
    start(alice, spec);
    run(33s);
    // Alice's own Agent waits no longer than ours.
    expect_nothing_left();
}

TEST_F(SwitchboardPassing, RefusesWhatNeedsDialogsItDoesNotKeep) {
    for (const auto& [method, status] :
         std::vector<std::pair<std::string, int>>{{"INFO", 481}, {"BYE", 481}, {"UPDATE", 481}}) {
        sip::OutOfDialogSpec spec = invite_spec();
        spec.method = method;
        start(alice, spec);
        EXPECT_EQ(response_at(alice).message.status(), status) << method;
    }
    EXPECT_THAT(bob.received, IsEmpty());
}

TEST_F(SwitchboardPassing, RefusesOutsideRequestsThatTheHostRefuses) {
    host.answer_route = sip::ResponseSpec{.status = 403};
    start(alice, register_spec("<sip:alice@192.0.2.10>"));
    EXPECT_EQ(response_at(alice).message.status(), 403);
    host.is_silent = true;
    sip::OutOfDialogSpec again = register_spec("<sip:alice@192.0.2.10>");
    again.cseq = 2;
    start(alice, again);
    run(kMaxHostTime);
    EXPECT_EQ(response_at(alice).message.status(), 503);
    expect_nothing_left();
}

TEST_F(SwitchboardPassing, LeadsNobodyToAPlaceThatItDidNotName) {
    const Places forger(PlaceSecret{6, 6, 6});
    const std::string uri =
        forger.to_uri("sip:192.0.2.1:5062", {"sip:bob@192.0.2.20", {.remote = bob.address}});
    start(alice, invite_spec(uri));
    EXPECT_EQ(response_at(alice).message.status(), 404);
    EXPECT_THAT(bob.received, IsEmpty());
}

TEST_F(SwitchboardPassing, RefusesMorePassedRequestsThanMayBe) {
    host.is_silent = true;
    const auto options = [&](std::size_t number) {
        const std::string text = fmt::format(
            "OPTIONS sip:b@192.0.2.20 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{0}\r\n"
            "From: <sip:a@x>;tag={0}\r\nTo: <sip:b@x>\r\nCall-ID: {0}\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n",
            number);
        auto parsed = sip::parse_message(std::string_view(text));
        us.agent.on_message(now.steady, {.remote = alice.address}, std::move(parsed.message));
        drain();
    };
    for (std::size_t i = 0; i < kMaxPassedRequests; ++i) options(i);
    run(10ms);
    EXPECT_THAT(alice.received, IsEmpty());
    options(kMaxPassedRequests);
    run(10ms);
    EXPECT_THAT(last_of(alice), StartsWith("SIP/2.0 503"));
    expect_nothing_left();
}

TEST_F(SwitchboardPassing, AnswersOptionsToItselfThatMayGoNoFurther) {  // RFC 3261 §11
    sip::OutOfDialogSpec spec = invite_spec("sip:192.0.2.1:5062");
    spec.method = "OPTIONS";
    spec.headers = {{"Max-Forwards", "0"}};
    start(alice, spec);
    EXPECT_EQ(response_at(alice).message.status(), 200);
}

TEST_F(SwitchboardPassing, CountsTheHopsOutsideOfCalls) {
    sip::OutOfDialogSpec spec = invite_spec();
    spec.method = "MESSAGE";
    spec.headers = {{"Max-Forwards", "0"}};
    start(alice, spec);
    EXPECT_EQ(response_at(alice).message.status(), 483);
}

}  // namespace
}  // namespace earshot::b2bua
