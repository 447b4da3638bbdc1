// SRTP keyed by DTLS (RFC 5763) against the real server, with and without ICE: a client by hand
// whose DTLS is the srtp room's own endpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "integration/harness.h"
#include "integration/media_peer.h"
#include "integration/udp_client.h"
#include "sdp/fingerprint.h"
#include "sdp/ice.h"
#include "srtp/dtls_endpoint.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"
#include "stun/message.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

base::TimePoint now() { return std::chrono::steady_clock::now(); }

// Of an SDP with one line.
std::string attribute_of(const std::string& message, const std::string& name) {
    const auto at = message.find("\r\na=" + name + ":");
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 5;
    return message.substr(begin, message.find("\r\n", begin) - begin);
}

class DtlsByHand : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(server_.start()) << server_.log();
        sip_ = std::make_unique<UdpClient>(server_.sip_port());
    }
    std::string sdp(const srtp::DtlsIdentity& identity, const std::string& setup, int version,
                    const std::string& more) const {
        return "v=0\no=- 1 " + std::to_string(version) +
               " IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio " +
               std::to_string(media_.port()) +
               " UDP/TLS/RTP/SAVPF 0\na=sendonly\na=label:1\na=rtcp-mux\na=setup:" + setup +
               "\na=fingerprint:" + sdp::to_string(identity.fingerprint()) + "\n" + more;
    }
    void begin(const std::string& setup = "actpass", const std::string& more = {}) {
        sip_->send(invite(*sip_, "dtls-by-hand", "application/sdp", sdp(ours_, setup, 1, more)));
        answer_ = sip_->receive();
        ASSERT_THAT(answer_, HasSubstr("SIP/2.0 200"));
        ASSERT_THAT(answer_, HasSubstr("a=rtcp-mux"));
        sip_->send(in_dialog(*sip_, answer_, "ACK", 1));
        media_.connect(
            static_cast<std::uint16_t>(std::stoi(answer_.substr(answer_.find("m=audio ") + 8))));
        const auto fingerprint = sdp::parse_fingerprint(attribute_of(answer_, "fingerprint"));
        ASSERT_TRUE(fingerprint);
        server_fingerprint_ = *fingerprint;
    }
    // Until the handshake has ended one way or the other; returns how.
    srtp::DtlsFault shake_hands(const srtp::DtlsIdentity& identity, srtp::DtlsRole role,
                                int overtaking = 0) {  // packets, the last flight
        srtp::DtlsEndpoint endpoint(identity, role, {server_fingerprint_});
        endpoint.start(now());
        const base::TimePoint give_up = now() + std::chrono::seconds(60);
        while (endpoint.state() == srtp::DtlsState::Handshaking && now() < give_up) {
            while (const auto out = endpoint.poll_datagram()) media_.send(*out);
            const base::Bytes datagram = media_.receive(100);
            if (!datagram.empty() && datagram[0] >= 20 && datagram[0] <= 63)
                endpoint.on_datagram(now(), datagram);
            endpoint.on_time(now());
        }
        if (auto keys = endpoint.take_keys()) {
            sender_.emplace(keys->ours);
            receiver_.emplace(keys->theirs);
            speak(0, overtaking);
        }
        while (const auto out = endpoint.poll_datagram()) media_.send(*out);
        return endpoint.fault();
    }
    // A connectivity check; whether it was answered well.
    bool check(const std::string& password) const {
        const std::string username = attribute_of(answer_, "ice-ufrag") + ":peer";
        const base::Bytes request =
            stun::Writer(stun::MessageClass::Request, stun::kBinding, {1, 2, 3})
                .add(stun::AttributeType::Username, base::as_bytes(username))
                .add_u64(stun::AttributeType::IceControlling, 1)
                .add(stun::AttributeType::UseCandidate)
                .add_integrity(base::as_bytes(password))
                .add_fingerprint()
                .take();
        media_.send(request);
        const base::Bytes bytes = media_.receive(20'000);
        const auto answer = stun::parse(bytes);
        return answer && answer->message_class == stun::MessageClass::Success &&
               stun::has_valid_integrity(*answer, base::as_bytes(password));
    }
    // Whether a report of the server comes that our key opens.
    bool hears_report() {
        const base::TimePoint give_up = now() + std::chrono::seconds(30);
        while (now() < give_up) {
            base::Bytes bytes = media_.receive(1000);
            if (bytes.size() > 1 && bytes[0] >= 128 && receiver_->unprotect_rtcp(bytes))
                return true;
        }
        return false;
    }
    void speak(int from, int to) {
        for (int i = from; i < to; ++i) {
            base::Bytes bytes(172, 0x55);
            std::fill(bytes.begin(), bytes.begin() + 12, std::uint8_t{0});
            bytes[0] = 0x80;
            bytes[3] = static_cast<std::uint8_t>(i);
            bytes[6] = static_cast<std::uint8_t>(i * 160 >> 8);
            bytes[7] = static_cast<std::uint8_t>(i * 160);
            bytes[11] = 7;
            const std::size_t size = bytes.size();
            bytes.resize(size + sender_->rtp_overhead());
            ASSERT_TRUE(sender_->protect_rtp(bytes, size));
            media_.send(bytes);
        }
    }
    // Says BYE; the only recording, with all that is known of it.
    json end() {
        sip_->send(in_dialog(*sip_, answer_, "BYE", 9));
        EXPECT_THAT(sip_->receive(), HasSubstr("SIP/2.0 200"));
        const json list = server_.wait_for_recordings(1);
        if (!list.is_array() || list.size() != 1) return json::object();
        const auto file = (server_.scratch() / "all.json").string();
        EXPECT_EQ(server_.run({"export", list[0]["id"], "--format", "json", "-o", file}).exit_code,
                  0);
        all_ = json::parse(read_file(file), nullptr, false);
        return list[0];
    }
    std::size_t count(std::string_view type) const {
        return static_cast<std::size_t>(
            std::count_if(all_["events"].begin(), all_["events"].end(),
                          [&](const json& event) { return event["type"] == type; }));
    }

    TestServer server_;
    srtp::DtlsIdentity ours_ = *srtp::DtlsIdentity::make(
        std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now()));
    srtp::DtlsIdentity other_ = *srtp::DtlsIdentity::make({});
    base::CertificateFingerprint server_fingerprint_;
    MediaPeer media_;
    std::unique_ptr<UdpClient> sip_;
    std::optional<srtp::Sender> sender_;
    std::optional<srtp::Receiver> receiver_;
    std::string answer_;
    json all_;
};

TEST_F(DtlsByHand, P127_ACallIsRecordedAndTheSuiteIsTold) {
    begin();
    EXPECT_EQ(attribute_of(answer_, "setup"), "passive");
    ASSERT_EQ(shake_hands(ours_, srtp::DtlsRole::Client), srtp::DtlsFault::None);
    ASSERT_TRUE(sender_);
    speak(0, 20);
    const json recording = end();
    EXPECT_EQ(recording["streams"][0]["packets"], 20) << recording;
    EXPECT_EQ(recording["streams"][0]["suite"], "AEAD_AES_256_GCM");
    EXPECT_EQ(recording["streams"][0]["dtls_role"], "passive");
    EXPECT_EQ(count("dtls_connected"), 1U);
    EXPECT_EQ(count("packets_rejected"), 0U) << all_["events"];
}

TEST_F(DtlsByHand, TheSuiteAndOurRoleAreToldWhileTheCallRuns) {
    begin();
    const auto stream = [&] {
        const json list = server_.list();
        if (!list.is_array() || list.empty()) return json::object();
        const auto shown = server_.run({"show", list[0]["id"], "--json"});
        return json::parse(shown.out, nullptr, false)["streams"][0];
    };
    EXPECT_TRUE(eventually([&] { return stream().value("dtls_role", "") == "passive"; }));
    EXPECT_FALSE(stream().contains("suite")) << stream();
    ASSERT_EQ(shake_hands(ours_, srtp::DtlsRole::Client), srtp::DtlsFault::None);
    EXPECT_TRUE(eventually([&] { return stream().value("suite", "") == "AEAD_AES_256_GCM"; }));
    const std::string id = server_.list()[0]["id"];
    EXPECT_THAT(server_.run({"show", id}).out, HasSubstr("AEAD_AES_256_GCM (DTLS, passive)"));
    end();
}

TEST_F(DtlsByHand, TheServerBeginsTheHandshakeWithAPassivePeer) {
    begin("passive");
    EXPECT_EQ(attribute_of(answer_, "setup"), "active");
    ASSERT_EQ(shake_hands(ours_, srtp::DtlsRole::Server), srtp::DtlsFault::None);
    ASSERT_TRUE(sender_);
    speak(0, 20);
    const json recording = end();
    EXPECT_EQ(recording["streams"][0]["packets"], 20) << recording;
}

TEST_F(DtlsByHand, WhatOvertakesTheLastFlightOfTheHandshakeIsRecorded) {
    begin("passive");
    ASSERT_EQ(shake_hands(ours_, srtp::DtlsRole::Server, 10), srtp::DtlsFault::None);
    ASSERT_TRUE(sender_);
    speak(10, 20);
    const json recording = end();
    EXPECT_EQ(recording["streams"][0]["packets"], 20) << recording;
    EXPECT_EQ(recording["streams"][0]["lost"], 0) << recording;
    EXPECT_EQ(count("packets_rejected"), 0U) << all_["events"];
}

TEST_F(DtlsByHand, WithIceThePeerHasToPassACheckFirst) {
    begin("actpass", "a=ice-ufrag:peer\na=ice-pwd:asd88fgpdd777uzjYhagZg\n");
    EXPECT_THAT(answer_, HasSubstr("\r\na=ice-lite\r\n"));
    const auto candidate = sdp::parse_candidate(attribute_of(answer_, "candidate"));
    ASSERT_TRUE(candidate);
    EXPECT_THAT(answer_, HasSubstr("m=audio " + std::to_string(candidate->port) + " "));
    EXPECT_FALSE(check("a-password-that-is-wrong"));
    const std::string password = attribute_of(answer_, "ice-pwd");
    EXPECT_TRUE(check(password));
    ASSERT_EQ(shake_hands(ours_, srtp::DtlsRole::Client), srtp::DtlsFault::None);
    ASSERT_TRUE(sender_);
    speak(0, 20);
    const json recording = end();
    EXPECT_EQ(recording["streams"][0]["packets"], 20) << recording;
    EXPECT_EQ(count("ice_selected"), 1U);
    EXPECT_THAT(all_.dump() + server_.log(), Not(HasSubstr(password)));
}

TEST_F(DtlsByHand, ACertificateThatTheSdpDoesNotTellIsRefusedAndTheRightOneStillTaken) {
    begin();
    EXPECT_EQ(shake_hands(other_, srtp::DtlsRole::Client), srtp::DtlsFault::Refused);
    EXPECT_FALSE(sender_);
    ASSERT_EQ(shake_hands(ours_, srtp::DtlsRole::Client), srtp::DtlsFault::None);
    ASSERT_TRUE(sender_);
    speak(0, 10);
    const json recording = end();
    EXPECT_EQ(recording["streams"][0]["packets"], 10) << recording;
    EXPECT_EQ(count("dtls_failed"), 1U);
    EXPECT_THAT(all_.dump(), HasSubstr(R"("reason":"fingerprint")"));
}

TEST_F(DtlsByHand, ANewFingerprintInMidCallIsANewHandshakeAndLosesNothing) {
    begin();
    ASSERT_EQ(shake_hands(ours_, srtp::DtlsRole::Client), srtp::DtlsFault::None);
    ASSERT_TRUE(sender_);
    speak(0, 10);
    sip_->send(in_dialog(*sip_, answer_, "INVITE", 2,
                         "Require: siprec\nContent-Type: application/sdp\n",
                         sdp(other_, "actpass", 2, {})));
    EXPECT_THAT(sip_->receive(), HasSubstr("SIP/2.0 200"));
    sip_->send(in_dialog(*sip_, answer_, "ACK", 2));
    speak(10, 12);  // under way under the old keys
    ASSERT_EQ(shake_hands(other_, srtp::DtlsRole::Client), srtp::DtlsFault::None);
    speak(12, 20);
    const json recording = end();
    EXPECT_EQ(recording["streams"][0]["packets"], 20) << recording << all_["events"];
    EXPECT_EQ(count("dtls_connected"), 2U);
    EXPECT_EQ(count("key_changed"), 1U);
}

TEST_F(DtlsByHand, OurReportsAreProtectedAndShareThePort) {
    begin();
    ASSERT_EQ(shake_hands(ours_, srtp::DtlsRole::Client), srtp::DtlsFault::None);
    ASSERT_TRUE(receiver_);
    EXPECT_TRUE(hears_report());
    end();
}

TEST_F(DtlsByHand, E8_WithoutAFingerprintItIsRefusedAndLeavesARow) {
    std::string text = kSdp;
    text.replace(text.find("RTP/AVP"), 7, "UDP/TLS/RTP/SAVPF");
    sip_->send(invite(*sip_, "no-fingerprint", "application/sdp", text));
    EXPECT_THAT(sip_->receive(), HasSubstr("SIP/2.0 488"));
    const json attempts = server_.wait_for_attempts(1);
    EXPECT_EQ(attempts[0]["reason"]["code"], "no_common_media") << attempts;
}

}  // namespace
}  // namespace earshot::integration
