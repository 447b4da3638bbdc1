#include "capture/dtls_security.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "capture/events.h"
#include "rtp/rtp_packet.h"

namespace earshot::capture {
namespace {

using io::SocketKind;
using std::chrono::seconds;

const base::NetAddress kPeer = *base::parse_net_address("192.0.2.10:40000");
const base::NetAddress kPeerRtcp = *base::parse_net_address("192.0.2.10:40001");
const base::NetAddress kStranger = *base::parse_net_address("203.0.113.66:40000");
const IceParameters kIce{.ufrag = "ours", .password = "our-password-of-22-chr", .peer_ufrag = "th"};

const srtp::DtlsIdentity& ours() {
    static const srtp::DtlsIdentity identity = *srtp::DtlsIdentity::make({});
    return identity;
}
const srtp::DtlsIdentity& theirs() {
    static const srtp::DtlsIdentity identity = *srtp::DtlsIdentity::make({});
    return identity;
}

base::Bytes packet(std::uint16_t sequence) {
    base::Bytes out;
    rtp::write_rtp({.payload_type = 0, .sequence = sequence, .ssrc = 7}, base::Bytes(160), out);
    return out;
}

class DtlsSecurityTest : public testing::Test {
protected:
    using Kind = MediaSecurity::KeyingEvent::Kind;

    static StreamFormat format_of(const srtp::DtlsIdentity& peer) {
        StreamFormat format;
        format.remote_rtp = kPeer;
        format.remote_rtcp = kPeerRtcp;
        format.rtcp_mux = true;
        format.dtls = DtlsKeying{.identity = &ours(),
                                 .peer = {peer.fingerprint()},
                                 .tls_id = {},
                                 .are_we_active = false,
                                 .ice = {}};
        return format;
    }
    void begin(const StreamFormat& format) {
        security_ = MediaSecurity::make(format);
        make_peer(theirs(),
                  format.dtls->are_we_active ? srtp::DtlsRole::Server : srtp::DtlsRole::Client);
    }
    void make_peer(const srtp::DtlsIdentity& identity,
                   srtp::DtlsRole role = srtp::DtlsRole::Client) {
        peer_ =
            std::make_unique<srtp::DtlsEndpoint>(identity, role, std::vector{ours().fingerprint()});
    }
    // What the peer has to say arrives from there; our answers reach it if they go there.
    void exchange(const base::NetAddress& from = kPeer, bool is_allowed_host = true,
                  SocketKind socket = SocketKind::Rtp) {
        peer_->start(now_);
        for (bool moves = true; moves;) {
            moves = false;
            security_->on_time(now_);
            while (const auto datagram = peer_->poll_datagram()) {
                moves = true;
                EXPECT_TRUE(security_->on_control(socket, *datagram, from, is_allowed_host, now_));
            }
            while (const auto out = security_->poll_outgoing()) {
                moves = true;
                EXPECT_EQ(out->socket, socket);
                EXPECT_EQ(out->to, from);
                peer_->on_datagram(now_, out->bytes);
            }
        }
        while (auto event = security_->poll_event()) events_.push_back(*event);
        if (auto keys = peer_->take_keys()) {
            sender_.emplace(keys->ours);
            receiver_.emplace(keys->theirs);
        }
    }
    base::Bytes protect(const base::Bytes& plain) {
        base::Bytes wire = plain;
        wire.resize(plain.size() + sender_->rtp_overhead());
        EXPECT_TRUE(sender_->protect_rtp(wire, plain.size()));
        return wire;
    }
    std::optional<Rejection> open(base::Bytes wire, std::int64_t arrival_ns = 0) {
        const auto opened = security_->open(SocketKind::Rtp, wire, kPeer, arrival_ns);
        plain_.assign(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(opened.size));
        return opened.rejection;
    }
    // We are active: the peer has its keys once it has made its last flight, which is kept back.
    void shake_hands_but_for_the_last_flight() {
        peer_->start(now_);
        for (bool moves = true; moves && !sender_;) {
            moves = false;
            security_->on_time(now_);
            while (const auto out = security_->poll_outgoing()) {
                moves = true;
                peer_->on_datagram(now_, out->bytes);
            }
            if (auto keys = peer_->take_keys()) {
                sender_.emplace(keys->ours);
                return;
            }
            while (const auto datagram = peer_->poll_datagram()) {
                moves = true;
                EXPECT_TRUE(security_->on_control(SocketKind::Rtp, *datagram, kPeer, true, now_));
            }
        }
    }
    bool is_kept(base::Bytes wire, std::int64_t arrival_ns) {
        return security_->open(SocketKind::Rtp, wire, kPeer, arrival_ns).is_kept;
    }
    void check(const base::NetAddress& from, bool nominates = true,
               std::string_view password = "our-password-of-22-chr") {
        stun::Writer writer(stun::MessageClass::Request, stun::kBinding, {1});
        writer.add(stun::AttributeType::Username, base::as_bytes("ours:th"));
        if (nominates) writer.add(stun::AttributeType::UseCandidate);
        const base::Bytes bytes =
            writer.add_integrity(base::as_bytes(password)).add_fingerprint().take();
        EXPECT_TRUE(security_->on_control(SocketKind::Rtp, bytes, from, false, now_));
        const auto out = security_->poll_outgoing();
        ASSERT_TRUE(out);
        EXPECT_EQ(out->to, from);
    }

    std::unique_ptr<MediaSecurity> security_;
    std::unique_ptr<srtp::DtlsEndpoint> peer_;
    std::optional<srtp::Sender> sender_;
    std::optional<srtp::Receiver> receiver_;
    std::vector<MediaSecurity::KeyingEvent> events_;
    base::TimePoint now_{seconds(100)};
    base::Bytes plain_;
};

TEST_F(DtlsSecurityTest, OpensWhatIsProtectedWithTheKeysAgreed) {
    begin(format_of(theirs()));
    EXPECT_TRUE(security_->is_told_by_path());
    exchange();
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].kind, Kind::Connected);
    EXPECT_EQ(security_->suite(), base::SrtpSuite::AeadAes256Gcm);
    EXPECT_EQ(event_json(3, events_[0]),
              R"({"type":"dtls_connected","stream":3,"component":"rtp",)"
              R"("suite":"AEAD_AES_256_GCM","source":"192.0.2.10:40000"})");
    EXPECT_FALSE(open(protect(packet(1))));
    EXPECT_EQ(plain_, packet(1));
}

TEST_F(DtlsSecurityTest, IsInAHurryUntilThereAreKeysAndAPair) {
    StreamFormat format = format_of(theirs());
    begin(format);
    EXPECT_TRUE(security_->is_in_a_hurry());
    exchange();
    EXPECT_FALSE(security_->is_in_a_hurry());
    format.dtls->tls_id = "another";
    security_->update(format, 0);
    EXPECT_TRUE(security_->is_in_a_hurry());

    format.dtls->ice = kIce;
    begin(format);
    check(kPeer, false);
    exchange(kPeer, false);
    ASSERT_TRUE(sender_);
    EXPECT_TRUE(security_->is_in_a_hurry());
    check(kPeer);
    EXPECT_FALSE(security_->is_in_a_hurry());
}

TEST_F(DtlsSecurityTest, ProtectsOurReportsAndSendsNothingInTheClear) {
    begin(format_of(theirs()));
    base::Bytes report{0x80, 201, 0, 1, 0, 0, 0, 9};
    EXPECT_FALSE(security_->protect(rtp::PacketKind::Rtcp, report));
    exchange();
    const base::Bytes before = report = {0x80, 201, 0, 1, 0, 0, 0, 9};
    ASSERT_TRUE(security_->protect(rtp::PacketKind::Rtcp, report));
    const auto size = receiver_->unprotect_rtcp(report);
    ASSERT_TRUE(size);
    report.resize(*size);
    EXPECT_EQ(report, before);
}

TEST_F(DtlsSecurityTest, BeginsTheHandshakeWhenItIsActive) {
    StreamFormat format = format_of(theirs());
    format.dtls->are_we_active = true;
    begin(format);
    exchange();
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].kind, Kind::Connected);
    EXPECT_FALSE(open(protect(packet(1))));
}

TEST_F(DtlsSecurityTest, WhatOvertakesTheLastFlightIsOpenedWithTheTimeOfItsArrival) {
    StreamFormat format = format_of(theirs());
    format.dtls->are_we_active = true;
    begin(format);
    shake_hands_but_for_the_last_flight();
    ASSERT_TRUE(sender_);
    EXPECT_TRUE(is_kept(protect(packet(1)), 10));
    base::Bytes forged = protect(packet(2));
    forged.back() ^= 1;
    EXPECT_TRUE(is_kept(forged, 20));
    EXPECT_TRUE(is_kept(protect(packet(3)), 30));
    EXPECT_FALSE(security_->poll_early());

    exchange();
    const auto first = security_->poll_early();
    ASSERT_TRUE(first);
    EXPECT_FALSE(first->opened.rejection);
    EXPECT_EQ(first->packet.arrival_ns, 10);
    EXPECT_EQ(first->packet.source, kPeer);
    EXPECT_EQ(
        base::Bytes(first->packet.bytes.begin(),
                    first->packet.bytes.begin() + static_cast<std::ptrdiff_t>(first->opened.size)),
        packet(1));
    EXPECT_EQ(security_->poll_early()->opened.rejection, Rejection::Authentication);
    EXPECT_EQ(security_->poll_early()->packet.arrival_ns, 30);
    EXPECT_FALSE(security_->poll_early());
    EXPECT_FALSE(open(protect(packet(4)), 40));
}

TEST_F(DtlsSecurityTest, WhatHasNoRoomUntilTheKeysComeIsGivenBackToBeCounted) {
    begin(format_of(theirs()));
    for (std::size_t i = 0; i < kMaxEarlyPackets; ++i)
        EXPECT_TRUE(is_kept(packet(1), static_cast<std::int64_t>(i)));
    EXPECT_FALSE(security_->poll_early());
    EXPECT_TRUE(is_kept(packet(1), 1000));
    const auto dropped = security_->poll_early();
    ASSERT_TRUE(dropped);
    EXPECT_EQ(dropped->packet.arrival_ns, 0);
    EXPECT_EQ(dropped->opened.rejection, Rejection::Authentication);
    EXPECT_FALSE(security_->poll_early());
    // After a silence nothing of before is waited for.
    EXPECT_TRUE(is_kept(packet(1), 1001 + std::chrono::nanoseconds(kMaxEarlyAge).count()));
    for (std::size_t i = 0; i < kMaxEarlyPackets; ++i) EXPECT_TRUE(security_->poll_early());
    EXPECT_FALSE(security_->poll_early());
    security_->give_up_early();
    EXPECT_EQ(security_->poll_early()->opened.rejection, Rejection::Authentication);
    EXPECT_FALSE(security_->poll_early());
}

TEST_F(DtlsSecurityTest, IgnoresAHelloFromAForeignHost) {
    begin(format_of(theirs()));
    peer_->start(now_);
    const base::Bytes hello = *peer_->poll_datagram();
    EXPECT_TRUE(security_->on_control(SocketKind::Rtp, hello, kStranger, false, now_));
    EXPECT_FALSE(security_->poll_outgoing());
    make_peer(theirs());  // the real one still connects
    exchange();
    EXPECT_TRUE(sender_);
}

TEST_F(DtlsSecurityTest, NoiseThatIsNoHelloDoesNotKeepThePeerAway) {
    begin(format_of(theirs()));
    const auto other_port = *base::parse_net_address("192.0.2.10:50000");
    const base::Bytes noise(60, 0x16);
    EXPECT_TRUE(security_->on_control(SocketKind::Rtp, noise, other_port, true, now_));
    exchange();
    EXPECT_TRUE(sender_);
}

TEST_F(DtlsSecurityTest, WithIceOnlyWhoPassedACheckMayShakeHands) {
    StreamFormat format = format_of(theirs());
    format.dtls->ice = kIce;
    begin(format);
    peer_->start(now_);
    const base::Bytes hello = *peer_->poll_datagram();
    EXPECT_TRUE(security_->on_control(SocketKind::Rtp, hello, kPeer, true, now_));
    EXPECT_FALSE(security_->poll_outgoing());
    check(kStranger, true, "another-password-of-22");
    EXPECT_TRUE(security_->on_control(SocketKind::Rtp, hello, kStranger, false, now_));
    EXPECT_FALSE(security_->poll_outgoing());
    EXPECT_FALSE(security_->poll_event());

    const auto reflexive = *base::parse_net_address("198.51.100.9:9000");
    check(reflexive);
    make_peer(theirs());
    exchange(reflexive, false);
    ASSERT_EQ(events_.size(), 3U);
    EXPECT_EQ(events_[0].kind, Kind::IceSelected);
    EXPECT_EQ(events_[1].kind, Kind::ShakesHands);
    EXPECT_EQ(events_[1].source, reflexive);
    EXPECT_EQ(event_json(0, events_[0]), R"({"type":"ice_selected","stream":0,"component":"rtp",)"
                                         R"("source":"198.51.100.9:9000"})");
    EXPECT_EQ(events_[2].kind, Kind::Connected);
    EXPECT_FALSE(open(protect(packet(1))));
}

TEST_F(DtlsSecurityTest, SendsOnTheNominatedPairForAsLongAsThereIsConsent) {
    StreamFormat format = format_of(theirs());
    EXPECT_FALSE((begin(format), security_->route(rtp::PacketKind::Rtcp, now_)));
    format.dtls->ice = kIce;
    begin(format);
    ASSERT_TRUE(security_->route(rtp::PacketKind::Rtcp, now_));
    EXPECT_FALSE(security_->route(rtp::PacketKind::Rtcp, now_)->to);
    check(kPeer);
    EXPECT_EQ(security_->route(rtp::PacketKind::Rtcp, now_)->to, kPeer);
    now_ += stun::kConsentLifetime;
    EXPECT_FALSE(security_->route(rtp::PacketKind::Rtcp, now_)->to);
}

TEST_F(DtlsSecurityTest, AWrongCertificateFailsWithItsReasonAndMayBeFollowedByTheRightOne) {
    begin(format_of(theirs()));
    make_peer(ours());
    exchange();
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(event_json(1, events_[0]),
              R"({"type":"dtls_failed","stream":1,"component":"rtp","reason":"fingerprint",)"
              R"("source":"192.0.2.10:40000"})");
    EXPECT_TRUE(is_kept(packet(1), 0));

    events_.clear();
    for (int i = 0; i < 5; ++i) security_->on_time(now_ += seconds(1));
    EXPECT_FALSE(security_->poll_event());  // told once
    make_peer(theirs());
    exchange();
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].kind, Kind::Connected);
}

TEST_F(DtlsSecurityTest, AfterAFailureItWaitsBeforeTheNextHandshake) {
    begin(format_of(theirs()));
    make_peer(ours());
    exchange();
    make_peer(theirs());
    peer_->start(now_);
    const base::Bytes hello = *peer_->poll_datagram();
    now_ += kDtlsRetryInterval - std::chrono::milliseconds(1);
    security_->on_control(SocketKind::Rtp, hello, kPeer, true, now_);
    EXPECT_FALSE(security_->poll_outgoing());
    now_ += std::chrono::milliseconds(1);
    security_->on_control(SocketKind::Rtp, hello, kPeer, true, now_);
    EXPECT_TRUE(security_->poll_outgoing());
}

TEST_F(DtlsSecurityTest, WithoutMuxEachComponentHasItsOwnKeys) {
    StreamFormat format = format_of(theirs());
    format.rtcp_mux = false;
    begin(format);
    exchange();
    base::Bytes report{0x80, 201, 0, 1, 0, 0, 0, 9};
    EXPECT_FALSE(security_->protect(rtp::PacketKind::Rtcp, report));
    make_peer(theirs());
    exchange(kPeerRtcp, true, SocketKind::Rtcp);
    EXPECT_TRUE(security_->protect(rtp::PacketKind::Rtcp, report));
    ASSERT_EQ(events_.size(), 2U);
    EXPECT_EQ(events_[1].socket, SocketKind::Rtcp);
}

TEST_F(DtlsSecurityTest, ANewFingerprintWantsANewHandshakeAndTheOldKeysLastForFiveSeconds) {
    begin(format_of(theirs()));
    exchange();
    srtp::Sender before = *std::exchange(sender_, std::nullopt);
    EXPECT_FALSE(open([&] {
        base::Bytes wire = packet(1);
        wire.resize(wire.size() + before.rtp_overhead());
        EXPECT_TRUE(before.protect_rtp(wire, packet(1).size()));
        return wire;
    }()));
    StreamFormat changed = format_of(theirs());
    changed.dtls->tls_id = "another";
    security_->update(changed, 0);
    const auto old = [&](std::uint16_t sequence) {
        base::Bytes wire = packet(sequence);
        wire.resize(wire.size() + before.rtp_overhead());
        EXPECT_TRUE(before.protect_rtp(wire, packet(sequence).size()));
        return wire;
    };
    EXPECT_FALSE(open(old(2), 1));
    EXPECT_TRUE(is_kept(packet(3), 1));  // may be under the new ones
    make_peer(theirs());
    exchange();
    ASSERT_TRUE(sender_);
    EXPECT_EQ(security_->poll_early()->opened.rejection, Rejection::Authentication);
    EXPECT_FALSE(open(old(3), 2));
    EXPECT_FALSE(open(protect(packet(4)), 3));
    const std::int64_t later = std::chrono::nanoseconds(kOldKeyGrace).count();
    EXPECT_EQ(open(old(5), later), Rejection::Authentication);
    EXPECT_FALSE(open(protect(packet(6)), later));
}

TEST_F(DtlsSecurityTest, TheSameSdpAgainAndAnIceRestartKeepTheKeys) {
    StreamFormat format = format_of(theirs());
    format.dtls->ice = kIce;
    begin(format);
    check(kPeer);
    exchange(kPeer, false);
    ASSERT_TRUE(sender_);
    security_->update(format, 0);
    EXPECT_FALSE(open(protect(packet(1))));
    format.dtls->ice->password = "another-password-of-22";
    security_->update(format, 0);
    EXPECT_FALSE(open(protect(packet(2))));
    check(kPeer, true, "another-password-of-22");
    EXPECT_TRUE(security_->route(rtp::PacketKind::Rtcp, now_)->to);
}

TEST_F(DtlsSecurityTest, StunWithoutIceIsNothingOfIts) {
    begin(format_of(theirs()));
    const base::Bytes bytes =
        stun::Writer(stun::MessageClass::Request, stun::kBinding, {1}).add_fingerprint().take();
    EXPECT_FALSE(security_->on_control(SocketKind::Rtp, bytes, kPeer, true, now_));
    EXPECT_FALSE(security_->on_control(SocketKind::Rtp, packet(1), kPeer, true, now_));
}

}  // namespace
}  // namespace earshot::capture
