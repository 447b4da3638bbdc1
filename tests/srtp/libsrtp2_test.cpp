// Our transform against libsrtp2: what one protects the other must open, octet by octet, for
// packets drawn from a seed that is printed. libsrtp2 is an oracle for this test and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <srtp2/srtp.h>

#include <map>

#include "base/random.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::srtp {
namespace {

constexpr std::size_t kTrailerRoom = SRTP_MAX_TRAILER_LEN + 4;

void set_policy(Suite suite, srtp_crypto_policy_t& rtp, srtp_crypto_policy_t& rtcp) {
    switch (suite) {
        case Suite::AesCm128Sha1_80:
            srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&rtp);
            return srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&rtcp);
        case Suite::AesCm128Sha1_32:
            srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&rtp);
            return srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&rtcp);
        case Suite::AesCm192Sha1_80:
            srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80(&rtp);
            return srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80(&rtcp);
        case Suite::AesCm192Sha1_32:
            srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32(&rtp);
            return srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80(&rtcp);
        case Suite::AesCm256Sha1_80:
            srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&rtp);
            return srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&rtcp);
        case Suite::AesCm256Sha1_32:
            srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(&rtp);
            return srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&rtcp);
        case Suite::AeadAes128Gcm:
            srtp_crypto_policy_set_aes_gcm_128_16_auth(&rtp);
            return srtp_crypto_policy_set_aes_gcm_128_16_auth(&rtcp);
        case Suite::AeadAes256Gcm:
            srtp_crypto_policy_set_aes_gcm_256_16_auth(&rtp);
            return srtp_crypto_policy_set_aes_gcm_256_16_auth(&rtcp);
    }
}

class Oracle {
public:
    Oracle(const MasterKey& key, srtp_ssrc_type_t direction)
        : material_(key.material().begin(), key.material().end()),
          mki_(key.mki().begin(), key.mki().end()) {
        srtp_policy_t policy{};
        set_policy(key.suite(), policy.rtp, policy.rtcp);
        policy.ssrc.type = direction;
        policy.window_size = 1024;
        srtp_master_key_t master{material_.data(), mki_.data(), static_cast<unsigned>(mki_.size())};
        srtp_master_key_t* list = &master;
        if (mki_.empty()) {
            policy.key = material_.data();
        } else {
            policy.keys = &list;
            policy.num_master_keys = 1;
        }
        EXPECT_EQ(srtp_create(&session_, &policy), srtp_err_status_ok);
    }
    Oracle(const Oracle&) = delete;
    Oracle& operator=(const Oracle&) = delete;
    ~Oracle() { srtp_dealloc(session_); }

    base::Bytes protect(base::Bytes packet, PacketKind kind) {
        int size = static_cast<int>(packet.size());
        packet.resize(packet.size() + kTrailerRoom);
        const unsigned use_mki = mki_.empty() ? 0 : 1;
        const auto status = kind == PacketKind::Rtp
                                ? srtp_protect_mki(session_, packet.data(), &size, use_mki, 0)
                                : srtp_protect_rtcp_mki(session_, packet.data(), &size, use_mki, 0);
        EXPECT_EQ(status, srtp_err_status_ok);
        packet.resize(static_cast<std::size_t>(size));
        return packet;
    }
    std::optional<base::Bytes> unprotect(base::Bytes packet, PacketKind kind) {
        int size = static_cast<int>(packet.size());
        const unsigned use_mki = mki_.empty() ? 0 : 1;
        const auto status = kind == PacketKind::Rtp
                                ? srtp_unprotect_mki(session_, packet.data(), &size, use_mki)
                                : srtp_unprotect_rtcp_mki(session_, packet.data(), &size, use_mki);
        if (status != srtp_err_status_ok) return std::nullopt;
        packet.resize(static_cast<std::size_t>(size));
        return packet;
    }

private:
    base::Bytes material_;
    base::Bytes mki_;
    srtp_t session_ = nullptr;
};

base::Bytes rtp_packet(base::Random& random, std::uint32_t ssrc, std::uint16_t sequence) {
    const std::uint32_t draw = random.u32();
    const std::size_t sources = draw % 3;
    const bool has_extension = (draw & 0x100U) != 0;
    base::Bytes packet{static_cast<std::uint8_t>(0x80U | (has_extension ? 0x10U : 0U) | sources),
                       static_cast<std::uint8_t>(draw >> 16U & 0x7fU)};
    base::append_u16(packet, sequence);
    base::append_u32(packet, random.u32());
    base::append_u32(packet, ssrc);
    for (std::size_t i = 0; i < sources; ++i) base::append_u32(packet, random.u32());
    if (has_extension) {
        base::append_u32(packet, 0xbede0001);
        base::append_u32(packet, random.u32());
    }
    base::Bytes payload(1 + (draw >> 24U) * 5);
    random.fill(payload);
    base::append(packet, payload);
    return packet;
}

base::Bytes rtcp_packet(base::Random& random, std::uint32_t ssrc) {
    base::Bytes packet{0x80, 200, 0, 6};
    base::append_u32(packet, ssrc);
    for (int i = 0; i < 5; ++i) base::append_u32(packet, random.u32());
    return packet;
}

struct Case {
    base::SrtpSuiteFacts facts;
    std::size_t mki_bytes = 0;
};
std::vector<Case> cases() {
    std::vector<Case> all;
    for (const auto& facts : base::srtp_suites()) {
        // It derives the keys of AES-192 with AES-256, against RFC 6188 section 3: there the RFC's
        // example is the judge (KeyDerivation.ExampleFromRfc6188Section7_4).
        if (facts.key_bytes == 24) continue;
        for (const std::size_t mki : {0U, 4U}) all.push_back({facts, mki});
    }
    return all;
}

class AgainstLibsrtp2 : public ::testing::TestWithParam<Case> {
protected:
    static void SetUpTestSuite() { ASSERT_EQ(srtp_init(), srtp_err_status_ok); }
    static void TearDownTestSuite() { srtp_shutdown(); }

    MasterKey key() {
        const MasterKey drawn = MasterKey::generate(GetParam().facts.suite, random_);
        return *MasterKey::from(drawn.suite(), drawn.material(),
                                base::Bytes(GetParam().mki_bytes, 9));
    }
    // Both directions of one packet.
    void exchange(const base::Bytes& packet, PacketKind kind) {
        base::Bytes ours = packet;
        ours.resize(packet.size() +
                    (kind == PacketKind::Rtp ? sender_.rtp_overhead() : sender_.rtcp_overhead()));
        const Outcome sent = kind == PacketKind::Rtp ? sender_.protect_rtp(ours, packet.size())
                                                     : sender_.protect_rtcp(ours, packet.size());
        ASSERT_TRUE(sent);
        const auto there = oracle_in_.unprotect(ours, kind);
        ASSERT_TRUE(there);
        EXPECT_EQ(*there, packet);

        base::Bytes theirs = oracle_out_.protect(packet, kind);
        // SRTCP's index counts from 1 there.
        EXPECT_EQ(theirs == ours, kind == PacketKind::Rtp);
        const Outcome taken = kind == PacketKind::Rtp ? receiver_.unprotect_rtp(theirs)
                                                      : receiver_.unprotect_rtcp(theirs);
        ASSERT_TRUE(taken) << to_string(taken.error());
        theirs.resize(*taken);
        EXPECT_EQ(theirs, packet);
    }

    const base::SrtpSuiteFacts facts_ = GetParam().facts;
    const std::size_t mki_bytes_ = GetParam().mki_bytes;
    base::SeededRandom random_{20'261'126};
    MasterKey key_ = key();
    Sender sender_{key_};
    Receiver receiver_{key_};
    Oracle oracle_out_{key_, ssrc_any_outbound};
    Oracle oracle_in_{key_, ssrc_any_inbound};
};
INSTANTIATE_TEST_SUITE_P(Suites, AgainstLibsrtp2, ::testing::ValuesIn(cases()),
                         [](const auto& each) {
                             return std::string{each.param.facts.name} +
                                    (each.param.mki_bytes > 0 ? "_mki" : "");
                         });

TEST_P(AgainstLibsrtp2, EachOpensWhatTheOtherProtects) {
    std::map<std::uint32_t, std::uint32_t> next{
        {0x1111, 65'000}, {0x2222, 7}, {0xffffffff, 30'000}};
    for (int i = 0; i < 3000 && !HasFatalFailure(); ++i) {
        auto source = std::next(next.begin(), static_cast<std::ptrdiff_t>(random_.u32() % 3));
        source->second += 1 + random_.u32() % 300;  // with losses, and past several wraps
        exchange(rtp_packet(random_, source->first, static_cast<std::uint16_t>(source->second)),
                 PacketKind::Rtp);
        // It looks for the MKI of SRTCP where the tag of SRTP would leave it.
        const bool finds_mki = mki_bytes_ == 0 || facts_.rtp_tag == facts_.rtcp_tag;
        if (i % 20 == 0 && finds_mki)
            exchange(rtcp_packet(random_, source->first), PacketKind::Rtcp);
    }
}

// Reordered and repeated packets: each side takes and refuses the same ones.
TEST_P(AgainstLibsrtp2, EachRefusesTheReplaysThatTheOtherRefuses) {
    std::vector<base::Bytes> wire;
    for (std::uint32_t i = 0; i < 3000; ++i)
        wire.push_back(oracle_out_.protect(
            rtp_packet(random_, 0x1111, static_cast<std::uint16_t>(64'000 + i)), PacketKind::Rtp));
    for (std::size_t i = 0; i < 6000; ++i) {
        const std::size_t back = random_.u32() % 1500;
        const std::size_t front = std::min<std::size_t>(i / 2, wire.size() - 1);
        base::Bytes packet = wire[front - std::min(back, front)];
        const bool there = oracle_in_.unprotect(packet, PacketKind::Rtp).has_value();
        ASSERT_EQ(receiver_.unprotect_rtp(packet).has_value(), there) << i;
    }
}

}  // namespace
}  // namespace earshot::srtp
