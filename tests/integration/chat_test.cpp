// Chats of two phones (MSRP) through the recording client, by the real binaries: what passes, and
// what a recording server keeps of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "integration/agent_phone.h"
#include "integration/harness.h"
#include "integration/msrp_peer.h"
#include "io/tls_test_authority.h"
#include "sdp/fingerprint.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using sip::Method;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Where a party listens and takes one connection.
class Listener {
public:
    Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof own;
        EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&own), size), 0);
        EXPECT_EQ(::listen(socket_, 4), 0);
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin_port);
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() {
        ::close(socket_);
        if (taken_ >= 0) ::close(taken_);
    }
    std::uint16_t port() const { return port_; }
    void accept() {
        pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
        EXPECT_EQ(::poll(&ready, 1, 5000), 1);
        taken_ = ::accept(socket_, nullptr, nullptr);
    }
    // Until it has come.
    std::string read_until(const std::string& text) {
        while (read_.find(text) == std::string::npos) {
            pollfd ready{.fd = taken_, .events = POLLIN, .revents = 0};
            if (::poll(&ready, 1, 5000) <= 0) break;
            std::string bytes(65536, '\0');
            const ssize_t size = ::recv(taken_, bytes.data(), bytes.size(), 0);
            if (size <= 0) break;
            read_.append(bytes, 0, static_cast<std::size_t>(size));
        }
        EXPECT_THAT(read_, HasSubstr(text));
        return std::exchange(read_, {});
    }
    void send(const std::string& text) const {
        EXPECT_EQ(::send(taken_, text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }

private:
    int socket_;
    int taken_ = -1;
    std::uint16_t port_ = 0;
    std::string read_;
};

std::string chat_line(const std::string& uri, const std::string& more = "a=setup:active\r\n") {
    const std::string port = uri.substr(uri.rfind(':') + 1, uri.rfind('/') - uri.rfind(':') - 1);
    return "m=message " + port +
           " TCP/MSRP *\r\na=accept-types:message/cpim text/plain\r\na=path:" + uri + "\r\n" + more;
}
std::string chat_sdp(const std::string& lines) {
    return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + lines;
}

const std::string kAda = "msrp://127.0.0.1:9991/ada;tcp";
const std::string kBo = "msrp://127.0.0.1:9992/bo;tcp";

class ChatTest : public testing::Test {
protected:
    void begin(const std::string& config = {}) {
        ASSERT_TRUE(client_.start(config)) << client_.log();
        phones_ = std::make_unique<AgentPhones>(client_.sip());
        ada_ = &phones_->add("ada");
        bo_ = &phones_->add("bo");
    }
    void call(const std::string& offered, const std::string& answered) {
        sip::OutOfDialogSpec spec = ada_->request_to(bo_->uri());
        spec.body = chat_sdp(offered);
        const sip::TransactionId invite = ada_->start(spec);
        const auto arrived = phones_->request_at(*bo_, Method::Invite);
        told_bo_ = base::as_text(arrived.message.body());
        bo_->respond(
            arrived.transaction,
            {.status = 200, .content_type = "application/sdp", .body = chat_sdp(answered)});
        std::optional<sip::ResponseArrived> response;
        ASSERT_TRUE(phones_->serve_until([&] {
            response = ada_->take<sip::ResponseArrived>([&](const auto& one) {
                return one.transaction == invite && one.message.status() >= 200;
            });
            return response.has_value();
        })) << client_.log();
        ASSERT_EQ(response->message.status(), 200) << client_.log();
        told_ada_ = base::as_text(response->message.body());
        dialog_ = response->dialog;
        ada_->acknowledge(dialog_);
        ASSERT_TRUE(phones_->serve_until([&] {
            return bo_->take<sip::AckArrived>([](const auto& /*ack*/) { return true; }).has_value();
        }));
    }
    static MsrpPath path(const std::string& sdp, std::size_t nth = 0) {
        const auto found = msrp_path_of(sdp, nth);
        EXPECT_TRUE(found.has_value()) << sdp;
        return found.value_or(MsrpPath{});
    }

    TestClient client_;
    std::unique_ptr<AgentPhones> phones_;
    AgentPhone* ada_ = nullptr;
    AgentPhone* bo_ = nullptr;
    std::string told_bo_;
    std::string told_ada_;
    sip::DialogId dialog_{};
};

std::string answer_to(const std::string& request, int status = 200) {
    const auto field = [&](const std::string& name) {
        const std::size_t at = request.find(name + ": ") + name.size() + 2;
        return request.substr(at, request.find("\r\n", at) - at);
    };
    const std::string tid = request.substr(5, request.find(' ', 5) - 5);
    return "MSRP " + tid + " " + std::to_string(status) + " X\r\nTo-Path: " + field("From-Path") +
           "\r\nFrom-Path: " + field("To-Path") + "\r\n-------" + tid + "$\r\n";
}

TEST_F(ChatTest, TwoPhonesChatThroughTheClient) {
    begin();
    call(chat_line(kAda), chat_line(kBo));
    EXPECT_THAT(told_bo_, Not(HasSubstr(kAda)));
    EXPECT_THAT(told_ada_, Not(HasSubstr(kBo)));
    MsrpPeer ada(path(told_ada_), kAda);
    MsrpPeer bo(path(told_bo_), kBo);
    bo.send({.transaction = "bobinds1", .message_id = "empty001", .type = {}});
    ada.send({.transaction = "adasays1",
              .range = "1-5/5",
              .headers = "Success-Report: yes\r\n",
              .content = "Hello"});
    const std::string bind = ada.receive();
    EXPECT_THAT(bind, StartsWith("MSRP bobinds1 SEND\r\nTo-Path: " + kAda + "\r\n"));
    ada.send_text(answer_to(bind));
    const std::string said = bo.receive();
    EXPECT_THAT(said, StartsWith("MSRP adasays1 SEND\r\nTo-Path: " + kBo + "\r\n"));
    EXPECT_THAT(said, HasSubstr("Success-Report: yes\r\n"));
    EXPECT_THAT(said, HasSubstr("\r\n\r\nHello\r\n"));
    bo.send_text(answer_to(said, 415));
    EXPECT_THAT(bo.receive(), StartsWith("MSRP bobinds1 200"));
    EXPECT_EQ(ada.status(), "415");
    phones_->hang_up(*ada_, dialog_, *bo_);
    EXPECT_TRUE(ada.is_closed());
    EXPECT_TRUE(bo.is_closed());
}

TEST_F(ChatTest, TheClientConnectsToAPartyThatListens) {
    begin();
    Listener at;
    const std::string uri = "msrp://127.0.0.1:" + std::to_string(at.port()) + "/bo;tcp";
    call(chat_line(kAda, {}), chat_line(uri, {}));  // neither knows RFC 6135
    at.accept();
    EXPECT_THAT(at.read_until("$\r\n"), HasSubstr("Byte-Range: 1-0/0\r\n"));
    MsrpPeer ada(path(told_ada_), kAda);
    ada.send({.content = "Hello"});
    const std::string said = at.read_until("d93kswow$\r\n");
    EXPECT_THAT(said, HasSubstr("Hello"));
    at.send(answer_to(said));
    EXPECT_EQ(ada.status(), "200");
}

TEST_F(ChatTest, ALargeFilePassesWholeAndALostConnectionEndsTheChat) {
    begin();
    call(chat_line(kAda), chat_line(kBo));
    MsrpPeer ada(path(told_ada_), kAda);
    MsrpPeer bo(path(told_bo_), kBo);
    ada.send({.transaction = "adabinds", .message_id = "empty001", .type = {}});
    bo.send({.transaction = "bobinds1", .message_id = "empty001", .type = {}});
    EXPECT_THAT(ada.receive(), StartsWith("MSRP bobinds1 SEND"));
    EXPECT_THAT(bo.receive(), StartsWith("MSRP adabinds SEND"));
    std::string file;
    while (file.size() < 8U << 20) file += std::to_string(file.size() * 2654435761U) + "\n";
    std::string received;
    std::thread reading([&] { received = bo.receive(20'000); });
    ada.send({.headers = "Failure-Report: no\r\n", .type = "application/pdf", .content = file});
    reading.join();
    EXPECT_TRUE(received.find(file) != std::string::npos) << received.size();
    bo.send_text("nonsense");
    EXPECT_TRUE(ada.is_closed());
    EXPECT_THAT(client_.log(), Not(HasSubstr("error")));
}

TEST_F(ChatTest, WithoutTheRelayAChatPassesFromPartyToParty) {
    begin("[msrp]\nrelay = false\n");
    call(chat_line(kAda), chat_line(kBo));
    EXPECT_THAT(told_bo_, HasSubstr("a=path:" + kAda + "\r\n"));
    EXPECT_THAT(told_ada_, HasSubstr("a=path:" + kBo + "\r\n"));
}

// ---- recorded -----------------------------------------------------------------------------------

class RecordedChat : public ChatTest {
protected:
    // `server_lists_wrapper`: as ours does.
    void begin_recorded(const std::string& more = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        begin("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n" + more);
        call(chat_line(kAda), chat_line(kBo));
        connect();
        wait_for("recording");
    }
    void connect() {
        ada_chat_.emplace(path(told_ada_), kAda);
        bo_chat_.emplace(path(told_bo_), kBo);
        ada_chat_->send({.transaction = "adabinds", .message_id = "empty001", .type = {}});
        bo_chat_->send({.transaction = "bobinds1", .message_id = "empty002", .type = {}});
        answer(*bo_chat_, "adabinds SEND");
        answer(*ada_chat_, "bobinds1 SEND");
    }
    // The next one of which this is part is answered; those before it are lines of the client.
    template <class Peer>
    void answer(Peer& peer, const std::string& part) {
        for (std::string one = peer.receive(); !one.empty(); one = peer.receive()) {
            if (one.find(part) != std::string::npos) return peer.send_text(answer_to(one));
            if (one.find(" SEND\r\n") != std::string::npos) lines_ += one;
        }
        ADD_FAILURE() << part << " has not come\n" << client_.log();
    }
    template <class Peer>
    void say(Peer& from, Peer& to, const std::string& text, const std::string& id) {
        from.send({.transaction = "t" + id, .message_id = id, .content = text});
        answer(to, text);
        for (std::string one = from.receive(); !one.empty(); one = from.receive())
            if (one.starts_with("MSRP t" + id + " 200")) return;
        ADD_FAILURE() << "no answer to " << text;
    }
    void wait_for(const std::string& state) {
        EXPECT_TRUE(eventually([&] {
            phones_->serve_until([] { return true; });
            const json calls = client_.calls();
            return calls.size() == 1 && calls[0]["recordings"].size() == 1 &&
                   calls[0]["recordings"][0]["state"] == state;
        })) << client_.calls().dump(1)
            << client_.log();
    }
    // Ada says again what she offers, with a wish.
    void wish(const std::string& preference) {
        const sip::TransactionId invite = ada_->send(
            dialog_, {.method = "INVITE",
                      .content_type = "application/sdp",
                      .body = chat_sdp(chat_line(
                          kAda, "a=setup:active\r\na=recordpref:" + preference + "\r\n"))});
        const auto arrived = phones_->request_at(*bo_, Method::Invite);
        bo_->respond(
            arrived.transaction,
            {.status = 200, .content_type = "application/sdp", .body = chat_sdp(chat_line(kBo))});
        EXPECT_EQ(phones_->final_at(*ada_, invite).status(), 200);
        ada_->acknowledge(dialog_);
    }
    json hang_up(std::size_t recordings = 1) {
        phones_->hang_up(*ada_, dialog_, *bo_);
        const json all = server_.wait_for_recordings(recordings);
        EXPECT_EQ(all.size(), recordings) << server_.log() << client_.log();
        return all.empty() ? json() : all[0];
    }
    json chat(const json& recording) const {
        const Output out = server_.run(
            {"export", recording["id"].get<std::string>(), "--format", "chat", "-o", "-"});
        EXPECT_EQ(out.exit_code, 0) << out.err << server_.log();
        return json::parse(out.out, nullptr, false);
    }
    json texts(const json& recording) const {
        json found = json::array();
        const json all = chat(recording);
        for (const json& message : all["messages"])
            if (message["kind"] == "text") found.push_back(message);
        return found;
    }

    TestServer server_;
    std::optional<MsrpPeer> ada_chat_;
    std::optional<MsrpPeer> bo_chat_;
    std::string lines_;
};

TEST_F(RecordedChat, IsInTheArchiveWithWhoWroteWhatAndWhen) {
    begin_recorded();
    say(*ada_chat_, *bo_chat_, "Hello Bo", "msg00001");
    say(*bo_chat_, *ada_chat_, "Hello Ada", "msg00001");  // a name of its own session
    say(*ada_chat_, *bo_chat_, "Bye", "msg00002");
    EXPECT_THAT(lines_, HasSubstr("This chat is recorded."));
    const json recording = hang_up();
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1) << client_.log();
    const json all = texts(recording);
    ASSERT_EQ(all.size(), 3U) << chat(recording).dump(1) << client_.log();
    EXPECT_EQ(all[0]["text"], "Hello Bo");
    EXPECT_EQ(all[1]["text"], "Hello Ada");
    EXPECT_EQ(all[2]["text"], "Bye");
    EXPECT_EQ(all[0]["from"]["uri"], ada_->uri());
    EXPECT_EQ(all[0]["to"][0]["uri"], bo_->uri());
    EXPECT_EQ(all[0]["from"]["participant"], ada_->uri());
    EXPECT_EQ(all[1]["from"]["uri"], bo_->uri());
    EXPECT_EQ(all[0]["cs_message_id"], "msg00001");
    for (const json& message : all) {
        EXPECT_EQ(message["state"], "complete");
        EXPECT_FALSE(message["date_time"].get<std::string>().empty());
    }
    EXPECT_LE(all[0]["date_time"].get<std::string>(), all[2]["date_time"].get<std::string>());
}

TEST_F(RecordedChat, APauseKeepsOutWhatIsSaidInIt) {
    begin_recorded();
    say(*ada_chat_, *bo_chat_, "before", "msg00001");
    ASSERT_EQ(client_.run({"pause", client_.calls()[0]["call_id"], "--client"}).exit_code, 0)
        << client_.log();
    wait_for("paused");
    say(*ada_chat_, *bo_chat_, "PLANTED-MARKER", "msg00002");
    EXPECT_THAT(lines_, HasSubstr("The recording of this chat is paused."));
    ASSERT_EQ(client_.run({"resume", client_.calls()[0]["call_id"], "--client"}).exit_code, 0);
    wait_for("recording");
    say(*ada_chat_, *bo_chat_, "after", "msg00003");
    EXPECT_THAT(lines_, HasSubstr("The recording of this chat goes on."));
    const json recording = hang_up();
    const json all = texts(recording);
    ASSERT_EQ(all.size(), 2U) << chat(recording).dump(1) << client_.log();
    EXPECT_EQ(all[0]["text"], "before");
    EXPECT_EQ(all[1]["text"], "after");
    EXPECT_THAT(chat(recording).dump(), Not(HasSubstr("PLANTED")));
}

TEST_F(RecordedChat, WhoUnderstandsTheAttributeIsToldByItAndReadsNoLine) {
    ASSERT_TRUE(server_.start()) << server_.log();
    begin("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n");
    sip::OutOfDialogSpec spec = ada_->request_to(bo_->uri());
    spec.headers.push_back({"Supported", "record-aware"});
    spec.body = chat_sdp(chat_line(kAda));
    const sip::TransactionId invite = ada_->start(spec);
    const auto arrived = phones_->request_at(*bo_, Method::Invite);
    told_bo_ = base::as_text(arrived.message.body());
    EXPECT_THAT(told_bo_, HasSubstr("a=record:on\r\n"));
    bo_->respond(arrived.transaction, {.status = 200,
                                       .headers = {{"Supported", "record-aware"}},
                                       .content_type = "application/sdp",
                                       .body = chat_sdp(chat_line(kBo))});
    const sip::Message answered = phones_->final_at(*ada_, invite);
    told_ada_ = base::as_text(answered.body());
    EXPECT_THAT(told_ada_, HasSubstr("a=record:on\r\n"));
    connect();
    say(*ada_chat_, *bo_chat_, "Hello", "msg00001");
    EXPECT_THAT(lines_, Not(HasSubstr("recorded")));
}

TEST_F(RecordedChat, AServerThatIsKilledAndComesAgainHasWhatWasSaidMeanwhile) {
    begin_recorded("failover_ms = 60000\n");
    say(*ada_chat_, *bo_chat_, "to the first", "msg00001");
    // Who has recorded for less than siprec::kShortRecording is not asked again.
    std::this_thread::sleep_for(std::chrono::seconds(11));
    server_.kill();
    say(*ada_chat_, *bo_chat_, "to nobody", "msg00002");  // nobody waits for a server
    ASSERT_TRUE(server_.start()) << server_.log();
    EXPECT_TRUE(eventually([&] {
        phones_->serve_until([] { return true; });
        return client_.log().find("recording: failover") != std::string::npos;
    })) << client_.calls().dump(1)
        << client_.log();
    wait_for("recording");
    say(*ada_chat_, *bo_chat_, "to the second", "msg00003");
    phones_->hang_up(*ada_, dialog_, *bo_);
    // The two are pieces of one recording: their session is the same.
    const json all = server_.wait_for_recordings(1);
    std::string said;
    for (const json& recording : all)
        for (const json& message : texts(recording))
            said += message["text"].get<std::string>() + "\n";
    for (const char* text : {"to the first\n", "to nobody\n", "to the second\n"})
        EXPECT_THAT(said, HasSubstr(text)) << all.dump(1) << client_.log();
}

// a=recordpref (RFC 7866 section 7.1.3) on the line of a chat counts as on that of a voice.
TEST_F(RecordedChat, APartysWishIsObeyedOnTheLineOfTheChat) {
    ASSERT_TRUE(server_.start()) << server_.log();
    begin("[client]\nservers = [\"" + server_.sip_uri() + "\"]\nrecordpref = \"honour\"\n");
    call(chat_line(kAda, "a=setup:active\r\na=recordpref:pause\r\n"), chat_line(kBo));
    connect();
    wait_for("paused");
    say(*ada_chat_, *bo_chat_, "PLANTED-MARKER", "msg00001");
    wish("on");
    wait_for("recording");
    say(*ada_chat_, *bo_chat_, "now recorded", "msg00002");
    wish("off");
    wait_for("ended");
    say(*ada_chat_, *bo_chat_, "PLANTED-MARKER", "msg00003");
    const json recording = hang_up();
    const json all = texts(recording);
    ASSERT_EQ(all.size(), 1U) << chat(recording).dump(1) << client_.log();
    EXPECT_EQ(all[0]["text"], "now recorded");
    EXPECT_THAT(chat(recording).dump(), Not(HasSubstr("PLANTED")));
}

// ---- who takes part -----------------------------------------------------------------------------

std::string cpim(const std::string& from, const std::string& text) {
    return "From: " + from +
           "\r\nTo: <sip:room@b.example>\r\n\r\nContent-Type: text/plain\r\n\r\n" + text;
}

// Who writes through a party is in the metadata before the server has what it wrote.
TEST_F(RecordedChat, AThirdWhoWritesAndNicknamesAreInTheMetadata) {
    begin_recorded();
    ada_chat_->send({.transaction = "nick0001",
                     .method = "NICKNAME",
                     .message_id = {},
                     .headers = "Use-Nickname: \"ada_l\"\r\n",
                     .type = {}});
    answer(*bo_chat_, "nick0001 NICKNAME");
    const auto write = [&](const std::string& who, const std::string& text, const std::string& id) {
        bo_chat_->send({.transaction = "t" + id,
                        .message_id = id,
                        .type = "message/cpim",
                        .content = cpim(who, text)});
        answer(*ada_chat_, text);
    };
    write("Cid <sip:cid@c.example>", "Hello from Cid", "msg00001");
    write("<sip:dan@d.example>", "Hello from Dan", "msg00002");
    write("Cid <sip:cid@c.example>", "Cid again", "msg00003");
    // Metadata are gathered for a moment (siprec::kMetadataDelay), and then answered.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const json recording = hang_up();
    const json all = texts(recording);
    ASSERT_EQ(all.size(), 3U) << chat(recording).dump(1) << client_.log();
    const Output events =
        server_.run({"export", recording["id"].get<std::string>(), "--format", "json", "-o", "-"});
    for (const char* text : {"ada_l", "sip:cid@c.example", "sip:dan@d.example"})
        EXPECT_THAT(events.out, HasSubstr(text));
    EXPECT_THAT(client_.log(), Not(HasSubstr("chat_unsure")));
}

// ---- lines that chats share ---------------------------------------------------------------------

class ChatLines : public RecordedChat {
protected:
    struct Conversation {
        AgentPhone* caller = nullptr;
        AgentPhone* callee = nullptr;
        sip::DialogId dialog{};
        std::unique_ptr<MsrpPeer> a;
        std::unique_ptr<MsrpPeer> b;
    };
    void begin_persistent(const std::string& mapping, const std::string& more = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        begin("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n" + more +
              "[[client.rule]]\nname = \"desk\"\nsession = \"persistent\"\n"
              "chat_mapping = \"" +
              mapping + "\"\n");
        ASSERT_TRUE(eventually([&] {
            return client_.log().find("recording: session_start") != std::string::npos;
        })) << client_.log();
    }
    // Its phones are all of its own.
    Conversation begin_call(const std::string& name) {
        Conversation made;
        made.caller = &phones_->add(name + "1");
        made.callee = &phones_->add(name + "2");
        const std::string uri_a = "msrp://127.0.0.1:9991/" + name + "1;tcp";
        const std::string uri_b = "msrp://127.0.0.1:9992/" + name + "2;tcp";
        std::swap(ada_, made.caller);
        std::swap(bo_, made.callee);
        call(chat_line(uri_a), chat_line(uri_b));
        std::swap(ada_, made.caller);
        std::swap(bo_, made.callee);
        made.dialog = dialog_;
        made.a = std::make_unique<MsrpPeer>(path(told_ada_), uri_a);
        made.b = std::make_unique<MsrpPeer>(path(told_bo_), uri_b);
        made.a->send({.transaction = "adabinds", .message_id = "empty001", .type = {}});
        made.b->send({.transaction = "bobinds1", .message_id = "empty002", .type = {}});
        answer(*made.b, "adabinds SEND");
        answer(*made.a, "bobinds1 SEND");
        return made;
    }
    void wait_for_calls(std::size_t count) {
        EXPECT_TRUE(eventually([&] {
            phones_->serve_until([] { return true; });
            const json calls = client_.calls();
            std::size_t recorded = 0;
            for (const json& one : calls)
                for (const json& recording : one["recordings"])
                    recorded += recording["state"] == "recording" ? 1 : 0;
            return recorded == count;
        })) << client_.calls().dump(1)
            << client_.log();
    }
    // What was said in each chat, whatever line and piece of the recording it is in.
    std::vector<std::string> chats_of(const json& recordings) const {
        std::map<std::string, std::string> said;
        for (const json& recording : recordings)
            for (const json& message : texts(recording)) {
                said[message["stream_id"]] += message["text"].get<std::string>() + "\n";
                EXPECT_FALSE(message["from"]["participant"].get<std::string>().empty());
            }
        std::vector<std::string> chats;
        for (const auto& [stream, text] : said) chats.push_back(text);
        return chats;
    }
    // How many lines of chats the recording session has had.
    std::set<std::string> labels(const json& recording) const {
        std::set<std::string> found;
        for (const json& message : texts(recording)) found.insert(message["label"]);
        return found;
    }
};

TEST_F(ChatLines, ChatsOfSeveralCallsAreMultiplexedAndToldApart) {
    begin_persistent("mux");
    Conversation first = begin_call("ana");
    wait_for_calls(1);
    say(*first.a, *first.b, "one in the first", "msg00001");
    Conversation second = begin_call("cid");
    wait_for_calls(2);
    say(*second.a, *second.b, "one in the second", "msg00001");
    say(*first.b, *first.a, "two in the first", "msg00001");
    phones_->hang_up(*first.caller, first.dialog, *first.callee);
    say(*second.b, *second.a, "two in the second", "msg00001");
    phones_->hang_up(*second.caller, second.dialog, *second.callee);
    wait_for_calls(0);
    client_.stop();
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_EQ(labels(all[0]).size(), 1U) << chat(all[0]).dump(1);
    EXPECT_THAT(chats_of(all),
                testing::UnorderedElementsAre("one in the first\ntwo in the first\n",
                                              "one in the second\ntwo in the second\n"))
        << client_.log() << server_.log();
}

// One is paused, and its line is not: it is the other one's, too.
TEST_F(ChatLines, APauseOfOneCallIsNoneOfTheOthersOnItsLine) {
    begin_persistent("mux");
    Conversation first = begin_call("ana");
    wait_for_calls(1);
    Conversation second = begin_call("cid");
    wait_for_calls(2);
    const auto is_first = [](const json& one) {
        return one.dump().find("ana1") != std::string::npos;
    };
    const json calls = client_.calls();
    const auto found = std::find_if(calls.begin(), calls.end(), is_first);
    ASSERT_NE(found, calls.end()) << calls.dump(1);
    const std::string id = (*found)["call_id"];
    ASSERT_EQ(client_.run({"pause", id, "--client"}).exit_code, 0) << client_.log();
    wait_for_calls(1);
    say(*first.a, *first.b, "PLANTED-MARKER", "msg00001");
    say(*second.a, *second.b, "meanwhile in the second", "msg00002");
    ASSERT_EQ(client_.run({"resume", id, "--client"}).exit_code, 0);
    wait_for_calls(2);
    say(*first.a, *first.b, "after it in the first", "msg00003");
    phones_->hang_up(*first.caller, first.dialog, *first.callee);
    phones_->hang_up(*second.caller, second.dialog, *second.callee);
    wait_for_calls(0);
    client_.stop();
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_THAT(chats_of(all), testing::UnorderedElementsAre("after it in the first\n",
                                                             "meanwhile in the second\n"))
        << client_.log();
    EXPECT_THAT(chat(all[0]).dump(), Not(HasSubstr("PLANTED")));
}

TEST_F(ChatLines, WhatAKilledServerHasNotReceiptedIsAtTheNextOneAndToldApart) {
    begin_persistent("mux", "failover_ms = 60000\n");
    Conversation first = begin_call("ana");
    wait_for_calls(1);
    Conversation second = begin_call("cid");
    wait_for_calls(2);
    say(*first.a, *first.b, "one in the first", "msg00001");
    say(*second.a, *second.b, "one in the second", "msg00001");
    // Who has recorded for less than siprec::kShortRecording is not asked again.
    std::this_thread::sleep_for(std::chrono::seconds(11));
    server_.kill();
    say(*first.a, *first.b, "to nobody in the first", "msg00002");
    say(*second.a, *second.b, "to nobody in the second", "msg00002");
    ASSERT_TRUE(server_.start()) << server_.log();
    EXPECT_TRUE(eventually([&] {
        phones_->serve_until([] { return true; });
        return client_.log().find("recording: session_failover") != std::string::npos;
    })) << client_.calls().dump(1)
        << client_.log();
    wait_for_calls(2);
    say(*first.a, *first.b, "two in the first", "msg00003");
    say(*second.a, *second.b, "two in the second", "msg00003");
    std::this_thread::sleep_for(std::chrono::seconds(1));  // the client is stopped below
    phones_->hang_up(*first.caller, first.dialog, *first.callee);
    phones_->hang_up(*second.caller, second.dialog, *second.callee);
    wait_for_calls(0);
    client_.stop();
    const std::vector<std::string> chats = chats_of(server_.wait_for_recordings(1));
    std::string said;
    for (const std::string& one : chats) {
        said += one;
        EXPECT_NE(one.find("first") == std::string::npos, one.find("second") == std::string::npos)
            << one;
    }
    for (const char* text :
         {"one in the first\n", "one in the second\n", "to nobody in the first\n",
          "to nobody in the second\n", "two in the first\n", "two in the second\n"})
        EXPECT_THAT(said, HasSubstr(text)) << client_.log();
}

TEST_F(ChatLines, ALineIsUsedByOneChatAfterTheOther) {
    begin_persistent("reuse");
    for (const std::string name : {"ana", "cid"}) {
        Conversation one = begin_call(name);
        wait_for_calls(1);
        say(*one.a, *one.b, "said to " + name, "msg00001");
        phones_->hang_up(*one.caller, one.dialog, *one.callee);
        wait_for_calls(0);
    }
    client_.stop();
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    const json said = texts(all[0]);
    ASSERT_EQ(said.size(), 2U) << chat(all[0]).dump(1) << client_.log();
    EXPECT_EQ(labels(all[0]).size(), 1U);
    EXPECT_NE(said[0]["stream_id"], said[1]["stream_id"]);
    EXPECT_THAT(said[0]["from"]["uri"].get<std::string>(), StartsWith("sip:ana1@"));
    EXPECT_THAT(said[1]["from"]["uri"].get<std::string>(), StartsWith("sip:cid1@"));
    EXPECT_THAT(client_.log(), Not(HasSubstr("chat_unsure")));
}

// ---- TLS (RFC 4975 section 14.4, RFC 8122) ------------------------------------------------------

const std::string kSecureAda = "msrps://127.0.0.1:9991/ada;tcp";
const std::string kSecureBo = "msrps://127.0.0.1:9992/bo;tcp";

class ChatInTls : public RecordedChat {
protected:
    static io::TlsSettings settings(const io::TlsIdentity& identity) {
        return {.identities = {identity}};
    }
    static std::string tls_line(const std::string& uri, const io::TlsIdentity& identity) {
        const auto context = io::TlsContext::load(settings(identity));
        const std::string fingerprint = sdp::to_string(*io::fingerprint_of(**context));
        std::string line = chat_line(uri) + "a=fingerprint:" + fingerprint + "\r\n";
        return line.replace(line.find("TCP/MSRP"), 8, "TCP/TLS/MSRP");
    }
    void begin_secure() {
        begin("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n");
        call(tls_line(kSecureAda, ada_identity_), tls_line(kSecureBo, bo_identity_));
        EXPECT_THAT(told_bo_, HasSubstr(" TCP/TLS/MSRP *\r\n"));
        ada_tls_.emplace(path(told_ada_), kSecureAda, path(told_ada_).port,
                         settings(ada_identity_));
        bo_tls_.emplace(path(told_bo_), kSecureBo, path(told_bo_).port, settings(bo_identity_));
        EXPECT_FALSE(fault_of(*ada_tls_, told_ada_));
        EXPECT_FALSE(fault_of(*bo_tls_, told_bo_));
        ada_tls_->send({.transaction = "adabinds", .message_id = "empty001", .type = {}});
        bo_tls_->send({.transaction = "bobinds1", .message_id = "empty002", .type = {}});
        answer(*bo_tls_, "adabinds SEND");
        answer(*ada_tls_, "bobinds1 SEND");
    }
    // Whether the client is who its description says.
    static std::optional<base::Reason> fault_of(const MsrpTlsPeer& peer, const std::string& told) {
        const auto parsed = sdp::parse(told);
        const auto named = sdp::fingerprints_of(*parsed, parsed->media.at(0));
        EXPECT_EQ(named.size(), 1U) << told;
        return peer.wire().tls().find_fault(named);
    }

    TemporaryDirectory directory_;
    io::TestAuthority authority_{directory_.path()};
    io::TlsIdentity ada_identity_ = authority_.issue("ada", {});
    io::TlsIdentity bo_identity_ = authority_.issue("bo", {});
    io::TlsIdentity stranger_ = authority_.issue("stranger", {});
    std::optional<MsrpTlsPeer> ada_tls_;
    std::optional<MsrpTlsPeer> bo_tls_;
};

TEST_F(ChatInTls, PassesThroughTheClientAndIsRecordedOverTlsAlone) {
    const io::TlsIdentity ours = authority_.issue("server", {.alternative_names = "IP:127.0.0.1"});
    write_file(server_.scratch() / "tls.toml",
               "[sip]\ncertificate_file = \"" + ours.certificate_file +
                   "\"\nprivate_key_file = \"" + ours.private_key_file + "\"\n");
    ASSERT_TRUE(server_.start({"--config", (server_.scratch() / "tls.toml").string()}))
        << server_.log();
    begin_secure();
    wait_for("recording");
    // Who is not Ada is dropped, and the chat goes on.
    MsrpTlsPeer thief(path(told_ada_), kSecureAda, path(told_ada_).port, settings(stranger_));
    thief.send({.content = "stolen"});
    EXPECT_TRUE(thief.is_closed());
    MsrpPeer plain(path(told_ada_), kSecureAda);
    plain.send({.content = "clear"});
    EXPECT_EQ(plain.status(), "481");
    say(*ada_tls_, *bo_tls_, "Hello Bo", "msg00001");
    say(*bo_tls_, *ada_tls_, "Hello Ada", "msg00001");
    const json recording = hang_up();
    const json all = texts(recording);
    ASSERT_EQ(all.size(), 2U) << chat(recording).dump(1) << client_.log() << server_.log();
    EXPECT_EQ(all[0]["text"], "Hello Bo");
    EXPECT_EQ(all[1]["text"], "Hello Ada");
    EXPECT_THAT(client_.log(), HasSubstr("chat_peer_refused"));
}

TEST_F(ChatInTls, AServerWithoutTlsGetsNothingOfItAndTheChatGoesOn) {
    ASSERT_TRUE(server_.start()) << server_.log();
    begin_secure();
    wait_for("failed");
    say(*ada_tls_, *bo_tls_, "Hello Bo", "msg00001");
    phones_->hang_up(*ada_, dialog_, *bo_);
    EXPECT_TRUE(server_.wait_for_recordings(0).empty());
}

}  // namespace
}  // namespace earshot::integration
