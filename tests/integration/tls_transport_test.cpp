// SipLoop by TLS over loopback sockets: who gets in, who has to leave, and what that costs others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <future>
#include <mutex>
#include <thread>

#include "integration/tcp_client.h"
#include "io/tls_session.h"
#include "io/tls_test_authority.h"
#include "transport/sip_loop.h"

namespace earshot::transport {
namespace {

using integration::TcpClient;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr const char* kName = "rec.example.com";
const std::string kMessage =
    "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS c\r\nContent-Length: 0\r\n\r\n";

bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 600; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(milliseconds{50});
    }
    return false;
}

class MemoryLog : public base::Log {
public:
    bool writes(base::LogLevel /*level*/) const override { return true; }
    void write(base::LogLevel /*level*/, std::string_view message,
               std::initializer_list<base::LogField> fields) override {
        const std::lock_guard lock(mutex_);
        text_ += message;
        for (const auto& field : fields) text_.append(" ").append(field.value);
        text_ += "\n";
    }
    std::string text() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

private:
    mutable std::mutex mutex_;
    std::string text_;
};

// A loop that runs on a thread of its own.
class Node : public SipLoop::Handler {
public:
    Node(const Listen& listen, SipLoopOptions options) {
        auto loop = SipLoop::create({listen}, log, options);
        EXPECT_TRUE(loop);
        loop_ = std::move(*loop);
        thread_ = std::jthread([this] { loop_->run(*this); });
    }
    ~Node() override { loop_->stop(); }

    void on_bytes(const sip::Flow& flow, base::Bytes&& /*bytes*/) override {
        if (const io::TlsPeer* peer = loop_->peer(flow)) last_peer = *peer;
        last_flow = flow;
        ++messages;
    }
    void on_broken_stream(const sip::Flow& /*flow*/, const sip::StreamEvent& /*event*/) override {}
    void on_flow_closed(const sip::Flow& /*flow*/) override { ++closed; }
    void on_send_failed(sip::TransactionId transaction) override {
        failed_transaction = transaction.value;
        ++failed;
    }
    void on_deadline() override {}

    // On the loop's thread; waits until it was done.
    void on_loop(const std::function<void(SipLoop&)>& work) {
        std::promise<void> done;
        loop_->post([&] {
            work(*loop_);
            done.set_value();
        });
        done.get_future().wait();
    }
    void send(std::uint16_t port, const std::string& name, std::uint64_t transaction) {
        on_loop([&](SipLoop& loop) {
            loop.send({sip::Transport::Tls, 0, 0, *base::parse_host("127.0.0.1", port)},
                      std::make_shared<const std::string>(kMessage), {transaction}, name);
        });
    }
    std::uint16_t port() const { return loop_->local_address(0).port; }
    const SipLoop::Counters& counters() const { return loop_->counters(); }

    MemoryLog log;
    std::atomic<int> messages{0};
    std::atomic<int> closed{0};
    std::atomic<int> failed{0};
    std::atomic<std::uint64_t> failed_transaction{0};
    io::TlsPeer last_peer;  // to be read once `messages` has grown
    sip::Flow last_flow;

private:
    std::unique_ptr<SipLoop> loop_;
    std::jthread thread_;
};

class TlsLoop : public testing::Test {
protected:
    TlsLoop() {
        char name[] = "/tmp/earshot-tls-XXXXXX";
        directory_ = ::mkdtemp(name);
        authority_.emplace(directory_);
    }
    ~TlsLoop() override {
        server_.reset();
        std::filesystem::remove_all(directory_);
    }

    std::shared_ptr<const io::TlsContext> load(const io::TlsSettings& settings) {
        auto context = io::TlsContext::load(settings);
        EXPECT_TRUE(context);
        return *context;
    }
    io::TlsSettings server_settings(const std::string& names = "DNS:rec.example.com") {
        return {.identities = {authority_->issue("server", {.alternative_names = names})},
                .ca_file = authority_->ca_file()};
    }
    void serve(SipLoopOptions options = {}) {
        if (options.tls == nullptr) options.tls = load(server_settings());
        server_ = std::make_unique<Node>(
            Listen{.transport = sip::Transport::Tls, .address = *base::parse_host("127.0.0.1", 0)},
            options);
    }
    std::unique_ptr<Node> make_client(const std::vector<io::TlsIdentity>& identities = {}) {
        SipLoopOptions options;
        options.tls = load({.identities = identities, .ca_file = authority_->ca_file()});
        return std::make_unique<Node>(Listen{.transport = sip::Transport::Tls,
                                             .address = *base::parse_host("127.0.0.1", 5061),
                                             .accept = false},
                                      options);
    }
    // TLS by hand over one TCP connection.
    struct Hand {
        Hand(std::uint16_t port, std::shared_ptr<const io::TlsContext> context)
            : tcp(port), tls(io::TlsSession::connect(std::move(context), kName)) {}
        bool shake_hands() {
            for (int i = 0; i < 20 && !tls->is_open() && !tls->failure(); ++i) move();
            tcp.send(tls->take_output());  // TLS 1.3: our Finished, by which the server is open
            return tls->is_open();
        }
        void move() {
            tcp.send(tls->take_output());
            const std::string bytes = tcp.receive_bytes(1000);
            tls->on_bytes(base::as_bytes(bytes));
        }
        TcpClient tcp;
        std::unique_ptr<io::TlsSession> tls;
    };
    Hand by_hand() { return {server_->port(), load({.ca_file = authority_->ca_file()})}; }

    std::filesystem::path directory_;
    std::optional<io::TestAuthority> authority_;
    std::unique_ptr<Node> server_;
};

TEST_F(TlsLoop, CutsMessagesOutOfRecordsHoweverTheyAreSplit) {
    serve();
    Hand hand = by_hand();
    ASSERT_TRUE(hand.shake_hands());
    hand.tls->write(kMessage + kMessage);                            // two in one record
    for (const char octet : kMessage) hand.tls->write({&octet, 1});  // one in many
    const std::string bytes = hand.tls->take_output();
    for (std::size_t at = 0; at < bytes.size(); at += 7) hand.tcp.send(bytes.substr(at, 7));
    EXPECT_TRUE(eventually([&] { return server_->messages == 3; }));
    EXPECT_EQ(server_->counters().tls_handshakes, 1U);
}

TEST_F(TlsLoop, AnswersTheKeepAliveOfAConnection) {
    serve();
    Hand hand = by_hand();
    ASSERT_TRUE(hand.shake_hands());
    hand.tls->write("\r\n\r\n");
    hand.move();
    EXPECT_EQ(base::as_text(hand.tls->take_plain()), "\r\n");
}

TEST_F(TlsLoop, ClosesAHandshakeThatIsNotDoneInTimeHoweverSlowlyItDrips) {
    serve({.handshake_time = milliseconds{300}});
    Hand hand = by_hand();
    const std::string hello = hand.tls->take_output();
    for (std::size_t i = 0; i < 8 && !hand.tcp.is_closed_by_peer(300); ++i)
        hand.tcp.send(hello.substr(i, 1));
    EXPECT_TRUE(hand.tcp.is_closed_by_peer());
    EXPECT_TRUE(eventually(
        [&] { return server_->log.text().find("was not done in time") != std::string::npos; }));
}

TEST_F(TlsLoop, ClosesAConnectionThatSaysNothingAfterItsHandshake) {
    serve({.first_message_time = milliseconds{100}});
    Hand hand = by_hand();
    ASSERT_TRUE(hand.shake_hands());
    EXPECT_TRUE(hand.tcp.is_closed_by_peer());
    EXPECT_EQ(server_->counters().connections_timed_out, 1U);
}

TEST_F(TlsLoop, LetsAnHonestClientInAlthoughAllHandshakesAreTaken) {
    serve({.max_handshakes = 3});
    const TcpClient first(server_->port());
    const TcpClient second(server_->port());
    const TcpClient third(server_->port());
    Hand honest = by_hand();
    EXPECT_TRUE(honest.shake_hands());
}

TEST_F(TlsLoop, TakesNoMoreHandshakesOfAHostThanItsShare) {
    serve({.max_handshakes_per_host = 2});
    const TcpClient first(server_->port());
    const TcpClient second(server_->port());
    TcpClient third(server_->port());
    EXPECT_TRUE(third.is_closed_by_peer());
    EXPECT_EQ(server_->counters().connections_refused, 1U);
}

TEST_F(TlsLoop, MakesAHostWaitWhoseHandshakesFail) {
    serve();
    Hand running = by_hand();
    ASSERT_TRUE(running.shake_hands());
    for (std::size_t i = 0; i < kFailedHandshakes; ++i) {
        TcpClient plain(server_->port());
        plain.send(kMessage);
        plain.receive_bytes();  // the alert
    }
    EXPECT_TRUE(eventually([&] { return server_->counters().tls_failures >= kFailedHandshakes; }));
    EXPECT_THAT(server_->log.text(), HasSubstr("does it speak plain SIP here?"));
    // However slow this machine is, one of so many comes before as many are forgiven.
    for (int i = 0; i < 1000 && server_->counters().connections_refused == 0; ++i) {
        TcpClient plain(server_->port());
        plain.send(kMessage);
        plain.receive_bytes();
    }
    EXPECT_GT(server_->counters().connections_refused, 0U);
    running.tls->write(kMessage);  // who was in is not touched
    running.move();
    EXPECT_TRUE(eventually([&] { return server_->messages == 1; }));
}

TEST_F(TlsLoop, ConnectsOnceForEachName) {
    serve({.tls = load(server_settings("DNS:rec.example.com,DNS:two.example.com"))});
    const auto client = make_client();
    client->send(server_->port(), kName, 1);
    ASSERT_TRUE(eventually([&] { return server_->messages == 1; }));
    client->send(server_->port(), "REC.example.com", 2);
    ASSERT_TRUE(eventually([&] { return server_->messages == 2; }));
    EXPECT_EQ(server_->counters().tls_handshakes, 1U);
    // The certificate that was seen speaks for this one, too (RFC 5923 section 9).
    client->send(server_->port(), "two.example.com", 3);
    ASSERT_TRUE(eventually([&] { return server_->messages == 3; }));
    EXPECT_EQ(server_->counters().tls_handshakes, 1U);
    EXPECT_EQ(client->failed, 0);
    client->send(server_->port(), "three.example.com", 4);
    ASSERT_TRUE(eventually([&] { return client->failed == 1; }));
    EXPECT_EQ(client->failed_transaction, 4U);
    EXPECT_THAT(client->log.text(), HasSubstr("is not for three.example.com"));
    EXPECT_EQ(server_->messages, 3);
}

TEST_F(TlsLoop, ConnectsToNobodyInParticularNever) {
    serve();
    const auto client = make_client();
    client->send(server_->port(), "", 1);
    EXPECT_TRUE(eventually([&] { return client->failed == 1; }));
    EXPECT_EQ(server_->counters().connections, 0U);
}

// By TLS 1.3 a client's handshake is done before its certificate is judged: what it has sent by
// then must not wait for its timers.
TEST_F(TlsLoop, TellsAtOnceThatACertificateWasNotTaken) {
    io::TlsSettings settings = server_settings();
    settings.client_certificate = io::ClientCertificate::Require;
    serve({.tls = load(settings)});
    const auto client = make_client();
    client->send(server_->port(), kName, 7);
    ASSERT_TRUE(eventually([&] { return client->failed == 1; }));
    EXPECT_EQ(client->failed_transaction, 7U);
    EXPECT_TRUE(eventually([&] {
        return client->log.text().find("wants a client certificate") != std::string::npos;
    })) << client->log.text();
    EXPECT_EQ(server_->messages, 0);
    EXPECT_THAT(server_->log.text(), HasSubstr("showed no certificate"));
}

TEST_F(TlsLoop, KnowsTheClientAndAsksItOverItsOwnConnection) {
    io::TlsSettings settings = server_settings();
    settings.client_certificate = io::ClientCertificate::Require;
    serve({.tls = load(settings)});
    const auto client =
        make_client({authority_->issue("sbc", {.alternative_names = "URI:sip:sbc.example.com"})});
    client->send(server_->port(), kName, 1);
    ASSERT_TRUE(eventually([&] { return server_->messages == 1; }));
    EXPECT_TRUE(server_->last_peer.speaks_for("sbc.example.com"));
    // RFC 5923: to the address that its Via named, for the name that its certificate has.
    const auto where = *base::parse_host("127.0.0.1", 5061);
    const auto ask = [&](const std::string& name, std::uint64_t transaction) {
        server_->on_loop([&](SipLoop& loop) {
            loop.send({sip::Transport::Tls, 0, 0, where},
                      std::make_shared<const std::string>(kMessage), {transaction}, name);
        });
    };
    server_->on_loop([&](SipLoop& loop) { loop.add_alias(server_->last_flow, where); });
    ask("sbc.example.com", 2);
    EXPECT_TRUE(eventually([&] { return client->messages == 1; }));
    ask("other.example.com", 3);  // another connection, which nobody takes
    EXPECT_TRUE(eventually([&] { return server_->failed == 1; }));
    EXPECT_EQ(client->messages, 1);
}

TEST_F(TlsLoop, TakesAnotherCertificateWithoutABreak) {
    serve();
    const auto before = make_client();
    before->send(server_->port(), kName, 1);
    ASSERT_TRUE(eventually([&] { return server_->messages == 1; }));
    const auto renewed = load(server_settings("DNS:new.example.com"));
    server_->on_loop([&](SipLoop& loop) { loop.set_tls(renewed); });
    before->send(server_->port(), kName, 2);
    EXPECT_TRUE(eventually([&] { return server_->messages == 2; }));
    const auto after = make_client();
    after->send(server_->port(), kName, 3);
    EXPECT_TRUE(eventually([&] { return after->failed == 1; }));
    after->send(server_->port(), "new.example.com", 4);
    EXPECT_TRUE(eventually([&] { return server_->messages == 3; }));
    EXPECT_EQ(before->closed, 0);
}

}  // namespace
}  // namespace earshot::transport
