#include "rfb/session.h"

#include <gtest/gtest.h>

#include "rfb/limits.h"
#include "rfb/rfb_test_rig.h"

namespace earshot::rfb {
namespace {

constexpr Colour kRed = 0xff0000;
constexpr Colour kGreen = 0x00ff00;
constexpr Colour kBlue = 0x0000ff;

// VNC authentication: 16 octets each way (section 7.2.2).
void answer_challenge(Session& session) {
    session.on_server(Bytes(16, 0x55));
    session.on_viewer(Bytes(16, 0xaa));
}

TEST(RfbSession, FollowsVersion38WithoutSecurity) {
    Session session;
    begin(session, 4, 3);
    EXPECT_EQ(session.state(), Session::State::Running);
    EXPECT_EQ(session.screen().picture.width(), 4U);
    EXPECT_EQ(session.screen().picture.height(), 3U);
    EXPECT_EQ(session.screen().name, "desk");
}

TEST(RfbSession, FollowsVersion33WhereTheServerDecides) {
    Session session;
    session.on_server(text("RFB 003.003\n"));
    session.on_viewer(text("RFB 003.003\n"));
    session.on_server(u32(1));
    session.on_viewer(Bytes{0});
    session.on_server(server_init(2, 2));
    EXPECT_EQ(session.state(), Session::State::Running);
}

TEST(RfbSession, FollowsVersion37WhichHasNoResultWithoutSecurity) {
    Session session;
    session.on_server(text("RFB 003.008\n"));
    session.on_viewer(text("RFB 003.007\n"));
    choose_security(session, {1, 2}, 1);
    session.on_viewer(Bytes{1});
    session.on_server(server_init(2, 2));
    EXPECT_EQ(session.state(), Session::State::Running);
}

TEST(RfbSession, FollowsVncAuthentication) {
    Session session;
    greet(session);
    choose_security(session, {2}, 2);
    answer_challenge(session);
    session.on_server(u32(0));
    session.on_viewer(Bytes{1});
    session.on_server(server_init(2, 2));
    EXPECT_EQ(session.state(), Session::State::Running);
}

TEST(RfbSession, EndsWhenThePasswordIsWrong) {
    Session session;
    greet(session);
    choose_security(session, {2}, 2);
    answer_challenge(session);
    session.on_server(u32(1));
    EXPECT_EQ(session.state(), Session::State::Ended);
}

TEST(RfbSession, FollowsTightsListsOfTunnelsAndAuthentications) {
    Session session;
    greet(session);
    choose_security(session, {16, 2}, 16);
    session.on_server(u32(0));
    session.on_server(join({u32(1), u32(2), text("STDVVNCAUTH_")}));
    session.on_viewer(u32(2));
    answer_challenge(session);
    session.on_server(u32(0));
    session.on_viewer(Bytes{1});
    session.on_server(join({server_init(2, 2), u16(0), u16(0), u16(1), u16(0), Bytes(16, 0)}));
    session.on_server(join({update(1), rect(0, 0, 1, 1, 0), pixel(kRed)}));
    EXPECT_EQ(session.state(), Session::State::Running);
    EXPECT_EQ(session.screen().picture.at(0, 0), kRed);
}

TEST(RfbSession, SaysThatAnEncryptedSessionCannotBeFollowed) {
    Session session;
    greet(session);
    choose_security(session, {19, 1}, 19);
    EXPECT_EQ(session.state(), Session::State::Failed);
    EXPECT_EQ(session.failure().code, "rfb_encrypted");
    EXPECT_EQ(session.failure().text, "The parties encrypt the RFB session (security type 19).");
}

TEST(RfbSession, SaysWhichSecurityItDoesNotKnow) {
    Session session;
    greet(session);
    choose_security(session, {77}, 77);
    EXPECT_EQ(session.failure().code, "rfb_unknown_security");
}

TEST(RfbSession, RefusesWhatIsNotRfb) {
    Session session;
    session.on_server(text("SSH-2.0-Open"));
    EXPECT_EQ(session.failure().code, "rfb_malformed");
}

TEST(RfbSession, TakesOctetsOneByOneInBothDirections) {
    Session session;
    const auto slowly = [](auto&& give, const Bytes& bytes) {
        for (const std::uint8_t byte : bytes) give(Bytes{byte});
    };
    const auto server = [&](const Bytes& bytes) { session.on_server(bytes); };
    const auto viewer = [&](const Bytes& bytes) { session.on_viewer(bytes); };
    slowly(server, text("RFB 003.008\n"));
    slowly(viewer, text("RFB 003.008\n"));
    slowly(server, Bytes{1, 1});
    slowly(viewer, Bytes{1});
    slowly(server, u32(0));
    slowly(viewer, Bytes{1});
    slowly(server, server_init(2, 1));
    slowly(viewer, set_pixel_format(format_565()));
    slowly(server, join({update(1), rect(0, 0, 2, 1, 0), {0x00, 0xf8, 0x1f, 0x00}}));
    EXPECT_EQ(session.screen().picture.at(0, 0), kRed);
    EXPECT_EQ(session.screen().picture.at(1, 0), kBlue);
}

// A good session cut anywhere waits, and neither fails nor reads past its end.
TEST(RfbSession, WaitsAtEachTruncation) {
    Deflater deflater;
    const Bytes zrle = deflater.pack(join({{1}, cpixel(kGreen)}));
    const Bytes whole = join({update(3),
                              rect(0, 0, 4, 4, 5),
                              {2},
                              pixel(kRed),
                              rect(0, 0, 4, 4, 16),
                              u32(zrle.size()),
                              zrle,
                              rect(0, 0, 4, 4, 7),
                              {0x80},
                              tpixel(kBlue),
                              {2}});
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        Session session;
        begin(session, 4, 4);
        session.on_server(base::ByteView(whole).first(cut));
        ASSERT_EQ(session.state(), Session::State::Running) << cut;
        session.on_server(base::ByteView(whole).subspan(cut));
        ASSERT_EQ(session.state(), Session::State::Running) << cut;
        ASSERT_EQ(session.screen().picture.at(3, 3), kBlue) << cut;
    }
}

TEST(RfbSession, UsesTheViewersPixelFormatForUpdatesThatBeginAfterIt) {
    Session session;
    begin(session, 2, 1);
    const Bytes first = join({update(1), rect(0, 0, 2, 1, 0), pixel(kRed), pixel(kGreen)});
    session.on_server(base::ByteView(first).first(10));
    session.on_viewer(set_pixel_format(format_565(true)));
    session.on_server(base::ByteView(first).subspan(10));  // of the old format still
    EXPECT_EQ(session.screen().picture.at(1, 0), kGreen);
    session.on_server(join({update(1), rect(0, 0, 2, 1, 0), {0x00, 0x1f, 0xf8, 0x00}}));
    EXPECT_EQ(session.screen().picture.at(0, 0), kBlue);
    EXPECT_EQ(session.screen().picture.at(1, 0), kRed);
}

TEST(RfbSession, ChangesTheFormatOfContinuousUpdatesWhereTheyEnd) {
    Session session;
    begin(session, 1, 1);
    const auto continuous = [](bool on) {
        return join({{150, static_cast<std::uint8_t>(on ? 1 : 0)}, Bytes(8, 0)});
    };
    session.on_viewer(continuous(true));
    session.on_viewer(join({continuous(false), set_pixel_format(format_565()), continuous(true)}));
    session.on_server(join({update(1), rect(0, 0, 1, 1, 0), pixel(kGreen)}));  // was under way
    EXPECT_EQ(session.screen().picture.at(0, 0), kGreen);
    session.on_server(Bytes{150});
    session.on_server(join({update(1), rect(0, 0, 1, 1, 0), {0x1f, 0x00}}));
    EXPECT_EQ(session.screen().picture.at(0, 0), kBlue);
}

TEST(RfbSession, LooksColoursUpInTheMap) {
    Session session;
    begin(session, 2, 1, format_map());
    session.on_server(join({{1, 0}, u16(7), u16(1), {0xff, 0xff, 0, 0, 0, 0}}));
    session.on_server(join({update(1), rect(0, 0, 2, 1, 0), {7, 3}}));
    EXPECT_EQ(session.screen().picture.at(0, 0), kRed);
    EXPECT_EQ(session.screen().picture.at(1, 0), 0U);
}

// Section 7.5.1: the map is empty after SetPixelFormat, and filled before the update that needs it.
TEST(RfbSession, KeepsTheColoursThatComeBetweenTheFormatAndItsUpdate) {
    Session session;
    begin(session, 1, 1);
    session.on_viewer(set_pixel_format(format_map()));
    session.on_server(join({{1, 0}, u16(7), u16(1), {0xff, 0xff, 0, 0, 0, 0}}));
    session.on_server(join({update(1), rect(0, 0, 1, 1, 0), {7}}));
    EXPECT_EQ(session.screen().picture.at(0, 0), kRed);
}

TEST(RfbSession, PassesOverWhatIsNoPicture) {
    Session session;
    begin(session, 1, 1);
    session.on_viewer(join({{2, 0}, u16(2), u32(0), u32(16)}));        // SetEncodings
    session.on_viewer(join({{3, 0}, Bytes(8, 0)}));                    // request
    session.on_viewer(join({{4, 1, 0, 0}, u32(0xff0d)}));              // key
    session.on_viewer(join({{6, 0, 0, 0}, u32(3), text("abc")}));      // cut text
    session.on_viewer(join({{6, 0, 0, 0}, u32(0xfffffffc), u32(1)}));  // extended clipboard
    session.on_viewer(join({{248, 0, 0, 0}, u32(0), {2, 9, 9}}));      // fence
    session.on_viewer(join({{251, 0}, u16(1), u16(1), {1, 0}, Bytes(16, 0)}));
    session.on_viewer(join({{255, 0}, Bytes(10, 0)}));  // QEMU key
    session.on_viewer(pointer_event(5, 6));
    session.on_server(Bytes{2});
    session.on_server(join({{3, 0, 0, 0}, u32(2), text("hi")}));
    session.on_server(join({{248, 0, 0, 0}, u32(0), {0}}));
    session.on_server(join({update(1), rect(0, 0, 1, 1, 0), pixel(kRed)}));
    EXPECT_EQ(session.state(), Session::State::Running);
    EXPECT_EQ(session.screen().pointer, (Point{.x = 5, .y = 6}));
    EXPECT_EQ(session.screen().picture.at(0, 0), kRed);
}

TEST(RfbSession, NamesWhatItDoesNotKnow) {
    Session server;
    begin(server, 1, 1);
    server.on_server(Bytes{99});
    EXPECT_EQ(server.failure().code, "rfb_unknown_message");
    Session viewer;
    begin(viewer, 1, 1);
    viewer.on_viewer(Bytes{99});
    EXPECT_EQ(viewer.failure().code, "rfb_unknown_message");
    Session encoding;
    begin(encoding, 1, 1);
    encoding.on_server(join({update(1), rect(0, 0, 1, 1, 9)}));
    EXPECT_EQ(encoding.failure().code, "rfb_unknown_encoding");
    EXPECT_EQ(encoding.failure().text, "The RFB server sends encoding 9, which is not known here.");
}

TEST(RfbSession, TakesTheLargestScreenAndNoLarger) {
    Session largest;
    begin(largest, kMaxSide, kMaxPixels / kMaxSide);
    EXPECT_EQ(largest.state(), Session::State::Running);
    Session too_wide;
    begin(too_wide, kMaxSide + 1, 1);
    EXPECT_EQ(too_wide.failure().code, "rfb_too_large");
    Session too_many;
    begin(too_many, 4096, 4097);
    EXPECT_EQ(too_many.failure().code, "rfb_too_large");
}

TEST(RfbSession, FollowsTheDesktopsSize) {
    Session session;
    begin(session, 2, 2);
    session.on_server(
        join({update(1), rect(0, 0, 2, 2, 0), pixel(kRed), pixel(kRed), pixel(kRed), pixel(kRed)}));
    session.on_server(join({update(1), rect(0, 0, 3, 1, encoding::kDesktopSize)}));
    EXPECT_EQ(session.screen().picture.width(), 3U);
    EXPECT_EQ(session.screen().picture.height(), 1U);
    EXPECT_EQ(session.screen().picture.at(1, 0), kRed);
    EXPECT_EQ(session.screen().picture.at(2, 0), 0U);
    session.on_server(join(
        {update(1), rect(0, 0, 5, 4, encoding::kExtendedDesktopSize), {1, 0, 0, 0}, Bytes(16, 0)}));
    EXPECT_EQ(session.screen().picture.width(), 5U);
    // x=1, y=3: this viewer's wish was refused.
    session.on_server(
        join({update(1), rect(1, 3, 9, 9, encoding::kExtendedDesktopSize), {0, 0, 0, 0}}));
    EXPECT_EQ(session.screen().picture.width(), 5U);
    session.on_server(join({update(1), rect(0, 0, 0xffff, 1, encoding::kDesktopSize)}));
    EXPECT_EQ(session.failure().code, "rfb_too_large");
}

TEST(RfbSession, EndsAnUpdateOfUnknownLengthAtLastRect) {
    Session session;
    begin(session, 1, 1);
    session.on_server(join({update(0xffff), rect(0, 0, 1, 1, 0), pixel(kRed)}));
    EXPECT_TRUE(session.is_in_update());
    session.on_server(rect(0, 0, 0, 0, encoding::kLastRect));
    EXPECT_FALSE(session.is_in_update());
    session.on_server(Bytes{2});
    EXPECT_EQ(session.state(), Session::State::Running);
}

// Found with LibVNCClient, which asks for them.
TEST(RfbSession, PassesOverWhatLibVncServerTellsOfItself) {
    Session session;
    begin(session, 1, 1);
    session.on_server(join({update(5),
                            rect(0, 0, 64, 0, encoding::kSupportedMessages),
                            Bytes(64, 1),
                            rect(0, 0, 8, 2, encoding::kSupportedEncodings),
                            Bytes(8, 2),
                            rect(0, 0, 5, 0, encoding::kServerIdentity),
                            text("name"),
                            {0},
                            rect(3, 0, 0, 0, encoding::kLedState),
                            rect(0, 0, 1, 1, 0),
                            pixel(kRed)}));
    EXPECT_EQ(session.state(), Session::State::Running);
    EXPECT_EQ(session.screen().picture.at(0, 0), kRed);
}

TEST(RfbSession, KeepsTheCursorApart) {
    Session session;
    begin(session, 4, 4);
    // 2x1, its left pixel opaque, hot at 1,0.
    session.on_server(
        join({update(1), rect(1, 0, 2, 1, encoding::kCursor), pixel(kRed), pixel(kBlue), {0x80}}));
    const CursorShape& shape = session.screen().cursor;
    ASSERT_EQ(shape.width, 2U);
    EXPECT_EQ(shape.hot_x, 1U);
    EXPECT_EQ(shape.pixels[0], kRed);
    EXPECT_EQ(shape.alphas[0], 255);
    EXPECT_EQ(shape.alphas[1], 0);
    EXPECT_EQ(session.screen().picture.at(0, 0), 0U);
    const std::uint64_t before = session.screen().changes;
    session.on_viewer(pointer_event(2, 2));
    EXPECT_GT(session.screen().changes, before);
    session.on_server(join({update(1), rect(3, 1, 0, 0, encoding::kPointerPosition)}));
    EXPECT_EQ(session.screen().pointer, (Point{.x = 3, .y = 1}));
    session.on_server(join({update(1),
                            rect(0, 0, 1, 1, encoding::kXCursor),
                            tpixel(kGreen),
                            tpixel(kRed),
                            {0x80},
                            {0x80}}));
    EXPECT_EQ(session.screen().cursor.pixels[0], kGreen);
    session.on_server(join({update(1),
                            rect(0, 0, 1, 1, encoding::kCursorWithAlpha),
                            u32(0),
                            {0x10, 0x20, 0x30, 0x80}}));
    EXPECT_EQ(session.screen().cursor.pixels[0], 0x102030U);
    EXPECT_EQ(session.screen().cursor.alphas[0], 0x80);
}

TEST(RfbSession, TakesTheLargestCursorAndNoLarger) {
    Session session;
    begin(session, 1, 1);
    session.on_server(join({update(1), rect(0, 0, kMaxCursorSide, 1, encoding::kCursor),
                            Bytes(4 * kMaxCursorSide, 1), Bytes(kMaxCursorSide / 8, 0xff)}));
    EXPECT_EQ(session.state(), Session::State::Running);
    session.on_server(join({update(1), rect(0, 0, kMaxCursorSide + 1, 1, encoding::kCursor)}));
    EXPECT_EQ(session.failure().code, "rfb_too_large");
}

}  // namespace
}  // namespace earshot::rfb
