#include "client/chat_service.h"

#include <algorithm>
#include <utility>

#include "io/thread_name.h"
#include "io/tls_session.h"
#include "transport/stream_loop.h"

namespace earshot::client {

using base::Reason;
using transport::StreamLoop;

namespace {

// All parties may stand behind one border controller.
constexpr std::size_t kMaxConnectionsPerHost = 2048;

}  // namespace

// All of it belongs to the thread, but post().
class ChatService::Core final : public StreamLoop::Handler, public chat::Network {
public:
    Core(std::unique_ptr<StreamLoop> loop, const io::Clock& clock, chat::Switch::Told told,
         chat::Copies::Told copies_told, chat::Rooms::Told rooms_told,
         chat::Guests::Told guests_told)
        : loop_(std::move(loop)),
          clock_(clock),
          desk_(*this, random_, std::move(told), std::move(copies_told), std::move(rooms_told),
                std::move(guests_told)) {}

    StreamLoop& loop() { return *loop_; }
    void run() { loop_->run(*this); }
    void post(std::function<void(base::Now, chat::Desk&)> work) {
        loop_->post([this, work = std::move(work)] { work(clock_.now(), desk_); });
    }

    // ---- StreamLoop::Handler

    void on_open(StreamLoop::ConnectionId connection, const base::NetAddress& remote,
                 const io::TlsPeer* peer) override {
        desk_.on_open(clock_.now(), connection, peer != nullptr, remote);
    }
    void on_bytes(StreamLoop::ConnectionId connection, base::ByteView bytes) override {
        desk_.on_bytes(clock_.now(), connection, bytes);
    }
    void on_closed(StreamLoop::ConnectionId connection) override {
        desk_.on_closed(clock_.now(), connection);
    }
    void on_writable(StreamLoop::ConnectionId connection) override {
        desk_.on_writable(clock_.now(), connection);
    }
    void on_tick() override { desk_.on_time(clock_.now()); }

    // ---- chat::Network

    void send(chat::ConnectionId connection, std::string bytes) override {
        loop_->send(connection, std::move(bytes));
    }
    void close(chat::ConnectionId connection) override { loop_->close(connection); }
    void set_reading(chat::ConnectionId connection, bool reading) override {
        loop_->set_reading(connection, reading);
    }
    chat::ConnectionId connect(const base::NetAddress& to, const std::string& tls_name) override {
        return loop_->connect(to, tls_name);
    }
    std::optional<Reason> find_fault(
        chat::ConnectionId connection,
        const std::vector<base::CertificateFingerprint>& told) override {
        return loop_->find_fault(connection, told);
    }
    std::size_t queued_bytes(chat::ConnectionId connection) const override {
        return loop_->queued_bytes(connection);
    }

private:
    std::unique_ptr<StreamLoop> loop_;
    const io::Clock& clock_;
    base::SystemRandom random_;
    chat::Desk desk_;
};

ChatService::ChatService(Options options, const io::Clock& clock, base::Random& random,
                         base::Log& log)
    : options_(std::move(options)), clock_(clock), random_(random), log_(log) {
    if (options_.tls == nullptr) return;
    if (auto own = io::fingerprint_of(*options_.tls))
        certificate_ = {.fingerprint = *std::move(own), .is_self_signed = options_.is_self_signed};
}

ChatService::~ChatService() {
    if (core_ == nullptr) return;
    core_->loop().stop();
    thread_.join();
}

std::optional<Reason> ChatService::start() {
    constexpr int kTries = 32;
    Reason why{"chat_no_listener", "No port is free where parties could connect for a chat."};
    const std::size_t span = std::size_t{options_.ports.high} - options_.ports.low + 1;
    for (int i = 0; i < kTries && core_ == nullptr; ++i) {
        std::vector<base::NetAddress> listens = options_.hosts;
        const auto port = static_cast<std::uint16_t>(options_.ports.low + random_.u32() % span);
        for (base::NetAddress& host : listens) host.port = port;
        if (options_.listen) listens = {*options_.listen};
        // The desk bounds what waits by not reading: what the other end sends in one piece comes on
        // top of that.
        auto loop = StreamLoop::create(listens, log_,
                                       {.protocol = "MSRP",
                                        .max_connections_per_host = kMaxConnectionsPerHost,
                                        .max_queued_bytes = 4U << 20,
                                        .tls = options_.tls,
                                        .peer_check = io::PeerCheck::Later});
        if (!loop) {
            why.text = loop.error().text;
            if (options_.listen) break;
            continue;
        }
        core_ = std::make_unique<Core>(
            std::move(*loop), clock_,
            [post = options_.post, told = options_.told](const chat::SwitchEvent& event) {
                post([told, event] { told(event); });
            },
            [post = options_.post, told = options_.copies_told](const chat::CopyEvent& event) {
                post([told, event] { told(event); });
            },
            [post = options_.post, told = options_.rooms_told](const chat::RoomEvent& event) {
                if (told) post([told, event] { told(event); });
            },
            [post = options_.post, told = options_.guests_told](const chat::GuestEvent& event) {
                if (told) post([told, event] { told(event); });
            });
    }
    if (core_ == nullptr) return why;
    thread_ = std::jthread([core = core_.get()] {
        io::set_thread_name("chats");
        core->run();
    });
    return std::nullopt;
}

base::Result<base::NetAddress, Reason> ChatService::listener(bool ipv6, bool is_inside) {
    if (core_ == nullptr)
        if (auto reason = start()) return *std::move(reason);
    const std::vector<base::NetAddress>& bound = core_->loop().local_addresses();
    auto found = std::find_if(bound.begin(), bound.end(),
                              [&](const auto& one) { return one.is_v4() != ipv6; });
    if (found == bound.end()) found = bound.begin();
    base::NetAddress told = options_.told_host(!found->is_v4(), is_inside);
    told.port = found->port;
    return told;
}

void ChatService::post(std::function<void(base::Now, chat::Desk&)> work) {
    if (core_ != nullptr) core_->post(std::move(work));
}

}  // namespace earshot::client
