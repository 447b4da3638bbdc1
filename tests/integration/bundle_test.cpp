// Several lines on one port (BUNDLE, RFC 9143) against the real server: a client by hand, in the
// clear and keyed by DTLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "integration/harness.h"
#include "integration/media_peer.h"
#include "integration/udp_client.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"
#include "rtp/rtp_packet.h"
#include "sdp/fingerprint.h"
#include "sdp/session_description.h"
#include "srtp/dtls_endpoint.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint8_t kMidExtension = 4;

base::TimePoint now() { return std::chrono::steady_clock::now(); }

class BundleByHand : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(server_.start()) << server_.log();
        sip_ = std::make_unique<UdpClient>(server_.sip_port());
    }

    // A line `mid` with the label of the same name, at the port of `peer` or, where there is none,
    // for the group alone.
    static std::string line(const std::string& mid, const MediaPeer* peer, int type,
                            const std::string& more = {}, const std::string& proto = "RTP/AVP",
                            const std::string& direction = "sendonly") {
        return "m=audio " + std::to_string(peer == nullptr ? 0 : peer->port()) + " " + proto + " " +
               std::to_string(type) + "\na=rtpmap:" + std::to_string(type) +
               " PCMU/8000\na=" + direction + "\na=rtcp-mux\na=label:" + mid + "\na=mid:" + mid +
               "\na=extmap:" + std::to_string(kMidExtension) +
               " urn:ietf:params:rtp-hdrext:sdes:mid\n" +
               (peer == nullptr ? "a=bundle-only\n" : "") + more;
    }
    std::string offer(const std::string& group, const std::string& lines) {
        return "v=0\no=- 1 " + std::to_string(++version_) +
               " IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n" +
               (group.empty() ? "" : "a=group:BUNDLE " + group + "\n") + lines;
    }
    void begin(const std::string& group, const std::string& lines) {
        sip_->send(invite(*sip_, "bundle-by-hand", "application/sdp", offer(group, lines)));
        answer_ = sip_->receive();
        ASSERT_THAT(answer_, HasSubstr("SIP/2.0 200"));
        sip_->send(in_dialog(*sip_, answer_, "ACK", 1));
        first_answer_ = answer_;
    }
    void offer_again(const std::string& group, const std::string& lines) {
        const int cseq = version_ + 1;
        sip_->send(in_dialog(*sip_, first_answer_, "INVITE", cseq,
                             "Require: siprec\nContent-Type: application/sdp\n",
                             offer(group, lines)));
        answer_ = sip_->receive();
        ASSERT_THAT(answer_, HasSubstr("SIP/2.0 200"));
        sip_->send(in_dialog(*sip_, first_answer_, "ACK", cseq));
    }
    std::vector<std::uint16_t> ports() const {
        std::vector<std::uint16_t> all;
        const auto at = answer_.find("\r\n\r\n");
        const auto sdp = sdp::parse(std::string_view{answer_}.substr(at + 4));
        if (!sdp) return all;
        for (const auto& medium : sdp->media) all.push_back(medium.port);
        return all;
    }

    // A second of a voice whose samples are `ssrc`, with the MID in its packets unless it is empty.
    base::Bytes packet(std::uint32_t ssrc, int type, int number, const std::string& mid) const {
        base::Bytes bytes;
        rtp::RtpHeader header;
        header.payload_type = static_cast<std::uint8_t>(type);
        header.sequence = static_cast<std::uint16_t>(number);
        header.timestamp = static_cast<std::uint32_t>(number) * 160;
        header.ssrc = ssrc;
        rtp::write_rtp(header, {}, bytes);
        if (!mid.empty()) {
            bytes[0] |= 0x10U;
            base::append_u16(bytes, 0xbede);
            base::append_u16(bytes, 1);
            bytes.push_back(static_cast<std::uint8_t>(kMidExtension << 4U | (mid.size() - 1)));
            base::append(bytes, base::as_bytes(mid));
            bytes.resize(20);
        }
        bytes.resize(bytes.size() + 160, static_cast<std::uint8_t>(ssrc));
        return bytes;
    }
    void speak(const MediaPeer& peer, std::uint32_t ssrc, int type, int from, int to,
               const std::string& mid = {}) {
        for (int i = from; i < to; ++i) {
            base::Bytes bytes = packet(ssrc, type, i, mid);
            if (sender_) {
                const std::size_t size = bytes.size();
                bytes.resize(size + sender_->rtp_overhead());
                ASSERT_TRUE(sender_->protect_rtp(bytes, size));
            }
            peer.send(bytes);
        }
    }
    // Until the handshake is done.
    void shake_hands(const MediaPeer& peer) {
        const auto at = answer_.find("a=fingerprint:") + 14;
        const auto theirs =
            sdp::parse_fingerprint(answer_.substr(at, answer_.find("\r\n", at) - at));
        ASSERT_TRUE(theirs);
        srtp::DtlsEndpoint endpoint(ours_, srtp::DtlsRole::Client, {*theirs});
        endpoint.start(now());
        const base::TimePoint give_up = now() + std::chrono::seconds(60);
        while (endpoint.state() == srtp::DtlsState::Handshaking && now() < give_up) {
            while (const auto out = endpoint.poll_datagram()) peer.send(*out);
            const base::Bytes datagram = peer.receive(100);
            if (!datagram.empty() && datagram[0] >= 20 && datagram[0] <= 63)
                endpoint.on_datagram(now(), datagram);
            endpoint.on_time(now());
        }
        while (const auto out = endpoint.poll_datagram()) peer.send(*out);
        const auto keys = endpoint.take_keys();
        ASSERT_TRUE(keys);
        sender_.emplace(keys->ours);
        receiver_.emplace(keys->theirs);
    }
    // Sources that the server's reports of our media name, until there are so many.
    std::set<std::uint32_t> hear_reports(const MediaPeer& peer, std::size_t count) {
        std::set<std::uint32_t> heard;
        const base::TimePoint give_up = now() + std::chrono::seconds(40);
        while (heard.size() < count && now() < give_up) {
            base::Bytes bytes = peer.receive(1000);
            if (bytes.size() < 2 || bytes[0] < 128) continue;
            if (receiver_) {
                const auto size = receiver_->unprotect_rtcp(bytes);
                if (!size) continue;
                bytes.resize(*size);
            }
            const auto packets = rtp::parse_rtcp(bytes);
            if (!packets) continue;
            for (const rtp::RtcpPacket& one : *packets)
                if (const auto* report = std::get_if<rtp::ReceiverReport>(&one))
                    for (const rtp::ReportBlock& block : report->reports) heard.insert(block.ssrc);
        }
        return heard;
    }

    // Says BYE; what is known of the only recording.
    void end() {
        sip_->send(in_dialog(*sip_, first_answer_, "BYE", 99));
        EXPECT_THAT(sip_->receive(), HasSubstr("SIP/2.0 200"));
        const json list = server_.wait_for_recordings(1);
        ASSERT_TRUE(list.is_array() && list.size() == 1) << list << server_.log();
        recording_ = list[0];
        const auto file = (server_.scratch() / "all.json").string();
        EXPECT_EQ(
            server_.run({"export", recording_["id"], "--format", "json", "-o", file}).exit_code, 0);
        all_ = json::parse(read_file(file), nullptr, false);
    }
    json stream(const std::string& label) const {
        for (const json& one : recording_["streams"])
            if (one["label"] == label) return one;
        return json::object();
    }
    std::vector<json> events(std::string_view type) const {
        std::vector<json> found;
        for (const json& event : all_["events"])
            if (event["type"] == type) found.push_back(event);
        return found;
    }

    TestServer server_;
    srtp::DtlsIdentity ours_ = *srtp::DtlsIdentity::make(
        std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now()));
    MediaPeer first_;
    MediaPeer second_;
    std::unique_ptr<UdpClient> sip_;
    std::optional<srtp::Sender> sender_;
    std::optional<srtp::Receiver> receiver_;
    std::string answer_;
    std::string first_answer_;
    int version_ = 0;
    json recording_;
    json all_;
};

TEST_F(BundleByHand, LinesOfOneTransportAreSortedByMidAndEachIsItsOwnStream) {
    const std::string dtls =
        "a=setup:actpass\na=fingerprint:" + sdp::to_string(ours_.fingerprint()) + "\n";
    const std::string proto = "UDP/TLS/RTP/SAVPF";
    begin("a b", line("a", &first_, 0, dtls, proto) + line("b", nullptr, 0, dtls, proto));
    EXPECT_THAT(answer_, HasSubstr("\r\na=group:BUNDLE a b\r\n"));
    ASSERT_EQ(ports().size(), 2U);
    EXPECT_EQ(ports()[0], ports()[1]);
    first_.connect(ports()[0]);
    shake_hands(first_);
    ASSERT_TRUE(sender_);
    for (int i = 0; i < 20; ++i) {
        speak(first_, 7, 0, i, i + 1, i < 3 ? "a" : "");
        speak(first_, 8, 0, i, i + 1, i < 3 ? "b" : "");
    }
    speak(first_, 9, 0, 0, 1, "x");  // of no line
    EXPECT_THAT(hear_reports(first_, 2), ElementsAre(7U, 8U));
    end();
    for (const char* label : {"a", "b"}) {
        EXPECT_EQ(stream(label)["packets"], 20) << recording_;
        EXPECT_EQ(stream(label)["lost"], 0) << recording_;
        EXPECT_EQ(stream(label)["suite"], "AEAD_AES_256_GCM") << recording_;
    }
    EXPECT_EQ(events("dtls_connected").size(), 2U);  // of each line
    ASSERT_EQ(events("source_assigned").size(), 2U);
    EXPECT_EQ(events("source_assigned")[0]["by"], "mid");
    ASSERT_EQ(events("packets_rejected").size(), 1U) << all_["events"];
    EXPECT_EQ(events("packets_rejected")[0]["cause"], "unassigned");
}

TEST_F(BundleByHand, APausedLineIsNotRecordedWhileTheOtherIs) {
    begin("a b", line("a", &first_, 0) + line("b", nullptr, 96));
    first_.connect(ports().at(0));
    speak(first_, 7, 0, 0, 10, "a");
    speak(first_, 8, 96, 0, 10, "b");
    offer_again("a b", line("a", &first_, 0) + line("b", nullptr, 96, {}, "RTP/AVP", "inactive"));
    EXPECT_EQ(ports().at(0), ports().at(1));
    speak(first_, 7, 0, 10, 20);
    speak(first_, 8, 96, 10, 20);
    std::this_thread::sleep_for(
        std::chrono::milliseconds(400));  // the pause lasts as long as the gap
    offer_again("a b", line("a", &first_, 0) + line("b", nullptr, 96));
    speak(first_, 7, 0, 20, 30);
    speak(first_, 8, 96, 20, 30);
    end();
    EXPECT_EQ(stream("a")["packets"], 30) << recording_;
    EXPECT_EQ(stream("b")["packets"], 20) << recording_;
    EXPECT_EQ(stream("b")["lost"], 0) << recording_;
    EXPECT_TRUE(stream("a")["gaps"].empty()) << recording_;
    ASSERT_EQ(stream("b")["gaps"].size(), 1U) << recording_;
    EXPECT_EQ(stream("b")["gaps"][0]["reason"], "paused") << all_["events"];
}

TEST_F(BundleByHand, TheTaggedLineLeavesWhatIsUnderWayIsTakenAndItsStreamGoesOn) {
    begin("a b", line("a", &first_, 0) + line("b", &second_, 96));
    const std::uint16_t shared = ports().at(0);
    first_.connect(shared);
    speak(first_, 7, 0, 0, 10, "a");
    speak(first_, 8, 96, 0, 10, "b");
    offer_again("b", line("a", &second_, 0) + line("b", &first_, 96));
    EXPECT_EQ(ports().at(1), shared);
    EXPECT_NE(ports().at(0), shared);
    second_.connect(ports().at(0));
    speak(first_, 7, 0, 10, 15, "a");  // under way to the old port
    speak(second_, 7, 0, 15, 25);
    speak(first_, 8, 96, 10, 20);
    // And all of it without BUNDLE.
    offer_again("", line("a", &second_, 0) + line("b", &first_, 96));
    EXPECT_EQ(ports().at(1), shared);
    speak(first_, 8, 96, 20, 30);
    end();
    ASSERT_EQ(recording_["streams"].size(), 2U) << recording_;
    EXPECT_EQ(stream("a")["packets"], 25) << recording_ << all_["events"];
    EXPECT_EQ(stream("b")["packets"], 30) << recording_ << all_["events"];
    EXPECT_TRUE(events("packets_rejected").empty()) << all_["events"];
    EXPECT_TRUE(events("stream_removed").size() <= 2U);
}

TEST_F(BundleByHand, ALineJoinsAGroupThatRunsAndLinesThatRanApartShareAPort) {
    begin("", line("a", &first_, 0) + line("b", &second_, 96));
    const auto apart = ports();
    first_.connect(apart.at(0));
    second_.connect(apart.at(1));
    speak(first_, 7, 0, 0, 10);
    speak(second_, 8, 96, 0, 10);
    offer_again("a b c", line("a", &first_, 0) + line("b", nullptr, 96) + line("c", nullptr, 97));
    EXPECT_THAT(ports(), ElementsAre(apart[0], apart[0], apart[0]));
    speak(first_, 7, 0, 10, 20);
    speak(first_, 8, 96, 10, 20);  // its source is known
    speak(first_, 9, 97, 0, 10);
    end();
    EXPECT_EQ(stream("a")["packets"], 20) << recording_ << all_["events"];
    EXPECT_EQ(stream("b")["packets"], 20) << recording_ << all_["events"];
    EXPECT_EQ(stream("c")["packets"], 10) << recording_ << all_["events"];
    EXPECT_TRUE(events("packets_rejected").empty()) << all_["events"];
}

TEST_F(BundleByHand, TwoMovesInARowLoseNothingOfWhatWaitsAtThePortBefore) {
    begin("", line("a", &first_, 0) + line("b", &second_, 96));
    const auto apart = ports();
    first_.connect(apart.at(0));
    second_.connect(apart.at(1));
    speak(first_, 7, 0, 0, 10);
    speak(second_, 8, 96, 0, 10);
    offer_again("a b", line("a", &first_, 0) + line("b", nullptr, 96));
    speak(second_, 8, 96, 10, 20);  // under way to the port of before
    offer_again("", line("a", &first_, 0) + line("b", &second_, 96));
    second_.connect(ports().at(1));
    speak(second_, 8, 96, 20, 30);
    end();
    EXPECT_EQ(stream("a")["packets"], 10) << recording_ << all_["events"];
    EXPECT_EQ(stream("b")["packets"], 30) << recording_ << all_["events"];
}

TEST_F(BundleByHand, WhereNothingTellsThePacketsApartNoneIsLostAndItIsTold) {
    const auto without = [](std::string text) {
        text.erase(text.find("a=extmap"),
                   text.find('\n', text.find("a=extmap")) + 1 - text.find("a=extmap"));
        return text;
    };
    begin("a b z", without(line("a", &first_, 0)) + without(line("b", nullptr, 0)));
    EXPECT_EQ(ports().at(0), ports().at(1));
    first_.connect(ports()[0]);
    for (int i = 0; i < 20; ++i) {
        speak(first_, 7, 0, i, i + 1);
        speak(first_, 8, 0, i, i + 1);
    }
    end();
    EXPECT_EQ(stream("a")["packets"], 20) << recording_ << all_["events"];
    EXPECT_EQ(stream("b")["packets"], 20) << recording_ << all_["events"];
    ASSERT_EQ(events("source_assigned").size(), 2U);
    EXPECT_EQ(events("source_assigned")[0]["by"], "order");
    EXPECT_THAT(all_.dump(), HasSubstr("bundle_shared_payload_type"));
    EXPECT_THAT(all_.dump(), HasSubstr("bundle_unknown_mid"));
}

}  // namespace
}  // namespace earshot::integration
