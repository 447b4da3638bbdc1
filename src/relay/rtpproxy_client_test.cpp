// Cookies, retransmission and the health of instances, in a time of the test's own.
#include "relay/rtpproxy_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/limits.h"

namespace earshot::relay {
namespace {

using State = RtpproxyClient::State;

class RtpproxyClientTest : public testing::Test, protected ControlLink {
protected:
    void send(std::size_t instance, base::ByteView datagram) override {
        sent_.push_back({instance, std::string(base::as_text(datagram))});
    }
    void pass(std::chrono::milliseconds time) {
        const base::TimePoint end = now_ + time;
        while (*client_.deadline() <= end) {
            now_ = std::max(now_, *client_.deadline());
            client_.on_time(now_);
        }
        now_ = end;
    }
    void reply(std::size_t to, const std::string& body) {
        const std::string cookie = sent_.at(to).text.substr(0, sent_.at(to).text.find(' '));
        client_.on_datagram(now_, sent_.at(to).instance, base::as_bytes(cookie + " " + body));
    }
    // Both instances answer all that they are asked.
    void be_fit() {
        pass(std::chrono::milliseconds{0});
        for (std::size_t i = 0; i < sent_.size(); ++i) reply(i, "1");
        sent_.clear();
    }
    void ask(std::size_t instance = 0) {
        client_.request(now_, instance, "Q c a b", [this](base::TimePoint, const auto& answer) {
            answers_.push_back(answer ? *answer : answer.error().code);
        });
    }

    struct Sent {
        std::size_t instance;
        std::string text;
    };
    base::TimePoint now_{std::chrono::hours{1}};
    base::SeededRandom random_{1};
    std::vector<Sent> sent_;
    std::vector<std::string> answers_;
    RtpproxyClient client_{{"one", "two"}, *this, random_};
};

TEST_F(RtpproxyClientTest, AsksAnInstanceForBothExtensionsBeforeItIsUsed) {
    pass(std::chrono::milliseconds{0});
    ASSERT_EQ(sent_.size(), 2U);
    EXPECT_THAT(sent_[0].text, testing::EndsWith(" VF 20071218\n"));
    EXPECT_FALSE(client_.pick({}));
    reply(0, "1");
    EXPECT_THAT(sent_[2].text, testing::EndsWith(" VF 20200226\n"));
    EXPECT_EQ(client_.state(0), State::Unknown);
    reply(2, "1");
    EXPECT_EQ(client_.state(0), State::Fit);
    reply(1, "0");
    EXPECT_EQ(client_.state(1), State::Unfit);
    EXPECT_EQ(client_.pick({}), 0U);
    EXPECT_FALSE(client_.pick({0}));
    EXPECT_TRUE(client_.view(0).is_usable);
    EXPECT_THAT(client_.view(1).fault, testing::HasSubstr("20200226"));
}

TEST_F(RtpproxyClientTest, UsesTheFirstFitInstance) {
    be_fit();
    EXPECT_EQ(client_.pick({}), 0U);
    EXPECT_EQ(client_.pick({0}), 1U);
    EXPECT_FALSE(client_.pick({0, 1}));
}

TEST_F(RtpproxyClientTest, SendsACommandAgainUntilItIsAnswered) {
    be_fit();
    ask();
    pass(kControlFirstPause);
    ASSERT_EQ(sent_.size(), 2U);
    EXPECT_EQ(sent_[0].text, sent_[1].text);
    reply(1, "60 1 2 3 4");
    pass(std::chrono::milliseconds{1500});
    EXPECT_EQ(sent_.size(), 2U);
    EXPECT_THAT(answers_, testing::ElementsAre("60 1 2 3 4"));
}

TEST_F(RtpproxyClientTest, GivesUpAfterTheLastAttemptAndUntilAProbeIsAnswered) {
    be_fit();
    ask();
    pass(std::chrono::milliseconds{1499});
    EXPECT_TRUE(answers_.empty());
    pass(std::chrono::milliseconds{1});
    EXPECT_THAT(answers_, testing::ElementsAre("media_server_silent"));
    EXPECT_EQ(sent_.size(), static_cast<std::size_t>(kControlAttempts));
    EXPECT_EQ(client_.state(0), State::Silent);
    EXPECT_EQ(client_.pick({}), 1U);
    sent_.clear();
    pass(kControlProbeTime - std::chrono::milliseconds{1500});
    const auto probe =
        std::find_if(sent_.begin(), sent_.end(), [](const Sent& one) { return one.instance == 0; });
    ASSERT_NE(probe, sent_.end());
    reply(static_cast<std::size_t>(probe - sent_.begin()), "1");
    reply(sent_.size() - 1, "1");
    EXPECT_EQ(client_.state(0), State::Fit);
}

TEST_F(RtpproxyClientTest, GivesUpAtOnceWhereNobodyListens) {
    be_fit();
    ask();
    client_.on_refused(now_, 0);
    EXPECT_THAT(answers_, testing::ElementsAre("media_server_unreachable"));
    EXPECT_EQ(client_.state(0), State::Silent);
    EXPECT_EQ(client_.state(1), State::Fit);
}

TEST_F(RtpproxyClientTest, TakesNoAnswerThatItDidNotAskFor) {
    be_fit();
    ask(0);
    const std::string cookie = sent_[0].text.substr(0, sent_[0].text.find(' '));
    client_.on_datagram(now_, 1, base::as_bytes(cookie + " 1"));  // of another instance
    client_.on_datagram(now_, 0, base::as_bytes("0000 1"));
    client_.on_datagram(now_, 0, base::as_bytes(cookie));
    client_.on_datagram(now_, 0, {});
    EXPECT_TRUE(answers_.empty());
    EXPECT_EQ(client_.view(0).nonsense + client_.view(1).nonsense, 4U);
    reply(0, "2");
    reply(0, "3");
    EXPECT_THAT(answers_, testing::ElementsAre("2"));
}

}  // namespace
}  // namespace earshot::relay
