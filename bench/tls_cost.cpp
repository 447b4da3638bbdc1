// What a TLS handshake costs the side that is connected to, and a SIP message over TLS: in memory,
// without sockets, by the CPU time of the thread.
//   tls_cost [HANDSHAKES]
#include <fmt/format.h>
#include <stdlib.h>
#include <time.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "io/tls_session.h"
#include "io/tls_test_authority.h"

namespace {

using earshot::io::ClientCertificate;
using earshot::io::TlsContext;
using earshot::io::TlsSession;
using earshot::io::TlsSettings;
using ContextPtr = std::shared_ptr<const TlsContext>;

constexpr const char* kName = "rec.example.com";

double cpu_us() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// The part of a pair that is measured.
class Meter {
public:
    void run(const std::function<void()>& work) {
        const double before = cpu_us();
        work();
        total_us_ += cpu_us() - before;
    }
    double total_us() const { return total_us_; }

private:
    double total_us_ = 0;
};

struct Pair {
    std::unique_ptr<TlsSession> server;
    std::unique_ptr<TlsSession> client;
};

Pair shake_hands(const ContextPtr& server_context, const ContextPtr& client_context,
                 Meter& server_side) {
    Pair pair;
    server_side.run([&] { pair.server = TlsSession::accept(server_context); });
    pair.client = TlsSession::connect(client_context, kName);
    for (int i = 0; i < 8 && !(pair.server->is_open() && pair.client->is_open()); ++i) {
        const std::string hello = pair.client->take_output();
        std::string answer;
        server_side.run([&] {
            pair.server->on_bytes(earshot::base::as_bytes(hello));
            answer = pair.server->take_output();
        });
        pair.client->on_bytes(earshot::base::as_bytes(answer));
    }
    if (!pair.server->is_open()) std::abort();
    return pair;
}

ContextPtr load(const TlsSettings& settings) {
    auto context = TlsContext::load(settings);
    if (!context) {
        fmt::print(stderr, "{}\n", context.error().text);
        std::exit(1);
    }
    return *context;
}

}  // namespace

int main(int argc, char** argv) {
    const int count = argc > 1 ? std::atoi(argv[1]) : 500;
    char directory[] = "/tmp/earshot-tls-XXXXXX";
    if (::mkdtemp(directory) == nullptr) return 1;
    const earshot::io::TestAuthority authority(directory);
    const auto client_identity = authority.issue("client", {.alternative_names = "DNS:c.example"});
    for (const bool is_rsa : {false, true}) {
        for (const auto wanted : {ClientCertificate::No, ClientCertificate::Require}) {
            const bool is_mutual = wanted == ClientCertificate::Require;
            const ContextPtr server =
                load({.identities = {authority.issue(
                          "server",
                          {.alternative_names = "DNS:" + std::string(kName), .is_rsa = is_rsa})},
                      .ca_file = authority.ca_file(),
                      .client_certificate = wanted});
            TlsSettings client_settings{.identities = {}, .ca_file = authority.ca_file()};
            if (is_mutual) client_settings.identities = {client_identity};
            const ContextPtr client = load(client_settings);
            Meter handshakes;
            Pair last;
            for (int i = 0; i < count; ++i) last = shake_hands(server, client, handshakes);
            const double each = handshakes.total_us() / count;
            fmt::print("{:8} {:18} {:7.0f} us a handshake, {:5.0f} a second on one core\n",
                       is_rsa ? "RSA 2048" : "P-256", is_mutual ? "client certificate" : "", each,
                       1e6 / each);

            Meter messages;
            const std::string invite(5000, 'x');  // an INVITE with SDP and metadata
            for (int i = 0; i < count; ++i) {
                last.client->write(invite);
                const std::string bytes = last.client->take_output();
                messages.run([&] {
                    last.server->on_bytes(earshot::base::as_bytes(bytes));
                    last.server->take_plain();
                });
            }
            fmt::print("{:27} {:7.1f} us to read a message of 5,000 octets\n", "",
                       messages.total_us() / count);
        }
    }
    std::filesystem::remove_all(directory);
    return 0;
}
