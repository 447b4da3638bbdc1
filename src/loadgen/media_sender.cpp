#include "loadgen/media_sender.h"

#include <algorithm>
#include <utility>

namespace earshot::loadgen {
namespace {

constexpr std::chrono::milliseconds kTick{1};
constexpr std::chrono::milliseconds kIdleWait{100};
// RFC 3550 §6.2: 5 s, varied by half to either side; the first after half of that.
constexpr std::uint64_t kReportPackets = 250;
constexpr std::size_t kMaxReceivedBytes = 2048;  // of a datagram; those of DTLS are shorter

base::WallTime wall_now() {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

}  // namespace

MediaSender::MediaSender(Settings settings, std::vector<SocketGroup> sockets,
                         const std::array<Voice, kParties>& voices, base::Random& random,
                         Callbacks callbacks)
    : settings_(std::move(settings)),
      sockets_(std::move(sockets)),
      callbacks_(std::move(callbacks)),
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
        shake_hands(tick % kSlots);
        speak(tick % kSlots);
        ++tick;
        while (const auto command = commands_.try_pop()) obey(*command);
        for (const std::uint32_t call : finished_) callbacks_.on_finished(call);
        finished_.clear();
    }
}

std::uint64_t MediaSender::current_tick() const {
    return static_cast<std::uint64_t>((std::chrono::steady_clock::now() - epoch_) / kTick);
}

// The time of the first tick from `from_tick` on whose slot has calls.
base::TimePoint MediaSender::next_due(std::uint64_t from_tick) const {
    for (std::uint64_t tick = from_tick; tick < from_tick + kSlots; ++tick) {
        if (!running_[tick % kSlots].empty() || !keyed_by_dtls_[tick % kSlots].empty())
            return epoch_ + tick * kTick;
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
    const auto now = std::chrono::steady_clock::now();
    bool is_by_dtls = false;
    for (std::size_t party = 0; party < kParties; ++party) {
        const StreamPlan& plan = call.plan[party];
        call.streams[party].set_format(plan.payload_type, plan.law);
        call.protection[party].set(plan.security, settings_.dtls, now);
        is_by_dtls = is_by_dtls || plan.security.dtls.has_value();
    }
    if (is_by_dtls && !std::exchange(call.is_by_dtls, true))
        keyed_by_dtls_[command.call % kSlots].push_back(command.call);
    begin_if_keyed(command.call, call);
    tend(command.call, call);
}

// A call begins when all its lines have keys: its time runs from its first packet.
void MediaSender::begin_if_keyed(std::uint32_t index, Call& call) {
    const bool has_keys = std::all_of(call.protection.begin(), call.protection.end(),
                                      [](const auto& one) { return one.may_send(); });
    if (call.is_running || !has_keys) return;
    call.is_running = true;
    running_[index % kSlots].push_back(index);
}

// The calls of a slot share sockets; whose a datagram is says the server's port.
void MediaSender::shake_hands(std::size_t slot) {
    if (keyed_by_dtls_[slot].empty()) return;
    const auto now = std::chrono::steady_clock::now();
    for (std::size_t party = 0; party < kParties; ++party) {
        received_.resize(kMaxReceivedBytes);
        while (const auto datagram =
                   sockets_[slot % sockets_.size()][party].receive_rtp(received_)) {
            for (const std::uint32_t index : keyed_by_dtls_[slot])
                if (calls_[index].plan[party].rtp == datagram->from)
                    calls_[index].protection[party].on_datagram(now, datagram->bytes);
        }
    }
    for (const std::uint32_t index : keyed_by_dtls_[slot]) {
        for (StreamProtection& protection : calls_[index].protection) protection.on_time(now);
        tend(index, calls_[index]);
    }
}

void MediaSender::tend(std::uint32_t index, Call& call) {
    for (std::size_t party = 0; party < kParties; ++party) {
        while (const auto bytes = call.protection[party].poll_datagram()) {
            const OutgoingDatagram datagram{*bytes, call.plan[party].rtp};
            sockets_[index % sockets_.size()][party].send_rtp({&datagram, 1});
        }
        if (const auto fault = call.protection[party].take_fault())
            callbacks_.on_no_keys(index, *fault);
    }
    if (call.is_by_dtls) begin_if_keyed(index, call);
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

void MediaSender::send_rtcp(std::uint32_t index, Call& call, std::size_t party,
                            base::ByteView report) {
    const StreamPlan& plan = call.plan[party];
    const OutgoingDatagram datagram{call.protection[party].rtcp(report), *plan.rtcp};
    if (datagram.bytes.empty()) return;
    const MediaSocketPair& sockets = sockets_[index % sockets_.size()][party];
    if (plan.rtcp_mux)
        sockets.send_rtp({&datagram, 1});
    else
        sockets.send_rtcp({&datagram, 1});
}

void MediaSender::report(std::uint32_t index, Call& call) {
    call.next_report = call.position + kReportPackets / 2 + jitter_.u32() % kReportPackets;
    for (std::size_t party = 0; party < kParties; ++party)
        if (call.plan[party].rtcp && call.streams[party].packets() != 0)
            send_rtcp(index, call, party, call.streams[party].sender_report(wall_now()));
}

void MediaSender::end_call(std::uint32_t index, Call& call) {
    call.has_ended = true;
    std::erase(running_[index % kSlots], index);
    std::erase(keyed_by_dtls_[index % kSlots], index);
    for (std::size_t party = 0; party < kParties; ++party)
        if (call.plan[party].rtcp && call.streams[party].packets() != 0)
            send_rtcp(index, call, party, call.streams[party].goodbye(wall_now()));
}

}  // namespace earshot::loadgen
