#include "relay/relay_worker.h"

#include <algorithm>
#include <future>
#include <utility>

#include "io/thread_name.h"

namespace earshot::relay {

namespace {

// Without traffic and commands: how often ports are made ready.
constexpr std::chrono::milliseconds kIdle{200};
// How often it is looked whether the RTCP of servers has ceased.
constexpr std::chrono::seconds kLook{1};
// How often it is looked which packets of a sound are due, half of what one of them lasts.
constexpr std::chrono::milliseconds kSoundTick{10};

}  // namespace

RelayWorker::RelayWorker(std::unique_ptr<PacketIo> io, io::MediaPorts& ports,
                         const io::Clock& clock, Options options, KeyQueue& keys)
    : io_(std::move(io)),
      ports_(ports),
      clock_(clock),
      options_(std::move(options)),
      keys_(keys),
      forwarder_(*io_,
                 [this](const ForkFlow& fork, Silence why) {
                     if (options_.on_silent)
                         options_.on_silent({.call = fork.call,
                                             .subscription = fork.subscription,
                                             .fork = fork.id,
                                             .why = why});
                 }),
      replayer_(*io_),
      ring_blocks_(options_.ring_blocks) {}

RelayWorker::~RelayWorker() { stop(); }

bool RelayWorker::start(const std::string& thread_name) {
    std::promise<bool> has_begun;
    thread_ = std::jthread([this, thread_name, &has_begun] {
        io::set_thread_name(thread_name.c_str());
        const bool is_usable = io_->begin();
        has_begun.set_value(is_usable);
        if (is_usable) run();
    });
    return has_begun.get_future().get();
}

void RelayWorker::stop() {
    commands_.close();
    io_->wake();
    if (thread_.joinable()) thread_.join();
}

bool RelayWorker::give(Command command) {
    if (!commands_.try_push(std::move(command))) return false;
    io_->wake();
    return true;
}

// How long it may wait for packets.
std::chrono::milliseconds RelayWorker::patience() const {
    if (!replayer_.is_idle()) return kReplayTick;
    return sounding_.empty() ? kIdle : kSoundTick;
}

void RelayWorker::run() {
    while (!commands_.is_closed() || commands_.size() > 0 || !leaving_.empty())
        io_->turn(*this, clock_.now().steady, patience());
    for (auto& [id, fork] : forks_) release(fork->ports);
    for (auto& [id, line] : lines_)
        for (auto& pair : line->ports) release(pair);
    forks_.clear();
    lines_.clear();
}

// Commands first: what signalling has said holds for all packets that come after it. A line is
// closed when its sockets have been read once more: what came before the end is passed on.
base::TimePoint RelayWorker::on_turn(bool is_woken) {
    const base::TimePoint now = clock_.now().steady;
    forwarder_.set_now(now);
    for (Command& command : read_out_) obey(command);
    read_out_.clear();
    read_out_.swap(just_taken_);
    if (is_woken)
        while (auto command = commands_.try_pop()) {
            if (std::holds_alternative<CloseLine>(*command))
                just_taken_.push_back(*std::move(command));
            else
                obey(*command);
        }
    if (!read_out_.empty() || !just_taken_.empty()) io_->wake();
    if (now - looked_ >= kLook) look_after_forks(now);
    if ((has_unconnected_ || has_unread_) && now - tried_again_ >= kIdle) {
        tried_again_ = now;
        try_again();
    }
    if (!sounding_.empty() && now - filled_ >= kSoundTick) {
        filled_ = now;
        fill_sounds();
    }
    if (options_.keeps_ports_ready && (is_woken || now - refilled_ >= kIdle)) {
        refilled_ = now;
        ports_.refill(now);
    }
    return now;
}

void RelayWorker::look_after_forks(base::TimePoint now) {
    looked_ = now;
    for (auto& [id, fork] : forks_) forwarder_.look_after(*fork);
}

void RelayWorker::obey(Command& command) {
    std::visit([this](auto& one) { on(one); }, command);
}

void RelayWorker::on(OpenLine& command) {
    auto line = std::make_unique<LineFlow>(std::move(command.pairs), std::move(command.counters));
    line->id = command.line;
    line->call = command.call;
    lines_[command.line] = std::move(line);
}

void RelayWorker::on(SetRemotes& command) {
    const auto found = lines_.find(command.line);
    if (found == lines_.end()) return;
    LineFlow& line = *found->second;
    line.has_rtcp_mux = command.has_rtcp_mux;
    line.is_secure = command.is_secure;
    set_keys(line, command);
    for (const Leg leg : {Leg::A, Leg::B}) {
        set_remote(line, leg, command.legs[index_of(leg)]);
        // Media that overtakes the answer waits in its socket until it is known where it may come
        // from.
        if (command.legs[index_of(leg)].hosts.empty()) continue;
        for (Port& port : line.ports[index_of(leg)]) read_from(port);
    }
}

void RelayWorker::on(SetProtection& command) {
    const auto found = lines_.find(command.line);
    if (found == lines_.end()) return;
    auto& protection = found->second->sides[index_of(command.from)].protection;
    if (!command.keys) {
        protection.reset();
    } else if (protection == nullptr) {
        protection = std::make_unique<ForkProtection>(*command.keys);
    } else {
        protection->set_keys(*command.keys);
    }
}

// A key that is pressed while its line changes is still the same key.
void RelayWorker::set_keys(LineFlow& line, const SetRemotes& command) {
    const bool has_any = command.legs[0].keys.any() || command.legs[1].keys.any();
    if (!has_any || command.is_secure) return line.keys.reset();
    if (line.keys == nullptr)
        line.keys = std::make_unique<LineKeys>(LineKeys{.call = line.call, .queue = keys_});
    for (const Leg leg : {Leg::A, Leg::B})
        line.keys->legs[index_of(leg)].set_formats(command.legs[index_of(leg)].keys);
}

void RelayWorker::on(CloseLine& command) {
    const auto found = lines_.find(command.line);
    if (found == lines_.end()) return;
    LineFlow& line = *found->second;
    for (LineFlow::Side& side : line.sides)
        while (!side.forks.empty()) close(*side.forks.back());
    for (auto& pair : line.ports) release(pair);
    sounding_.erase(command.line);
    lines_.erase(found);
}

void RelayWorker::on(SetSound& command) {
    const auto found = lines_.find(command.line);
    if (found == lines_.end()) return;
    found->second->sides[index_of(command.to)].sound = std::move(command.mixer);
    sounding_.insert(command.line);  // or it leaves with the next look
}

void RelayWorker::on(SetSoundFormats& command) {
    const auto found = lines_.find(command.line);
    if (found == lines_.end()) return;
    const auto& sound = found->second->sides[index_of(command.to)].sound;
    if (sound != nullptr) sound->set_formats(command.formats);
}

void RelayWorker::fill_sounds() {
    for (auto at = sounding_.begin(); at != sounding_.end();) {
        LineFlow& line = *lines_.at(*at);
        bool has_any = false;
        for (LineFlow::Side& side : line.sides) {
            if (side.sound != nullptr && side.sound->is_over()) side.sound.reset();
            has_any = has_any || side.sound != nullptr;
        }
        if (has_any) forwarder_.fill(line);
        at = has_any ? std::next(at) : sounding_.erase(at);
    }
}

void RelayWorker::on(OpenFork& command) {
    const auto found = lines_.find(command.line);
    auto fork = std::make_unique<ForkFlow>(std::move(command.pair), std::move(command.counters));
    if (found == lines_.end()) return release(fork->ports);
    fork->id = command.fork;
    fork->line = found->second.get();
    fork->from = command.from;
    fork->call = command.call;
    fork->subscription = command.subscription;
    read_from(fork->ports[1]);
    LineFlow::Side& side = fork->line->sides[index_of(command.from)];
    side.forks.push_back(fork.get());
    if (command.keep.count() > 0) {
        fork->is_kept = true;
        if (!command.is_paused) fork->owed_since_ns = forwarder_.now_ns();
        if (side.ring == nullptr) side.ring = std::make_shared<PacketRing>(ring_blocks_);
        side.ring->keep(command.keep);
    }
    forks_[command.fork] = std::move(fork);
}

void RelayWorker::on(SetFork& command) {
    const auto found = forks_.find(command.fork);
    if (found == forks_.end()) return;
    ForkFlow& fork = *found->second;
    const auto lacks_since_ns =
        set_fork(fork, command.rtp, command.rtcp, command.why, forwarder_.now_ns());
    if (!fork.is_open) replayer_.cancel(fork);
    replay(fork, lacks_since_ns);
    has_unconnected_ = has_unconnected_ || (fork.rtp_to && !fork.is_open);
}

void RelayWorker::replay(ForkFlow& fork, std::optional<std::int64_t> since_ns) {
    if (!since_ns || !fork.is_kept) return;
    const std::int64_t now_ns = forwarder_.now_ns();
    const PacketRing& ring = *fork.line->sides[index_of(fork.from)].ring;
    replayer_.begin(fork, ring, std::max(*since_ns, now_ns - ring.keep_ns()), now_ns);
}

void RelayWorker::read_from(Port& port) {
    port.is_wanted = true;
    if (port.is_read || io_->add(port)) return;
    has_unread_ = true;
    unread_.fetch_add(1, std::memory_order_relaxed);
}

// What the kernel had no room or no route for.
void RelayWorker::try_again() {
    connect_forks();
    if (!std::exchange(has_unread_, false)) return;
    const auto read_wanted = [this](std::array<Port, 2>& ports) {
        for (Port& port : ports)
            if (port.is_wanted) read_from(port);
    };
    for (const auto& [id, line] : lines_)
        for (auto& pair : line->ports) read_wanted(pair);
    for (const auto& [id, fork] : forks_) read_wanted(fork->ports);
}

void RelayWorker::connect_forks() {
    has_unconnected_ = false;
    for (const auto& [id, fork] : forks_) {
        replay(*fork, open_fork(*fork, forwarder_.now_ns()));
        has_unconnected_ = has_unconnected_ || (fork->rtp_to && !fork->is_open);
    }
}

void RelayWorker::on(CloseFork& command) {
    const auto found = forks_.find(command.fork);
    if (found != forks_.end()) close(*found->second);
}

void RelayWorker::close(ForkFlow& fork) {
    LineFlow::Side& side = fork.line->sides[index_of(fork.from)];
    std::erase(side.forks, &fork);
    const bool leaves = replayer_.leave(fork, forwarder_.now_ns());
    if (leaves) fork.rest = side.ring;
    if (std::none_of(side.forks.begin(), side.forks.end(),
                     [](const ForkFlow* other) { return other->is_kept; }))
        side.ring.reset();
    fork.line = nullptr;
    if (leaves) {
        io_->remove(fork.ports[1]);  // RTCP would be for a leg that is gone
        leaving_.emplace(fork.id, std::move(forks_.at(fork.id)));
        forks_.erase(fork.id);
    } else {
        release(fork.ports);
        forks_.erase(fork.id);
    }
}

void RelayWorker::on_end() {
    replayer_.send_due(forwarder_.now_ns());
    for (ForkFlow* fork : replayer_.take_over()) {
        const auto found = leaving_.find(fork->id);
        if (found == leaving_.end()) continue;
        release(found->second->ports);
        leaving_.erase(found);
    }
}

// The ports rest once their sockets are closed.
void RelayWorker::release(std::array<Port, 2>& ports) {
    const std::uint16_t rtp_port = ports[0].socket.local_address().port;
    for (Port& port : ports) {
        io_->remove(port);
        port.socket.close();
    }
    ports_.release(rtp_port, clock_.now().steady);
}

}  // namespace earshot::relay
