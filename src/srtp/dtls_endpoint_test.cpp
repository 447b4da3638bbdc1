#include "srtp/dtls_endpoint.h"

#include <gtest/gtest.h>
#include <openssl/srtp.h>
#include <sys/time.h>

#include "srtp/dtls_peer_check.h"
#include "srtp/dtls_test_peer.h"
#include "srtp/limits.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

// See dtls_test_peer.h. The name is the C library's.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int gettimeofday(timeval* time, void* /*zone*/) noexcept {
    const auto now = earshot::srtp::dtls_test_clock().time_since_epoch();
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    time->tv_sec = us / 1'000'000;
    time->tv_usec = us % 1'000'000;
    return 0;
}

namespace earshot::srtp {

base::TimePoint& dtls_test_clock() {
    static base::TimePoint now{std::chrono::hours(1000)};
    return now;
}

namespace {

using Fingerprints = std::vector<base::CertificateFingerprint>;

const DtlsIdentity& alice() {
    static const DtlsIdentity identity = make_test_identity();
    return identity;
}
const DtlsIdentity& bob() {
    static const DtlsIdentity identity = make_test_identity();
    return identity;
}

struct Both {
    explicit Both(Fingerprints of_bob = {bob().fingerprint()},
                  Fingerprints of_alice = {alice().fingerprint()})
        : client(alice(), DtlsRole::Client, std::move(of_bob)),
          server(bob(), DtlsRole::Server, std::move(of_alice)) {}

    DtlsEndpoint client;
    DtlsEndpoint server;
    DtlsPair wire{client, server};

    void begin() { client.start(dtls_test_clock()); }
    bool is_connected() const {
        return client.state() == DtlsState::Connected && server.state() == DtlsState::Connected;
    }
};

TEST(DtlsIdentity, IsAnotherOneEachTime) {
    EXPECT_EQ(alice().fingerprint().function, base::HashFunction::Sha256);
    EXPECT_EQ(alice().fingerprint().digest.size(), 32U);
    EXPECT_NE(alice().fingerprint(), bob().fingerprint());
}

TEST(DtlsEndpoint, BothSidesGetTheSameTwoKeys) {
    Both both;
    EXPECT_FALSE(both.server.deadline());  // a server waits without a clock
    both.begin();
    both.wire.exchange();
    ASSERT_TRUE(both.is_connected());
    const auto of_client = both.client.take_keys();
    const auto of_server = both.server.take_keys();
    ASSERT_TRUE(of_client && of_server);
    EXPECT_EQ(of_client->ours, of_server->theirs);
    EXPECT_EQ(of_client->theirs, of_server->ours);
    EXPECT_FALSE(of_client->ours == of_client->theirs);
    EXPECT_EQ(of_client->ours.suite(), Suite::AeadAes256Gcm);
    EXPECT_FALSE(both.client.take_keys());
    EXPECT_FALSE(both.client.deadline());
    EXPECT_FALSE(both.server.deadline());
}

TEST(DtlsEndpoint, KeysProtectAndUnprotectPackets) {
    Both both;
    both.begin();
    both.wire.exchange();
    Sender sender(both.client.take_keys()->ours);
    Receiver receiver(both.server.take_keys()->theirs);
    base::Bytes packet{0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 'h', 'e', 'l', 'l', 'o'};
    const base::Bytes plain = packet;
    packet.resize(plain.size() + sender.rtp_overhead());
    ASSERT_TRUE(sender.protect_rtp(packet, plain.size()));
    const auto size = receiver.unprotect_rtp(packet);
    ASSERT_TRUE(size);
    packet.resize(*size);
    EXPECT_EQ(packet, plain);
}

TEST(DtlsEndpoint, EachLostDatagramIsSentAgain) {
    Both whole;
    whole.begin();
    whole.wire.exchange();
    ASSERT_TRUE(whole.is_connected());
    for (std::size_t lost = 0; lost < whole.wire.sent; ++lost) {
        Both both;
        both.wire.loses = [&](std::size_t number) { return number == lost; };
        both.begin();
        both.wire.run();
        EXPECT_TRUE(both.is_connected()) << lost;
    }
}

TEST(DtlsEndpoint, ConnectsThoughAQuarterOfTheDatagramsIsLost) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        base::SeededRandom random(seed);
        Both both;
        both.wire.loses = [&](std::size_t) { return random.u32() % 4 == 0; };
        both.begin();
        both.wire.run();
        EXPECT_TRUE(both.is_connected()) << seed;
    }
}

TEST(DtlsEndpoint, DoubledDatagramsChangeNothing) {
    Both both;
    both.wire.doubles = true;
    both.begin();
    both.wire.run();
    EXPECT_TRUE(both.is_connected());
}

TEST(DtlsEndpoint, GivesUpAPeerThatIsSilent) {
    Both both;
    const base::TimePoint begin = dtls_test_clock();
    both.wire.loses = [](std::size_t) { return true; };
    both.begin();
    ASSERT_TRUE(both.client.deadline());
    EXPECT_LE(*both.client.deadline(), begin + kFirstDtlsTimeout);
    both.wire.run();
    EXPECT_EQ(both.client.state(), DtlsState::Failed);
    EXPECT_EQ(both.client.fault(), DtlsFault::TimedOut);
    EXPECT_GE(dtls_test_clock() - begin, kMaxDtlsHandshakeTime);
    EXPECT_GT(both.wire.sent, 4U);
    EXPECT_LT(both.wire.sent, 12U);
}

TEST(DtlsEndpoint, FailsWhenThePeersCertificateIsNotThatOfItsSdp) {
    Both wrong_client({bob().fingerprint()}, {bob().fingerprint()});
    wrong_client.begin();
    wrong_client.wire.run();
    EXPECT_EQ(wrong_client.server.state(), DtlsState::Failed);
    EXPECT_EQ(wrong_client.server.fault(), DtlsFault::Fingerprint);
    EXPECT_FALSE(wrong_client.server.take_keys());
    EXPECT_EQ(wrong_client.client.fault(), DtlsFault::Refused);

    Both wrong_server({alice().fingerprint()}, {alice().fingerprint()});
    wrong_server.begin();
    wrong_server.wire.run();
    EXPECT_EQ(wrong_server.client.fault(), DtlsFault::Fingerprint);
    EXPECT_EQ(wrong_server.server.fault(), DtlsFault::Refused);
}

TEST(DtlsEndpoint, TakesNoCertificateWithoutAFingerprint) {
    Both both({bob().fingerprint()}, {});
    both.begin();
    both.wire.run();
    EXPECT_EQ(both.server.fault(), DtlsFault::Fingerprint);
}

// ---- a peer of other habits -------------------------------------------------------------------

class OtherPeer {
public:
    explicit OtherPeer(const SSL_METHOD* method = DTLS_client_method())
        : context(SSL_CTX_new(method), SSL_CTX_free),
          method_(make_datagram_method(), BIO_meth_free) {
        key.reset(EVP_EC_gen("P-256"));
        certificate.reset(X509_new());
        X509_set_version(certificate.get(), 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
        ASN1_TIME_set(X509_getm_notBefore(certificate.get()), 0);  // long out of date
        ASN1_TIME_set(X509_getm_notAfter(certificate.get()), 1);
        X509_set_pubkey(certificate.get(), key.get());
        X509_sign(certificate.get(), key.get(), EVP_sha256());
        SSL_CTX_use_certificate(context.get(), certificate.get());
        SSL_CTX_use_PrivateKey(context.get(), key.get());
        SSL_CTX_set_options(context.get(), SSL_OP_NO_QUERY_MTU);
    }

    // One fingerprint of its certificate.
    base::CertificateFingerprint told(base::HashFunction function) const {
        return {.function = function, .digest = digest_of(certificate.get(), function)};
    }
    void connect(DtlsEndpoint& server) {
        ssl.reset(SSL_new(context.get()));
        BIO* const bio = make_datagram_bio(method_.get(), datagrams);
        SSL_set_bio(ssl.get(), bio, bio);
        SSL_set_mtu(ssl.get(), 1200);
        SSL_set_connect_state(ssl.get());
        is_connected = SSL_do_handshake(ssl.get()) == 1;
        exchange(server);
    }
    void exchange(DtlsEndpoint& server) {
        for (bool moves = true; moves;) {
            moves = false;
            while (!datagrams.to_send.empty()) {
                const base::Bytes datagram = datagrams.to_send.front();
                datagrams.to_send.pop_front();
                server.on_datagram(dtls_test_clock(), datagram);
                moves = true;
            }
            while (const auto datagram = server.poll_datagram()) {
                datagrams.received = *datagram;
                if (SSL_do_handshake(ssl.get()) == 1) is_connected = true;
                datagrams.received = {};
                moves = true;
            }
        }
    }

    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context;
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{nullptr, EVP_PKEY_free};
    std::unique_ptr<X509, decltype(&X509_free)> certificate{nullptr, X509_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
    DtlsDatagrams datagrams;
    bool is_connected = false;

private:
    std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)> method_;
};

class DtlsServerTest : public testing::Test {
protected:
    OtherPeer peer_;

    DtlsFault connect(Fingerprints told) {
        DtlsEndpoint server(bob(), DtlsRole::Server, std::move(told));
        peer_.connect(server);
        state_ = server.state();
        if (state_ == DtlsState::Connected) keys_ = server.take_keys();
        return server.fault();
    }
    DtlsState state_ = DtlsState::Failed;
    std::optional<DtlsKeys> keys_;
};

TEST_F(DtlsServerTest, ChecksEachHashFunction) {
    SSL_CTX_set_tlsext_use_srtp(peer_.context.get(), "SRTP_AES128_CM_SHA1_80");
    for (const auto function :
         {base::HashFunction::Sha1, base::HashFunction::Sha224, base::HashFunction::Sha256,
          base::HashFunction::Sha384, base::HashFunction::Sha512}) {
        EXPECT_EQ(connect({peer_.told(function)}), DtlsFault::None);
        EXPECT_EQ(state_, DtlsState::Connected);
        base::CertificateFingerprint wrong = peer_.told(function);
        wrong.digest.back() ^= 1;
        EXPECT_EQ(connect({wrong}), DtlsFault::Fingerprint);
    }
}

// RFC 8122 section 6.
TEST_F(DtlsServerTest, OfSeveralFingerprintsTheStrongestCount) {
    SSL_CTX_set_tlsext_use_srtp(peer_.context.get(), "SRTP_AES128_CM_SHA1_80");
    base::CertificateFingerprint wrong = peer_.told(base::HashFunction::Sha256);
    wrong.digest[0] ^= 1;
    const auto right = peer_.told(base::HashFunction::Sha256);
    const auto weaker = peer_.told(base::HashFunction::Sha1);
    EXPECT_EQ(connect({wrong, right}), DtlsFault::None);
    EXPECT_EQ(connect({weaker, wrong}), DtlsFault::Fingerprint);
    EXPECT_EQ(connect({bob().fingerprint(), right, weaker}), DtlsFault::None);
}

TEST_F(DtlsServerTest, SpeaksEachProfile) {
    const auto told = peer_.told(base::HashFunction::Sha256);
    for (const auto& [name, suite] :
         {std::pair{"SRTP_AES128_CM_SHA1_80", Suite::AesCm128Sha1_80},
          std::pair{"SRTP_AES128_CM_SHA1_32", Suite::AesCm128Sha1_32},
          std::pair{"SRTP_AEAD_AES_128_GCM", Suite::AeadAes128Gcm},
          std::pair{"SRTP_AES128_CM_SHA1_32:SRTP_AEAD_AES_256_GCM", Suite::AeadAes256Gcm}}) {
        SSL_CTX_set_tlsext_use_srtp(peer_.context.get(), name);
        EXPECT_EQ(connect({told}), DtlsFault::None) << name;
        ASSERT_TRUE(keys_) << name;
        EXPECT_EQ(keys_->ours.suite(), suite) << name;
    }
}

// RFC 5764 section 4.2.
TEST_F(DtlsServerTest, SharesTheExportedKeysOutByRole) {
    SSL_CTX_set_tlsext_use_srtp(peer_.context.get(), "SRTP_AES128_CM_SHA1_80");
    ASSERT_EQ(connect({peer_.told(base::HashFunction::Sha256)}), DtlsFault::None);
    base::Bytes exported(60);
    constexpr std::string_view kLabel = "EXTRACTOR-dtls_srtp";
    ASSERT_EQ(SSL_export_keying_material(peer_.ssl.get(), exported.data(), exported.size(),
                                         kLabel.data(), kLabel.size(), nullptr, 0, 0),
              1);
    const auto part = [&](std::ptrdiff_t from, std::ptrdiff_t size) {
        return base::Bytes(exported.begin() + from, exported.begin() + from + size);
    };
    const auto bytes = [](base::ByteView view) { return base::Bytes(view.begin(), view.end()); };
    EXPECT_EQ(bytes(keys_->theirs.key()), part(0, 16));  // the client's
    EXPECT_EQ(bytes(keys_->ours.key()), part(16, 16));
    EXPECT_EQ(bytes(keys_->theirs.salt()), part(32, 14));
    EXPECT_EQ(bytes(keys_->ours.salt()), part(46, 14));
}

TEST_F(DtlsServerTest, FailsWithoutACommonProfile) {
    EXPECT_EQ(connect({peer_.told(base::HashFunction::Sha256)}), DtlsFault::Profile);
    EXPECT_EQ(state_, DtlsState::Failed);
}

TEST_F(DtlsServerTest, FailsWithoutACertificate) {
    SSL_CTX_set_tlsext_use_srtp(peer_.context.get(), "SRTP_AES128_CM_SHA1_80");
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> bare(SSL_CTX_new(DTLS_client_method()),
                                                           SSL_CTX_free);
    SSL_CTX_set_options(bare.get(), SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_tlsext_use_srtp(bare.get(), "SRTP_AES128_CM_SHA1_80");
    peer_.context.swap(bare);
    EXPECT_EQ(connect({peer_.told(base::HashFunction::Sha256)}), DtlsFault::Protocol);
    EXPECT_FALSE(peer_.is_connected);
}

TEST_F(DtlsServerTest, FailsOnOldVersionsAndWeakCiphers) {
    const auto told = peer_.told(base::HashFunction::Sha256);
    SSL_CTX_set_tlsext_use_srtp(peer_.context.get(), "SRTP_AES128_CM_SHA1_80");
    SSL_CTX_set_cipher_list(peer_.context.get(), "ECDHE-ECDSA-AES128-SHA");
    EXPECT_EQ(connect({told}), DtlsFault::Protocol);
    SSL_CTX_set_cipher_list(peer_.context.get(), "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(peer_.context.get(), DTLS1_VERSION);
    SSL_CTX_set_max_proto_version(peer_.context.get(), DTLS1_VERSION);
    EXPECT_EQ(connect({told}), DtlsFault::Protocol);
}

TEST_F(DtlsServerTest, KeysOutliveTheEndOfDtls) {
    SSL_CTX_set_tlsext_use_srtp(peer_.context.get(), "SRTP_AES128_CM_SHA1_80");
    DtlsEndpoint server(bob(), DtlsRole::Server, {peer_.told(base::HashFunction::Sha256)});
    peer_.connect(server);
    ASSERT_EQ(server.state(), DtlsState::Connected);
    SSL_shutdown(peer_.ssl.get());
    peer_.exchange(server);
    EXPECT_EQ(server.state(), DtlsState::Closed);
    EXPECT_EQ(server.fault(), DtlsFault::None);
    EXPECT_TRUE(server.take_keys());
}

// ---- bad input --------------------------------------------------------------------------------

TEST(DtlsEndpoint, TruncatedAndChangedHellosDoNotStopTheRealOne) {
    Both both;
    both.begin();
    const base::Bytes hello = *both.client.poll_datagram();
    for (std::size_t size = 0; size < hello.size(); ++size)
        both.server.on_datagram(dtls_test_clock(), base::ByteView(hello).first(size));
    EXPECT_EQ(both.server.state(), DtlsState::Handshaking);
    both.server.on_datagram(dtls_test_clock(), hello);
    both.wire.run();
    EXPECT_TRUE(both.is_connected());
}

TEST(DtlsEndpoint, TakesAsMuchOfAHandshakeAsTheLimitAndNoMore) {
    DtlsEndpoint server(bob(), DtlsRole::Server, {alice().fingerprint()});
    const base::Bytes noise(kMaxDtlsDatagramBytes, 0x16);
    for (std::size_t sent = 0; sent < kMaxDtlsHandshakeBytes; sent += noise.size())
        server.on_datagram(dtls_test_clock(), noise);
    EXPECT_EQ(server.state(), DtlsState::Handshaking);
    server.on_datagram(dtls_test_clock(), base::ByteView(noise).first(1));
    EXPECT_EQ(server.fault(), DtlsFault::TooMuch);
}

TEST(DtlsEndpoint, PassesOverDatagramsPastTheLimit) {
    DtlsEndpoint server(bob(), DtlsRole::Server, {alice().fingerprint()});
    const base::Bytes longer(kMaxDtlsDatagramBytes + 1, 0x16);
    for (int i = 0; i < 100; ++i) server.on_datagram(dtls_test_clock(), longer);
    EXPECT_EQ(server.state(), DtlsState::Handshaking);
}

TEST(DtlsEndpoint, KeepsNoMoreToSendThanTheLimit) {
    DtlsDatagrams datagrams;
    std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)> method(make_datagram_method(),
                                                                 BIO_meth_free);
    std::unique_ptr<BIO, decltype(&BIO_free)> bio(make_datagram_bio(method.get(), datagrams),
                                                  BIO_free);
    for (std::size_t i = 0; i < kMaxDtlsDatagramsToSend + 2; ++i)
        EXPECT_EQ(BIO_write(bio.get(), "x", 1), 1);
    EXPECT_EQ(datagrams.to_send.size(), kMaxDtlsDatagramsToSend);
    EXPECT_EQ(datagrams.lost, 2U);
}

}  // namespace
}  // namespace earshot::srtp
