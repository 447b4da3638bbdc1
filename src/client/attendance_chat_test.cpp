#include "client/attendance_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr relay::CallKey kCall{7};

// Has nothing to record but what the chats are.
class Inner : public relay::MediaPlane {
public:
    void offer(relay::CallKey /*call*/, const relay::LegSdp& sdp, relay::SdpDone done) override {
        done(std::string(sdp.text));
    }
    void answer(relay::CallKey /*call*/, const relay::LegSdp& sdp, relay::SdpDone done) override {
        done(std::string(sdp.text));
    }
    void rollback(relay::CallKey /*call*/, relay::Leg /*offerer*/) override {}
    void remove(relay::CallKey /*call*/) override {}
    void subscribe(relay::CallKey /*call*/, std::uint32_t /*subscription*/,
                   const relay::SubscribeOptions& /*options*/,
                   relay::SubscriptionDone done) override {
        done(base::Reason{"no_media", ""});
    }
    void answer_subscription(relay::CallKey /*call*/, std::uint32_t /*subscription*/,
                             std::string_view /*sdp*/, relay::PlaneDone done) override {
        done(base::Done{});
    }
    void stop_subscription(relay::CallKey /*call*/, std::uint32_t /*subscription*/,
                           relay::Stop /*why*/) override {}
    void unsubscribe(relay::CallKey /*call*/, std::uint32_t /*subscription*/) override {}
    base::Result<relay::CallMedia, base::Reason> query(relay::CallKey /*call*/) const override {
        return relay::CallMedia{};
    }
};

class Link : public relay::ChatLink, public chat::Network {
public:
    void later(std::function<void()> work) override { work(); }
    base::Result<base::NetAddress, base::Reason> listener(bool ipv6, bool /*inside*/) override {
        if (!can_listen) return base::Reason{"chat_no_listener", ""};
        return *base::parse_net_address(ipv6 ? "[2001:db8::7]:2855" : "198.51.100.7:2855");
    }
    std::optional<relay::ChatCertificate> certificate() const override { return own; }
    void post(std::function<void(base::Now, chat::Desk&)> work) override {
        work(base::Now{base::TimePoint{}, base::wall_from_ns(0)}, desk);
    }
    void send(chat::ConnectionId /*connection*/, std::string /*bytes*/) override {}
    void close(chat::ConnectionId /*connection*/) override {}
    void set_reading(chat::ConnectionId /*connection*/, bool /*reading*/) override {}
    chat::ConnectionId connect(const base::NetAddress& to, const std::string& tls_name) override {
        connected_to.push_back(base::to_string(to) + (tls_name.empty() ? "" : " " + tls_name));
        return connected_to.size();
    }
    std::optional<base::Reason> find_fault(
        chat::ConnectionId /*connection*/,
        const std::vector<base::CertificateFingerprint>& /*told*/) override {
        return std::nullopt;
    }
    std::size_t queued_bytes(chat::ConnectionId /*connection*/) const override { return 0; }

    bool can_listen = true;
    std::optional<relay::ChatCertificate> own;
    std::vector<std::string> connected_to;
    base::SeededRandom random{3};
    chat::Desk desk{*this, random, [](const chat::SwitchEvent&) {}, [](const chat::CopyEvent&) {}};
};

const std::string kHead =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
const std::string kAudio = "m=audio 4000 RTP/AVP 0\r\n";
const std::string kRefused = "m=message 0 TCP/MSRP *\r\n";

std::string chat_line(const std::string& name, const std::string& more = {},
                      const std::string& proto = "TCP/MSRP") {
    return "m=message 7000 " + proto + " *\r\na=path:msrp" +
           (proto == "TCP/MSRP" ? "" : std::string("s")) + "://192.0.2.9:7000/" + name +
           ";tcp\r\na=accept-types:message/cpim\r\n" + more;
}

class AttendanceChatTest : public testing::Test {
protected:
    void make(bool is_secure = false, bool has_relay = false) {
        chat_ = std::make_unique<AttendanceChat>(
            AttendanceChat::Surroundings{.plane = &plane_, .link = &link_, .random = &random_},
            AttendanceChat::Call{.key = kCall,
                                 .address = "sip:recorder@desk.example",
                                 .room = "sip:conf-1@conf.example",
                                 .is_secure = is_secure,
                                 .is_ipv6 = false,
                                 .has_relay = has_relay});
    }
    // Our offer with a voice and the chat.
    std::string begin(bool is_secure = false) {
        make(is_secure);
        EXPECT_FALSE(chat_->begin(1));
        return chat_->tell(kHead + kAudio + kRefused, true);
    }
    std::string fault() {
        const auto reason = chat_->poll_fault();
        return reason ? reason->code : std::string{};
    }
    // What a recording would be offered.
    std::string recorded() {
        std::string offer;
        relay::SubscribeOptions options;
        options.address = "198.51.100.7";
        plane_.subscribe(kCall, 1, options,
                         [&](const base::Result<relay::Subscription, base::Reason>& made) {
                             if (made) offer = made->offer;
                         });
        return offer;
    }
    static std::string path_of(const std::string& text) {
        const std::size_t at = text.find("a=path:");
        return at == std::string::npos ? std::string{} : text.substr(at, text.find('\r', at) - at);
    }

    Inner inner_;
    Link link_;
    base::SeededRandom random_{4};
    relay::ChatPlane plane_{inner_, link_, random_};
    std::unique_ptr<AttendanceChat> chat_;
};

TEST_F(AttendanceChatTest, OffersAChatAndConnectsToWhereTheAnswerSays) {
    const std::string offer = begin();
    EXPECT_THAT(offer, HasSubstr(kAudio + "m=message 2855 TCP/MSRP *\r\nc=IN IP4 198.51.100.7\r\n"
                                          "a=path:msrp://198.51.100.7:2855/"));
    EXPECT_THAT(offer, HasSubstr("a=setup:active\r\n"));
    EXPECT_EQ(chat_->state(), "offered");
    const std::string media =
        chat_->take(kHead + kAudio + chat_line("f", "a=setup:passive\r\n"), true);
    EXPECT_THAT(media, HasSubstr(kAudio + kRefused));
    EXPECT_THAT(media, Not(HasSubstr("a=path")));
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.9:7000"));
    EXPECT_EQ(chat_->state(), "agreed");
    EXPECT_THAT(recorded(), HasSubstr("a=chatroom:nickname private-messages\r\n"));
    EXPECT_THAT(recorded(), HasSubstr("a=sendonly\r\na=label:chat-1\r\n"));
}

TEST_F(AttendanceChatTest, AFocusWithoutAChatIsRecordedWithoutOne) {
    begin();
    EXPECT_THAT(chat_->take(kHead + kAudio + kRefused, true), HasSubstr(kRefused));
    EXPECT_EQ(fault(), "chat_refused");
    EXPECT_EQ(fault(), "");
    EXPECT_EQ(chat_->state(), "none");
    EXPECT_THAT(recorded(), IsEmpty());
    // One that answers fewer lines.
    begin();
    chat_->take(kHead + kAudio, true);
    EXPECT_EQ(fault(), "chat_refused");
    EXPECT_EQ(link_.desk.guests().sessions(), 0U);
}

TEST_F(AttendanceChatTest, AnAnswerOfAnotherProtocolOrWithoutAPathIsNone) {
    begin();
    chat_->take(kHead + kAudio + chat_line("f", {}, "TCP/TLS/MSRP"), true);
    EXPECT_EQ(fault(), "chat_bad_answer");
    begin();
    chat_->take(kHead + kAudio + "m=message 7000 TCP/MSRP *\r\na=accept-types:*\r\n", true);
    EXPECT_EQ(fault(), "chat_bad_path");
    EXPECT_THAT(link_.connected_to, IsEmpty());
}

TEST_F(AttendanceChatTest, WhatTheFocusOffersLaterIsTakenAndAnsweredAsRfc6135Says) {
    make();
    const std::string actpass =
        kHead + kAudio + chat_line("f", "a=setup:actpass\r\na=mid:chat\r\n") + chat_line("g");
    const std::string media = chat_->take(actpass, false);
    EXPECT_THAT(media, HasSubstr(kAudio + kRefused + "a=mid:chat\r\n" + kRefused));
    std::string told = chat_->tell(media, false);
    EXPECT_THAT(told, HasSubstr("a=setup:passive\r\n"));
    EXPECT_THAT(told, HasSubstr("a=mid:chat\r\n"));
    EXPECT_THAT(link_.connected_to, IsEmpty());
    chat_->take(kHead + kAudio + chat_line("h", "a=setup:passive\r\n"), false);
    EXPECT_THAT(chat_->tell(media, false), HasSubstr("a=setup:active\r\n"));
    EXPECT_THAT(link_.connected_to, SizeIs(1));
    chat_->take(kHead + kAudio + chat_line("i"), false);
    EXPECT_THAT(chat_->tell(media, false), Not(HasSubstr("a=setup")));
    chat_->take(kHead + kAudio, false);
    EXPECT_EQ(fault(), "chat_refused");
    EXPECT_EQ(chat_->state(), "none");
}

// RFC 4975 section 8.3: a new path is a new session, on both sides; the line of the recording is
// the one that it was.
TEST_F(AttendanceChatTest, AnotherPathGetsAUriOfItsOwnTheSameOneKeepsIt) {
    make();
    const auto told = [&](const std::string& name) {
        const std::string offer = kHead + kAudio + chat_line(name, "a=setup:active\r\n");
        return path_of(chat_->tell(chat_->take(offer, false), false));
    };
    const std::string first = told("f");
    const std::string line = recorded();
    EXPECT_EQ(told("f"), first);
    EXPECT_NE(told("g"), first);
    EXPECT_EQ(link_.desk.guests().sessions(), 1U);
    EXPECT_EQ(recorded(), line);
}

TEST_F(AttendanceChatTest, FilesAreNotTaken) {
    make();
    chat_->take(kHead + kAudio + chat_line("f", "a=file-selector:name:\"a.pdf\"\r\n"), false);
    EXPECT_EQ(fault(), "chat_refused");
    EXPECT_EQ(chat_->state(), "none");
}

TEST_F(AttendanceChatTest, WhereTheCallIsSecureSoIsTheChat) {
    make(true);
    EXPECT_EQ(chat_->begin(1)->code, "chat_encrypted");
    link_.own = relay::ChatCertificate{
        .fingerprint = {.function = base::HashFunction::Sha256, .digest = base::Bytes(32, 1)}};
    const std::string offer = begin(true);
    EXPECT_THAT(offer, HasSubstr("m=message 2855 TCP/TLS/MSRP *\r\n"));
    EXPECT_THAT(offer, HasSubstr("a=path:msrps://"));
    EXPECT_THAT(offer, HasSubstr("a=fingerprint:"));
    chat_->take(kHead + kAudio + chat_line("f", {}, "TCP/TLS/MSRP"), true);
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.9:7000 192.0.2.9"));
    EXPECT_THAT(recorded(), HasSubstr(" TCP/TLS/MSRP *\r\n"));
}

// RFC 4976 section 5.1: the path that is told begins with the relay, and so do m= and c=.
TEST_F(AttendanceChatTest, ThroughARelayThePathBeginsThere) {
    link_.own = relay::ChatCertificate{
        .fingerprint = {.function = base::HashFunction::Sha256, .digest = base::Bytes(32, 1)}};
    make(true, true);
    ASSERT_FALSE(chat_->begin(1));
    chat_->log_in(*msrp::parse_uri("msrps://relay.example:2855;tcp"),
                  *base::parse_net_address("192.0.2.5:2855"), {});
    EXPECT_THAT(link_.connected_to, ElementsAre("192.0.2.5:2855 relay.example"));
    chat_->on_event({.session = 1,
                     .kind = chat::GuestEvent::Kind::LoggedIn,
                     .use_path = *msrp::parse_path("msrps://relay.example:2855/u1;tcp"),
                     .reason = {}});
    const std::string offer = chat_->tell(kHead + kAudio + kRefused, true);
    EXPECT_THAT(offer, HasSubstr("m=message 2855 TCP/TLS/MSRP *\r\nc=IN IP4 relay.example\r\n"
                                 "a=path:msrps://relay.example:2855/u1;tcp msrps://198.51.100.7:"));
    EXPECT_THAT(offer, Not(HasSubstr("a=fingerprint")));
    chat_->take(kHead + kAudio + chat_line("f", {}, "TCP/TLS/MSRP"), true);
    EXPECT_EQ(fault(), "");
    EXPECT_EQ(chat_->state(), "agreed");
    EXPECT_THAT(link_.connected_to, SizeIs(1));
    // The focus may go on elsewhere: our session at the relay is the same.
    const std::string path = path_of(offer);
    chat_->take(kHead + kAudio + chat_line("g", {}, "TCP/TLS/MSRP"), false);
    EXPECT_EQ(path_of(chat_->tell(kHead + kAudio + kRefused, false)), path);
    EXPECT_THAT(link_.connected_to, SizeIs(1));
}

TEST_F(AttendanceChatTest, WithoutASessionAtTheRelayThereIsNone) {
    make(false, true);
    const std::string offer = kHead + kAudio + chat_line("f", "a=setup:passive\r\n");
    ASSERT_TRUE(chat_->wanted(offer));
    EXPECT_EQ(chat_->wanted(offer)->line, 1U);
    EXPECT_THAT(chat_->take(offer, false), HasSubstr(kRefused));
    EXPECT_EQ(chat_->state(), "none");
    EXPECT_THAT(link_.connected_to, IsEmpty());
    ASSERT_FALSE(chat_->begin(1, false));
    EXPECT_FALSE(chat_->wanted(offer));
    EXPECT_FALSE(chat_->wanted(kHead + kAudio));
}

TEST_F(AttendanceChatTest, WithoutAListenerThereIsNone) {
    link_.can_listen = false;
    make();
    EXPECT_EQ(chat_->begin(1)->code, "chat_no_listener");
    EXPECT_EQ(chat_->state(), "none");
    EXPECT_EQ(chat_->tell(kHead + kAudio + kRefused, true), kHead + kAudio + kRefused);
}

TEST_F(AttendanceChatTest, IsAsItsSessionIs) {
    begin();
    chat_->take(kHead + kAudio + chat_line("f"), true);
    using Kind = chat::GuestEvent::Kind;
    EXPECT_FALSE(chat_->on_event({.session = 99, .kind = Kind::Connected}));
    EXPECT_TRUE(chat_->on_event({.session = 1, .kind = Kind::Connected}));
    EXPECT_EQ(chat_->state(), "connected");
    EXPECT_TRUE(chat_->on_event({.session = 1, .kind = Kind::NotTaken}));
    EXPECT_EQ(chat_->state(), "connected");
    EXPECT_TRUE(chat_->on_event({.session = 1, .kind = Kind::NotTaken, .is_lost = true}));
    EXPECT_EQ(chat_->state(), "agreed");  // it is made again
    EXPECT_TRUE(chat_->on_event({.session = 1, .kind = Kind::Connected}));
    EXPECT_EQ(chat_->state(), "connected");
    EXPECT_TRUE(chat_->on_event({.session = 1, .kind = Kind::Ended}));
    EXPECT_EQ(chat_->state(), "ended");
}

}  // namespace
}  // namespace earshot::client
