#include "loadgen/chat_thread.h"

#include <thread>
#include <utility>

#include "io/clock.h"
#include "io/thread_name.h"
#include "transport/stream_loop.h"

namespace earshot::loadgen {

using base::Reason;
using transport::StreamLoop;

namespace {

constexpr std::size_t kMaxConnections = 20'000;  // all of one run have the same host
constexpr std::chrono::milliseconds kTick{20};

}  // namespace

// All of it belongs to the thread, but post().
class ChatThread::Core final : public StreamLoop::Handler, public ChatNetwork {
public:
    Core(std::unique_ptr<StreamLoop> loop, std::function<void(ChatId)> on_ended)
        : loop_(std::move(loop)), desk_(*this, random_, std::move(on_ended)) {}

    void start() {
        thread_ = std::thread([this] {
            io::set_thread_name("chats");
            loop_->run(*this);
        });
    }
    void stop() {
        loop_->stop();
        if (thread_.joinable()) thread_.join();
    }
    StreamLoop& loop() { return *loop_; }
    ChatDesk& desk() { return desk_; }
    base::Now now() const { return clock_.now(); }

    // ---- StreamLoop::Handler
    void on_open(StreamLoop::ConnectionId connection, const base::NetAddress& /*remote*/,
                 const io::TlsPeer* /*peer*/) override {
        desk_.on_open(now(), connection);
    }
    void on_bytes(StreamLoop::ConnectionId connection, base::ByteView bytes) override {
        desk_.on_bytes(now(), connection, bytes);
    }
    void on_closed(StreamLoop::ConnectionId connection) override {
        desk_.on_closed(now(), connection);
    }
    void on_tick() override { desk_.on_time(now()); }

    // ---- ChatNetwork
    Connection connect(const base::NetAddress& to, const std::string& tls_name) override {
        return loop_->connect(to, tls_name);
    }
    void send(Connection connection, std::string bytes) override {
        loop_->send(connection, std::move(bytes));
    }
    void close(Connection connection) override { loop_->close(connection); }
    std::size_t queued_bytes(Connection connection) const override {
        return loop_->queued_bytes(connection);
    }
    std::optional<Reason> find_fault(
        Connection connection,
        const std::vector<base::CertificateFingerprint>& told) const override {
        return loop_->find_fault(connection, told);
    }

private:
    std::unique_ptr<StreamLoop> loop_;
    io::SystemClock clock_;
    base::SystemRandom random_;
    ChatDesk desk_;
    std::thread thread_;
};

base::Result<std::unique_ptr<ChatThread>, Reason> ChatThread::create(
    Settings settings, base::Log& log, std::function<void(ChatId)> on_ended) {
    transport::StreamLoopOptions options;
    options.protocol = "MSRP";
    options.max_connections = kMaxConnections;
    options.max_connections_per_host = kMaxConnections;
    options.max_queued_bytes = std::size_t{4} << 20U;
    options.tick = kTick;
    options.tls = std::move(settings.tls);
    options.peer_check = io::PeerCheck::Later;  // ChatDesk compares fingerprints
    for (base::NetAddress& local : settings.locals) local.port = 0;
    auto loop = StreamLoop::create(settings.locals, log, options);
    if (!loop) return loop.error();
    // make_unique does not reach a private constructor.
    std::unique_ptr<ChatThread> made{
        new ChatThread(std::make_unique<Core>(*std::move(loop), std::move(on_ended)))};
    made->core_->start();
    return made;
}

ChatThread::ChatThread(std::unique_ptr<Core> core) : core_(std::move(core)) {}
ChatThread::~ChatThread() { stop(); }

const base::NetAddress& ChatThread::address(std::size_t local) const {
    return core_->loop().local_addresses().at(local);
}

void ChatThread::open(ChatId id, ChatDesk::Setup setup) {
    core_->loop().post([core = core_.get(), id, setup = std::move(setup)]() mutable {
        core->desk().open(id, std::move(setup));
    });
}

void ChatThread::set_plan(ChatId id, ChatPlan plan) {
    core_->loop().post([core = core_.get(), id, plan = std::move(plan)]() mutable {
        core->desk().set_plan(core->now(), id, std::move(plan));
    });
}

void ChatThread::finish(ChatId id) {
    core_->loop().post([core = core_.get(), id] { core->desk().finish(core->now(), id); });
}

void ChatThread::stop() { core_->stop(); }

ChatFigures ChatThread::figures(ChatId id) const { return core_->desk().figures(id); }

}  // namespace earshot::loadgen
