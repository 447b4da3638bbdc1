// Two ends of DTLS and the wire between them, for tests: datagrams are lost, doubled and held back
// as asked, and time is a number. OpenSSL reads its clock by gettimeofday(); the test program
// defines that function, so that no test has to wait for a timer.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <vector>

#include "srtp/dtls_endpoint.h"

namespace earshot::srtp {

// What gettimeofday() tells; shared by all tests of the program.
base::TimePoint& dtls_test_clock();

inline DtlsIdentity make_test_identity() {
    return *DtlsIdentity::make(base::wall_from_ns(1'700'000'000'000'000'000));
}

class DtlsPair {
public:
    // Whether the nth datagram of the pair, from 0, is lost.
    using Loses = std::function<bool(std::size_t)>;

    DtlsPair(DtlsEndpoint& client, DtlsEndpoint& server) : client_(client), server_(server) {}

    Loses loses = [](std::size_t) { return false; };
    bool doubles = false;
    std::size_t sent = 0;

    // Until nothing is on the wire.
    void exchange() {
        while (deliver(client_, server_) || deliver(server_, client_)) {
        }
    }
    // The same, and on to the next timer, for as long as one of them runs.
    void run() {
        exchange();
        for (int turn = 0; turn < 64; ++turn) {
            const auto a = client_.deadline();
            const auto b = server_.deadline();
            if (!a && !b) return;
            dtls_test_clock() =
                a && b ? std::min(*a, *b) : a.value_or(b.value_or(base::TimePoint{}));
            client_.on_time(dtls_test_clock());
            server_.on_time(dtls_test_clock());
            exchange();
        }
    }

private:
    bool deliver(DtlsEndpoint& from, DtlsEndpoint& to) {
        const auto datagram = from.poll_datagram();
        if (!datagram) return false;
        if (loses(sent++)) return true;
        to.on_datagram(dtls_test_clock(), *datagram);
        if (doubles) to.on_datagram(dtls_test_clock(), *datagram);
        return true;
    }

    DtlsEndpoint& client_;
    DtlsEndpoint& server_;
};

}  // namespace earshot::srtp
