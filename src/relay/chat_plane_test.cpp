#include "relay/chat_plane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::relay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr CallKey kCall{7};

// Passes descriptions on as they are.
class Inner : public MediaPlane {
public:
    void offer(CallKey /*call*/, const LegSdp& sdp, SdpDone done) override {
        done(std::string(sdp.text));
    }
    void answer(CallKey /*call*/, const LegSdp& sdp, SdpDone done) override {
        done(std::string(sdp.text));
    }
    void rollback(CallKey /*call*/, Leg /*offerer*/) override { ++rollbacks; }
    void remove(CallKey /*call*/) override {}
    void subscribe(CallKey /*call*/, std::uint32_t /*subscription*/,
                   const SubscribeOptions& /*options*/, SubscriptionDone done) override {
        if (!subscription) return done(base::Reason{"no_media", ""});
        done(*subscription);
    }
    void answer_subscription(CallKey /*call*/, std::uint32_t /*subscription*/, std::string_view sdp,
                             PlaneDone done) override {
        answered = sdp;
        done(base::Done{});
    }
    void stop_subscription(CallKey /*call*/, std::uint32_t /*subscription*/,
                           Stop /*why*/) override {}
    void unsubscribe(CallKey /*call*/, std::uint32_t /*subscription*/) override {}
    base::Result<CallMedia, base::Reason> query(CallKey /*call*/) const override {
        return CallMedia{};
    }
    int rollbacks = 0;
    std::optional<Subscription> subscription;
    std::string answered;
};

class Link : public ChatLink, public chat::Network {
public:
    base::Result<base::NetAddress, base::Reason> listener(bool /*ipv6*/, bool inside) override {
        if (!can_listen) return base::Reason{"chat_no_listener", ""};
        return *base::parse_net_address(inside ? "10.0.0.1:2855" : "198.51.100.7:2855");
    }
    std::optional<ChatCertificate> certificate() const override { return own; }
    void post(std::function<void(base::Now, chat::Desk&)> work) override {
        work(base::Now{base::TimePoint{}, base::wall_from_ns(0)}, desk);
    }
    void later(std::function<void()> work) override { waiting.push_back(std::move(work)); }
    void send(chat::ConnectionId /*connection*/, std::string bytes) override { sent += bytes; }
    void close(chat::ConnectionId /*connection*/) override {}
    void set_reading(chat::ConnectionId /*connection*/, bool /*reading*/) override {}
    chat::ConnectionId connect(const base::NetAddress& to, const std::string& tls_name) override {
        connected_to.push_back(base::to_string(to) + (tls_name.empty() ? "" : " " + tls_name));
        return connected_to.size();
    }
    std::optional<base::Reason> find_fault(
        chat::ConnectionId /*connection*/,
        const std::vector<base::CertificateFingerprint>& told) override {
        fingerprints = told;
        return std::nullopt;
    }
    std::size_t queued_bytes(chat::ConnectionId /*connection*/) const override { return 0; }

    std::vector<std::function<void()>> waiting;
    bool can_listen = true;
    std::optional<ChatCertificate> own;
    std::vector<base::CertificateFingerprint> fingerprints;  // asked for last
    std::vector<std::string> connected_to;
    std::string sent;
    base::SeededRandom random{3};
    chat::Desk desk{*this, random, [](const chat::SwitchEvent&) {}, [](const chat::CopyEvent&) {}};
};

std::string sdp(const std::string& host, const std::string& lines) {
    return "v=0\r\no=- 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\n" +
           lines;
}
std::string chat_line(const std::string& name, const std::string& more = {}) {
    return "m=message 7000 TCP/MSRP *\r\na=accept-types:text/plain\r\na=path:msrp://192.0.2." +
           name + ":7000/" + name + ";tcp\r\n" + more;
}
const std::string kAudio = "m=audio 4000 RTP/AVP 0\r\n";

class ChatPlaneTest : public testing::Test {
protected:
    std::string offer(const std::string& lines, Leg from = Leg::A) {
        return say(lines, from, true);
    }
    std::string answer(const std::string& lines, Leg from = Leg::B) {
        return say(lines, from, false);
    }
    std::string say(const std::string& lines, Leg from, bool is_offer) {
        const std::string text = sdp(from == Leg::A ? "192.0.2.10" : "192.0.2.20", lines);
        base::Result<std::string, base::Reason> told = base::Reason{"not_called", ""};
        const LegSdp said{.from = from, .text = text};
        const auto done = [&](base::Result<std::string, base::Reason> result) {
            told = std::move(result);
        };
        is_offer ? plane_.offer(kCall, said, done) : plane_.answer(kCall, said, done);
        EXPECT_TRUE(told);
        return told ? *told : std::string{};
    }
    // A message of A.
    void write(chat::SessionId session) {
        const base::Now now{base::TimePoint{}, base::wall_from_ns(0)};
        msrp::Head head;
        head.method = "SEND";
        head.transaction = "d93kswow";
        head.message_id = "msg00001";
        head.content_type = "text/plain";
        chat::Copies& copies = link_.desk.copies();
        copies.on_chunk(now, session, chat::Side::A, head);
        copies.on_content(now, session, chat::Side::A, 0, base::as_bytes("x"));
        copies.on_chunk_end(now, session, chat::Side::A, 1, msrp::Continuation::Complete);
        copies.work(now);
    }
    static std::string path_of(const std::string& text) {
        const std::size_t at = text.find("a=path:");
        return at == std::string::npos ? std::string{} : text.substr(at, text.find('\r', at) - at);
    }

    ChatPlaneTest() {
        plane_.when_told(
            [this](CallKey, const ChatEvent& event) { told_.push_back(event.reason.code); });
    }

    Inner inner_;
    Link link_;
    base::SeededRandom random_{4};
    std::vector<std::string> told_;
    ChatPlane plane_{inner_, link_, random_};
};

TEST_F(ChatPlaneTest, EachPartyIsToldAPathOfOursAndTheRestAsItWas) {
    const std::string to_b = offer(kAudio + chat_line("10", "a=setup:actpass\r\na=x-own:1\r\n"));
    EXPECT_THAT(to_b, HasSubstr("m=message 2855 TCP/MSRP *\r\nc=IN IP4 198.51.100.7\r\n"));
    EXPECT_THAT(to_b, HasSubstr("a=path:msrp://198.51.100.7:2855/"));
    EXPECT_THAT(to_b, HasSubstr("a=setup:actpass\r\n"));
    EXPECT_THAT(to_b, HasSubstr("a=x-own:1\r\n"));
    EXPECT_THAT(to_b, HasSubstr(kAudio));
    const std::string to_a = answer(kAudio + chat_line("20", "a=setup:active\r\n"));
    EXPECT_THAT(to_a, HasSubstr("a=setup:passive\r\n"));
    EXPECT_NE(path_of(to_a), path_of(to_b));
    EXPECT_THAT(link_.connected_to, IsEmpty());
    EXPECT_EQ(link_.desk.chats().sessions(), 1U);
    plane_.remove(kCall);
    EXPECT_EQ(link_.desk.chats().sessions(), 0U);
}

TEST_F(ChatPlaneTest, WhoOffersPassivelyIsConnectedToOnceItHasBeenAnswered) {
    offer(chat_line("10", "a=setup:passive\r\n"));
    EXPECT_THAT(link_.connected_to, IsEmpty());
    EXPECT_THAT(answer(chat_line("20", "a=setup:passive\r\n")), HasSubstr("a=setup:active\r\n"));
    EXPECT_THAT(link_.connected_to,
                testing::UnorderedElementsAre("192.0.2.10:7000", "192.0.2.20:7000"));
}

TEST_F(ChatPlaneTest, WhoDoesNotKnowSetupIsAnsweredWithout) {
    offer(chat_line("10"));
    EXPECT_THAT(answer(chat_line("20")), Not(HasSubstr("a=setup")));
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.20:7000"));
}

TEST_F(ChatPlaneTest, ARefreshKeepsTheSessionAndAnotherPathMakesAnother) {
    const std::string first = offer(chat_line("10"));
    answer(chat_line("20", "a=setup:active\r\n"));
    EXPECT_EQ(path_of(offer(chat_line("10"))), path_of(first));
    answer(chat_line("20", "a=setup:active\r\n"));
    EXPECT_EQ(path_of(offer(chat_line("20"), Leg::B)).substr(0, 20), path_of(first).substr(0, 20));
    answer(chat_line("10", "a=setup:active\r\n"), Leg::A);
    EXPECT_EQ(link_.desk.chats().sessions(), 1U);

    const std::string next = offer(chat_line("11"));
    EXPECT_NE(path_of(next), path_of(first));
    EXPECT_EQ(link_.desk.chats().sessions(), 2U);  // until it is answered
    plane_.rollback(kCall, Leg::A);
    EXPECT_EQ(link_.desk.chats().sessions(), 1U);
    offer(chat_line("11"));
    answer(chat_line("20", "a=setup:active\r\n"));
    EXPECT_EQ(link_.desk.chats().sessions(), 1U);
}

TEST_F(ChatPlaneTest, ARefusedChatIsClosedAndANewOneMayTakeItsPlace) {
    offer(kAudio + chat_line("10"));
    EXPECT_THAT(answer(kAudio + "m=message 0 TCP/MSRP *\r\n"), HasSubstr("m=message 0 "));
    EXPECT_EQ(link_.desk.chats().sessions(), 0U);
    offer(kAudio + chat_line("12"));
    answer(kAudio + chat_line("20"));
    EXPECT_EQ(link_.desk.chats().sessions(), 1U);
    offer(kAudio + "m=message 0 TCP/MSRP *\r\n");
    EXPECT_EQ(link_.desk.chats().sessions(), 1U);  // it may be refused yet
    answer(kAudio + "m=message 0 TCP/MSRP *\r\n");
    EXPECT_EQ(link_.desk.chats().sessions(), 0U);
}

// RFC 6714: each leg is a hop of its own, and we know it.
TEST_F(ChatPlaneTest, CemaIsOfferedAlwaysAndAnsweredToWhoOfferedIt) {
    EXPECT_THAT(offer(chat_line("10")), HasSubstr("a=msrp-cema\r\n"));
    EXPECT_THAT(
        answer(chat_line("20", "a=msrp-cema\r\na=setup:passive\r\nc=IN IP4 192.0.2.77\r\n")),
        Not(HasSubstr("a=msrp-cema")));
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.77:7000"));  // a middlebox is there
    plane_.remove(kCall);
    offer(chat_line("10", "a=setup:passive\r\na=msrp-cema\r\nc=IN IP4 192.0.2.78\r\n"));
    EXPECT_THAT(answer(chat_line("20", "a=setup:active\r\n")), HasSubstr("a=msrp-cema\r\n"));
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.77:7000", "192.0.2.78:7000"));
}

// ---- TLS

std::string fingerprint(char digit) {
    std::string text = "a=fingerprint:sha-256 ";
    for (int i = 0; i < 32; ++i) text += (i == 0 ? "" : ":") + std::string(2, digit);
    return text + "\r\n";
}
std::string tls_line(const std::string& name, const std::string& more) {
    return "m=message 7000 TCP/TLS/MSRP *\r\na=accept-types:text/plain\r\na=path:msrps://192.0.2." +
           name + ":7000/" + name + ";tcp\r\n" + more;
}
ChatCertificate certificate(bool is_self_signed = true) {
    return {.fingerprint = {.digest = base::Bytes(32, 0x5a)}, .is_self_signed = is_self_signed};
}
constexpr std::string_view kOurs = "a=fingerprint:sha-256 5A:5A:";

TEST_F(ChatPlaneTest, TlsEndsHereAndEachPartyIsToldOurCertificate) {
    link_.own = certificate();
    const std::string to_b = offer(tls_line("10", fingerprint('1') + "a=setup:actpass\r\n"));
    EXPECT_THAT(to_b, HasSubstr("m=message 2855 TCP/TLS/MSRP *\r\n"));
    EXPECT_THAT(to_b, HasSubstr("a=path:msrps://198.51.100.7:2855/"));
    EXPECT_THAT(to_b, HasSubstr(kOurs));
    EXPECT_THAT(to_b, Not(HasSubstr("11:11")));
    const std::string to_a = answer(tls_line("20", fingerprint('2') + "a=setup:passive\r\n"));
    EXPECT_THAT(to_a, HasSubstr("a=path:msrps://198.51.100.7:2855/"));
    EXPECT_THAT(to_a, HasSubstr(kOurs));
    EXPECT_THAT(to_a, Not(HasSubstr("22:22")));
    // Where we connect, B has to show what its answer named.
    ASSERT_THAT(link_.connected_to, ElementsAre("192.0.2.20:7000 192.0.2.20"));
    link_.desk.on_open({}, 1, true);
    ASSERT_THAT(link_.fingerprints, SizeIs(1));
    EXPECT_EQ(link_.fingerprints[0].digest, base::Bytes(32, 0x22));
    // The same again goes on; another certificate is another end.
    EXPECT_EQ(path_of(offer(tls_line("10", fingerprint('1')))), path_of(to_b));
    EXPECT_NE(path_of(offer(tls_line("10", fingerprint('3')))), path_of(to_b));
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ChatPlaneTest, WhoKnowsEachOtherByNamesInCertificatesIsNotBrokenByOneOfOurMaking) {
    link_.own = certificate();
    EXPECT_EQ(offer(tls_line("10", "")), sdp("192.0.2.10", tls_line("10", "")));
    EXPECT_THAT(told_, ElementsAre("chat_encrypted"));
    plane_.remove(kCall);
    link_.own = certificate(false);
    EXPECT_THAT(offer(tls_line("10", "")), HasSubstr(kOurs));
    EXPECT_THAT(told_, SizeIs(1));
}

TEST_F(ChatPlaneTest, WhatCannotBeTakenPassesAsItCameAndTheReasonIsToldOnce) {
    const std::string secure =
        "m=message 7000 TCP/TLS/MSRP *\r\na=path:msrps://192.0.2.10:7000/x;tcp\r\n";
    EXPECT_EQ(offer(secure), sdp("192.0.2.10", secure));
    EXPECT_EQ(answer(secure), sdp("192.0.2.20", secure));
    EXPECT_THAT(told_, ElementsAre("chat_encrypted"));
    offer(secure);
    EXPECT_THAT(told_, SizeIs(1));
    plane_.remove(kCall);
    link_.can_listen = false;
    EXPECT_EQ(offer(chat_line("10")), sdp("192.0.2.10", chat_line("10")));
    EXPECT_EQ(answer(chat_line("20")), sdp("192.0.2.20", chat_line("20")));
    EXPECT_THAT(told_, ElementsAre("chat_encrypted", "chat_no_listener"));
    EXPECT_EQ(link_.desk.chats().sessions(), 0U);
}

// ---- recording ----------------------------------------------------------------------------------

class RecordedChatPlane : public ChatPlaneTest {
protected:
    base::Result<Subscription, base::Reason> subscribe(const SubscribeOptions& options = {}) {
        base::Result<Subscription, base::Reason> made = base::Reason{"not_called", ""};
        plane_.subscribe(kCall, 1, options, [&](auto result) { made = std::move(result); });
        return made;
    }
    void chat(const std::string& more = {}) {
        offer(kAudio + chat_line("10", more));
        answer(kAudio + chat_line("20", "a=setup:active\r\n"));
    }
    void answer_server(const std::string& lines) {
        base::Result<base::Done, base::Reason> done = base::Reason{"not_called", ""};
        plane_.answer_subscription(kCall, 1, sdp("192.0.2.99", lines),
                                   [&](auto result) { done = std::move(result); });
        EXPECT_TRUE(done);
    }
    static std::string server_line(const std::string& more = "a=recvonly\r\n") {
        return "m=message 2855 TCP/MSRP *\r\na=path:msrp://192.0.2.99:2855/rec;tcp\r\n"
               "a=setup:passive\r\na=accept-types:*\r\n" +
               more;
    }
};

TEST_F(RecordedChatPlane, ACallThatIsAChatAloneIsOfferedAsOneLine) {
    chat("a=chatroom:nickname\r\n");
    const auto made = subscribe();
    ASSERT_TRUE(made);
    EXPECT_THAT(made->offer, HasSubstr("c=IN IP4 198.51.100.7\r\n"));
    EXPECT_THAT(made->offer,
                HasSubstr("m=message 2855 TCP/MSRP *\r\na=path:msrp://198.51.100.7:2855/"));
    EXPECT_THAT(made->offer,
                HasSubstr(";tcp\r\na=setup:active\r\na=msrp-cema\r\na=accept-types:text/plain\r\n"
                          "a=chatroom:nickname\r\na=sendonly\r\na=label:chat-1\r\n"));
    ASSERT_THAT(made->streams, SizeIs(1));
    EXPECT_TRUE(made->streams[0].is_of_both);
    EXPECT_EQ(made->streams[0].media, "message");
    EXPECT_EQ(made->streams[0].label, "chat-1");
    EXPECT_EQ(subscribe()->offer, made->offer);  // nothing has changed
    answer_server(server_line());
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.99:2855"));
    answer_server(server_line("a=inactive\r\n"));
    EXPECT_THAT(link_.connected_to, SizeIs(1));
    plane_.unsubscribe(kCall, 1);
    EXPECT_EQ(link_.desk.copies().size(), 0U);
}

// RFC 4976: a server behind relays is reached by the first of them.
TEST_F(RecordedChatPlane, TheFirstRelayOfAServersPathIsConnectedTo) {
    chat();
    ASSERT_TRUE(subscribe());
    answer_server(
        "m=message 2855 TCP/MSRP *\r\na=path:msrp://192.0.2.50:2856/r1;tcp "
        "msrp://192.0.2.51:2855/r2;tcp msrp://192.0.2.99:2855/rec;tcp\r\na=setup:passive\r\n"
        "a=accept-types:*\r\na=recvonly\r\n");
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.50:2856"));
}

TEST_F(RecordedChatPlane, LinesOfThePlaneBehindKeepTheirPlaces) {
    chat();
    inner_.subscription =
        Subscription{.offer = sdp("203.0.113.5", "m=audio 6000 RTP/AVP 0\r\na=label:1\r\n"),
                     .streams = {{.label = "1", .place = 0, .media = "audio"}},
                     .left_out = {}};
    auto made = subscribe();
    ASSERT_TRUE(made);
    EXPECT_EQ(made->offer.find("m=audio 6000"), made->offer.find("m="));
    EXPECT_THAT(made->offer, HasSubstr("c=IN IP4 203.0.113.5\r\n"));
    answer_server("m=audio 7000 RTP/AVP 0\r\n" + server_line());
    EXPECT_THAT(inner_.answered, HasSubstr("m=audio 7000"));
    EXPECT_THAT(inner_.answered, Not(HasSubstr("m=message")));
    // A line that is added behind comes after the chat.
    inner_.subscription->offer +=
        "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=label:2\r\n";
    inner_.subscription->streams.push_back({.label = "2", .place = 1, .media = "video"});
    const std::string before = made->offer;
    made = subscribe();
    ASSERT_TRUE(made);
    EXPECT_LT(made->offer.find("m=message"), made->offer.find("m=video"));
    ASSERT_THAT(made->streams, SizeIs(3));
    EXPECT_EQ(made->streams[1].label, "chat-1");
    EXPECT_EQ(made->streams[2].label, "2");
    EXPECT_EQ(made->streams[2].place, 2U);
    EXPECT_THAT(made->offer, HasSubstr("o=- 1 2 IN IP4 203.0.113.5\r\n"));  // the same session
    // The answer to the offer before has one line of each.
    answer_server("m=audio 7002 RTP/AVP 0\r\n" + server_line());
    EXPECT_THAT(inner_.answered, HasSubstr("m=audio 7002"));
    EXPECT_THAT(inner_.answered, Not(HasSubstr("m=video")));
    // A chat that ends leaves port 0 in its place.
    offer(kAudio + "m=message 0 TCP/MSRP *\r\n");
    answer(kAudio + "m=message 0 TCP/MSRP *\r\n");
    made = subscribe();
    EXPECT_THAT(made->offer, HasSubstr("m=message 0 TCP/MSRP *\r\na=label:chat-1\r\n"));
    ASSERT_THAT(made->streams, SizeIs(2));
    EXPECT_EQ(made->streams[1].place, 2U);
}

TEST_F(RecordedChatPlane, OnlyWhatIsAskedForIsOffered) {
    chat();
    SubscribeOptions options;
    options.media = {"audio"};
    EXPECT_FALSE(subscribe(options));
    options.media = {"message"};
    EXPECT_TRUE(subscribe(options));
    options.is_paused = true;
    EXPECT_THAT(subscribe(options)->offer, HasSubstr("a=inactive\r\n"));
}

TEST_F(RecordedChatPlane, AFileGoesToNobodyWhoDoesNotSayThatItTakesIt) {  // RFC 5547 section 8.2
    chat("a=file-selector:name:\"plan.pdf\" size:5\r\na=file-transfer-id:of-the-call\r\n");
    const auto made = subscribe();
    ASSERT_TRUE(made);
    EXPECT_THAT(made->offer, HasSubstr("a=file-selector:name:\"plan.pdf\" size:5\r\n"));
    EXPECT_THAT(made->offer, Not(HasSubstr("of-the-call")));
    const std::size_t at = made->offer.find("a=file-transfer-id:");
    ASSERT_NE(at, std::string::npos);
    const std::string id = made->offer.substr(at, made->offer.find('\r', at) - at);
    answer_server(server_line());
    EXPECT_THAT(link_.connected_to, IsEmpty());
    EXPECT_THAT(told_, ElementsAre("file_refused"));
    answer_server(server_line(id + "\r\na=recvonly\r\n"));
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.99:2855"));
}

// ... but that there was one is told in the chat beside it, once, where that takes notices.
TEST_F(RecordedChatPlane, AFileThatIsRefusedIsToldOfInTheChatBesideIt) {
    const std::string file = "a=file-selector:name:\"plan.pdf\" size:5\r\na=file-transfer-id:t\r\n";
    const auto agree = [&](const std::string& wish, const std::string& reply) {
        offer(chat_line("10", file + wish) + chat_line("11"));
        answer(chat_line("20", "a=setup:active\r\n" + file + reply) +
               chat_line("21", "a=setup:active\r\n"));
        const auto made = subscribe();
        ASSERT_TRUE(made);
        ASSERT_THAT(made->streams, SizeIs(2));
    };
    const std::string chat =
        "m=message 2855 TCP/MSRP *\r\na=path:msrp://192.0.2.99:2855/chat;tcp\r\n"
        "a=setup:passive\r\na=accept-types:application/msrp-recording *\r\na=recvonly\r\n";
    agree("a=sendonly\r\n", "a=recvonly\r\n");
    answer_server("m=message 0 TCP/MSRP *\r\n" + chat);
    EXPECT_THAT(told_, ElementsAre("chat_refused"));
    ASSERT_THAT(link_.connected_to, SizeIs(1));
    answer_server("m=message 0 TCP/MSRP *\r\n" + chat);  // again: it is known
    const auto before = link_.sent.size();
    link_.desk.on_open({}, 1, true);
    link_.desk.copies().work({});
    EXPECT_THAT(link_.sent.substr(before), HasSubstr("rs.Content: drop\r\n"));
    const std::size_t at = link_.sent.find("rs.File-Selector: name:\"plan.pdf\" size:5\r\n");
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(link_.sent.find("rs.File-Selector", at + 1), std::string::npos);
}

// RFC 5547 sections 8.1 and 8.2; the message itself is the file and names nobody.
TEST_F(RecordedChatPlane, AFileIsOfWhoHandsItOver) {
    const std::string file = "a=file-selector:name:\"x\" size:5\r\na=file-transfer-id:t\r\n";
    const auto agree = [&](Leg offerer, const std::string& wish, const std::string& reply) {
        offer(chat_line("10", file + wish), offerer);
        answer(chat_line("20", "a=setup:active\r\n" + file + reply), other(offerer));
    };
    const auto stream = [&] {
        const auto made = subscribe();
        return made && made->streams.size() == 1 ? made->streams[0] : SubscribedStream{};
    };
    agree(Leg::A, "a=sendonly\r\n", "a=recvonly\r\n");  // push
    EXPECT_EQ(stream().label, "chat-1");
    EXPECT_FALSE(stream().is_of_both);
    EXPECT_EQ(stream().from, Leg::A);
    agree(Leg::A, "a=inactive\r\n", "a=inactive\r\n");  // held: it is hers yet
    EXPECT_FALSE(stream().is_of_both);
    EXPECT_EQ(stream().from, Leg::A);
    plane_.remove(kCall);
    agree(Leg::A, "a=recvonly\r\n", "a=sendonly\r\n");  // pull
    EXPECT_EQ(stream().from, Leg::B);
    plane_.remove(kCall);
    agree(Leg::B, "a=sendonly\r\n", "a=recvonly\r\n");
    EXPECT_EQ(stream().from, Leg::B);
    plane_.remove(kCall);
    agree(Leg::A, "", "a=recvonly\r\n");  // told by the answer alone
    EXPECT_FALSE(stream().is_of_both);
    EXPECT_EQ(stream().from, Leg::A);
    plane_.remove(kCall);
    agree(Leg::A, "", "");
    EXPECT_TRUE(stream().is_of_both);
    plane_.remove(kCall);
    chat("a=sendonly\r\n");  // no file: who may only read now has written before
    EXPECT_TRUE(stream().is_of_both);
}

// P-123: never in the clear what came by TLS.
TEST_F(RecordedChatPlane, AChatInTlsIsOfferedInTlsAndGoesToNobodyWhoAnswersOtherwise) {
    link_.own = certificate();
    offer(tls_line("10", fingerprint('1')));
    answer(tls_line("20", fingerprint('2') + "a=setup:active\r\n"));
    const auto made = subscribe();
    ASSERT_TRUE(made);
    EXPECT_THAT(made->offer,
                HasSubstr("m=message 2855 TCP/TLS/MSRP *\r\na=path:msrps://198.51.100.7:2855/"));
    EXPECT_THAT(made->offer, HasSubstr(kOurs));
    answer_server(server_line());
    EXPECT_THAT(told_, ElementsAre("chat_bad_answer"));
    EXPECT_THAT(link_.connected_to, IsEmpty());
    answer_server("m=message 2855 TCP/TLS/MSRP *\r\na=path:msrps://192.0.2.99:2855/rec;tcp\r\n" +
                  fingerprint('9') + "a=setup:passive\r\na=accept-types:*\r\na=recvonly\r\n");
    ASSERT_THAT(link_.connected_to, ElementsAre("192.0.2.99:2855 192.0.2.99"));
    link_.desk.on_open({}, 1, true);
    ASSERT_THAT(link_.fingerprints, SizeIs(1));
    EXPECT_EQ(link_.fingerprints[0].digest, base::Bytes(32, 0x99));
}

// Nobody has opened a copy when parties have the answer, and write.
TEST_F(RecordedChatPlane, WhatPartiesWriteBeforeItIsRecordedIsKeptUntilThatIsDecided) {
    for (const bool is_in_time : {true, false}) {
        offer(chat_line(is_in_time ? "10" : "11"));
        answer(chat_line("20", "a=setup:active\r\n"));
        write(is_in_time ? 1 : 2);
        if (!is_in_time)
            for (const auto& work : std::exchange(link_.waiting, {})) work();
        ASSERT_TRUE(subscribe());
        const auto media = plane_.query(kCall);
        ASSERT_TRUE(media);
        ASSERT_THAT(media->forks, testing::Not(IsEmpty()));
        EXPECT_EQ(media->forks.back().is_replaying, is_in_time);
        plane_.remove(kCall);
        plane_.unsubscribe(kCall, 1);
    }
}

TEST_F(RecordedChatPlane, AServerThatAnswersAfterTheEndOfACallGetsWhatIsLeft) {
    chat();
    ASSERT_TRUE(subscribe());
    write(1);
    plane_.remove(kCall);
    const auto media = plane_.query(kCall);
    ASSERT_TRUE(media);
    ASSERT_THAT(media->forks, SizeIs(1));
    EXPECT_TRUE(media->forks[0].is_replaying);
    answer_server(server_line());
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.99:2855"));
    plane_.unsubscribe(kCall, 1);
    EXPECT_THAT(plane_.query(kCall)->forks, IsEmpty());
}

TEST_F(RecordedChatPlane, ARefusedLineIsToldOnce) {
    chat();
    ASSERT_TRUE(subscribe());
    answer_server("m=message 0 TCP/MSRP *\r\n");
    answer_server("m=message 0 TCP/MSRP *\r\n");
    EXPECT_THAT(told_, ElementsAre("chat_refused"));
}

TEST_F(RecordedChatPlane, ARoomIsOneChatOfWhichThePlaneBehindKnowsNothing) {
    inner_.subscription = Subscription{};  // which it would give
    EXPECT_NE(plane_.open_room(kCall, "a=accept-types:message/cpim\r\na=chatroom:nickname\r\n"),
              0U);
    const auto made = subscribe();
    ASSERT_TRUE(made);
    EXPECT_THAT(made->offer,
                HasSubstr(";tcp\r\na=setup:active\r\na=msrp-cema\r\na=accept-types:message/cpim\r\n"
                          "a=chatroom:nickname\r\na=sendonly\r\na=label:chat-1\r\n"));
    ASSERT_THAT(made->streams, SizeIs(1));
    EXPECT_TRUE(made->streams[0].is_of_both);
    answer_server(server_line());
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.99:2855"));
    EXPECT_THAT(inner_.answered, IsEmpty());
    const auto media = plane_.query(kCall);
    ASSERT_TRUE(media);
    EXPECT_THAT(media->forks, SizeIs(1));
    plane_.remove(kCall);
    plane_.unsubscribe(kCall, 1);
    EXPECT_FALSE(plane_.query(kCall)->forks.size());
}

// P-123: whoever comes by TLS later, what is said from then on leaves by TLS alone.
TEST_F(RecordedChatPlane, ARoomIntoWhichSomebodyComesByTlsGoesToServersByTlsFromThenOn) {
    link_.own = certificate();
    plane_.open_room(kCall, "a=accept-types:message/cpim\r\n");
    ASSERT_TRUE(subscribe());
    answer_server(server_line());
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.99:2855"));
    plane_.encrypt_room(kCall);
    answer_server(server_line());  // to the offer before
    EXPECT_THAT(link_.connected_to, SizeIs(1));
    EXPECT_THAT(told_, IsEmpty());
    const auto made = subscribe();
    EXPECT_THAT(made->offer, HasSubstr(" TCP/TLS/MSRP *\r\na=path:msrps://"));
    EXPECT_THAT(made->offer, HasSubstr(std::string(kOurs)));
    EXPECT_THAT(made->offer, Not(HasSubstr("m=message 0")));
    answer_server("m=message 2855 TCP/TLS/MSRP *\r\na=path:msrps://192.0.2.99:2855/rec;tcp\r\n" +
                  fingerprint('9') + "a=setup:passive\r\na=accept-types:*\r\na=recvonly\r\n");
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.99:2855", "192.0.2.99:2855 192.0.2.99"));
    // Not back again.
    answer_server(server_line());
    EXPECT_THAT(told_, ElementsAre("chat_bad_answer"));
}

TEST_F(RecordedChatPlane, KnowsWhichLinesAreChats) {
    EXPECT_FALSE(plane_.takes_chat(kCall, 1));
    chat();
    EXPECT_TRUE(plane_.takes_chat(kCall, 1));
    EXPECT_FALSE(plane_.takes_chat(kCall, 0));
}

// ---- lines that chats share

class ChatLinesTest : public RecordedChatPlane {
protected:
    static SubscribeOptions options(ChatMapping mapping) {
        SubscribeOptions options;
        options.chats.mapping = mapping;
        options.chats.stream_id = [](std::string_view name) {
            return "id of " + std::string(name);
        };
        return options;
    }
    void two_chats() {
        offer(chat_line("10") + chat_line("11"));
        answer(chat_line("20", "a=setup:active\r\n") + chat_line("21", "a=setup:active\r\n"));
    }
    static std::string server_answer(const std::string& label, const std::string& types = "*") {
        return "m=message 2855 TCP/MSRP *\r\na=path:msrp://192.0.2.99:2855/" + label +
               ";tcp\r\na=setup:passive\r\na=accept-types:" + types +
               "\r\na=recvonly\r\na=label:" + label + "\r\n";
    }
    static std::size_t lines_in(const std::string& text) {
        std::size_t count = 0;
        for (std::size_t at = text.find("m="); at != std::string::npos;
             at = text.find("m=", at + 1))
            ++count;
        return count;
    }
    const std::string kWrapper = "application/msrp-recording *";
};

TEST_F(ChatLinesTest, ChatsOfAMuxShareALineAndHaveStreamsOfTheirOwn) {
    two_chats();
    const auto made = subscribe(options(ChatMapping::Mux));
    ASSERT_TRUE(made);
    EXPECT_EQ(lines_in(made->offer), 1U) << made->offer;
    EXPECT_THAT(made->offer, HasSubstr("a=accept-types:*\r\na=sendonly\r\na=label:chats-1\r\n"));
    ASSERT_THAT(made->streams, SizeIs(2));
    EXPECT_EQ(made->streams[0].label, "chats-1");
    EXPECT_EQ(made->streams[1].label, "chats-1");
    EXPECT_NE(made->streams[0].name, made->streams[1].name);
    answer_server(server_answer("chats-1", kWrapper));
    EXPECT_THAT(link_.connected_to, SizeIs(1));
    EXPECT_EQ(link_.desk.copies().size(), 2U);
    EXPECT_EQ(link_.desk.copies().trunks(), 1U);
    // One of them ends: the line goes on.
    offer("m=message 0 TCP/MSRP *\r\n" + chat_line("11"));
    answer("m=message 0 TCP/MSRP *\r\n" + chat_line("21", "a=setup:active\r\n"));
    const auto next = subscribe(options(ChatMapping::Mux));
    EXPECT_EQ(next->offer, made->offer);
    EXPECT_THAT(next->streams, SizeIs(1));
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ChatLinesTest, AServerThatCannotTellChatsApartGetsALineOfEach) {
    two_chats();
    auto made = subscribe(options(ChatMapping::Mux));
    ASSERT_TRUE(made);
    link_.waiting.clear();
    answer_server(server_answer("chats-1"));
    EXPECT_THAT(link_.connected_to, SizeIs(1));
    ASSERT_THAT(link_.waiting, SizeIs(1));
    link_.waiting.front()();  // tells to subscribe anew
    made = subscribe(options(ChatMapping::Mux));
    ASSERT_TRUE(made);
    EXPECT_EQ(lines_in(made->offer), 2U) << made->offer;
    EXPECT_THAT(told_, testing::Contains("mux_not_taken"));
    EXPECT_NE(made->streams[0].label, made->streams[1].label);
    answer_server(server_answer("chats-1") + server_answer("own"));
    EXPECT_THAT(link_.connected_to, SizeIs(2));
    // A third one knows.
    offer(chat_line("10") + chat_line("11") + chat_line("12"));
    answer(chat_line("20") + chat_line("21") + chat_line("22"));
    EXPECT_EQ(lines_in(subscribe(options(ChatMapping::Mux))->offer), 3U);
}

TEST_F(ChatLinesTest, TheNextChatGetsTheLineOfOneThatIsOverAndOnlyTheMetadataChange) {
    offer(chat_line("10"));
    answer(chat_line("20", "a=setup:active\r\n"));
    const auto made = subscribe(options(ChatMapping::Reuse));
    ASSERT_TRUE(made);
    EXPECT_THAT(made->offer, HasSubstr("a=label:chatline-1\r\n"));
    answer_server(server_answer("chatline-1", kWrapper));
    const std::string first = made->streams.at(0).name;
    offer("m=message 0 TCP/MSRP *\r\n");
    answer("m=message 0 TCP/MSRP *\r\n");
    const auto between = subscribe(options(ChatMapping::Reuse));
    ASSERT_TRUE(between);
    EXPECT_EQ(between->offer, made->offer);
    EXPECT_THAT(between->streams, IsEmpty());
    offer(chat_line("12"));
    answer(chat_line("22", "a=setup:active\r\n"));
    const auto next = subscribe(options(ChatMapping::Reuse));
    EXPECT_EQ(next->offer, made->offer);
    ASSERT_THAT(next->streams, SizeIs(1));
    EXPECT_NE(next->streams[0].name, first);
    // At once a second one needs a line, and a file has its own.
    offer(chat_line("12") + chat_line("13") +
          chat_line("14", "a=file-selector:name:\"x\" size:5\r\n"));
    answer(chat_line("22") + chat_line("23") + chat_line("24"));
    const auto three = subscribe(options(ChatMapping::Reuse));
    EXPECT_EQ(lines_in(three->offer), 3U) << three->offer;
    EXPECT_THAT(three->offer, HasSubstr("a=label:chatline-2\r\n"));
    EXPECT_THAT(told_, IsEmpty());
}

// Who cannot be told apart by the wrapper gets a line only when nothing of the chat before is on
// its way any more.
TEST_F(ChatLinesTest, ALineWhoseChatIsNotReceiptedWaitsWhereThereIsNoWrapper) {
    for (const bool has_wrapper : {true, false}) {
        SubscribeOptions reuse = options(ChatMapping::Reuse);
        reuse.chats.session = std::make_shared<int>();
        offer(chat_line("10"));
        answer(chat_line("20", "a=setup:active\r\n"));
        const auto made = subscribe(reuse);
        ASSERT_TRUE(made);
        const std::string label = made->streams.at(0).label;
        answer_server(server_answer(label, has_wrapper ? kWrapper : "*"));
        write(has_wrapper ? 1 : 3);  // it waits, and is not receipted
        offer(chat_line("11"));      // another chat
        answer(chat_line("21", "a=setup:active\r\n"));
        const auto next = subscribe(reuse);
        ASSERT_TRUE(next);
        EXPECT_EQ(next->streams.at(0).label == label, has_wrapper) << next->offer;
        plane_.unsubscribe(kCall, 1);
    }
}

TEST_F(ChatLinesTest, AChatThatBeginsInAPauseIsNotKeptForItsEnd) {
    offer(chat_line("10"));
    answer(chat_line("20", "a=setup:active\r\n"));
    ASSERT_TRUE(subscribe());
    answer_server(server_answer("chat-1"));
    plane_.stop_subscription(kCall, 1, Stop::Wanted);
    offer(chat_line("11"));
    answer(chat_line("21", "a=setup:active\r\n"));
    const auto made = subscribe();
    ASSERT_TRUE(made);
    write(2);
    const auto media = plane_.query(kCall);
    ASSERT_TRUE(media);
    for (const ForkMedia& fork : media->forks) EXPECT_FALSE(fork.is_replaying) << fork.label;
}

// Two calls of one recording session.
TEST_F(ChatLinesTest, CallsThatShareASessionShareItsLines) {
    constexpr CallKey kOther{8};
    SubscribeOptions shared = options(ChatMapping::Mux);
    shared.chats.session = std::make_shared<int>();
    offer(chat_line("10"));
    answer(chat_line("20", "a=setup:active\r\n"));
    const auto first = subscribe(shared);
    answer_server(server_answer("chats-1", kWrapper));
    const std::string text = sdp("192.0.2.10", chat_line("11"));
    plane_.offer(kOther, {.from = Leg::A, .text = text}, [](const auto&) {});
    plane_.answer(kOther, {.from = Leg::B, .text = text}, [](const auto&) {});
    base::Result<Subscription, base::Reason> second = base::Reason{"not_called", ""};
    plane_.subscribe(kOther, 1, shared, [&](auto made) { second = std::move(made); });
    ASSERT_TRUE(second);
    EXPECT_EQ(path_of(second->offer), path_of(first->offer));
    EXPECT_EQ(second->streams.at(0).label, "chats-1");
    EXPECT_EQ(link_.desk.copies().trunks(), 1U);
    plane_.remove(kCall);
    plane_.remove(kOther);
    plane_.subscribe(kCall, 1, shared, [&](auto made) { second = std::move(made); });
}

}  // namespace
}  // namespace earshot::relay
