// Chats that are recorded (MSRP), by the real binary: a client by hand offers m=message, sends
// messages in all the ways that RFC 4975 allows and some that it does not, and reads afterwards
// what was kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integration/msrp_call.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Msrp = MsrpCall;

TEST_F(Msrp, AChatIsAnsweredRecordedAndReceipted) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("12"));
    EXPECT_THAT(answer_, HasSubstr(" TCP/MSRP *\r\n"));
    EXPECT_THAT(answer_, HasSubstr("a=setup:passive\r\n"));
    EXPECT_THAT(answer_, HasSubstr("a=recvonly\r\n"));
    EXPECT_THAT(answer_, HasSubstr("a=label:12\r\n"));
    EXPECT_THAT(answer_, HasSubstr("a=max-size:104857600\r\n"));
    MsrpPeer peer(path());
    peer.send({.message_id = "empty001", .type = {}});  // binds (RFC 4975 section 5.4)
    EXPECT_EQ(peer.status(), "200");
    const std::string body =
        cpim("Ana <sip:ana@desk.example>", "<sip:ben@desk.example>", "Hello <b>Ben</b>");
    peer.send({.range = "1-" + std::to_string(body.size()) + "/" + std::to_string(body.size()),
               .headers = "Success-Report: yes\r\n",
               .type = "message/cpim",
               .content = body});
    EXPECT_EQ(peer.status(), "200");
    const std::string report = peer.receive();
    EXPECT_THAT(report, HasSubstr(" REPORT\r\n"));
    EXPECT_THAT(report, HasSubstr("Message-ID: msg00001\r\n"));
    EXPECT_THAT(report, HasSubstr("Status: 000 200"));

    const json recording = hang_up();
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1) << server_.log();
    ASSERT_EQ(recording["streams"].size(), 1U);
    EXPECT_EQ(recording["streams"][0]["media"], "message");
    EXPECT_EQ(recording["streams"][0]["messages"], 1);
    const json texts = messages(recording["id"], "text");
    ASSERT_EQ(texts.size(), 1U) << chat(recording["id"]).dump(1);
    EXPECT_EQ(texts[0]["text"], "Hello <b>Ben</b>");
    EXPECT_EQ(texts[0]["from"]["uri"], "sip:ana@desk.example");
    EXPECT_EQ(texts[0]["from"]["name"], "Ana");
    EXPECT_EQ(texts[0]["to"][0]["uri"], "sip:ben@desk.example");
    EXPECT_EQ(texts[0]["state"], "complete");
    EXPECT_EQ(texts[0]["date_time"], "2026-03-02T14:06:11.250Z");
    EXPECT_THAT(exported(recording["id"], "txt"), HasSubstr("] Ana: Hello <b>Ben</b>\n"));
    EXPECT_EQ(server_.run({"verify", recording["id"]}).exit_code, 0);
    const std::string shown = server_.run({"show", recording["id"]}).out;
    EXPECT_THAT(shown, HasSubstr("MESSAGES"));
    EXPECT_THAT(shown, HasSubstr("--format txt -o chat.txt"));
    const Output played = server_.run({"play", recording["id"]});
    EXPECT_EQ(played.exit_code, 3);
    EXPECT_THAT(played.err, HasSubstr("Nothing of this recording can be heard."));
    EXPECT_THAT(played.err, HasSubstr("--format txt"));
}

// What people read is counted, while it runs and afterwards; what became of it stands beside it.
TEST_F(Msrp, OnlyWhatIsShownIsCounted) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("12"));
    MsrpPeer peer(path());
    const auto send = [&](const std::string& id, const std::string& type, const std::string& text) {
        peer.send({.message_id = id, .type = type, .content = text});
        EXPECT_EQ(peer.status(), "200");
    };
    const std::string ana = "From: <sip:ana@desk.example>\r\nTo: <sip:ben@desk.example>\r\n";
    const std::string ben = "From: <sip:ben@desk.example>\r\nTo: <sip:ana@desk.example>\r\n";
    const std::string wrapper =
        "NS: rs <urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3>\r\nrs.Content: ";
    const std::string wrapped = "application/msrp-recording";
    send("msg00001", wrapped,
         ana + wrapper +
             "send\r\nrs.Message-ID: cs00001\r\n\r\nContent-Type: text/plain\r\n\r\nHello");
    send("msg00002", wrapped,
         ben + wrapper +
             "msrp\r\n\r\nContent-Type: message/msrp\r\n\r\nMSRP report01 REPORT\r\n"
             "Message-ID: cs00001\r\nStatus: 000 413 Too large\r\n-------report01$\r\n");
    send("msg00003", "application/im-iscomposing+xml", "<isComposing/>");
    send("msg00004", "message/cpim",
         cpim("<sip:ana@desk.example>", "<sip:ben@desk.example>", "<imdn/>", "message/imdn+xml"));
    send("msg00005", "text/plain", "Bye");
    json live;
    EXPECT_TRUE(eventually([&] {
        live = server_.list()[0];
        return live["streams"][0]["messages"] == 2;
    })) << live.dump(1);
    EXPECT_EQ(live["state"], "recording");
    EXPECT_THAT(server_.run({"ls"}).out, HasSubstr("  chat  "));
    const json recording = hang_up();
    EXPECT_EQ(recording["streams"][0]["messages"], 2) << recording.dump(1);
    const std::string transcript = exported(recording["id"], "txt");
    EXPECT_THAT(transcript, HasSubstr("ana (failed for ben: 413): Hello\n"));
    EXPECT_THAT(transcript, HasSubstr(": Bye\n"));
    EXPECT_THAT(transcript, Not(HasSubstr("REPORT")));
}

TEST_F(Msrp, ChunksInAnyOrderOverlappingAndRepeatedMakeOneMessage) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("1"));
    MsrpPeer peer(path());
    const auto send = [&](const std::string& transaction, const std::string& range,
                          const std::string& content, char flag) {
        peer.send({.transaction = transaction, .range = range, .content = content, .flag = flag});
        EXPECT_EQ(peer.status(), "200");
    };
    send("tid00001", "7-11/11", "world", '$');  // the last one first
    send("tid00002", "1-4/11", "Hell", '+');
    send("tid00003", "1-4/11", "Hell", '+');  // again
    send("tid00004", "3-6/11", "LLo ", '+');  // over what was there: the last one wins
    const std::string id = hang_up()["id"];
    const json texts = messages(id, "text");
    ASSERT_EQ(texts.size(), 1U) << chat(id).dump(1);
    EXPECT_EQ(texts[0]["text"], "HeLLo world");
    EXPECT_EQ(texts[0]["state"], "complete");
    EXPECT_EQ(texts[0]["conflict"], true);
}

TEST_F(Msrp, WhatIsGivenUpOrNeverFinishedIsKeptAndSaidSo) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("1"));
    MsrpPeer peer(path());
    peer.send({.transaction = "tid00001",
               .message_id = "gone0001",
               .range = "1-*/100",
               .content = "I take this back",
               .flag = '#'});
    EXPECT_EQ(peer.status(), "200");
    peer.send({.transaction = "tid00002",
               .message_id = "half0001",
               .range = "1-*/100",
               .content = "half of",
               .flag = '+'});
    EXPECT_EQ(peer.status(), "200");
    // A terabyte is promised, five octets come from far behind.
    peer.send({.transaction = "tid00003",
               .message_id = "huge0001",
               .range = "1099511627776-1099511627780/*",
               .content = "bytes",
               .flag = '+'});
    EXPECT_EQ(peer.status(), "413");
    const json recording = hang_up();
    const json all = chat(recording["id"])["messages"];
    ASSERT_EQ(all.size(), 3U) << all.dump(1);
    EXPECT_EQ(all[0]["state"], "aborted");
    EXPECT_EQ(all[0]["text"], "I take this back");
    EXPECT_EQ(all[1]["state"], "lost");
    EXPECT_EQ(all[1]["text"], "half of");
    EXPECT_EQ(all[2]["state"], "too_large");
    EXPECT_EQ(recording["warnings"][0]["code"], "messages_incomplete") << recording.dump(1);
}

TEST_F(Msrp, SessionsAreMatchedAndStrangersAreRefused) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("1") + chat_line("2"));
    MsrpPeer peer(path(0));
    peer.send({.content = "one"});
    EXPECT_EQ(peer.status(), "200");
    // The other session over the same connection (RFC 4975 section 5.4).
    peer.send_to(path(1).uri, {.message_id = "msg00002", .content = "two"});
    EXPECT_EQ(peer.status(), "200");
    peer.send_to("msrp://127.0.0.1:" + std::to_string(path().port) + "/guessed;tcp",
                 {.content = "x"});
    EXPECT_EQ(peer.status(), "481");
    peer.send({.method = "AUTH", .message_id = {}, .type = {}});
    EXPECT_EQ(peer.status(), "501");
    peer.send({.method = "NICKNAME",
               .message_id = {},
               .headers = "Use-Nickname: \"ana\"\r\n",
               .type = {}});
    EXPECT_EQ(peer.status(), "501");
    // A session belongs to one connection as long as that lives.
    MsrpPeer thief(path(0));
    thief.send({.message_id = "msg00003", .content = "stolen"});
    EXPECT_EQ(thief.status(), "506");
    peer.send({.message_id = "msg00004", .headers = "Failure-Report: no\r\n", .content = "quiet"});
    peer.send({.transaction = "last0001", .message_id = "msg00005", .content = "last"});
    EXPECT_THAT(peer.receive(), StartsWith("MSRP last0001 200"));
    const std::string id = hang_up()["id"];
    std::vector<std::string> texts;
    for (const json& message : messages(id, "text"))
        texts.push_back(message["text"].get<std::string>());
    EXPECT_THAT(texts, testing::ElementsAre("one", "two", "quiet", "last"));
}

TEST_F(Msrp, AStreamOfOctetsThatIsNoMsrpIsClosed) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("1"));
    MsrpPeer stranger(path());
    stranger.send_text("GET / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(stranger.is_closed());
    MsrpPeer peer(path());
    peer.send({.content = "still here"});
    EXPECT_EQ(peer.status(), "200");
    EXPECT_EQ(messages(hang_up()["id"], "text").size(), 1U);
}

TEST_F(Msrp, WhatIsPausedIsAnsweredAndStoredNowhere) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("1"));
    MsrpPeer peer(path());
    peer.send({.transaction = "tid00001",
               .message_id = "cut00001",
               .range = "1-*/*",
               .content = "before ",
               .flag = '+'});
    EXPECT_EQ(peer.status(), "200");
    client_->send(in_dialog(*client_, answer_, "INVITE", 2, "Content-Type: application/sdp\n",
                            chat_sdp(chat_line("1", {}, "inactive"))));
    ASSERT_THAT(client_->receive(), HasSubstr("a=inactive"));
    client_->send(in_dialog(*client_, answer_, "ACK", 2));
    peer.send({.transaction = "tid00002",
               .message_id = "cut00001",
               .range = "8-*/*",
               .content = "PLANTED-MARKER-1",
               .flag = '$'});
    EXPECT_EQ(peer.status(), "200");
    peer.send({.transaction = "tid00003", .message_id = "msg00002", .content = "PLANTED-MARKER-2"});
    EXPECT_EQ(peer.status(), "200");
    client_->send(in_dialog(*client_, answer_, "INVITE", 3, "Content-Type: application/sdp\n",
                            chat_sdp(chat_line("1"))));
    ASSERT_THAT(client_->receive(), HasSubstr("a=recvonly"));
    client_->send(in_dialog(*client_, answer_, "ACK", 3));
    peer.send({.transaction = "tid00004", .message_id = "msg00003", .content = "after"});
    EXPECT_EQ(peer.status(), "200");
    const std::string id = hang_up()["id"];
    const json texts = messages(id, "text");
    ASSERT_EQ(texts.size(), 2U) << chat(id).dump(1);
    EXPECT_EQ(texts[0]["text"], "before ");
    EXPECT_EQ(texts[0]["state"], "cut");
    EXPECT_EQ(texts[1]["text"], "after");
    EXPECT_THAT(exported(id, "chat"), Not(HasSubstr("PLANTED")));
}

TEST_F(Msrp, AWrappedPrivateMessageKeepsBothOfItsEnvelopes) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("13", "a=chatroom:nickname private-messages\n"));
    MsrpPeer peer(path());
    const std::string inner = cpim("<sip:ana@desk.example>", "<sip:ben@desk.example>", "psst");
    const std::string body =
        "From: <sip:ana@desk.example>\r\nTo: <sip:room@conf.example>\r\nDateTime: "
        "2026-03-02T14:06:11.250Z\r\nNS: rs "
        "<urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3>\r\nrs.Content: "
        "send\r\nrs.Message-ID: 8cT91kQz\r\nrs.Nickname: ana_r\r\n\r\nContent-Type: "
        "message/cpim\r\n\r\n" +
        inner;
    peer.send({.type = "application/msrp-recording", .content = body});
    EXPECT_EQ(peer.status(), "200");
    const std::string drop =
        "NS: rs <urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3>\r\nrs.Content: "
        "drop\r\nrs.Message-ID: big00001\r\nrs.Size: 900000000\r\n\r\n\r\n";
    peer.send({.message_id = "msg00002",
               .type = "application/msrp-recording",
               .content = drop,
               .flag = '#'});
    EXPECT_EQ(peer.status(), "200");
    const std::string id = hang_up()["id"];
    const json texts = messages(id, "text");
    ASSERT_EQ(texts.size(), 1U) << chat(id).dump(1);
    EXPECT_EQ(texts[0]["text"], "psst");
    EXPECT_EQ(texts[0]["private"], true);
    EXPECT_EQ(texts[0]["nickname"], "ana_r");
    EXPECT_EQ(texts[0]["cs_message_id"], "8cT91kQz");
    EXPECT_EQ(texts[0]["to"][0]["uri"], "sip:ben@desk.example");
    const json notices = messages(id, "notice");
    ASSERT_EQ(notices.size(), 1U) << chat(id).dump(1);
    EXPECT_EQ(notices[0]["dropped_size"], 900000000);
}

TEST_F(Msrp, AKilledServerKeepsWhatItReceipted) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("1"));
    MsrpPeer peer(path());
    peer.send({.headers = "Success-Report: yes\r\n", .content = "kept"});
    EXPECT_EQ(peer.status(), "200");
    ASSERT_THAT(peer.receive(), HasSubstr("Status: 000 200"));
    server_.kill();
    ASSERT_TRUE(server_.start()) << server_.log();
    const json recording = this->recording();
    EXPECT_EQ(recording["state"], "partial") << recording.dump(1);
    EXPECT_EQ(recording["reason"]["code"], "interrupted");
    const json texts = messages(recording["id"], "text");
    ASSERT_EQ(texts.size(), 1U);
    EXPECT_EQ(texts[0]["text"], "kept");
}

TEST_F(Msrp, ALineThatCannotBeTakenIsRefusedWithItsReason) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string no_path = "m=message 9999 TCP/MSRP *\na=accept-types:*\na=label:2\n";
    const std::string bent =
        "m=message 9999 TCP/MSRP *\na=path:msrp://192.0.2.1:7000/x;tcp\na=accept-types:*\n"
        "a=label:3\n";
    const std::string over_tls =
        "m=message 9999 TCP/TLS/MSRP *\na=path:msrps://127.0.0.1:9999/x;tcp\na=accept-types:*\n"
        "a=label:4\n";
    call(chat_line("1") + no_path + bent + over_tls);
    EXPECT_THAT(answer_, HasSubstr("m=message 0 TCP/MSRP *\r\na=label:2\r\n"));
    EXPECT_THAT(answer_, HasSubstr("m=message 0 TCP/MSRP *\r\na=label:3\r\n"));
    EXPECT_THAT(answer_, HasSubstr("m=message 0 TCP/TLS/MSRP *\r\na=label:4\r\n"));
    const std::string id = hang_up()["id"];
    const std::string events = exported(id, "json");
    for (const char* reason : {"no_path", "path_changed", "no_tls"})
        EXPECT_THAT(events, HasSubstr("\"reason\":\"" + std::string(reason) + "\""));
}

// The selector tells the file's own size; CPIM around it is no part of that.
TEST_F(Msrp, AFileInCpimMayBeLongerThanTheFileByItsHead) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string file(3000, 'x');
    call(chat_line("7",
                   "a=file-selector:name:\"plan.txt\" type:text/plain size:3000\n"
                   "a=file-transfer-id:bX2c\n"));
    MsrpPeer peer(path());
    const std::string body = cpim("<sip:ana@desk.example>", "<sip:ben@desk.example>", file);
    peer.send({.range = "1-" + std::to_string(body.size()) + "/" + std::to_string(body.size()),
               .type = "message/cpim",
               .content = body});
    EXPECT_EQ(peer.status(), "200");
    // Not more than that: the selector is what the parties agreed about.
    peer.send(
        {.message_id = "msg00002", .range = "1-100000/100000", .content = "much", .flag = '+'});
    EXPECT_EQ(peer.status(), "413");
    const json recording = hang_up();
    const json files = chat(recording["id"])["messages"];
    ASSERT_EQ(files.size(), 2U) << files.dump(1);
    EXPECT_EQ(files[0]["kind"], "file");
    EXPECT_EQ(files[0]["state"], "complete");
    EXPECT_EQ(files[0]["announced_octets"], 3000);
    EXPECT_EQ(files[0]["octets"].get<int>() - files[0]["content_at"].get<int>(), 3000);
    EXPECT_EQ(files[1]["state"], "too_large");
}

// The usual port is somebody else's: calls are recorded, chats refused, and an operator can see
// why.
TEST_F(Msrp, WithoutItsListenerAChatIsRefusedAndDoctorTellsIt) {
    const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(2855);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // Where it fails, another program has the port: which is as good.
    static_cast<void>(::bind(taken, reinterpret_cast<sockaddr*>(&at), sizeof at));
    static_cast<void>(::listen(taken, 1));
    ASSERT_TRUE(server_.start({}, {"EARSHOT_MSRP_LISTEN="})) << server_.log();
    const Output doctor = server_.run({"doctor"});
    EXPECT_THAT(doctor.out, HasSubstr("messages")) << doctor.err;
    EXPECT_THAT(doctor.out, HasSubstr("(no_listener)"));

    client_.emplace(server_.sip_port());
    client_->send(invite(*client_, "chat", "application/sdp", chat_sdp(chat_line("12"))));
    EXPECT_THAT(client_->receive(), StartsWith("SIP/2.0 488"));
    const json attempts = server_.wait_for_attempts(1);
    ASSERT_EQ(attempts.size(), 1U);
    EXPECT_EQ(attempts[0]["outcome"], "refused");
    EXPECT_EQ(attempts[0]["reason"]["code"], "no_listener");
    EXPECT_THAT(server_.run({"ls", "--attempts"}).out,
                HasSubstr("The listener for messages (MSRP) could not be opened"));
    ::close(taken);
}

// Fifty megabytes in the pieces that a client sends, one of them late: what comes out is the same.
TEST_F(Msrp, AFileIsKeptWholeAndReadBackByItsNumber) {
    ASSERT_TRUE(server_.start()) << server_.log();
    std::string file;
    while (file.size() < 50U << 20) file += std::to_string(file.size() * 2654435761U) + "\n";
    const std::string size = std::to_string(file.size());
    call(chat_line("7", "a=file-selector:name:\"..%2F..%2Fplan.pdf\" type:application/pdf size:" +
                            size + " hash:sha-1:00:11\na=file-transfer-id:bX2c\n"));
    EXPECT_THAT(answer_, HasSubstr("a=file-transfer-id:bX2c\r\n"));
    EXPECT_THAT(answer_, Not(HasSubstr("hash")));
    MsrpPeer peer(path());
    const std::size_t late = 1U << 20;
    const auto send = [&](std::size_t from, std::size_t to, char flag) {
        peer.send({.transaction = "tid" + std::to_string(10'000'000 + from),
                   .range = std::to_string(from + 1) + "-*/" + size,
                   .headers = "Success-Report: yes\r\nFailure-Report: partial\r\n",
                   .type = "application/pdf",
                   .content = file.substr(from, to - from),
                   .flag = flag});
    };
    send(0, late, '+');
    send(2 * late, file.size(), '$');
    send(late, 2 * late, '+');
    EXPECT_THAT(peer.receive(30'000), HasSubstr("Status: 000 200")) << server_.log();
    const json recording = hang_up();
    EXPECT_EQ(recording["state"], "complete");
    const json files = messages(recording["id"], "file");
    ASSERT_EQ(files.size(), 1U) << chat(recording["id"]).dump(1);
    EXPECT_EQ(files[0]["octets"], file.size());
    EXPECT_EQ(files[0]["announced"][0]["matches"], false);
    EXPECT_EQ(files[0]["sha256"].get<std::string>().size(), 64U);
    const Output out = server_.run({"export", recording["id"], "--message",
                                    std::to_string(files[0]["message"].get<int>()), "-o", "-"});
    EXPECT_EQ(out.exit_code, 0) << out.err;
    EXPECT_TRUE(out.out == file) << out.out.size();
}

// That somebody writes (RFC 3994), and what became of a message (RFC 5438), are events of the chat
// and no lines of it.
TEST_F(Msrp, ThatSomebodyIsWritingIsKeptAndIsNoLine) {
    ASSERT_TRUE(server_.start()) << server_.log();
    call(chat_line("1"));
    MsrpPeer peer(path());
    const std::string composing =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><isComposing "
        "xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state><contenttype>"
        "text/plain</contenttype><refresh>60</refresh></isComposing>";
    peer.send({.transaction = "tid00001",
               .message_id = "type0001",
               .type = "message/cpim",
               .content = cpim("<sip:ana@desk.example>", "<sip:ben@desk.example>", composing,
                               "application/im-iscomposing+xml")});
    EXPECT_EQ(peer.status(), "200");
    peer.send({.transaction = "tid00002",
               .message_id = "type0002",
               .type = "application/im-iscomposing+xml",
               .content = composing});
    EXPECT_EQ(peer.status(), "200");
    peer.send({.transaction = "tid00003",
               .message_id = "msg00001",
               .type = "message/cpim",
               .content = cpim("<sip:ana@desk.example>", "<sip:ben@desk.example>", "done")});
    EXPECT_EQ(peer.status(), "200");
    const std::string id = hang_up()["id"];
    const json events = messages(id, "composing");
    ASSERT_EQ(events.size(), 2U) << chat(id).dump(1);
    EXPECT_EQ(events[0]["from"]["uri"], "sip:ana@desk.example");
    EXPECT_EQ(events[0]["state"], "complete");
    EXPECT_EQ(messages(id, "text").size(), 1U);
    const std::string transcript = exported(id, "txt");
    EXPECT_THAT(transcript, HasSubstr("done\n"));
    EXPECT_THAT(transcript, Not(HasSubstr("iscomposing")));
    EXPECT_THAT(transcript, Not(HasSubstr("isComposing")));
}

}  // namespace
}  // namespace earshot::integration
