// SIP over TLS by the real binary: recorded calls, who is let in and why not, certificates that are
// renewed under a running call, a recording client and its servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>

#include "integration/harness.h"
#include "io/tls_test_authority.h"

namespace earshot::integration {
namespace {

using io::TestCertificate;
using nlohmann::json;
using testing::HasSubstr;

// A server with a TLS listener beside its others.
class TlsServer {
public:
    explicit TlsServer(const io::TestAuthority& authority, const std::string& name = "server")
        : authority_(authority), name_(name), port_(free_port()) {}

    // `more`: of [sip]; then other tables.
    bool start(const std::string& more = {},
               const TestCertificate& certificate = {.common_name = "first",
                                                     .alternative_names = "IP:127.0.0.1"}) {
        const io::TlsIdentity identity = renew(certificate);
        write_file(server.scratch() / "tls.toml",
                   "[sip]\ntls = \"127.0.0.1:" + std::to_string(port_) +
                       "\"\ncertificate_file = \"" + identity.certificate_file +
                       "\"\nprivate_key_file = \"" + identity.private_key_file +
                       "\"\nca_file = \"" + authority_.ca_file() + "\"\n" + more);
        return server.start({"--config", (server.scratch() / "tls.toml").string()});
    }
    // Writes its files anew.
    io::TlsIdentity renew(const TestCertificate& certificate) const {
        return authority_.issue(name_, certificate);
    }
    std::string uri(const std::string& scheme = "sips") const {
        return scheme + ":rec@127.0.0.1:" + std::to_string(port_);
    }
    bool has_logged(const std::string& text) const {
        return eventually([&] { return server.log().find(text) != std::string::npos; });
    }
    Output call(std::vector<std::string> more = {}) const {
        std::vector<std::string> command{
            "call", "--to", uri(), "--ca-file", authority_.ca_file(), "--json", "--duration", "1"};
        command.insert(command.end(), more.begin(), more.end());
        return server.run(std::move(command));
    }
    Output call_as(const io::TlsIdentity& identity) const {
        return call({"--certificate-file", identity.certificate_file, "--private-key-file",
                     identity.private_key_file});
    }
    // What openssl s_client says, standard error included.
    std::string ask_by_openssl(const std::string& options) const {
        return run_command(
                   {"/bin/sh", "-c",
                    "timeout 20 openssl s_client -connect 127.0.0.1:" + std::to_string(port_) +
                        " -CAfile " + authority_.ca_file() + " " + options + " </dev/null 2>&1"})
            .out;
    }

    TestServer server;

private:
    const io::TestAuthority& authority_;
    std::string name_;
    std::uint16_t port_;
};

class Tls : public testing::Test {
protected:
    TemporaryDirectory directory_;
    io::TestAuthority authority_{directory_.path()};
    TlsServer recorder_{authority_};
};

constexpr const char* kRequire = "client_certificate = \"require\"\n";

TEST_F(Tls, RecordsCallsBySipsAndByTransport) {
    ASSERT_TRUE(recorder_.start()) << recorder_.server.log();
    const Output by_scheme = recorder_.call();
    EXPECT_EQ(by_scheme.exit_code, 0) << by_scheme.out << by_scheme.err << recorder_.server.log();
    const Output by_flag =
        recorder_.server.run({"call", "--tls", "--to", recorder_.uri("sip"), "--ca-file",
                              authority_.ca_file(), "--duration", "1"});
    EXPECT_EQ(by_flag.exit_code, 0) << by_flag.out << by_flag.err;
    const json recordings = recorder_.server.wait_for_recordings(2);
    ASSERT_EQ(recordings.size(), 2U) << recorder_.server.log();
    for (const json& recording : recordings) EXPECT_EQ(recording["state"], "complete");
    const Output doctor = recorder_.server.run({"doctor"});
    EXPECT_THAT(doctor.out, HasSubstr("2 TLS handshakes were done")) << doctor.out;
}

TEST_F(Tls, KnowsAPeerByItsCertificateAndTellsOthersWhyNot) {
    ASSERT_TRUE(recorder_.start(std::string(kRequire) +
                                "[[peer]]\nname = \"sbc1\"\ncertificate_names = "
                                "[\"sbc1.example.com\"]\naddresses = [\"127.0.0.1\"]\n"))
        << recorder_.server.log();
    const auto named = [&](const std::string& file, const TestCertificate& what) {
        return recorder_.call_as(authority_.issue(file, what));
    };
    const Output right = named("right", {.alternative_names = "URI:sip:sbc1.example.com"});
    EXPECT_EQ(right.exit_code, 0) << right.out << right.err << recorder_.server.log();

    const Output wrong =
        named("wrong", {.common_name = "stranger", .alternative_names = "DNS:sbc2.example.com"});
    EXPECT_EQ(json::parse(wrong.out)[0]["sip_status"], 403) << wrong.out;
    EXPECT_TRUE(recorder_.has_logged("CN=stranger, is in no [[peer]]")) << recorder_.server.log();

    const Output old = named("old", {.alternative_names = "URI:sip:sbc1.example.com",
                                     .from = std::chrono::hours{-48},
                                     .until = std::chrono::hours{-1}});
    EXPECT_EQ(old.exit_code, 1) << old.out;
    EXPECT_THAT(old.err, HasSubstr("our certificate has expired")) << old.err;
    EXPECT_TRUE(recorder_.has_logged("has expired")) << recorder_.server.log();

    const Output none = recorder_.call();
    EXPECT_EQ(none.exit_code, 1) << none.out;
    EXPECT_THAT(none.err, HasSubstr("wants a client certificate")) << none.err;
    EXPECT_TRUE(recorder_.has_logged("showed no certificate")) << recorder_.server.log();

    const io::TestAuthority stranger(directory_.path(), "stranger");
    const Output foreign = recorder_.call_as(
        stranger.issue("foreign", {.alternative_names = "URI:sip:sbc1.example.com"}));
    EXPECT_EQ(foreign.exit_code, 1) << foreign.out;
    EXPECT_TRUE(recorder_.has_logged("by a CA that is not trusted here")) << recorder_.server.log();

    const Output plain = recorder_.server.run(
        {"call", "--to", recorder_.server.sip_uri(), "--duration", "1", "--json"});
    EXPECT_EQ(json::parse(plain.out)[0]["sip_status"], 403) << plain.out;
    EXPECT_TRUE(recorder_.has_logged("sbc1 has to come by TLS")) << recorder_.server.log();
    EXPECT_EQ(recorder_.server.wait_for_recordings(1).size(), 1U);
}

TEST_F(Tls, RefusesAPeerByUdpWhoseTransportIsTls) {
    ASSERT_TRUE(
        recorder_.start("[[peer]]\nname = \"sbc1\"\naddresses = [\"127.0.0.1\"]\n"
                        "transport = \"tls\"\n"))
        << recorder_.server.log();
    for (const char* transport : {"udp", "tcp"}) {
        const Output plain = recorder_.server.run(
            {"call", "--to", recorder_.server.sip_uri(transport), "--duration", "1", "--json"});
        EXPECT_EQ(json::parse(plain.out)[0]["sip_status"], 403) << plain.out;
    }
    EXPECT_TRUE(recorder_.has_logged("(peer.transport)")) << recorder_.server.log();
    EXPECT_EQ(recorder_.call().exit_code, 0) << recorder_.server.log();
}

TEST_F(Tls, DoesNotCallAServerOfAnotherNameOrCa) {
    ASSERT_TRUE(recorder_.start({}, {.alternative_names = "DNS:rec.example.com"}))
        << recorder_.server.log();
    const Output named = recorder_.call();
    EXPECT_EQ(named.exit_code, 1) << named.out;
    EXPECT_THAT(named.err, HasSubstr("is not for 127.0.0.1: it bears rec.example.com"))
        << named.err;
    const io::TestAuthority other(directory_.path(), "other");
    const Output untrusted = recorder_.call({"--ca-file", other.ca_file()});
    EXPECT_NE(untrusted.exit_code, 0) << untrusted.out;
    EXPECT_TRUE(recorder_.server.wait_for_recordings(0).empty());
}

TEST_F(Tls, SpeaksTls12And13AndNothingOlder) {
    ASSERT_TRUE(recorder_.start()) << recorder_.server.log();
    EXPECT_THAT(recorder_.ask_by_openssl("-tls1_2 -verify_return_error"),
                HasSubstr("Protocol  : TLSv1.2"));
    const std::string newest = recorder_.ask_by_openssl("-verify_return_error");
    EXPECT_THAT(newest, HasSubstr("New, TLSv1.3"));
    EXPECT_THAT(newest, HasSubstr("Compression: NONE"));
    EXPECT_THAT(newest, HasSubstr("Verify return code: 0 (ok)"));
    const std::string old = recorder_.ask_by_openssl("-tls1_1 -cipher DEFAULT@SECLEVEL=0");
    EXPECT_THAT(old, HasSubstr("Cipher is (NONE)")) << old;
    EXPECT_TRUE(recorder_.has_logged("older than we allow")) << recorder_.server.log();
    const std::string weak = recorder_.ask_by_openssl("-tls1_2 -cipher AES128-SHA");
    EXPECT_THAT(weak, HasSubstr("Cipher is (NONE)")) << weak;
    EXPECT_TRUE(recorder_.has_logged("offers no cipher that we allow")) << recorder_.server.log();
}

TEST_F(Tls, TakesARenewedCertificateUnderARunningCall) {
    ASSERT_TRUE(recorder_.start()) << recorder_.server.log();
    EXPECT_THAT(recorder_.ask_by_openssl(""), HasSubstr("subject=CN = first"));
    const std::vector<std::string> command{earshot_binary(), "call",       "--to",
                                           recorder_.uri(),  "--ca-file",  authority_.ca_file(),
                                           "--json",         "--duration", "60"};
    Process phones(command, recorder_.server.scratch() / "call.out",
                   recorder_.server.scratch() / "call.err");
    ASSERT_TRUE(eventually([&] {
        const json running = recorder_.server.list();
        return running.is_array() && running.size() == 1 && running[0]["streams"].size() == 2;
    })) << recorder_.server.log();

    recorder_.renew({.common_name = "second", .alternative_names = "IP:127.0.0.1"});
    recorder_.server.process().signal(SIGHUP);
    ASSERT_TRUE(recorder_.has_logged("configuration reloaded")) << recorder_.server.log();
    EXPECT_THAT(recorder_.ask_by_openssl(""), HasSubstr("subject=CN = second"));

    // One that cannot be used changes nothing.
    write_file(directory_.path() / "server.pem", "no certificate\n");
    recorder_.server.process().signal(SIGHUP);
    ASSERT_TRUE(recorder_.has_logged("holds no certificate")) << recorder_.server.log();
    EXPECT_THAT(recorder_.ask_by_openssl(""), HasSubstr("subject=CN = second"));

    phones.signal(SIGINT);  // BYE over the connection that is as old as the first certificate
    phones.wait();
    const json recordings = recorder_.server.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << recorder_.server.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0].dump(1);
}

TEST_F(Tls, TellsBeforeACertificateEnds) {
    ASSERT_TRUE(
        recorder_.start({}, {.alternative_names = "IP:127.0.0.1", .until = std::chrono::hours{50}}))
        << recorder_.server.log();
    EXPECT_TRUE(recorder_.has_logged("has to be renewed")) << recorder_.server.log();
    EXPECT_TRUE(eventually([&] {
        return recorder_.server.run({"doctor"}).out.find("ends in 2 days") != std::string::npos;
    }));
}

TEST_F(Tls, DoesNotStartWithWhatItCannotUse) {
    EXPECT_FALSE(recorder_.start("client_certificate = \"sometimes\"\n"));
    ::chmod((directory_.path() / "server.key").c_str(), 0644);
    TestServer server;
    write_file(server.scratch() / "tls.toml",
               "[sip]\ntls = \"127.0.0.1:1\"\ncertificate_file = \"" +
                   (directory_.path() / "server.pem").string() + "\"\nprivate_key_file = \"" +
                   (directory_.path() / "server.key").string() + "\"\n");
    const Output checked =
        server.run({"config", "check", (server.scratch() / "tls.toml").string()});
    EXPECT_NE(checked.exit_code, 0);
    EXPECT_THAT(checked.out + checked.err, HasSubstr("is open to others (mode 0644)"));
}

// ---- the recording client -----------------------------------------------------------------------

class TlsClient : public Tls {
protected:
    std::string settings(const std::string& servers) {
        const io::TlsIdentity identity =
            authority_.issue("client", {.alternative_names = "URI:sip:client.example.com"});
        return "[sip]\ncertificate_file = \"" + identity.certificate_file +
               "\"\nprivate_key_file = \"" + identity.private_key_file + "\"\nca_file = \"" +
               authority_.ca_file() + "\"\n[client]\nservers = [" + servers + "]\n";
    }
    // The server that records a running call.
    bool records(const std::string& server) const {
        return eventually([&] {
            const json calls = client_.calls();
            if (!calls.is_array()) return false;
            for (const json& call : calls)
                for (const json& recording : call["recordings"])
                    if (recording["state"] == "recording" && recording["server"] == server)
                        return true;
            return false;
        });
    }

    TlsServer second_{authority_, "second"};
    TestClient client_;
};

TEST_F(TlsClient, AnotherServerGoesOnWhenOneIsKilled) {
    const std::string peer =
        std::string(kRequire) +
        "[[peer]]\nname = \"us\"\ncertificate_names = [\"client.example.com\"]\n";
    ASSERT_TRUE(recorder_.start(peer)) << recorder_.server.log();
    ASSERT_TRUE(second_.start(peer)) << second_.server.log();
    ASSERT_TRUE(client_.start(settings("\"" + recorder_.uri() + "\", \"" + second_.uri() + "\"")))
        << client_.log();
    const auto phones = client_.begin_call({"--duration", "90"});
    ASSERT_TRUE(records(recorder_.uri())) << client_.log();
    recorder_.server.kill();
    ASSERT_TRUE(records(second_.uri())) << client_.log();
    phones->signal(SIGINT);
    phones->wait();
    const json recordings = second_.server.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0].dump(1);
}

TEST_F(TlsClient, PassesOverAServerThatIsNotWhoItShouldBe) {
    ASSERT_TRUE(recorder_.start({}, {.alternative_names = "DNS:somebody.example"}))
        << recorder_.server.log();
    ASSERT_TRUE(second_.start()) << second_.server.log();
    ASSERT_TRUE(client_.start(settings("\"" + recorder_.uri() + "\", \"" + second_.uri() + "\"")))
        << client_.log();
    const auto phones = client_.begin_call({"--duration", "90"});
    EXPECT_TRUE(records(second_.uri())) << client_.log();
    EXPECT_THAT(client_.log(), HasSubstr("is not for 127.0.0.1"));
    phones->signal(SIGINT);
    phones->wait();
    EXPECT_EQ(second_.server.wait_for_recordings(1).size(), 1U);
}

TEST_F(TlsClient, TakesCallsOfPhonesByTls) {
    ASSERT_TRUE(recorder_.start()) << recorder_.server.log();
    const io::TlsIdentity identity =
        authority_.issue("front", {.alternative_names = "IP:127.0.0.1"});
    const std::string port = std::to_string(free_port());
    ASSERT_TRUE(client_.start("[sip]\ntls = \"127.0.0.1:" + port + "\"\ncertificate_file = \"" +
                              identity.certificate_file + "\"\nprivate_key_file = \"" +
                              identity.private_key_file + "\"\nca_file = \"" +
                              authority_.ca_file() + "\"\n[client]\nservers = [\"" +
                              recorder_.uri() + "\"]\n"))
        << client_.log();
    const Output call =
        client_.run({"call", "--through", "127.0.0.1:" + port, "--tls", "--ca-file",
                     authority_.ca_file(), "--certificate-file", identity.certificate_file,
                     "--private-key-file", identity.private_key_file, "--duration", "2", "--json"});
    EXPECT_EQ(call.exit_code, 0) << call.out << call.err << client_.log();
    EXPECT_EQ(recorder_.server.wait_for_recordings(1).size(), 1U) << client_.log();
}

}  // namespace
}  // namespace earshot::integration
