#include "io/tls_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "io/tls_test_authority.h"

namespace earshot::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kServer = "rec.example.com";

class Tls : public ::testing::Test {
protected:
    Tls() {
        char name[] = "/tmp/earshot-tls-XXXXXX";
        directory_ = ::mkdtemp(name);
        authority_.emplace(directory_);
    }
    ~Tls() override { std::filesystem::remove_all(directory_); }

    TlsIdentity server_identity() {
        return authority_->issue("server", {.alternative_names = "DNS:rec.example.com"});
    }
    TlsSettings server_settings(ClientCertificate wanted = ClientCertificate::No) {
        return {.identities = {server_identity()},
                .ca_file = authority_->ca_file(),
                .client_certificate = wanted};
    }
    TlsSettings client_settings() const { return {.ca_file = authority_->ca_file()}; }

    static std::shared_ptr<const TlsContext> load(const TlsSettings& settings) {
        auto context = TlsContext::load(settings);
        EXPECT_TRUE(context) << (context ? "" : context.error().text);
        return context ? *context : nullptr;
    }

    void meet(const TlsSettings& server, const TlsSettings& client, std::string host = kServer) {
        server_ = TlsSession::accept(load(server));
        client_ = TlsSession::connect(load(client), std::move(host));
        pump();
    }
    // Everything that both have to say, in pieces of so many octets.
    void pump(std::size_t piece = 16384) {
        for (bool moved = true; moved;) {
            moved = move(*client_, *server_, piece);
            moved = move(*server_, *client_, piece) || moved;
        }
    }
    static bool move(TlsSession& from, TlsSession& to, std::size_t piece) {
        const std::string bytes = from.take_output();
        for (std::size_t at = 0; at < bytes.size(); at += piece)
            to.on_bytes(base::as_bytes(std::string_view(bytes).substr(at, piece)));
        return !bytes.empty();
    }
    static std::string code(const TlsSession& session) {
        return session.failure() ? session.failure()->code : "";
    }
    static std::string text(const TlsSession& session) {
        return session.failure() ? session.failure()->text : "";
    }
    static std::string plain(TlsSession& session) {
        const base::Bytes bytes = session.take_plain();
        return std::string(base::as_text(bytes));
    }

    std::filesystem::path directory_;
    std::optional<TestAuthority> authority_;
    std::unique_ptr<TlsSession> server_;
    std::unique_ptr<TlsSession> client_;
};

TEST_F(Tls, CarriesBytesBothWays) {
    meet(server_settings(), client_settings());
    ASSERT_TRUE(server_->is_open() && client_->is_open()) << text(*client_) << text(*server_);
    client_->write("OPTIONS");
    server_->write("200");
    pump();
    EXPECT_EQ(plain(*server_), "OPTIONS");
    EXPECT_EQ(plain(*client_), "200");
    EXPECT_THAT(client_->describe(), HasSubstr("TLSv1.3"));
    EXPECT_THAT(client_->peer().domains, ElementsAre(kServer));
    EXPECT_FALSE(server_->peer().is_verified);
}

TEST_F(Tls, DoesNotCareHowTheBytesAreCut) {
    for (const std::size_t piece : {1U, 2U, 5U, 7U, 1000U}) {
        server_ = TlsSession::accept(load(server_settings()));
        client_ = TlsSession::connect(load(client_settings()), kServer);
        pump(piece);
        ASSERT_TRUE(client_->is_open()) << piece;
        const std::string big(100'000, 'x');
        client_->write(big);
        pump(piece);
        EXPECT_EQ(plain(*server_), big) << piece;
    }
}

TEST_F(Tls, TellsAGoodbyeFromAFailure) {
    meet(server_settings(), client_settings());
    client_->close();
    pump();
    EXPECT_TRUE(server_->is_closed_by_peer());
    EXPECT_FALSE(server_->failure());
}

TEST_F(Tls, KnowsTheClientByItsCertificate) {
    TlsSettings client = client_settings();
    client.identities = {
        authority_->issue("sbc", {.alternative_names = "URI:sip:SBC1.example.com"})};
    meet(server_settings(ClientCertificate::Require), client);
    ASSERT_TRUE(server_->is_open()) << text(*server_);
    EXPECT_TRUE(server_->peer().speaks_for("sbc1.example.com"));
    EXPECT_FALSE(server_->peer().speaks_for("example.com"));
}

TEST_F(Tls, RefusesAClientWithoutCertificateWhereOneIsRequired) {
    meet(server_settings(ClientCertificate::Require), client_settings());
    EXPECT_EQ(code(*server_), "tls_no_client_certificate");
    EXPECT_EQ(code(*client_), "tls_refused");
    EXPECT_THAT(text(*client_), HasSubstr("wants a client certificate"));
}

TEST_F(Tls, LetsAClientWithoutCertificateInWhereOneIsOnlyRequested) {
    meet(server_settings(ClientCertificate::Request), client_settings());
    EXPECT_TRUE(server_->is_open()) << text(*server_);
    EXPECT_FALSE(server_->peer().is_verified);
}

std::vector<base::CertificateFingerprint> told(const TlsSettings& settings) {
    return {*fingerprint_of(**TlsContext::load(settings))};
}

// RFC 8122 section 6: whoever signed a certificate, the one that was told is taken.
TEST_F(Tls, JudgesACertificateByItsFingerprintOnceItIsOpen) {
    const TestAuthority other(directory_, "other");
    TlsSettings client = client_settings();
    client.identities = {other.issue("own", {})};
    TlsSettings stranger = client_settings();
    stranger.identities = {other.issue("stranger", {})};
    for (const auto wanted :
         {ClientCertificate::No, ClientCertificate::Request, ClientCertificate::Require}) {
        server_ = TlsSession::accept(load(server_settings(wanted)), PeerCheck::Later);
        client_ = TlsSession::connect(load(client), kServer);
        pump();
        ASSERT_TRUE(server_->is_open()) << text(*server_);
        EXPECT_FALSE(server_->peer().is_verified);
        EXPECT_FALSE(server_->find_fault(told(client)));
        EXPECT_EQ(server_->find_fault(told(stranger))->code, "fingerprint_mismatch");
        EXPECT_EQ(server_->find_fault({}).has_value(), wanted != ClientCertificate::No);
    }
    // Weak ones do not count beside strong ones.
    std::vector<base::CertificateFingerprint> mixed = told(stranger);
    mixed.push_back({.function = base::HashFunction::Sha1, .digest = base::Bytes(20, 1)});
    EXPECT_EQ(server_->find_fault(mixed)->code, "fingerprint_mismatch");
    mixed.push_back(told(client).front());
    EXPECT_FALSE(server_->find_fault(mixed));
}

TEST_F(Tls, JudgedLaterWhoShowsNoCertificateIsNobodyThatWasTold) {
    server_ = TlsSession::accept(load(server_settings()), PeerCheck::Later);
    client_ = TlsSession::connect(load(client_settings()), kServer);
    pump();
    ASSERT_TRUE(server_->is_open());
    EXPECT_EQ(server_->find_fault(told(server_settings()))->code, "tls_no_client_certificate");
    EXPECT_FALSE(server_->find_fault({}));
}

TEST_F(Tls, JudgesAServerByNameOrFingerprintOnceItIsOpen) {
    const TlsSettings server = server_settings();
    server_ = TlsSession::accept(load(server));
    client_ = TlsSession::connect(load(client_settings()), "other.example.com", PeerCheck::Later);
    pump();
    ASSERT_TRUE(client_->is_open()) << text(*client_);
    EXPECT_EQ(client_->find_fault({})->code, "tls_name_mismatch");
    EXPECT_FALSE(client_->find_fault(told(server)));
}

TEST_F(Tls, RefusesAClientWhoseCaIsNotTrusted) {
    const TestAuthority other(directory_, "other");
    for (const auto wanted : {ClientCertificate::Require, ClientCertificate::Request}) {
        TlsSettings client = client_settings();
        client.identities = {other.issue("stranger", {.common_name = "stranger"})};
        meet(server_settings(wanted), client);
        EXPECT_EQ(code(*server_), "tls_wrong_ca");
        EXPECT_THAT(text(*server_), HasSubstr("CN=stranger"));
        EXPECT_THAT(text(*server_), HasSubstr("CN=other"));
        EXPECT_THAT(text(*client_), HasSubstr("CA"));
    }
}

TEST_F(Tls, RefusesAClientWhoseCertificateHasExpired) {
    TlsSettings client = client_settings();
    client.identities = {authority_->issue(
        "old", {.from = std::chrono::hours{-48}, .until = std::chrono::hours{-1}})};
    meet(server_settings(ClientCertificate::Require), client);
    EXPECT_EQ(code(*server_), "tls_expired");
    EXPECT_THAT(text(*client_), HasSubstr("expired"));
}

TEST_F(Tls, RefusesACertificateThatIsNotValidYet) {
    TlsSettings server = server_settings();
    server.identities = {authority_->issue(
        "young", {.alternative_names = "DNS:rec.example.com", .from = std::chrono::hours{1}})};
    meet(server, client_settings());
    EXPECT_EQ(code(*client_), "tls_not_yet_valid");
}

// RFC 5924 section 4; and what CAs write into the certificates of SBCs.
TEST_F(Tls, TakesCertificatesForServersClientsAndSipFromAnyone) {
    for (const char* usage :
         {"serverAuth", "clientAuth", "1.3.6.1.5.5.7.3.20", "anyExtendedKeyUsage"}) {
        TlsSettings client = client_settings();
        client.identities = {authority_->issue("c", {.extended_usage = usage})};
        meet(server_settings(ClientCertificate::Require), client);
        EXPECT_TRUE(server_->is_open()) << usage << text(*server_);
    }
    TlsSettings client = client_settings();
    client.identities = {authority_->issue("c", {.extended_usage = "emailProtection"})};
    meet(server_settings(ClientCertificate::Require), client);
    EXPECT_EQ(code(*server_), "tls_wrong_usage");
}

TEST_F(Tls, RefusesAServerOfAnotherName) {
    meet(server_settings(), client_settings(), "other.example.com");
    EXPECT_EQ(code(*client_), "tls_name_mismatch");
    EXPECT_THAT(text(*client_), HasSubstr("not for other.example.com"));
    EXPECT_THAT(text(*client_), HasSubstr("rec.example.com"));
    EXPECT_EQ(code(*server_), "tls_refused");
}

TEST_F(Tls, RefusesAServerWhoseCaIsNotTrusted) {
    const TestAuthority other(directory_, "other");
    meet(server_settings(), {.ca_file = other.ca_file()});
    EXPECT_EQ(code(*client_), "tls_wrong_ca");
    EXPECT_THAT(text(*server_), HasSubstr("does not know the CA"));
}

// RFC 5922 section 7.1: URIs first, then DNS, and the common name only without any; 7.2.
TEST_F(Tls, LooksForTheNameWhereRfc5922Says) {
    const auto names = [&](const TestCertificate& what) {
        TlsSettings server = server_settings();
        server.identities = {authority_->issue("named", what)};
        return load(server)->certificates().front().names;
    };
    EXPECT_THAT(names({.alternative_names = "DNS:dns.example,URI:sip:uri.example;x=1"}),
                ElementsAre("uri.example"));
    EXPECT_THAT(names({.alternative_names = "DNS:Dns.Example,URI:sip:user@uri.example"}),
                ElementsAre("dns.example"));
    EXPECT_THAT(names({.alternative_names = "DNS:dns.example,URI:sips:uri.example"}),
                ElementsAre("dns.example"));
    EXPECT_THAT(names({.common_name = "cn.example"}), ElementsAre("cn.example"));
    EXPECT_THAT(names({.common_name = "cn.example", .alternative_names = "IP:192.0.2.1"}),
                IsEmpty());
    EXPECT_THAT(names({.alternative_names = "DNS:*.example.com"}), IsEmpty());
}

TEST_F(Tls, SaysThatAWildcardDoesNotCount) {
    TlsSettings server = server_settings();
    server.identities = {authority_->issue("wild", {.alternative_names = "DNS:*.example.com"})};
    meet(server, client_settings());
    EXPECT_EQ(code(*client_), "tls_name_mismatch");
    EXPECT_THAT(text(*client_), HasSubstr("wildcard"));
}

TEST_F(Tls, TakesAnAddressFromTheCertificateWhereTheUriHasOne) {
    TlsSettings server = server_settings();
    server.identities = {authority_->issue(
        "ip", {.alternative_names = "DNS:a.example,IP:192.0.2.7,IP:2001:db8::7"})};
    meet(server, client_settings(), "192.0.2.7");
    EXPECT_TRUE(client_->is_open()) << text(*client_);
    meet(server, client_settings(), "[2001:db8::7]");
    EXPECT_TRUE(client_->is_open()) << text(*client_);
    meet(server, client_settings(), "192.0.2.8");
    EXPECT_EQ(code(*client_), "tls_name_mismatch");
}

TEST_F(Tls, ServesTheCertificateThatIsAskedFor) {
    TlsSettings server = server_settings();
    server.identities = {authority_->issue("one", {.alternative_names = "DNS:one.example"}),
                         authority_->issue("two", {.alternative_names = "DNS:two.example"})};
    for (const char* name : {"one.example", "two.example"}) {
        meet(server, client_settings(), name);
        EXPECT_TRUE(client_->is_open()) << name << text(*client_);
    }
    meet(server, client_settings(), "three.example");
    EXPECT_THAT(text(*client_), HasSubstr("one.example"));  // the first
}

TEST_F(Tls, DemandsClientCertificatesUnderEachName) {
    TlsSettings server = server_settings(ClientCertificate::Require);
    server.identities = {authority_->issue("one", {.alternative_names = "DNS:one.example"}),
                         authority_->issue("two", {.alternative_names = "DNS:two.example"})};
    meet(server, client_settings(), "two.example");
    EXPECT_EQ(code(*server_), "tls_no_client_certificate");
}

// A ClientHello (RFC 5246 section 7.4.1.2) of this version and no other, with one cipher of it.
std::string hello(char version) {
    using namespace std::string_literals;
    const std::string body = "\x03"s + version + std::string(32, 'r') +
                             "\x00\x00\x02\xc0\x2b\x01\x00"s + "\x00\x12"s +  // extensions:
                             "\x00\x0a\x00\x04\x00\x02\x00\x17"s +            // group P-256
                             "\x00\x0d\x00\x06\x00\x04\x04\x03\x05\x03"s;     // ECDSA signatures
    const auto size = static_cast<char>(body.size());
    return "\x16\x03\x01\x00"s + static_cast<char>(size + 4) + "\x01\x00\x00"s + size + body;
}

TEST_F(Tls, SpeaksTls12AndNothingOlder) {
    const auto greet = [&](TlsVersion least, char version) {
        TlsSettings server = server_settings();
        server.min_version = least;
        server_ = TlsSession::accept(load(server));
        server_->on_bytes(base::as_bytes(hello(version)));
        return code(*server_);
    };
    EXPECT_EQ(greet(TlsVersion::V12, 3), "") << text(*server_);
    EXPECT_EQ(greet(TlsVersion::V12, 2), "tls_old_version");
    EXPECT_EQ(greet(TlsVersion::V13, 3), "tls_old_version");
}

TEST_F(Tls, SaysThatPlainSipIsNoTls) {
    server_ = TlsSession::accept(load(server_settings()));
    server_->on_bytes(base::as_bytes("OPTIONS sip:rec@example.com SIP/2.0\r\n"));
    EXPECT_EQ(code(*server_), "tls_not_tls");
}

TEST_F(Tls, ARunningSessionKeepsItsCertificateWhenAnotherIsLoaded) {
    meet(server_settings(), client_settings());
    load(server_settings());  // the same files, written anew
    client_->write("BYE");
    pump();
    EXPECT_EQ(plain(*server_), "BYE");
}

TEST_F(Tls, RefusesAKeyThatOthersMayRead) {
    TlsSettings server = server_settings();
    const std::string key = server.identities.front().private_key_file;
    for (const mode_t mode : {0644U, 0604U, 0660U}) {
        ::chmod(key.c_str(), mode);
        const auto loaded = TlsContext::load(server);
        ASSERT_FALSE(loaded) << mode;
        EXPECT_EQ(loaded.error().code, "tls_private_key");
        EXPECT_THAT(loaded.error().text, HasSubstr(key));
    }
    ::chmod(key.c_str(), 0640);
    EXPECT_TRUE(TlsContext::load(server));
}

TEST_F(Tls, NamesTheFileThatCannotBeUsed) {
    const TlsIdentity one = authority_->issue("one", {});
    const TlsIdentity two = authority_->issue("two", {});
    const auto fault = [&](const TlsSettings& settings) {
        const auto loaded = TlsContext::load(settings);
        return loaded ? std::string{} : loaded.error().code + ": " + loaded.error().text;
    };
    EXPECT_THAT(fault({.identities = {{one.certificate_file, two.private_key_file}}}),
                HasSubstr("is not that of"));
    EXPECT_THAT(fault({.identities = {{"/nowhere.pem", one.private_key_file}}}),
                HasSubstr("tls_certificate: /nowhere.pem cannot be read"));
    EXPECT_THAT(fault({.identities = {{one.private_key_file, one.private_key_file}}}),
                HasSubstr("holds no certificate"));
    EXPECT_THAT(fault({.identities = {{one.certificate_file, one.certificate_file}}}),
                HasSubstr("tls_private_key"));
    EXPECT_THAT(fault({.ca_file = one.private_key_file}), HasSubstr("tls_ca"));
}

TEST_F(Tls, TellsOfACertificateBeforeItEnds) {
    const auto now =
        std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
    const auto told = [&](std::chrono::hours from, std::chrono::hours until) {
        TlsSettings server = server_settings();
        server.identities = {authority_->issue("aging", {.from = from, .until = until})};
        return find_expiry(load(server)->certificates().front(), now).value_or("");
    };
    using std::chrono::hours;
    EXPECT_EQ(told(hours{-1}, hours{15 * 24}), "");
    EXPECT_THAT(told(hours{-1}, hours{13 * 24}), HasSubstr("ends in 1"));
    EXPECT_THAT(told(hours{-2}, hours{-1}), HasSubstr("has ended"));
    EXPECT_THAT(told(hours{1}, hours{24}), HasSubstr("only from"));
}

}  // namespace
}  // namespace earshot::io
