#include "client/client.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>

#include "api/access_file.h"
#include "client/chat_service.h"
#include "client/client_api.h"
#include "client/control_sockets.h"
#include "client/dialog_journal.h"
#include "client/event_hub.h"
#include "client/installation.h"
#include "client/signalling.h"
#include "focus/desk.h"
#include "http/server.h"
#include "io/data_directory_lock.h"
#include "io/descriptor_limit.h"
#include "io/linux_file.h"
#include "io/media_hosts.h"
#include "io/worker_count.h"
#include "relay/built_in_relay.h"
#include "relay/chat_plane.h"
#include "relay/screen_plane.h"
#include "transport/sip_loop.h"

namespace earshot::client {

using base::Reason;

namespace {

// Whoever waits for a recording to begin holds one; who wants to pause must find another.
constexpr std::size_t kHttpWorkers = ClientApi::kMaxWaitingStarts + 2;

// What media may take of the descriptors: files, SIP and HTTP connections must never find none.
std::size_t max_port_pairs(std::size_t descriptors) {
    constexpr std::size_t kOthers = 2048;
    return (descriptors - std::min(kOthers, descriptors / 2)) / 2;
}

// The parts in the order in which they are made; each borrows only from those above it, so they go
// in reverse.
class Client {
public:
    Client(const ClientConfig& config, const api::Assets& assets, base::Log& log,
           const ClientHooks& hooks)
        : config_(config),
          assets_(assets),
          log_(log),
          hooks_(hooks),
          events_(config.webhook, log) {}
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { shut_down(); }

    std::optional<Reason> start() {
        descriptors_ = io::raise_descriptor_limit(log_);
        auto lock = io::DataDirectoryLock::acquire(config_.data.string());
        if (!lock) return lock.error();
        lock_.emplace(std::move(*lock));
        auto id = load_or_make_installation_id(files_, config_.data.string(), random_);
        if (!id) return id.error();
        installation_ = *id;
        if (auto reason = open_sockets()) return reason;
        if (auto reason = open_relay()) return reason;
        if (auto reason = open_tap()) return reason;
        const DialogsLeft left = read_dialogs_left();
        dialogs_.emplace(files_, dialogs_path(), log_);
        signalling_ = std::make_unique<Signalling>(
            config_, installation_,
            Signalling::Dependencies{.loop = *loop_,
                                     .plane = planes_->plane(),
                                     .planes = *planes_,
                                     .clock = clock_,
                                     .random = random_,
                                     .log = log_,
                                     .events = events_,
                                     .dialogs = *dialogs_,
                                     .view = view_,
                                     .on_calls_changed = [this] { events_.tell_change(); },
                                     .tls = tls_,
                                     .tap = tap_.get(),
                                     .desk = desk_.get(),
                                     .focus = focus_.get(),
                                     .chats = chats_.get(),
                                     .chat_link = chat_service_.get(),
                                     .media_host = base::host_to_string(media_->told_host())});
        if (tap_) start_tap();
        signalling_->end_left(left.byes);
        return start_http();
    }

    void run() {
        loop_->watch_signals({SIGTERM, SIGINT, SIGHUP}, [this](int signal) { on_signal(signal); });
        log_.info("ready", {{"sip", base::to_string(loop_->local_address(0))},
                            {"tls", tls_listeners()},
                            {"http", url_},
                            {"media_ports", fmt::format("{}-{}", config_.media_ports.low,
                                                        config_.media_ports.high)},
                            {"data", config_.data.string()}});
        if (!names_servers(config_))
            log_.warning("no recording server is configured (client.servers): nothing is recorded");
        if (hooks_.on_ready) hooks_.on_ready(login_link_);
        loop_->run(*signalling_);
    }

private:
    std::string tls_listeners() const {
        std::string all;
        for (std::uint16_t i = 0; i < loop_->listener_count(); ++i)
            if (!config_.tls_listen.empty() && loop_->transport(i) == sip::Transport::Tls)
                all += (all.empty() ? "" : ", ") + base::to_string(loop_->local_address(i));
        return all;
    }

    std::string dialogs_path() const {
        return io::join_path(config_.data.string(), "dialogs.jsonl");
    }

    // What a process that was killed could not end.
    DialogsLeft read_dialogs_left() {
        constexpr std::uint64_t kMaxFileBytes = std::uint64_t{256} << 20;
        const auto text = files_.read_file(dialogs_path(), kMaxFileBytes);
        if (!text) {
            if (text.error().code != base::Errc::NotFound)
                log_.error("dialogs of the last run cannot be read: nobody gets a BYE",
                           {{"file", dialogs_path()}, {"reason", std::string(text.error().what)}});
            return {};
        }
        DialogsLeft left = read_dialogs(base::as_text(*text));
        if (left.broken_lines > 0)
            log_.warning("lines about dialogs of the last run cannot be read",
                         {{"file", dialogs_path()}, {"lines", std::to_string(left.broken_lines)}});
        if (!left.byes.empty())
            log_.warning("the last run was interrupted: its calls and recordings are ended now",
                         {{"dialogs", std::to_string(left.byes.size())}});
        return left;
    }

    std::optional<Reason> open_sockets() {
        std::vector<transport::Listen> listens;
        for (const base::NetAddress& address : config_.sip_listen) {
            listens.push_back({.transport = sip::Transport::Udp, .address = address});
            listens.push_back({.transport = sip::Transport::Tcp, .address = address});
        }
        add_tls(listens);
        auto tls = io::TlsContext::load(config_.tls);
        if (!tls) return tls.error();
        tls_ = *std::move(tls);
        auto loop = transport::SipLoop::create(listens, log_,
                                               {.dns_servers = config_.dns_servers, .tls = tls_});
        if (!loop) return loop.error();
        loop_ = std::move(*loop);
        return std::nullopt;
    }

    // Recording servers and next hops may be reached by TLS also where nobody comes by it: then
    // there is no port that we listen at, and what they ask of us comes on our connection.
    void add_tls(std::vector<transport::Listen>& listens) const {
        for (const base::NetAddress& address : config_.tls_listen)
            listens.push_back({.transport = sip::Transport::Tls, .address = address});
        for (base::NetAddress address : config_.sip_listen) {
            const bool has_family =
                std::any_of(listens.begin(), listens.end(), [&](const transport::Listen& one) {
                    return one.transport == sip::Transport::Tls &&
                           one.address.is_v4() == address.is_v4();
                });
            if (has_family) continue;
            address.port = sip::default_port(sip::Transport::Tls);
            listens.push_back(
                {.transport = sip::Transport::Tls, .address = address, .accept = false});
        }
    }

    std::optional<Reason> open_relay() {
        auto relay = relay::BuiltInRelay::create(relay_options(), clock_, random_);
        if (!relay) return relay.error();
        media_ = std::move(*relay);
        open_screens();
        open_chats();
        relay::MediaPlane& own = chats_ ? static_cast<relay::MediaPlane&>(*chats_) : *screens_;
        auto planes = MediaPlanes::make(config_, own, *loop_, clock_, random_);
        if (!planes) return planes.error();
        planes_ = *std::move(planes);
        open_desk();
        return std::nullopt;
    }

    // A program of ours, beside this one.
    static std::string beside_us(std::string_view name) {
        std::error_code error;
        const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
        return (self.parent_path() / name).string();
    }

    // Screens that are shared by RFB, in the calls that this process relays.
    void open_screens() {
        const relay::RelayOptions options = relay_options();
        screen_desk_ = std::make_unique<relay::ScreenDesk>(
            relay::ScreenDesk::Options{.bind_host = options.bind_host,
                                       .other_bind_host = options.other_bind_host,
                                       .first_port = options.first_port,
                                       .last_port = options.last_port,
                                       .program = beside_us("earshot-screen"),
                                       .post = options.post},
            clock_, random_);
        screen_desk_->when_told([this](relay::CallKey call, const relay::ScreenEvent& event) {
            if (signalling_) signalling_->on_screen(call, event);
        });
        screens_ = std::make_unique<relay::ScreenPlane>(*media_, *screen_desk_);
    }

    // Chats (MSRP), in the calls that this process relays.
    void open_chats() {
        if (!config_.chats.relays) return;
        const relay::RelayOptions options = relay_options();
        std::vector<base::NetAddress> hosts{options.bind_host};
        if (options.other_bind_host) hosts.push_back(*options.other_bind_host);
        std::shared_ptr<const io::TlsContext> tls = tls_;
        const bool is_self_signed = tls_ == nullptr || tls_->certificates().empty();
        if (is_self_signed) {
            auto made = io::TlsContext::make_self_signed(config_.tls, clock_.now().wall);
            tls = made ? *std::move(made) : nullptr;
        }
        chat_service_ = std::make_unique<ChatService>(
            ChatService::Options{
                .hosts = std::move(hosts),
                .ports = config_.media_ports,
                .listen = config_.chats.listen,
                .tls = std::move(tls),
                .is_self_signed = is_self_signed,
                .told_host = [this](bool ipv6,
                                    bool is_inside) { return media_->told_host(ipv6, is_inside); },
                .post = options.post,
                .told =
                    [this](const chat::SwitchEvent& event) {
                        if (chats_) chats_->on_event(event);
                    },
                .copies_told =
                    [this](const chat::CopyEvent& event) {
                        if (chats_) chats_->on_event(event);
                    },
                .rooms_told =
                    [this](const chat::RoomEvent& event) {
                        if (signalling_) signalling_->on_room(event);
                    },
                .guests_told =
                    [this](const chat::GuestEvent& event) {
                        if (signalling_) signalling_->on_guest(event);
                    }},
            clock_, random_, log_);
        chats_ = std::make_unique<relay::ChatPlane>(*screens_, *chat_service_, random_);
        chats_->when_told([this](relay::CallKey call, const relay::ChatEvent& event) {
            if (signalling_) signalling_->on_chat(call, event);
        });
    }

    // Its sockets hear the relay of this process, and others, where we are bound.
    void open_desk() {
        base::NetAddress host = io::find_media_hosts(config_.sip_listen).usual;
        if (host.is_unspecified()) host = *base::parse_host(host.is_v4() ? "127.0.0.1" : "::1", 0);
        desk_ = std::make_unique<relay::MixDesk>(
            relay::MixDesk::Options{.ipv6 = !host.is_v4(), .host = host}, media_->media_ports(),
            clock_, random_);
        if (config_.focus.rooms.empty()) return;
        const auto on_shown = [this](focus::RoomId room, focus::Picture picture,
                                     focus::MemberId shown) {
            loop_->post([this, room, picture, shown] {
                if (signalling_) signalling_->on_shown(room, picture, shown);
            });
        };
        const auto on_decoder = [this](const Reason& why) {
            loop_->post([this, why] {
                if (signalling_) signalling_->on_decoder(why);
            });
        };
        focus_ =
            std::make_unique<focus::Desk>(focus::Desk::Options{.ipv6 = !host.is_v4(),
                                                               .host = host,
                                                               .on_shown = on_shown,
                                                               .decoder = beside_us("earshot-opus"),
                                                               .on_decoder = on_decoder},
                                          media_->media_ports(), clock_, random_);
    }

    void take_keys() {
        media_->take_keys([this](relay::CallKey call, relay::Leg by, char digit) {
            signalling_->on_key(call, by, digit);
        });
    }

    std::optional<Reason> open_tap() {
        if (config_.companion.rtpengine.empty()) return std::nullopt;
        auto sockets = ControlSockets::open(config_.companion.rtpengine, *loop_);
        if (!sockets) return sockets.error();
        tap_link_ = *std::move(sockets);
        tap_ = std::make_unique<relay::RtpengineTap>(config_.companion.rtpengine, *tap_link_,
                                                     clock_, random_);
        return std::nullopt;
    }

    void start_tap() {
        tap_link_->give_to({.datagram =
                                [this](std::size_t instance, base::ByteView datagram) {
                                    tap_->on_datagram(clock_.now().steady, instance, datagram);
                                    signalling_->on_outside();
                                },
                            .refused =
                                [this](std::size_t instance) {
                                    tap_->on_refused(clock_.now().steady, instance);
                                    signalling_->on_outside();
                                }});
    }

    relay::RelayOptions relay_options() {
        std::vector<base::NetAddress> listens = config_.sip_listen;
        listens.insert(listens.end(), config_.tls_listen.begin(), config_.tls_listen.end());
        const io::MediaHosts hosts = io::find_media_hosts(listens);
        relay::RelayOptions options{.bind_host = hosts.usual,
                                    .other_bind_host = hosts.other,
                                    .advertised_v4 = std::nullopt,
                                    .advertised_v6 = std::nullopt,
                                    .first_port = config_.media_ports.low,
                                    .last_port = config_.media_ports.high,
                                    .max_port_pairs = max_port_pairs(descriptors_),
                                    .workers = io::worker_count(config_.media_workers),
                                    .post = [this](auto work) { loop_->post(std::move(work)); }};
        options.wake_for_keys = [this] { loop_->post([this] { take_keys(); }); };
        for (const base::NetAddress& address : config_.advertised)
            (address.is_v4() ? options.advertised_v4 : options.advertised_v6) = address;
        return options;
    }

    std::optional<Reason> start_http() {
        url_ = "http://" + base::to_string(config_.http_listen);
        auto access = api::write_access_file(config_.data.string(), url_, http_random_);
        if (!access) return access.error();
        api_ = std::make_unique<ClientApi>(
            api::FrontDoor::Options{.token = access->token,
                                    .url = url_,
                                    .extra_hosts = {},
                                    .page_command = "earshot page --data DATA-DIRECTORY"},
            ClientApiParts{.signalling = *signalling_,
                           .view = view_,
                           .events = events_,
                           .assets = assets_,
                           .clock = clock_,
                           .random = http_random_,
                           .checks = [this] { return checks(); }});
        login_link_ = api_->make_login_link();  // from here on the API is the http thread's
        auto http = http::start_server(
            {.host = base::host_to_string(config_.http_listen),
             .port = config_.http_listen.port,
             .workers = kHttpWorkers},
            [this](const http::Request& request) { return api_->handle(request); }, log_);
        if (!http) return http.error();
        http_ = std::move(*http);
        events_.publish_to(http_.get());
        return std::nullopt;
    }

    // On the http thread.
    std::vector<api::Check> checks() const {
        using State = api::Check::State;
        const auto calls = view_.calls.get();
        const EventCounters& events = events_.counters();
        std::size_t unrecorded = 0;
        for (const CallView& call : *calls)
            for (const RecordingView& it : call.recordings) unrecorded += it.is_lost ? 1 : 0;
        std::vector<api::Check> all;
        const bool is_full = calls->size() >= config_.max_calls;
        all.push_back(
            {"calls", is_full ? State::Warning : State::Ok,
             fmt::format("{} calls run, of {} that may; {} requests were refused here.",
                         calls->size(), config_.max_calls, view_.counters.get()->refused)});
        const auto ports = media_->ports();
        const bool has_ports = ports.in_use < ports.pairs;
        all.push_back({"media_ports", has_ports ? State::Ok : State::Failed,
                       fmt::format("{} of {} port pairs are in use.", ports.in_use, ports.pairs)});
        if (const std::uint64_t unread = media_->unread(); unread > 0)
            all.push_back({"media_sockets", State::Warning,
                           fmt::format("{} times a media socket could not be waited for (epoll; "
                                       "see fs.epoll.max_user_watches): its media came late.",
                                       unread)});
        if (const std::uint64_t lost = media_->lost_keys(); lost > 0)
            all.push_back({"keys", State::Warning,
                           fmt::format("{} keys that parties pressed were not seen by the "
                                       "triggers: too many came at once.",
                                       lost)});
        const auto planes = view_.planes.get();
        if (config_.media_plane.kind != MediaPlaneConfig::Kind::BuiltIn)
            all.push_back(check_planes(*planes, config_.media_plane.falls_back));
        const std::string fault = *view_.reload_fault.get();
        const std::string waiting = *view_.waiting_keys.get();
        if (!fault.empty() || !waiting.empty())
            all.push_back(
                {"configuration", State::Warning,
                 !fault.empty()
                     ? "The configuration was not reloaded, the old one stays: " + fault
                     : "Keys that the reload found changed wait for a restart: " + waiting + "."});
        if (!view_.has_servers)
            all.push_back({"servers", State::Warning,
                           "No recording server is configured (client.servers): nothing is "
                           "recorded."});
        all.push_back(check_servers());
        all.push_back(
            {"recording",
             unrecorded == 0 && (events.failed == 0 || events.started > 0) ? State::Ok
                                                                           : State::Warning,
             fmt::format("{} recording sessions were accepted since the start, {} by no server; {} "
                         "running calls are not recorded although they should be.",
                         events.started.load(), events.failed.load(), unrecorded)});
        if (const auto tls = view_.tls.get();
            tls->has_certificates || tls->handshakes + tls->failures > 0)
            all.push_back(
                {"tls",
                 tls->has_ended        ? State::Failed
                 : tls->ending.empty() ? State::Ok
                                       : State::Warning,
                 fmt::format(
                     "{} TLS handshakes were done since the start, {} connections failed.{}",
                     tls->handshakes, tls->failures,
                     tls->ending.empty() ? "" : " To be renewed: " + tls->ending + ".")});
        if (!config_.webhook.url.empty())
            all.push_back({"webhook", events.webhook_failures == 0 ? State::Ok : State::Warning,
                           fmt::format("{} events could not be told to {}.",
                                       events.webhook_failures.load(), config_.webhook.url)});
        if (!lock_->is_in_place())
            all.push_back({"data", State::Failed,
                           "The data directory was removed or replaced while the client runs."});
        if (view_.is_draining)
            all.push_back({"draining", State::Warning, "No new calls are taken (drain)."});
        return all;
    }

    api::Check check_servers() const {
        using State = api::Check::State;
        const auto servers = view_.servers.get();
        std::string down;
        std::size_t up = 0;
        for (const ServerView& server : *servers) {
            if (server.state == "down")
                down += fmt::format(" {} is down: {}", server.server, server.reason.text);
            else
                ++up;
        }
        // Calls that no server took stay without a recording, also when all are up again.
        const std::uint64_t failed = events_.counters().failed;
        if (failed > 0)
            down += fmt::format(
                " {} recording sessions went to no recording server since the start.", failed);
        return {"recording_servers", down.empty() ? State::Ok : State::Warning,
                fmt::format("{} of {} recording servers are not known to be down.{}", up,
                            servers->size(), down)};
    }

    void on_signal(int signal) {
        if (signal == SIGHUP) return reload();
        if (is_stopping_) return;
        is_stopping_ = true;
        log_.info("stopping: running calls are ended");
        signalling_->stop([this] { loop_->stop(); });
    }

    void reload() {
        if (!hooks_.reload) return;
        auto next = hooks_.reload();
        if (next) return signalling_->reload(*std::move(next));
        view_.reload_fault.set(next.error().text);
        log_.error("configuration not reloaded: the old one stays",
                   {{"reason", next.error().text}});
    }

    void shut_down() {
        events_.publish_to(nullptr);
        if (http_) http_->stop(std::chrono::milliseconds{500});
        if (is_stopping_) log_.info("stopped");
    }

    const ClientConfig& config_;
    const api::Assets& assets_;
    base::Log& log_;
    const ClientHooks& hooks_;

    io::SystemClock clock_;
    base::SystemRandom random_;       // signalling
    base::SystemRandom http_random_;  // the http thread
    io::LinuxFileSystem files_;
    std::size_t descriptors_ = 0;
    std::optional<io::DataDirectoryLock> lock_;
    base::Uuid installation_{};
    EventHub events_;
    std::optional<DialogJournal> dialogs_;
    ClientView view_;
    std::shared_ptr<const io::TlsContext> tls_;  // as at the start
    std::unique_ptr<transport::SipLoop> loop_;
    std::unique_ptr<relay::BuiltInRelay> media_;
    std::unique_ptr<relay::ScreenDesk> screen_desk_;
    std::unique_ptr<relay::ScreenPlane> screens_;  // before the relay
    std::unique_ptr<ChatService> chat_service_;
    std::unique_ptr<relay::ChatPlane> chats_;  // before the screens; null: chats pass as they are
    std::unique_ptr<ControlSockets> tap_link_;
    std::unique_ptr<relay::RtpengineTap> tap_;  // null: no companion mode
    std::unique_ptr<MediaPlanes> planes_;
    std::unique_ptr<relay::MixDesk> desk_;  // uses the relay's ports
    std::unique_ptr<focus::Desk> focus_;    // as well; null: no conferences
    std::unique_ptr<Signalling> signalling_;
    std::string url_;
    std::string login_link_;
    std::unique_ptr<ClientApi> api_;
    std::unique_ptr<http::Server> http_;
    bool is_stopping_ = false;
};

}  // namespace

std::optional<Reason> run_client(const ClientConfig& config, const api::Assets& assets,
                                 base::Log& log, const ClientHooks& hooks) {
    ::umask(0077);  // everything below DATA is the user's own
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    Client client(config, assets, log, hooks);
    if (auto reason = client.start()) return reason;
    client.run();
    return std::nullopt;
}

}  // namespace earshot::client
