#include "app/tls_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "app/client_config.h"
#include "io/tls_test_authority.h"

namespace earshot::app {
namespace {

using testing::HasSubstr;

std::optional<std::string> no_variables(const std::string&) { return std::nullopt; }

class TlsConfig : public testing::Test {
protected:
    TlsConfig() {
        char name[] = "/tmp/earshot-tls-XXXXXX";
        directory_ = ::mkdtemp(name);
        authority_.emplace(directory_);
        one_ = authority_->issue("one", {.alternative_names = "DNS:one.example"});
        two_ = authority_->issue("two", {.alternative_names = "DNS:two.example"});
    }
    ~TlsConfig() override { std::filesystem::remove_all(directory_); }

    std::string identity() const {
        return "certificate_file = \"" + one_.certificate_file + "\"\nprivate_key_file = \"" +
               one_.private_key_file + "\"\n";
    }
    std::string trust(const std::string& wanted) const {
        return "ca_file = \"" + authority_->ca_file() + "\"\nclient_certificate = \"" + wanted +
               "\"\n";
    }
    static auto parse(const std::string& text) {
        return parse_config("[sip]\n" + text, "f", no_variables, {});
    }
    static std::string fault(const std::string& text) {
        const auto config = parse(text);
        return config ? "none" : to_string(config.error());
    }

    std::filesystem::path directory_;
    std::optional<io::TestAuthority> authority_;
    io::TlsIdentity one_;
    io::TlsIdentity two_;
};

TEST_F(TlsConfig, ListensAtPort5061WhereNoneIsGiven) {
    const auto config = parse("tls = \"127.0.0.1, [::1]:5071\"\n" + identity());
    ASSERT_TRUE(config) << to_string(config.error());
    ASSERT_EQ(config->tls_listen.size(), 2U);
    EXPECT_EQ(base::to_string(config->tls_listen[0]), "127.0.0.1:5061");
    EXPECT_EQ(base::to_string(config->tls_listen[1]), "[::1]:5071");
    EXPECT_EQ(config->tls.identities, std::vector{one_});
    EXPECT_EQ(config->tls.min_version, io::TlsVersion::V12);
}

TEST_F(TlsConfig, PairsCertificatesAndKeysByTheirOrder) {
    const std::string certificates =
        "certificate_file = \"" + one_.certificate_file + ", " + two_.certificate_file + "\"\n";
    const auto config = parse("tls = \"127.0.0.1\"\nprivate_key_file = \"" + one_.private_key_file +
                              "," + two_.private_key_file + "\"\n" + certificates);
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->tls.identities, (std::vector{one_, two_}));
    EXPECT_THAT(fault("tls = \"127.0.0.1\"\nprivate_key_file = \"" + one_.private_key_file +
                      "\"\n" + certificates),
                HasSubstr("as many files"));
}

TEST_F(TlsConfig, AListenerBeyondLoopbackMayStandOnClientCertificates) {
    const std::string listen = "tls = \"0.0.0.0:5061\"\n" + identity();
    EXPECT_THAT(fault(listen), HasSubstr("0.0.0.0:5061 is not loopback"));
    EXPECT_THAT(fault(listen + trust("request")), HasSubstr("is not loopback"));
    EXPECT_EQ(fault(listen + trust("require")), "none");
    EXPECT_EQ(fault(listen + "insecure = true\n"), "none");
    EXPECT_EQ(fault(listen + "[[peer]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n"), "none");
    EXPECT_THAT(fault(listen + trust("require") + "listen = \"0.0.0.0:5060\"\n"),
                HasSubstr("0.0.0.0:5060 is not loopback"));  // by UDP nobody shows a certificate
}

TEST_F(TlsConfig, MistakesAreNamed) {
    EXPECT_THAT(fault("tls = \"127.0.0.1\"\n"), HasSubstr("sip.tls: needs a certificate"));
    EXPECT_THAT(fault("tls = \"rec.example\"\n"), HasSubstr("is not an address"));
    EXPECT_THAT(fault("tls = \"127.0.0.1, 127.0.0.1:5061\"\n"), HasSubstr("twice"));
    EXPECT_THAT(fault(identity() + "client_certificate = \"require\"\n"),
                HasSubstr("needs sip.ca_file"));
    EXPECT_THAT(fault("client_certificate = \"maybe\"\n"), HasSubstr("no, request, require"));
    EXPECT_THAT(fault("tls_min_version = \"1.1\"\n"), HasSubstr("neither 1.2 nor 1.3"));
    EXPECT_THAT(fault("certificate_file = \"/nowhere.pem\"\nprivate_key_file = \"/nowhere.key\"\n"),
                HasSubstr("sip.certificate_file: /nowhere.pem cannot be read"));
    EXPECT_THAT(fault("ca_file = \"" + one_.private_key_file + "\"\n"), HasSubstr("sip.ca_file: "));
}

TEST_F(TlsConfig, KnowsPeersByTheNamesOfTheirCertificates) {
    const std::string listen = "tls = \"127.0.0.1\"\n" + identity() + trust("request");
    const auto config = parse(listen +
                              "[[peer]]\nname = \"a\"\ncertificate_names = [\"sip:SBC.example\"]\n"
                              "[[peer]]\nname = \"b\"\naddresses = [\"192.0.2.1\"]\n"
                              "transport = \"tls\"\n");
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->peers[0].certificate_names, std::vector<std::string>{"sbc.example"});
    EXPECT_FALSE(config->peers[0].needs_tls);
    EXPECT_TRUE(config->peers[1].needs_tls);

    const std::string peer = "[[peer]]\nname = \"a\"\ncertificate_names = [\"sbc.example\"]\n";
    EXPECT_THAT(fault(peer), HasSubstr("\"a\" can never show its certificate"));
    EXPECT_THAT(fault(listen + peer + "transport = \"tcp\"\n"), HasSubstr("peer.transport"));
    EXPECT_THAT(fault(listen + peer + "username = \"u\"\npassword_file = \"" +
                      one_.certificate_file + "\"\n"),
                HasSubstr("beside a username"));
    EXPECT_THAT(fault(listen + "[[peer]]\nname = \"a\"\ncertificate_names = [\"*.example\"]\n"),
                HasSubstr("no domain of a certificate"));
    EXPECT_THAT(fault(listen + peer +
                      "[[peer]]\nname = \"c\"\ncertificate_names = "
                      "[\"SBC.example\"]\n"),
                HasSubstr("a certificate tells one peer"));
}

TEST_F(TlsConfig, TheClientHasTheSameKeys) {
    const auto config = parse_client_config(
        "[sip]\ntls = \"127.0.0.1\"\n" + identity() + trust("require"), "f", no_variables, {});
    ASSERT_TRUE(config) << to_string(config.error());
    EXPECT_EQ(config->tls.client_certificate, io::ClientCertificate::Require);
    EXPECT_EQ(config->tls_listen.size(), 1U);
}

}  // namespace
}  // namespace earshot::app
