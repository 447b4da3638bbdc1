#include "rfb/decoders.h"

#include <gtest/gtest.h>

#include "rfb/rfb_test_rig.h"

namespace earshot::rfb {
namespace {

constexpr Colour kRed = 0xff0000;
constexpr Colour kGreen = 0x00ff00;
constexpr Colour kBlue = 0x0000ff;

struct Viewed {
    Session session;
    explicit Viewed(std::size_t width, std::size_t height, const Bytes& format = format_888(),
                    JpegDecoder jpeg = {})
        : session(std::move(jpeg)) {
        begin(session, width, height, format);
    }
    void give(const Bytes& rects, std::size_t count = 1) {
        session.on_server(join({update(count), rects}));
    }
    Colour at(std::size_t x, std::size_t y) const { return session.screen().picture.at(x, y); }
    bool runs() const { return session.state() == Session::State::Running; }
};

TEST(RfbDecoders, CopyRectMovesWhatOverlaps) {
    Viewed viewed(3, 2);
    viewed.give(join({rect(0, 0, 3, 1, 0), pixel(kRed), pixel(kGreen), pixel(kBlue)}));
    viewed.give(join({rect(1, 0, 2, 1, 1), u16(0), u16(0)}));
    EXPECT_EQ(viewed.at(0, 0), kRed);
    EXPECT_EQ(viewed.at(1, 0), kRed);
    EXPECT_EQ(viewed.at(2, 0), kGreen);
    viewed.give(join({rect(0, 1, 3, 1, 1), u16(0), u16(0)}));
    EXPECT_EQ(viewed.at(2, 1), kGreen);
    viewed.give(join({rect(0, 0, 100, 100, 1), u16(2), u16(1)}));  // past the edges: what there is
    EXPECT_EQ(viewed.at(0, 0), kGreen);
    EXPECT_TRUE(viewed.runs());
}

TEST(RfbDecoders, RreAndCoRrePaintPartsOnABackground) {
    Viewed viewed(4, 4);
    viewed.give(join(
        {rect(0, 0, 4, 4, 2), u32(1), pixel(kRed), pixel(kBlue), u16(1), u16(2), u16(2), u16(1)}));
    EXPECT_EQ(viewed.at(0, 0), kRed);
    EXPECT_EQ(viewed.at(1, 2), kBlue);
    EXPECT_EQ(viewed.at(2, 2), kBlue);
    EXPECT_EQ(viewed.at(3, 2), kRed);
    viewed.give(join({rect(0, 0, 4, 4, 4), u32(1), pixel(kGreen), pixel(kRed), {0, 0, 1, 1}}));
    EXPECT_EQ(viewed.at(0, 0), kRed);
    EXPECT_EQ(viewed.at(1, 2), kGreen);
    viewed.give(join(
        {rect(0, 0, 4, 4, 2), u32(1), pixel(kRed), pixel(kBlue), u16(3), u16(0), u16(2), u16(1)}));
    EXPECT_EQ(viewed.session.failure().code, "rfb_malformed");
}

TEST(RfbDecoders, HextileKeepsColoursFromTileToTile) {
    Viewed viewed(32, 16);
    // Background, foreground, one part of 2x1 at 3,4; then a tile of the same colours alone.
    viewed.give(join({rect(0, 0, 32, 16, 5),
                      {2 | 4 | 8},
                      pixel(kRed),
                      pixel(kBlue),
                      {1, 0x34, 0x10},
                      {8, 1, 0x00, 0x00}}));
    EXPECT_EQ(viewed.at(0, 0), kRed);
    EXPECT_EQ(viewed.at(3, 4), kBlue);
    EXPECT_EQ(viewed.at(4, 4), kBlue);
    EXPECT_EQ(viewed.at(5, 4), kRed);
    EXPECT_EQ(viewed.at(16, 0), kBlue);
    EXPECT_EQ(viewed.at(17, 0), kRed);
}

TEST(RfbDecoders, HextileTakesRawAndColouredParts) {
    Viewed viewed(2, 1);
    viewed.give(join({rect(0, 0, 2, 1, 5), {1}, pixel(kRed), pixel(kGreen)}));
    EXPECT_EQ(viewed.at(1, 0), kGreen);
    viewed.give(join({rect(0, 0, 2, 1, 5), {2 | 8 | 16}, pixel(0), {1}, pixel(kBlue), {0x10, 0}}));
    EXPECT_EQ(viewed.at(0, 0), 0U);
    EXPECT_EQ(viewed.at(1, 0), kBlue);
}

TEST(RfbDecoders, ZlibStreamGoesOnOverRectangles) {
    Viewed viewed(2, 1);
    Deflater deflater;
    const auto send = [&](Colour left, Colour right) {
        const Bytes packed = deflater.pack(join({pixel(left), pixel(right)}));
        viewed.give(join({rect(0, 0, 2, 1, 6), u32(packed.size()), packed}));
    };
    send(kRed, kGreen);
    send(kBlue, kRed);
    EXPECT_TRUE(viewed.runs());
    EXPECT_EQ(viewed.at(0, 0), kBlue);
    EXPECT_EQ(viewed.at(1, 0), kRed);
    const Bytes excess = deflater.pack(Bytes(12, 0));
    viewed.give(join({rect(0, 0, 2, 1, 6), u32(excess.size()), excess}));
    EXPECT_EQ(viewed.session.failure().code, "rfb_malformed");
}

TEST(RfbDecoders, ZrleReadsEachKindOfTile) {
    Viewed viewed(4, 2);
    Deflater deflater;
    const auto send = [&](const Bytes& tile) {
        const Bytes packed = deflater.pack(tile);
        viewed.give(join({rect(0, 0, 4, 2, 16), u32(packed.size()), packed}));
        ASSERT_TRUE(viewed.runs());
    };
    Bytes raw{0};
    for (std::size_t i = 0; i < 8; ++i) base::append(raw, cpixel(static_cast<Colour>(i)));
    send(raw);
    EXPECT_EQ(viewed.at(3, 1), 7U);
    send(join({{1}, cpixel(kRed)}));
    EXPECT_EQ(viewed.at(3, 1), kRed);
    // Two colours, a bit each: 0101 and 1000, each row in octets of its own.
    send(join({{2}, cpixel(kGreen), cpixel(kBlue), {0x50, 0x80}}));
    EXPECT_EQ(viewed.at(0, 0), kGreen);
    EXPECT_EQ(viewed.at(1, 0), kBlue);
    EXPECT_EQ(viewed.at(0, 1), kBlue);
    EXPECT_EQ(viewed.at(1, 1), kGreen);
    // Three colours, two bits each: 0 1 2 0, 2 2 1 0.
    send(join({{3}, cpixel(1), cpixel(2), cpixel(3), {0x18, 0xa4}}));
    EXPECT_EQ(viewed.at(2, 0), 3U);
    EXPECT_EQ(viewed.at(2, 1), 2U);
    // Runs: 5 of red, 3 of blue.
    send(join({{128}, cpixel(kRed), {4}, cpixel(kBlue), {2}}));
    EXPECT_EQ(viewed.at(0, 1), kRed);
    EXPECT_EQ(viewed.at(1, 1), kBlue);
    // Runs of a palette of two: one of the first, 7 of the second.
    send(join({{130}, cpixel(kGreen), cpixel(kRed), {0, 0x81, 6}}));
    EXPECT_EQ(viewed.at(0, 0), kGreen);
    EXPECT_EQ(viewed.at(1, 0), kRed);
    EXPECT_EQ(viewed.at(3, 1), kRed);
}

TEST(RfbDecoders, ZrleRefusesRunsPastTheTileAndColoursOutsideThePalette) {
    for (const Bytes& tile :
         {join({{128}, cpixel(kRed), {8}}), join({{130}, cpixel(1), cpixel(2), {5}}), Bytes{17},
          Bytes{127}, Bytes{129}}) {
        Viewed viewed(4, 2);
        Deflater deflater;
        const Bytes packed = deflater.pack(tile);
        viewed.give(join({rect(0, 0, 4, 2, 16), u32(packed.size()), packed}));
        EXPECT_EQ(viewed.session.failure().code, "rfb_malformed");
    }
}

TEST(RfbDecoders, ZrleGoesOverManyTilesAndLongRuns) {
    Viewed viewed(130, 70);
    Deflater deflater;
    Bytes tiles;
    for (std::size_t y = 0; y < 70; y += 64)
        for (std::size_t x = 0; x < 130; x += 64) {
            const std::size_t area =
                std::min<std::size_t>(64, 130 - x) * std::min<std::size_t>(64, 70 - y);
            base::append(tiles, join({{128}, cpixel(static_cast<Colour>(x + y))}));
            for (std::size_t left = area - 1;; left -= 255) {
                tiles.push_back(static_cast<std::uint8_t>(std::min<std::size_t>(left, 255)));
                if (left < 255) break;
            }
        }
    const Bytes packed = deflater.pack(tiles);
    viewed.give(join({rect(0, 0, 130, 70, 16), u32(packed.size()), packed}));
    ASSERT_TRUE(viewed.runs());
    EXPECT_EQ(viewed.at(0, 0), 0U);
    EXPECT_EQ(viewed.at(129, 0), 128U);
    EXPECT_EQ(viewed.at(129, 69), 192U);
}

TEST(RfbDecoders, CompactPixelsMayLackTheirLowOctet) {
    // 32 bits, depth 24, red at 24, green at 16, blue at 8: the lowest octet is unused.
    Viewed viewed(1, 1, Bytes{32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 24, 16, 8, 0, 0, 0});
    Deflater deflater;
    const Bytes packed = deflater.pack(Bytes{1, 0x33, 0x22, 0x11});
    viewed.give(join({rect(0, 0, 1, 1, 16), u32(packed.size()), packed}));
    EXPECT_EQ(viewed.at(0, 0), 0x112233U);
}

TEST(RfbDecoders, TrleReusesThePaletteOfTheTileBefore) {
    Viewed viewed(32, 1);
    viewed.give(join({rect(0, 0, 32, 1, 15),
                      {2},
                      cpixel(kRed),
                      cpixel(kBlue),
                      {0x00, 0x01},
                      {127},
                      {0x80, 0x00}}));
    ASSERT_TRUE(viewed.runs());
    EXPECT_EQ(viewed.at(0, 0), kRed);
    EXPECT_EQ(viewed.at(15, 0), kBlue);
    EXPECT_EQ(viewed.at(16, 0), kBlue);
    EXPECT_EQ(viewed.at(17, 0), kRed);
}

TEST(RfbDecoders, TightFillsAndCopiesSmallBlocksUnpacked) {
    Viewed viewed(3, 1);
    viewed.give(join({rect(0, 0, 3, 1, 7), {0x80}, tpixel(kRed)}));
    EXPECT_EQ(viewed.at(2, 0), kRed);
    viewed.give(join({rect(0, 0, 3, 1, 7), {0x00}, tpixel(kGreen), tpixel(kBlue), tpixel(kRed)}));
    EXPECT_EQ(viewed.at(0, 0), kGreen);
    EXPECT_EQ(viewed.at(1, 0), kBlue);
}

TEST(RfbDecoders, TightUnpacksPalettesFromTheStreamThatIsNamed) {
    Viewed viewed(16, 8);
    Deflater deflater;
    // Stream 1, a palette of two: 2 octets a row.
    Bytes bits(16, 0);
    bits[0] = 0x40;
    const auto send = [&](std::uint8_t control, Deflater& stream) {
        const Bytes packed = stream.pack(bits);
        viewed.give(join({rect(0, 0, 16, 8, 7),
                          {control, 1, 1},
                          tpixel(kRed),
                          tpixel(kBlue),
                          {static_cast<std::uint8_t>(packed.size())},
                          packed}));
        ASSERT_TRUE(viewed.runs()) << viewed.session.failure().text;
    };
    send(0x50, deflater);
    EXPECT_EQ(viewed.at(0, 0), kRed);
    EXPECT_EQ(viewed.at(1, 0), kBlue);
    send(0x50, deflater);  // the stream goes on
    Deflater again;
    send(0x52, again);  // and begins anew
}

TEST(RfbDecoders, TightTakesWhatTheGradientFilterLeft) {
    Viewed viewed(2, 2);
    // Differences: first row 10, 5; second row 2, 1 (of all three parts).
    const auto grey = [](std::uint8_t v) { return Bytes{v, v, v}; };
    Deflater deflater;
    const Bytes packed = deflater.pack(join({grey(10), grey(5), grey(2), grey(1)}));
    viewed.give(
        join({rect(0, 0, 2, 2, 7), {0x40, 2}, {static_cast<std::uint8_t>(packed.size())}, packed}));
    ASSERT_TRUE(viewed.runs());
    EXPECT_EQ(viewed.at(0, 0), 0x0a0a0aU);
    EXPECT_EQ(viewed.at(1, 0), 0x0f0f0fU);
    EXPECT_EQ(viewed.at(0, 1), 0x0c0c0cU);
    EXPECT_EQ(viewed.at(1, 1), 0x121212U);  // 12 + 15 - 10 + 1
}

TEST(RfbDecoders, TightGivesJpegToWhoReadsIt) {
    Bytes seen;
    Viewed viewed(2, 1, format_888(),
                  [&](base::ByteView jpeg, std::size_t width, std::size_t height,
                      std::vector<Colour>& pixels) {
                      seen.assign(jpeg.begin(), jpeg.end());
                      pixels.assign(width * height, kGreen);
                      return true;
                  });
    viewed.give(join({rect(0, 0, 2, 1, 7), {0x90, 0x83, 0x01}, Bytes(131, 0xd8), {}}));
    EXPECT_EQ(seen.size(), 131U);
    EXPECT_EQ(viewed.at(1, 0), kGreen);
    EXPECT_TRUE(viewed.runs());
}

TEST(RfbDecoders, WhatIsNoZlibStreamIsMalformed) {
    for (const std::int32_t encoding : {6, 16}) {
        Viewed viewed(2, 1);
        viewed.give(join({rect(0, 0, 2, 1, encoding), u32(4), Bytes(4, 0xee)}));
        EXPECT_EQ(viewed.session.failure().code, "rfb_malformed");
    }
}

}  // namespace
}  // namespace earshot::rfb
