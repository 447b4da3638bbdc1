#include "relay/relay_worker.h"

#include <algorithm>
#include <future>
#include <utility>

#include "io/thread_name.h"

namespace earshot::relay {

namespace {

// Without traffic and commands: how often ports are made ready.
constexpr std::chrono::milliseconds kIdle{200};

}  // namespace

RelayWorker::RelayWorker(std::unique_ptr<PacketIo> io, io::MediaPorts& ports,
                         const io::Clock& clock, bool keeps_ports_ready)
    : io_(std::move(io)),
      ports_(ports),
      clock_(clock),
      keeps_ports_ready_(keeps_ports_ready),
      forwarder_(*io_) {}

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

void RelayWorker::run() {
    while (!commands_.is_closed() || commands_.size() > 0)
        io_->turn(*this, clock_.now().steady, kIdle);
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
    if (keeps_ports_ready_ && (is_woken || now - refilled_ >= kIdle)) {
        refilled_ = now;
        ports_.refill(now);
    }
    return now;
}

void RelayWorker::obey(Command& command) {
    std::visit([this](auto& one) { on(one); }, command);
}

void RelayWorker::on(OpenLine& command) {
    auto line = std::make_unique<LineFlow>(std::move(command.pairs), std::move(command.counters));
    line->id = command.line;
    lines_[command.line] = std::move(line);
}

void RelayWorker::on(SetRemotes& command) {
    const auto found = lines_.find(command.line);
    if (found == lines_.end()) return;
    LineFlow& line = *found->second;
    line.has_rtcp_mux = command.has_rtcp_mux;
    line.is_secure = command.is_secure;
    for (const Leg leg : {Leg::A, Leg::B}) {
        set_remote(line, leg, command.legs[index_of(leg)]);
        // Media that overtakes the answer waits in its socket until it is known where it may come
        // from.
        if (command.legs[index_of(leg)].hosts.empty()) continue;
        for (Port& port : line.ports[index_of(leg)])
            if (!port.is_read) io_->add(port);
    }
}

void RelayWorker::on(CloseLine& command) {
    const auto found = lines_.find(command.line);
    if (found == lines_.end()) return;
    LineFlow& line = *found->second;
    for (LineFlow::Side& side : line.sides)
        while (!side.forks.empty()) close(*side.forks.back());
    for (auto& pair : line.ports) release(pair);
    lines_.erase(found);
}

void RelayWorker::on(OpenFork& command) {
    const auto found = lines_.find(command.line);
    auto fork = std::make_unique<ForkFlow>(std::move(command.pair), std::move(command.counters));
    if (found == lines_.end()) return release(fork->ports);
    fork->id = command.fork;
    fork->line = found->second.get();
    fork->from = command.from;
    io_->add(fork->ports[1]);
    fork->line->sides[index_of(command.from)].forks.push_back(fork.get());
    forks_[command.fork] = std::move(fork);
}

void RelayWorker::on(SetFork& command) {
    const auto found = forks_.find(command.fork);
    if (found != forks_.end()) set_fork(*found->second, command.rtp, command.rtcp);
}

void RelayWorker::on(CloseFork& command) {
    const auto found = forks_.find(command.fork);
    if (found != forks_.end()) close(*found->second);
}

void RelayWorker::close(ForkFlow& fork) {
    std::erase(fork.line->sides[index_of(fork.from)].forks, &fork);
    release(fork.ports);
    forks_.erase(fork.id);
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
