#include "server/message_service.h"

#include <algorithm>
#include <utility>

#include "io/thread_name.h"
#include "messages/limits.h"

namespace earshot::server {

// A client makes one for each chat, and all of a company's may stand behind one address.
constexpr std::size_t kMaxConnectionsPerHost = 2048;

// All of it belongs to the thread, but post().
class MessageService::Core final : public transport::StreamLoop::Handler,
                                   public messages::Network,
                                   public messages::Journal {
public:
    Core(std::unique_ptr<transport::StreamLoop> loop, bool match_session_id_only,
         capture::CaptureEngine& capture, const io::Clock& clock, base::Log& log)
        : loop_(std::move(loop)),
          capture_(capture),
          clock_(clock),
          desk_(*this, *this, random_, log, match_session_id_only) {}

    transport::StreamLoop& loop() { return *loop_; }
    void run() { loop_->run(*this); }
    void post(std::function<void(messages::Desk&, base::Now)> work) {
        loop_->post([this, work = std::move(work)] { work(desk_, clock_.now()); });
    }

    // ---- StreamLoop::Handler

    void on_open(transport::StreamLoop::ConnectionId connection, const base::NetAddress& remote,
                 const io::TlsPeer* peer) override {
        desk_.on_open(clock_.now(), connection, remote, peer != nullptr);
    }
    void on_bytes(transport::StreamLoop::ConnectionId connection, base::ByteView bytes) override {
        desk_.on_bytes(clock_.now(), connection, bytes);
    }
    void on_closed(transport::StreamLoop::ConnectionId connection) override {
        desk_.on_closed(clock_.now(), connection);
    }
    void on_tick() override { desk_.on_time(clock_.now()); }

    // ---- messages::Network

    void send(messages::ConnectionId connection, std::string bytes) override {
        loop_->send(connection, std::move(bytes));
    }
    void close(messages::ConnectionId connection) override { loop_->close(connection); }
    void set_reading(messages::ConnectionId connection, bool reading) override {
        loop_->set_reading(connection, reading);
    }
    std::size_t queued_bytes(messages::ConnectionId connection) const override {
        return loop_->queued_bytes(connection);
    }
    messages::ConnectionId connect(const base::NetAddress& to,
                                   const std::string& tls_name) override {
        return loop_->connect(to, tls_name);
    }
    std::optional<base::Reason> find_fault(
        messages::ConnectionId connection,
        const std::vector<base::CertificateFingerprint>& told) override {
        return loop_->find_fault(connection, told);
    }

    // ---- messages::Journal

    bool append(const messages::SessionKey& key, journal::RecordType type, std::int64_t arrival_ns,
                base::Bytes& payload) override {
        capture::JournalEntry entry{.type = type,
                                    .recording = key.recording,
                                    .stream = key.stream,
                                    .arrival_ns = arrival_ns,
                                    .payload = std::move(payload)};
        if (capture_.append(entry)) return true;
        payload = std::move(entry.payload);
        return false;
    }
    bool request_durable(const base::Uuid& recording, std::uint64_t token) override {
        return capture_.request_durable(recording, token | kTokenBit);
    }

private:
    std::unique_ptr<transport::StreamLoop> loop_;
    capture::CaptureEngine& capture_;
    const io::Clock& clock_;
    base::SystemRandom random_;
    messages::Desk desk_;
};

base::Result<std::unique_ptr<MessageService>, base::Reason> MessageService::create(
    Setup setup, capture::CaptureEngine& capture, const io::Clock& clock, base::Log& log) {
    auto loop = transport::StreamLoop::create(setup.listens, log,
                                              {.protocol = "MSRP",
                                               .max_connections_per_host = kMaxConnectionsPerHost,
                                               .max_queued_bytes = messages::kMaxQueuedBytes,
                                               .tls = setup.tls,
                                               .peer_check = io::PeerCheck::Later});
    if (!loop) return loop.error();
    auto core =
        std::make_unique<Core>(std::move(*loop), setup.match_session_id_only, capture, clock, log);
    return std::unique_ptr<MessageService>(
        new MessageService(std::move(core), std::move(setup.tls)));
}

MessageService::MessageService(std::unique_ptr<Core> core,
                               std::shared_ptr<const io::TlsContext> tls)
    : core_(std::move(core)),
      tls_(std::move(tls)),
      has_tls_(tls_ != nullptr && !tls_->certificates().empty()) {}

MessageService::~MessageService() { stop(); }

void MessageService::start() {
    thread_ = std::jthread([this] {
        io::set_thread_name("messages");
        core_->run();
    });
}

void MessageService::stop() {
    core_->loop().stop();
    if (thread_.joinable()) thread_.join();
}

const std::vector<base::NetAddress>& MessageService::local_addresses() const {
    return core_->loop().local_addresses();
}

std::optional<std::uint16_t> MessageService::port_for(const base::NetAddress& host) const {
    const std::vector<base::NetAddress>& bound = local_addresses();
    const auto found = std::find_if(bound.begin(), bound.end(),
                                    [&](const auto& one) { return one.is_v4() == host.is_v4(); });
    return found == bound.end() ? std::nullopt : std::optional{found->port};
}

void MessageService::open(messages::SessionSetup setup) {
    core_->post([setup = std::move(setup)](messages::Desk& desk, base::Now now) {
        desk.open_session(now, setup);
    });
}

void MessageService::pause(const messages::SessionKey& key) {
    core_->post([key](messages::Desk& desk, base::Now now) { desk.on_paused(now, key); });
}

void MessageService::close(const messages::SessionKey& key, std::function<void()> done) {
    core_->post([key, done = std::move(done)](messages::Desk& desk, base::Now now) {
        desk.close_session(now, key, done);
    });
}

std::optional<base::CertificateFingerprint> MessageService::fingerprint() const {
    return tls_ == nullptr ? std::nullopt : io::fingerprint_of(*tls_);
}

void MessageService::set_tls(std::shared_ptr<const io::TlsContext> tls) {
    tls_ = tls;
    core_->loop().post([core = core_.get(), tls = std::move(tls)] { core->loop().set_tls(tls); });
}

void MessageService::on_durable(std::uint64_t token) {
    core_->post(
        [token](messages::Desk& desk, base::Now now) { desk.on_durable(now, token & ~kTokenBit); });
}

}  // namespace earshot::server
