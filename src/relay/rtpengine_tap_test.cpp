// Subscriptions to the calls of others, against a scripted RTPEngine; that the real one behaves so
// is tests/integration/companion_test.cpp's to show.
#include "relay/rtpengine_tap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "relay/limits.h"
#include "sdp/session_description.h"

namespace earshot::relay {
namespace {

using base::Reason;
using base::Result;

constexpr CallKey kCall{7};

std::string engine_sdp(std::uint16_t port, std::string_view direction = "sendonly",
                       std::string_view more = "") {
    return "v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio " +
           std::to_string(port) +
           " RTP/AVP 0 8 101\r\na=label:0\r\na=rtpmap:101 telephone-event/8000\r\na=" +
           std::string(direction) + "\r\na=rtcp:" + std::to_string(port + 1) + "\r\n" +
           std::string(more);
}

std::string server_sdp(std::uint16_t a, std::uint16_t b) {
    const auto line = [](std::uint16_t port, int label) {
        return "m=audio " + std::to_string(port) +
               " RTP/AVP 0\r\na=recvonly\r\na=label:" + std::to_string(label) + "\r\n";
    };
    return "v=0\r\no=- 5 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n" +
           line(a, 1) + line(b, 2);
}

class RtpengineTapTest : public testing::Test, protected ControlLink {
protected:
    // An RTPEngine that has the call "c1" with the tags "ft" and "tt".
    void send(std::size_t instance, base::ByteView datagram) override {
        const auto got = parse_ng(datagram);
        ASSERT_TRUE(got);
        const NgDictionary& command = got->dictionary;
        told_.push_back(command);
        if (is_silent_) return;
        const NgDictionary answer =
            instance == has_it_
                ? carry_out(command)
                : NgDictionary{{"result", "error"}, {"error-reason", "Unknown call-id"}};
        answers_.push_back({instance, write_ng(got->cookie, answer)});
    }
    NgDictionary carry_out(const NgDictionary& command) {
        const std::string_view what = command.text("command");
        if (what == "ping") return {{"result", "pong"}};
        if (command.text("call-id") != "c1")
            return {{"result", "error"}, {"error-reason", "Unknown call-id"}};
        if (what == "query") return {{"result", "ok"}, {"tags", tags()}};
        if (what == "subscribe answer" && refuses_answers_)
            return {{"result", "error"}, {"error-reason", "Failed to process"}};
        if (what != "subscribe request") return {{"result", "ok"}};
        const bool is_a = command.text("from-tag") == "ft";
        return {{"result", "ok"},
                {"to-tag", is_a ? "handle-a" : "handle-b"},
                {"sdp", is_a ? sdp_a_ : sdp_b_}};
    }
    NgDictionary tags() const {
        const auto leg = [](const NgList& flags) {
            return NgDictionary{
                {"medias", NgList{NgDictionary{
                               {"type", "audio"},
                               {"protocol", "RTP/AVP"},
                               {"flags", flags},
                               {"streams", NgList{NgDictionary{
                                               {"stats", NgDictionary{{"packets", std::int64_t{5}},
                                                                      {"bytes", std::int64_t{860}},
                                                                      {"errors", std::int64_t{0}}}},
                                           }}}}}}};
        };
        return {{"ft", leg({"initialized", "send", "recv"})},
                {"tt", leg(is_held_ ? NgList{"send"} : NgList{"send", "recv"})}};
    }
    void deliver() {
        while (!answers_.empty()) {
            const auto [instance, bytes] = std::move(answers_.front());
            answers_.pop_front();
            tap_.on_datagram(clock_.now().steady, instance, bytes);
        }
    }
    void pass(std::chrono::milliseconds time) {
        const base::TimePoint end = clock_.now().steady + time;
        for (auto next = tap_.deadline(); next && *next <= end; next = tap_.deadline()) {
            if (*next > clock_.now().steady) clock_.advance(*next - clock_.now().steady);
            tap_.on_time(clock_.now().steady);
            deliver();
        }
        clock_.advance(end - clock_.now().steady);
    }
    template <class T>
    T settle(std::optional<T>& result) {
        deliver();
        return result ? *std::move(result) : T{Reason{"not_called", ""}};
    }
    Result<base::Done, Reason> adopt(const std::string& call_id = "c1",
                                     const std::string& instance = "") {
        std::optional<Result<base::Done, Reason>> result;
        tap_.adopt(kCall, {.call_id = call_id, .tags = {"ft", "tt"}, .instance = instance},
                   [&](const auto& done) { result.emplace(done); });
        return settle(result);
    }
    Result<Subscription, Reason> subscribe(const SubscribeOptions& options = {}) {
        std::optional<Result<Subscription, Reason>> result;
        tap_.subscribe(kCall, 1, options, [&](auto done) { result.emplace(std::move(done)); });
        return settle(result);
    }
    Result<base::Done, Reason> answer(const std::string& text) {
        std::optional<Result<base::Done, Reason>> result;
        tap_.answer_subscription(kCall, 1, text, [&](const auto& done) { result.emplace(done); });
        return settle(result);
    }
    // The newest command of that name, about that subscription.
    NgDictionary last(std::string_view command, std::string_view handle = "") const {
        for (auto told = told_.rbegin(); told != told_.rend(); ++told)
            if (told->text("command") == command &&
                (handle.empty() || told->text("to-tag") == handle))
                return *told;
        return {};
    }
    std::vector<std::uint16_t> ports(std::string_view handle) const {
        const NgDictionary command = last("subscribe answer", handle);
        const auto sdp = sdp::parse(command.text("sdp"));
        std::vector<std::uint16_t> all;
        if (sdp)
            for (const auto& medium : sdp->media) all.push_back(medium.port);
        return all;
    }

    io::ManualClock clock_;
    base::SeededRandom random_{1};
    std::size_t has_it_ = 0;
    bool is_silent_ = false;
    bool is_held_ = false;
    bool refuses_answers_ = false;
    std::string sdp_a_ = engine_sdp(30000);
    std::string sdp_b_ = engine_sdp(30010);
    std::vector<NgDictionary> told_;
    std::deque<std::pair<std::size_t, base::Bytes>> answers_;
    RtpengineTap tap_{
        {*base::parse_net_address("192.0.2.5:2223"), *base::parse_net_address("192.0.2.6:2223")},
        *this,
        clock_,
        random_};
};

TEST_F(RtpengineTapTest, FindsTheInstanceThatHasTheCall) {
    has_it_ = 1;
    ASSERT_TRUE(adopt());
    EXPECT_EQ(tap_.instance_of(kCall), "192.0.2.6:2223");
}

TEST_F(RtpengineTapTest, AsksOnlyTheInstanceThatIsNamed) {
    EXPECT_EQ(adopt("c1", "192.0.2.6:2223").error().code, "unknown_call");
    EXPECT_TRUE(adopt("c1", "192.0.2.5:2223"));
    EXPECT_EQ(adopt("c1", "192.0.2.7:2223").error().code, "bad_request");
}

TEST_F(RtpengineTapTest, SaysWhereNobodyHasTheCallOrNobodyAnswers) {
    EXPECT_EQ(adopt("other").error().code, "unknown_call");
    is_silent_ = true;
    std::optional<Result<base::Done, Reason>> result;
    tap_.adopt(kCall, {.call_id = "c1", .tags = {"ft", "tt"}, .instance = {}},
               [&](const auto& done) { result.emplace(done); });
    pass(kNgGiveUp);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->error().code, "not_ready");
}

TEST_F(RtpengineTapTest, OffersTheStreamsOfBothLegsWithLabelsOfItsOwn) {
    ASSERT_TRUE(adopt());
    const auto made = subscribe();
    ASSERT_TRUE(made) << made.error().text;
    ASSERT_EQ(made->streams.size(), 2U);
    EXPECT_EQ(made->streams[0].from, Leg::A);
    EXPECT_EQ(made->streams[1].from, Leg::B);
    EXPECT_NE(made->streams[0].label, made->streams[1].label);
    const auto offer = sdp::parse(made->offer);
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->media[0].port, 30000);
    EXPECT_EQ(offer->media[1].port, 30010);
    EXPECT_EQ(offer->media[0].direction, sdp::Direction::SendOnly);
    EXPECT_EQ(sdp::rtp_address(*offer, offer->media[0])->ip, base::parse_host("192.0.2.5", 0)->ip);
}

TEST_F(RtpengineTapTest, TellsALegThatMayNotSendAsInactive) {
    sdp_b_ = engine_sdp(30010, "inactive");
    ASSERT_TRUE(adopt());
    const auto made = subscribe();
    EXPECT_TRUE(made->streams[0].is_active);
    EXPECT_FALSE(made->streams[1].is_active);
}

TEST_F(RtpengineTapTest, AnswersWithAllFormatsWhateverTheServerTook) {
    ASSERT_TRUE(adopt());
    ASSERT_TRUE(subscribe());
    ASSERT_TRUE(answer(server_sdp(5000, 5002)));
    EXPECT_THAT(
        std::string(last("subscribe answer", "handle-a").text("sdp")),
        testing::AllOf(testing::HasSubstr("m=audio 5000 RTP/AVP 0 8 101"),
                       testing::HasSubstr("c=IN IP4 192.0.2.9"), testing::HasSubstr("a=recvonly")));
    EXPECT_THAT(ports("handle-b"), testing::ElementsAre(5002));
    EXPECT_TRUE(tap_.query(kCall)->forks[0].is_open);
}

TEST_F(RtpengineTapTest, StopsALineThatTheServerDeclines) {
    ASSERT_TRUE(adopt());
    ASSERT_TRUE(subscribe());
    ASSERT_TRUE(answer(server_sdp(5000, 0)));
    EXPECT_THAT(ports("handle-a"), testing::ElementsAre(5000));
    EXPECT_THAT(ports("handle-b"), testing::ElementsAre(0));
}

TEST_F(RtpengineTapTest, StopsAllByPortZeroAndGoesOn) {
    ASSERT_TRUE(adopt());
    ASSERT_TRUE(subscribe());
    ASSERT_TRUE(answer(server_sdp(5000, 5002)));
    tap_.stop_subscription(kCall, 1, Stop::Wanted);
    deliver();
    EXPECT_THAT(ports("handle-a"), testing::ElementsAre(0));
    EXPECT_THAT(ports("handle-b"), testing::ElementsAre(0));
    // RTPEngine takes it only with the names of all formats.
    EXPECT_THAT(std::string(last("subscribe answer").text("sdp")),
                testing::HasSubstr("a=rtpmap:101 telephone-event/8000"));
    ASSERT_TRUE(answer(server_sdp(5000, 5002)));
    EXPECT_THAT(ports("handle-a"), testing::ElementsAre(5000));
}

TEST_F(RtpengineTapTest, EndsASubscriptionThatItCannotStopOtherwiseAndMakesItAgain) {
    ASSERT_TRUE(adopt());
    ASSERT_TRUE(subscribe());
    ASSERT_TRUE(answer(server_sdp(5000, 5002)));
    refuses_answers_ = true;
    tap_.stop_subscription(kCall, 1, Stop::Wanted);
    deliver();
    EXPECT_FALSE(last("unsubscribe", "handle-a").entries().empty());
    EXPECT_FALSE(last("unsubscribe", "handle-b").entries().empty());
    EXPECT_EQ(answer(server_sdp(5000, 5002)).error().code, "media_server_refused");
    refuses_answers_ = false;
    told_.clear();
    tap_.stop_subscription(kCall, 1, Stop::Wanted);
    ASSERT_TRUE(answer(server_sdp(5000, 5002)));
    EXPECT_THAT(ports("handle-b"), testing::ElementsAre(5002));
}

TEST_F(RtpengineTapTest, SubscribesAnewUnderTheSameHandle) {
    ASSERT_TRUE(adopt());
    const auto first = subscribe();
    const std::string video =
        "m=video 30020 RTP/AVP 96\r\na=label:7\r\na=rtpmap:96 VP8/90000\r\n"
        "a=sendonly\r\n";
    EXPECT_EQ(subscribe()->offer, first->offer);
    EXPECT_EQ(last("subscribe request").text("to-tag"), "handle-b");
    sdp_a_ = engine_sdp(30000, "sendonly", video);
    sdp_b_ = engine_sdp(30010, "sendonly", video);
    const auto more = subscribe();
    ASSERT_EQ(more->streams.size(), 4U);
    EXPECT_EQ(more->streams[0].label, first->streams[0].label);
    EXPECT_EQ(more->streams[2].media, "video");
}

TEST_F(RtpengineTapTest, TellsThatTheCallHasChanged) {
    std::size_t changes = 0;
    tap_.when_changed([&](CallKey) { ++changes; });
    ASSERT_TRUE(adopt());
    pass(kTapPollTime);
    EXPECT_EQ(changes, 0U);
    is_held_ = true;
    pass(kTapPollTime);
    EXPECT_EQ(changes, 1U);
    EXPECT_EQ(tap_.query(kCall)->lines.at(0).legs[0].rtp.packets, 5U);
}

TEST_F(RtpengineTapTest, TellsOnceThatTheCallIsGone) {
    std::vector<std::string> gone;
    tap_.when_gone([&](CallKey, const Reason& why) { gone.push_back(why.code); });
    ASSERT_TRUE(adopt());
    has_it_ = 9;
    pass(3 * kTapPollTime);
    EXPECT_THAT(gone, testing::ElementsAre("call_gone"));
}

TEST_F(RtpengineTapTest, GivesUpAnEngineThatStaysSilent) {
    std::vector<std::string> gone;
    tap_.when_gone([&](CallKey, const Reason& why) { gone.push_back(why.code); });
    ASSERT_TRUE(adopt());
    is_silent_ = true;
    pass((kTapMaxSilences - 1) * kTapPollTime + kNgGiveUp);
    EXPECT_TRUE(gone.empty());
    pass(2 * kTapPollTime);
    EXPECT_THAT(gone, testing::ElementsAre("media_server_silent"));
}

TEST_F(RtpengineTapTest, EndsItsSubscriptionsWithTheRecordingAndNothingElse) {
    ASSERT_TRUE(adopt());
    ASSERT_TRUE(subscribe());
    tap_.remove(kCall);
    deliver();
    EXPECT_EQ(last("unsubscribe", "handle-a").text("call-id"), "c1");
    EXPECT_EQ(last("unsubscribe", "handle-b").text("call-id"), "c1");
    EXPECT_TRUE(last("delete").entries().empty());
    EXPECT_FALSE(tap_.query(kCall));
}

TEST_F(RtpengineTapTest, EndsASubscriptionThatWasMadeWhileItWasRemoved) {
    ASSERT_TRUE(adopt());
    bool was_called = false;
    tap_.subscribe(kCall, 1, {}, [&](const auto&) { was_called = true; });
    tap_.remove(kCall);
    deliver();
    EXPECT_FALSE(was_called);
    EXPECT_FALSE(last("unsubscribe", "handle-a").entries().empty());
    EXPECT_FALSE(last("unsubscribe", "handle-b").entries().empty());
}

TEST_F(RtpengineTapTest, RefusesWhatIsNotOurs) {
    ASSERT_TRUE(adopt());
    std::string code;
    tap_.offer(kCall, {.from = Leg::A, .text = sdp_a_, .signalled_by = {}},
               [&](const auto& done) { code = done.error().code; });
    EXPECT_EQ(code, "not_ours");
    EXPECT_EQ(answer(server_sdp(1, 2)).error().code, "unknown_subscription");
    sdp_b_ = "nonsense";
    EXPECT_EQ(subscribe().error().code, "media_server_nonsense");
    deliver();
    EXPECT_FALSE(last("unsubscribe", "handle-a").entries().empty());
}

}  // namespace
}  // namespace earshot::relay
