// What earlier releases stored can be read for good: tests/data/recordings has a recording of each
// version of the manifest that is no longer written, made by the release that wrote it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "archive/render.h"
#include "archive/stored_recording.h"
#include "archive/verify.h"
#include "audio/wav.h"
#include "base/text.h"
#include "crypto/key_wrap.h"
#include "io/linux_file.h"

namespace earshot::archive {
namespace {

// That of version2's server; it protects nothing else.
crypto::KeyRing make_keys() {
    const auto bytes = base::parse_base64("pqn9LWPshKX/ZDwLKa1HUL7ZYgNWHTuMaFkEpkPQl7E=");
    return {*base::parse_uuid("01a21625-de1c-72fc-9ce8-ce119e93516b"),
            crypto::SecretKey::from(*bytes)};
}

class OlderVersion : public testing::TestWithParam<const char*> {
protected:
    std::string render_all(Format format) {
        auto rendering = render(files_, directory_, format, &keys_);
        EXPECT_TRUE(rendering) << (rendering ? "" : rendering.error().text);
        std::string all;
        std::string chunk;
        while (rendering) {
            const auto more = (*rendering)->next(chunk);
            EXPECT_TRUE(more) << (more ? "" : more.error().text);
            if (!more || !*more) break;
            all += chunk;
        }
        return all;
    }

    io::LinuxFileSystem files_;
    const crypto::KeyRing keys_ = make_keys();
    const std::string directory_ = std::string(EARSHOT_TEST_DATA) + "/recordings/" + GetParam();
    const StoredRecording recording_{files_, directory_, &keys_};
};

TEST_P(OlderVersion, Verifies) {
    const Verification result = verify_recording(files_, directory_, std::nullopt, &keys_);
    EXPECT_TRUE(result.is_ok()) << to_json(result).dump(1);
    EXPECT_EQ(result.contents, Contents::Checked);
    EXPECT_EQ(result.parts, 9U);
}

TEST_P(OlderVersion, HasItsSummaryAndEvents) {
    const auto summary = recording_.summary();
    ASSERT_TRUE(summary) << summary.error().text;
    EXPECT_EQ(summary->state, State::Complete);
    ASSERT_EQ(summary->streams.size(), 2U);
    for (const StreamSummary& stream : summary->streams) EXPECT_EQ(stream.packets, 25U);
    EXPECT_EQ(recording_.documents(),
              (std::vector<std::string>{"metadata/0001.xml", "metadata/0002.xml"}));
    const auto all = nlohmann::json::parse(render_all(Format::Json));
    EXPECT_EQ(all["events"].back()["type"], "call_ended");
}

TEST_P(OlderVersion, IsExportedInAllFormats) {
    const auto exported = audio::parse_wav(base::as_bytes(render_all(Format::Wav)));
    ASSERT_TRUE(exported);
    EXPECT_EQ(exported->format, (audio::WavFormat{.rate = 8000, .channels = 2}));
    const auto track = recording_.read("tracks/1.wav", 1U << 20U);
    ASSERT_TRUE(track) << track.error().text;
    const auto one = audio::parse_wav(base::as_bytes(*track));
    ASSERT_TRUE(one);
    ASSERT_EQ(exported->samples.size(), 2 * one->samples.size());
    for (std::size_t i = 0; i < one->samples.size(); ++i)
        ASSERT_EQ(exported->samples[2 * i], one->samples[i]) << i;
    EXPECT_GT(render_all(Format::Pcap).size(), 50U * 214);
    EXPECT_NE(render_all(Format::Xml).find("participant"), std::string::npos);
    EXPECT_TRUE(nlohmann::json::accept(*read_peaks(directory_, &keys_)));
    EXPECT_TRUE(open_track(directory_, "2", &keys_));
}

INSTANTIATE_TEST_SUITE_P(All, OlderVersion, testing::Values("version1", "version2"));

}  // namespace
}  // namespace earshot::archive
