#include "client/conference_plane.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdp/session_description.h"

namespace earshot::client {
namespace {

using base::Done;
using base::Reason;
using base::Result;
using relay::CallKey;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string offer_of(CallKey call, std::string_view direction = "sendonly") {
    return fmt::format(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={}\r\na=label:1\r\n",
        4000 + call.value, direction);
}

// A plane with calls that have one line each; what it is told is kept.
class Below : public relay::MediaPlane {
public:
    void offer(CallKey, const relay::LegSdp&, relay::SdpDone) override {}
    void answer(CallKey, const relay::LegSdp&, relay::SdpDone) override {}
    void rollback(CallKey, relay::Leg) override {}
    void remove(CallKey call) override { calls.erase(call.value); }
    void subscribe(CallKey call, std::uint32_t, const relay::SubscribeOptions& options,
                   relay::SubscriptionDone done) override {
        EXPECT_EQ(options.only, relay::Leg::A);
        asked[call.value] = options;
        if (options.media == std::vector<std::string>{"none"})
            return done(Reason{"no_media", "none of it"});
        if (!calls.contains(call.value)) return done(Reason{"unknown_call", "gone"});
        relay::Subscription subscription{
            .offer = offer_of(call, options.is_paused ? "inactive" : "sendonly"), .streams = {}};
        subscription.streams.push_back(
            {.label = "1", .media = "audio", .is_active = !options.is_paused});
        if (!is_late) return done(std::move(subscription));
        late.emplace_back([done = std::move(done), subscription] { done(subscription); });
    }
    void answer_subscription(CallKey call, std::uint32_t, std::string_view sdp,
                             relay::PlaneDone done) override {
        answers[call.value] = std::string(sdp);
        if (call == faulty) return done(Reason{"bad_answer", "no"});
        done(Done{});
    }
    void stop_subscription(CallKey call, std::uint32_t, relay::Stop) override {
        stopped.push_back(call.value);
    }
    void unsubscribe(CallKey call, std::uint32_t) override { ended.push_back(call.value); }
    Result<relay::CallMedia, Reason> query(CallKey call) const override {
        relay::CallMedia media;
        relay::ForkMedia& fork = media.forks.emplace_back();
        fork.label = "1";
        fork.is_open = call.value == 11;
        return media;
    }

    std::set<std::uint64_t> calls{11, 12, 13};
    std::map<std::uint64_t, std::string> answers;
    std::map<std::uint64_t, relay::SubscribeOptions> asked;
    std::vector<std::uint64_t> stopped;
    std::vector<std::uint64_t> ended;
    std::vector<std::function<void()>> late;
    bool is_late = false;
    CallKey faulty{};
};

constexpr CallKey kConference{100};

class ConferencePlaneTest : public testing::Test {
protected:
    void set(std::vector<std::uint32_t> numbers) {
        std::vector<ConferencePlane::Member> members;
        for (const std::uint32_t number : numbers)
            members.push_back({.number = number, .key = {10 + std::uint64_t{number}}});
        plane_.set_members(kConference, members);
    }
    Result<relay::Subscription, Reason> subscribe() {
        Result<relay::Subscription, Reason> got = Reason{"silent", ""};
        plane_.subscribe(kConference, 1, {}, [&](auto given) { got = std::move(given); });
        return got;
    }
    static std::vector<std::string> labels(const relay::Subscription& subscription) {
        std::vector<std::string> all;
        for (const auto& stream : subscription.streams) all.push_back(stream.label);
        return all;
    }
    // The offer's lines as a server answers them: all, but for those of port 0.
    static std::string answer_to(const std::string& offer) {
        const auto lines = sdp::parse(offer);
        std::string answer =
            "v=0\r\no=- 9 9 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 "
            "198.51.100.1\r\nt=0 0\r\n";
        std::uint16_t port = 9000;
        for (const sdp::MediaDescription& line : lines->media) {
            answer += fmt::format("m=audio {} RTP/AVP 0\r\n", line.port == 0 ? 0 : port);
            if (line.port != 0)
                answer += fmt::format("a=recvonly\r\na=label:{}\r\n", line.label.value_or(""));
            port = static_cast<std::uint16_t>(port + 2);
        }
        return answer;
    }
    std::optional<Reason> answer(const std::string& sdp) {
        std::optional<Reason> fault{Reason{"silent", ""}};
        plane_.answer_subscription(kConference, 1, sdp, [&](const Result<Done, Reason>& done) {
            fault = done ? std::nullopt : std::optional(done.error());
        });
        return fault;
    }

    Below below_;
    ConferencePlane plane_{below_, "192.0.2.1"};
};

TEST_F(ConferencePlaneTest, AllParticipantsAreOneOfferAndEachGetsItsShareOfTheAnswer) {
    set({1, 2});
    const auto offered = subscribe();
    ASSERT_TRUE(offered);
    EXPECT_THAT(labels(*offered), ElementsAre("1-1", "2-1"));
    EXPECT_EQ(offered->streams[1].place, 1U);
    EXPECT_THAT(offered->offer, HasSubstr("m=audio 4011 "));
    EXPECT_THAT(offered->offer, HasSubstr("a=label:2-1\r\n"));
    EXPECT_EQ(answer(answer_to(offered->offer)), std::nullopt);
    EXPECT_THAT(below_.answers[11], HasSubstr("m=audio 9000 "));
    EXPECT_THAT(below_.answers[12], HasSubstr("m=audio 9002 "));
    EXPECT_THAT(below_.answers[12], HasSubstr("a=label:1\r\n"));
}

TEST_F(ConferencePlaneTest, WhoLeavesLeavesAnEmptyPlaceAndWhoComesTakesALaterOne) {
    set({1, 2});
    ASSERT_EQ(answer(answer_to(subscribe()->offer)), std::nullopt);
    below_.remove({11});
    set({2, 3});
    const auto offered = subscribe();
    ASSERT_TRUE(offered);
    EXPECT_THAT(labels(*offered), ElementsAre("2-1", "3-1"));
    const auto lines = sdp::parse(offered->offer);
    ASSERT_EQ(lines->media.size(), 3U);
    EXPECT_EQ(lines->media[0].port, 0);
    EXPECT_EQ(offered->streams[0].place, 1U);
    EXPECT_EQ(offered->streams[1].place, 2U);
    EXPECT_THAT(below_.ended, ElementsAre(11));
    below_.answers.clear();
    EXPECT_EQ(answer(answer_to(offered->offer)), std::nullopt);
    EXPECT_EQ(below_.answers.count(11), 0U);
    EXPECT_THAT(below_.answers[13], HasSubstr("m=audio 9004 "));
}

TEST_F(ConferencePlaneTest, AnAnswerToAnOlderOfferConcernsThoseWhoWereInIt) {
    set({1});
    const std::string first = subscribe()->offer;
    set({1, 2});
    ASSERT_TRUE(subscribe());
    EXPECT_EQ(answer(answer_to(first)), std::nullopt);
    EXPECT_EQ(below_.answers.count(11), 1U);
    EXPECT_EQ(below_.answers.count(12), 0U);
}

// The mix and the room have no number of their own.
TEST_F(ConferencePlaneTest, AMemberOfAnotherPlaneIsAskedThere) {
    Below room;
    room.calls = {50};
    plane_.set_members(kConference,
                       {{.number = 1, .key = {11}},
                        {.number = 0, .key = {50}, .is_paused = false, .plane = &room}});
    const auto offered = subscribe();
    ASSERT_TRUE(offered);
    EXPECT_THAT(labels(*offered), ElementsAre("1-1", "1"));
    EXPECT_EQ(answer(answer_to(offered->offer)), std::nullopt);
    EXPECT_THAT(room.answers[50], HasSubstr("m=audio 9002 "));
    EXPECT_EQ(below_.answers.count(50), 0U);
    plane_.unsubscribe(kConference, 1);
    EXPECT_THAT(room.ended, ElementsAre(50));
}

TEST_F(ConferencePlaneTest, WhoIsMutedKeepsItsLineAndNothingIsSentThere) {
    plane_.set_members(kConference,
                       {{.number = 1, .key = {11}, .is_paused = true}, {.number = 2, .key = {12}}});
    const auto offered = subscribe();
    ASSERT_TRUE(offered);
    EXPECT_FALSE(offered->streams[0].is_active);
    const auto lines = sdp::parse(offered->offer);
    EXPECT_EQ(lines->media[0].direction, sdp::Direction::Inactive);
    EXPECT_EQ(lines->media[1].direction, sdp::Direction::SendOnly);
}

TEST_F(ConferencePlaneTest, OneWhoCannotBeRecordedIsToldAndTheOthersAre) {
    below_.remove({12});
    set({1, 2});
    const auto offered = subscribe();
    ASSERT_TRUE(offered);
    EXPECT_THAT(labels(*offered), ElementsAre("1-1"));
    EXPECT_EQ(offered->left_out.code, "unknown_call");
    below_.remove({11});
    const auto none = subscribe();
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, "unknown_call");
    set({});
    EXPECT_EQ(subscribe().error().code, "no_media");
}

TEST_F(ConferencePlaneTest, AnAnswerThatOneOfSeveralTakesIsNoFault) {
    set({1, 2});
    const std::string good = answer_to(subscribe()->offer);
    below_.faulty = {11};
    EXPECT_EQ(answer(good), std::nullopt);
    set({1});
    ASSERT_TRUE(subscribe());
    EXPECT_EQ(answer(good)->code, "bad_answer");
    EXPECT_EQ(answer("hello")->code, "bad_answer");
}

TEST_F(ConferencePlaneTest, TheNewestQuestionAloneIsAnswered) {
    below_.is_late = true;
    set({1, 2});
    std::size_t answered = 0;
    relay::Subscription last;
    const auto done = [&](Result<relay::Subscription, Reason> got) {
        ++answered;
        last = *std::move(got);
    };
    plane_.subscribe(kConference, 1, {}, done);
    set({1, 2, 3});
    plane_.subscribe(kConference, 1, {}, done);
    for (const auto& one : below_.late) one();
    EXPECT_EQ(answered, 1U);
    EXPECT_EQ(last.streams.size(), 3U);
}

TEST_F(ConferencePlaneTest, AnotherServerGetsAnOfferWithoutThePlacesOfThoseWhoLeft) {
    set({1, 2});
    ASSERT_EQ(answer(answer_to(subscribe()->offer)), std::nullopt);
    below_.remove({12});
    set({1});
    ASSERT_TRUE(subscribe());
    plane_.stop_subscription(kConference, 1, relay::Stop::ServerLost);
    EXPECT_THAT(below_.stopped, ElementsAre(11));
    EXPECT_EQ(sdp::parse(subscribe()->offer)->media.size(), 1U);
}

TEST_F(ConferencePlaneTest, TheMixIsALineOfItsOwn) {
    plane_.set_members(kConference, {{.number = 0, .key = {13}}, {.number = 1, .key = {11}}});
    const auto offered = subscribe();
    ASSERT_TRUE(offered);
    EXPECT_THAT(labels(*offered), ElementsAre("1", "1-1"));
    EXPECT_EQ(joint_member("1"), 0U);
    EXPECT_EQ(joint_member("12-1"), 12U);
    EXPECT_EQ(joint_member("x-1"), 0U);
}

// What a rule wants recorded, and what of it is a member's own stream.
TEST_F(ConferencePlaneTest, OfAMemberThatMediaIsTakenWhichBothWant) {
    plane_.set_members(kConference,
                       {{.number = 1, .key = {11}, .media = {"audio"}, .leaves_content = true},
                        {.number = 2, .key = {12}},
                        {.number = 3, .key = {13}, .media = {"video"}}});
    Result<relay::Subscription, Reason> got = Reason{"silent", ""};
    relay::SubscribeOptions options;
    options.media = {"Audio"};
    plane_.subscribe(kConference, 1, options, [&](auto given) { got = std::move(given); });
    ASSERT_TRUE(got);
    EXPECT_THAT(below_.asked[11].media, ElementsAre("audio"));
    EXPECT_TRUE(below_.asked[11].leaves_content);
    EXPECT_THAT(below_.asked[12].media, ElementsAre("Audio"));
    EXPECT_FALSE(below_.asked[12].leaves_content);
    EXPECT_THAT(labels(*got), ElementsAre("1-1", "2-1"));
    EXPECT_TRUE(got->left_out.code.empty());
}

TEST_F(ConferencePlaneTest, TheCopiesOfAllAreLookedAtTogether) {
    set({1, 2});
    const auto media = plane_.query(kConference);
    ASSERT_TRUE(media);
    ASSERT_EQ(media->forks.size(), 2U);
    EXPECT_EQ(media->forks[1].label, "2-1");
    EXPECT_EQ(plane_.conference_of({12}), std::optional(kConference));
    EXPECT_EQ(plane_.conference_of({13}), std::nullopt);
    plane_.remove(kConference);
    EXPECT_FALSE(plane_.query(kConference));
    EXPECT_EQ(subscribe().error().code, "unknown_call");
}

}  // namespace
}  // namespace earshot::client
