// SIP around a recorded call, message by message, against the real binary: session timers (RFC
// 4028), digest (RFC 7616).
#include <gtest/gtest.h>

#include <set>

#include <csignal>

#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

class SipSession : public testing::Test {
protected:
    // Starts the server with this configuration file.
    void serve(const std::string& toml) {
        const auto file = server_.scratch() / "earshot.toml";
        write_file(file, toml);
        ASSERT_TRUE(server_.start({"--config", file.string()})) << server_.log();
        client_ = std::make_unique<UdpClient>(server_.sip_port());
    }
    // The final answer to an INVITE with these headers; a 200 is acknowledged.
    std::string call(const std::string& call_id, const std::string& headers = {}) {
        client_->send(invite(*client_, call_id, "application/sdp", kSdp, headers));
        std::string answer = receive_answer("INVITE");
        if (status_of(answer) != 200) return answer;
        client_->send(in_dialog(*client_, answer, "ACK", 1));
        send_media(answer);
        return answer;
    }
    // A tenth of a second of silence, so that there is something to keep.
    static void send_media(const std::string& answer) {
        const UdpClient media(
            static_cast<std::uint16_t>(std::stoi(answer.substr(answer.find("m=audio ") + 8))));
        for (char sequence = 0; sequence < 5; ++sequence) {
            std::string packet(172, '\xff');
            packet.replace(0, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\1", 12));
            packet[3] = sequence;
            packet[7] = static_cast<char>(sequence * 16);
            media.send(packet);
        }
    }
    static int status_of(const std::string& answer) {
        return answer.starts_with("SIP/2.0 ") ? std::stoi(answer.substr(8, 3)) : 0;
    }
    // The next answer to a request of that method; requests of the server are answered 200.
    std::string receive_answer(const std::string& method) const {
        for (;;) {
            std::string message = client_->receive();
            if (message.empty()) return message;
            if (!message.starts_with("SIP/2.0"))
                client_->send(answer_to(message, "200 OK"));
            else if (header_of(message, "CSeq").ends_with(" " + method))
                return message;
        }
    }
    // The next request of that method; others are answered 200.
    std::string receive_request(const std::string& method) const {
        for (;;) {
            std::string message = client_->receive(10'000);
            if (message.empty() || message.starts_with(method + " ")) return message;
            if (!message.starts_with("SIP/2.0")) client_->send(answer_to(message, "200 OK"));
        }
    }
    void expect_cut(const std::string& code) const {
        const nlohmann::json recordings = server_.wait_for_recordings(1);
        ASSERT_EQ(recordings.size(), 1U) << server_.log();
        EXPECT_EQ(recordings[0]["state"], "partial") << recordings[0];
        EXPECT_EQ(recordings[0]["reason"]["code"], code) << recordings[0];
        EXPECT_FALSE(recordings[0]["reason"]["text"].get<std::string>().empty());
    }

    TestServer server_;
    std::unique_ptr<UdpClient> client_;
};

const char* const kShortTimer = "[sip]\nmin_se_s = 2\nsession_expires_s = 60\n";

TEST_F(SipSession, E21_AClientThatDoesNotRefreshGetsByeAndACutRecording) {
    serve(kShortTimer);
    const std::string answer = call("norefresh", "Supported: timer\nSession-Expires: 3\n");
    ASSERT_EQ(status_of(answer), 200) << answer;
    EXPECT_EQ(header_of(answer, "Session-Expires"), "3;refresher=uac");
    const std::string bye = receive_request("BYE");
    ASSERT_FALSE(bye.empty()) << server_.log();
    client_->send(answer_to(bye, "200 OK"));
    expect_cut("session_expired");
}

TEST_F(SipSession, E21_ARefreshThatIsAnswered481EndsTheRecording) {
    serve(kShortTimer);
    const std::string answer = call("lost", "Supported: timer\nSession-Expires: 2;refresher=uas\n");
    ASSERT_EQ(status_of(answer), 200) << answer;
    const std::string first = receive_request("UPDATE");
    EXPECT_EQ(header_of(first, "Session-Expires"), "2;refresher=uac");
    EXPECT_EQ(header_of(first, "Content-Length"), "0");
    client_->send(answer_to(first, "200 OK", "Session-Expires: 2;refresher=uac\n"));
    std::string second = receive_request("UPDATE");
    // After 5 s it asks for metadata in between, by an UPDATE with a body (E-5).
    while (!second.empty() && header_of(second, "Content-Length") != "0") {
        client_->send(answer_to(second, "200 OK", "Session-Expires: 2;refresher=uac\n"));
        second = receive_request("UPDATE");
    }
    ASSERT_FALSE(second.empty()) << server_.log();
    client_->send(answer_to(second, "481 Call/Transaction Does Not Exist"));
    EXPECT_FALSE(receive_request("BYE").empty());
    expect_cut("session_lost");
}

TEST_F(SipSession, ASilentClientWithoutTimersIsAskedAndLosesTheCallThatItDoesNotKnow) {
    serve("[sip]\nprobe_silent_s = 1\n");
    ASSERT_EQ(status_of(call("silent")), 200);
    const std::string first = receive_request("OPTIONS");
    ASSERT_FALSE(first.empty()) << server_.log();
    client_->send(answer_to(first, "405 Method Not Allowed"));
    const std::string second = receive_request("OPTIONS");
    ASSERT_FALSE(second.empty()) << server_.log();
    client_->send(answer_to(second, "481 Call/Transaction Does Not Exist"));
    EXPECT_FALSE(receive_request("BYE").empty());
    expect_cut("session_lost");
}

TEST_F(SipSession, ATooShortIntervalIsRefusedWith422AndLeavesARow) {
    serve("");
    const std::string answer = call("short", "Supported: timer\nSession-Expires: 60\n");
    EXPECT_EQ(status_of(answer), 422) << answer;
    EXPECT_EQ(header_of(answer, "Min-SE"), "90");
    const auto attempts = server_.wait_for_attempts(1);
    ASSERT_EQ(attempts.size(), 1U) << attempts;
    EXPECT_EQ(attempts[0]["reason"]["code"], "session_interval_too_small");
}

TEST_F(SipSession, P125_E22_AStrangerIsAdmittedByDigestAndHisPasswordIsWrittenNowhere) {
    const auto right = server_.scratch() / "right";
    const auto wrong = server_.scratch() / "wrong";
    write_file(right, "correct-horse-tulip\n");
    write_file(wrong, "wrong-horse-rose\n");
    serve(
        "[log]\nlevel = \"debug\"\n[[peer]]\nname = \"branch\"\nusername = \"branch\"\n"
        "password_file = \"" +
        right.string() + "\"\n");
    const auto place = [&](const std::string& password_file) {
        const Output call =
            server_.run({"call", "--to", server_.sip_uri(), "--duration", "1", "--json", "--user",
                         "branch", "--password-file", password_file});
        return nlohmann::json::parse(call.out)[0]["sip_status"].get<int>();
    };
    EXPECT_EQ(place(wrong), 401);
    EXPECT_EQ(place(right), 200) << server_.log();
    const nlohmann::json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U);
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0];
    // A challenge and its answer are one attempt: a wrong password, and a recording.
    const auto attempts = server_.wait_for_attempts(2);
    ASSERT_EQ(attempts.size(), 2U) << attempts;
    EXPECT_EQ(attempts[0]["outcome"], "recorded") << attempts;
    EXPECT_EQ(attempts[1]["outcome"], "refused") << attempts;
    EXPECT_EQ(attempts[1]["reason"]["code"], "wrong_credentials") << attempts;
    // Neither the password nor what is made of it is kept.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(server_.data())) {
        if (!entry.is_regular_file()) continue;
        const std::string bytes = read_file(entry.path());
        EXPECT_EQ(bytes.find("correct-horse"), std::string::npos) << entry.path();
        EXPECT_EQ(bytes.find("response=\""), std::string::npos) << entry.path();
    }
    EXPECT_EQ(server_.log().find("horse"), std::string::npos);
}

TEST_F(SipSession, E22_AChallengeThatNobodyAnswersIsSeenAndIsNoRefusal) {
    const auto password = server_.scratch() / "password";
    write_file(password, "tulip\n");
    serve(
        "[[peer]]\nname = \"branch\"\nusername = \"branch\"\n"
        "password_file = \"" +
        password.string() + "\"\n");
    EXPECT_EQ(status_of(call("stranger")), 401);
    const auto attempts = server_.wait_for_attempts(1);
    ASSERT_EQ(attempts.size(), 1U) << attempts;
    EXPECT_EQ(attempts[0]["outcome"], "challenged");
    EXPECT_EQ(attempts[0]["sip_status"], 401);
    EXPECT_NE(server_.run({"doctor"}).out.find("0 INVITEs were refused since the start"),
              std::string::npos);
}

TEST_F(SipSession, E19_InvitesThatTheTransactionLayerAnswersLeaveRows) {
    serve("");
    ASSERT_EQ(status_of(call("first")), 200);
    // The same INVITE by another way, and one of a dialog that the server does not know (any more).
    std::string merged = invite(*client_, "first", "application/sdp", kSdp);
    merged.replace(merged.find("z9hG4bKfirst"), 12, "z9hG4bKother");
    client_->send(merged);
    EXPECT_EQ(status_of(receive_answer("INVITE")), 482);
    std::string lost = invite(*client_, "lost", "application/sdp", kSdp);
    lost.replace(lost.find("To: <sip:recorder@127.0.0.1>"), 28,
                 "To: <sip:recorder@127.0.0.1>;tag=gone");
    client_->send(lost);
    EXPECT_EQ(status_of(receive_answer("INVITE")), 481);
    nlohmann::json attempts;  // the first one still records
    EXPECT_TRUE(eventually([&] {
        attempts = nlohmann::json::parse(server_.run({"ls", "--attempts", "--json"}).out);
        return attempts.size() == 3;
    })) << attempts;
    std::set<std::string> codes;  // two rows of one millisecond stand in any order
    for (const auto& attempt : attempts)
        if (attempt["reason"].is_object()) codes.insert(attempt["reason"]["code"]);
    EXPECT_EQ(codes, (std::set<std::string>{"merged", "no_such_dialog"})) << attempts;
    EXPECT_NE(server_.run({"doctor"}).out.find("INVITEs were refused since the start"),
              std::string::npos);
}

TEST_F(SipSession, AClientThatRequires100relIsRecordedAndItsStrayPrackGets481) {
    serve("");
    const std::string answer = call("reliable", "Require: 100rel\n");
    ASSERT_EQ(status_of(answer), 200) << answer;
    EXPECT_NE(header_of(answer, "Allow").find("PRACK"), std::string::npos);
    client_->send(in_dialog(*client_, answer, "PRACK", 2, "RAck: 1 1 INVITE\n"));
    EXPECT_EQ(status_of(receive_answer("PRACK")), 481);
    client_->send(in_dialog(*client_, answer, "BYE", 3));
    EXPECT_EQ(status_of(receive_answer("BYE")), 200);
    const nlohmann::json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0];
}

TEST_F(SipSession, E18_ARefreshThatMetTheirsComesAgain) {
    serve(kShortTimer);
    const std::string answer =
        call("glare", "Supported: timer\nSession-Expires: 8;refresher=uas\n");
    ASSERT_EQ(status_of(answer), 200) << answer;
    const std::string first = receive_request("UPDATE");
    ASSERT_FALSE(first.empty()) << server_.log();
    client_->send(answer_to(first, "491 Request Pending"));
    const std::string second = receive_request("UPDATE");
    ASSERT_FALSE(second.empty()) << server_.log();
    EXPECT_NE(header_of(second, "CSeq"), header_of(first, "CSeq"));
    client_->send(answer_to(second, "200 OK", "Session-Expires: 8;refresher=uac\n"));
}

TEST_F(SipSession, E17_ByReloadNewCallsAndProbesAreSentElsewhereAndRunningCallsGoOn) {
    const auto file = server_.scratch() / "earshot.toml";
    serve("");
    const auto probe = [&](const std::string& number) {
        std::string options = invite(*client_, "probe" + number, "application/sdp", "");
        options.replace(0, 6, "OPTIONS");
        options.replace(options.find("CSeq: 1 INVITE"), 14, "CSeq: 1 OPTIONS");
        client_->send(options);
        return receive_answer("OPTIONS");
    };
    EXPECT_EQ(status_of(probe("1")), 200);
    const std::string running = call("before");
    ASSERT_EQ(status_of(running), 200);

    write_file(file, "[sip]\nredirect_to = \"sip:rec2.example.com\"\n");
    server_.process().signal(SIGHUP);
    ASSERT_TRUE(eventually(
        [&] { return server_.log().find("configuration reloaded") != std::string::npos; }));
    const std::string moved = call("moved");
    EXPECT_EQ(status_of(moved), 302) << moved;
    EXPECT_EQ(header_of(moved, "Contact"), "<sip:rec2.example.com>");
    const std::string elsewhere = probe("2");
    EXPECT_EQ(status_of(elsewhere), 302);
    EXPECT_EQ(header_of(elsewhere, "Contact"), "<sip:rec2.example.com>");
    client_->send(in_dialog(*client_, running, "BYE", 2));
    EXPECT_EQ(status_of(receive_answer("BYE")), 200);
    const nlohmann::json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U);
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0];
    const auto attempts = server_.wait_for_attempts(2);
    ASSERT_EQ(attempts.size(), 2U) << attempts;
    EXPECT_EQ(attempts[0]["reason"]["code"], "redirected") << attempts;
}

}  // namespace
}  // namespace earshot::integration
