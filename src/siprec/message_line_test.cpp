// m=message lines of a recording session: what is taken, what is answered, what is refused.
#include "siprec/message_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const base::CertificateFingerprint kOurs{.function = base::HashFunction::Sha256,
                                         .digest = base::Bytes(32, 7)};

class MessageLineTest : public SessionTest {
protected:
    MessageLineTest() {
        config_.messages.takes_plain = true;
        opens_ports_ = false;
    }
    static std::string line(const std::string& more, const std::string& proto = "TCP/MSRP") {
        return "m=message 7777 " + proto + " *\na=path:msrp://192.0.2.10:7777/src;tcp\n" + more +
               "a=accept-types:message/cpim *\n";
    }
    void offer(const std::string& lines) {
        actions_.clear();
        start(message_of(to_wire(
            "INVITE sip:srs@192.0.2.80 SIP/2.0\nVia: SIP/2.0/UDP "
            "src.example;branch=z9hG4bKi\nFrom: <sip:src@src.example>;tag=a\nTo: "
            "<sip:srs@srs.example>\nCall-ID: c1@src.example\nCSeq: 1 INVITE\nContact: "
            "<sip:src@192.0.2.10>;+sip.src\nRequire: siprec\nMax-Forwards: 70\nContent-Type: "
            "application/sdp\n\nv=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n" +
            lines)));
        if (!offers_only_) open_all();
    }
    // Does what the server does with OpenStream.
    void open_all() {
        for (const OpenStream& open : all<OpenStream>()) {
            const std::uint16_t stream = open.facts.stream;
            if (open.facts.messages)
                session_->on_messages_opened(
                    now_, stream,
                    {.path = "msrp://192.0.2.80:2855/ours" + std::to_string(stream) + ";tcp",
                     .port = 2855,
                     .max_bytes = 1000,
                     .fingerprint =
                         open.facts.messages->is_secure ? std::optional{kOurs} : std::nullopt});
            else
                session_->on_stream_opened(now_, stream, 10000, 10001);
        }
        drain();
    }
    bool offers_only_ = false;
};

TEST_F(MessageLineTest, IsAnsweredWithOurPathAsPassive) {
    offer(line("a=setup:actpass\na=sendonly\na=label:12\n"));
    EXPECT_THAT(answer_lines("m="), ElementsAre("m=message 2855 TCP/MSRP *"));
    EXPECT_THAT(answer_lines("a=path"), ElementsAre("a=path:msrp://192.0.2.80:2855/ours0;tcp"));
    EXPECT_THAT(answer_lines("a=setup"), ElementsAre("a=setup:passive"));
    EXPECT_THAT(answer_lines("a=recvonly"), ElementsAre("a=recvonly"));
    EXPECT_THAT(answer_lines("a=label"), ElementsAre("a=label:12"));
    EXPECT_THAT(answer_lines("a=max-size"), ElementsAre("a=max-size:1000"));
    EXPECT_THAT(answer_lines("a=accept-types").at(0), HasSubstr("application/msrp-recording"));
    EXPECT_THAT(answer_lines("a=rtcp"), IsEmpty());
}

TEST_F(MessageLineTest, StandsBesideAudioInItsPlace) {
    offer("m=audio 40000 RTP/AVP 0\na=sendonly\na=label:1\n" + line("a=label:2\n"));
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/AVP 0", "m=message 2855 TCP/MSRP *"));
}

TEST_F(MessageLineTest, ToPassiveWeAreActive) {
    offer(line("a=setup:passive\n"));
    EXPECT_TRUE(all<OpenStream>().at(0).facts.messages->are_we_active);
    EXPECT_THAT(answer_lines("a=setup"), ElementsAre("a=setup:active"));
}

TEST_F(MessageLineTest, CemaIsAnsweredWhereItIsOffered) {
    offer(line("a=msrp-cema\n"));
    EXPECT_THAT(answer_lines("a=msrp-cema"), ElementsAre("a=msrp-cema"));
    offer(line(""));
    EXPECT_THAT(answer_lines("a=msrp-cema"), IsEmpty());
}

TEST_F(MessageLineTest, AFileIsAnsweredWithoutItsHashAndWithItsTransferId) {
    offer(
        line("a=file-selector:name:\"floor plan.pdf\" type:application/pdf size:4821 "
             "hash:sha-1:72:24:5F\na=file-transfer-id:bX2c\na=file-disposition:attachment\n"
             "a=sendonly\n"));
    EXPECT_THAT(
        answer_lines("a=file"),
        ElementsAre("a=file-selector:name:\"floor plan.pdf\" type:application/pdf size:4821",
                    "a=file-transfer-id:bX2c"));
    EXPECT_THAT(answer_lines("a=max-size"), IsEmpty());
    const std::string event = events("stream_added").at(0);
    EXPECT_THAT(event, HasSubstr("hash:sha-1:72:24:5F"));
    EXPECT_THAT(event, Not(HasSubstr("/src;tcp")));  // URIs are secrets
}

// A picture that Alice pushes, with all that its line may say of it. The answer repeats what it is
// and its transfer, and neither icon, disposition, date nor hash (section 8.3.1).
TEST_F(MessageLineTest, ExampleFromRfc5547Section9_1) {
    offer(
        "m=message 7654 TCP/MSRP *\ni=This is my latest picture\na=sendonly\n"
        "a=accept-types:message/cpim\na=accept-wrapped-types:*\n"
        "a=path:msrp://atlanta.example.com:7654/jshA7we;tcp\n"
        "a=file-selector:name:\"My cool picture.jpg\" type:image/jpeg size:4092 "
        "hash:sha-1:72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E\n"
        "a=file-transfer-id:Q6LMoGymJdh0IKIgD6wD0jkcfgva4xvE\na=file-disposition:render\n"
        "a=file-date:creation:\"Mon, 15 May 2006 15:01:31 +0300\"\n"
        "a=file-icon:cid:id2@alicepc.example.com\na=file-range:1-4092\na=label:1\n");
    EXPECT_THAT(
        answer_lines("a=file"),
        ElementsAre("a=file-selector:name:\"My cool picture.jpg\" type:image/jpeg size:4092",
                    "a=file-transfer-id:Q6LMoGymJdh0IKIgD6wD0jkcfgva4xvE"));
    EXPECT_THAT(answer_lines("a=recvonly"), ElementsAre("a=recvonly"));
    EXPECT_TRUE(all<OpenStream>().at(0).facts.messages->is_file());
    const std::string event = events("stream_added").at(0);
    EXPECT_THAT(event, HasSubstr("72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E"));
}

// A chat of two, a chat room and a file at once, keyed by fingerprints.
TEST_F(MessageLineTest, AChatARoomAndAFileAreTakenTogether) {
    config_.messages.takes_tls = true;
    std::string print = "sha-256 00";
    for (int i = 1; i < 32; ++i) print += ":0A";
    const auto one = [&](const std::string& id, const std::string& more) {
        return "m=message 49200 TCP/TLS/MSRP *\nc=IN IP4 192.0.2.10\na=path:msrps://192.0.2.10:"
               "49200/" +
               id + ";tcp\na=setup:actpass\na=fingerprint:" + print + "\n" + more + "a=sendonly\n";
    };
    offer(one("Kc7t2vQm9x", "a=accept-types:message/cpim text/plain\na=label:12\n") +
          one("Zp03nnE8ab",
              "a=accept-types:message/cpim\na=accept-wrapped-types:*\na=chatroom:nickname "
              "private-messages\na=label:13\n") +
          one("u7Hd5s2LqF",
              "a=accept-types:*\na=file-selector:name:\"floor plan.pdf\" type:application/pdf "
              "size:482113 hash:sha-1:72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E\n"
              "a=file-transfer-id:bX2cQ8vR1nT7yU4wE9aS6dF3gH5jK0lZ\na=file-disposition:attachment\n"
              "a=label:14\n"));
    const std::string line = "m=message 2855 TCP/TLS/MSRP *";
    EXPECT_THAT(answer_lines("m="), ElementsAre(line, line, line));
    EXPECT_THAT(answer_lines("a=label"), ElementsAre("a=label:12", "a=label:13", "a=label:14"));
    EXPECT_THAT(answer_lines("a=setup"),
                ElementsAre("a=setup:passive", "a=setup:passive", "a=setup:passive"));
    EXPECT_THAT(answer_lines("a=fingerprint"), testing::SizeIs(3));
    EXPECT_THAT(answer_lines("a=file-transfer-id"),
                ElementsAre("a=file-transfer-id:bX2cQ8vR1nT7yU4wE9aS6dF3gH5jK0lZ"));
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 3U);
    EXPECT_EQ(opened[0].facts.messages->fingerprints.size(), 1U);
    EXPECT_EQ(opened[1].facts.messages->chatroom, "nickname private-messages");
    EXPECT_TRUE(opened[2].facts.messages->is_file());
}

TEST_F(MessageLineTest, WithoutAPathItIsRefusedAndTheRestIsRecorded) {
    offer("m=audio 40000 RTP/AVP 0\na=label:1\nm=message 7777 TCP/MSRP *\na=label:2\n");
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/AVP 0", "m=message 0 TCP/MSRP *"));
    EXPECT_THAT(events("stream_refused").at(0), HasSubstr("\"no_path\""));
}

TEST_F(MessageLineTest, OverTlsNeedsACertificate) {
    offer("m=audio 40000 RTP/AVP 0\na=label:1\n" + line("", "TCP/TLS/MSRP"));
    EXPECT_THAT(events("stream_refused").at(0), HasSubstr("\"no_tls\""));
    config_.messages.takes_tls = true;
    offer(line("", "TCP/TLS/MSRP"));
    EXPECT_TRUE(all<OpenStream>().back().facts.messages->is_secure);
}

TEST_F(MessageLineTest, WhereMessagesAreNotTakenItIsRefusedAsBefore) {
    config_.messages = {};
    offer(line(""));
    EXPECT_EQ(response().status, 488);
}

// Lines at fault are the client's mistake; want of ports is ours, and passes.
TEST_F(MessageLineTest, WithNothingLeftTheAnswerSaysWhoseFaultItIs) {
    const auto answer_to = [&](bool is_fault_of_offer) {
        actions_.clear();
        offers_only_ = true;
        offer(line("a=label:1\n"));
        const std::uint16_t stream = all<OpenStream>().at(0).facts.stream;
        if (is_fault_of_offer)
            session_->on_stream_refused(now_, stream, {"path_changed", "m= is another address."});
        else
            session_->on_stream_failed(now_, stream, {"no_ports", "none left"});
        drain();
        return response().status;
    };
    EXPECT_EQ(answer_to(true), 488);
    EXPECT_EQ(answer_to(false), 503);
}

TEST_F(MessageLineTest, ANewPathIsANewStream) {
    offer(line("a=sendonly\na=label:12\n"));
    ack();
    std::string again = "v=0\no=- 1 2 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n" +
                        line("a=sendonly\na=label:12\n");
    request("UPDATE", "Content-Type: application/sdp\n", again);
    EXPECT_THAT(all<OpenStream>(), IsEmpty());
    again.replace(again.find("/src;"), 5, "/new;");
    request("UPDATE", "Content-Type: application/sdp\n", again);
    open_all();
    ASSERT_EQ(all<CloseStream>().size(), 1U);
    ASSERT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_EQ(all<OpenStream>().at(0).facts.stream, 1);
    EXPECT_THAT(answer_lines("a=path"), ElementsAre("a=path:msrp://192.0.2.80:2855/ours1;tcp"));
}

TEST_F(MessageLineTest, InactiveIsAPause) {
    offer(line("a=sendonly\n"));
    ack();
    request(
        "UPDATE", "Content-Type: application/sdp\n",
        "v=0\no=- 1 2 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n" + line("a=inactive\n"));
    EXPECT_EQ(all<PauseStream>().size(), 1U);
    EXPECT_THAT(answer_lines("a=inactive"), ElementsAre("a=inactive"));
}

// Best first (RFC 4975 section 8.6): what says who and when before what does not, any type last.
// The wrapper stands there by its name, which is what invites it; inside of either anything may be.
TEST_F(MessageLineTest, TypesAreTakenInTheirOrderOfWorth) {
    offer(line("a=label:1\n"));
    EXPECT_THAT(answer_lines("a=accept-types"),
                ElementsAre("a=accept-types:message/cpim application/msrp-recording "
                            "multipart/mixed text/plain text/html *"));
    EXPECT_THAT(answer_lines("a=accept-wrapped-types"), ElementsAre("a=accept-wrapped-types:*"));
    // A file comes as it is.
    offer(line("a=file-selector:name:\"a.png\" type:image/png size:10\na=file-transfer-id:x\n"));
    EXPECT_THAT(answer_lines("a=accept-types"), ElementsAre("a=accept-types:*"));
    EXPECT_THAT(answer_lines("a=accept-wrapped-types"), IsEmpty());
}

}  // namespace
}  // namespace earshot::siprec
