// The thread that receives messages (MSRP): its listener, the desk that knows the sessions, and how
// signalling and capture talk with it. A large file keeps this thread busy and no other.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "capture/capture_engine.h"
#include "io/clock.h"
#include "io/tls_context.h"
#include "messages/desk.h"
#include "transport/stream_loop.h"

namespace earshot::server {

class MessageService {
public:
    struct Setup {
        std::vector<base::NetAddress> listens{};
        bool match_session_id_only = false;
        std::shared_ptr<const io::TlsContext> tls{};  // null: no TLS
    };

    // Binds; nothing is served before start(). All are borrowed.
    static base::Result<std::unique_ptr<MessageService>, base::Reason> create(
        Setup setup, capture::CaptureEngine& capture, const io::Clock& clock, base::Log& log);
    MessageService(const MessageService&) = delete;
    MessageService& operator=(const MessageService&) = delete;
    ~MessageService();  // stop()

    void start();
    void stop();  // after the calls have ended, before capture does

    // ---- signalling's thread

    // Of the certificate that we show; nothing: no TLS. By address our URIs name us, so no name is
    // asked for (SNI) and it is the first.
    std::optional<base::CertificateFingerprint> fingerprint() const;
    // What TLS connections are made with from now on.
    void set_tls(std::shared_ptr<const io::TlsContext> tls);

    // ---- any thread

    bool has_tls() const { return has_tls_; }
    const std::vector<base::NetAddress>& local_addresses() const;
    // Where a client that sees us at `host` reaches the listener; nothing: none has its family.
    std::optional<std::uint16_t> port_for(const base::NetAddress& host) const;
    void open(messages::SessionSetup setup);
    void pause(const messages::SessionKey& key);  // after its gate was closed
    // `done` is called on this service's thread once nothing of it will come.
    void close(const messages::SessionKey& key, std::function<void()> done);
    // Of capture::Durable whose token is_token().
    void on_durable(std::uint64_t token);
    static bool is_token(std::uint64_t token) { return (token & kTokenBit) != 0; }

private:
    class Core;
    MessageService(std::unique_ptr<Core> core, std::shared_ptr<const io::TlsContext> tls);

    static constexpr std::uint64_t kTokenBit = 1ULL << 62U;
    std::unique_ptr<Core> core_;
    std::shared_ptr<const io::TlsContext> tls_;
    bool has_tls_;
    std::jthread thread_;
};

}  // namespace earshot::server
