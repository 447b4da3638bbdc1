#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>

#include <fstream>

#include "payload/vp8.h"
#include "rfb/rfb_test_rig.h"
#include "screen/recorder.h"

namespace earshot::screen {
namespace {

using rfb::Bytes;
using rfb::Colour;
using rfb::TapHeader;
using rfb::TapKind;
namespace encoding = rfb::encoding;

constexpr std::int64_t kMs = 1'000'000;

struct Shown {
    TapHeader header;
    std::size_t width = 0;
    std::size_t height = 0;
    bool is_key = false;
};

// The client's side, and a decoder as a recording's reader has one.
class Rig {
public:
    Rig() { vpx_codec_dec_init(&decoder_, vpx_codec_vp8_dx(), nullptr, 0); }
    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;
    ~Rig() { vpx_codec_destroy(&decoder_); }

    void server(const Bytes& bytes) { give(TapKind::Server, bytes); }
    void viewer(const Bytes& bytes) { give(TapKind::Viewer, bytes); }
    void give(TapKind kind, const Bytes& bytes = {}) {
        recorder_.on_record({.kind = kind, .size = bytes.size(), .time_ns = now_ns}, bytes, out_);
    }
    void greet() {
        server(rfb::text("RFB 003.008\n"));
        viewer(rfb::text("RFB 003.008\n"));
    }
    void begin(std::size_t width, std::size_t height) {
        greet();
        server({1, 1});
        viewer({1});
        server(rfb::u32(0));
        viewer({1});
        server(rfb::server_init(width, height));
    }
    void fill(std::size_t x, std::size_t y, std::size_t width, std::size_t height, Colour colour) {
        server(rfb::join({rfb::update(1), rfb::rect(x, y, width, height, encoding::kRre),
                          rfb::u32(0), rfb::pixel(colour)}));
    }
    // The picture that a tick brings, if it brings one.
    std::optional<Shown> tick(std::int64_t after_ms = 100) {
        now_ns += after_ms * kMs;
        out_.clear();
        give(TapKind::Tick);
        const auto header = rfb::parse_tap_header(out_);
        if (!header || header->kind != TapKind::Frame) return std::nullopt;
        const base::ByteView body = base::ByteView(out_).subspan(rfb::kTapHeaderBytes);
        Shown shown{.header = *header,
                    .width = base::load_le<std::uint16_t>(body, 0),
                    .height = base::load_le<std::uint16_t>(body, 2),
                    .is_key = body[4] != 0};
        Bytes frame;
        for (std::size_t at = 5; at < body.size();) {
            const std::size_t size = base::load_le<std::uint16_t>(body, at);
            base::append(frame, body.subspan(at + 2 + 4, size - 4));
            at += 2 + size;
        }
        EXPECT_EQ(payload::is_vp8_key_frame(frame), shown.is_key);
        EXPECT_EQ(vpx_codec_decode(&decoder_, frame.data(), static_cast<unsigned>(frame.size()),
                                   nullptr, 0),
                  VPX_CODEC_OK);
        vpx_codec_iter_t iterator = nullptr;
        image_ = vpx_codec_get_frame(&decoder_, &iterator);
        return shown;
    }
    // Of the decoded picture, back from I420.
    void expect_colour(unsigned x, unsigned y, Colour colour) {
        ASSERT_NE(image_, nullptr);
        const auto sample = [&](int plane, unsigned column, unsigned row) -> double {
            return image_->planes[plane][static_cast<int>(row) * image_->stride[plane] +
                                         static_cast<int>(column)];
        };
        const double luma = 1.164 * (sample(VPX_PLANE_Y, x, y) - 16);
        const double u = sample(VPX_PLANE_U, x / 2, y / 2) - 128;
        const double v = sample(VPX_PLANE_V, x / 2, y / 2) - 128;
        EXPECT_NEAR(luma + 1.596 * v, colour >> 16 & 0xff, 24);
        EXPECT_NEAR(luma - 0.813 * v - 0.392 * u, colour >> 8 & 0xff, 24);
        EXPECT_NEAR(luma + 2.017 * u, colour & 0xff, 24);
    }
    const Bytes& out() const { return out_; }

    std::int64_t now_ns = 1'000 * kMs;

private:
    Recorder recorder_;
    Bytes out_;
    vpx_codec_ctx_t decoder_{};
    vpx_image_t* image_ = nullptr;
};

TEST(ScreenRecorder, ShowsWhatIsDrawn) {
    Rig rig;
    EXPECT_FALSE(rig.tick());  // nothing is known of a screen yet
    rig.begin(64, 48);
    rig.fill(0, 0, 64, 48, 0xff0000);
    rig.fill(32, 0, 32, 48, 0x0000ff);
    const auto shown = rig.tick();
    ASSERT_TRUE(shown);
    EXPECT_TRUE(shown->is_key);
    EXPECT_EQ(shown->width, 64U);
    EXPECT_EQ(shown->height, 48U);
    rig.expect_colour(8, 8, 0xff0000);
    rig.expect_colour(50, 40, 0x0000ff);
}

TEST(ScreenRecorder, SendsChangesOnlyAndKeyFramesWhenAsked) {
    Rig rig;
    rig.begin(64, 48);
    ASSERT_TRUE(rig.tick());
    EXPECT_FALSE(rig.tick());
    rig.fill(0, 0, 64, 48, 0x00ff00);
    const std::int64_t drawn_ns = rig.now_ns;
    const auto changed = rig.tick();
    ASSERT_TRUE(changed);
    EXPECT_FALSE(changed->is_key);
    EXPECT_EQ(changed->header.time_ns, drawn_ns);  // of its octets, not of the question
    EXPECT_FALSE(rig.tick());
    rig.give(TapKind::KeyFrame);
    const auto asked = rig.tick();
    ASSERT_TRUE(asked);
    EXPECT_TRUE(asked->is_key);
    rig.expect_colour(30, 30, 0x00ff00);
}

TEST(ScreenRecorder, SendsNoMoreThanTenPicturesASecond) {
    Rig rig;
    rig.begin(64, 48);
    ASSERT_TRUE(rig.tick());
    rig.fill(0, 0, 64, 48, 0x00ff00);
    EXPECT_FALSE(rig.tick(99));
    EXPECT_TRUE(rig.tick(1));
}

TEST(ScreenRecorder, RepeatsWhatDoesNotChange) {
    Rig rig;
    rig.begin(64, 48);
    ASSERT_TRUE(rig.tick());
    EXPECT_FALSE(rig.tick(999));
    EXPECT_TRUE(rig.tick(1));
    EXPECT_FALSE(rig.tick(4'999));
    EXPECT_TRUE(rig.tick(1));
}

TEST(ScreenRecorder, PaintsTheCursorWhereThePointerIs) {
    Rig rig;
    rig.begin(64, 64);
    rig.fill(0, 0, 64, 64, 0xffffff);
    Bytes shape;
    for (int i = 0; i < 16 * 16; ++i) base::append(shape, rfb::pixel(0xff0000));
    rig.server(rfb::join(
        {rfb::update(1), rfb::rect(0, 0, 16, 16, encoding::kCursor), shape, Bytes(32, 0xff)}));
    ASSERT_TRUE(rig.tick());
    rig.expect_colour(40, 40, 0xffffff);  // nobody knows where it is
    rig.viewer(rfb::pointer_event(32, 32));
    ASSERT_TRUE(rig.tick());
    rig.expect_colour(40, 40, 0xff0000);
    rig.expect_colour(8, 8, 0xffffff);
    rig.viewer(rfb::pointer_event(0, 0));
    ASSERT_TRUE(rig.tick());
    rig.expect_colour(8, 8, 0xff0000);
    rig.expect_colour(40, 40, 0xffffff);
}

TEST(ScreenRecorder, FollowsANewSizeWithAKeyFrame) {
    Rig rig;
    rig.begin(64, 48);
    ASSERT_TRUE(rig.tick());
    rig.server(rfb::join({rfb::update(1), rfb::rect(0, 0, 101, 77, encoding::kDesktopSize)}));
    rig.fill(0, 0, 101, 77, 0x0000ff);
    const auto larger = rig.tick();
    ASSERT_TRUE(larger);
    EXPECT_TRUE(larger->is_key);
    EXPECT_EQ(larger->width, 101U);
    EXPECT_EQ(larger->height, 77U);
    rig.expect_colour(99, 75, 0x0000ff);
}

TEST(ScreenRecorder, SaysWhyItCannotFollow) {
    Rig rig;
    rig.greet();
    rig.server({1, 19});
    rig.viewer({19});
    const auto header = rfb::parse_tap_header(rig.out());
    ASSERT_TRUE(header);
    EXPECT_EQ(header->kind, TapKind::Failed);
    EXPECT_EQ(base::as_text(base::ByteView(rig.out()).subspan(rfb::kTapHeaderBytes)),
              "rfb_encrypted The parties encrypt the RFB session (security type 19).");
    EXPECT_FALSE(rig.tick());
}

#ifndef EARSHOT_SANITIZED
std::uint64_t address_space_bytes() {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// There is memory for the pictures themselves, and not for libvpx.
TEST(ScreenRecorder, SaysThatItsEncoderFails) {
    Rig rig;
    rig.begin(4096, 2048);
    const auto is_told = [&] {
        const rlim_t limit = address_space_bytes() + (std::uint64_t{64} << 20U);
        const rlimit both{limit, limit};
        if (::setrlimit(RLIMIT_AS, &both) != 0 || rig.tick()) return false;
        const auto header = rfb::parse_tap_header(rig.out());
        return header && header->kind == TapKind::Failed &&
               base::as_text(base::ByteView(rig.out()).subspan(rfb::kTapHeaderBytes))
                   .starts_with("screen_failed ");
    };
    EXPECT_EXIT(::_exit(is_told() ? 0 : 1), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace earshot::screen
