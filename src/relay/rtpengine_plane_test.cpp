#include "relay/rtpengine_plane.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "relay/limits.h"
#include "relay/ng_flags.h"
#include "relay/ng_test_link.h"
#include "sdp/session_description.h"

namespace earshot::relay {
namespace {

using std::chrono::milliseconds;

constexpr CallKey kCall{42};

std::string sdp_of(int port, std::string_view attributes = "", std::string_view formats = "0 8") {
    return "v=0\r\no=phone 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio " +
           std::to_string(port) + " RTP/AVP " + std::string(formats) + "\r\n" +
           std::string(attributes);
}
constexpr std::string_view kVideo = "m=video 4010 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

// What an instance would answer: the same description with ports of its own, which a line keeps.
std::string engine_sdp(std::string_view text, int first_port) {
    std::string out;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find("\r\n"));
        text.remove_prefix(std::min(text.size(), line.size() + 2));
        if (line.starts_with("m=") && line.find(" 0 RTP") == std::string_view::npos) {
            const std::string_view media = base::take_until(line, ' ');
            base::take_until(line, ' ');
            out += std::string(media) + ' ' + std::to_string(first_port) + ' ' + std::string(line);
            first_port += 2;
        } else if (line.starts_with("c=")) {
            out += "c=IN IP4 198.51.100.1";
        } else {
            out += line;
        }
        out += "\r\n";
    }
    return out;
}

class RtpenginePlaneTest : public testing::Test {
protected:
    RtpenginePlaneTest() {
        plane_.when_lost([this](CallKey call, const base::Reason& reason) {
            lost_.push_back(std::to_string(call.value) + ' ' + reason.code);
        });
    }

    void offer(Leg from, const std::string& sdp) { plane_.offer(kCall, {from, sdp, {}}, told()); }
    void answer(Leg from, const std::string& sdp) { plane_.answer(kCall, {from, sdp, {}}, told()); }
    SdpDone told() {
        return [this](base::Result<std::string, base::Reason> mapped) {
            told_.push_back(mapped ? *mapped : mapped.error().code);
        };
    }
    void subscribe(SubscribeOptions options = {}) {
        plane_.subscribe(kCall, 1, options, [this](base::Result<Subscription, base::Reason> made) {
            if (made) subscription_ = *made;
            subscribed_.push_back(made ? "ok" : made.error().code);
        });
    }
    void answer_subscription(const std::string& sdp) {
        plane_.answer_subscription(kCall, 1, sdp,
                                   [this](const base::Result<base::Done, base::Reason>& taken) {
                                       applied_.push_back(taken ? "ok" : taken.error().code);
                                   });
    }

    void reply(const SentCommand& to, const NgDictionary& with) {
        plane_.on_datagram(clock_.now().steady, to.instance, write_ng(to.cookie, with));
    }
    // As RTPEngine does; true: something was to be answered.
    bool serve_one(const SentCommand& sent) {
        commands_.push_back(std::string(sent.command.text("command")));
        const std::string_view verb = sent.command.text("command");
        const std::string_view from = sent.command.text("from-tag");
        if (verb == "offer" || verb == "answer") {
            const bool by_a = (verb == "offer") == (from == "a");
            of_leg_[by_a ? 0 : 1] = sent.command.text("sdp");
            reply(sent, {{"result", "ok"},
                         {"sdp", engine_sdp(sent.command.text("sdp"), by_a ? 30000 : 30100)}});
        } else if (verb == "subscribe request") {
            const std::string& leg = of_leg_[from == "a" ? 0 : 1];
            reply(sent, {{"result", "ok"},
                         {"to-tag", sent.command.text("to-tag")},
                         {"sdp", engine_sdp(leg, from == "a" ? 31000 : 31100)}});
        } else {
            if (verb == "subscribe answer") {
                answers_[std::string(sent.command.text("to-tag"))] = sent.command.text("sdp");
            }
            reply(sent, {{"result", "ok"}});
        }
        return true;
    }
    void serve() {
        for (auto sent = link_.take(); !sent.empty(); sent = link_.take())
            for (const SentCommand& one : sent) serve_one(one);
    }
    void wait(milliseconds time) {
        clock_.advance(time);
        plane_.on_time(clock_.now().steady);
    }

    void begin_call(std::string_view attributes = "") {
        offer(Leg::A, sdp_of(4000, attributes));
        serve();
        answer(Leg::B, sdp_of(5000, attributes));
        serve();
    }
    std::string server_answer(std::string_view direction = "recvonly") {
        std::string text =
            "v=0\r\no=r 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\n"
            "t=0 0\r\n";
        const auto offer = sdp::parse(subscription_.offer);
        int port = 6000;
        for (const auto& medium : offer->media) {
            text += "m=" + std::string(medium.media) + ' ' +
                    std::to_string(medium.port == 0 ? 0 : port) + " RTP/AVP " +
                    std::to_string(medium.payload_types.front().number) +
                    "\r\na=" + std::string(direction) + "\r\n";
            port += 2;
        }
        return text;
    }
    std::vector<std::uint16_t> ports_told(const std::string& tag) {
        std::vector<std::uint16_t> ports;
        const auto answer = sdp::parse(answers_[tag]);
        for (const auto& medium : answer->media) ports.push_back(medium.port);
        return ports;
    }

    NgTestLink link_;
    io::ManualClock clock_;
    base::SeededRandom random_{1};
    RtpenginePlane plane_{{.instances = {"192.0.2.11:2223", "192.0.2.12:2223"},
                           .flags = *parse_ng_flags("replace-origin ICE=remove"),
                           .subscribe_flags = {}},
                          link_,
                          clock_,
                          random_};
    std::vector<std::string> told_, subscribed_, applied_, lost_, commands_;
    std::array<std::string, 2> of_leg_;
    std::map<std::string, std::string> answers_;  // by tag
    Subscription subscription_;
};

TEST_F(RtpenginePlaneTest, PassesOfferAndAnswerOnWithPlacesOfTheEngine) {
    offer(Leg::A, sdp_of(4000));
    const auto sent = link_.take();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].command.text("from-tag"), "a");
    EXPECT_EQ(sent[0].command.find("to-tag"), nullptr);
    EXPECT_EQ(sent[0].command.text("ICE"), "remove");
    EXPECT_EQ(sent[0].command.list("replace"), NgList{"origin"});
    serve_one(sent[0]);
    ASSERT_EQ(told_.size(), 1U);
    const auto offered = sdp::parse(told_[0]);
    ASSERT_TRUE(offered);
    EXPECT_EQ(offered->media.at(0).port, 30000);
    EXPECT_EQ(offered->origin->session_version, "1");
    EXPECT_EQ(offered->origin->address, "198.51.100.1");

    answer(Leg::B, sdp_of(5000));
    const auto second = link_.take();
    ASSERT_EQ(second.size(), 1U);
    EXPECT_EQ(second[0].command.text("from-tag"), "a");
    EXPECT_EQ(second[0].command.text("to-tag"), "b");
    EXPECT_EQ(second[0].command.text("call-id"), sent[0].command.text("call-id"));
    serve_one(second[0]);
    EXPECT_EQ(sdp::parse(told_.at(1))->media.at(0).port, 30100);
    EXPECT_EQ(plane_.instances().at(0).calls, 1U);
}

TEST_F(RtpenginePlaneTest, DoesWhatIsSaidOfACallInThatOrder) {
    offer(Leg::A, sdp_of(4000));
    subscribe();
    EXPECT_EQ(link_.take().size(), 1U);  // the rest waits for its answer
    offer(Leg::A, sdp_of(4000));
    EXPECT_TRUE(link_.take().empty());
    EXPECT_TRUE(told_.empty());
}

TEST_F(RtpenginePlaneTest, TakesTheNextInstanceWhereOneIsDead) {
    offer(Leg::A, sdp_of(4000));
    ASSERT_EQ(link_.take().at(0).instance, 0U);
    plane_.on_refused(clock_.now().steady, 0);
    const auto sent = link_.take();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].instance, 1U);
    serve_one(sent[0]);
    EXPECT_EQ(told_.size(), 1U);
    EXPECT_EQ(plane_.instances().at(1).calls, 1U);

    answer(Leg::B, sdp_of(5000));
    EXPECT_EQ(link_.take().at(0).instance, 1U);
}

TEST_F(RtpenginePlaneTest, TakesTheNextInstanceWhereOneGivesBackNonsense) {
    offer(Leg::A, sdp_of(4000));
    reply(link_.take().at(0), {{"result", "ok"}, {"sdp", "nonsense"}});
    auto sent = link_.take();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].command.text("command"), "delete");
    EXPECT_EQ(sent[1].instance, 1U);
    reply(sent[1], {{"result", "ok"}, {"sdp", sdp_of(0)}});
    EXPECT_EQ(told_, std::vector<std::string>{"media_server_nonsense"});
    EXPECT_EQ(plane_.instances().at(0).calls + plane_.instances().at(1).calls, 0U);
}

TEST_F(RtpenginePlaneTest, FailsAFirstOfferAtOnceWhileNoInstanceCanBeUsed) {
    plane_.on_refused(clock_.now().steady, 0);
    plane_.on_refused(clock_.now().steady, 1);
    offer(Leg::A, sdp_of(4000));
    EXPECT_EQ(told_, std::vector<std::string>{"media_server_unreachable"});
    EXPECT_TRUE(link_.take().empty());
}

TEST_F(RtpenginePlaneTest, EndsACallOnlyWhenWhatIsUnderWayHasBeenAnswered) {
    offer(Leg::A, sdp_of(4000));
    const auto sent = link_.take();
    plane_.remove(kCall);
    EXPECT_TRUE(link_.take().empty());
    serve_one(sent.at(0));
    EXPECT_TRUE(told_.empty());  // nothing of a call is told after its end
    const auto last = link_.take();
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].command.text("command"), "delete");
}

TEST_F(RtpenginePlaneTest, TellsTheEngineWhatHeldBeforeARefusedOffer) {
    begin_call();
    offer(Leg::B, sdp_of(5000, "a=sendonly\r\n"));
    serve();
    plane_.rollback(kCall, Leg::B);
    const auto first = link_.take();
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(first[0].command.text("command"), "offer");
    EXPECT_EQ(first[0].command.text("from-tag"), "b");
    EXPECT_EQ(first[0].command.text("sdp"), sdp_of(5000));
    serve_one(first[0]);
    const auto second = link_.take();
    ASSERT_EQ(second.size(), 1U);
    EXPECT_EQ(second[0].command.text("command"), "answer");
    EXPECT_EQ(second[0].command.text("to-tag"), "a");
    EXPECT_EQ(second[0].command.text("sdp"), sdp_of(4000));
}

TEST_F(RtpenginePlaneTest, OffersTheServerOneLineForEachStreamWithLabelsOfOurs) {
    begin_call();
    subscribe();
    serve();
    ASSERT_EQ(subscribed_, std::vector<std::string>{"ok"});
    const auto offer = sdp::parse(subscription_.offer);
    ASSERT_TRUE(offer);
    ASSERT_EQ(offer->media.size(), 2U);
    EXPECT_EQ(offer->media[0].label, "1");
    EXPECT_EQ(offer->media[0].port, 31000);
    EXPECT_EQ(offer->media[1].label, "2");
    EXPECT_EQ(offer->media[1].port, 31100);
    EXPECT_EQ(offer->media[0].direction, sdp::Direction::SendOnly);
    EXPECT_EQ(offer->connection->address, "198.51.100.1");
    EXPECT_EQ(subscription_.streams.at(1).from, Leg::B);
}

TEST_F(RtpenginePlaneTest, TellsTheEngineTheServersPlacesWithAllFormatsThatItOffered) {
    begin_call();
    subscribe();
    serve();
    answer_subscription(server_answer());
    serve();
    EXPECT_EQ(applied_, std::vector<std::string>{"ok"});
    EXPECT_EQ(ports_told("recorder-1-a"), std::vector<std::uint16_t>{6000});
    EXPECT_EQ(ports_told("recorder-1-b"), std::vector<std::uint16_t>{6002});
    const auto told = sdp::parse(answers_["recorder-1-a"]);
    EXPECT_EQ(told->media.at(0).formats, "0 8");
    EXPECT_EQ(told->connection_of(told->media[0])->address, "203.0.113.9");
}

TEST_F(RtpenginePlaneTest, StopsAndGoesOnByTheAnswersItGivesTheEngine) {
    begin_call();
    subscribe();
    serve();
    answer_subscription(server_answer());
    serve();
    plane_.stop_subscription(kCall, 1);
    serve();
    EXPECT_EQ(ports_told("recorder-1-a"), std::vector<std::uint16_t>{0});
    EXPECT_EQ(ports_told("recorder-1-b"), std::vector<std::uint16_t>{0});
    answer_subscription(server_answer());
    serve();
    EXPECT_EQ(ports_told("recorder-1-a"), std::vector<std::uint16_t>{6000});
    answer_subscription(server_answer("inactive"));
    serve();
    EXPECT_EQ(ports_told("recorder-1-a"), std::vector<std::uint16_t>{0});
}

TEST_F(RtpenginePlaneTest, OffersAStreamInactiveWhileItsLegIsHeldAndInterruptsNothing) {
    begin_call();
    subscribe();
    serve();
    answer_subscription(server_answer());
    serve();
    offer(Leg::B, sdp_of(5000, "a=sendonly\r\n"));
    serve();
    answer(Leg::A, sdp_of(4000, "a=recvonly\r\n"));
    serve();
    commands_.clear();
    subscribe();
    serve();
    const auto offer = sdp::parse(subscription_.offer);
    EXPECT_EQ(offer->origin->session_version, "2");
    EXPECT_EQ(offer->media.at(0).direction, sdp::Direction::Inactive);
    EXPECT_EQ(offer->media.at(1).direction, sdp::Direction::SendOnly);
    EXPECT_EQ(commands_, (std::vector<std::string>{"subscribe request", "subscribe request"}));
}

TEST_F(RtpenginePlaneTest, AddsStreamsBehindThoseThatAreThere) {
    begin_call();
    subscribe();
    serve();
    answer_subscription(server_answer());
    serve();
    offer(Leg::A, sdp_of(4000, kVideo));
    serve();
    answer(Leg::B, sdp_of(5000, kVideo));
    serve();
    subscribe();
    serve();
    const auto offer = sdp::parse(subscription_.offer);
    ASSERT_EQ(offer->media.size(), 4U);
    EXPECT_EQ(offer->media[0].port, 31000);
    EXPECT_EQ(offer->media[2].media, "video");
    EXPECT_EQ(offer->media[2].label, "3");
    EXPECT_EQ(subscription_.streams.at(3).line, 1U);
    // Until the server has answered, what it has goes on and the new ones are shut.
    EXPECT_EQ(ports_told("recorder-1-a"), (std::vector<std::uint16_t>{6000, 0}));
    answer_subscription(server_answer());
    serve();
    EXPECT_EQ(ports_told("recorder-1-a"), (std::vector<std::uint16_t>{6000, 6004}));
    EXPECT_EQ(ports_told("recorder-1-b"), (std::vector<std::uint16_t>{6002, 6006}));
}

TEST_F(RtpenginePlaneTest, OffersOnlyWhatIsWanted) {
    begin_call(kVideo);
    subscribe({.is_paused = false, .only = Leg::B, .media = {"video"}, .address = "203.0.113.77"});
    serve();
    const auto offer = sdp::parse(subscription_.offer);
    ASSERT_TRUE(offer);
    ASSERT_EQ(offer->media.size(), 1U);
    EXPECT_EQ(offer->media[0].media, "video");
    EXPECT_EQ(offer->connection->address, "203.0.113.77");
    answer_subscription(server_answer());
    serve();
    EXPECT_EQ(ports_told("recorder-1-b"), (std::vector<std::uint16_t>{0, 6000}));
}

TEST_F(RtpenginePlaneTest, HasNoMediaBeforeTheCallHas) {
    subscribe();
    EXPECT_EQ(subscribed_, std::vector<std::string>{"unknown_call"});
    begin_call();
    subscribe({.is_paused = false, .only = {}, .media = {"text"}, .address = {}});
    serve();
    EXPECT_EQ(subscribed_.back(), "no_media");
    subscribe({.is_paused = false, .only = {}, .media = {}, .address = "name"});
    EXPECT_EQ(subscribed_.back(), "bad_address");
    answer_subscription(sdp_of(6000));
    serve();
    EXPECT_EQ(applied_, std::vector<std::string>{"unknown_subscription"});
}

TEST_F(RtpenginePlaneTest, RefusesAnAnswerThatAnswersNothing) {
    begin_call();
    subscribe();
    serve();
    answer_subscription(sdp_of(6000));
    EXPECT_EQ(applied_, std::vector<std::string>{"bad_answer"});
    EXPECT_TRUE(link_.take().empty());
}

TEST_F(RtpenginePlaneTest, UnsubscribesWhatItSubscribed) {
    begin_call();
    subscribe();
    serve();
    commands_.clear();
    plane_.unsubscribe(kCall, 1);
    serve();
    EXPECT_EQ(commands_, (std::vector<std::string>{"unsubscribe", "unsubscribe"}));
    EXPECT_TRUE(plane_.query(kCall)->forks.empty());
}

TEST_F(RtpenginePlaneTest, SaysOnceThatAnInstanceWithCallsIsDead) {
    begin_call();
    plane_.on_refused(clock_.now().steady, 0);
    plane_.on_refused(clock_.now().steady, 0);
    EXPECT_EQ(lost_, std::vector<std::string>{"42 media_server_unreachable"});
    EXPECT_FALSE(plane_.instances().at(0).is_usable);
}

TEST_F(RtpenginePlaneTest, FindsOutWhenARestartedInstanceHasLostTheCallAndTellsItAllAgain) {
    begin_call();
    subscribe();
    serve();
    answer_subscription(server_answer());
    serve();
    plane_.on_refused(clock_.now().steady, 0);
    lost_.clear();
    for (int i = 0; i < 40 && lost_.empty(); ++i) {
        wait(milliseconds{100});
        for (const SentCommand& sent : link_.take(true)) {
            if (sent.command.text("command") == "query")
                reply(sent, {{"result", "error"}, {"error-reason", "Unknown call-id"}});
            else
                reply(sent, {{"result", "pong"}});
        }
    }
    ASSERT_EQ(lost_, std::vector<std::string>{"42 media_server_unknown_call"});

    answers_.clear();
    offer(Leg::A, sdp_of(4000));
    serve();
    answer(Leg::B, sdp_of(5000));
    serve();
    subscribe();
    serve();
    EXPECT_EQ(ports_told("recorder-1-a"), std::vector<std::uint16_t>{6000});
    EXPECT_EQ(ports_told("recorder-1-b"), std::vector<std::uint16_t>{6002});
}

TEST_F(RtpenginePlaneTest, KnowsWhatTheEngineLastSaidOfTheMedia) {
    begin_call();
    EXPECT_TRUE(plane_.query(kCall)->lines.empty());
    plane_.on_time(clock_.now().steady);
    for (const SentCommand& ping : link_.take(true)) reply(ping, {{"result", "pong"}});
    wait(kNgQueryEvery);
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(clock_.now().wall.time_since_epoch());
    const NgDictionary stream{
        {"stats", NgDictionary{{"packets", std::int64_t{7}}, {"bytes", std::int64_t{1204}}}},
        {"last packet", std::int64_t{now.count() - 3}},
        {"endpoint", NgDictionary{{"address", "192.0.2.5"}, {"port", std::int64_t{4000}}}}};
    const NgDictionary medium{{"index", std::int64_t{1}}, {"streams", NgList{stream}}};
    for (const SentCommand& sent : link_.take())
        reply(sent, {{"result", "ok"},
                     {"tags", NgDictionary{{"a", NgDictionary{{"medias", NgList{medium}}}}}}});
    const auto media = plane_.query(kCall);
    ASSERT_EQ(media->lines.size(), 1U);
    const LegMedia& a = media->lines[0].legs[0];
    EXPECT_EQ(a.rtp.packets, 7U);
    EXPECT_EQ(a.rtp.last, clock_.now().steady - std::chrono::seconds{3});
    EXPECT_EQ(base::to_string(a.heard_at), "192.0.2.5:4000");
    EXPECT_EQ(media->lines[0].legs[1].rtp.packets, 0U);
}

TEST(NgFlags, ReadsWhatKamailioUsersWrite) {
    const auto flags = parse_ng_flags(
        "trust-address replace-origin replace-session-connection ICE=remove RTP/SAVPF "
        "direction=internal external codec-strip-G729");
    ASSERT_TRUE(flags);
    EXPECT_EQ(flags->text("ICE"), "remove");
    EXPECT_EQ(flags->text("transport-protocol"), "RTP/SAVPF");
    EXPECT_EQ(flags->list("replace"), (NgList{"origin", "session-connection"}));
    EXPECT_EQ(flags->list("direction"), (NgList{"internal", "external"}));
    EXPECT_EQ(flags->list("flags"), (NgList{"trust-address", "codec-strip-G729"}));
    EXPECT_TRUE(has_ng_flag(*flags, "trust-address"));
    EXPECT_TRUE(parse_ng_flags("")->entries().empty());
}

TEST(NgFlags, RefusesWhatIsNotTheirsToSet) {
    for (const std::string_view text : {"call-id=x", "sdp=x", "=x", "ICE=remove command=delete"})
        EXPECT_FALSE(parse_ng_flags(text)) << text;
}

TEST(NgFlags, AddsToWhatACommandHas) {
    NgDictionary command{{"flags", NgList{"siprec"}}, {"ICE", "force"}};
    add_ng_flags(command, *parse_ng_flags("all ICE=remove"));
    EXPECT_EQ(command.list("flags"), (NgList{"siprec", "all"}));
    EXPECT_EQ(command.text("ICE"), "remove");
}

}  // namespace
}  // namespace earshot::relay
