// SRTP with keys in SDP (RFC 4568) against the real server: our test client with each suite, and a
// client by hand that has wrong keys, repeats packets and changes keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"
#include "integration/harness.h"
#include "integration/udp_client.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

std::string key_text(const base::SrtpMasterKey& key) { return base::to_base64(key.material()); }

class Srtp : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(server_.start()) << server_.log(); }

    json only_recording() const {
        const json list = server_.wait_for_recordings(1);
        EXPECT_TRUE(list.is_array() && list.size() == 1) << list;
        return list.is_array() && !list.empty() ? list[0] : json::object();
    }
    json everything(const json& recording) const {
        const auto file = (server_.scratch() / "all.json").string();
        const Output output =
            server_.run({"export", recording["id"], "--format", "json", "-o", file});
        EXPECT_EQ(output.exit_code, 0) << output.err;
        return json::parse(read_file(file), nullptr, false);
    }

    TestServer server_;
};

class SrtpSuites : public Srtp, public testing::WithParamInterface<base::SrtpSuiteFacts> {};
INSTANTIATE_TEST_SUITE_P(Suites, SrtpSuites,
                         testing::ValuesIn(base::srtp_suites().begin(), base::srtp_suites().end()),
                         [](const auto& each) { return std::string{each.param.name}; });

TEST_P(SrtpSuites, P127_P128_ACallIsRecordedAndTheSuiteIsTold) {
    const Output call = server_.run({"call", "--to", server_.sip_uri(), "--duration", "1", "--srtp",
                                     std::string{GetParam().name}, "--json"});
    EXPECT_EQ(call.exit_code, 0) << call.out << call.err;
    const json sent = json::parse(call.out, nullptr, false)[0]["sent"];
    const json recording = only_recording();
    EXPECT_EQ(recording["state"], "complete") << recording;
    ASSERT_EQ(recording["streams"].size(), 2U) << recording;
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(recording["streams"][i]["suite"], GetParam().name);
        EXPECT_EQ(recording["streams"][i]["packets"], sent[i]["packets"]);
    }
    EXPECT_THAT(server_.run({"show", recording["id"]}).out,
                HasSubstr(std::string{GetParam().name}));
}

TEST_F(Srtp, NewKeysInMidCallLoseNothing) {
    const Output call = server_.run({"call", "--to", server_.sip_uri(), "--duration", "2", "--srtp",
                                     "AES_CM_128_HMAC_SHA1_80", "--rekey-at", "1", "--json"});
    EXPECT_EQ(call.exit_code, 0) << call.out << call.err;
    const json sent = json::parse(call.out, nullptr, false)[0]["sent"];
    const json recording = only_recording();
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(recording["streams"][i]["packets"], sent[i]["packets"]) << recording;
        EXPECT_EQ(recording["streams"][i]["lost"], 0);
    }
    EXPECT_THAT(everything(recording).dump(), HasSubstr("key_changed"));
}

// `arguments` key the call; nothing of it may be lost.
class SrtpCalls : public Srtp {
protected:
    void expect_whole(std::vector<std::string> arguments, std::size_t streams,
                      const std::string& suite) {
        const std::vector<std::string> common{"call",       "--to", server_.sip_uri(),
                                              "--duration", "2",    "--json"};
        arguments.insert(arguments.begin(), common.begin(), common.end());
        const Output call = server_.run(arguments);
        EXPECT_EQ(call.exit_code, 0) << call.out << call.err;
        const json sent = json::parse(call.out, nullptr, false)[0]["sent"];
        const json recording = only_recording();
        EXPECT_EQ(recording["state"], "complete") << recording;
        ASSERT_EQ(recording["streams"].size(), streams) << recording;
        ASSERT_EQ(sent.size(), streams) << sent;
        for (std::size_t i = 0; i < streams; ++i) {
            const json& stream = recording["streams"][i];
            EXPECT_EQ(stream["suite"], suite);
            EXPECT_EQ(stream["packets"], sent[i]["packets"]) << recording;
            EXPECT_GT(stream["packets"], 20) << recording;
            EXPECT_EQ(stream["lost"], 0) << recording;
        }
        recording_ = recording;
    }
    json recording_;
};

TEST_F(SrtpCalls, DtlsKeysACallOfVoices) {
    expect_whole({"--dtls"}, 2, "AEAD_AES_256_GCM");
    EXPECT_EQ(recording_["streams"][0]["dtls_role"], "passive");
    EXPECT_THAT(everything(recording_).dump(), Not(HasSubstr("packets_rejected")));
}

TEST_F(SrtpCalls, DtlsKeysACallWithVideo) {
    expect_whole({"--dtls", "--video"}, 4, "AEAD_AES_256_GCM");
    EXPECT_GT(recording_["streams"][2]["video"]["pictures"], 20) << recording_;
    EXPECT_EQ(recording_["streams"][2]["video"]["damaged"], 0) << recording_;
}

TEST_F(SrtpCalls, KeysOfTheSdpProtectVideoAndChange) {
    expect_whole({"--srtp", "AES_CM_128_HMAC_SHA1_80", "--video", "--rekey-at", "1"}, 4,
                 "AES_CM_128_HMAC_SHA1_80");
    EXPECT_EQ(recording_["streams"][3]["video"]["damaged"], 0) << recording_;
    EXPECT_THAT(everything(recording_).dump(), HasSubstr("key_changed"));
}

class SrtpFeedback : public Srtp, public testing::WithParamInterface<std::vector<std::string>> {};
INSTANTIATE_TEST_SUITE_P(Keyings, SrtpFeedback,
                         testing::Values(std::vector<std::string>{"--dtls"},
                                         std::vector<std::string>{"--srtp", "AEAD_AES_128_GCM"}),
                         [](const auto& each) {
                             return each.param.size() == 1 ? std::string{"Dtls"} : "Sdes";
                         });

TEST_P(SrtpFeedback, IsProtectedAndBringsLostPacketsAgain) {
    std::vector<std::string> arguments{"call",   "--to",    server_.sip_uri(), "--duration", "4",
                                       "--json", "--video", "--video-lose",    "40"};
    arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
    const Output call = server_.run(arguments);
    EXPECT_EQ(call.exit_code, 0) << call.out << call.err;
    const json camera = json::parse(call.out, nullptr, false)[0]["video"][0];
    EXPECT_GT(camera["nacks"], 0) << camera;
    EXPECT_GT(camera["retransmitted"], 0) << camera;
    const json recording = only_recording();
    // What was withheld at the very end is not asked for.
    EXPECT_LT(recording["streams"][2]["lost"], camera["withheld"]) << recording;
}

TEST_F(SrtpCalls, ManyCallsByDtlsShareTheSocketsOfTheirSlot) {
    const Output call = server_.run({"call", "--to", server_.sip_uri(), "--duration", "2",
                                     "--count", "30", "--rate", "30", "--dtls", "--json"});
    EXPECT_EQ(call.exit_code, 0) << call.out << call.err;
    const json recordings = server_.wait_for_recordings(30);
    ASSERT_EQ(recordings.size(), 30U);
    for (const json& recording : recordings)
        for (const json& stream : recording["streams"]) {
            EXPECT_EQ(stream["packets"], 100) << recording;
            EXPECT_EQ(stream["suite"], "AEAD_AES_256_GCM");
        }
}

TEST_F(SrtpCalls, OptionsThatDoNothingAreRefused) {
    EXPECT_EQ(server_.run({"call", "--to", server_.sip_uri(), "--video-rate", "2M"}).exit_code, 2);
    const Output both =
        server_.run({"call", "--to", server_.sip_uri(), "--dtls", "--srtp", "AEAD_AES_128_GCM"});
    EXPECT_EQ(both.exit_code, 2);
    EXPECT_THAT(both.err, HasSubstr("by SDP or by DTLS"));
}

// A socket on loopback that hears everyone.
class UnconnectedSocket {
public:
    UnconnectedSocket() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof own);
        socklen_t size = sizeof own;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin_port);
    }
    UnconnectedSocket(const UnconnectedSocket&) = delete;
    UnconnectedSocket& operator=(const UnconnectedSocket&) = delete;
    ~UnconnectedSocket() { ::close(socket_); }

    std::uint16_t port() const { return port_; }
    std::string receive(int limit_ms) const {  // empty: nothing came
        pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
        if (::poll(&ready, 1, limit_ms) <= 0) return {};
        std::string bytes(2048, '\0');
        const ssize_t size = ::recv(socket_, bytes.data(), bytes.size(), 0);
        bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return bytes;
    }

private:
    int socket_;
    std::uint16_t port_ = 0;
};

// A client by hand: one stream.
class SrtpByHand : public Srtp {
protected:
    void SetUp() override {
        Srtp::SetUp();
        sip_ = std::make_unique<UdpClient>(server_.sip_port());
    }
    static std::string sdp(const base::SrtpMasterKey& key, int version) {
        return "v=0\no=- 1 " + std::to_string(version) +
               " IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 40000 RTP/SAVP 0\n"
               "a=sendonly\na=label:1\na=crypto:5 " +
               std::string{base::to_string(key.suite())} + " inline:" + key_text(key) + "\n";
    }
    void begin() {
        sip_->send(invite(*sip_, "srtp-by-hand", "application/sdp", sdp(key_, 1)));
        answer_ = sip_->receive();
        ASSERT_THAT(answer_, HasSubstr("SIP/2.0 200"));
        ASSERT_THAT(answer_, HasSubstr("a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:"));
        sip_->send(in_dialog(*sip_, answer_, "ACK", 1));
        media_ = std::make_unique<UdpClient>(
            static_cast<std::uint16_t>(std::stoi(answer_.substr(answer_.find("m=audio ") + 8))));
    }
    void end() {
        sip_->send(in_dialog(*sip_, answer_, "BYE", 9));
        EXPECT_THAT(sip_->receive(), HasSubstr("SIP/2.0 200"));
    }
    static base::Bytes packet(int sequence) {
        base::Bytes bytes(172, 0x55);
        std::fill(bytes.begin(), bytes.begin() + 12, std::uint8_t{0});
        bytes[0] = 0x80;
        bytes[3] = static_cast<std::uint8_t>(sequence);
        bytes[6] = static_cast<std::uint8_t>(sequence * 160 >> 8);
        bytes[7] = static_cast<std::uint8_t>(sequence * 160);
        bytes[11] = 7;
        return bytes;
    }
    static std::string protect(srtp::Sender& sender, int sequence) {
        base::Bytes bytes = packet(sequence);
        const std::size_t size = bytes.size();
        bytes.resize(size + sender.rtp_overhead());
        EXPECT_TRUE(sender.protect_rtp(bytes, size));
        return std::string{base::as_text(bytes)};
    }
    // The final counters of the only stream.
    json counters(const json& all) const {
        for (const json& event : all["events"])
            if (event["type"] == "stream_counters") return event;
        return json::object();
    }
    static std::size_t count(const json& all, std::string_view type) {
        return static_cast<std::size_t>(
            std::count_if(all["events"].begin(), all["events"].end(),
                          [&](const json& event) { return event["type"] == type; }));
    }

    base::SeededRandom random_{1};
    base::SrtpMasterKey key_ =
        base::SrtpMasterKey::generate(base::SrtpSuite::AesCm128Sha1_80, random_);
    base::SrtpMasterKey other_ =
        base::SrtpMasterKey::generate(base::SrtpSuite::AesCm128Sha1_80, random_);
    std::unique_ptr<UdpClient> sip_;
    std::unique_ptr<UdpClient> media_;
    std::string answer_;
};

TEST_F(SrtpByHand, ForgedAndRepeatedPacketsAreCountedAndEndNothing) {
    begin();
    srtp::Sender forger(other_);
    for (int i = 0; i < 60; ++i) media_->send(protect(forger, i));
    srtp::Sender sender(key_);
    for (int i = 0; i < 20; ++i) {
        const std::string wire = protect(sender, i);
        media_->send(wire);
        media_->send(wire);
    }
    media_->send(std::string{base::as_text(packet(30))});  // in the clear
    // All of it has been read before the BYE is: the sockets are drained then.
    end();
    const json recording = only_recording();
    EXPECT_EQ(recording["streams"][0]["packets"], 20) << recording;
    const json all = everything(recording);
    const json rejected = counters(all)["rejected"];
    EXPECT_EQ(rejected["authentication"], 61) << rejected;
    EXPECT_EQ(rejected["replay"], 20) << rejected;
    EXPECT_EQ(count(all, "srtp_failing"), 1U);
    EXPECT_EQ(count(all, "srtp_restored"), 1U);
}

TEST_F(SrtpByHand, AStreamUnderAnotherKeyIsToldAsNotAuthentic) {
    begin();
    srtp::Sender forger(other_);
    for (int i = 0; i < 10; ++i) media_->send(protect(forger, i));
    end();
    const json recording = only_recording();
    EXPECT_EQ(recording["streams"][0]["packets"], 0);
    EXPECT_THAT(recording["warnings"].dump(), HasSubstr("not_authentic"));
}

TEST_F(SrtpByHand, BeforeAndAfterANewKeyAllIsRecordedAndNoKeyIsWritten) {
    begin();
    srtp::Sender before(key_);
    for (int i = 0; i < 10; ++i) media_->send(protect(before, i));
    sip_->send(in_dialog(*sip_, answer_, "INVITE", 2,
                         "Require: siprec\nContent-Type: application/sdp\n", sdp(other_, 2)));
    const std::string second = sip_->receive();
    ASSERT_THAT(second, HasSubstr("SIP/2.0 200"));
    sip_->send(in_dialog(*sip_, answer_, "ACK", 2));
    srtp::Sender after(other_);
    media_->send(protect(before, 10));  // under way
    for (int i = 11; i < 20; ++i) media_->send(protect(after, i));
    end();
    const json recording = only_recording();
    EXPECT_EQ(recording["streams"][0]["packets"], 20) << recording;
    const json all = everything(recording);
    EXPECT_EQ(count(all, "key_changed"), 1U);
    // Neither side's, in nothing that an operator can have.
    const auto at = answer_.find("inline:") + 7;
    const std::string ours = answer_.substr(at, 40);
    const auto pcap = (server_.scratch() / "all.pcap").string();
    EXPECT_EQ(server_.run({"export", recording["id"], "--format", "pcap", "-o", pcap}).exit_code,
              0);
    const std::string texts = all.dump() + read_file(pcap) + server_.log();
    for (const std::string& secret : {key_text(key_), key_text(other_), ours})
        EXPECT_THAT(texts, Not(HasSubstr(secret)));
    EXPECT_THAT(texts, HasSubstr("AES_CM_128_HMAC_SHA1_80 inline:****"));
}

TEST_F(SrtpByHand, OurReportsAreProtectedUnderTheKeyOfOurAnswer) {
    // RTCP of ours goes to the port after that of the offer: it is held open here.
    const UnconnectedSocket reports;
    std::string offer = sdp(key_, 1);
    offer.replace(offer.find("40000"), 5, std::to_string(reports.port() - 1));
    sip_->send(invite(*sip_, "srtp-reports", "application/sdp", offer));
    answer_ = sip_->receive();
    sip_->send(in_dialog(*sip_, answer_, "ACK", 1));
    const auto at = answer_.find("inline:") + 7;
    const auto material = base::parse_base64(answer_.substr(at, 40));
    ASSERT_TRUE(material);
    srtp::Receiver receiver(
        *base::SrtpMasterKey::from(base::SrtpSuite::AesCm128Sha1_80, *material));
    const std::string report = reports.receive(20'000);
    ASSERT_FALSE(report.empty());
    base::Bytes bytes(report.begin(), report.end());
    EXPECT_TRUE(receiver.unprotect_rtcp(bytes));
    end();
}

TEST_F(Srtp, E8_AnOfferWithoutAUsableKeyIsRefusedAndLeavesARow) {
    const UdpClient client(server_.sip_port());
    std::string sdp = kSdp;
    sdp.replace(sdp.find("RTP/AVP"), 7, "RTP/SAVP");
    client.send(invite(client, "no-key", "application/sdp", sdp));
    EXPECT_THAT(client.receive(), HasSubstr("SIP/2.0 488"));
    const json attempts = server_.wait_for_attempts(1);
    EXPECT_EQ(attempts[0]["reason"]["code"], "no_common_media") << attempts;
}

}  // namespace
}  // namespace earshot::integration
