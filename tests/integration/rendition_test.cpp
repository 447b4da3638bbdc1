// Renditions by the real server and the real child: calls with video that a client made by hand
// sends, exported, cancelled, broken, erased.
#include <gtest/gtest.h>

#include "integration/harness.h"
#include "integration/made_call.h"
#include "media/media_test_rig.h"

namespace earshot::integration {
namespace {

using media::MadePacket;
using nlohmann::json;

class Rendition : public testing::Test {
protected:
    // One call of sound (stream 0) and pictures (stream 1) in VP8; the id of its recording.
    std::string record(const std::vector<MadePacket>& packets) {
        EXPECT_TRUE(make_call(server_.sip_port(), packets));
        const json rows = server_.wait_for_recordings(1);
        return rows.is_array() ? rows.at(0).at("id").get<std::string>() : "";
    }
    std::string record_two_seconds() {
        std::vector<MadePacket> packets;
        media::add_tone(0, 0, 2000, packets);
        media::add_vp8(1, 0, 50, packets);
        std::stable_sort(packets.begin(), packets.end(), [](const auto& a, const auto& b) {
            return a.header.position_ns < b.header.position_ns;
        });
        return record(packets);
    }
    base::Bytes export_as(const std::string& id, const std::string& format) {
        const std::string file = server_.scratch() / ("made." + format);
        const Output done = server_.run({"export", id, "--format", format, "-o", file, "--force"});
        EXPECT_EQ(done.exit_code, 0) << done.err;
        const std::string text = read_file(file);
        return {text.begin(), text.end()};
    }

    TestServer server_;
};

TEST_F(Rendition, TurnsACallWithVideoIntoFilesThatPlay) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string id = record_two_seconds();
    ASSERT_FALSE(id.empty()) << server_.log();
    const media::ReadFile tracks = media::read_file(export_as(id, "mkv"));
    ASSERT_EQ(tracks.tracks.size(), 2U);
    EXPECT_EQ(tracks.tracks[0].codec, AV_CODEC_ID_PCM_MULAW);
    EXPECT_EQ(tracks.tracks[0].packets.size(), 100U);
    EXPECT_EQ(tracks.tracks[1].codec, AV_CODEC_ID_VP8);
    EXPECT_EQ(tracks.tracks[1].packets.size(), 50U);
    for (const std::string format : {"webm", "mp4"}) {
        const media::ReadFile file = media::read_file(export_as(id, format));
        ASSERT_EQ(file.tracks.size(), 2U) << format;
        EXPECT_EQ(file.tracks[0].width, 1280) << format;
    }
    EXPECT_EQ(media::read_file(export_as(id, "ogg")).tracks.size(), 1U);
    // Kept under the recording's key: nothing of a WebM file can be seen in it.
    const auto cached = server_.data() / "cache" / id / "mkv";
    EXPECT_TRUE(read_file(cached / "head").starts_with("EARSHENC"));
    EXPECT_TRUE(std::filesystem::exists(cached / "key"));
}

TEST_F(Rendition, GoesWithItsRecordingWhenThatIsErased) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string id = record_two_seconds();
    ASSERT_FALSE(export_as(id, "mkv").empty());
    EXPECT_EQ(server_.run({"erase", id, "--yes"}).exit_code, 0);
    EXPECT_FALSE(std::filesystem::exists(server_.data() / "cache" / id));
    EXPECT_NE(server_.run({"export", id, "--format", "mkv", "-o", "-"}).exit_code, 0);
}

TEST_F(Rendition, SaysWhatThereIsNot) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const Output call = server_.run({"call", "--to", server_.sip_uri(), "--duration", "1"});
    ASSERT_EQ(call.exit_code, 0) << call.err;
    const std::string id = server_.wait_for_recordings(1).at(0).at("id");
    const Output sheet = server_.run({"export", id, "--format", "sheet", "-o", "-"});
    EXPECT_EQ(sheet.exit_code, 5);
    EXPECT_NE(sheet.err.find("no video"), std::string::npos) << sheet.err;
    const media::ReadFile file = media::read_file(export_as(id, "mkv"));
    EXPECT_EQ(file.tracks.size(), 2U);
}

}  // namespace
}  // namespace earshot::integration
