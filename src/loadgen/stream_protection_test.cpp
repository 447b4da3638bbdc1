#include "loadgen/stream_protection.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "rtp/rtcp.h"
#include "rtp/rtp_packet.h"

namespace earshot::loadgen {
namespace {

using std::chrono::seconds;

const srtp::DtlsIdentity& identity() {
    static const srtp::DtlsIdentity one = *srtp::DtlsIdentity::make({});
    return one;
}
const srtp::DtlsIdentity& stranger() {
    static const srtp::DtlsIdentity one = *srtp::DtlsIdentity::make({});
    return one;
}

base::Bytes packet(std::uint16_t sequence) {
    base::Bytes out;
    rtp::write_rtp({.payload_type = 0, .sequence = sequence, .ssrc = 7}, base::Bytes(160), out);
    return out;
}

base::Bytes report() {
    base::Bytes out;
    rtp::append_cname(9, "srs", out);
    return out;
}

class StreamProtectionTest : public testing::Test {
protected:
    LineSecurity terms(bool is_active) {
        LineSecurity security;
        security.dtls = DtlsTerms{.peer = {identity().fingerprint()}, .are_we_active = is_active};
        return security;
    }
    void shake_hands(srtp::DtlsEndpoint& server) {
        server.start(now_);
        for (bool moves = true; moves;) {
            moves = false;
            while (const auto out = protection_.poll_datagram()) {
                moves = true;
                server.on_datagram(now_, *out);
            }
            while (const auto out = server.poll_datagram()) {
                moves = true;
                protection_.on_datagram(now_, *out);
            }
        }
    }

    StreamProtection protection_;
    base::TimePoint now_{seconds(5)};
};

TEST_F(StreamProtectionTest, WithoutTermsAllIsInTheClear) {
    EXPECT_TRUE(protection_.may_send());
    const base::Bytes plain = packet(1);
    EXPECT_TRUE(std::equal(plain.begin(), plain.end(), protection_.rtp(plain).begin()));
    base::Bytes heard = report();
    EXPECT_EQ(protection_.open_rtcp(heard).size(), heard.size());
}

TEST_F(StreamProtectionTest, KeysOfTheSdpProtectBothWays) {
    base::SeededRandom random{3};
    LineSecurity security;
    security.ours = base::SrtpMasterKey::generate(base::SrtpSuite::AeadAes128Gcm, random);
    security.theirs = base::SrtpMasterKey::generate(base::SrtpSuite::AeadAes128Gcm, random);
    protection_.set(security, nullptr, now_);
    srtp::Receiver receiver(*security.ours);
    const base::ByteView sent = protection_.rtp(packet(1));
    base::Bytes wire(sent.begin(), sent.end());
    ASSERT_TRUE(receiver.unprotect_rtp(wire));

    srtp::Sender sender(*security.theirs);
    base::Bytes heard = report();
    const std::size_t size = heard.size();
    base::Bytes in_the_clear = heard;
    heard.resize(size + sender.rtcp_overhead());
    ASSERT_TRUE(sender.protect_rtcp(heard, size));
    EXPECT_EQ(protection_.open_rtcp(heard).size(), size);
    EXPECT_TRUE(protection_.open_rtcp(in_the_clear).empty());
    // The same again goes on: no index comes twice.
    protection_.set(security, nullptr, now_);
    EXPECT_TRUE(protection_.rtp(packet(1)).empty());
}

TEST_F(StreamProtectionTest, NothingIsSentBeforeDtlsHasBroughtKeysAndThenUnderThem) {
    protection_.set(terms(true), &identity(), now_);
    EXPECT_FALSE(protection_.may_send());
    EXPECT_TRUE(protection_.rtp(packet(1)).empty());
    EXPECT_TRUE(protection_.rtcp(report()).empty());
    base::Bytes heard = report();
    EXPECT_TRUE(protection_.open_rtcp(heard).empty());

    srtp::DtlsEndpoint server(identity(), srtp::DtlsRole::Server, {identity().fingerprint()});
    shake_hands(server);
    ASSERT_TRUE(protection_.may_send());
    const auto keys = server.take_keys();
    ASSERT_TRUE(keys);
    srtp::Receiver receiver(keys->theirs);
    const base::ByteView sent = protection_.rtp(packet(1));
    base::Bytes wire(sent.begin(), sent.end());
    EXPECT_TRUE(receiver.unprotect_rtp(wire));
    protection_.set(terms(true), &identity(), now_);  // a refresh: no new handshake
    EXPECT_TRUE(protection_.may_send());
    EXPECT_FALSE(protection_.poll_datagram());
    EXPECT_FALSE(protection_.take_fault());
}

TEST_F(StreamProtectionTest, ThePassiveSideWaitsForTheHello) {
    protection_.set(terms(false), &identity(), now_);
    EXPECT_FALSE(protection_.poll_datagram());
    srtp::DtlsEndpoint server(identity(), srtp::DtlsRole::Client, {identity().fingerprint()});
    shake_hands(server);
    EXPECT_TRUE(protection_.may_send());
}

TEST_F(StreamProtectionTest, AWrongCertificateIsAFaultThatIsToldOnce) {
    protection_.set(terms(true), &identity(), now_);
    srtp::DtlsEndpoint server(stranger(), srtp::DtlsRole::Server, {identity().fingerprint()});
    shake_hands(server);
    EXPECT_EQ(protection_.take_fault(), "fingerprint");
    EXPECT_FALSE(protection_.take_fault());
    EXPECT_FALSE(protection_.may_send());
}

TEST_F(StreamProtectionTest, AServerThatIsSilentTimesOut) {
    protection_.set(terms(true), &identity(), now_);
    for (int i = 0; i < 60; ++i) protection_.on_time(now_ += seconds(1));
    EXPECT_EQ(protection_.take_fault(), "timed_out");
}

}  // namespace
}  // namespace earshot::loadgen
