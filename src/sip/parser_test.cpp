#include "sip/parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"

namespace earshot::sip {
namespace {

// OpenSIPS' form (interop Q1, Q5), shortened.
const std::string kInvite =
    "INVITE sip:srs@192.0.2.7:5060;transport=tcp SIP/2.0\r\n"
    "Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKdf8f.7a1b2c3.0;rport\r\n"
    "Record-Route: <sip:192.0.2.1;lr>\r\n"
    "To: <sip:srs@192.0.2.7:5060>\r\n"
    "From: <sip:srs@192.0.2.7:5060>;tag=7f1cb1dd-ce21\r\n"
    "CSeq: 2 INVITE\r\n"
    "Call-ID: B2B.394.8841522.1735230982\r\n"
    "Max-Forwards: 70\r\n"
    "Require: siprec\r\n"
    "Allow: INVITE, ACK, BYE\r\n"
    "Allow: UPDATE\r\n"
    "X-Group: east\r\n"
    "Contact: <sip:192.0.2.1:5060;transport=tcp>;+sip.src\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 5\r\n"
    "\r\n"
    "v=0\r\n";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

std::string without_line(std::string text, std::string_view name) {
    const std::size_t at = text.find("\r\n" + std::string(name) + ":") + 2;
    return text.erase(at, text.find("\r\n", at) + 2 - at);
}

TEST(Parser, ReadsARecordingInvite) {
    const ParsedMessage parsed = parse_message(kInvite);
    ASSERT_EQ(parsed.verdict, Verdict::Good) << parsed.reason;
    const Message& m = parsed.message;
    EXPECT_TRUE(m.is_request());
    EXPECT_EQ(m.method(), Method::Invite);
    EXPECT_EQ(m.method_name(), "INVITE");
    EXPECT_EQ(m.request_uri(), "sip:srs@192.0.2.7:5060;transport=tcp");
    EXPECT_EQ(m.call_id(), "B2B.394.8841522.1735230982");
    EXPECT_EQ(m.cseq().number, 2U);
    EXPECT_EQ(m.cseq_method(), Method::Invite);
    EXPECT_EQ(m.from_tag(), "7f1cb1dd-ce21");
    EXPECT_EQ(m.to_tag(), "");
    EXPECT_EQ(m.top_via().branch(), "z9hG4bKdf8f.7a1b2c3.0");
    EXPECT_EQ(m.values(HeaderId::Allow),
              (std::vector<std::string_view>{"INVITE", "ACK", "BYE", "UPDATE"}));
    EXPECT_TRUE(m.lists(HeaderId::Require, "SIPREC"));
    EXPECT_FALSE(m.lists(HeaderId::Supported, "timer"));
    EXPECT_EQ(m.find("x-group"), "east");
    EXPECT_EQ(m.find("m"), m.find(HeaderId::Contact));
    EXPECT_EQ(m.header_count(), 14U);
    EXPECT_EQ(m.header(10).name, "X-Group");
    EXPECT_EQ(base::as_text(m.body()), "v=0\r\n");
    EXPECT_EQ(base::as_text(m.raw()), kInvite);
    EXPECT_EQ(m.head().size() + 5, kInvite.size());
    EXPECT_FALSE(m.has_bare_lf());
}

TEST(Parser, ViewsFollowACopyAndAMove) {
    ParsedMessage parsed = parse_message(replaced(kInvite, "X-Group: east", "X-Group: e\r\n st"));
    Message copy = parsed.message;
    const Message moved = std::move(parsed.message);
    parsed = ParsedMessage{};
    EXPECT_EQ(copy.find("X-Group"), "e st");
    EXPECT_EQ(moved.find("X-Group"), "e st");
    copy = Message{};
    EXPECT_EQ(moved.call_id(), "B2B.394.8841522.1735230982");
}

TEST(Parser, KeepsTheNamesOfDialogAndTransactionThroughFoldsAndACopy) {
    std::string text = replaced(kInvite, "Via: SIP/2.0/TCP ", "Via: SIP/2.0/TCP\r\n ");
    text = replaced(text, ";tag=", "\r\n ;tag=");
    text = replaced(text, "INVITE\r\nCall-ID", "\r\n INVITE\r\nCall-ID");
    ParsedMessage parsed = parse_message(text);
    const Message copy = parsed.message;
    parsed = ParsedMessage{};
    EXPECT_EQ(copy.top_via().transport, "TCP");
    EXPECT_EQ(copy.top_via().branch(), "z9hG4bKdf8f.7a1b2c3.0");
    EXPECT_EQ(copy.from_tag(), "7f1cb1dd-ce21");
    EXPECT_EQ(copy.to_tag(), "");
    EXPECT_EQ(copy.cseq().method, "INVITE");
}

TEST(Parser, ReadsAResponse) {
    const ParsedMessage parsed = parse_message(
        "SIP/2.0 180 Ringing = 2**3 * 9\r\nv: SIP/2.0/UDP a, SIP/2.0/UDP b\r\n"
        "f: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\ni: x\r\nCSeq: 7 INVITE\r\n\r\n");
    ASSERT_EQ(parsed.verdict, Verdict::Good) << parsed.reason;
    EXPECT_TRUE(parsed.message.is_response());
    EXPECT_EQ(parsed.message.status(), 180);
    EXPECT_EQ(parsed.message.reason(), "Ringing = 2**3 * 9");
    EXPECT_EQ(parsed.message.method_name(), "");
    EXPECT_EQ(parsed.message.values(HeaderId::Via).size(), 2U);
    EXPECT_EQ(parsed.message.to_tag(), "2");
}

TEST(Parser, ToleratesBareLineFeeds) {  // interop Q33
    std::string text = kInvite;
    text.erase(std::remove(text.begin(), text.end(), '\r'), text.end());
    text = replaced(text, "Content-Length: 5", "Content-Length: 4");
    const ParsedMessage parsed = parse_message(text);
    ASSERT_EQ(parsed.verdict, Verdict::Good) << parsed.reason;
    EXPECT_TRUE(parsed.message.has_bare_lf());
    EXPECT_EQ(parsed.message.top_via().transport, "TCP");
    EXPECT_EQ(base::as_text(parsed.message.body()), "v=0\n");
}

TEST(Parser, ToleratesOddSpacingFoldsAndBlankLines) {
    std::string text = "\r\n\r\n" + kInvite;
    text = replaced(text, "Call-ID: B2B", "CALL-id \t:B2B");
    text = replaced(text, "CSeq: 2 INVITE", "cseq:\r\n 2\r\n\t INVITE  ");
    text =
        replaced(text, "Max-Forwards: 70\r\n", "no colon at all\r\n: no name\r\nMax-Forwards:\r\n");
    text = replaced(text, "INVITE sip:", "INVITE  sip:");
    const ParsedMessage parsed = parse_message(text);
    ASSERT_EQ(parsed.verdict, Verdict::Good) << parsed.reason;
    EXPECT_EQ(parsed.message.cseq().number, 2U);
    EXPECT_EQ(parsed.message.call_id(), "B2B.394.8841522.1735230982");
    EXPECT_EQ(base::as_text(parsed.message.raw()), text);
    EXPECT_EQ(base::as_text(parsed.message.head()).substr(0, 6), "INVITE");
}

TEST(Parser, TakesUnknownMethodsAndAMissingMaxForwards) {
    std::string text = without_line(kInvite, "Max-Forwards");
    text = replaced(text, "INVITE sip", "RE%47IST%45R sip");
    text = replaced(text, "CSeq: 2 INVITE", "CSeq: 2 RE%47IST%45R");
    const ParsedMessage parsed = parse_message(text);
    ASSERT_EQ(parsed.verdict, Verdict::Good) << parsed.reason;
    EXPECT_EQ(parsed.message.method(), Method::Other);
    EXPECT_EQ(parsed.message.method_name(), "RE%47IST%45R");
}

TEST(Parser, NamesTheMissingOrDoubledHeader) {
    for (const std::string name : {"From", "To", "Call-ID", "CSeq"}) {
        const ParsedMessage missing = parse_message(without_line(kInvite, name));
        EXPECT_EQ(missing.verdict, Verdict::Refuse) << name;
        EXPECT_EQ(missing.status, 400);
        EXPECT_EQ(missing.reason, "Missing " + name);
        EXPECT_EQ(missing.message.top_via().host, "192.0.2.1");

        const std::size_t at = kInvite.find("\r\n" + name + ":") + 2;
        const std::string line = kInvite.substr(at, kInvite.find("\r\n", at) + 2 - at);
        const ParsedMessage doubled = parse_message(replaced(kInvite, line, line + line));
        EXPECT_EQ(doubled.verdict, Verdict::Refuse) << name;
        EXPECT_EQ(doubled.reason, "Duplicate " + name);
    }
}

struct Case {
    std::string_view from;
    std::string_view to;
    Verdict verdict;
    int status;
    std::string_view reason;
};

TEST(Parser, RefusesOrDropsByTable) {
    constexpr Case kCases[] = {
        {"Content-Length: 5", "Content-Length: 6", Verdict::Refuse, 400,
         "Content-Length Larger Than Message"},
        {"Content-Length: 5", "Content-Length: -5", Verdict::Refuse, 400,
         "Malformed Content-Length"},
        {"Content-Length: 5", "Content-Length: 99999999999999999999999", Verdict::Refuse, 400,
         "Malformed Content-Length"},
        {"Content-Length: 5", "Content-Length: 5\r\nl: 4", Verdict::Refuse, 400,
         "Content-Lengths Differ"},
        {"Content-Length: 5", "Content-Length: 5\r\nl: 5", Verdict::Good, 0, ""},
        {"CSeq: 2 INVITE", "CSeq: 2 BYE", Verdict::Refuse, 400, "CSeq Names Another Method"},
        {"CSeq: 2 INVITE", "CSeq: 2 invite", Verdict::Refuse, 400, "CSeq Names Another Method"},
        {"CSeq: 2 INVITE", "CSeq: 2", Verdict::Refuse, 400, "Malformed CSeq"},
        {"From: <", "From: \"<", Verdict::Refuse, 400, "Malformed From"},
        {"To: <", "To: *\r\nX: <", Verdict::Refuse, 400, "Malformed To"},
        {"sip:srs@192.0.2.7:5060;transport=tcp SIP", "<sip:srs@192.0.2.7> SIP", Verdict::Refuse,
         400, "Malformed Request-URI"},
        {"sip:srs@192.0.2.7:5060;transport=tcp SIP", "sip:srs@192.0.2.7; lr SIP", Verdict::Refuse,
         400, "Malformed Request-URI"},
        {"sip:srs@192.0.2.7:5060;transport=tcp SIP", "SIP", Verdict::Refuse, 400,
         "Missing Request-URI"},
        {"tcp SIP/2.0", "tcp SIP/7.0", Verdict::Refuse, 505, "Version Not Supported"},
        {"rport\r\n", "rport,;\r\n", Verdict::Refuse, 400, "Malformed Via"},
        {"tcp SIP/2.0", "tcp HTTP/1.1", Verdict::Drop, 0, "Not a SIP message"},
        {"INVITE sip", "INV{TE sip", Verdict::Drop, 0, "Not a SIP message"},
        {"INVITE sip:srs@192.0.2.7:5060;transport=tcp SIP/2.0", "SIP/2.0 99 X", Verdict::Drop, 0,
         "Not a SIP message"},
        {"INVITE sip:srs@192.0.2.7:5060;transport=tcp SIP/2.0", "SIP/2.0 4294967301 X",
         Verdict::Drop, 0, "Not a SIP message"},
        {"Via: SIP", "Vya: SIP", Verdict::Drop, 0, "No usable Via"},
        {"Via: SIP/2.0/TCP 192", "Via: SIP/2.0/TCP\r\nX: 192", Verdict::Drop, 0, "No usable Via"},
    };
    for (const Case& c : kCases) {
        const ParsedMessage parsed = parse_message(replaced(kInvite, c.from, c.to));
        EXPECT_EQ(parsed.verdict, c.verdict) << c.to;
        EXPECT_EQ(parsed.status, c.status) << c.to;
        EXPECT_EQ(parsed.reason, c.reason) << c.to;
    }
}

TEST(Parser, NeverAnswersABrokenAckOrResponse) {
    std::string ack = replaced(kInvite, "INVITE sip", "ACK sip");
    EXPECT_EQ(parse_message(ack).verdict, Verdict::Drop);
    EXPECT_EQ(parse_message(ack).reason, "CSeq Names Another Method");
    EXPECT_EQ(parse_message("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\n\r\n").verdict, Verdict::Drop);
}

TEST(Parser, CutsTheBodyAtContentLength) {
    const ParsedMessage parsed = parse_message(kInvite + "trailing");
    ASSERT_EQ(parsed.verdict, Verdict::Good);
    EXPECT_EQ(base::as_text(parsed.message.body()), "v=0\r\n");
    EXPECT_EQ(parsed.message.raw().size(), kInvite.size() + 8);
    const ParsedMessage open = parse_message(without_line(kInvite, "Content-Length") + "more");
    EXPECT_EQ(base::as_text(open.message.body()), "v=0\r\nmore");
}

TEST(Parser, NoTruncationIsTakenForTheWhole) {
    for (std::size_t size = 0; size < kInvite.size(); ++size) {
        const ParsedMessage parsed = parse_message(kInvite.substr(0, size));
        EXPECT_NE(parsed.verdict, Verdict::Good) << size;
        EXPECT_FALSE(parsed.reason.empty()) << size;
        EXPECT_EQ(parsed.message.raw().size(), size);
    }
}

TEST(Parser, KeepsItsLimits) {
    const auto with_headers = [](std::size_t count) {
        std::string lines;
        for (std::size_t i = 14; i < count; ++i) lines += "X: y\r\n";
        return parse_message(replaced(kInvite, "Content-Type", lines + "Content-Type"));
    };
    EXPECT_EQ(with_headers(kMaxSipHeaders).verdict, Verdict::Good);
    EXPECT_EQ(with_headers(kMaxSipHeaders + 1).verdict, Verdict::Refuse);
    EXPECT_EQ(with_headers(kMaxSipHeaders + 1).status, 513);

    const auto with_head = [](std::size_t size) {
        const std::size_t pad = size - (kInvite.size() - 5);
        return parse_message(replaced(kInvite, "east", "east" + std::string(pad, 'x')));
    };
    EXPECT_EQ(with_head(kMaxSipHeadBytes).verdict, Verdict::Good);
    EXPECT_EQ(with_head(kMaxSipHeadBytes + 1).status, 513);

    const auto with_size = [](std::size_t size) {
        std::string text = without_line(kInvite, "Content-Length");
        return parse_message(text + std::string(size - text.size(), 'x'));
    };
    EXPECT_EQ(with_size(kMaxSipMessageBytes).verdict, Verdict::Good);
    EXPECT_EQ(with_size(kMaxSipMessageBytes + 1).status, 513);
    EXPECT_EQ(with_size(kMaxSipMessageBytes + 1).reason, "Message Too Large");

    const auto with_vias = [](std::size_t count) {
        std::string more = "rport";
        for (std::size_t i = 1; i < count; ++i) more += ",SIP/2.0/UDP h";
        return parse_message(replaced(kInvite, "rport", more));
    };
    EXPECT_EQ(with_vias(kMaxHeaderValues).verdict, Verdict::Good);
    EXPECT_EQ(with_vias(kMaxHeaderValues + 1).status, 513);
}

TEST(Parser, IsLinearInHostileLists) {
    for (const std::string_view unit : {"<,", "\",", ",", ";", "<", "\\\"", ";=\""}) {
        std::string value;
        while (value.size() < 60'000) value += unit;
        const ParsedMessage parsed = parse_message(replaced(kInvite, "rport", "rport," + value));
        EXPECT_LE(parsed.message.values(HeaderId::Via).size(), kMaxHeaderValues);
        const ParsedMessage allow = parse_message(replaced(kInvite, "BYE", value));
        EXPECT_FALSE(allow.message.lists(HeaderId::Allow, "X"));
    }
}

TEST(HeaderNames, AreFoundInAnyCaseAndCompact) {
    for (unsigned i = 1; i <= static_cast<unsigned>(HeaderId::WwwAuthenticate); ++i) {
        const auto id = static_cast<HeaderId>(i);
        EXPECT_EQ(find_header_id(to_string(id)), id);
        EXPECT_EQ(find_header_id(base::to_lower(to_string(id))), id);
    }
    EXPECT_EQ(find_header_id("V"), HeaderId::Via);
    EXPECT_EQ(find_header_id("l"), HeaderId::ContentLength);
    EXPECT_EQ(find_header_id("x"), HeaderId::SessionExpires);
    EXPECT_EQ(find_header_id("X-Cisco-Recording-Participant"), HeaderId::Other);
    EXPECT_EQ(find_header_id(""), HeaderId::Other);
    EXPECT_EQ(find_method("UPDATE"), Method::Update);
    EXPECT_EQ(find_method("update"), Method::Other);
    EXPECT_EQ(default_reason(481), "Call/Transaction Does Not Exist");
    EXPECT_EQ(default_reason(499), "Bad Request");
}

}  // namespace
}  // namespace earshot::sip
