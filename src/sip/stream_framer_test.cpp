#include "sip/stream_framer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace earshot::sip {
namespace {

using Kind = StreamEvent::Kind;

const std::string kOptions =
    "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 0\r\n\r\n";
const std::string kMessage =
    "MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nL :\r\n 9\r\n\r\nab\r\n\r\ncde";

// Events as text: "M:<bytes>", "ping", "pong", "broken:<status> <reason>".
std::vector<std::string> drain(StreamFramer& framer) {
    std::vector<std::string> seen;
    while (const auto event = framer.poll_event()) {
        switch (event->kind) {
            case Kind::Message:
                seen.push_back("M:" + std::string(base::as_text(event->bytes)));
                break;
            case Kind::Ping:
                seen.emplace_back("ping");
                break;
            case Kind::Pong:
                seen.emplace_back("pong");
                break;
            case Kind::Broken:
                seen.push_back("broken:" + std::to_string(event->status) + " " +
                               std::string(event->reason));
                break;
        }
    }
    return seen;
}

std::vector<std::string> feed_in_pieces(std::string_view stream, std::size_t piece) {
    StreamFramer framer;
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        framer.feed(base::as_bytes(stream.substr(at, piece)));
        for (std::string& event : drain(framer)) seen.push_back(std::move(event));
    }
    return seen;
}

TEST(StreamFramer, GivesTheSameMessagesHoweverTheStreamIsSplit) {
    const std::string stream = "\r\n\r\n" + kOptions + kMessage + "\r\n" + kOptions;
    const std::vector<std::string> expected{"pong",          "ping", "M:" + kOptions,
                                            "M:" + kMessage, "pong", "M:" + kOptions};
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        EXPECT_EQ(feed_in_pieces(stream, piece), expected) << piece;
    }
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        StreamFramer framer;
        framer.feed(base::as_bytes(stream).first(cut));
        std::vector<std::string> seen = drain(framer);
        framer.feed(base::as_bytes(stream).subspan(cut));
        for (std::string& event : drain(framer)) seen.push_back(std::move(event));
        EXPECT_EQ(seen, expected) << cut;
    }
}

TEST(StreamFramer, TellsWhetherAMessageHasBegun) {
    StreamFramer framer;
    EXPECT_TRUE(framer.is_idle());
    framer.feed(base::as_bytes("OPT"));
    EXPECT_FALSE(framer.poll_event());
    EXPECT_FALSE(framer.is_idle());
    EXPECT_EQ(framer.buffered_bytes(), 3U);
    framer.feed(base::as_bytes(kOptions).subspan(3));
    EXPECT_TRUE(framer.poll_event());
    EXPECT_TRUE(framer.is_idle());
}

TEST(StreamFramer, TakesBareLineFeeds) {
    const std::string text = "OPTIONS sip:a@b SIP/2.0\nContent-Length: 2\n\nab\n";
    EXPECT_EQ(feed_in_pieces(text, 5),
              (std::vector<std::string>{"M:" + text.substr(0, text.size() - 1), "pong"}));
}

TEST(StreamFramer, BreaksOffWhereTheNextMessageCannotBeFound) {
    const auto with_length = [](std::string_view lines) {
        return "OPTIONS sip:a@b SIP/2.0\r\n" + std::string(lines) + "\r\n";
    };
    const std::vector<std::pair<std::string, std::string>> cases{
        {with_length("Via: x\r\n"), "broken:400 Missing Content-Length"},
        {with_length("l: -1\r\n"), "broken:400 Malformed Content-Length"},
        {with_length("l: 1 1\r\n"), "broken:400 Malformed Content-Length"},
        {with_length("l: 1\r\n 1\r\n"), "broken:400 Malformed Content-Length"},
        {with_length("l: 99999999999999999999\r\n"), "broken:400 Malformed Content-Length"},
        {with_length("l: 1\r\nContent-Length: 2\r\n"), "broken:400 Content-Lengths Differ"},
        {with_length("l: 262144\r\n"), "broken:513 Message Too Large"},
        {"GET / HTTP/1.1\r\n", "broken:0 Not a SIP message"},
        {"\x16\x03\x01\n", "broken:0 Not a SIP message"},
    };
    for (const auto& [stream, expected] : cases) {
        EXPECT_EQ(feed_in_pieces(stream + kOptions, 7), std::vector<std::string>{expected})
            << stream;
    }
}

TEST(StreamFramer, GivesTheHeadOfARequestThatCanBeAnswered) {
    StreamFramer framer;
    framer.feed(base::as_bytes("OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n\r\n"));
    const auto event = framer.poll_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(base::as_text(event->bytes), "OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n\r\n");
    EXPECT_TRUE(framer.is_broken());
    framer.feed(base::as_bytes(kOptions));
    EXPECT_FALSE(framer.poll_event());
}

TEST(StreamFramer, KeepsItsLimits) {
    const auto padded = [](std::size_t head_size, std::size_t body_size) {
        std::string text = "OPTIONS sip:a@b SIP/2.0\r\nl: " + std::to_string(body_size) + "\r\nX: ";
        text += std::string(head_size - text.size() - 4, 'x') + "\r\n\r\n";
        return text + std::string(body_size, 'b');
    };
    const std::size_t body = kMaxSipMessageBytes - kMaxSipHeadBytes;
    EXPECT_EQ(feed_in_pieces(padded(kMaxSipHeadBytes, body), 9000).front()[0], 'M');
    EXPECT_EQ(feed_in_pieces(padded(kMaxSipHeadBytes, body + 1), 9000).front(),
              "broken:513 Message Too Large");
    EXPECT_EQ(feed_in_pieces(padded(kMaxSipHeadBytes + 1, 0), 9000).front(),
              "broken:513 Headers Too Large");
    EXPECT_EQ(feed_in_pieces(std::string(kMaxSipHeadBytes + 1, 'x'), 9000).front(),
              "broken:513 Headers Too Large");
}

}  // namespace
}  // namespace earshot::sip
