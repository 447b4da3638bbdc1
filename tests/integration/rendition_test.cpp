// Renditions by the real server and the real child: calls with video that a client made by hand
// sends, exported, cancelled, broken, erased.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "http/client.h"
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

// Two calls of one session are one recording: what is made of it has both, each at its time.
TEST_F(Rendition, HasAllPiecesOfARecordingOneAfterTheOther) {
    ASSERT_TRUE(server_.start()) << server_.log();
    std::vector<MadePacket> packets;
    media::add_tone(0, 0, 1000, packets);
    media::add_vp8(1, 0, 25, packets);
    std::stable_sort(packets.begin(), packets.end(), [](const auto& a, const auto& b) {
        return a.header.position_ns < b.header.position_ns;
    });
    const std::string session =
        "Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2\n";
    ASSERT_TRUE(make_call(server_.sip_port(), packets, session));
    ASSERT_TRUE(make_call(server_.sip_port(), packets, session));
    json row;
    ASSERT_TRUE(eventually([&] {
        const json rows = server_.list();
        if (!rows.is_array() || rows.size() != 1) return false;
        row = rows[0];
        return row["state"] == "complete" && row.value("pieces", json::array()).size() == 2;
    })) << row;
    const std::string id = row["id"];
    const std::int64_t second_ms = row["pieces"][1]["offset_ms"];
    const media::ReadFile tracks = media::read_file(export_as(id, "mkv"));
    ASSERT_EQ(tracks.tracks.size(), 2U);
    for (const media::ReadTrack& track : tracks.tracks) {
        const std::size_t each = track.type == AVMEDIA_TYPE_AUDIO ? 50 : 25;
        ASSERT_EQ(track.packets.size(), 2 * each);
        EXPECT_LT(track.times_ms[each - 1], second_ms);
        EXPECT_GE(track.times_ms[each], second_ms);
    }
    EXPECT_EQ(media::read_file(export_as(id, "mp4")).tracks.size(), 2U);
    EXPECT_TRUE(std::filesystem::exists(server_.data() / "cache" / id / "mkv-of-2"));
    const Output alone =
        server_.run({"export", id, "--format", "mkv", "--piece", "2", "-o", "-", "--force"});
    EXPECT_EQ(alone.exit_code, 0) << alone.err;
    EXPECT_EQ(server_.run({"erase", id, "--yes"}).exit_code, 0);
    EXPECT_FALSE(std::filesystem::exists(server_.data() / "cache" / id));
}

TEST_F(Rendition, GoesWithItsRecordingWhenThatIsErased) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string id = record_two_seconds();
    ASSERT_FALSE(export_as(id, "mkv").empty());
    EXPECT_EQ(server_.run({"erase", id, "--yes"}).exit_code, 0);
    EXPECT_FALSE(std::filesystem::exists(server_.data() / "cache" / id));
    EXPECT_NE(server_.run({"export", id, "--format", "mkv", "-o", "-"}).exit_code, 0);
}

// A child that makes nothing: its readers wait, and the API answers all others meanwhile.
TEST_F(Rendition, AnswersOthersWhileSomeWaitForARendition) {
    const auto program = server_.scratch() / "bin";
    std::filesystem::create_directory(program);
    std::filesystem::copy_file(earshot_binary(), program / "earshot");
    write_file(program / "earshot-media", "#!/bin/sh\nexec sleep 50\n");
    std::filesystem::permissions(program / "earshot-media", std::filesystem::perms::owner_all);
    server_.run_as((program / "earshot").string());
    ASSERT_TRUE(server_.start()) << server_.log();
    const Output call = server_.run({"call", "--to", server_.sip_uri(), "--duration", "1"});
    ASSERT_EQ(call.exit_code, 0) << call.err;
    const std::string id = server_.wait_for_recordings(1).at(0).at("id");
    const std::string one =
        fmt::format("http://127.0.0.1:{}/api/v1/recordings/{}", server_.http_port(), id);
    const std::string token = json::parse(read_file(server_.data() / "cli.json")).at("token");
    const http::Fields who{{"Authorization", "Bearer " + token}};
    const auto ask = [&](const std::string& method, const std::string& url) {
        const auto reply = http::fetch({.method = method, .url = url, .headers = who});
        return reply ? json::parse(reply->body, nullptr, false) : json();
    };
    ASSERT_EQ(ask("POST", one + "/renditions/mkv").value("name", ""), "mkv");
    std::vector<std::thread> readers;
    std::atomic<int> answered{0};
    for (int i = 0; i < 3; ++i)
        readers.emplace_back([&] {
            const auto reply =
                http::fetch({.url = one + "/renditions/mkv/content", .headers = who});
            EXPECT_TRUE(!reply || reply->status != 200) << reply->body.size();
            ++answered;
        });
    EXPECT_TRUE(eventually(
        [&] { return ask("GET", one + "/renditions/mkv").value("state", "") == "running"; }));
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(ask("GET", one).value("id", ""), id);
        EXPECT_EQ(server_.list().size(), 1U);
    }
    EXPECT_EQ(answered, 0);
    // Who waits is told that it was given up.
    EXPECT_TRUE(ask("DELETE", one + "/renditions/mkv").value("dropped", false));
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(server_.stop(), 0);
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
