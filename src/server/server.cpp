#include "server/server.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <system_error>
#include <thread>

#include "api/access_file.h"
#include "api/recording_files.h"
#include "archive/rendition_desk.h"
#include "archive/signing_key.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "capture/capture_engine.h"
#include "catalog/sqlite_catalog.h"
#include "http/server.h"
#include "io/data_directory_lock.h"
#include "io/descriptor_limit.h"
#include "io/linux_file.h"
#include "io/media_hosts.h"
#include "io/worker_count.h"
#include "keys/key_command.h"
#include "keys/key_store.h"
#include "objects/directory_store.h"
#include "server/archiver.h"
#include "server/key_keeper.h"
#include "server/message_service.h"
#include "server/own_addresses.h"
#include "server/recovery.h"
#include "server/signalling.h"
#include "srtp/dtls_identity.h"
#include "transport/sip_loop.h"

namespace earshot::server {

using base::Reason;

namespace {

// How long a stop works on recordings that wait to be stored; systemd kills after 90 s by default.
constexpr std::chrono::seconds kArchivePatience{20};

constexpr std::size_t kOtherDescriptors = 2048;  // SIP over TCP 1,000, HTTP 256, files, a margin

// The archive takes and frees the same megabytes for each recording. Given back to the kernel they
// come again page by page, each a fault that costs more than what is done with it.
void keep_freed_memory() {
    constexpr int kLargest = 32 << 20;  // what glibc takes for it
    static_cast<void>(::mallopt(M_MMAP_THRESHOLD, kLargest));
    static_cast<void>(::mallopt(M_TRIM_THRESHOLD, 2 * kLargest));
}

// What media may take of them: files, SIP and HTTP connections must never find none left.
std::size_t max_port_pairs(std::size_t descriptors) {
    const std::size_t others = std::min(kOtherDescriptors, descriptors / 2);
    return (descriptors - others) / 2;
}

std::array<std::uint8_t, 16> read_boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string text;
    std::getline(file, text);
    const auto uuid = base::parse_uuid(text);
    return uuid ? uuid->bytes : std::array<std::uint8_t, 16>{};
}

// What the API reads of signalling; every function on the http thread.
class ViewStatus : public api::Status {
public:
    explicit ViewStatus(const LiveView& view) : view_(view) {}
    std::vector<api::LiveCall> live_calls() const override { return *view_.calls.get(); }
    std::vector<api::Check> checks() const override { return *view_.checks.get(); }
    api::Clients clients() const override { return *view_.clients.get(); }
    bool is_ready() const override { return view_.is_ready; }

private:
    const LiveView& view_;
};

// What the API may do to running calls: asks on a worker thread, waits for the loop's answer.
class LoopControl : public api::Control {
public:
    explicit LoopControl(Signalling& signalling) : signalling_(signalling) {}
    std::optional<Reason> control(const api::ControlRequest& request) override {
        return wait_for<std::optional<Reason>>(
            [&](auto done) { signalling_.control(request, std::move(done)); });
    }
    base::Result<api::Started, Reason> start(const api::StartRequest& request) override {
        return wait_for<base::Result<api::Started, Reason>>(
            [&](auto done) { signalling_.start(request, std::move(done)); });
    }

private:
    template <class Answer, class Ask>
    static Answer wait_for(const Ask& ask) {
        constexpr std::chrono::seconds kPatience{5};
        // Shared: whoever comes last, the loop or the waiting worker, frees it.
        const auto answer = std::make_shared<std::promise<Answer>>();
        auto result = answer->get_future();
        ask([answer](Answer given) { answer->set_value(std::move(given)); });
        if (result.wait_for(kPatience) == std::future_status::ready) return result.get();
        return Reason{"not_ready", "The signalling thread did not answer in time."};
    }

    Signalling& signalling_;
};

// The parts in the order in which they are made; each borrows only from those above it, so they go
// in reverse.
class Server {
public:
    Server(const ServerConfig& config, const api::Assets& assets, base::Log& log,
           const ServerHooks& hooks)
        : config_(config), assets_(assets), log_(log), hooks_(hooks), status_(view_) {}
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() { shut_down(); }

    std::optional<Reason> start() {
        keep_freed_memory();
        const std::size_t descriptors = io::raise_descriptor_limit(log_);
        max_port_pairs_ = max_port_pairs(descriptors);
        const auto wanted =
            static_cast<std::size_t>(config_.media_ports.high - config_.media_ports.low + 1) / 2;
        if (max_port_pairs_ < wanted)
            log_.warning("the limit of open files is lower than the media ports need",
                         {{"ulimit_n", std::to_string(descriptors)},
                          {"port_pairs", std::to_string(wanted)},
                          {"usable", std::to_string(max_port_pairs_)}});
        if (auto reason = open_data()) return reason;
        if (auto reason = open_sockets()) return reason;
        if (auto reason = open_catalogue()) return reason;
        if (auto reason = start_storage()) return reason;
        if (auto reason = open_messages()) return reason;
        start_signalling();
        return start_http();
    }

    void run() {
        loop_->watch_signals({SIGTERM, SIGINT, SIGHUP}, [this](int signal) { on_signal(signal); });
        log_.info("ready", {{"sip", listeners(sip::Transport::Udp)},
                            {"tls", listeners(sip::Transport::Tls)},
                            {"advertised", advertised()},
                            {"msrp", messages_ ? message_listeners() : "none"},
                            {"http", url_},
                            {"media_ports", fmt::format("{}-{}", config_.media_ports.low,
                                                        config_.media_ports.high)},
                            {"data", config_.data.string()}});
        if (hooks_.on_ready) hooks_.on_ready(login_link_);
        loop_->run(*signalling_);
    }

private:
    std::string path(const char* name) const { return (config_.data / name).string(); }

    // As they are bound: a port 0 of the configuration has become one. UDP and TCP share each.
    std::string listeners(sip::Transport transport) const {
        std::string all;
        for (std::uint16_t i = 0; i < loop_->listener_count(); ++i)
            if (loop_->transport(i) == transport)
                all += (all.empty() ? "" : ", ") + base::to_string(loop_->local_address(i));
        return all;
    }
    std::string message_listeners() const {
        std::string all;
        for (const base::NetAddress& address : messages_->local_addresses())
            all += (all.empty() ? "" : ", ") + base::to_string(address);
        return all;
    }
    // What clients are told instead; empty: where we listen.
    std::string advertised() const {
        std::string all;
        for (const base::NetAddress& address : config_.advertised)
            all += (all.empty() ? "" : ", ") +
                   (address.port == 0 ? base::host_to_string(address) : base::to_string(address));
        return all;
    }

    std::optional<Reason> open_data() {
        auto lock = io::DataDirectoryLock::acquire(config_.data.string());
        if (!lock) return lock.error();
        lock_.emplace(std::move(*lock));
        std::error_code ignored;
        const bool has_catalogue = std::filesystem::exists(path("catalogue.sqlite"), ignored);
        const bool has_folder = std::filesystem::exists(path("recordings"), ignored);
        // There from the first start on, so that its absence means something.
        if (!has_catalogue && !has_folder)
            static_cast<void>(files_.make_directories(path("recordings")));
        if (has_catalogue && !has_folder)
            log_.warning(
                "there is a catalogue but no folder recordings: what it lists cannot be "
                "read; was the folder moved, or is its disk not mounted?",
                {{"folder", path("recordings")}});
        objects_.emplace(files_, path("recordings"));
        if (const auto tidied = objects_->tidy(); !tidied)
            return Reason{"storage_error",
                          fmt::format("{} cannot be used: {} ({})", path("recordings"),
                                      std::generic_category().message(
                                          static_cast<int>(tidied.error().detail)),
                                      tidied.error().what)};
        // Before anything is made in their place.
        const auto known = keys::KeyStore::find_ids(files_, path("keys/kek"));
        if (!known) return known.error();
        if (auto missing = find_missing_key(files_, *objects_, path("journal"), *known))
            return missing;
        auto key = archive::load_or_create_signing_key(files_, path("keys"), random_);
        if (!key) return key.error();
        key_ = *std::move(key);
        return open_keys();
    }

    // Better no start than calls that are recorded and can never be read.
    std::optional<Reason> open_keys() {
        if (!config_.key_command.empty()) key_command_.emplace(config_.key_command);
        auto keys =
            keys::KeyStore::open(files_, path("keys/kek"), key_command_ ? &*key_command_ : nullptr,
                                 clock_.now().wall, random_);
        if (!keys) return keys.error();
        keys_ = std::move(*keys);
        return std::nullopt;
    }

    std::optional<Reason> open_sockets() {
        std::vector<transport::Listen> listens;
        for (const base::NetAddress& address : config_.sip_listen) {
            listens.push_back({.transport = sip::Transport::Udp, .address = address});
            listens.push_back({.transport = sip::Transport::Tcp, .address = address});
        }
        for (const base::NetAddress& address : config_.tls_listen)
            listens.push_back({.transport = sip::Transport::Tls, .address = address});
        if (!config_.tls_listen.empty()) {
            auto tls = io::TlsContext::load(config_.tls);
            if (!tls) return tls.error();
            tls_ = *std::move(tls);
        }
        auto loop = transport::SipLoop::create(listens, log_,
                                               {.dns_servers = config_.dns_servers, .tls = tls_});
        if (!loop) return loop.error();
        loop_ = std::move(*loop);
        return std::nullopt;
    }

    std::optional<Reason> open_catalogue() {
        auto catalogue = catalog::open_sqlite_catalog(
            {.path = path("catalogue.sqlite"), .join_window = config_.join.window}, log_);
        if (!catalogue) return catalogue.error();
        catalogue_ = std::move(*catalogue);
        return std::nullopt;
    }

    std::optional<Reason> start_storage() {
        if (auto reason = check_media_ports()) return reason;
        for (std::size_t worker = 0; worker < io::worker_count(config_.media_workers); ++worker)
            if (auto reason = probe_journal(path("journal") + "/" + std::to_string(worker)))
                return reason;
        if (auto identity = srtp::DtlsIdentity::make(clock_.now().wall)) {
            dtls_.emplace(std::move(*identity));
        } else {
            log_.error("no certificate could be made: DTLS-SRTP is refused");
        }
        std::vector<base::NetAddress> listens = config_.sip_listen;
        listens.insert(listens.end(), config_.tls_listen.begin(), config_.tls_listen.end());
        const io::MediaHosts media_hosts = io::find_media_hosts(listens);
        // What rests in a socket is not durable either.
        const auto paced_drain =
            std::min(capture::CaptureOptions{}.paced_drain, config_.commit_interval);
        capture_ = std::make_unique<capture::CaptureEngine>(
            capture::EngineOptions{.workers = io::worker_count(config_.media_workers),
                                   .capture = {.bind_host = media_hosts.usual,
                                               .other_bind_host = media_hosts.other,
                                               .first_port = config_.media_ports.low,
                                               .last_port = config_.media_ports.high,
                                               .max_port_pairs = max_port_pairs_,
                                               .reader = config_.media_reader,
                                               .cname = "earshot@" + random_.token(6),
                                               .paced_drain = paced_drain,
                                               .keep_alive = config_.keep_alive,
                                               .commit_interval = config_.commit_interval},
                                   .journals = path("journal"),
                                   .run_id = random_.u64(),
                                   .boot_id = read_boot_id(),
                                   .keys = keys_.get(),
                                   .encrypt = config_.encrypt},
            files_, clock_, log_);
        if (auto reason = capture_->open_media()) return reason;
        if (const std::string why = capture_->reader_state().fallback; !why.empty())
            log_.warning("media is read by sockets", {{"reason", why}});
        archiver_ = std::make_unique<Archiver>(Archiver::Dependencies{
            .files = files_,
            .objects = *objects_,
            .catalogue = *catalogue_,
            .key = *key_,
            .clock = clock_,
            .log = log_,
            .on_stored = [this](const catalog::Recording& row) { publish("recording", row.id); },
            .too_short = config_.too_short,
            .keys = config_.encrypt ? keys_.get() : nullptr});
        recover_recordings(capture_->take_found(), *catalogue_, *archiver_, log_);
        return std::nullopt;
    }

    // The rule of a packet ring keeps all UDP to the media ports from the sockets.
    std::optional<Reason> check_media_ports() {
        if (config_.media_reader != capture::ReaderKind::PacketRing) return std::nullopt;
        for (const base::NetAddress& listen : config_.sip_listen)
            if (listen.port >= config_.media_ports.low && listen.port <= config_.media_ports.high)
                return Reason{"media_ports_in_use",
                              fmt::format("With the packet ring SIP cannot listen at {}, among the "
                                          "ports of media.ports.",
                                          base::to_string(listen))};
        return std::nullopt;
    }

    // Better no start than calls that are taken and lost.
    std::optional<Reason> probe_journal(const std::string& directory) {
        const std::string probe = directory + "/probe";
        const auto fault = [&](const base::Error& error) {
            return Reason{"storage_error", fmt::format("The journal in {} cannot be used: {} ({})",
                                                       directory, error.what, error.detail)};
        };
        if (const auto made = files_.make_directories(directory); !made) return fault(made.error());
        static_cast<void>(files_.remove(probe));  // of a start that was killed here
        if (const auto file = files_.create(probe); !file) return fault(file.error());
        if (const auto removed = files_.remove(probe); !removed) return fault(removed.error());
        return std::nullopt;
    }

    // The default port may be taken: calls are recorded without messages rather than not at all.
    std::optional<Reason> open_messages() {
        const MessageConfig& config = config_.messages;
        if (!config.is_on) return std::nullopt;
        std::vector<base::NetAddress> listens = config.listen;
        if (listens.empty())
            for (base::NetAddress address : config_.sip_listen) {
                address.port = kMsrpPort;
                if (std::find(listens.begin(), listens.end(), address) == listens.end())
                    listens.push_back(address);
            }
        std::shared_ptr<const io::TlsContext> tls = tls_;
        if (tls == nullptr && !config_.tls.identities.empty()) {  // SIP has no listener for it
            auto loaded = io::TlsContext::load(config_.tls);
            if (!loaded) return loaded.error();
            tls = *std::move(loaded);
        }
        auto service =
            MessageService::create({.listens = listens,
                                    .match_session_id_only = config.match_session_id_only,
                                    .tls = std::move(tls)},
                                   *capture_, clock_, log_);
        if (service) {
            messages_ = std::move(*service);
            return std::nullopt;
        }
        if (!config.listen.empty()) return service.error();
        messages_fault_ = service.error().text;
        log_.warning("messages (MSRP) are refused",
                     {{"reason", service.error().text}, {"key", "msrp.listen"}});
        return std::nullopt;
    }

    void start_signalling() {
        hook_.emplace();
        signalling_ = std::make_unique<Signalling>(
            config_, Signalling::Dependencies{.loop = *loop_,
                                              .capture = *capture_,
                                              .catalogue = *catalogue_,
                                              .archiver = *archiver_,
                                              .hook = *hook_,
                                              .clock = clock_,
                                              .random = random_,
                                              .log = log_,
                                              .view = view_,
                                              .data = *lock_,
                                              .tls = tls_,
                                              .dtls = dtls_ ? &*dtls_ : nullptr,
                                              .messages = messages_.get(),
                                              .messages_fault = messages_fault_,
                                              .on_live_changed = [this] { publish("live", {}); }});
        capture_->start([this] { signalling_->wake(); });
        if (messages_) messages_->start();
        archiver_->start();
    }

    std::optional<Reason> start_http() {
        url_ = "http://" + base::to_string(config_.http_listen);
        auto access = api::write_access_file(config_.data.string(), url_, http_random_);
        if (!access) return access.error();
        control_.emplace(*signalling_);
        key_keeper_.emplace(KeyKeeper::Dependencies{.keys = *keys_,
                                                    .objects = *objects_,
                                                    .catalogue = *catalogue_,
                                                    .files = files_,
                                                    .clock = clock_,
                                                    .log = log_,
                                                    .journals = path("journal")});
        recording_files_ = api::make_recording_files(config_.data.string(), *objects_, *keys_);
        renditions_.emplace(
            archive::DeskOptions{.cache = path("cache"), .program = media_program()}, files_,
            *keys_, rendition_random_, log_);
        api_ = std::make_unique<api::Api>(api::ApiOptions{.token = access->token, .url = url_},
                                          api::ApiParts{.catalog = *catalogue_,
                                                        .files = *recording_files_,
                                                        .status = status_,
                                                        .assets = assets_,
                                                        .clock = clock_,
                                                        .random = http_random_,
                                                        .log = log_,
                                                        .control = &*control_,
                                                        .keys = &*key_keeper_,
                                                        .renditions = &*renditions_});
        login_link_ = api_->make_login_link();  // from here on the API is the http thread's
        auto http = http::start_server(
            {.host = base::host_to_string(config_.http_listen), .port = config_.http_listen.port},
            [this](const http::Request& request) { return api_->handle(request); }, log_);
        if (!http) return http.error();
        http_ = std::move(*http);
        publisher_ = http_.get();
        return std::nullopt;
    }

    // Beside this program, where the build and the package put it.
    static std::string media_program() {
        std::error_code error;
        const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
        return (self.parent_path() / "earshot-media").string();
    }

    // Any thread.
    void publish(std::string_view event, std::string_view id) {
        http::Server* http = publisher_;
        if (http == nullptr || http->listener_count() == 0) return;
        std::string data;
        base::JsonWriter json(data);
        json.begin_object();
        if (!id.empty()) json.field("id", id);
        json.end_object();
        http->publish(event, data);
    }

    void on_signal(int signal) {
        if (signal == SIGHUP) {
            if (hooks_.reload) signalling_->reload(hooks_.reload());
            return;
        }
        if (is_stopping_) return;  // once is enough; the wait is bounded
        is_stopping_ = true;
        log_.info("stopping: running calls are ended and stored", {});
        signalling_->stop([this] { loop_->stop(); });
    }

    // What runs is stopped from the network inwards; what was captured is stored before the end.
    void shut_down() {
        publisher_ = nullptr;
        if (http_) http_->stop(std::chrono::milliseconds{500});
        if (renditions_) renditions_->stop();
        if (messages_) messages_->stop();
        if (capture_) capture_->stop();
        hook_.reset();  // its thread posts to the loop
        // Recordings that were sealed by the stop itself.
        if (signalling_) signalling_->take_last_notifications();
        if (archiver_) archiver_->stop(kArchivePatience);
        // Its thread works off what was submitted and calls back into signalling: it ends first.
        // Whoever else borrows it has been stopped above.
        catalogue_.reset();
        if (is_stopping_) log_.info("stopped");
    }

    const ServerConfig& config_;
    const api::Assets& assets_;
    base::Log& log_;
    const ServerHooks& hooks_;

    io::SystemClock clock_;
    base::SystemRandom random_;            // signalling
    base::SystemRandom http_random_;       // the http thread
    base::SystemRandom rendition_random_;  // the desk's threads
    io::LinuxFileSystem files_;
    std::size_t max_port_pairs_ = 0;
    std::optional<io::DataDirectoryLock> lock_;
    std::optional<objects::DirectoryStore> objects_;
    std::optional<archive::SigningKey> key_;
    std::optional<keys::KeyCommand> key_command_;
    std::unique_ptr<keys::KeyStore> keys_;
    std::unique_ptr<catalog::Catalog> catalogue_;
    std::optional<srtp::DtlsIdentity> dtls_;  // of this start
    std::unique_ptr<capture::CaptureEngine> capture_;
    std::unique_ptr<MessageService> messages_;  // null: MSRP is refused
    std::string messages_fault_;                // why, though it is on
    std::unique_ptr<Archiver> archiver_;
    std::shared_ptr<const io::TlsContext> tls_;  // as at the start; null: none
    std::unique_ptr<transport::SipLoop> loop_;
    std::optional<DecisionHook> hook_;
    LiveView view_;
    ViewStatus status_;
    std::unique_ptr<Signalling> signalling_;
    std::string url_;
    std::string login_link_;
    std::optional<LoopControl> control_;
    std::optional<KeyKeeper> key_keeper_;
    std::unique_ptr<api::RecordingFiles> recording_files_;
    std::optional<archive::RenditionDesk> renditions_;
    std::unique_ptr<api::Api> api_;
    std::unique_ptr<http::Server> http_;
    std::atomic<http::Server*> publisher_{nullptr};
    bool is_stopping_ = false;
};

}  // namespace

std::optional<Reason> run_server(const ServerConfig& config, const api::Assets& assets,
                                 base::Log& log, const ServerHooks& hooks) {
    ::umask(0077);  // everything below DATA is the user's own
    // Who reads our log may go away; who asks for a reload may come before we are ready.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    Server server(config, assets, log, hooks);
    if (auto reason = server.start()) return reason;
    server.run();
    return std::nullopt;
}

}  // namespace earshot::server
