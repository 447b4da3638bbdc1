#include "sip/builder.h"

#include <gtest/gtest.h>

#include <string>

#include "sip/parser.h"

namespace earshot::sip {
namespace {

Message good(std::string_view text) {
    ParsedMessage parsed = parse_message(text);
    EXPECT_EQ(parsed.verdict, Verdict::Good) << parsed.reason << "\n" << text;
    return std::move(parsed.message);
}

MessageBuilder invite() {
    MessageBuilder builder = MessageBuilder::request(Method::Invite, "sip:srs@192.0.2.7");
    builder.add(HeaderId::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport, SIP/2.0/TCP b")
        .add(HeaderId::Via, "SIP/2.0/UDP c;branch=z9hG4bKc")
        .add(HeaderId::RecordRoute, "<sip:p1;lr>")
        .add(HeaderId::RecordRoute, "<sip:p2;lr>")
        .add(HeaderId::From, "<sip:a@b>;tag=f")
        .add(HeaderId::To, "sip:srs@192.0.2.7")
        .add(HeaderId::CallId, "call-1")
        .add(HeaderId::Cseq, "1 INVITE")
        .add(HeaderId::Timestamp, "54");
    return builder;
}

TEST(Builder, WritesWhatTheParserReads) {
    const std::string text =
        invite().add("X-Group", "east").body("application/sdp", "v=0\r\n").build();
    const Message m = good(text);
    EXPECT_EQ(m.method(), Method::Invite);
    EXPECT_EQ(m.request_uri(), "sip:srs@192.0.2.7");
    EXPECT_EQ(m.find(HeaderId::ContentType), "application/sdp");
    EXPECT_EQ(m.find(HeaderId::ContentLength), "5");
    EXPECT_EQ(m.find("X-Group"), "east");
    EXPECT_EQ(base::as_text(m.body()), "v=0\r\n");
    EXPECT_TRUE(text.ends_with("\r\nContent-Length: 5\r\n\r\nv=0\r\n"));
}

TEST(Builder, ParseWriteParseGivesTheSameFields) {
    const Message first = good(invite().body("a/b", "x\r\n\r\ny").build());
    MessageBuilder builder = MessageBuilder::request(first.method_name(), first.request_uri());
    for (std::size_t i = 0; i < first.header_count(); ++i) {
        builder.add(first.header(i).name, first.header(i).value);
    }
    builder.body(*first.find(HeaderId::ContentType), first.body());
    const Message second = good(builder.build());
    ASSERT_EQ(second.header_count(), first.header_count());
    for (std::size_t i = 0; i < first.header_count(); ++i) {
        EXPECT_EQ(second.header(i).name, first.header(i).name);
        EXPECT_EQ(second.header(i).value, first.header(i).value);
    }
    EXPECT_EQ(base::as_text(second.body()), base::as_text(first.body()));
}

TEST(Builder, NoValueCanMakeASecondLine) {
    const std::string text = MessageBuilder::request("BYE\r\nX: 1", "sip:a\r\nY: 2")
                                 .add(HeaderId::Subject, "a\r\nEvil: 1\n\nbody")
                                 .add("Bad Name", "x")
                                 .add("X\r\nEvil", "x")
                                 .add("X-Fine", std::string_view("a\0b\r", 4))
                                 .build();
    EXPECT_EQ(text,
              "BYE  X: 1 sip:a  Y: 2 SIP/2.0\r\nSubject: a  Evil: 1  body\r\nX-Fine: a b\r\n"
              "Content-Length: 0\r\n\r\n");
    const std::string reason = MessageBuilder::response(400, "Bad\r\nX: 1").build();
    EXPECT_EQ(reason, "SIP/2.0 400 Bad  X: 1\r\nContent-Length: 0\r\n\r\n");
}

TEST(Builder, SetsPrependsAndRemoves) {
    MessageBuilder builder = MessageBuilder::response(200);
    builder.add(HeaderId::Via, "1").add(HeaderId::Via, "2").prepend(HeaderId::Via, "0");
    builder.add(HeaderId::ContentLength, "99").add("v", "3");
    EXPECT_EQ(
        builder.build(),
        "SIP/2.0 200 OK\r\nVia: 0\r\nVia: 1\r\nVia: 2\r\nVia: 3\r\nContent-Length: 0\r\n\r\n");
    builder.set(HeaderId::Via, "x");
    EXPECT_EQ(builder.build(), "SIP/2.0 200 OK\r\nVia: x\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseTo, CopiesWhatRfc3261Section8_2_6_2Demands) {
    const Message request = good(invite().build());
    const Message response =
        good(response_to(request, 200, {.reason = {}, .to_tag = "t1", .source = nullptr}).build());
    EXPECT_EQ(response.status(), 200);
    EXPECT_EQ(response.reason(), "OK");
    EXPECT_EQ(response.all(HeaderId::Via), request.all(HeaderId::Via));
    EXPECT_EQ(response.all(HeaderId::RecordRoute), request.all(HeaderId::RecordRoute));
    EXPECT_EQ(response.find(HeaderId::From), request.find(HeaderId::From));
    EXPECT_EQ(response.find(HeaderId::To), "sip:srs@192.0.2.7;tag=t1");
    EXPECT_EQ(response.call_id(), "call-1");
    EXPECT_EQ(response.find(HeaderId::Cseq), "1 INVITE");
    EXPECT_FALSE(response.has(HeaderId::Timestamp));
}

TEST(ResponseTo, A100HasNoTagButTheTimestamp) {
    const Message request = good(invite().build());
    const Message response =
        good(response_to(request, 100, {.reason = {}, .to_tag = "t1", .source = nullptr}).build());
    EXPECT_EQ(response.to_tag(), "");
    EXPECT_EQ(response.find(HeaderId::Timestamp), "54");
    EXPECT_FALSE(response.has(HeaderId::RecordRoute));
    EXPECT_FALSE(good(response_to(request, 486).build()).has(HeaderId::RecordRoute));
}

TEST(ResponseTo, KeepsTheTagOfARequestInADialog) {
    const Message request = good(invite().set(HeaderId::To, "<sip:a@b>;tag=old").build());
    const Message response =
        good(response_to(request, 200, {.reason = {}, .to_tag = "new", .source = nullptr}).build());
    EXPECT_EQ(response.to_tag(), "old");
}

TEST(ResponseTo, StampsTheTopViaWithTheSource) {  // RFC 3261 §18.2.1, RFC 3581 §4
    const Message request = good(invite().build());
    const auto source = base::parse_net_address("198.51.100.9:40000");
    const Message response =
        good(response_to(request, 200, {.reason = {}, .to_tag = {}, .source = &*source}).build());
    EXPECT_EQ(response.all(HeaderId::Via),
              (std::vector<std::string_view>{
                  "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport=40000;received=198.51.100.9",
                  "SIP/2.0/TCP b", "SIP/2.0/UDP c;branch=z9hG4bKc"}));
}

TEST(ResponseTo, LeavesAViaAloneThatNamesItsSource) {
    const Message request =
        good(invite().set(HeaderId::Via, "SIP/2.0/UDP 192.0.2.1:5060;x=\"a;b\"").build());
    const auto same = base::parse_net_address("192.0.2.1:40000");
    EXPECT_EQ(
        good(response_to(request, 200, {.reason = {}, .to_tag = {}, .source = &*same}).build())
            .find(HeaderId::Via),
        "SIP/2.0/UDP 192.0.2.1:5060;x=\"a;b\"");
    const auto other = base::parse_net_address("192.0.2.2:40000");
    EXPECT_EQ(
        good(response_to(request, 200, {.reason = {}, .to_tag = {}, .source = &*other}).build())
            .find(HeaderId::Via),
        "SIP/2.0/UDP 192.0.2.1:5060;x=\"a;b\";received=192.0.2.2");
}

TEST(ResponseTo, AnswersARefusedRequestWithItsReason) {
    const ParsedMessage parsed = parse_message(
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\n\r\n");
    ASSERT_EQ(parsed.verdict, Verdict::Refuse);
    EXPECT_EQ(response_to(parsed.message, parsed.status,
                          {.reason = parsed.reason, .to_tag = "t", .source = nullptr})
                  .build(),
              "SIP/2.0 400 Missing From\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n"
              "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
}

}  // namespace
}  // namespace earshot::sip
