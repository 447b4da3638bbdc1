#include "loadgen/media_sender.h"

#include <algorithm>

namespace earshot::loadgen {
namespace {

constexpr std::chrono::milliseconds kTick{1};
constexpr std::chrono::milliseconds kIdleWait{100};
// RFC 3550 §6.2: 5 s, varied by half to either side; the first after half of that.
constexpr std::uint64_t kReportPackets = 250;

base::WallTime wall_now() {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

}  // namespace

MediaSender::MediaSender(Settings settings, std::vector<SocketGroup> sockets,
                         const std::array<Voice, kParties>& voices, base::Random& random,
                         std::function<void(std::uint32_t)> on_finished)
    : settings_(std::move(settings)),
      sockets_(std::move(sockets)),
      on_finished_(std::move(on_finished)),
      sent_(settings_.calls * kParties),
      jitter_(random.u64()),
      epoch_(std::chrono::steady_clock::now()),
      commands_(4 * settings_.calls + 16) {
    calls_.reserve(settings_.calls);
    for (std::uint32_t call = 0; call < settings_.calls; ++call) {
        const auto start = [&](std::uint32_t party) {
            RtpStream::Start values;
            values.ssrc = random.u32();
            values.sequence = static_cast<std::uint16_t>(random.u32());
            values.timestamp = random.u32();
            values.cname = random.token(6) + "@" + settings_.host;
            values.call = call;
            values.stream = party;
            values.has_keyed_payload = settings_.has_keyed_payload;
            return RtpStream{std::move(values), voices[party]};
        };
        calls_.emplace_back(std::array<RtpStream, kParties>{start(0), start(1)});
        calls_.back().next_report = kReportPackets / 2 + jitter_.u32() % kReportPackets / 2;
    }
    thread_ = std::thread{[this] { run(); }};
}

MediaSender::~MediaSender() {
    commands_.close();
    thread_.join();
}

const base::NetAddress& MediaSender::rtp_address(std::uint32_t call, std::size_t party) const {
    return sockets_[call % sockets_.size()][party].rtp_address();
}

bool MediaSender::set_plan(std::uint32_t call, const MediaPlan& plan) {
    return commands_.try_push(Command{call, false, plan});
}

bool MediaSender::stop_call(std::uint32_t call) {
    return commands_.try_push(Command{call, true, {}});
}

std::uint64_t MediaSender::packets_sent(std::uint32_t call, std::size_t party) const {
    return sent_[call * kParties + party].load(std::memory_order_relaxed);
}

// The queue is the thread's alarm clock, too: it wakes at the next slot in use or on a command.
void MediaSender::run() {
    std::uint64_t tick = 0;  // the next one to serve
    while (true) {
        const auto now = std::chrono::steady_clock::now();
        const base::TimePoint due = next_due(tick);
        if (due > now) {
            const auto command =
                commands_.pop_for(std::min<std::chrono::nanoseconds>(due - now, kIdleWait));
            // Nobody spoke: time that passed in silence is not made up for.
            if (due == base::TimePoint::max()) tick = std::max(tick, current_tick());
            if (command) obey(*command);
            if (!command && commands_.is_closed()) return;
            continue;
        }
        tick = static_cast<std::uint64_t>((due - epoch_) / kTick);
        speak(tick % kSlots);
        ++tick;
        while (const auto command = commands_.try_pop()) obey(*command);
        for (const std::uint32_t call : finished_) on_finished_(call);
        finished_.clear();
    }
}

std::uint64_t MediaSender::current_tick() const {
    return static_cast<std::uint64_t>((std::chrono::steady_clock::now() - epoch_) / kTick);
}

// The time of the first tick from `from_tick` on whose slot has calls.
base::TimePoint MediaSender::next_due(std::uint64_t from_tick) const {
    for (std::uint64_t tick = from_tick; tick < from_tick + kSlots; ++tick) {
        if (!running_[tick % kSlots].empty()) return epoch_ + tick * kTick;
    }
    return base::TimePoint::max();
}

void MediaSender::obey(const Command& command) {
    Call& call = calls_[command.call];
    if (call.has_ended) return;
    if (command.is_stop) {
        end_call(command.call, call);
        return;
    }
    call.plan = command.plan;
    for (std::size_t party = 0; party < kParties; ++party) {
        call.streams[party].set_format(call.plan[party].payload_type, call.plan[party].law);
        call.protection[party].set_key(call.plan[party].key);
    }
    if (!call.is_running) running_[command.call % kSlots].push_back(command.call);
    call.is_running = true;
}

void MediaSender::speak(std::size_t slot) {
    auto& indexes = running_[slot];
    for (auto& batch : batch_) batch.clear();
    for (const std::uint32_t index : indexes) {
        Call& call = calls_[index];
        for (std::size_t party = 0; party < kParties; ++party) {
            if (!call.plan[party].sends) {
                call.streams[party].skip_packet();
                continue;
            }
            batch_[party].push_back({call.protection[party].rtp(call.streams[party].next_packet()),
                                     call.plan[party].rtp});
            sent_[index * kParties + party].fetch_add(1, std::memory_order_relaxed);
        }
        ++call.position;
    }
    for (std::size_t party = 0; party < kParties; ++party) {
        if (batch_[party].empty()) continue;
        sockets_[slot % sockets_.size()][party].send_rtp(batch_[party]);
        total_.fetch_add(batch_[party].size(), std::memory_order_relaxed);
    }
    const auto has_spoken = [this](std::uint32_t index) {
        Call& call = calls_[index];
        if (call.position >= call.next_report) report(index, call);
        return call.position >= settings_.packets_per_call;
    };
    for (const std::uint32_t index : indexes) {
        if (has_spoken(index)) finished_.push_back(index);
    }
    for (const std::uint32_t index : finished_) end_call(index, calls_[index]);
}

void MediaSender::report(std::uint32_t index, Call& call) {
    call.next_report = call.position + kReportPackets / 2 + jitter_.u32() % kReportPackets;
    for (std::size_t party = 0; party < kParties; ++party) {
        const StreamPlan& plan = call.plan[party];
        if (!plan.rtcp || call.streams[party].packets() == 0) continue;
        const OutgoingDatagram datagram{
            call.protection[party].rtcp(call.streams[party].sender_report(wall_now())), *plan.rtcp};
        sockets_[index % sockets_.size()][party].send_rtcp({&datagram, 1});
    }
}

void MediaSender::end_call(std::uint32_t index, Call& call) {
    call.has_ended = true;
    std::erase(running_[index % kSlots], index);
    for (std::size_t party = 0; party < kParties; ++party) {
        const StreamPlan& plan = call.plan[party];
        if (!plan.rtcp || call.streams[party].packets() == 0) continue;
        const OutgoingDatagram datagram{
            call.protection[party].rtcp(call.streams[party].goodbye(wall_now())), *plan.rtcp};
        sockets_[index % sockets_.size()][party].send_rtcp({&datagram, 1});
    }
}

}  // namespace earshot::loadgen
