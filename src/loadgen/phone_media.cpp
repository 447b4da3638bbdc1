#include "loadgen/phone_media.h"

#include <algorithm>

#include "loadgen/keyed_payload.h"
#include "loadgen/limits.h"

namespace earshot::loadgen {
namespace {

constexpr std::chrono::milliseconds kTick{1};
constexpr std::chrono::milliseconds kIdleWait{100};
constexpr std::uint64_t kTurnsToListen = 5;  // sockets are emptied every 100 ms
constexpr std::uint64_t kReportTurns = 250;  // RFC 3550 section 6.2: 5 s, varied by half
constexpr std::size_t kBatch = 64;
constexpr std::size_t kMaxPacketBytes = 1500;
constexpr std::size_t kRtpHeaderBytes = 12;

// A digit: five packets of 20 ms, its end three times (RFC 4733 section 2.5.1.4), a pause.
constexpr std::size_t kDigitTurns = 5;
constexpr std::size_t kDigitPauseTurns = 5;
constexpr std::size_t kDigitEnds = 3;
constexpr std::uint8_t kDigitVolume = 10;
constexpr std::size_t kPauseTurns = 50;  // of a comma: a second

constexpr std::uint8_t kRecordedEvents = 101;  // telephone-event in the offer to a recording server

base::WallTime wall_now() {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

// The event of a digit that the command line has let pass.
std::uint8_t event_of(char digit) {
    for (std::uint8_t event = 0; event < 16; ++event)
        if (rtp::dtmf_digit(event) == digit) return event;
    return 0;
}

}  // namespace

PhoneMedia::Leg::Leg(LegId leg, LegSetup setup)
    : id(leg),
      sockets(std::move(setup.sockets)),
      stream(setup.start, *setup.voice),
      receiver(setup.hears),
      has_keyed_payload(setup.start.has_keyed_payload) {}

PhoneMedia::Recording::Recording(RecordingSetup setup)
    : sockets(std::move(setup.sockets)),
      streams{RecordedStream{std::move(setup.starts[0])},
              RecordedStream{std::move(setup.starts[1])}} {}

PhoneMedia::PhoneMedia(base::Random& random, std::function<void(LegId, LegMedia)> on_closed)
    : on_closed_(std::move(on_closed)),
      batch_(kBatch, kMaxPacketBytes),
      jitter_(random.u64()),
      epoch_(std::chrono::steady_clock::now()),
      commands_(kMaxMediaCommands) {
    thread_ = std::thread{[this] { run(); }};
}

PhoneMedia::~PhoneMedia() {
    commands_.close();
    thread_.join();
}

bool PhoneMedia::open(LegId leg, LegSetup setup) {
    Command command{Command::What::Open, leg};
    command.opened = std::make_unique<Leg>(leg, std::move(setup));
    return push(std::move(command));
}
bool PhoneMedia::set_plan(LegId leg, const PhonePlan& plan) {
    Command command{Command::What::Plan, leg};
    command.plan = plan;
    return push(std::move(command));
}
bool PhoneMedia::play_digits(LegId leg, std::string digits) {
    Command command{Command::What::Digits, leg};
    command.digits = std::move(digits);
    return push(std::move(command));
}
bool PhoneMedia::fall_silent(LegId leg) { return push({Command::What::Silence, leg}); }
bool PhoneMedia::close(LegId leg) { return push({Command::What::Close, leg}); }
bool PhoneMedia::open_recording(LegId leg, RecordingSetup setup) {
    Command command{Command::What::Record, leg};
    command.recording = std::make_unique<Recording>(std::move(setup));
    return push(std::move(command));
}
bool PhoneMedia::set_recording(LegId leg, const MediaPlan& plan) {
    Command command{Command::What::RecordPlan, leg};
    command.recording_plan = plan;
    return push(std::move(command));
}
bool PhoneMedia::stop_recording(LegId leg) { return push({Command::What::RecordEnd, leg}); }

// The queue is the thread's alarm clock, too: it wakes at the next slot in use or on a command.
void PhoneMedia::run() {
    std::uint64_t tick = 0;  // the next one to serve
    while (true) {
        const auto now = std::chrono::steady_clock::now();
        const base::TimePoint due = next_due(tick);
        if (due > now) {
            auto command =
                commands_.pop_for(std::min<std::chrono::nanoseconds>(due - now, kIdleWait));
            // Nobody spoke: time that passed in silence is not made up for.
            if (due == base::TimePoint::max()) tick = std::max(tick, current_tick());
            if (command) obey(*command);
            if (!command && commands_.is_closed()) return;
            continue;
        }
        tick = static_cast<std::uint64_t>((due - epoch_) / kTick);
        serve(tick % kSlots);
        ++tick;
        while (auto command = commands_.try_pop()) obey(*command);
    }
}

std::uint64_t PhoneMedia::current_tick() const {
    return static_cast<std::uint64_t>((std::chrono::steady_clock::now() - epoch_) / kTick);
}

// The time of the first tick from `from_tick` on whose slot has legs.
base::TimePoint PhoneMedia::next_due(std::uint64_t from_tick) const {
    for (std::uint64_t tick = from_tick; tick < from_tick + kSlots; ++tick)
        if (!slots_[tick % kSlots].empty()) return epoch_ + tick * kTick;
    return base::TimePoint::max();
}

void PhoneMedia::obey(Command& command) {
    if (command.what == Command::What::Open) {
        Leg& leg = *command.opened;
        leg.next_report = kReportTurns / 2 + jitter_.u32() % kReportTurns / 2;
        slots_[leg.id % kSlots].push_back(&leg);
        legs_[leg.id] = std::move(command.opened);
        return;
    }
    const auto it = legs_.find(command.leg);
    if (it == legs_.end()) {  // it had no sockets
        if (command.what == Command::What::Close) on_closed_(command.leg, {});
        return;
    }
    Leg& leg = *it->second;
    switch (command.what) {
        case Command::What::Plan:
            leg.plan = command.plan;
            leg.stream.set_format(leg.plan.stream.payload_type, leg.plan.stream.law);
            leg.receiver.set_event_payload_type(leg.plan.event_payload_type);
            leg.may_speak = true;
            break;
        case Command::What::Digits:
            leg.digits += command.digits;
            break;
        case Command::What::Silence:
            silence(leg);
            break;
        case Command::What::Close:
            close(leg);
            std::erase(slots_[leg.id % kSlots], &leg);
            legs_.erase(it);
            break;
        case Command::What::Record:
            leg.recording = std::move(command.recording);
            break;
        case Command::What::RecordPlan:
            if (leg.recording) leg.recording->plan = command.recording_plan;
            break;
        case Command::What::RecordEnd:
            if (leg.recording) end_recording(*leg.recording);
            break;
        case Command::What::Open:
            break;
    }
}

void PhoneMedia::serve(std::size_t slot) {
    for (Leg* leg : slots_[slot]) {
        if (leg->may_speak) speak(*leg);
        // What goes on to a recording server must not come in lumps.
        if (++leg->turn % kTurnsToListen == 0 || leg->recording) listen(*leg);
    }
}

void PhoneMedia::speak(Leg& leg) {
    const StreamPlan& plan = leg.plan.stream;
    if (!plan.sends) {
        leg.stream.skip_packet();
    } else if (!leg.digits.empty() && leg.plan.event_payload_type) {
        play_digit(leg);
    } else {
        send_rtp(leg, leg.stream.next_packet());
    }
    if (leg.turn < leg.next_report) return;
    leg.next_report = leg.turn + kReportTurns / 2 + jitter_.u32() % kReportTurns;
    report(leg);
}

void PhoneMedia::report(Leg& leg) {
    if (leg.plan.stream.rtcp && leg.stream.packets() != 0)
        static_cast<void>(
            leg.sockets.rtcp.send(leg.stream.sender_report(wall_now()), *leg.plan.stream.rtcp));
    for (std::size_t party = 0; leg.recording && party < kParties; ++party) {
        RecordedStream& stream = leg.recording->streams[party];
        const StreamPlan& plan = leg.recording->plan[party];
        if (plan.rtcp && plan.sends && stream.packets() != 0)
            static_cast<void>(leg.recording->sockets[party].rtcp.send(
                stream.sender_report(wall_now()), *plan.rtcp));
    }
}

void PhoneMedia::record(Leg& leg, std::size_t party, const rtp::RtpHeader& header,
                        base::ByteView packet, std::int64_t at_ns) {
    const StreamPlan& plan = leg.recording->plan[party];
    if (!plan.sends) return;
    const bool is_event = header.payload_type == leg.plan.event_payload_type;
    const base::ByteView ours = leg.recording->streams[party].next_packet(
        header, is_event ? kRecordedEvents : header.payload_type, rtp::rtp_payload(packet, header),
        base::wall_from_ns(at_ns));
    static_cast<void>(leg.recording->sockets[party].rtp.send(ours, plan.rtp));
}

void PhoneMedia::play_digit(Leg& leg) {
    const std::size_t turn = leg.digit_turn++;
    const bool is_pause = leg.digits.front() == ',';
    if (!is_pause && turn < kDigitTurns) {
        rtp::TelephoneEvent event;
        event.event = event_of(leg.digits.front());
        event.volume = kDigitVolume;
        event.duration = static_cast<std::uint16_t>((turn + 1) * kSamplesPerPacket);
        event.end = turn + 1 == kDigitTurns;
        for (std::size_t i = 0; i < (event.end ? kDigitEnds : 1); ++i)
            send_rtp(leg,
                     leg.stream.next_event_packet(*leg.plan.event_payload_type, event, turn == 0));
        leg.stream.skip_packet();
        return;
    }
    send_rtp(leg, leg.stream.next_packet());
    if (leg.digit_turn < (is_pause ? kPauseTurns : kDigitTurns + kDigitPauseTurns)) return;
    leg.digits.erase(0, 1);
    leg.digit_turn = 0;
}

void PhoneMedia::send_rtp(Leg& leg, base::ByteView packet) {
    sent_.fetch_add(1, std::memory_order_relaxed);
    if (leg.has_keyed_payload && packet.size() >= kRtpHeaderBytes + kPayloadKeyBytes + 8) {
        scratch_.assign(packet.begin(), packet.end());
        store_sent_time(std::span{scratch_}.subspan(kRtpHeaderBytes), base::to_ns(wall_now()));
        packet = scratch_;
    }
    // What cannot be sent is lost, as on the wire, and the other phone misses it.
    static_cast<void>(leg.sockets.rtp.send(packet, leg.plan.stream.rtp));
    if (!leg.recording) return;
    if (const auto header = rtp::parse_rtp(packet))
        record(leg, 0, *header, packet, base::to_ns(wall_now()));
}

void PhoneMedia::listen(Leg& leg) {
    while (leg.sockets.rtp.receive(batch_) != 0) {
        for (const io::Datagram& datagram : batch_.datagrams()) {
            const auto heard = leg.receiver.on_rtp(datagram.bytes, datagram.arrival_ns);
            if (heard && heard->delay_ns) delays_.add(*heard->delay_ns);
            if (heard && leg.recording)
                record(leg, 1, heard->header, datagram.bytes, datagram.arrival_ns);
        }
        if (batch_.datagrams().size() < batch_.capacity()) break;
    }
    if (leg.turn % (kTurnsToListen * kTurnsToListen) != 0) return;
    const std::size_t reports = leg.sockets.rtcp.receive(batch_);
    for (std::size_t i = 0; i < reports; ++i) leg.receiver.on_rtcp();
}

void PhoneMedia::end_recording(Recording& recording) {
    for (std::size_t party = 0; party < kParties; ++party) {
        StreamPlan& plan = recording.plan[party];
        if (plan.rtcp && recording.streams[party].packets() != 0)
            static_cast<void>(recording.sockets[party].rtcp.send(
                recording.streams[party].goodbye(wall_now()), *plan.rtcp));
        plan = {};
    }
}

void PhoneMedia::silence(Leg& leg) {
    const StreamPlan& plan = leg.plan.stream;
    if (leg.may_speak && plan.rtcp && leg.stream.packets() != 0)
        static_cast<void>(leg.sockets.rtcp.send(leg.stream.goodbye(wall_now()), *plan.rtcp));
    leg.may_speak = false;
}

void PhoneMedia::close(Leg& leg) {
    silence(leg);
    leg.turn = 0;  // so that both sockets are looked at
    listen(leg);
    LegMedia figures{leg.stream.packets(), leg.receiver.finish(), 0};
    for (std::size_t party = 0; leg.recording && party < kParties; ++party)
        figures.recorded += leg.recording->streams[party].packets();
    on_closed_(leg.id, std::move(figures));
}

}  // namespace earshot::loadgen
