// Recordings that the server begins (P-9 to P-12, P-45) with the real binary; the client is written
// by hand, so that it can refuse, ring, hang up early or be silent.
#include <gtest/gtest.h>

#include <future>

#include "integration/harness.h"
#include "integration/udp_client.h"
#include "integration/udp_service.h"

namespace earshot::integration {
namespace {

using nlohmann::json;

const std::string kPeer = "[[peer]]\nname = \"sbc\"\naddresses = [\"127.0.0.1\"]\n";

class Start : public testing::Test {
protected:
    void serve(std::vector<std::string> extra = {}) {
        ASSERT_TRUE(server_.start(std::move(extra))) << server_.log();
        client_ = std::make_unique<UdpClient>(server_.sip_port());
    }
    void serve_with(const std::string& toml) {
        const std::string file = (server_.scratch() / "earshot.toml").string();
        write_file(file, toml);
        serve({"--config", file});
    }
    void serve_with_our_password() {
        const std::string file = (server_.scratch() / "our.password").string();
        write_file(file, "rose\n");
        serve_with(kPeer + "our_username = \"recorder\"\nour_password_file = \"" + file + "\"\n");
    }
    std::string uri() const { return "sip:src@127.0.0.1:" + std::to_string(client_->port()); }
    std::future<Output> start(std::vector<std::string> extra = {}) {
        return start_at(uri(), std::move(extra));
    }
    std::future<Output> start_at(const std::string& at, std::vector<std::string> extra = {}) {
        std::vector<std::string> command = {"start", "--at", at};
        command.insert(command.end(), extra.begin(), extra.end());
        return std::async(std::launch::async, [this, command] { return server_.run(command); });
    }
    // The server's next request of that method.
    std::string receive(const std::string& method, int limit_ms = 10'000) const {
        for (;;) {
            std::string message = client_->receive(limit_ms);
            if (message.empty() || message.starts_with(method + " ")) return message;
        }
    }
    // An answer to its INVITE, with our tag and Contact.
    std::string answer(const std::string& invite, const std::string& status,
                       const std::string& headers = {}, const std::string& sdp = {}) const {
        std::string text = answer_to(invite, status,
                                     "Contact: <" + uri() + ">;+sip.src\n" + headers +
                                         (sdp.empty() ? "" : "Content-Type: application/sdp\n"));
        text.insert(text.find("\r\n", text.find("\r\nTo: ") + 2), ";tag=client");
        if (sdp.empty()) return text;
        const std::string body = crlf(sdp);
        return text.substr(0, text.find("Content-Length")) +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }
    // A request of the client in the dialog of its 2xx: From and To change places.
    std::string in_our_dialog(const std::string& invite, const std::string& method) const {
        return crlf(method + " sip:earshot@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:" +
                    std::to_string(client_->port()) + ";branch=z9hG4bKclient" + method +
                    "\nMax-Forwards: 70\nFrom: " + header_of(invite, "To") + ";tag=client\nTo: " +
                    header_of(invite, "From") + "\nCall-ID: " + header_of(invite, "Call-ID") +
                    "\nCSeq: 1 " + method + "\nContent-Length: 0\n\n");
    }
    static void send_media(const std::string& sdp) {
        const UdpClient media(
            static_cast<std::uint16_t>(std::stoi(sdp.substr(sdp.find("m=audio ") + 8))));
        for (char sequence = 0; sequence < 5; ++sequence) {
            std::string packet(172, '\xff');
            packet.replace(0, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\1", 12));
            packet[3] = sequence;
            packet[7] = static_cast<char>(sequence * 16);
            media.send(packet);
        }
    }
    // The row of the only attempt, once it has that outcome.
    json attempt(const std::string& outcome) const {
        json rows;
        EXPECT_TRUE(eventually(
            [&] {
                rows = json::parse(server_.run({"ls", "--attempts", "--json"}).out, nullptr, false);
                return rows.is_array() && rows.size() == 1 && rows[0]["outcome"] == outcome;
            },
            std::chrono::seconds{60}))
            << rows;
        return rows.is_array() && !rows.empty() ? rows[0] : json::object();
    }

    // An operator stops what a client still rings for; our CANCEL meets its 200. The INVITE.
    std::string accept_across_the_cancel() {
        const Output started = server_.run({"start", "--at", uri(), "--no-wait", "--json"});
        const std::string invite = receive("INVITE");
        client_->send(answer(invite, "180 Ringing"));
        attempt("asked");
        const std::string id = json::parse(started.out, nullptr, false).value("id", "");
        EXPECT_EQ(server_.run({"stop", id}).exit_code, 0);
        EXPECT_FALSE(receive("CANCEL").empty());
        client_->send(answer(invite, "200 OK", {}, kSdp));
        return invite;
    }

    TestServer server_;
    std::unique_ptr<UdpClient> client_;
};

TEST_F(Start, P9_P10_P12_P45_TheClientOffersInIts2xxAndTheAckAnswers) {
    serve();
    auto started = start({"--call", "call-7@pbx", "--reason", "audit"});
    const std::string invite = receive("INVITE");
    EXPECT_TRUE(invite.starts_with("INVITE " + uri() + " SIP/2.0\r\n")) << invite;
    EXPECT_EQ(header_of(invite, "Content-Length"), "0") << invite;
    EXPECT_EQ(header_of(invite, "Require"), "siprec");
    EXPECT_NE(header_of(invite, "Contact").find(">;+sip.srs"), std::string::npos) << invite;
    EXPECT_EQ(header_of(invite, "From").find("<sip:earshot@127.0.0.1:"), 0U) << invite;
    EXPECT_EQ(header_of(invite, "To"), "<" + uri() + ">");
    EXPECT_EQ(header_of(invite, "Target-Dialog"), "call-7@pbx");
    client_->send(answer(invite, "180 Ringing"));
    EXPECT_EQ(attempt("asked")["sip_status"], 0);
    client_->send(answer(invite, "200 OK", {}, kSdp));
    const std::string ack = receive("ACK");
    EXPECT_NE(ack.find("a=recvonly"), std::string::npos) << ack;
    EXPECT_NE(ack.find("a=label:1"), std::string::npos) << ack;
    const Output output = started.get();
    EXPECT_EQ(output.exit_code, 0) << output.err;
    EXPECT_NE(output.out.find("is being recorded"), std::string::npos) << output.out;
    send_media(ack);
    client_->send(answer(invite, "200 OK", {}, kSdp));  // once more: so is the ACK
    EXPECT_EQ(receive("ACK"), ack);
    client_->send(in_our_dialog(invite, "BYE"));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0];
    EXPECT_EQ(recordings[0]["streams"][0]["packets"], 5) << recordings[0];
    EXPECT_EQ(recordings[0]["headers"]["Target-Dialog"], "call-7@pbx") << recordings[0];
    const json row = attempt("recorded");
    EXPECT_EQ(row["sip_status"], 200);
    EXPECT_EQ(row["recording_id"], recordings[0]["id"]);
    const Output events =
        server_.run({"export", recordings[0]["id"], "--format", "json", "-o", "-"});
    EXPECT_NE(events.out.find("recording_requested"), std::string::npos) << events.out;
}

TEST_F(Start, AClientThatRefusesIsTheReasonOfTheRow) {
    serve();
    auto started = start();
    client_->send(answer(receive("INVITE"), "486 Busy Here"));
    const Output output = started.get();
    EXPECT_EQ(output.exit_code, 5);
    EXPECT_NE(output.err.find("The client answered 486 Busy Here."), std::string::npos)
        << output.err;
    const json row = attempt("refused");
    EXPECT_EQ(row["sip_status"], 486);
    EXPECT_EQ(row["reason"]["code"], "refused_by_client");
    EXPECT_TRUE(row["recording_id"].is_null()) << row;
    EXPECT_TRUE(server_.list().empty());
}

TEST_F(Start, ARedirectionInACircleIsNotFollowedAndToldWhereTo) {
    serve();
    auto started = start();
    client_->send(answer(receive("INVITE"), "302 Moved Temporarily"));
    EXPECT_EQ(started.get().exit_code, 5);
    const json row = attempt("refused");
    EXPECT_EQ(row["reason"]["code"], "redirected");
    EXPECT_NE(row["reason"]["text"].get<std::string>().find(uri()), std::string::npos) << row;
}

TEST_F(Start, ASilentClientIsGivenUpAfterTimerB) {
    serve();
    EXPECT_EQ(server_.run({"start", "--at", uri(), "--no-wait"}).exit_code, 0);
    const json row = attempt("failed");
    EXPECT_EQ(row["reason"]["code"], "no_response") << row;
}

TEST_F(Start, AnOfferThatCannotBeRecordedIsAnsweredInTheAckAndEndedByBye) {
    serve();
    auto started = start();
    const std::string invite = receive("INVITE");
    std::string sdp = kSdp;
    sdp.replace(sdp.find("RTP/AVP"), 7, "RTP/SAVP");
    client_->send(answer(invite, "200 OK", {}, sdp));
    EXPECT_NE(receive("ACK").find("m=audio 0 "), std::string::npos);
    EXPECT_FALSE(receive("BYE").empty());
    EXPECT_EQ(started.get().exit_code, 5);
    EXPECT_EQ(attempt("failed")["reason"]["code"], "no_common_media");
}

TEST_F(Start, StoppingTheServerCancelsWhatRings) {
    serve();
    EXPECT_EQ(server_.run({"start", "--at", uri(), "--no-wait"}).exit_code, 0);
    const std::string invite = receive("INVITE");
    client_->send(answer(invite, "180 Ringing"));
    attempt("asked");
    server_.process().signal(SIGTERM);
    const std::string cancel = receive("CANCEL");
    EXPECT_EQ(header_of(cancel, "Via"), header_of(invite, "Via"));
    client_->send(answer_to(cancel, "200 OK"));
    client_->send(answer(invite, "487 Request Terminated"));
    EXPECT_EQ(server_.stop(), 0);
    ASSERT_TRUE(server_.start()) << server_.log();
    EXPECT_EQ(attempt("cancelled")["reason"]["code"], "stopped");
}

TEST_F(Start, A2xxThatCrossesTheCancelIsAcknowledgedAndEnded) {
    serve();
    accept_across_the_cancel();
    EXPECT_FALSE(receive("ACK").empty());
    EXPECT_FALSE(receive("BYE").empty());
    EXPECT_EQ(attempt("cancelled")["reason"]["code"], "stopped_by_operator");
    EXPECT_TRUE(server_.list().empty());
}

TEST_F(Start, AnEarlyByeLeavesARowInEitherOrder) {
    serve();
    auto started = start();
    const std::string invite = receive("INVITE");
    // Both before our ACK, which waits for the row; RFC 3261 section 15 forbids it.
    client_->send(answer(invite, "200 OK", {}, kSdp));
    client_->send(in_our_dialog(invite, "BYE"));
    EXPECT_FALSE(receive("ACK").empty());
    started.get();
    json rows;
    EXPECT_TRUE(eventually([&] {
        rows = json::parse(server_.run({"ls", "--attempts", "--json"}).out, nullptr, false);
        return rows.is_array() && rows.size() == 1 &&
               (rows[0]["outcome"] == "failed" || rows[0]["outcome"] == "recorded");
    })) << rows;
}

TEST_F(Start, ACrashWhileTheClientRingsLeavesNoRowWithoutAnOutcome) {
    serve();
    EXPECT_EQ(server_.run({"start", "--at", uri(), "--no-wait"}).exit_code, 0);
    EXPECT_FALSE(receive("INVITE").empty());
    attempt("asked");
    server_.kill();
    ASSERT_TRUE(server_.start()) << server_.log();
    EXPECT_EQ(attempt("failed")["reason"]["code"], "interrupted");
}

TEST_F(Start, OnlyAConfiguredPeerIsAskedAndOnlyByAUri) {
    const std::string file = (server_.scratch() / "earshot.toml").string();
    write_file(file, "[[peer]]\nname = \"sbc\"\naddresses = [\"192.0.2.1\"]\n");
    serve({"--config", file});
    const Output stranger = server_.run({"start", "--at", uri()});
    EXPECT_EQ(stranger.exit_code, 5);
    EXPECT_NE(stranger.err.find("[[peer]]"), std::string::npos) << stranger.err;
    EXPECT_EQ(server_.run({"start", "--at", "nonsense"}).exit_code, 2);
    // It listens on IPv4 alone.
    EXPECT_EQ(server_.run({"start", "--at", "sip:src@[::1]:9"}).exit_code, 2);
    EXPECT_EQ(server_.run({"start", "--at", uri(), "--call", "a b"}).exit_code, 5);
    EXPECT_TRUE(client_->receive(300).empty());
}

// ---- rules ------------------------------------------------------------------------------------

TEST_F(Start, P42_ARuleThatWillHoldInAnyCaseDeclinesBeforeTheClientIsAsked) {
    serve_with(kPeer + "[[rule]]\nname = \"never-sbc\"\npeer = \"sbc\"\naction = \"decline\"\n");
    EXPECT_EQ(start().get().exit_code, 5);
    const json row = attempt("declined");
    EXPECT_EQ(row["reason"]["code"], "declined_by_rule");
    EXPECT_NE(row["reason"]["text"].get<std::string>().find("never-sbc"), std::string::npos);
    EXPECT_EQ(row["sip_status"], 0);
    EXPECT_TRUE(client_->receive(300).empty());
}

TEST_F(Start, P42_ARuleAboutTheCallIsAskedWhenTheClientHasOffered) {
    serve_with(
        "[[rule]]\nname = \"sales\"\nheader = { X-Department = \"sales\" }\naction = "
        "\"decline\"\ncode = 480\n"
        "[[rule]]\nname = \"no-audio-2\"\naction = \"streams\"\nstreams = [{ label = \"2\" }]\n");
    auto declined = start();
    const std::string invite = receive("INVITE");
    client_->send(answer(invite, "200 OK", "X-Department: sales\n", kSdp));
    EXPECT_NE(receive("ACK").find("m=audio 0 "), std::string::npos);
    EXPECT_EQ(header_of(receive("BYE"), "Reason"), "SIP;cause=480");
    EXPECT_EQ(declined.get().exit_code, 5);
    const json row = attempt("declined");
    EXPECT_NE(row["reason"]["text"].get<std::string>().find("\"sales\""), std::string::npos) << row;
    EXPECT_TRUE(server_.list().empty());

    auto started = start();
    const std::string second = receive("INVITE");
    client_->send(answer(second, "200 OK", "X-Department: support\n",
                         std::string(kSdp) + "m=audio 40002 RTP/AVP 0\na=sendonly\na=label:2\n"));
    const std::string ack = receive("ACK");
    EXPECT_NE(ack.find("m=audio 0 "), std::string::npos) << ack;
    EXPECT_NE(ack.find("a=recvonly"), std::string::npos) << ack;
    EXPECT_EQ(started.get().exit_code, 0);
}

// ---- where it goes ----------------------------------------------------------------------------

TEST_F(Start, ANameIsLookedUpAndADeadTargetPassedOver) {  // RFC 3263
    ScriptedDns dns;
    serve_with("[sip]\ndns_servers = \"127.0.0.1:" + std::to_string(dns.port()) + "\"\n");
    std::uint16_t dead_port = 0;
    ::close(bind_loopback(dead_port));
    dns.naptr("src.test", 10, "SIP+D2T", "_sip._tcp.src.test");
    dns.naptr("src.test", 20, "SIP+D2U", "_sip._udp.src.test");
    dns.srv("_sip._tcp.src.test", 0, dead_port, "host.src.test");
    dns.srv("_sip._udp.src.test", 0, client_->port(), "host.src.test");
    dns.loopback("host.src.test");
    dns.start();
    auto started = start_at("sip:src@src.test");
    const std::string invite = receive("INVITE");
    EXPECT_TRUE(invite.starts_with("INVITE sip:src@src.test SIP/2.0\r\n")) << invite;
    client_->send(answer(invite, "200 OK", {}, kSdp));
    send_media(receive("ACK"));
    EXPECT_EQ(started.get().exit_code, 0) << server_.log();
    const json row = attempt("recording");
    EXPECT_EQ(row["peer"], "127.0.0.1:" + std::to_string(client_->port())) << row;
    EXPECT_EQ(row["direction"], "outgoing");
    client_->send(in_our_dialog(invite, "BYE"));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    EXPECT_EQ(recordings[0]["streams"][0]["packets"], 5) << recordings[0];
    const Output shown = server_.run({"show", recordings[0]["id"]});
    EXPECT_NE(shown.out.find("us (earshot start)"), std::string::npos) << shown.out;
    EXPECT_NE(server_.run({"ls", "--attempts"}).out.find("us, to <sip:src@src.test>"),
              std::string::npos);
}

TEST_F(Start, ANameThatLeadsNowhereOrToUsIsTheReasonOfTheRow) {
    ScriptedDns dns;
    serve_with("[sip]\ndns_servers = \"127.0.0.1:" + std::to_string(dns.port()) + "\"\n");
    dns.loopback("self.test");
    dns.start();
    EXPECT_EQ(start_at("sip:src@nowhere.test").get().exit_code, 5);
    EXPECT_EQ(attempt("failed")["reason"]["code"], "not_located");
    const Output self = start_at("sip:src@self.test:" + std::to_string(server_.sip_port())).get();
    EXPECT_EQ(self.exit_code, 5);
    EXPECT_NE(self.err.find("this server itself"), std::string::npos) << self.err;
}

TEST_F(Start, ASilentDnsIsGivenUpAfterItsTime) {
    const ScriptedDns silent;  // bound, never started
    serve_with("[sip]\ndns_servers = \"127.0.0.1:" + std::to_string(silent.port()) + "\"\n");
    EXPECT_EQ(start_at("sip:src@src.test").get().exit_code, 5);
    const json row = attempt("failed");
    EXPECT_EQ(row["reason"]["code"], "not_located");
    EXPECT_EQ(row["peer"], "src.test:5060");
    EXPECT_NE(row["reason"]["text"].get<std::string>().find("in time"), std::string::npos) << row;
}

TEST_F(Start, WhatIsFoundBeforeTheDnsFallsSilentIsEnough) {
    ScriptedDns dns;
    serve_with("[sip]\ndns_servers = \"127.0.0.1:" + std::to_string(dns.port()) + "\"\n");
    dns.naptr("src.test", 10, "SIP+D2U", "_sip._udp.src.test");
    dns.naptr("src.test", 20, "SIP+D2T", "_sip._tcp.src.test");
    dns.srv("_sip._udp.src.test", 0, client_->port(), "host.src.test");
    dns.loopback("host.src.test");
    dns.silence("_sip._tcp.src.test");
    dns.start();
    auto started = start_at("sip:src@src.test");
    client_->send(answer(receive("INVITE"), "200 OK", {}, kSdp));
    EXPECT_FALSE(receive("ACK").empty());
    EXPECT_EQ(started.get().exit_code, 0);
}

TEST_F(Start, TheServerItselfIsNotAsked) {
    serve();
    for (const char* transport : {"", ";transport=tcp"}) {
        const Output self =
            start_at("sip:x@127.0.0.1:" + std::to_string(server_.sip_port()) + transport).get();
        EXPECT_EQ(self.exit_code, 2);
        EXPECT_NE(self.err.find("this server itself"), std::string::npos) << self.err;
    }
}

TEST_F(Start, ARedirectionIsFollowedWithTheSameCall) {  // RFC 3261 section 8.1.3.4
    serve();
    auto started = start();
    const std::string first = receive("INVITE");
    const UdpClient other(server_.sip_port());
    const std::string contact = "sip:src@127.0.0.1:" + std::to_string(other.port());
    client_->send(answer_to(first, "302 Moved Temporarily", "Contact: <" + contact + ">\n"));
    std::string second = other.receive();
    EXPECT_TRUE(second.starts_with("INVITE " + contact + " ")) << second;
    for (const char* same : {"Call-ID", "From", "To"})
        EXPECT_EQ(header_of(second, same), header_of(first, same));
    EXPECT_EQ(header_of(second, "CSeq"), "2 INVITE");
    other.send(answer(second, "200 OK", {}, kSdp));
    EXPECT_FALSE(receive("ACK").empty());  // where the Contact of the 2xx leads
    EXPECT_EQ(started.get().exit_code, 0);
    EXPECT_EQ(attempt("recording")["peer"], "127.0.0.1:" + std::to_string(other.port()));
}

TEST_F(Start, ARedirectionToAStrangerIsNotFollowed) {
    serve_with(kPeer);
    auto started = start();
    client_->send(
        answer_to(receive("INVITE"), "302 Moved Temporarily", "Contact: <sip:src@192.0.2.66>\n"));
    EXPECT_EQ(started.get().exit_code, 5);
    const json row = attempt("refused");
    EXPECT_EQ(row["sip_status"], 302);
    EXPECT_EQ(row["reason"]["code"], "redirected");
    const std::string text = row["reason"]["text"];
    EXPECT_NE(text.find("sip:src@192.0.2.66"), std::string::npos) << text;
    EXPECT_NE(text.find("in no [[peer]]"), std::string::npos) << text;
}

// ---- who asks ---------------------------------------------------------------------------------

constexpr const char* kChallenge =
    "WWW-Authenticate: Digest realm=\"sbc\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\n";

TEST_F(Start, AClientThatWantsAPasswordGetsIt) {
    serve_with_our_password();
    auto started = start();
    client_->send(answer(receive("INVITE"), "401 Unauthorized", kChallenge));
    const std::string second = receive("INVITE");
    EXPECT_EQ(header_of(second, "CSeq"), "2 INVITE");
    const std::string value = header_of(second, "Authorization");
    EXPECT_NE(
        value.find("username=\"recorder\", realm=\"sbc\", nonce=\"n1\", uri=\"" + uri() + "\""),
        std::string::npos)
        << second;
    client_->send(answer(second, "200 OK", {}, kSdp));
    EXPECT_EQ(header_of(receive("ACK"), "Authorization"), value);
    EXPECT_EQ(started.get().exit_code, 0);
    const json row = attempt("recording");
    EXPECT_EQ(row["sip_status"], 200);
    // So do the requests that follow in its dialog.
    EXPECT_EQ(server_.run({"stop", row["recording_id"]}).exit_code, 0);
    client_->send(answer_to(receive("BYE"), "401 Unauthorized", kChallenge));
    const std::string bye = receive("BYE");
    EXPECT_NE(header_of(bye, "Authorization").find("username=\"recorder\""), std::string::npos)
        << bye;
    client_->send(answer_to(bye, "200 OK"));
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U);
}

TEST_F(Start, TheByeToALate2xxGetsItToo) {
    serve_with_our_password();
    const std::string invite = accept_across_the_cancel();
    client_->send(answer_to(receive("BYE"), "401 Unauthorized", kChallenge));
    const std::string bye = receive("BYE");
    EXPECT_NE(header_of(bye, "Authorization").find("username=\"recorder\""), std::string::npos)
        << bye;
    client_->send(answer_to(bye, "200 OK"));
}

TEST_F(Start, WithoutOurPasswordTheReasonNamesTheKeyThatGivesIt) {
    serve_with(kPeer);
    auto started = start();
    client_->send(answer(receive("INVITE"), "401 Unauthorized", kChallenge));
    EXPECT_EQ(started.get().exit_code, 5);
    const json row = attempt("refused");
    EXPECT_EQ(row["reason"]["code"], "password_needed");
    EXPECT_NE(row["reason"]["text"].get<std::string>().find("our_password_file"),
              std::string::npos);
}

TEST_F(Start, A2xxWithoutReadableSdpIsNoRecording) {
    serve();
    auto started = start();
    client_->send(answer(receive("INVITE"), "200 OK", {}, "v=0\n"));
    EXPECT_FALSE(receive("ACK").empty());
    EXPECT_FALSE(receive("BYE").empty());
    EXPECT_EQ(started.get().exit_code, 5);
    EXPECT_EQ(attempt("failed")["reason"]["code"], "bad_sdp");
    EXPECT_TRUE(server_.list().empty());
}

}  // namespace
}  // namespace earshot::integration
