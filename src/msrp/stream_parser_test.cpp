#include "msrp/stream_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "msrp/limits.h"

namespace earshot::msrp {
namespace {

struct Told {
    Head head;
    std::string body;
    bool has_body = false;
    char flag = 0;
};

struct Reader {
    bool is_lent = false;
    StreamParser parser{};
    std::vector<Told> messages{};
    std::string broken{};

    void feed(std::string_view text) {
        is_lent ? parser.lend(base::as_bytes(text)) : parser.feed(base::as_bytes(text));
        while (auto event = parser.poll_event()) {
            if (auto* head = std::get_if<Head>(&*event)) {
                messages.push_back({.head = std::move(*head), .body = {}});
            } else if (const auto* piece = std::get_if<BodyPiece>(&*event)) {
                messages.back().body += base::as_text(piece->bytes);
            } else if (const auto* end = std::get_if<MessageEnd>(&*event)) {
                messages.back().has_body = end->has_body;
                messages.back().flag = static_cast<char>(end->continuation);
            } else {
                broken = std::get<StreamBroken>(*event).reason;
            }
        }
    }
};

// RFC 4975 section 4.
const std::string kSend =
    "MSRP a786hjs2 SEND\r\n"
    "To-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n"
    "From-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n"
    "Message-ID: 87652491\r\n"
    "Byte-Range: 1-25/25\r\n"
    "Content-Type: text/plain\r\n"
    "\r\n"
    "Hey Bob, are you there?\r\n"
    "-------a786hjs2$\r\n";
const std::string kOk =
    "MSRP a786hjs2 200 OK\r\n"
    "To-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n"
    "From-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n"
    "-------a786hjs2$\r\n";

TEST(MsrpStream, ReadsTheExampleOfRfc4975Section4) {
    Reader reader;
    reader.feed(kSend + kOk);
    ASSERT_EQ(reader.messages.size(), 2U);
    const Told& send = reader.messages[0];
    EXPECT_EQ(send.head.method, "SEND");
    EXPECT_EQ(send.head.transaction, "a786hjs2");
    EXPECT_EQ(send.head.message_id, "87652491");
    EXPECT_EQ(send.head.content_type, "text/plain");
    EXPECT_EQ(*send.head.byte_range, (ByteRange{.start = 1, .end = 25, .total = 25}));
    EXPECT_EQ(send.head.fault, "");
    EXPECT_EQ(send.body, "Hey Bob, are you there?");
    EXPECT_EQ(send.flag, '$');
    const Told& ok = reader.messages[1];
    EXPECT_FALSE(ok.head.is_request());
    EXPECT_EQ(ok.head.status, 200);
    EXPECT_EQ(ok.head.comment, "OK");
    EXPECT_FALSE(ok.has_body);
    EXPECT_TRUE(reader.parser.is_idle());
    EXPECT_EQ(write_head(send.head) + "\r\nHey Bob, are you there?\r\n" +
                  end_line("a786hjs2", Continuation::Complete),
              kSend);
}

TEST(MsrpStream, AnswersToTheHopBefore) {
    Reader reader;
    reader.feed(kSend);
    const Head& send = reader.messages.at(0).head;
    EXPECT_EQ(write_response(send, send.to_path.front(), 200, "OK"), kOk);
}

TEST(MsrpStream, GivesTheSameHoweverItIsCut) {
    const std::string tricky =
        "a\r\n-------a786hjs\r\n-------a786hjs2\r\n-------a786hjs2x\r\n\r\r\n--";
    std::string text = kSend;
    text.replace(text.find("Hey Bob, are you there?"), 23, tricky);
    text += kOk;
    for (std::size_t cut = 1; cut < 2 * text.size(); ++cut) {
        Reader reader{.is_lent = cut % 2 == 0};
        for (std::size_t at = 0; at < text.size(); at += cut) reader.feed(text.substr(at, cut));
        ASSERT_EQ(reader.messages.size(), 2U) << cut;
        EXPECT_EQ(reader.messages[0].body, tricky) << cut;
        EXPECT_EQ(reader.messages[1].head.status, 200) << cut;
    }
}

TEST(MsrpStream, HoldsBackNoMoreThanAnEndLine) {
    Reader reader;
    reader.feed(kSend.substr(0, kSend.find("Hey")));
    for (int i = 0; i < 1000; ++i) {
        reader.feed(std::string(999, 'x') + "\r");
        EXPECT_LE(reader.parser.buffered_bytes(), 1U);
    }
    EXPECT_EQ(reader.messages[0].body.size(), 999999U);  // the last CR may begin the end-line
    reader.feed("\n-------a786hjs2+\r\n");
    EXPECT_EQ(reader.messages[0].body.size(), 999999U);
    EXPECT_EQ(reader.messages[0].flag, '+');
}

TEST(MsrpStream, HandsLentContentOutWhereItLiesAndHoldsNoneOfIt) {
    const std::string head = kSend.substr(0, kSend.find("Hey"));
    const std::string body(100'000, 'b');
    StreamParser parser;
    parser.lend(base::as_bytes(head));
    EXPECT_TRUE(std::holds_alternative<Head>(*parser.poll_event()));
    EXPECT_FALSE(parser.poll_event());
    parser.lend(base::as_bytes(body));
    const auto piece = std::get<BodyPiece>(*parser.poll_event());
    EXPECT_EQ(static_cast<const void*>(piece.bytes.data()), static_cast<const void*>(body.data()));
    EXPECT_EQ(piece.bytes.size(), body.size());
    EXPECT_FALSE(parser.poll_event());
    EXPECT_EQ(parser.buffered_bytes(), 0U);
}

TEST(MsrpStream, KeepsWhatItWasFedForWhoTakesItLater) {
    StreamParser parser;
    {
        const std::string text = kSend;
        parser.feed(base::as_bytes(text.substr(0, 150)));
        parser.feed(base::as_bytes(text.substr(150)));
    }
    EXPECT_EQ(std::get<Head>(*parser.poll_event()).message_id, "87652491");
    EXPECT_EQ(base::as_text(std::get<BodyPiece>(*parser.poll_event()).bytes),
              "Hey Bob, are you there?");
}

TEST(MsrpStream, TellsAnEmptyBodyFromNone) {
    const std::string head = kSend.substr(0, kSend.find("\r\n\r\n"));
    for (const char* body : {"\r\n\r\n\r\n", "\r\n\r\n"}) {
        for (std::size_t cut : {std::size_t{1}, std::size_t{7}, std::size_t{9999}}) {
            Reader reader;
            const std::string text = head + body + "-------a786hjs2#\r\n" + kOk;
            for (std::size_t at = 0; at < text.size(); at += cut) reader.feed(text.substr(at, cut));
            ASSERT_EQ(reader.messages.size(), 2U);
            EXPECT_TRUE(reader.messages[0].has_body);
            EXPECT_EQ(reader.messages[0].body, "");
            EXPECT_EQ(reader.messages[0].flag, '#');
        }
    }
}

TEST(MsrpStream, GoesOnAfterARequestThatIsToBeAnsweredBy400) {
    for (const auto& [from, to, fault] : std::vector<std::array<std::string, 3>>{
             {"Byte-Range: 1-25/25", "Byte-Range: 0-25/25", "malformed Byte-Range"},
             {"Message-ID: 87652491\r\n", "", "missing Message-ID"},
             {"Message-ID: 87652491", "Message-ID: 8", "malformed Message-ID"},
             {"To-Path: msrp://", "To-Path: http://", "malformed To-Path"},
             {"From-Path: ", "X-Path: ", "missing From-Path"},
             {"Byte-Range", "no colon\r\nByte-Range", "malformed header line"},
             {"SEND", "SEND it", "text behind the method"}}) {
        std::string text = kSend;
        text.replace(text.find(from), from.size(), to);
        Reader reader;
        reader.feed(text + kOk);
        ASSERT_EQ(reader.messages.size(), 2U) << to;
        EXPECT_EQ(reader.messages[0].head.fault, fault);
        EXPECT_EQ(reader.messages[0].body, "Hey Bob, are you there?");
    }
}

TEST(MsrpStream, EndsWhereItCannotBeFollowed) {
    for (const char* text :
         {"GET / HTTP/1.1\r\n", "\x16\x03\x01", "MSRP a SEND\r\n", "MSRP a786hjs2 send\r\n",
          "MSRP a786hjs2 99 no\r\n", "MSRP .786hjs2 SEND\r\n"}) {
        Reader reader;
        reader.feed(text);
        EXPECT_NE(reader.broken, "") << text;
        reader.feed(kSend);
        EXPECT_TRUE(reader.messages.empty());
    }
}

TEST(MsrpStream, TakesLineEndsBetweenMessagesForNothing) {
    Reader reader;
    for (const char c : "\r\n" + kSend + "\r\n\n" + kOk) reader.feed(std::string(1, c));
    EXPECT_EQ(reader.messages.size(), 2U);
    EXPECT_EQ(reader.broken, "");
}

TEST(MsrpStream, BoundsHeadsAndBodiesThatAreNotMessages) {
    const std::string start = "MSRP a786hjs2 SEND\r\n";
    const std::string end = "-------a786hjs2$\r\n";
    const std::size_t room = kMaxHeadBytes - start.size() - end.size() - 5;
    Reader at_limit;
    at_limit.feed(start + "X: " + std::string(room, 'x') + "\r\n" + end);
    EXPECT_EQ(at_limit.messages.size(), 1U);
    Reader past;
    past.feed(start + "X: " + std::string(room + 1, 'x') + "\r\n" + end);
    EXPECT_EQ(past.broken, "MSRP headers too large");

    const std::string report = "MSRP a786hjs2 REPORT\r\nContent-Type: a/b\r\n\r\n";
    Reader small;
    small.feed(report + std::string(kMaxOtherBodyBytes, 'x') + "\r\n" + end);
    EXPECT_EQ(small.messages.at(0).body.size(), kMaxOtherBodyBytes);
    Reader large;
    large.feed(report + std::string(kMaxOtherBodyBytes + 1, 'x') + "\r\n" + end);
    EXPECT_NE(large.broken, "");
}

TEST(MsrpStream, KeepsFieldsThatItDoesNotKnowUpToALimit) {
    std::string text = "MSRP a786hjs2 NICKNAME\r\nuse-nickname: \"Alice the great\"\r\n";
    for (std::size_t i = 1; i < kMaxHeaders; ++i) text += "X: y\r\n";
    const std::string paths = kOk.substr(kOk.find("To-Path"));
    Reader reader;
    reader.feed(text + paths);
    EXPECT_EQ(reader.messages.at(0).head.find_other("Use-Nickname"), "\"Alice the great\"");
    EXPECT_EQ(reader.messages.at(0).head.fault, "");
    Reader past;
    past.feed(text + "X: y\r\n" + paths);
    EXPECT_EQ(past.messages.at(0).head.fault, "too many header fields");
}

TEST(MsrpByteRange, IsReadAndWritten) {
    for (const char* text : {"1-25/25", "1-*/*", "2049-4096/9000", "1-0/0", "5-*/8", "1-9/*"}) {
        const auto range = parse_byte_range(text);
        ASSERT_TRUE(range) << text;
        EXPECT_EQ(to_string(*range), text);
    }
    for (const char* text : {"", "1", "1-", "1-2", "0-2/2", "3-1/9", "1-9/8", "-1-2/2", "1-2/x",
                             "1-2/2 ", "1-99999999999999999999/*", "*-1/2"}) {
        EXPECT_EQ(parse_byte_range(text).has_value(), std::string_view(text) == "1-2/2 ") << text;
    }
}

}  // namespace
}  // namespace earshot::msrp
