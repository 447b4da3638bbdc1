#include "capture/media_security.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "capture/events.h"
#include "rtp/rtp_packet.h"

namespace earshot::capture {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr auto kSuite = base::SrtpSuite::AesCm128Sha1_80;

base::SrtpMasterKey key(std::uint64_t seed, base::SrtpSuite suite = kSuite) {
    base::SeededRandom random(seed);
    return base::SrtpMasterKey::generate(suite, random);
}

StreamFormat format_of(std::uint64_t peer_seed) {
    StreamFormat format;
    format.keys = StreamKeys{.peer = {key(peer_seed)}, .ours = key(100)};
    return format;
}

base::Bytes packet(std::uint16_t sequence) {
    base::Bytes out;
    rtp::write_rtp({.payload_type = 0, .sequence = sequence, .ssrc = 7}, base::Bytes(160), out);
    return out;
}

base::Bytes protect(srtp::Sender& sender, const base::Bytes& plain) {
    base::Bytes out = plain;
    out.resize(plain.size() + sender.rtp_overhead());
    EXPECT_TRUE(sender.protect_rtp(out, plain.size()));
    return out;
}

class MediaSecurityTest : public testing::Test {
protected:
    MediaSecurity::Opened open(base::Bytes bytes) {
        const auto opened = security->open(io::SocketKind::Rtp, bytes, {}, now_ns);
        plain.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(opened.size));
        turn = security->count(opened);
        return opened;
    }
    std::unique_ptr<MediaSecurity> security = MediaSecurity::make(format_of(1));
    srtp::Sender peer{key(1)};
    std::int64_t now_ns = 0;
    base::Bytes plain;
    MediaSecurity::Turn turn = MediaSecurity::Turn::None;
};

TEST_F(MediaSecurityTest, MediaInTheClearHasNone) {
    EXPECT_EQ(MediaSecurity::make(StreamFormat{}), nullptr);
    EXPECT_EQ(security->suite(), kSuite);
}

TEST_F(MediaSecurityTest, OpensWhatThePeerProtected) {
    EXPECT_FALSE(open(protect(peer, packet(1))).rejection);
    EXPECT_EQ(plain, packet(1));
}

TEST_F(MediaSecurityTest, TellsForgedFromReplayedPackets) {
    srtp::Sender stranger(key(2));
    EXPECT_EQ(open(protect(stranger, packet(1))).rejection, Rejection::Authentication);
    EXPECT_EQ(open(packet(1)).rejection, Rejection::Authentication);  // in the clear
    const base::Bytes wire = protect(peer, packet(1));
    EXPECT_FALSE(open(wire).rejection);
    EXPECT_EQ(open(wire).rejection, Rejection::Replay);
    EXPECT_EQ(open(base::Bytes(13, 0x80)).rejection, Rejection::Malformed);
}

TEST_F(MediaSecurityTest, FiftyFailuresInARowAreToldOnceAndSoIsTheirEnd) {
    srtp::Sender stranger(key(2));
    int failing = 0;
    for (std::uint16_t i = 0; i < 3 * kFailuresInRow; ++i) {
        open(protect(stranger, packet(i)));
        if (turn == MediaSecurity::Turn::Failing) ++failing;
        EXPECT_EQ(failing, i + 1U >= kFailuresInRow ? 1 : 0);
    }
    EXPECT_EQ(failing, 1);
    open(protect(peer, packet(1)));
    EXPECT_EQ(turn, MediaSecurity::Turn::Restored);
    open(protect(peer, packet(2)));
    EXPECT_EQ(turn, MediaSecurity::Turn::None);
    EXPECT_EQ(security_json(3, MediaSecurity::Turn::Failing, kSuite, {}),
              R"({"type":"srtp_failing","stream":3,"suite":"AES_CM_128_HMAC_SHA1_80",)"
              R"("packets":50,"source":"[::]:0"})");
}

TEST_F(MediaSecurityTest, AfterANewKeyTheOldOneIsTakenForFiveSeconds) {
    EXPECT_FALSE(open(protect(peer, packet(1))).rejection);
    security->update(format_of(2), now_ns);
    srtp::Sender renewed(key(2));
    EXPECT_FALSE(open(protect(peer, packet(2))).rejection);
    EXPECT_FALSE(open(protect(renewed, packet(3))).rejection);
    EXPECT_EQ(plain, packet(3));
    now_ns += 5 * kSecond - 1;
    EXPECT_FALSE(open(protect(peer, packet(4))).rejection);
    now_ns += 1;
    EXPECT_EQ(open(protect(peer, packet(5))).rejection, Rejection::Authentication);
    EXPECT_FALSE(open(protect(renewed, packet(6))).rejection);
}

TEST_F(MediaSecurityTest, TheSameKeyAgainKeepsTheReplayWindow) {
    const base::Bytes wire = protect(peer, packet(1));
    EXPECT_FALSE(open(wire).rejection);
    security->update(format_of(1), now_ns);
    EXPECT_EQ(open(wire).rejection, Rejection::Replay);
}

TEST_F(MediaSecurityTest, AfterALongPauseTheRolloverCounterIsFound) {
    EXPECT_FALSE(open(protect(peer, packet(1))).rejection);
    for (std::uint32_t i = 0; i < 10 * 0x10000; i += 0x4000)
        protect(peer, packet(static_cast<std::uint16_t>(i + 5)));
    EXPECT_EQ(open(protect(peer, packet(50'000))).rejection, Rejection::Authentication);
    security->on_break();
    EXPECT_FALSE(open(protect(peer, packet(50'001))).rejection);
    EXPECT_EQ(plain, packet(50'001));
}

TEST_F(MediaSecurityTest, ProtectsWhatWeSend) {
    srtp::Receiver there(key(100));
    base::Bytes report{0x80, 201, 0, 1, 0, 0, 0, 9};
    const base::Bytes before = report;
    ASSERT_TRUE(security->protect(rtp::PacketKind::Rtcp, report));
    EXPECT_GT(report.size(), before.size());
    const auto size = there.unprotect_rtcp(report);
    ASSERT_TRUE(size);
    report.resize(*size);
    EXPECT_EQ(report, before);
    base::Bytes probe = packet(9);
    ASSERT_TRUE(security->protect(rtp::PacketKind::Rtp, probe));
    EXPECT_TRUE(there.unprotect_rtp(probe));
}

}  // namespace
}  // namespace earshot::capture
