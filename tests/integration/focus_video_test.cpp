// Video in conferences whose focus is the recording client: cameras follow the speaker, one shares
// at a time, and both are recorded; client and server by the real binary, phones by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness.h"
#include "integration/video_phone.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class FocusVideo : public testing::Test {
protected:
    void start(const std::string& focus = "") {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start("[client]\nservers = [\"" + server_.sip_uri() +
                                  "\"]\n[focus]\nrooms = [\"conf-*\"]\nchimes = false\n" + focus))
            << client_.log();
    }
    std::unique_ptr<VideoPhone> dial_in(char name, const std::string& codec = "VP8",
                                        bool watches = false) {
        auto phone =
            std::make_unique<VideoPhone>(name, client_.sip(), "sip:conf-1@" + client_.sip(), codec);
        if (watches) phone->only_watch();
        const std::string answer = phone->dial();
        EXPECT_THAT(answer, testing::StartsWith("SIP/2.0 200")) << client_.log();
        EXPECT_EQ(phone->ports().size(), 3U) << answer;
        return phone;
    }
    json participants() const {
        const json access = json::parse(read_file(client_.data() / "cli.json"), nullptr, false);
        const Output got = run_command(
            {"curl", "-s", "-H", "Authorization: Bearer " + access.value("token", ""),
             "http://127.0.0.1:" + std::to_string(client_.http_port()) + "/api/v1/conferences"});
        const json all = json::parse(got.out, nullptr, false);
        if (!all.is_object() || all["conferences"].empty()) return json::array();
        return all["conferences"][0]["participants"];
    }
    static bool sees(const VideoPhone& phone, VideoPhone::Line line, char whom) {
        return eventually([&] {
            const auto shown = phone.shown(line);
            return !shown.whose.empty() && shown.whose.back() == whom;
        });
    }
    static json streams_of(const json& recording, std::string_view media, const json& role) {
        json found = json::array();
        for (const json& stream : recording["streams"])
            if (stream["media"] == media && stream.value("role", json()) == role)
                found.push_back(stream);
        return found;
    }
    static std::size_t count(std::string_view text, std::string_view what) {
        std::size_t found = 0;
        for (std::size_t at = text.find(what); at != std::string_view::npos;
             at = text.find(what, at + 1))
            ++found;
        return found;
    }
    static void expect_whole(const VideoPhone::Shown& shown) {
        EXPECT_TRUE(shown.began_with_key);
        EXPECT_EQ(shown.gaps, 0U);
        EXPECT_EQ(shown.ssrcs, 1U);
        EXPECT_EQ(shown.bad_switches, 0U);
    }

    TestServer server_;
    TestClient client_;
};

TEST_F(FocusVideo, WhoSpeaksIsSeenAndWhatIsSharedIsOneStream) {
    start();
    const auto ada = dial_in('a');
    const auto bo = dial_in('b');
    const auto cy = dial_in('c');
    for (const auto* phone : {&ada, &bo, &cy}) (*phone)->show(VideoPhone::Camera, true);
    ada->speak(true);
    EXPECT_TRUE(sees(*bo, VideoPhone::Camera, 'a')) << participants().dump(1) << client_.log();
    EXPECT_TRUE(sees(*cy, VideoPhone::Camera, 'a'));
    ada->speak(false);
    cy->speak(true);
    EXPECT_TRUE(sees(*bo, VideoPhone::Camera, 'c'));
    EXPECT_TRUE(sees(*ada, VideoPhone::Camera, 'c'));
    EXPECT_TRUE(sees(*cy, VideoPhone::Camera, 'a'));  // who spoke before
    EXPECT_TRUE(eventually([&] {
        const json all = participants();
        return all.size() == 3 && all[2]["seen"] == true && all[2]["camera"] == "VP8";
    })) << participants().dump(1);

    bo->show(VideoPhone::Content, true);
    EXPECT_TRUE(sees(*ada, VideoPhone::Content, 'b')) << client_.log();
    EXPECT_TRUE(eventually([&] { return participants()[1]["presenter"] == true; }));
    // One at a time: the other one's are not seen until the presenter leaves.
    ada->show(VideoPhone::Content, true);
    EXPECT_TRUE(eventually([&] { return cy->shown(VideoPhone::Content).packets > 50; }));
    EXPECT_EQ(cy->shown(VideoPhone::Content).whose, std::vector<char>{'b'});
    EXPECT_EQ(bo->shown(VideoPhone::Content).packets, 0U);
    bo->hang_up();
    EXPECT_TRUE(sees(*cy, VideoPhone::Content, 'a')) << client_.log();
    EXPECT_TRUE(eventually([&] { return participants()[0]["presenter"] == true; }));
    const auto before = cy->shown(VideoPhone::Content).packets;
    EXPECT_TRUE(eventually([&] { return cy->shown(VideoPhone::Content).packets > before + 50; }));
    ada->hang_up();
    cy->hang_up();
    for (const auto* phone : {&ada, &bo, &cy}) expect_whole((*phone)->shown(VideoPhone::Camera));
    expect_whole(cy->shown(VideoPhone::Content));
    for (const auto* phone : {&ada, &bo, &cy}) EXPECT_GT((*phone)->asked(VideoPhone::Camera), 0U);

    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    const json camera = streams_of(all[0], "video", "camera");
    const json content = streams_of(all[0], "video", "content");
    ASSERT_EQ(camera.size(), 1U) << all[0].dump(1);
    ASSERT_EQ(content.size(), 1U) << all[0].dump(1);
    EXPECT_EQ(streams_of(all[0], "audio", json()).size(), 3U) << all[0].dump(1);
    EXPECT_GT(camera[0]["packets"], 100) << camera.dump(1);
    EXPECT_GT(content[0]["packets"], 100);
    EXPECT_EQ(camera[0]["lost"], 0);
    EXPECT_EQ(content[0]["lost"], 0);
    const std::string id = all[0]["id"];
    const json timeline = json::parse(
        server_.run({"export", id, "--format", "timeline", "-o", "-"}).out, nullptr, false);
    ASSERT_TRUE(timeline.is_object());
    const std::string sharing = timeline["sharing"].dump();
    EXPECT_THAT(sharing, HasSubstr("b@desk.example"));
    EXPECT_THAT(sharing, HasSubstr("a@desk.example"));
    EXPECT_THAT(sharing, HasSubstr("Slides of b"));
    EXPECT_THAT(timeline["speakers"].dump(),
                Not(HasSubstr("\"" + camera[0]["label"].get<std::string>() + "\"")));
    const Output facts = server_.run({"export", id, "--format", "json", "-o", "-"});
    EXPECT_THAT(facts.out, HasSubstr("participant_roles"));
    EXPECT_GE(count(facts.out, "sharing_started"), 2U);
}

// By policy each camera is a stream; who has no format in common is refused its line and told why.
// Who only watches and comes first does not decide what is shown, and sees it if it can.
TEST_F(FocusVideo, WhoOnlyWatchesDoesNotDecideTheFormat) {
    start();
    const auto watcher = dial_in('w', "H264,VP8", true);
    const auto other = dial_in('x', "H264", true);
    EXPECT_NE(watcher->ports()[1], 0);
    EXPECT_NE(other->ports()[1], 0);
    EXPECT_TRUE(eventually([&] {
        const json all = participants();
        return all.size() == 2 && all[0]["camera"] == "H264 (profile 66, mode 0), VP8";
    })) << participants().dump(1);
    const auto ada = dial_in('a', "VP8");
    EXPECT_NE(ada->ports()[1], 0);
    EXPECT_NE(ada->ports()[2], 0);
    ada->show(VideoPhone::Camera, true);
    ada->show(VideoPhone::Content, true);
    EXPECT_TRUE(sees(*watcher, VideoPhone::Camera, 'a')) << client_.log();
    EXPECT_TRUE(sees(*watcher, VideoPhone::Content, 'a'));
    EXPECT_TRUE(eventually([&] {  // the log has a thread of its own
        return count(client_.log(), "What is shown is VP8, which the participant does not take") ==
               2;  // camera and content, once each
    })) << client_.log();
    EXPECT_EQ(other->shown(VideoPhone::Camera).packets, 0U);
    EXPECT_EQ(other->shown(VideoPhone::Content).packets, 0U);
    // The next who shows has to speak that.
    const auto late = dial_in('l', "H264");
    EXPECT_EQ(late->ports()[1], 0);
    for (const auto* phone : {&ada, &watcher, &other, &late}) (*phone)->hang_up();
    expect_whole(watcher->shown(VideoPhone::Camera));
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_EQ(streams_of(all[0], "video", "camera").size(), 1U) << all[0].dump(1);
}

TEST_F(FocusVideo, EachCameraIsRecordedWhereThatIsWanted) {
    start("record = \"separate\"\n");
    const auto ada = dial_in('a');
    const auto bo = dial_in('b');
    const auto cy = dial_in('c', "H264");
    EXPECT_NE(ada->ports()[1], 0);
    EXPECT_EQ(cy->ports()[1], 0);
    EXPECT_EQ(cy->ports()[2], 0);
    EXPECT_TRUE(eventually([&] {  // the log has a thread of its own
        return client_.log().find("The conference shows VP8, which the line does not") !=
               std::string::npos;
    })) << client_.log();
    ada->show(VideoPhone::Camera, true);
    bo->show(VideoPhone::Camera, true);
    EXPECT_TRUE(sees(*bo, VideoPhone::Camera, 'a')) << client_.log();
    EXPECT_TRUE(sees(*ada, VideoPhone::Camera, 'b'));
    // What the server asks for reaches the cameras as well.
    EXPECT_TRUE(eventually([&] {
        const json all = server_.list();
        if (!all.is_array() || all.empty()) return false;
        std::size_t cameras = 0;
        for (const json& stream : all[0]["streams"])
            if (stream["media"] == "video" && stream["packets"] > 20) ++cameras;
        return cameras == 2;
    })) << server_.list().dump(1);
    ada->hang_up();
    bo->hang_up();
    cy->hang_up();
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    const json cameras = streams_of(all[0], "video", "camera");
    ASSERT_EQ(cameras.size(), 2U) << all[0].dump(1);
    for (const json& camera : cameras) EXPECT_EQ(camera["lost"], 0) << camera.dump(1);
}

// A second client attends the room of the first one, which records nothing itself: of the cameras
// it is shown who speaks, and what is shared beside that, and it can tell the one from the other.
TEST_F(FocusVideo, WhoAttendsRecordsWhoIsSeenAndWhatIsShared) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start("[focus]\nrooms = [\"conf-*\"]\nchimes = false\n")) << client_.log();
    TestClient attendant;
    ASSERT_TRUE(attendant.start("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n"))
        << attendant.log();
    const auto ada = dial_in('a');
    const auto bo = dial_in('b');
    ada->show(VideoPhone::Camera, true);
    bo->show(VideoPhone::Content, true);
    ada->speak(true);
    const Output begun =
        attendant.run({"attend", "start", "sip:conf-1@" + client_.sip(), "--no-chat", "--json"});
    ASSERT_EQ(begun.exit_code, 0) << begun.err << attendant.log() << client_.log();
    const json attendance = json::parse(begun.out, nullptr, false);
    ASSERT_TRUE(attendance.is_object()) << begun.out;
    EXPECT_TRUE(eventually([&] {
        const json all = server_.list();
        if (!all.is_array() || all.empty()) return false;
        std::size_t shown = 0;
        for (const json& stream : all[0]["streams"])
            if (stream["media"] == "video" && stream["packets"] > 100) ++shown;
        return shown == 2;
    })) << server_.list().dump(1)
        << attendant.log();
    // Who presents may come with the next NOTIFY, of which there is one each 5 s.
    EXPECT_TRUE(eventually([&] {
        return attendant.log().find("sip:b@desk.example, presenter") != std::string::npos;
    })) << attendant.log()
        << client_.log();
    EXPECT_EQ(attendant.run({"attend", "end", attendance.value("id", "")}).exit_code, 0);
    ada->hang_up();
    bo->hang_up();

    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << server_.log() << attendant.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    for (const char* const role : {"camera", "content"}) {
        const json found = streams_of(all[0], "video", role);
        ASSERT_EQ(found.size(), 1U) << role << all[0].dump(1);
        EXPECT_EQ(found[0]["lost"], 0) << found.dump(1);
        EXPECT_GE(found[0]["video"]["key_pictures"], 1) << found.dump(1);
    }
    const json timeline = json::parse(
        server_.run({"export", all[0]["id"].get<std::string>(), "--format", "timeline", "-o", "-"})
            .out,
        nullptr, false);
    ASSERT_TRUE(timeline.is_object());
    ASSERT_GE(timeline["sharing"].size(), 1U) << timeline.dump(1);
    // By the roster, in which who shares has the role.
    EXPECT_THAT(timeline["sharing"].dump(), HasSubstr("b@desk.example")) << client_.log();
}

}  // namespace
}  // namespace earshot::integration
