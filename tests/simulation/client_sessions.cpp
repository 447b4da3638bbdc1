#include "client_sessions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sdp/session_description.h"
#include "sip/parser.h"
#include "sip/uri.h"

namespace earshot::simulation {

namespace {

using siprec::ClientEvent;

// After the last change: longer than a request is repeated for, and than glare is waited for.
constexpr std::chrono::seconds kQuietTime{60};
constexpr std::size_t kMaxLines = 6;

sip::AgentConfig agent_config(const base::NetAddress& address) {
    sip::AgentConfig config;
    config.contact_parameters = ";+sip.src";
    config.listeners = {
        {sip::Transport::Udp, base::to_string(address), "sip:" + base::to_string(address)}};
    return config;
}

}  // namespace

// One call and its recording session.
class ClientSessions::Call : public siprec::ClientSessionHost {
public:
    Call(ClientSessions& owner, std::size_t number) : owner_(owner), number_(number) {}

    void start() {
        World& world = owner_.world_;
        siprec::ClientSessionSettings settings;
        if (world.draws.chance(20)) settings.servers.emplace_back("sip:dark@203.0.113.9");
        settings.servers.push_back("sip:rec@" + base::to_string(owner_.server_.address()));
        description_.session_id = base::make_uuid_v4(world.random);
        description_.start = world.now.wall;
        for (std::uint64_t left = world.draws.between(1, 3); left > 0; --left) add_party();
        add_stream();
        session_ = std::make_unique<siprec::RecordingClientSession>(settings, *this, world.random);
        is_paused_ = world.draws.chance(10);
        session_->start(world.now, state(), is_paused_);
    }

    void change() {
        World& world = owner_.world_;
        switch (world.draws.between(0, 7)) {
            case 0:
                if (session_->pause(world.now)) is_paused_ = true;
                return;
            case 1:
                resume();
                return;
            case 2:
                add_party();
                break;
            case 3:
                leave();
                break;
            case 4:
                if (lines_.size() < kMaxLines) add_stream();
                break;
            case 5:
                remove_stream();
                break;
            case 6:
                if (!description_.streams.empty())
                    description_.streams[0].is_held = !description_.streams[0].is_held;
                break;
            default:
                static_cast<void>(session_->send({"INFO", {}, "application/dtmf", "5"}));
                return;
        }
        session_->set_state(world.now, state());
    }

    // It may send before it returns.
    void resume() {
        const bool was_paused = std::exchange(is_paused_, false);
        if (!session_->resume(owner_.world_.now)) is_paused_ = was_paused;
    }

    // What the server knows is what is true, when nothing was refused and both still talk.
    bool compare() const {
        if (!session_->is_running() || was_refused_) return false;
        const siprec::RecordingServerSession* theirs =
            owner_.server_.find_session(session_->view().rs_call_id);
        if (theirs == nullptr || theirs->is_ended()) return false;
        for (const siprec::CsStream& stream : description_.streams) {
            const std::string& label = stream.label;
            require(theirs->metadata().is_held(label) == (stream.is_held || has_left(stream)),
                    "the server knows who is held");
            const auto senders = theirs->metadata().senders_of(label);
            if (stream.is_held || has_left(stream)) continue;
            require(senders.size() == 1 &&
                        senders[0]->id ==
                            siprec::MetadataId{description_.participants[stream.senders[0]].id},
                    "the server knows who sends");
        }
        require(theirs->metadata().unresolved().empty(), "the server knows all that is named");
        require(!is_paused_ || theirs->is_paused() || theirs->is_withheld() || !has_live_line(),
                "the server knows of a pause");
        check_fork();
        return true;
    }

    void end() {
        description_.stop = owner_.world_.now.wall;
        session_->set_state(owner_.world_.now, state());
        session_->stop(owner_.world_.now);
    }

    siprec::RecordingClientSession& session() { return *session_; }
    bool is_planned() const { return session_ == nullptr; }
    bool has_started() const { return starts_ != 0; }

    void check_rest() const {
        require(session_ == nullptr || session_->is_done(), "each session comes to its end");
        require(starts_ <= 1 && starts_ == stops_, "a Stop for each Start, and one at most");
        require(session_ == nullptr || starts_ + failures_ == 1, "a session starts or fails");
    }

    // ---- siprec::ClientSessionHost
    base::Result<sip::TransactionId> start_request(const sip::OutOfDialogSpec& spec) override {
        const auto sent = owner_.agent_.start_request(owner_.world_.now.steady, spec);
        if (sent) owner_.by_transaction_[sent->value] = this;
        return sent;
    }
    base::Result<sip::TransactionId> send_request(sip::DialogId dialog,
                                                  const sip::RequestSpec& spec) override {
        const auto sent = owner_.agent_.send_request(owner_.world_.now.steady, dialog, spec);
        if (sent) owner_.by_transaction_[sent->value] = this;
        return sent;
    }
    void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) override {
        static_cast<void>(owner_.agent_.respond(owner_.world_.now.steady, transaction, spec));
    }
    void acknowledge(sip::DialogId dialog) override {
        static_cast<void>(owner_.agent_.ack(owner_.world_.now.steady, dialog, {}));
    }
    void cancel(sip::TransactionId invite) override {
        static_cast<void>(owner_.agent_.cancel(owner_.world_.now.steady, invite));
    }
    void end_dialog(sip::DialogId dialog) override {
        owner_.agent_.end_dialog(owner_.world_.now.steady, dialog);
    }
    void authenticate(sip::DialogId /*dialog*/, const sip::Credentials& /*credentials*/,
                      const base::NetAddress& /*host*/,
                      std::vector<sip::ExtraHeader> /*of_invite*/) override {}
    void apply_answer(std::string sdp) override {
        require(!is_paused_, "nothing is sent while it is paused");
        require(!is_stopped_, "nothing is sent after the end");
        fork_ = std::move(sdp);
    }
    void pause_fork() override { fork_.clear(); }
    void stop_fork() override {
        fork_.clear();
        is_stopped_ = true;
    }
    void on_event(const ClientEvent& event) override {
        owner_.world_.trace(fmt::format("client: {} {} {}", siprec::to_string(event.kind),
                                        event.status, event.reason.text));
        require(stops_ == 0, "Stop is the last event");
        if (event.kind == ClientEvent::Kind::Start) ++starts_;
        if (event.kind == ClientEvent::Kind::Stop) ++stops_;
        if (event.kind == ClientEvent::Kind::Failed) ++failures_;
        if (event.kind == ClientEvent::Kind::ChangeRefused) was_refused_ = true;
    }

private:
    struct Line {
        std::string label;
        bool is_live = true;
    };

    void add_party() {
        siprec::CsParticipant party;
        party.id = base::make_uuid_v4(owner_.world_.random);
        party.names = {{fmt::format("sip:p{}@x.example", description_.participants.size()),
                        fmt::format("P <{}> &", description_.participants.size()), ""}};
        party.joined = owner_.world_.now.wall;
        description_.participants.push_back(std::move(party));
    }
    void leave() {
        const std::size_t count = description_.participants.size();
        siprec::CsParticipant& party =
            description_.participants[owner_.world_.draws.between(0, count - 1)];
        if (!party.left) party.left = owner_.world_.now.wall;
    }
    void add_stream() {
        siprec::CsStream stream;
        stream.id = base::make_uuid_v4(owner_.world_.random);
        stream.label = std::to_string(lines_.size());
        stream.senders = {owner_.world_.draws.between(0, description_.participants.size() - 1)};
        lines_.push_back({stream.label, true});
        description_.streams.push_back(std::move(stream));
    }
    void remove_stream() {
        if (description_.streams.size() < 2) return;
        const std::string label = description_.streams.back().label;
        description_.streams.pop_back();
        for (Line& line : lines_)
            if (line.label == label) line.is_live = false;
    }
    bool has_left(const siprec::CsStream& stream) const {
        return description_.participants[stream.senders[0]].left.has_value();
    }
    bool has_live_line() const {
        return std::any_of(lines_.begin(), lines_.end(),
                           [](const Line& line) { return line.is_live; });
    }

    siprec::CsState state() const {
        const std::string host = base::host_to_string(owner_.address_);
        std::string sdp = fmt::format(
            "v=0\r\no=- {} 1 IN IP4 {}\r\ns=-\r\nc=IN IP4 {}\r\nt=0 0\r\n", number_, host, host);
        for (std::size_t i = 0; i < lines_.size(); ++i)
            sdp +=
                fmt::format("m=audio {} RTP/AVP 0 8\r\na=sendonly\r\na=label:{}\r\n",
                            lines_[i].is_live ? 30000 + 100 * number_ + 2 * i : 0, lines_[i].label);
        return {siprec::describe(description_).objects, sdp};
    }

    // What we send goes to ports that are open for it.
    void check_fork() const {
        if (fork_.empty()) return;
        const auto answer = sdp::parse(fork_);
        const auto open = owner_.server_.capture().open_addresses();
        for (const sdp::MediaDescription& line : answer->media) {
            if (line.port == 0 || line.direction != sdp::Direction::RecvOnly) continue;
            const auto address = sdp::rtp_address(*answer, line);
            require(address && std::find(open.begin(), open.end(), *address) != open.end(),
                    "media goes to a port that is open");
        }
    }

    ClientSessions& owner_;
    std::size_t number_;
    siprec::CsDescription description_;
    std::vector<Line> lines_;
    std::unique_ptr<siprec::RecordingClientSession> session_;
    std::string fork_;
    int starts_ = 0;
    int stops_ = 0;
    int failures_ = 0;
    bool is_paused_ = false;
    bool is_stopped_ = false;
    bool was_refused_ = false;
};

ClientSessions::ClientSessions(World& world, const RecordingServer& server)
    : world_(world), server_(server), agent_(agent_config(address_), world.random) {}

ClientSessions::~ClientSessions() = default;

void ClientSessions::plan(milliseconds start, milliseconds talk) {
    const std::size_t number = calls_.size();
    calls_.push_back(std::make_unique<Call>(*this, number));
    later(number, start, [](Call& call) { call.start(); });
    for (std::uint64_t left = world_.draws.between(0, 12); left > 0; --left) {
        const milliseconds at = world_.draws.time(0, static_cast<std::uint64_t>(talk.count()));
        later(number, start + at, [](Call& call) { call.change(); });
    }
    // Some end while changes are still under way; those are not compared.
    const bool is_compared = world_.draws.chance(70);
    const milliseconds quiet = is_compared ? milliseconds{kQuietTime} : milliseconds{0};
    later(number, start + talk + quiet, [this, is_compared](Call& call) {
        if (is_compared && call.compare()) ++compared_;
        call.end();
    });
}

void ClientSessions::later(std::size_t number, milliseconds delay,
                           std::function<void(Call&)> work) {
    world_.later(delay, [this, number, work = std::move(work)] {
        work(*calls_[number]);
        drain();
    });
}

void ClientSessions::on_datagram(const Datagram& datagram) {
    if (datagram.to != address_) return;
    sip::ParsedMessage parsed = sip::parse_message(*datagram.bytes);
    require(parsed.verdict == sip::Verdict::Good, "what our server sends can be read");
    agent_.on_message(world_.now.steady, {.remote = datagram.from}, std::move(parsed.message));
    drain();
}

std::optional<base::TimePoint> ClientSessions::deadline() const {
    auto next = agent_.deadline();
    for (const auto& call : calls_) {
        if (call->is_planned()) continue;
        const auto due = call->session().deadline();
        if (due && (!next || *due < *next)) next = due;
    }
    return next;
}

void ClientSessions::on_time() {
    if (agent_.deadline() && *agent_.deadline() <= world_.now.steady) {
        agent_.on_time(world_.now.steady);
        drain();
    }
    for (const auto& call : calls_) {
        if (call->is_planned()) continue;
        const auto due = call->session().deadline();
        if (!due || *due > world_.now.steady) continue;
        call->session().on_time(world_.now);
        const auto next = call->session().deadline();
        require(!next || *next > world_.now.steady, "a deadline that was met moves on");
        drain();
    }
}

void ClientSessions::check_rest() const {
    for (const auto& call : calls_) call->check_rest();
    require(agent_.transaction_count() == 0, "no transaction stays at the client");
    require(agent_.dialog_count() == 0, "no dialog stays at the client");
}

std::size_t ClientSessions::recorded() const {
    return static_cast<std::size_t>(std::count_if(
        calls_.begin(), calls_.end(), [](const auto& call) { return call->has_started(); }));
}

// ---- what the agent says ------------------------------------------------------------------------

void ClientSessions::drain() {
    while (auto action = agent_.poll_action())
        std::visit([this](auto& it) { this->handle(it); }, *action);
}

ClientSessions::Call* ClientSessions::find(sip::TransactionId transaction, sip::DialogId dialog) {
    if (const auto it = by_transaction_.find(transaction.value); it != by_transaction_.end())
        return it->second;
    const auto it = by_dialog_.find(dialog.value);
    return it == by_dialog_.end() ? nullptr : it->second;
}

void ClientSessions::handle(sip::SendBytes& action) {
    const base::ByteView bytes = base::as_bytes(*action.bytes);
    world_.trace("client: " + action.bytes->substr(0, action.bytes->find('\r')));
    world_.network.send(world_.now.steady,
                        {address_, action.flow.remote,
                         std::make_shared<const base::Bytes>(bytes.begin(), bytes.end())});
}

void ClientSessions::handle(sip::RequestArrived& action) {
    if (Call* call = find({}, action.dialog)) {
        call->session().on_request(world_.now, action);
    } else {
        static_cast<void>(agent_.respond(world_.now.steady, action.transaction, {.status = 481}));
    }
}

void ClientSessions::handle(sip::AckArrived& action) {
    if (Call* call = find({}, action.dialog)) call->session().on_ack(world_.now, action);
}

void ClientSessions::handle(sip::ResponseArrived& action) {
    Call* call = find(action.transaction, action.dialog);
    if (call == nullptr) return;
    if (action.dialog) by_dialog_[action.dialog.value] = call;
    call->session().on_response(world_.now, action);
}

void ClientSessions::handle(sip::TransactionTimedOut& action) {
    if (Call* call = find(action.transaction, {}))
        call->session().on_failure(world_.now, action.transaction, true);
}

void ClientSessions::handle(sip::TransportFailed& action) {
    if (Call* call = find(action.transaction, {}))
        call->session().on_failure(world_.now, action.transaction, false);
}

void ClientSessions::handle(sip::DialogEnded& action) {
    Call* call = find({}, action.dialog);
    by_dialog_.erase(action.dialog.value);
    if (call != nullptr) call->session().on_dialog_ended(world_.now, action.dialog);
}

void ClientSessions::handle(sip::LocateTarget& action) {
    const auto uri = sip::parse_uri(action.uri);
    std::vector<sip::Target> targets;
    if (const auto address = base::parse_host(uri->host, uri->port.value_or(5060)))
        targets.push_back({sip::Transport::Udp, *address});
    agent_.on_located(world_.now.steady, action.transaction, std::move(targets));
}

}  // namespace earshot::simulation
