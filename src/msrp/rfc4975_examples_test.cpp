// The flows of RFC 4975 section 11, as a receiver sees them: what becomes of the messages, and what
// is answered. Byte-Ranges are as the content has them: some of the RFC's are not (it counts an end
// of line that is not part of the content).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "msrp/receiver.h"
#include "msrp/sender.h"

namespace earshot::msrp {
namespace {

using testing::ElementsAre;

const std::string kAlice = "msrp://alicepc.example.com:7777/iau39soe2843z;tcp";
const std::string kBob = "msrp://bob.example.com:8888/9di4eae923wzd;tcp";

// Whoever is called "us" in a flow.
struct End : Sessions {
    explicit End(const std::string& own) : uri(*parse_uri(own)) {}
    std::optional<Found> find(const Uri& to) override {
        if (!is_same(to, uri)) return std::nullopt;
        return Found{.session = 1, .own = uri, .max_bytes = 10'000};
    }
    // What is answered.
    std::string take(const std::string& text) {
        receiver.on_bytes(base::as_bytes(text));
        return drain();
    }
    std::string drain() {
        std::string sent;
        while (auto action = receiver.poll_action()) {
            if (const auto* bytes = std::get_if<SendBytes>(&*action)) sent += bytes->bytes;
            if (const auto* content = std::get_if<MessageContent>(&*action)) {
                body.resize(
                    std::max<std::size_t>(body.size(), content->offset + content->bytes.size()));
                body.replace(content->offset, content->bytes.size(), base::as_text(content->bytes));
            }
            if (const auto* end = std::get_if<EndMessage>(&*action)) {
                messages.push_back(std::exchange(body, {}));
                last = end->message;
            }
        }
        return sent;
    }
    Uri uri;
    base::SeededRandom random{1};
    Receiver receiver{*this, random};
    std::string body;
    std::vector<std::string> messages;
    MessageNumber last = 0;
};

std::string send(const std::string& transaction, const std::string& range,
                 const std::string& content, char flag, const std::string& type = "text/plain",
                 const std::string& more = {}, const std::string& to = kBob,
                 const std::string& from = kAlice, const std::string& id = "12339sdqwer") {
    return "MSRP " + transaction + " SEND\r\nTo-Path: " + to + "\r\nFrom-Path: " + from +
           "\r\nMessage-ID: " + id + "\r\nByte-Range: " + range + "\r\n" + more +
           "Content-Type: " + type + "\r\n\r\n" + content + "\r\n-------" + transaction + flag +
           "\r\n";
}
std::string ok(const std::string& transaction, const std::string& to, const std::string& from) {
    return "MSRP " + transaction + " 200 OK\r\nTo-Path: " + to + "\r\nFrom-Path: " + from +
           "\r\n-------" + transaction + "$\r\n";
}

TEST(MsrpFlows, ExampleFromRfc4975Section11_1) {
    End bob(kBob);
    EXPECT_EQ(bob.take(send("d93kswow", "1-14/14", "Hi, I'm Alice!", '$')),
              ok("d93kswow", kAlice, kBob));
    EXPECT_THAT(bob.messages, ElementsAre("Hi, I'm Alice!"));
    End alice(kAlice);
    EXPECT_EQ(alice.take(send("dkei38sd", "1-20/20", "Hi, Alice!  I'm Bob!", '$', "text/plain", {},
                              kAlice, kBob, "456s9wlk3")),
              ok("dkei38sd", kBob, kAlice));
    EXPECT_THAT(alice.messages, ElementsAre("Hi, Alice!  I'm Bob!"));
}

// Markup is content as any other.
TEST(MsrpFlows, ExampleFromRfc4975Section11_2) {
    const std::string page =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<html xml:lang=\"en\" lang=\"en\">\r\n"
        "<head><title>FY2005 Results</title></head>\r\n<body><p>See the results at\r\n<a "
        "href=\"http://example.org/\">example.org</a>.</p></body>\r\n</html>\r\n";
    const std::string size = std::to_string(page.size());
    End bob(kBob);
    EXPECT_EQ(
        bob.take(send("d93kswow", "1-" + size + "/" + size, page, '$', "application/xhtml+xml")),
        ok("d93kswow", kAlice, kBob));
    EXPECT_THAT(bob.messages, ElementsAre(page));
}

// CPIM is around the whole, so its headers are in the first chunk alone.
TEST(MsrpFlows, ExampleFromRfc4975Section11_4) {
    const std::string first =
        "To: Bob <sip:bob@example.com>\r\nFrom: Alice <sip:alice@example.com>\r\nDateTime: "
        "2006-05-15T15:02:31-03:00\r\n\r\nContent-Type: text/plain\r\n\r\nABCD";
    const std::string rest = "1234567890";
    const std::string total = std::to_string(first.size() + rest.size());
    End bob(kBob);
    EXPECT_EQ(bob.take(send("d93kswow", "1-" + std::to_string(first.size()) + "/" + total, first,
                            '+', "message/cpim")),
              ok("d93kswow", kAlice, kBob));
    EXPECT_TRUE(bob.messages.empty());
    EXPECT_EQ(
        bob.take(send("op2nc9a0", std::to_string(first.size() + 1) + "-" + total + "/" + total,
                      rest, '$', "message/cpim")),
        ok("op2nc9a0", kAlice, kBob));
    EXPECT_THAT(bob.messages, ElementsAre(first + rest));
}

// A message of the system: nobody is asked whether it came.
TEST(MsrpFlows, ExampleFromRfc4975Section11_5) {
    End bob(kBob);
    EXPECT_EQ(bob.take(send("d93kswow", "1-*/*", "This conference will end in 5 minutes", '$',
                            "text/plain", "Failure-Report: no\r\nSuccess-Report: no\r\n")),
              "");
    EXPECT_THAT(bob.messages, ElementsAre("This conference will end in 5 minutes"));
}

TEST(MsrpFlows, ExampleFromRfc4975Section11_6) {
    const std::string link =
        "<html><body>\r\n<p>Here is that important link...\r\n<a "
        "href=\"http://www.example.com/foobar\">foobar</a>\r\n</p>\r\n</body></html>";
    const std::string size = std::to_string(link.size());
    const std::string range = "1-" + size + "/" + size;
    End bob(kBob);
    EXPECT_EQ(bob.take(send("d93kswow", range, link, '$', "text/html",
                            "Success-Report: yes\r\nFailure-Report: no\r\n")),
              "");
    EXPECT_THAT(bob.messages, ElementsAre(link));
    bob.receiver.on_durable(bob.last);
    const std::string report = bob.drain();
    const std::string transaction = report.substr(5, report.find(' ', 5) - 5);
    EXPECT_EQ(report, "MSRP " + transaction + " REPORT\r\nTo-Path: " + kAlice + "\r\nFrom-Path: " +
                          kBob + "\r\nMessage-ID: 12339sdqwer\r\nByte-Range: " + range +
                          "\r\nStatus: 000 200 OK\r\n-------" + transaction + "$\r\n");
}

}  // namespace
}  // namespace earshot::msrp
