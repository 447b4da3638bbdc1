// A CA for tests and bench/tls_cost.cpp: makes certificates of any name, age and use, and writes
// them as the files that a configuration names.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include "io/tls_openssl.h"
#include "io/tls_settings.h"

namespace earshot::io {

struct TestCertificate {
    std::string common_name = "test";
    std::string alternative_names{};  // "DNS:a.example,URI:sip:b.example,IP:127.0.0.1"
    std::string extended_usage{};     // "serverAuth"
    std::chrono::hours from{-24};     // from now
    std::chrono::hours until{24 * 365};
    bool is_rsa = false;  // of 2048 bits, else P-256
};

class TestAuthority {
public:
    explicit TestAuthority(std::filesystem::path directory, std::string name = "ca")
        : directory_(std::move(directory)), name_(std::move(name)), key_(EVP_EC_gen("P-256")) {
        certificate_.reset(X509_new());
        fill(*certificate_, {.common_name = name_}, *key_,
             X509_get_subject_name(certificate_.get()));
        extend(*certificate_, NID_basic_constraints, "critical,CA:TRUE");
        X509_sign(certificate_.get(), key_.get(), EVP_sha256());
        save(name_ + ".pem", "", {certificate_.get()});
    }

    std::string ca_file() const { return (directory_ / (name_ + ".pem")).string(); }

    // FILE.pem and FILE.key, with the CA's certificate behind ours.
    TlsIdentity issue(const std::string& file, const TestCertificate& what) const {
        const PrivateKeyPtr key(what.is_rsa ? EVP_RSA_gen(2048U) : EVP_EC_gen("P-256"));
        const X509Ptr made(X509_new());
        fill(*made, what, *key, X509_get_subject_name(certificate_.get()));
        if (!what.alternative_names.empty())
            extend(*made, NID_subject_alt_name, what.alternative_names.c_str());
        if (!what.extended_usage.empty())
            extend(*made, NID_ext_key_usage, what.extended_usage.c_str());
        X509_sign(made.get(), key_.get(), EVP_sha256());
        const BioPtr text(BIO_new(BIO_s_mem()));
        PEM_write_bio_PrivateKey(text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        save(file + ".key", taken(*text), {});
        save(file + ".pem", "", {made.get()});
        return {.certificate_file = (directory_ / (file + ".pem")).string(),
                .private_key_file = (directory_ / (file + ".key")).string()};
    }

private:
    static std::string taken(BIO& bio) {
        char* data = nullptr;
        const long size = BIO_get_mem_data(&bio, &data);
        return {data, static_cast<std::size_t>(size)};
    }

    static void fill(X509& made, const TestCertificate& what, EVP_PKEY& key,
                     const X509_NAME* issuer) {
        static long serial = 1;
        X509_set_version(&made, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(&made), serial++);
        const auto in = [](std::chrono::hours time) {
            return static_cast<long>(std::chrono::seconds(time).count());
        };
        X509_gmtime_adj(X509_getm_notBefore(&made), in(what.from));
        X509_gmtime_adj(X509_getm_notAfter(&made), in(what.until));
        X509_set_pubkey(&made, &key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(&made), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(what.common_name.c_str()),
                                   -1, -1, 0);
        X509_set_issuer_name(&made, issuer);
    }

    static void extend(X509& made, int nid, const char* value) {
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
        X509_add_ext(&made, extension, -1);
        X509_EXTENSION_free(extension);
    }

    void save(const std::string& file, const std::string& text,
              std::initializer_list<X509*> certificates) const {
        const BioPtr out(BIO_new(BIO_s_mem()));
        for (X509* certificate : certificates) PEM_write_bio_X509(out.get(), certificate);
        const auto path = directory_ / file;
        std::ofstream(path, std::ios::binary) << text << taken(*out);
        using std::filesystem::perms;
        std::filesystem::permissions(path, perms::owner_read | perms::owner_write);
    }

    std::filesystem::path directory_;
    std::string name_;
    PrivateKeyPtr key_;
    X509Ptr certificate_;
};

}  // namespace earshot::io
