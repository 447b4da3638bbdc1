// MSRP over TLS through the whole server: certificates that SDP names by their fingerprints
// (RFC 8122), by a client that connects and by one that is connected to; hosts that are names, and
// IPv6.
#include "integration/msrp_call.h"
#include "io/tls_test_authority.h"
#include "sdp/fingerprint.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A socket that waits to be connected to.
class TcpListener {
public:
    explicit TcpListener(int family = AF_INET)
        : socket_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_addr = in6addr_loopback;
        sockaddr_in address4{};
        address4.sin_family = AF_INET;
        address4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int bound =
            family == AF_INET6
                ? ::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address)
                : ::bind(socket_, reinterpret_cast<sockaddr*>(&address4), sizeof address4);
        EXPECT_EQ(bound, 0);
        EXPECT_EQ(::listen(socket_, 8), 0);
        socklen_t size = sizeof address;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin6_port);  // at the same place in both
    }
    TcpListener(const TcpListener&) = delete;
    TcpListener& operator=(const TcpListener&) = delete;
    ~TcpListener() { ::close(socket_); }

    std::uint16_t port() const { return port_; }
    // -1: nobody came.
    int accept() const {
        pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
        if (::poll(&ready, 1, 10'000) <= 0) return -1;
        return ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    }

private:
    int socket_;
    std::uint16_t port_ = 0;
};

class MsrpTls : public MsrpCall {
protected:
    // `more`: further lines of [sip].
    void start(const std::string& more = {}) {
        write_file(server_.scratch() / "tls.toml",
                   "[sip]\ncertificate_file = \"" + ours_.certificate_file +
                       "\"\nprivate_key_file = \"" + ours_.private_key_file + "\"\nca_file = \"" +
                       authority_.ca_file() + "\"\n" + more);
        ASSERT_TRUE(server_.start({"--config", (server_.scratch() / "tls.toml").string()}))
            << server_.log();
    }
    static io::TlsSettings settings(const io::TlsIdentity& identity) {
        return {.identities = {identity}};
    }
    static std::string fingerprint_of(const io::TlsIdentity& identity) {
        const auto context = io::TlsContext::load(settings(identity));
        return "a=fingerprint:" + sdp::to_string(*io::fingerprint_of(**context)) + "\n";
    }
    static std::string tls_line(const std::string& more, const std::string& label = "1",
                                std::uint16_t port = 9999, const std::string& setup = "active") {
        const std::string at = std::to_string(port);
        return "m=message " + at + " TCP/TLS/MSRP *\na=path:msrps://127.0.0.1:" + at + "/own" +
               label + ";tcp\na=setup:" + setup + "\na=accept-types:*\n" + more +
               "a=sendonly\na=label:" + label + "\n";
    }
    MsrpTlsPeer connect_as(const io::TlsIdentity& identity, std::size_t nth = 0) const {
        return MsrpTlsPeer(path(nth), "msrps://127.0.0.1:9999/own;tcp", path(nth).port,
                           settings(identity));
    }
    // The fingerprints of the answer.
    std::vector<base::CertificateFingerprint> told() const {
        std::vector<base::CertificateFingerprint> all;
        const std::string name = "a=fingerprint:";
        for (std::size_t at = answer_.find(name); at != std::string::npos;
             at = answer_.find(name, at + 1))
            if (auto one = sdp::parse_fingerprint(std::string_view(answer_).substr(
                    at + name.size(), answer_.find("\r\n", at) - at - name.size())))
                all.push_back(*std::move(one));
        return all;
    }

    TemporaryDirectory directory_;
    io::TestAuthority authority_{directory_.path()};
    io::TestAuthority other_{directory_.path(), "other"};
    io::TlsIdentity ours_ = authority_.issue("server", {.alternative_names = "IP:127.0.0.1"});
    io::TlsIdentity client_identity_ = other_.issue("client", {});  // by nobody that we trust
    io::TlsIdentity stranger_ = other_.issue("stranger", {});
};

TEST_F(MsrpTls, WhoseFingerprintWasOfferedIsRecordedAndFindsOurs) {
    start("client_certificate = \"require\"\n");
    call(tls_line(fingerprint_of(client_identity_)));
    EXPECT_THAT(answer_, HasSubstr(" TCP/TLS/MSRP *\r\n"));
    EXPECT_THAT(answer_, HasSubstr("a=path:msrps://127.0.0.1:"));
    MsrpTlsPeer peer = connect_as(client_identity_);
    ASSERT_EQ(told().size(), 1U) << answer_;
    EXPECT_FALSE(peer.wire().tls().find_fault(told()));
    peer.send({.headers = "Success-Report: yes\r\n", .content = "sealed"});
    EXPECT_EQ(peer.status(), "200");
    EXPECT_THAT(peer.receive(), HasSubstr("Status: 000 200"));
    const json texts = messages(hang_up()["id"], "text");
    ASSERT_EQ(texts.size(), 1U);
    EXPECT_EQ(texts[0]["text"], "sealed");
}

TEST_F(MsrpTls, AnotherCertificateThanTheOfferedOneIsDroppedAndSaidSo) {
    start();
    call(tls_line(fingerprint_of(client_identity_)));
    {
        MsrpTlsPeer thief = connect_as(stranger_);
        thief.send({.content = "stolen"});
        EXPECT_TRUE(thief.is_closed());
        MsrpTlsPeer nobody(path(), "msrps://127.0.0.1:9999/own;tcp", path().port,
                           io::TlsSettings{});
        nobody.send({.content = "stolen"});
        EXPECT_TRUE(nobody.is_closed());
    }
    MsrpTlsPeer peer = connect_as(client_identity_);
    peer.send({.content = "mine"});
    EXPECT_EQ(peer.status(), "200");
    const std::string id = hang_up()["id"];
    const json texts = messages(id, "text");
    ASSERT_EQ(texts.size(), 1U);
    EXPECT_EQ(texts[0]["text"], "mine");
    const std::string events = exported(id, "json");
    EXPECT_THAT(events, HasSubstr("\"type\":\"messages_refused\""));
    EXPECT_THAT(events, HasSubstr("\"reason\":\"fingerprint_mismatch\""));
    EXPECT_THAT(events, HasSubstr("\"reason\":\"tls_no_client_certificate\""));
}

TEST_F(MsrpTls, PlainTcpWhereTlsWasAgreedIsRefusedWithAReason) {
    start();
    call(tls_line(fingerprint_of(client_identity_)) + chat_line("2"));
    MsrpPeer plain(path(0));
    plain.send({.content = "clear"});
    EXPECT_EQ(plain.status(), "481");
    plain.send_to(path(1).uri, {.message_id = "msg00002", .content = "agreed in the clear"});
    EXPECT_EQ(plain.status(), "200");
    MsrpTlsPeer sealed = connect_as(client_identity_);
    sealed.send_to(path(1).uri, {.content = "not agreed"});
    EXPECT_EQ(sealed.status(), "481");
    const std::string id = hang_up()["id"];
    const json texts = messages(id, "text");
    ASSERT_EQ(texts.size(), 1U);
    EXPECT_EQ(texts[0]["text"], "agreed in the clear");
    const std::string events = exported(id, "json");
    EXPECT_THAT(events, HasSubstr("\"reason\":\"tls_missing\""));
    EXPECT_THAT(events, HasSubstr("\"reason\":\"tls_not_agreed\""));
}

// Without a=fingerprint certificates count as they do for SIP (sip.client_certificate).
TEST_F(MsrpTls, WithoutAFingerprintTheCertificateItselfIsLookedAt) {
    start("client_certificate = \"require\"\n");
    call(tls_line(""));
    MsrpTlsPeer stranger = connect_as(stranger_);
    stranger.send({.content = "stolen"});
    EXPECT_TRUE(stranger.is_closed());
    MsrpTlsPeer peer = connect_as(authority_.issue("trusted", {.alternative_names = "DNS:src"}));
    peer.send({.content = "mine"});
    EXPECT_EQ(peer.status(), "200");
    EXPECT_EQ(messages(hang_up()["id"], "text").size(), 1U);
}

TEST_F(MsrpTls, WhereWeConnectTheFingerprintIsLookedAtBeforeAnythingIsSaid) {
    start();
    TcpListener right;
    TcpListener wrong;
    call(tls_line(fingerprint_of(client_identity_), "1", right.port(), "passive") +
         tls_line(fingerprint_of(client_identity_), "2", wrong.port(), "passive"));
    EXPECT_THAT(answer_, HasSubstr("a=setup:active\r\n"));
    const auto serve = [](const TcpListener& listener, const io::TlsIdentity& identity) {
        const int socket = listener.accept();
        EXPECT_GE(socket, 0);
        TcpClient wire(TcpClient::Connected{socket});
        const auto tls = io::TlsSession::accept(*io::TlsContext::load(settings(identity)));
        std::string plain;
        while (plain.find("-------") == std::string::npos) {
            const std::string cipher = wire.receive_bytes();
            if (cipher.empty()) break;
            tls->on_bytes(base::as_bytes(cipher));
            plain += base::as_text(tls->take_plain());
            wire.send(tls->take_output());
        }
        return plain;
    };
    EXPECT_THAT(serve(right, client_identity_), HasSubstr("Byte-Range: 1-0/0\r\n"));
    EXPECT_EQ(serve(wrong, stranger_), "");
    EXPECT_THAT(exported(hang_up()["id"], "json"),
                HasSubstr("\"reason\":\"fingerprint_mismatch\""));
}

// ---- where a path leads

TEST_F(MsrpCall, WhereWeConnectTheHostOfThePathMayBeAName) {
    ASSERT_TRUE(server_.start()) << server_.log();
    TcpListener there;
    const std::string port = std::to_string(there.port());
    call("m=message " + port + " TCP/MSRP *\na=path:msrp://LocalHost:" + port +
         "/Own;tcp\na=setup:passive\na=accept-types:*\na=sendonly\na=label:1\n");
    const int socket = there.accept();
    ASSERT_GE(socket, 0);
    TcpClient wire(TcpClient::Connected{socket});
    EXPECT_THAT(wire.receive_bytes(), HasSubstr("To-Path: msrp://LocalHost:" + port + "/Own;tcp"));
    const std::string events = exported(hang_up()["id"], "json");
    EXPECT_THAT(events, HasSubstr("\"type\":\"messages_connected\""));
    EXPECT_THAT(events, HasSubstr("\"by\":\"us\""));
}

TEST_F(MsrpCall, PathsOfIpv6AreTakenBothWays) {
    server_.listen_at("127.0.0.1,[::1]");
    ASSERT_TRUE(server_.start({}, {"EARSHOT_MSRP_LISTEN=127.0.0.1:0,[::1]:0"})) << server_.log();
    TcpListener there(AF_INET6);
    const std::string port = std::to_string(there.port());
    const std::string ours = "c=IN IP6 ::1\na=path:msrp://[::1]:";
    call("m=message " + port + " TCP/MSRP *\n" + ours + port +
         "/own1;tcp\na=setup:passive\na=accept-types:*\na=label:1\n" +
         "m=message 9999 TCP/MSRP *\n" + ours +
         "9999/own2;tcp\na=setup:active\na=accept-types:*\na=label:2\n");
    EXPECT_THAT(answer_, HasSubstr("a=path:msrp://[::1]:"));
    const int socket = there.accept();
    ASSERT_GE(socket, 0);
    TcpClient wire(TcpClient::Connected{socket});
    EXPECT_THAT(wire.receive_bytes(), HasSubstr("From-Path: msrp://[::1]:"));
    wire.send("MSRP abcd1234 SEND\r\nTo-Path: " + path(0).uri +
              "\r\nFrom-Path: msrp://[0:0:0:0:0:0:0:1]:" + port +
              "/own1;tcp\r\nMessage-ID: msg00001\r\nContent-Type: text/plain\r\n\r\nsix\r\n"
              "-------abcd1234$\r\n");
    EXPECT_THAT(wire.receive_bytes(), HasSubstr("MSRP abcd1234 200"));
    EXPECT_EQ(messages(hang_up()["id"], "text").size(), 1U);
}

// An offer of nothing but lines that are at fault is the client's mistake, not want of room.
TEST_F(MsrpCall, AnOfferOfNothingButLinesAtFaultGets488AndItsReason) {
    ASSERT_TRUE(server_.start()) << server_.log();
    client_.emplace(server_.sip_port());
    client_->send(invite(*client_, "fault", "application/sdp",
                         chat_sdp("m=message 9999 TCP/MSRP *\na=path:msrp://192.0.2.1:7000/x;tcp\n"
                                  "a=accept-types:*\na=label:3\n")));
    const std::string answer = client_->receive();
    EXPECT_THAT(answer, testing::StartsWith("SIP/2.0 488"));
    EXPECT_THAT(answer, HasSubstr("without CEMA"));
    const json attempts = server_.wait_for_attempts(1);
    ASSERT_EQ(attempts.size(), 1U);
    EXPECT_THAT(attempts.dump(), HasSubstr("path_changed"));
}

// RFC 6714: a middlebox has put its address into m= and c=, and left the path as it was. With
// a=msrp-cema on both sides that is where we connect, and who is asked for there is the path's.
TEST_F(MsrpCall, WithCemaWeConnectToTheLineAndAskForThePath) {
    ASSERT_TRUE(server_.start()) << server_.log();
    TcpListener middlebox;
    const auto line = [&](const std::string& label, const std::string& more) {
        return "m=message " + std::to_string(middlebox.port()) +
               " TCP/MSRP *\na=path:msrp://192.0.2.1:7000/bent" + label +
               ";tcp\na=setup:passive\na=accept-types:*\na=sendonly\n" + more + "a=label:" + label +
               "\n";
    };
    call(line("1", "a=msrp-cema\n") + line("2", ""));
    EXPECT_THAT(answer_, HasSubstr("a=msrp-cema\r\n"));
    EXPECT_THAT(answer_, HasSubstr("m=message 0 TCP/MSRP *\r\na=label:2\r\n"));
    const int socket = middlebox.accept();
    ASSERT_GE(socket, 0);
    TcpClient wire(TcpClient::Connected{socket});
    EXPECT_THAT(wire.receive_bytes(), HasSubstr("To-Path: msrp://192.0.2.1:7000/bent1;tcp\r\n"));
    wire.send("MSRP abcd1234 SEND\r\nTo-Path: " + path(0).uri +
              "\r\nFrom-Path: msrp://192.0.2.1:7000/bent1;tcp\r\nMessage-ID: msg00001\r\n"
              "Content-Type: text/plain\r\n\r\nthrough\r\n-------abcd1234$\r\n");
    EXPECT_THAT(wire.receive_bytes(), HasSubstr("MSRP abcd1234 200"));
    const std::string id = hang_up()["id"];
    const json texts = messages(id, "text");
    ASSERT_EQ(texts.size(), 1U) << server_.log();
    EXPECT_EQ(texts[0]["text"], "through");
    EXPECT_THAT(exported(id, "json"), HasSubstr("\"reason\":\"path_changed\""));
}

}  // namespace
}  // namespace earshot::integration
