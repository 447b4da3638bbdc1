// An operator pauses, resumes and stops running recordings (P-35, P-42, E-20, E-25) with the real
// binary; the client is written by hand, so that it can refuse.
#include <gtest/gtest.h>

#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

class OperatorControl : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(server_.start()) << server_.log();
        client_ = std::make_unique<UdpClient>(server_.sip_port());
        client_->send(invite(*client_, "controlled", "application/sdp", kSdp));
        answer_ = client_->receive();
        ASSERT_TRUE(answer_.starts_with("SIP/2.0 200")) << answer_;
        client_->send(in_dialog(*client_, answer_, "ACK", 1));
        media_ = std::make_unique<UdpClient>(
            static_cast<std::uint16_t>(std::stoi(answer_.substr(answer_.find("m=audio ") + 8))));
        id_ = server_.list().at(0).at("id");
    }
    // 5 packets of 20 ms.
    void send_media() {
        for (int i = 0; i < 5; ++i, ++sequence_) {
            std::string packet(172, '\xff');
            packet.replace(0, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\1", 12));
            packet[3] = static_cast<char>(sequence_);
            packet[6] = static_cast<char>((sequence_ * 160) >> 8);
            packet[7] = static_cast<char>(sequence_ * 160);
            media_->send(packet);
        }
    }
    nlohmann::json show() const {
        return nlohmann::json::parse(server_.run({"show", id_, "--json"}).out, nullptr, false);
    }
    bool has_packets(int count) const {
        return eventually([&] { return show()["streams"][0]["packets"] == count; });
    }
    // The server's next request of that method: read, answered with `status` and `body`.
    std::string answer_request(const std::string& method, const std::string& status,
                               const std::string& sdp = {}) {
        for (;;) {
            std::string request = client_->receive(10'000);
            if (request.empty()) return request;
            if (request.starts_with("SIP/2.0")) continue;
            // One that was sent again before it was answered.
            if (header_of(request, "CSeq") == answered_) continue;
            if (!request.starts_with(method + " ")) {
                if (!request.starts_with("ACK ")) client_->send(answer_to(request, "200 OK"));
                continue;
            }
            std::string answer = answer_to(request, status);
            if (!sdp.empty()) {
                const std::string own = "127.0.0.1:" + std::to_string(client_->port());
                answer.replace(answer.find("Content-Length: 0"), 21,
                               "Contact: <sip:client@" + own + ">;+sip.src\r\n" +
                                   "Content-Type: application/sdp\r\nContent-Length: " +
                                   std::to_string(crlf(sdp).size()) + "\r\n\r\n" + crlf(sdp));
            }
            client_->send(answer);
            answered_ = header_of(request, "CSeq");
            return request;
        }
    }
    static std::string sdp_with(const std::string& direction) {
        std::string sdp = kSdp;
        return sdp.replace(sdp.find("sendonly"), 8, direction);
    }
    void hang_up() const { client_->send(in_dialog(*client_, answer_, "BYE", 9)); }
    nlohmann::json events() const {
        const Output exported = server_.run({"export", id_, "--format", "json", "-o", "-"});
        return nlohmann::json::parse(exported.out, nullptr, false)
            .value("events", nlohmann::json::array());
    }
    nlohmann::json event(const std::string& type) const {
        for (const auto& one : events())
            if (one.value("type", "") == type) return one;
        return nullptr;
    }

    TestServer server_;
    std::unique_ptr<UdpClient> client_;
    std::unique_ptr<UdpClient> media_;
    std::string answer_;
    std::string id_;
    std::string answered_;  // CSeq of the server's last request that was answered
    int sequence_ = 0;
};

TEST_F(OperatorControl, P42_PauseIsInactiveAndResumeRecvonlyAndTheGapHasItsReason) {
    send_media();
    ASSERT_TRUE(has_packets(5)) << show();
    const Output paused = server_.run({"pause", id_, "--reason", "card number"});
    EXPECT_EQ(paused.exit_code, 0) << paused.err;
    const std::string pause = answer_request("INVITE", "200 OK", sdp_with("inactive"));
    EXPECT_NE(pause.find("a=inactive"), std::string::npos) << pause;
    EXPECT_NE(header_of(pause, "Contact").find("+sip.srs"), std::string::npos) << pause;
    EXPECT_TRUE(eventually([&] { return show()["operator_pause"]["client"] == "agreed"; }))
        << show();
    send_media();  // a client that sends all the same
    EXPECT_EQ(server_.run({"resume", id_}).exit_code, 0);
    const std::string resume = answer_request("INVITE", "200 OK", kSdp);
    EXPECT_NE(resume.find("a=recvonly"), std::string::npos) << resume;
    EXPECT_TRUE(eventually([&] { return show()["operator_pause"].is_null(); })) << show();
    send_media();
    EXPECT_TRUE(has_packets(10)) << show();
    hang_up();
    const nlohmann::json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0];
    EXPECT_EQ(recordings[0]["streams"][0]["packets"], 10) << recordings[0];
    EXPECT_EQ(event("recording_paused").value("reason", ""), "card number") << events();
    EXPECT_EQ(event("recording_paused").value("access", ""), "token");
    EXPECT_EQ(event("control_answered").value("refused", true), false);
    EXPECT_FALSE(event("recording_resumed").is_null());
    const std::string shown = server_.run({"show", id_}).out;
    EXPECT_NE(shown.find("recording_paused"), std::string::npos) << shown;
    EXPECT_NE(shown.find("card number"), std::string::npos) << shown;
}

TEST_F(OperatorControl, E25_APauseThatTheClientRefusesHoldsByDiscarding) {
    send_media();
    ASSERT_TRUE(has_packets(5)) << show();
    EXPECT_EQ(server_.run({"pause", id_}).exit_code, 0);
    EXPECT_FALSE(answer_request("INVITE", "405 Method Not Allowed").empty());
    EXPECT_TRUE(eventually([&] { return show()["operator_pause"]["client"] == "refused"; }))
        << show();
    EXPECT_NE(server_.run({"show", id_}).out.find("the client refused it with 405"),
              std::string::npos)
        << server_.run({"show", id_}).out;
    send_media();
    hang_up();
    const nlohmann::json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    EXPECT_EQ(recordings[0]["streams"][0]["packets"], 5) << recordings[0];
    EXPECT_EQ(event("control_answered").value("refused", false), true) << events();
    EXPECT_EQ(event("control_answered").value("status", 0), 405);
}

TEST_F(OperatorControl, E18_AClientThatAnswers491ForeverIsDiscardedToo) {
    send_media();
    ASSERT_TRUE(has_packets(5)) << show();
    EXPECT_EQ(server_.run({"pause", id_, "--reason", "card"}).exit_code, 0);
    for (int i = 0; i < 6; ++i)
        ASSERT_FALSE(answer_request("INVITE", "491 Request Pending").empty()) << i;
    EXPECT_TRUE(eventually([&] { return show()["operator_pause"]["client"] == "refused"; }))
        << show();
    send_media();
    hang_up();
    const nlohmann::json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    EXPECT_EQ(recordings[0]["streams"][0]["packets"], 5) << recordings[0];
    EXPECT_EQ(event("control_answered").value("status", 0), 491) << events();
}

TEST_F(OperatorControl, P43_StopsOneStreamByPortZero) {
    send_media();
    ASSERT_TRUE(has_packets(5)) << show();
    EXPECT_EQ(server_.run({"stop", id_, "--stream", "9"}).exit_code, 5);
    const Output stopped = server_.run({"stop", id_, "--stream", "1"});
    EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
    std::string sdp = kSdp;
    sdp.replace(sdp.find("40000"), 5, "0");
    const std::string offer = answer_request("INVITE", "200 OK", sdp);
    EXPECT_NE(offer.find("m=audio 0 "), std::string::npos) << offer;
    send_media();
    hang_up();
    const nlohmann::json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0];
    EXPECT_EQ(recordings[0]["streams"][0]["packets"], 5) << recordings[0];
    const nlohmann::json& gaps = recordings[0]["streams"][0]["gaps"];
    ASSERT_FALSE(gaps.empty()) << recordings[0];
    EXPECT_EQ(gaps.back()["reason"], "dropped") << gaps;
    EXPECT_EQ(gaps.back()["start_ms"].get<int>() + gaps.back()["duration_ms"].get<int>(),
              recordings[0]["duration_ms"])
        << recordings[0];
    EXPECT_EQ(event("stream_stopped").value("stream", -1), 0) << events();
    EXPECT_FALSE(event("stream_removed").is_null());
}

TEST_F(OperatorControl, E20_StopIsByeAlsoForAClientThatAnswersIt405) {
    send_media();
    ASSERT_TRUE(has_packets(5)) << show();
    const Output stopped = server_.run({"stop", id_, "--reason", "no consent", "--json"});
    EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
    EXPECT_EQ(nlohmann::json::parse(stopped.out)["id"], id_);
    EXPECT_FALSE(answer_request("BYE", "405 Method Not Allowed").empty());
    const nlohmann::json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    EXPECT_EQ(recordings[0]["state"], "partial");
    EXPECT_EQ(recordings[0]["reason"]["code"], "stopped_by_operator") << recordings[0];
    // It runs no more.
    for (const char* verb : {"pause", "resume", "stop"})
        EXPECT_EQ(server_.run({verb, id_}).exit_code, 5) << verb;
}

TEST_F(OperatorControl, WhatIsNotThereIsNotFound) {
    EXPECT_EQ(server_.run({"pause", "01900000-0000-7000"}).exit_code, 3);
    EXPECT_EQ(server_.run({"stop", "short"}).exit_code, 2);
}

}  // namespace
}  // namespace earshot::integration
