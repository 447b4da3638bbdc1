// The chat room of a conference whose focus is the recording client (RFC 7701), by the real
// binaries: phones that chat alone, what they get, and what a recording server keeps of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "integration/agent_phone.h"
#include "integration/harness.h"
#include "integration/msrp_peer.h"
#include "io/tls_test_authority.h"
#include "sdp/fingerprint.h"
#include "sdp/message_media.h"
#include "sdp/session_description.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A phone in the room: its dialog and its session.
struct Guest {
    AgentPhone* phone = nullptr;
    std::string own{};
    std::string told{};  // the answer to its INVITE
    sip::DialogId dialog{};
    std::optional<MsrpPeer> chat{};
    std::optional<MsrpTlsPeer> tls{};  // instead
    std::string lines{};               // of the client
    int sent = 0;

    void send(const MsrpChunk& chunk) { tls ? tls->send(chunk) : chat->send(chunk); }
    std::string receive(int limit_ms) {
        return tls ? tls->receive(limit_ms) : chat->receive(limit_ms);
    }
};

// How a phone comes; without an identity in the clear.
struct Arrival {
    std::string chatroom = "nickname private-messages";
    std::vector<sip::ExtraHeader> headers{};
    const io::TlsIdentity* identity = nullptr;
    std::string more{};  // lines behind that of the chat
};

// A file that is handed over (RFC 5547).
std::string file_line(const std::string& own, const std::string& selector) {
    return "m=message 9950 TCP/MSRP *\r\na=path:" + own +
           "\r\na=setup:active\r\na=accept-types:*\r\na=sendonly\r\na=file-selector:" + selector +
           "\r\na=file-transfer-id:transfer-1\r\n";
}

io::TlsSettings settings(const io::TlsIdentity& identity) { return {.identities = {identity}}; }

class ChatRoom : public testing::Test {
protected:
    void begin(const std::string& focus = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        begin_client(focus);
    }
    void begin_client(const std::string& focus = {}) {
        ASSERT_TRUE(client_.start("[client]\nfailover_ms = 60000\nservers = [\"" +
                                  server_.sip_uri() + "\"]\n[focus]\nrooms = [\"conf-*\"]\n" +
                                  focus))
            << client_.log();
        phones_ = std::make_unique<AgentPhones>(client_.sip());
    }
    std::string room() const { return "sip:conf-1@" + client_.sip(); }

    // Comes with nothing but a chat.
    Guest& invite(const std::string& name, const Arrival& how) {
        Guest& guest = guests_[name];
        guest.phone = &phones_->add(name);
        const int port = 9900 + static_cast<int>(guests_.size());
        const bool is_tls = how.identity != nullptr;
        guest.own = std::string(is_tls ? "msrps" : "msrp") +
                    "://127.0.0.1:" + std::to_string(port) + "/" + name + ";tcp";
        sip::OutOfDialogSpec spec = guest.phone->request_to(room());
        spec.headers = how.headers;
        spec.body =
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            "m=message " +
            std::to_string(port) + (is_tls ? " TCP/TLS/MSRP" : " TCP/MSRP") +
            " *\r\na=path:" + guest.own +
            "\r\na=setup:actpass\r\na=accept-types:message/cpim\r\n"
            "a=accept-wrapped-types:*\r\na=chatroom:" +
            how.chatroom + "\r\n";
        if (is_tls)
            spec.body += "a=fingerprint:" +
                         sdp::to_string(
                             *io::fingerprint_of(**io::TlsContext::load(settings(*how.identity)))) +
                         "\r\n";
        spec.body += how.more;
        const sip::TransactionId invite = guest.phone->start(spec);
        std::optional<sip::ResponseArrived> response;
        EXPECT_TRUE(phones_->serve_until([&] {
            response = guest.phone->take<sip::ResponseArrived>([&](const auto& one) {
                return one.transaction == invite && one.message.status() >= 200;
            });
            return response.has_value();
        })) << client_.log();
        if (!response) return guest;
        EXPECT_EQ(response->message.status(), 200) << client_.log();
        guest.told = base::as_text(response->message.body());
        guest.dialog = response->dialog;
        guest.phone->acknowledge(guest.dialog);
        return guest;
    }
    // And connects.
    Guest& join(const std::string& name, const Arrival& how = {}) {
        Guest& guest = invite(name, how);
        const auto path = msrp_path_of(guest.told);
        EXPECT_TRUE(path.has_value()) << guest.told;
        if (!path) return guest;
        if (how.identity != nullptr)
            guest.tls.emplace(*path, guest.own, path->port, settings(*how.identity));
        else
            guest.chat.emplace(*path, guest.own);
        guest.send({.transaction = "binds001", .message_id = "empty001", .type = {}});
        EXPECT_THAT(next(guest), HasSubstr(" 200"));
        return guest;
    }
    std::string cpim(const Guest& from, const std::string& to, const std::string& text) const {
        return "From: <" + from.phone->uri() + ">\r\nTo: <" + to +
               ">\r\n\r\nContent-Type: text/plain\r\n\r\n" + text;
    }
    // What it gets next that is a request and no line of the client; the status where it is an
    // answer.
    std::string next(Guest& guest, int limit_ms = 5000) {
        for (;;) {
            std::string one = guest.receive(limit_ms);
            if (one.find("From: Recorder <") == std::string::npos) return one;
            guest.lines += one;
        }
    }
    std::string write(Guest& from, const std::string& to, const std::string& text,
                      const std::string& headers = {}) {
        const std::string id = "msg0000" + std::to_string(++from.sent);
        from.send({.transaction = "t" + id,
                   .message_id = id,
                   .headers = headers,
                   .type = "message/cpim",
                   .content = cpim(from, to, text)});
        const std::string answer = next(from);
        const std::size_t at = answer.find(' ', 5);
        return at == std::string::npos ? answer : answer.substr(at + 1, 3);
    }
    std::string nickname(Guest& guest, const std::string& name) {
        guest.send({.transaction = "nick" + std::to_string(++guest.sent),
                    .method = "NICKNAME",
                    .message_id = {},
                    .headers = "Use-Nickname: \"" + name + "\"\r\n",
                    .type = {}});
        const std::string answer = next(guest);
        const std::size_t at = answer.find(' ', 5);
        return at == std::string::npos ? answer : answer.substr(at + 1, 3);
    }
    void expect(Guest& guest, const std::string& text) {
        EXPECT_THAT(next(guest), HasSubstr(text)) << client_.log();
    }
    // A line of who records, among what else it gets.
    void expect_line(Guest& guest, const std::string& text) {
        EXPECT_TRUE(eventually([&] {
            guest.lines += guest.chat->receive(200);
            return guest.lines.find(text) != std::string::npos;
        })) << guest.lines;
    }
    json conference() const {
        const json access = json::parse(read_file(client_.data() / "cli.json"), nullptr, false);
        const Output got = run_command(
            {"curl", "-s", "-H", "Authorization: Bearer " + access.value("token", ""),
             "http://127.0.0.1:" + std::to_string(client_.http_port()) + "/api/v1/conferences"});
        const json all = json::parse(got.out, nullptr, false);
        return all.is_object() && !all["conferences"].empty() ? all["conferences"][0] : json();
    }
    void wait_for(const std::string& state) {
        EXPECT_TRUE(eventually([&] {
            phones_->serve_until([] { return true; });
            const json now = conference();
            return now.is_object() && now["recordings"].size() == 1 &&
                   now["recordings"][0]["state"] == state;
        })) << conference().dump(1)
            << client_.log();
    }
    void expect_logged(const std::string& text) const {
        EXPECT_TRUE(eventually([&] {
            phones_->serve_until([] { return true; });
            return client_.log().find(text) != std::string::npos;
        })) << text
            << "\n"
            << client_.log();
    }
    json hang_up() {
        for (auto& [name, guest] : guests_) {
            const sip::TransactionId bye = guest.phone->send(guest.dialog, {.method = "BYE"});
            phones_->final_at(*guest.phone, bye);
        }
        const json all = server_.wait_for_recordings(1);
        EXPECT_EQ(all.size(), 1U) << server_.log() << client_.log();
        return all.empty() ? json() : all[0];
    }
    json messages(const json& recording, const std::string& kind) const {
        const Output out = server_.run(
            {"export", recording["id"].get<std::string>(), "--format", "chat", "-o", "-"});
        EXPECT_EQ(out.exit_code, 0) << out.err << server_.log();
        json found = json::array();
        const json all = json::parse(out.out, nullptr, false);
        for (const json& message : all["messages"])
            if (message["kind"] == kind) found.push_back(message);
        return found;
    }

    TestServer server_;
    TestClient client_;
    std::unique_ptr<AgentPhones> phones_;
    std::map<std::string, Guest> guests_;
};

TEST_F(ChatRoom, IsRecordedWithNicknamesAndPrivateMessagesMarked) {
    begin();
    Guest& ada = join("ada");
    for (const char* line :
         {"a=setup:passive\r\n", "a=accept-types:message/cpim\r\n", "a=accept-wrapped-types:*\r\n",
          "a=chatroom:nickname private-messages\r\n", "a=max-size:"})
        EXPECT_THAT(ada.told, HasSubstr(line));
    EXPECT_THAT(ada.told, Not(HasSubstr("a=record")));
    Guest& bo = join("bo", {.chatroom = "nicknames", .headers = {{"Supported", "record-aware"}}});
    EXPECT_THAT(bo.told, HasSubstr("a=record:on\r\n"));
    Guest& cleo = join("cleo");
    wait_for("recording");

    EXPECT_EQ(nickname(ada, "ana_r"), "200");
    EXPECT_EQ(nickname(cleo, "ANA_R"), "425");
    EXPECT_EQ(write(ada, room(), "to all"), "200");
    expect(bo, "to all");
    expect(cleo, "to all");
    EXPECT_EQ(write(cleo, room(), "me too", "Success-Report: yes\r\n"), "200");
    expect(cleo, " REPORT\r\n");
    expect(ada, "me too");
    expect(bo, "me too");
    EXPECT_EQ(write(ada, cleo.phone->uri(), "psst"), "200");
    expect(cleo, "psst");
    EXPECT_EQ(write(ada, bo.phone->uri(), "psst, Bo"), "428");
    EXPECT_EQ(write(ada, "sip:nobody@desk.example", "hello?"), "404");
    EXPECT_EQ(write(bo, room(), "end"), "200");
    expect(ada, "end");
    expect(cleo, "end");
    EXPECT_THAT(ada.lines, HasSubstr("This chat is recorded."));
    EXPECT_THAT(cleo.lines, HasSubstr("This chat is recorded."));
    EXPECT_THAT(bo.lines, IsEmpty());
    // Bo reads nothing that was Cleo's alone.
    EXPECT_THAT(bo.chat->receive(100), IsEmpty());
    // What the API shows may be a second old.
    json people;
    for (int i = 0; i < 100; ++i) {
        people = conference()["participants"];
        if (people.size() == 3 && people[0]["nickname"] == "ana_r") break;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ASSERT_EQ(people.size(), 3U);
    EXPECT_EQ(people[0]["nickname"], "ana_r");
    EXPECT_EQ(people[0]["chat"], true);
    EXPECT_EQ(people[0]["told"], "chat line");
    EXPECT_EQ(people[1]["told"], "a=record");

    const json recording = hang_up();
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1) << client_.log();
    const json all = messages(recording, "text");
    ASSERT_EQ(all.size(), 4U) << all.dump(1) << client_.log();
    std::vector<std::string> texts;
    for (const json& one : all) {
        texts.push_back(one["text"]);
        EXPECT_EQ(one["state"], "complete");
        EXPECT_EQ(one.value("private", false), one["text"] == "psst") << one.dump(1);
    }
    EXPECT_THAT(texts, ElementsAre("to all", "me too", "psst", "end"));
    EXPECT_EQ(all[0]["from"]["participant"], ada.phone->uri()) << all[0].dump(1);
    EXPECT_EQ(all[0]["nickname"], "ana_r");
    EXPECT_EQ(all[1]["from"]["participant"], cleo.phone->uri());
    EXPECT_EQ(all[2]["to"][0]["uri"], cleo.phone->uri()) << all[2].dump(1);
    EXPECT_EQ(all[3]["from"]["participant"], bo.phone->uri());
    // NICKNAME requests and their answers.
    EXPECT_GE(messages(recording, "request").size(), 2U);
    const Output xml =
        server_.run({"export", recording["id"].get<std::string>(), "--format", "xml", "-o", "-"});
    EXPECT_THAT(xml.out, HasSubstr(">ana_r</"));
}

TEST_F(ChatRoom, PrivateMessagesCanBeLeftOutWithANotice) {
    begin("record_private = false\n");
    Guest& ada = join("ada");
    Guest& cleo = join("cleo");
    wait_for("recording");
    EXPECT_EQ(write(ada, cleo.phone->uri(), "PLANTED-MARKER"), "200");
    expect(cleo, "PLANTED-MARKER");
    EXPECT_EQ(write(ada, room(), "to all"), "200");
    expect(cleo, "to all");
    const json recording = hang_up();
    EXPECT_EQ(messages(recording, "text").size(), 1U) << messages(recording, "text").dump(1);
    EXPECT_EQ(messages(recording, "notice").size(), 1U) << client_.log();
    const Output out =
        server_.run({"export", recording["id"].get<std::string>(), "--format", "chat", "-o", "-"});
    EXPECT_THAT(out.out, Not(HasSubstr("PLANTED")));
}

TEST_F(ChatRoom, WithoutItTheLineIsRefusedAndWhoWantsNothingElseToo) {
    begin("chat = false\n");
    AgentPhone& ada = phones_->add("ada");
    sip::OutOfDialogSpec spec = ada.request_to(room());
    const std::string chat =
        "m=message 9901 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9901/ada;tcp\r\n"
        "a=accept-types:message/cpim\r\n";
    spec.body = ada.sdp() + chat;
    const sip::Message both = phones_->final_at(ada, ada.start(spec));
    EXPECT_EQ(both.status(), 200);
    EXPECT_THAT(std::string(base::as_text(both.body())), HasSubstr("m=message 0 "));
    spec.body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + chat;
    EXPECT_EQ(phones_->final_at(ada, ada.start(spec)).status(), 488);
}

// Whoever has been answered finds it in the recording: the client keeps what no receipt has come
// for, and the next server gets it.
TEST_F(ChatRoom, NothingIsLostWhenTheServerIsKilled) {
    begin();
    Guest& ada = join("ada");
    Guest& bo = join("bo");
    wait_for("recording");
    std::vector<std::string> said;
    const auto say = [&](int count) {
        for (int i = 0; i < count; ++i) {
            said.push_back("line " + std::to_string(said.size()));
            EXPECT_EQ(write(ada, room(), said.back()), "200");
            expect(bo, said.back());
        }
    };
    say(20);
    // Who has recorded for less than siprec::kShortRecording is not asked again.
    std::this_thread::sleep_for(std::chrono::seconds(11));
    say(20);
    server_.kill();
    say(20);
    ASSERT_TRUE(server_.start()) << server_.log();
    EXPECT_TRUE(eventually([&] {
        phones_->serve_until([] { return true; });
        return client_.log().find("recording: failover") != std::string::npos;
    })) << client_.log();
    wait_for("recording");
    say(20);
    hang_up();
    std::string kept;
    for (const json& recording : server_.wait_for_recordings(1))
        for (const json& message : messages(recording, "text"))
            kept += message["text"].get<std::string>() + "\n";
    for (const std::string& line : said) EXPECT_THAT(kept, HasSubstr(line + "\n")) << client_.log();
}

TEST_F(ChatRoom, APauseKeepsOutWhatIsSaidInIt) {
    begin();
    Guest& ada = join("ada");
    Guest& bo = join("bo");
    wait_for("recording");
    EXPECT_EQ(write(ada, room(), "before"), "200");
    expect(bo, "before");
    const std::string id = server_.list()[0]["id"];
    const auto has_state = [&](const std::string& state) {
        return eventually([&] {
            phones_->serve_until([] { return true; });
            const json all = server_.list();
            return !all.empty() && all[0]["streams"][0]["state"] == state;
        });
    };
    ASSERT_EQ(server_.run({"pause", id}).exit_code, 0) << server_.log();
    EXPECT_TRUE(has_state("paused")) << server_.list().dump(1);
    EXPECT_EQ(write(ada, room(), "PLANTED-MARKER"), "200");
    expect(bo, "PLANTED-MARKER");
    ASSERT_EQ(server_.run({"resume", id}).exit_code, 0) << server_.log();
    EXPECT_TRUE(has_state("active")) << server_.list().dump(1);
    EXPECT_EQ(write(ada, room(), "after"), "200");
    expect(bo, "after");
    const json recording = hang_up();
    const json all = messages(recording, "text");
    ASSERT_EQ(all.size(), 2U) << all.dump(1) << client_.log();
    EXPECT_EQ(all[0]["text"], "before");
    EXPECT_EQ(all[1]["text"], "after");
}

// ---- files

TEST_F(ChatRoom, FilesReachAllAndAreRecordedAsOfTheirSender) {
    begin();
    Guest& bo = join("bo");
    const std::string own = "msrp://127.0.0.1:9950/push;tcp";
    Guest& ada = join(
        "ada", {.more = file_line(own,
                                  "name:\"floor plan.png\" type:image/png size:7 hash:sha-1:"
                                  "72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E")});
    EXPECT_THAT(ada.told, HasSubstr("a=file-selector:name:\"floor plan.png\" type:image/png "
                                    "size:7\r\n"));
    EXPECT_THAT(ada.told, HasSubstr("a=file-transfer-id:transfer-1\r\n"));
    EXPECT_THAT(ada.told, HasSubstr("a=recvonly\r\n"));
    wait_for("recording");
    // Handed over in a session of its own.
    const auto path = msrp_path_of(ada.told, 1);
    ASSERT_TRUE(path) << ada.told;
    MsrpPeer push(*path, own);
    push.send({.message_id = "file0001",
               .headers = "Success-Report: yes\r\n",
               .type = "image/png",
               .content = "PNG one"});
    EXPECT_EQ(push.status(), "200");
    EXPECT_THAT(push.receive(), HasSubstr("Status: 000 200"));
    const std::string got = next(bo);
    EXPECT_THAT(got, HasSubstr("From: <" + ada.phone->uri() + ">\r\n"));
    EXPECT_THAT(got, HasSubstr("Content-Disposition: attachment; filename=\"floor plan.png\"\r\n"));
    EXPECT_THAT(got, HasSubstr("\r\n\r\nPNG one\r\n"));
    // Said in the chat.
    ada.send({.transaction = "tphoto01",
              .message_id = "photo001",
              .type = "message/cpim",
              .content = "From: <" + ada.phone->uri() + ">\r\nTo: <" + room() +
                         ">\r\n\r\nContent-Type: image/jpeg\r\nContent-Disposition: "
                         "attachment; filename=\"photo.jpg\"\r\n\r\nJPEG two"});
    EXPECT_THAT(next(ada), HasSubstr("tphoto01 200"));
    EXPECT_THAT(next(bo), HasSubstr("JPEG two"));
    expect_logged("recording: chat_file");
    const json recording = hang_up();
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1) << client_.log();
    const json all = messages(recording, "file");
    ASSERT_EQ(all.size(), 2U) << all.dump(1) << client_.log();
    EXPECT_EQ(all[0]["file_name"], "floor plan.png");
    EXPECT_EQ(all[0]["content_type"], "image/png");
    EXPECT_EQ(all[1]["file_name"], "photo.jpg");
    for (const json& one : all) {
        EXPECT_EQ(one["state"], "complete");
        EXPECT_EQ(one["from"]["participant"], ada.phone->uri()) << one.dump(1);
        EXPECT_FALSE(one.value("private", false));
        EXPECT_EQ(one["sha256"].get<std::string>().size(), 64U);
        const Output content =
            server_.run({"export", recording["id"].get<std::string>(), "--message",
                         std::to_string(one["message"].get<int>()), "-o", "-"});
        EXPECT_EQ(content.out, one["file_name"] == "photo.jpg" ? "JPEG two" : "PNG one");
    }
}

TEST_F(ChatRoom, AFileThatIsNotTakenIsToldAndTheChatGoesOn) {
    begin();
    Guest& ada = join("ada", {.more = file_line("msrp://127.0.0.1:9950/push;tcp",
                                                "name:\"film.mp4\" size:99999999")});
    EXPECT_THAT(ada.told, HasSubstr("m=message 0 TCP/MSRP *"));
    expect_logged("The file has 99999999 octets, a room takes 2097152 at most.");
    EXPECT_EQ(write(ada, room(), "hello"), "200");
}

// ---- TLS (RFC 4975 section 14, RFC 8122)

class ChatRoomInTls : public ChatRoom {
protected:
    void begin_secure() {
        write_file(server_.scratch() / "tls.toml",
                   "[sip]\ncertificate_file = \"" + ours_.certificate_file +
                       "\"\nprivate_key_file = \"" + ours_.private_key_file + "\"\n");
        ASSERT_TRUE(server_.start({"--config", (server_.scratch() / "tls.toml").string()}))
            << server_.log();
        begin_client();
    }
    // Whether the client is who its description says.
    static std::optional<base::Reason> fault_of(const Guest& guest) {
        const auto parsed = sdp::parse(guest.told);
        const auto named = sdp::fingerprints_of(*parsed, parsed->media.at(0));
        EXPECT_EQ(named.size(), 1U) << guest.told;
        return guest.tls->wire().tls().find_fault(named);
    }

    TemporaryDirectory directory_;
    io::TestAuthority authority_{directory_.path()};
    io::TlsIdentity ours_ = authority_.issue("server", {.alternative_names = "IP:127.0.0.1"});
    io::TlsIdentity ada_identity_ = authority_.issue("ada", {});
    io::TlsIdentity bo_identity_ = authority_.issue("bo", {});
    io::TlsIdentity stranger_ = authority_.issue("stranger", {});
};

TEST_F(ChatRoomInTls, IsRecordedOverTlsAndAStrangerIsDropped) {
    begin_secure();
    Guest& ada = join("ada", {.identity = &ada_identity_});
    EXPECT_THAT(ada.told, HasSubstr(" TCP/TLS/MSRP *\r\n"));
    EXPECT_THAT(ada.told, HasSubstr("a=path:msrps://"));
    EXPECT_THAT(ada.told, HasSubstr("a=setup:passive\r\n"));
    EXPECT_FALSE(fault_of(ada));
    // Somebody comes to Bo's session before Bo does.
    Guest& bo = invite("bo", {.identity = &bo_identity_});
    const MsrpPath path = *msrp_path_of(bo.told);
    MsrpTlsPeer thief(path, bo.own, path.port, settings(stranger_));
    thief.send(
        {.message_id = "stolen01", .type = "message/cpim", .content = cpim(bo, room(), "x")});
    EXPECT_TRUE(thief.is_closed());
    MsrpTlsPeer nobody(path, bo.own, path.port, io::TlsSettings{});
    nobody.send(
        {.message_id = "stolen02", .type = "message/cpim", .content = cpim(bo, room(), "x")});
    EXPECT_TRUE(nobody.is_closed());
    MsrpPeer plain(path, bo.own);
    plain.send({.message_id = "stolen03", .type = {}});
    EXPECT_EQ(plain.status(), "481");
    bo.tls.emplace(path, bo.own, path.port, settings(bo_identity_));
    bo.send({.transaction = "binds001", .message_id = "empty001", .type = {}});
    EXPECT_THAT(next(bo), HasSubstr(" 200"));
    wait_for("recording");

    EXPECT_EQ(write(ada, room(), "to all"), "200");
    expect(bo, "to all");
    EXPECT_EQ(write(bo, ada.phone->uri(), "psst"), "200");
    expect(ada, "psst");
    expect_logged("chat_peer_refused");
    expect_logged("is not the one that a=fingerprint names.");
    expect_logged("The other side has shown no certificate");
    const json recording = hang_up();
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1) << client_.log();
    const json all = messages(recording, "text");
    ASSERT_EQ(all.size(), 2U) << all.dump(1) << client_.log() << server_.log();
    EXPECT_EQ(all[0]["text"], "to all");
    EXPECT_EQ(all[0]["from"]["participant"], ada.phone->uri());
    EXPECT_EQ(all[1]["text"], "psst");
}

// P-123: from then on.
TEST_F(ChatRoomInTls, WhoComesByTlsLaterMakesTheRecordingTlsAndNothingIsLost) {
    begin_secure();
    Guest& ada = join("ada");
    wait_for("recording");
    EXPECT_EQ(write(ada, room(), "alone"), "200");
    Guest& bo = join("bo", {.identity = &bo_identity_});
    for (const std::string line : {"one", "two", "three"}) {
        EXPECT_EQ(write(ada, room(), line + " of Ada"), "200");
        expect(bo, line + " of Ada");
        EXPECT_EQ(write(bo, room(), line + " of Bo"), "200");
        expect(ada, line + " of Bo");
    }
    wait_for("recording");
    const json recording = hang_up();
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1) << client_.log();
    std::vector<std::string> texts;
    for (const json& one : messages(recording, "text")) texts.push_back(one["text"]);
    EXPECT_THAT(texts, ElementsAre("alone", "one of Ada", "one of Bo", "two of Ada", "two of Bo",
                                   "three of Ada", "three of Bo"))
        << client_.log() << server_.log();
}

TEST_F(ChatRoomInTls, AServerWithoutTlsGetsNothingOfWhatIsSaidThen) {
    begin();
    Guest& ada = join("ada");
    wait_for("recording");
    EXPECT_EQ(write(ada, room(), "alone"), "200");
    Guest& bo = join("bo", {.identity = &bo_identity_});
    EXPECT_EQ(write(ada, room(), "PLANTED-MARKER"), "200");
    expect(bo, "PLANTED-MARKER");
    expect_logged("recording: change_refused");
    EXPECT_EQ(write(bo, room(), "PLANTED-MARKER"), "200");
    expect(ada, "PLANTED-MARKER");
    const json all = messages(hang_up(), "text");
    ASSERT_EQ(all.size(), 1U) << all.dump(1) << client_.log();
    EXPECT_EQ(all[0]["text"], "alone");
}

TEST_F(ChatRoomInTls, AServerWithoutTlsGetsNothingOfItAndTheChatGoesOn) {
    begin();
    Guest& ada = join("ada", {.identity = &ada_identity_});
    Guest& bo = join("bo");
    EXPECT_EQ(write(ada, room(), "to all"), "200");
    expect(bo, "to all");
    wait_for("failed");
    for (auto& [name, guest] : guests_) {
        const sip::TransactionId bye = guest.phone->send(guest.dialog, {.method = "BYE"});
        phones_->final_at(*guest.phone, bye);
    }
    EXPECT_TRUE(server_.wait_for_recordings(0).empty());
}

// It came by TLS, and is not in: what the others write is recorded as before.
TEST_F(ChatRoomInTls, WhoIsRefusedChangesNothingForTheOthers) {
    begin();
    Guest& ada = join("ada");
    wait_for("recording");
    AgentPhone& bo = phones_->add("bo");
    sip::OutOfDialogSpec spec = bo.request_to(room());
    spec.body =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=message 9903 TCP/TLS/MSRP *\r\na=path:msrps://127.0.0.1:9903/bo;tcp\r\n"
        "a=setup:actpass\r\na=accept-types:message/cpim\r\na=fingerprint:" +
        sdp::to_string(*io::fingerprint_of(**io::TlsContext::load(settings(bo_identity_)))) +
        "\r\nm=audio 9904 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
        "inline:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk\r\n";
    EXPECT_EQ(phones_->final_at(bo, bo.start(spec)).status(), 488) << client_.log();
    EXPECT_EQ(write(ada, room(), "still here"), "200");
    const json all = messages(hang_up(), "text");
    ASSERT_EQ(all.size(), 1U) << all.dump(1) << client_.log();
    EXPECT_EQ(all[0]["text"], "still here");
}

// Who names no fingerprint goes by names, which one of our own making does not have.
TEST_F(ChatRoomInTls, WithoutFingerprintsTheLineIsRefusedWithTheReason) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    sip::OutOfDialogSpec spec = ada.request_to(room());
    spec.body =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=message 9901 TCP/TLS/MSRP *\r\na=path:msrps://127.0.0.1:9901/ada;tcp\r\n"
        "a=accept-types:message/cpim\r\n";
    const sip::Message refused = phones_->final_at(ada, ada.start(spec));
    EXPECT_EQ(refused.status(), 488);
    EXPECT_THAT(std::string(refused.find("Warning").value_or("")),
                HasSubstr("no sip.certificate_file is set"));
    expect_logged("recording: chat_refused");
}

// ---- a second client attends the conference: it is a guest in the chat of the first

class AttendedRoom : public ChatRoom {
protected:
    // The one that is attended records nothing.
    void begin_attended(const std::string& focus = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start("[focus]\nrooms = [\"conf-*\"]\n" + focus)) << client_.log();
        ASSERT_TRUE(attendant_.start("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n"))
            << attendant_.log();
        phones_ = std::make_unique<AgentPhones>(client_.sip());
    }
    // Its id.
    std::string attend(std::vector<std::string> more = {}) {
        std::vector<std::string> command{"attend", "start", room(), "--json"};
        command.insert(command.end(), more.begin(), more.end());
        const Output out = attendant_.run(command);
        EXPECT_EQ(out.exit_code, 0) << out.err << attendant_.log() << client_.log();
        const json begun = json::parse(out.out, nullptr, false);
        return begun.is_object() ? begun.value("id", "") : std::string{};
    }
    json attended() const {
        const json all =
            json::parse(attendant_.run({"attend", "ls", "--json"}).out, nullptr, false);
        return all.is_array() && !all.empty() ? all[0] : json::object();
    }
    void wait_for_chat(const std::string& state) {
        EXPECT_TRUE(eventually([&] {
            phones_->serve_until([] { return true; });
            return attended().value("chat", "") == state;
        })) << attended().dump(1)
            << attendant_.log();
    }
    // What the roster says has come into the recording, and to the chat before that.
    void wait_for_participants(std::size_t count) {
        EXPECT_TRUE(eventually([&] {
            phones_->serve_until([] { return true; });
            json all = server_.list();
            return !all.empty() && all[0]["participants"].size() == count;
        })) << server_.list().dump(1);
    }
    bool was_logged(const std::string& text) const {
        return attendant_.log().find(text) != std::string::npos;
    }
    json leave(const std::string& id) {
        EXPECT_EQ(attendant_.run({"attend", "end", id}).exit_code, 0) << attendant_.log();
        const json all = server_.wait_for_recordings(1);
        EXPECT_EQ(all.size(), 1U) << server_.log() << attendant_.log();
        return all.empty() ? json() : all[0];
    }

    TestClient attendant_;
};

TEST_F(AttendedRoom, TheChatIsRecordedByWhoAttends) {
    begin_attended();
    Guest& ada = join("ada");
    Guest& bo = join("bo");
    EXPECT_EQ(nickname(ada, "ana_r"), "200");
    const std::string id = attend({"--no-video", "--identity", "sip:minutes@desk.example"});
    wait_for_chat("connected");
    wait_for_participants(4);  // with the focus and who attends
    EXPECT_EQ(write(ada, room(), "to all"), "200");
    expect(bo, "to all");
    EXPECT_EQ(write(bo, room(), "me too"), "200");
    expect(ada, "me too");
    EXPECT_EQ(write(ada, "sip:minutes@desk.example", "psst"), "200");
    EXPECT_EQ(write(ada, bo.phone->uri(), "PLANTED-MARKER"), "200");
    expect(bo, "PLANTED-MARKER");
    // All read that they are recorded, once, from who records.
    for (const Guest* guest : {&ada, &bo}) {
        EXPECT_THAT(guest->lines, HasSubstr("From: Recorder <sip:minutes@desk.example>"));
        const std::size_t first = guest->lines.find("This chat is recorded.");
        EXPECT_NE(first, std::string::npos);
        EXPECT_EQ(guest->lines.find("This chat is recorded.", first + 1), std::string::npos);
    }
    const json recording = leave(id);
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1) << attendant_.log();
    json all = messages(recording, "text");
    ASSERT_EQ(all.size(), 3U) << all.dump(1) << attendant_.log();
    EXPECT_EQ(all[0]["text"], "to all");
    EXPECT_EQ(all[0]["from"]["participant"], ada.phone->uri()) << all[0].dump(1);
    EXPECT_EQ(all[0]["nickname"], "ana_r") << all[0].dump(1);
    EXPECT_FALSE(all[0].value("private", false)) << all[0].dump(1);
    EXPECT_EQ(all[1]["text"], "me too");
    EXPECT_EQ(all[1]["from"]["participant"], bo.phone->uri());
    EXPECT_FALSE(all[1].value("private", false));
    EXPECT_EQ(all[2]["text"], "psst");
    EXPECT_TRUE(all[2].value("private", false)) << all[2].dump(1);
}

TEST_F(AttendedRoom, WhoTakesNothingElseAttendsTheChatAlone) {
    begin_attended();
    Guest& ada = join("ada");
    const std::string id = attend({"--no-audio", "--no-video"});
    wait_for_chat("connected");
    EXPECT_EQ(write(ada, room(), "to all"), "200");
    const json recording = leave(id);
    ASSERT_EQ(recording["streams"].size(), 1U) << recording.dump(1);
    EXPECT_EQ(recording["streams"][0]["media"], "message");
    ASSERT_EQ(messages(recording, "text").size(), 1U);
    EXPECT_EQ(messages(recording, "text")[0]["text"], "to all");
}

// A mix of a focus that tells the SSRCs of who is in it (RFC 4575): its speakers have names.
TEST_F(AttendedRoom, TheSpeakersOfTheMixHaveTheirNames) {
    begin_attended();
    std::vector<std::unique_ptr<Process>> phones;
    for (const std::string name : {"Ada", "Bo"}) {
        const auto file = (client_.scratch() / name).string();
        phones.push_back(std::make_unique<Process>(
            std::vector<std::string>{earshot_binary(), "call", "--phones", "--duration", "60",
                                     "--to", room(), "--party-a",
                                     name + " <sip:" + name + "@desk.example>"},
            file, file + ".err"));
    }
    EXPECT_TRUE(eventually([&] { return conference()["participants"].size() == 2; }));
    const std::string id = attend({"--no-video", "--no-chat"});
    json speakers;
    EXPECT_TRUE(eventually([&] {
        const json all = server_.list();
        return !all.empty() && all[0]["participants"].size() == 4 &&
               all[0]["streams"][0]["packets"] > 100;
    })) << server_.list().dump(1);
    const json recording = leave(id);
    for (const auto& phone : phones) {
        phone->signal(SIGINT);
        phone->wait();
    }
    const Output out = server_.run({"export", recording["id"], "--format", "timeline", "-o", "-"});
    const json timeline = json::parse(out.out, nullptr, false);
    ASSERT_TRUE(timeline.is_object()) << out.out << out.err;
    EXPECT_THAT(timeline["speakers"].dump(), HasSubstr("\"name\":\"Ada\"")) << out.out;
    EXPECT_THAT(timeline["speakers"].dump(), HasSubstr("\"name\":\"Bo\"")) << out.out;
}

// By the verbs for calls; to stop its recording is to leave.
TEST_F(AttendedRoom, AnAttendanceIsShownAndControlledAsACallIs) {
    begin_attended();
    Guest& ada = join("ada");
    const std::string id = attend({"--no-video"});
    wait_for_chat("connected");
    const auto becomes = [&](const std::string& state) {
        return eventually([&] {
            const json all = attendant_.calls();
            return all.size() == 1 && all[0]["kind"] == "attendance" && all[0]["id"] == id &&
                   all[0]["recording"]["state"] == state;
        });
    };
    EXPECT_TRUE(becomes("recording")) << attendant_.calls().dump(1);
    EXPECT_THAT(attendant_.run({"calls"}).out, HasSubstr(room()));
    const Output paused = attendant_.run({"pause", id, "--client"});
    EXPECT_EQ(paused.exit_code, 0) << paused.err;
    EXPECT_TRUE(becomes("paused")) << attendant_.calls().dump(1);
    expect_line(ada, "The recording of this chat is paused.");
    EXPECT_EQ(attendant_.run({"resume", id, "--client"}).exit_code, 0);
    EXPECT_TRUE(becomes("recording")) << attendant_.calls().dump(1);
    expect_line(ada, "The recording of this chat goes on.");
    const Output left = attendant_.run({"stop", id, "--client"});
    EXPECT_EQ(left.exit_code, 0) << left.err;
    EXPECT_TRUE(eventually([&] { return attendant_.calls() == json::array(); }))
        << attendant_.calls().dump(1);
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U) << attendant_.log();
}

TEST_F(AttendedRoom, WithoutAChatThereTheRestIsRecorded) {
    begin_attended("chat = false\n");
    const std::string id = attend({"--no-video", "--no-wait"});
    EXPECT_TRUE(eventually([&] { return was_logged("The conference has no chat"); }))
        << attendant_.log();
    EXPECT_EQ(attended().value("state", ""), "attending");
    EXPECT_EQ(attended().value("chat", ""), "none");
}

TEST_F(AttendedRoom, ItCanBeLeftOut) {
    begin_attended();
    Guest& ada = join("ada");
    const std::string id = attend({"--no-video", "--no-chat"});
    EXPECT_EQ(attended().value("chat", ""), "none");
    EXPECT_EQ(write(ada, room(), "PLANTED-MARKER"), "200");
    EXPECT_THAT(ada.lines, IsEmpty());
    const json recording = leave(id);
    ASSERT_EQ(recording["streams"].size(), 1U) << recording.dump(1);
    EXPECT_EQ(recording["streams"][0]["media"], "audio");
}

TEST_F(AttendedRoom, AFocusThatIsGoneInTheMiddleLeavesWhatItSaid) {
    begin_attended();
    Guest& ada = join("ada");
    attend({"--no-audio", "--no-video"});
    wait_for_chat("connected");
    Guest& bo = join("bo");
    for (const std::string line : {"line 0", "line 1", "line 2"}) {
        EXPECT_EQ(write(ada, room(), line), "200");
        expect(bo, line);  // who came before has it, too
    }
    client_.process().signal(9);
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << attendant_.log();
    EXPECT_EQ(messages(all[0], "text").size(), 3U) << attendant_.log();
    EXPECT_TRUE(was_logged("The connection for the chat was closed.")) << attendant_.log();
}

}  // namespace
}  // namespace earshot::integration
