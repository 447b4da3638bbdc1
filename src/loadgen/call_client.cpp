#include "loadgen/call_client.h"

#include <array>
#include <deque>
#include <memory>
#include <queue>
#include <unordered_map>
#include <utility>
#include <variant>

#include "io/clock.h"
#include "io/route.h"
#include "io/tls_context.h"
#include "loadgen/call.h"
#include "loadgen/chat_thread.h"
#include "loadgen/media_sender.h"
#include "loadgen/target.h"
#include "loadgen/video_sender.h"
#include "sip/headers.h"
#include "sip/parser.h"
#include "srtp/dtls_identity.h"
#include "transport/sip_loop.h"

namespace earshot::loadgen {
namespace {

using base::Reason;

constexpr std::chrono::milliseconds kPollTime{100};  // how soon `stop` is seen
constexpr std::chrono::milliseconds kProgressTime{1000};

struct Party {
    std::string aor;
    std::string name;
};

std::string name_addr(const Party& party) {
    if (party.name.empty()) return "<" + party.aor + ">";
    return "\"" + party.name + "\" <" + party.aor + ">";
}

base::Result<Party, Reason> read_party(const std::string& text) {
    const std::string_view uri = typed_uri(text);
    if (!sip::parse_uri(uri)) return Reason{"bad_uri", "Not a URI: " + text};
    if (text.find('<') == std::string::npos) return Party{std::string{uri}, {}};
    const auto name_addr = sip::parse_name_addr(text);
    return Party{std::string{uri}, std::string{name_addr ? name_addr->display_name : ""}};
}

std::string sip_uri_of(const base::NetAddress& address, sip::Transport transport) {
    return "sip:earshot-call@" + base::to_string(address) +
           std::string(sip::transport_parameter(transport));
}

sip::AgentConfig agent_config(const base::NetAddress& local, sip::Transport transport) {
    sip::AgentConfig config;
    config.listeners.push_back(
        {transport, base::to_string(local), sip_uri_of(local, transport), !local.is_v4()});
    config.contact_parameters = ";+sip.src";
    return config;
}

// All calls of one run, on the signalling thread.
class Run : public transport::SipLoop::Handler, public CallHost {
public:
    struct Plan {
        CallOptions options;
        Target target;
        base::NetAddress local;  // of the SIP socket
        std::array<Party, kParties> parties;
        const srtp::DtlsIdentity* dtls = nullptr;  // null: no keys by DTLS
        ChatScript chat{};

        // What one call has beside its voices.
        std::size_t cameras() const { return options.video ? kParties : 0; }
        std::size_t videos() const { return cameras() + (options.share ? 1 : 0); }
        std::size_t chats() const { return (chat.lines.empty() ? 0U : 1U) + (chat.file ? 1U : 0U); }
        std::size_t first_label() const { return options.has_audio ? kParties + 1 : 1; }
    };

    Run(Plan plan, transport::SipLoop& loop, base::Random& random, base::Log& log,
        const ProgressCallback& progress, const std::atomic<bool>& stop)
        : plan_(std::move(plan)),
          loop_(loop),
          random_(random),
          log_(log),
          progress_(progress),
          stop_(stop),
          agent_(agent_config(plan_.local, plan_.target.transport), random) {}

    // The sender is made after this object, since it calls back.
    void run(MediaSender& sender, VideoSender* video, ChatThread* chats) {
        sender_ = &sender;
        video_ = video;
        chats_ = chats;
        started_at_ = clock_.now().steady;
        arm();
        loop_.run(*this);
        report_progress();
    }

    // On the sender's thread.
    void on_media_finished(std::uint32_t call) {
        loop_.post([this, call] {
            with_call(call, [](Call& it, base::Now now) { it.on_media_finished(now); });
            settle();
        });
    }

    std::vector<CallResult> results() const {
        std::vector<CallResult> all;
        all.reserve(plan_.options.count);
        for (std::uint32_t i = 0; i < calls_.size(); ++i) {
            all.push_back(calls_[i].call->result());
            for (std::size_t party = 0; plan_.options.has_audio && party < kParties; ++party) {
                all.back().sent.push_back(
                    {std::to_string(party + 1), sender_->packets_sent(i, party)});
            }
        }
        return all;
    }

    // On a sender's thread, as the one below.
    void on_no_keys(std::uint32_t call, std::string_view fault) {
        loop_.post([this, call, fault] {
            with_call(call, [fault](Call& it, base::Now now) { it.on_no_keys(now, fault); });
            settle();
        });
    }

    void on_video_ended(std::uint32_t stream) {
        on_line_ended(static_cast<std::uint32_t>(stream / plan_.videos()));
    }
    void on_chat_ended(ChatId chat) {
        on_line_ended(static_cast<std::uint32_t>(chat / plan_.chats()));
    }
    const Plan& plan() const { return plan_; }

    // ---- SipLoop::Handler
    void on_bytes(const sip::Flow& flow, base::Bytes&& bytes) override {
        sip::ParsedMessage parsed = sip::parse_message(std::move(bytes));
        if (parsed.verdict == sip::Verdict::Good) {
            agent_.on_message(clock_.now().steady, flow, std::move(parsed.message));
        } else {
            log_.warning("The server sent a message that cannot be read.",
                         {{"reason", std::string{parsed.reason}}});
        }
        settle();
    }
    void on_broken_stream(const sip::Flow& /*flow*/, const sip::StreamEvent& event) override {
        log_.warning("The server's stream cannot be followed.",
                     {{"reason", std::string{event.reason}}});
    }
    void on_flow_closed(const sip::Flow& flow) override {
        agent_.on_flow_closed(clock_.now().steady, flow);
        settle();
    }
    void on_send_failed(sip::TransactionId transaction) override {
        agent_.on_send_failed(clock_.now().steady, transaction);
        settle();
    }
    void on_deadline() override {
        agent_.on_time(clock_.now().steady);
        if (stop_.load(std::memory_order_relaxed)) abort_all();
        start_due_calls();
        wake_due_calls();
        if (clock_.now().steady >= next_progress_) report_progress();
        settle();
    }

    // ---- CallHost
    base::Result<sip::TransactionId> start_request(std::uint32_t call,
                                                   const sip::OutOfDialogSpec& spec) override {
        const auto sent = agent_.start_request(clock_.now().steady, spec);
        if (sent) by_transaction_[sent->value] = call;
        return sent;
    }
    base::Result<sip::TransactionId> send_request(std::uint32_t call, sip::DialogId dialog,
                                                  const sip::RequestSpec& spec) override {
        const auto sent = agent_.send_request(clock_.now().steady, dialog, spec);
        if (sent) by_transaction_[sent->value] = call;
        return sent;
    }
    void acknowledge(sip::DialogId dialog) override {
        static_cast<void>(agent_.ack(clock_.now().steady, dialog, {}));
    }
    void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) override {
        static_cast<void>(agent_.respond(clock_.now().steady, transaction, spec));
    }
    void cancel(sip::TransactionId invite) override {
        static_cast<void>(agent_.cancel(clock_.now().steady, invite));
    }
    void end_dialog(sip::DialogId dialog) override {
        agent_.end_dialog(clock_.now().steady, dialog);
    }
    void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                      const base::NetAddress& host,
                      std::vector<sip::ExtraHeader> of_invite) override {
        agent_.authenticate_as(dialog, credentials, host, std::move(of_invite));
    }
    void set_media(std::uint32_t call, const MediaPlan& plan) override {
        if (!sender_->set_plan(call, plan)) log_.error("The media sender does not keep up.");
    }
    void stop_media(std::uint32_t call) override {
        if (!sender_->stop_call(call)) log_.error("The media sender does not keep up.");
    }
    void set_video(std::uint32_t call, std::size_t line, const VideoPlan& plan) override {
        const auto stream = static_cast<std::uint32_t>(call * plan_.videos() + line);
        if (!video_->set_plan(stream, plan)) log_.error("The video sender does not keep up.");
    }
    void want_key_picture(std::uint32_t call) override {
        for (std::size_t line = 0; video_ != nullptr && line < plan_.videos(); ++line)
            static_cast<void>(
                video_->want_key_picture(static_cast<std::uint32_t>(call * plan_.videos() + line)));
    }
    void set_chat(std::uint32_t call, std::size_t line, const ChatPlan& plan) override {
        chats_->set_plan(chat_id(call, line), plan);
    }
    void finish_chat(std::uint32_t call, std::size_t line) override {
        chats_->finish(chat_id(call, line));
    }

private:
    struct Entry {
        std::unique_ptr<Call> call;
        std::optional<base::TimePoint> armed;  // the deadline that stands in timers_
        bool is_counted = false;
    };
    struct Timer {
        base::TimePoint when;
        std::uint32_t call = 0;
        bool operator>(const Timer& other) const { return when > other.when; }
    };

    template <class Function>
    void with_call(std::uint32_t index, Function&& function) {
        if (index >= calls_.size() || calls_[index].call->is_done()) return;
        function(*calls_[index].call, clock_.now());
        touch(index);
    }

    // Keeps timers and counts true after anything happened to a call.
    void touch(std::uint32_t index) {
        Entry& entry = calls_[index];
        if (entry.call->is_done() && !entry.is_counted) {
            entry.is_counted = true;
            ++counts_.ended;
            if (entry.call->was_answered()) ++counts_.answered;
        }
        const auto deadline = entry.call->deadline();
        if (deadline && deadline != entry.armed) timers_.push({*deadline, index});
        entry.armed = deadline;
    }

    base::TimePoint start_of(std::uint32_t index) const {
        const std::chrono::duration<double> after{index / plan_.options.rate};
        return started_at_ + std::chrono::duration_cast<base::TimePoint::duration>(after);
    }

    void start_due_calls() {
        const base::Now now = clock_.now();
        while (!is_aborted_ && calls_.size() < plan_.options.count &&
               now.steady >= start_of(static_cast<std::uint32_t>(calls_.size()))) {
            start_call(static_cast<std::uint32_t>(calls_.size()));
        }
    }

    void start_call(std::uint32_t index) {
        const base::Now now = clock_.now();
        CallSetup setup;
        setup.index = index;
        setup.request_uri = plan_.target.uri;
        setup.from = plan_.options.from;
        setup.flow = {plan_.target.transport, 0, 0, plan_.target.address};
        setup.hold_at = plan_.options.hold_at;
        setup.rekey_at = plan_.options.rekey_at;
        setup.credentials = plan_.options.credentials;
        setup.documents = siprec::make_client_call(random_, now.wall, kParties);
        if (plan_.options.session_id) setup.documents.session_id = *plan_.options.session_id;
        if (!plan_.options.group.empty())
            setup.documents.group_id = siprec::MetadataId{plan_.options.group};
        for (std::size_t party = 0; party < kParties; ++party) {
            siprec::ClientParty& described = setup.documents.parties[party];
            described.aor = plan_.parties[party].aor;
            described.name = plan_.parties[party].name;
            described.rtp = sender_->rtp_address(index, party);
            described.rtcp = described.rtp;
            ++described.rtcp.port;
            if (const auto suite = plan_.options.srtp)
                described.key = base::SrtpMasterKey::generate(*suite, random_);
            described.dtls = own_dtls();
        }
        setup.has_audio = plan_.options.has_audio;
        setup.share_at = plan_.options.share_at;
        for (std::size_t line = 0; line < plan_.videos(); ++line)
            setup.video.push_back(new_video_line(index, line));
        if (plan_.chats() > 0) add_chats(setup);
        calls_.push_back(
            {std::make_unique<Call>(std::move(setup), *this, random_, log_), {}, false});
        ++counts_.started;
        with_call(index, [](Call& call, base::Now at) { call.start(at); });
    }

    ChatId chat_id(std::uint32_t call, std::size_t line) const {
        return static_cast<ChatId>(call * plan_.chats() + line);
    }

    void on_line_ended(std::uint32_t call) {
        loop_.post([this, call] {
            with_call(call, [](Call& it, base::Now now) { it.on_line_ended(now); });
            settle();
        });
    }

    VideoLine new_video_line(std::uint32_t index, std::size_t number) {
        VideoLine line;
        const bool is_shared = number >= plan_.cameras();
        line.party = is_shared ? 0 : number;
        line.label = std::to_string(plan_.first_label() + number);
        line.stream_id = base::make_uuid_v4(random_);
        line.rtp = video_->rtp_address(static_cast<std::uint32_t>(index * plan_.videos() + number));
        line.has_feedback = plan_.options.video_feedback;
        if (const auto suite = plan_.options.srtp)
            line.key = base::SrtpMasterKey::generate(*suite, random_);
        line.dtls = own_dtls();
        if (is_shared) line.sharing = plan_.options.share;
        return line;
    }

    void add_chats(CallSetup& setup) {
        const ChatParties parties{name_addr(plan_.parties[0]), name_addr(plan_.parties[1])};
        const auto add = [&](std::vector<ChatAct> acts, std::optional<ChatFile> file) {
            ChatLine line;
            line.at = chats_->address();
            line.own =
                new_chat_uri(line.at, plan_.target.transport == sip::Transport::Tls, random_);
            line.label = std::to_string(plan_.first_label() + plan_.videos() + setup.chats.size());
            if (file) line.file_transfer_id = random_.token(32);
            line.file = std::move(file);
            chats_->open(chat_id(setup.index, setup.chats.size()),
                         {.own = line.own, .label = line.label, .acts = std::move(acts)});
            setup.chats.push_back(std::move(line));
            setup.chat_streams.push_back(base::make_uuid_v4(random_));
        };
        if (!plan_.chat.lines.empty())
            add(dialogue_acts(plan_.chat.lines, parties, plan_.options.duration), std::nullopt);
        if (plan_.chat.file) add({file_act(*plan_.chat.file, parties)}, plan_.chat.file);
    }

    // RFC 8842 section 4: 20 to 255 characters.
    std::optional<siprec::ClientDtls> own_dtls() {
        if (plan_.dtls == nullptr) return std::nullopt;
        return siprec::ClientDtls{plan_.dtls->fingerprint(), random_.token(24)};
    }

    void wake_due_calls() {
        const base::TimePoint now = clock_.now().steady;
        while (!timers_.empty() && timers_.top().when <= now) {
            const Timer timer = timers_.top();
            timers_.pop();
            if (calls_[timer.call].armed != timer.when) continue;  // it has changed since
            calls_[timer.call].armed.reset();
            with_call(timer.call, [](Call& call, base::Now at) { call.on_time(at); });
        }
    }

    void abort_all() {
        if (is_aborted_) return;
        is_aborted_ = true;
        for (std::uint32_t i = 0; i < calls_.size(); ++i) {
            with_call(i, [](Call& call, base::Now now) { call.abort(now); });
        }
    }

    // Carries out what the agent wants, which may make it want more; then sets the alarm clock.
    void settle() {
        while (auto action = agent_.poll_action()) {
            std::visit([this](auto& it) { obey(it); }, *action);
        }
        const bool has_all = is_aborted_ || calls_.size() == plan_.options.count;
        if (has_all && counts_.ended == calls_.size()) {
            loop_.stop();
            return;
        }
        arm();
    }

    void arm() {
        base::TimePoint when = clock_.now().steady + kPollTime;
        if (!is_aborted_ && calls_.size() < plan_.options.count) {
            when = std::min(when, start_of(static_cast<std::uint32_t>(calls_.size())));
        }
        if (!timers_.empty()) when = std::min(when, timers_.top().when);
        if (const auto deadline = agent_.deadline()) when = std::min(when, *deadline);
        loop_.set_deadline(when);
    }

    // The call that an action concerns; a dialog is known from the response that made it.
    std::optional<std::uint32_t> find(sip::TransactionId transaction, sip::DialogId dialog) const {
        if (const auto it = by_transaction_.find(transaction.value); it != by_transaction_.end()) {
            return it->second;
        }
        if (const auto it = by_dialog_.find(dialog.value); it != by_dialog_.end()) {
            return it->second;
        }
        return std::nullopt;
    }

    void obey(sip::SendBytes& action) {
        loop_.send(action.flow, std::move(action.bytes), action.transaction, action.tls_name);
    }
    void obey(sip::RequestArrived& action) {
        const auto index = find({}, action.dialog);
        if (!index || calls_[*index].call->is_done()) {
            const bool is_options = action.message.method() == sip::Method::Options;
            respond(action.transaction, {is_options ? 200 : 481, {}, {}, {}, {}});
            return;
        }
        with_call(*index, [&](Call& call, base::Now now) { call.on_request(now, action); });
    }
    void obey(sip::InviteRefused&) {}
    void obey(sip::AckArrived& action) {
        if (const auto index = find({}, action.dialog)) {
            with_call(*index, [&](Call& call, base::Now now) { call.on_ack(now, action); });
        }
    }
    void obey(sip::ResponseArrived& action) {
        const auto index = find(action.transaction, action.dialog);
        if (!index) return;
        if (action.dialog) by_dialog_[action.dialog.value] = *index;
        with_call(*index, [&](Call& call, base::Now now) { call.on_response(now, action); });
        // A 2xx to INVITE may come again from another branch: that entry stays for its run.
        const bool is_invite = action.message.cseq_method() == sip::Method::Invite;
        if (action.is_final && !is_invite) by_transaction_.erase(action.transaction.value);
    }
    void obey(sip::TransactionTimedOut& action) { on_failure(action.transaction, true); }
    void obey(const sip::LocateTarget& action) {
        agent_.on_located(clock_.now().steady, action.transaction, {});
    }
    void obey(sip::TransportFailed& action) { on_failure(action.transaction, false); }
    void obey(sip::DialogEnded& action) {
        const auto index = find({}, action.dialog);
        if (!index) return;
        by_dialog_.erase(action.dialog.value);
        with_call(*index,
                  [&](Call& call, base::Now now) { call.on_dialog_ended(now, action.dialog); });
    }
    void obey(sip::CancelArrived& /*action*/) {}  // of a re-INVITE that we answer at once: too late
    void obey(sip::NoAck& /*action*/) {}          // the call goes on; its end is the BYE

    void on_failure(sip::TransactionId transaction, bool is_timeout) {
        if (const auto index = find(transaction, {})) {
            with_call(*index, [&](Call& call, base::Now now) {
                call.on_failure(now, transaction, is_timeout);
            });
        }
    }

    void report_progress() {
        next_progress_ = clock_.now().steady + kProgressTime;
        if (!progress_) return;
        CallProgress progress = counts_;
        progress.packets_sent = sender_->packets_sent();
        for (const Entry& entry : calls_) {
            if (!entry.is_counted && entry.call->was_answered()) ++progress.answered;
        }
        progress_(progress);
    }

    Plan plan_;
    transport::SipLoop& loop_;
    base::Random& random_;
    base::Log& log_;
    const ProgressCallback& progress_;
    const std::atomic<bool>& stop_;
    io::SystemClock clock_;
    sip::Agent agent_;
    MediaSender* sender_ = nullptr;
    VideoSender* video_ = nullptr;  // null: no video
    ChatThread* chats_ = nullptr;   // null: no chats
    std::vector<Entry> calls_;
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
    std::unordered_map<std::uint64_t, std::uint32_t> by_transaction_;
    std::unordered_map<std::uint64_t, std::uint32_t> by_dialog_;
    CallProgress counts_;
    base::TimePoint started_at_;
    base::TimePoint next_progress_;
    bool is_aborted_ = false;
};

base::Result<Voice, Reason> make_voice(const std::string& wav_path, unsigned party) {
    if (!wav_path.empty()) return load_voice(wav_path);
    return Voice{make_tone_speech(party), Voice::AtEnd::Repeat};
}

base::Result<base::NetAddress, Reason> choose_local(const CallOptions& options,
                                                    const Target& target) {
    if (!options.local_address.empty()) {
        const auto literal = base::parse_host(options.local_address, 0);
        if (!literal) return Reason{"bad_address", "Not an address: " + options.local_address};
        return *literal;
    }
    const auto routed = io::local_address_toward(target.address);
    if (!routed) {
        return Reason{"no_route", "There is no route to " + base::to_string(target.address)};
    }
    return *routed;
}

base::Result<std::vector<MediaSender::SocketGroup>, Reason> bind_sockets(
    std::size_t calls, const base::NetAddress& local, base::Random& random) {
    std::vector<MediaSender::SocketGroup> groups;
    for (std::size_t i = 0; i < std::min(calls, kSlots); ++i) {
        auto a = MediaSocketPair::bind(local, random);
        auto b = MediaSocketPair::bind(local, random);
        if (!a || !b) {
            return Reason{"no_media_ports", "No UDP ports for media could be bound on " +
                                                base::host_to_string(local)};
        }
        groups.push_back({*std::move(a), *std::move(b)});
    }
    return groups;
}

std::optional<Reason> check_options(const CallOptions& options) {
    if (options.count == 0 || options.count > kMaxCalls) {
        return Reason{"bad_count", "The number of calls must be 1 to 100000."};
    }
    if (!(options.rate > 0)) return Reason{"bad_rate", "The rate must be above 0."};
    if (options.duration < kPacketTime) {
        return Reason{"bad_duration", "The duration must be 20 ms or more."};
    }
    if (options.hold_at && (options.hold_at->count() < 0 || *options.hold_at >= options.duration)) {
        return Reason{"bad_hold", "The hold must begin within the duration of the call."};
    }
    if (options.srtp && options.dtls)
        return Reason{"bad_keying", "Keys come by SDP or by DTLS: leave out --srtp or --dtls."};
    const bool shares_at_once = options.share && !options.share_at;
    if (!options.has_audio && !options.video && !shares_at_once && !options.chat.is_wanted())
        return Reason{"no_media",
                      "Without voice a call needs a camera, something shared or a chat."};
    if (options.share_at &&
        (!options.share || options.share_at->count() < 0 || *options.share_at >= options.duration))
        return Reason{"bad_share", "Sharing must begin within the duration of the call."};
    if (options.rekey_at && !options.srtp)
        return Reason{"bad_rekey", "New keys need a call with keys by SDP (--srtp)."};
    if (options.rekey_at &&
        (options.rekey_at->count() < 0 || *options.rekey_at >= options.duration)) {
        return Reason{"bad_rekey", "New keys must come within the duration of the call."};
    }
    return std::nullopt;
}

std::unique_ptr<base::Random> make_random(std::uint64_t seed) {
    if (seed != 0) return std::make_unique<base::SeededRandom>(seed);
    return std::make_unique<base::SystemRandom>();
}

}  // namespace

namespace {

base::Result<std::unique_ptr<VideoSender>, Reason> make_video(const Run::Plan& plan,
                                                              const base::NetAddress& local,
                                                              base::Random& random,
                                                              VideoSender::Callbacks callbacks) {
    if (plan.videos() == 0) return std::unique_ptr<VideoSender>{};
    VideoSender::Settings settings;
    for (std::uint32_t call = 0; call < plan.options.count; ++call) {
        for (unsigned party = 0; party < plan.cameras(); ++party)
            settings.streams.push_back({.party = party, .local = local});
        if (plan.options.share)
            settings.streams.push_back({.sharing = plan.options.share, .local = local});
    }
    settings.bits_per_second = plan.options.video_rate;
    settings.lose_every = plan.options.video_lose_every;
    settings.dtls = plan.dtls;
    return VideoSender::create(settings, random, std::move(callbacks));
}

void add_video_figures(const Run::Plan& plan, const std::vector<VideoFigures>& figures,
                       std::vector<CallResult>& results) {
    for (std::size_t i = 0; i < figures.size(); ++i) {
        const std::size_t call = i / plan.videos();
        if (call >= results.size()) return;
        results[call].video.push_back(figures[i]);
        results[call].sent.push_back(
            {std::to_string(plan.first_label() + i % plan.videos()), figures[i].packets});
    }
}

// A message that nobody has acknowledged is not recorded: that is no good call.
void add_chat_figures(const Run::Plan& plan, ChatThread& chats, std::vector<CallResult>& results) {
    chats.stop();
    for (std::size_t call = 0; call < results.size(); ++call) {
        for (std::size_t line = 0; line < plan.chats(); ++line) {
            ChatFigures figures = chats.figures(static_cast<ChatId>(call * plan.chats() + line));
            if (const auto reason = fault_of(figures); reason && results[call].result == "ok") {
                results[call].result = "failed";
                results[call].reason = *reason;
            }
            results[call].chats.push_back(std::move(figures));
        }
    }
}

}  // namespace

base::Result<std::vector<CallResult>, Reason> run_calls(const CallOptions& options, base::Log& log,
                                                        const ProgressCallback& progress,
                                                        const std::atomic<bool>& stop) {
    if (auto reason = check_options(options)) return *reason;
    auto target = find_target(options.is_tls ? with_tls(options.to) : options.to);
    if (!target) return target.error();
    const auto from = read_party(options.from);
    if (!from) return from.error();
    auto party_a = read_party(options.party_a);
    if (!party_a) return party_a.error();
    auto party_b = read_party(options.party_b);
    if (!party_b) return party_b.error();
    auto voice_a = make_voice(options.audio_a, 0);
    if (!voice_a) return voice_a.error();
    auto voice_b = make_voice(options.audio_b, 1);
    if (!voice_b) return voice_b.error();
    const auto local = choose_local(options, *target);
    if (!local) return local.error();

    const auto random = make_random(options.seed);
    auto sockets = bind_sockets(options.count, *local, *random);
    if (!sockets) return sockets.error();
    // A TCP client listens, too: Contact must name a port where a lost connection can be made anew.
    transport::SipLoopOptions loop_options;
    std::shared_ptr<const io::TlsContext> tls_context;
    if (target->transport == sip::Transport::Tls) {
        auto tls = io::TlsContext::load(options.tls);
        if (!tls) return tls.error();
        tls_context = *std::move(tls);
        loop_options.tls = tls_context;
    }
    auto chat = load_chat(options.chat);
    if (!chat) return chat.error();
    auto loop = transport::SipLoop::create({{target->transport, *local, true}}, log, loop_options);
    if (!loop) return loop.error();

    const std::array<Voice, kParties> voices{*std::move(voice_a), *std::move(voice_b)};
    MediaSender::Settings settings;
    settings.calls = options.count;
    settings.packets_per_call = static_cast<std::uint64_t>(options.duration / kPacketTime);
    settings.has_keyed_payload = options.keyed_payload;
    settings.host = base::host_to_string(*local);

    std::optional<srtp::DtlsIdentity> identity;
    if (options.dtls) {
        auto made = srtp::DtlsIdentity::make(io::SystemClock{}.now().wall);
        if (!made) return Reason{"no_dtls", "OpenSSL cannot make a certificate for DTLS."};
        identity.emplace(*std::move(made));
    }
    const srtp::DtlsIdentity* const dtls = identity ? &*identity : nullptr;
    settings.dtls = dtls;

    base::NetAddress sip_address = *local;
    sip_address.port = (*loop)->local_address(0).port;
    Run run{{options,
             *target,
             sip_address,
             {*std::move(party_a), *std::move(party_b)},
             dtls,
             *std::move(chat)},
            **loop,
            *random,
            log,
            progress,
            stop};
    MediaSender sender{
        std::move(settings),
        *std::move(sockets),
        voices,
        *random,
        {.on_finished = [&run](std::uint32_t call) { run.on_media_finished(call); },
         .on_no_keys = [&run](std::uint32_t call,
                              std::string_view fault) { run.on_no_keys(call, fault); }}};
    const Run::Plan& plan = run.plan();
    auto made = make_video(
        plan, *local, *random,
        {.on_ended = [&run](std::uint32_t stream) { run.on_video_ended(stream); },
         .on_no_keys =
             [&run, &plan](std::uint32_t stream, std::string_view fault) {
                 run.on_no_keys(static_cast<std::uint32_t>(stream / plan.videos()), fault);
             }});
    if (!made) return made.error();
    const std::unique_ptr<VideoSender> video = *std::move(made);
    std::unique_ptr<ChatThread> chats;
    if (plan.chats() > 0) {
        auto thread = ChatThread::create({.locals = {*local}, .tls = tls_context}, log,
                                         [&run](ChatId ended) { run.on_chat_ended(ended); });
        if (!thread) return thread.error();
        chats = *std::move(thread);
    }
    run.run(sender, video.get(), chats.get());
    auto results = run.results();
    if (video) add_video_figures(plan, video->stop(), results);
    if (chats) add_chat_figures(plan, *chats, results);
    return results;
}

}  // namespace earshot::loadgen
