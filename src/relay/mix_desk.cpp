#include "relay/mix_desk.h"

#include <utility>

#include "io/thread_name.h"
#include "rtp/rtcp.h"

namespace earshot::relay {

using base::Reason;
using base::Result;

namespace {

constexpr std::chrono::milliseconds kLook{10};
constexpr std::chrono::milliseconds kTick{20};
constexpr std::chrono::milliseconds kIdle{200};
constexpr std::chrono::seconds kReportEvery{5};  // RFC 3550 section 6.2
constexpr std::chrono::seconds kMaxStall{1};     // what is behind by more is not made up for
constexpr std::size_t kNamesOfReport = 12;
constexpr std::size_t kBatch = 64;
constexpr std::size_t kMaxBytes = 2048;

Reason overloaded() {
    return {"overloaded", "The thread that mixes sessions has more to do than it can."};
}

}  // namespace

MixDesk::~MixDesk() {
    commands_.close();
    if (thread_.joinable()) thread_.join();
}

bool MixDesk::give(Command& command) {
    if (!thread_.joinable()) thread_ = std::jthread([this] { run(); });
    retry();
    return waiting_.empty() && commands_.try_push(std::move(command));
}

void MixDesk::give_sometime(Command command) {
    if (give(command)) return;
    ++postponed_;
    // A full queue leaves what it was given as it was.
    // NOLINTNEXTLINE(bugprone-use-after-move)
    waiting_.push_back(std::move(command));
}

void MixDesk::retry() {
    while (!waiting_.empty() && commands_.try_push(std::move(waiting_.front())))
        waiting_.pop_front();
}

// ---- the verbs ----------------------------------------------------------------------------------

Result<MixDesk::Opened, Reason> MixDesk::open(std::string cname) {
    if (known_.size() >= kMaxMixes)
        return Reason{"too_many_mixes", "As many sessions are mixed already as may be."};
    auto pair = ports_.take(clock_.now().steady, options_.ipv6);
    if (!pair) return pair.error();
    Opened opened{.mix = ++last_id_,
                  .port = pair->rtp.local_address().port,
                  .ssrc = random_.u32(),
                  .counters = nullptr};
    auto counters = std::make_shared<MixCounters>();
    opened.counters = counters;
    Command command = OpenMix{.mix = opened.mix,
                              .pair = *std::move(pair),
                              .own = {.ssrc = opened.ssrc,
                                      .sequence = static_cast<std::uint16_t>(random_.u32()),
                                      .timestamp = random_.u32()},
                              .cname = std::move(cname),
                              .counters = std::move(counters)};
    if (!give(command)) return overloaded();
    known_[opened.mix] = {};
    return opened;
}

void MixDesk::send_to(std::uint64_t mix, const base::NetAddress& rtp, const base::NetAddress& rtcp,
                      MixFormat format) {
    give_sometime(SendTo{.mix = mix, .rtp = rtp, .rtcp = rtcp, .format = format});
}

void MixDesk::close(std::uint64_t mix) {
    if (known_.erase(mix) > 0) give_sometime(CloseMix{.mix = mix});
}

Result<MixDesk::Voice, Reason> MixDesk::add_voice(std::uint64_t mix, std::vector<MixFormat> formats,
                                                  std::string cname) {
    const auto known = known_.find(mix);
    if (known == known_.end()) return Reason{"unknown_mix", "There is no such mix."};
    if (known->second.voices >= kMaxMixInputs)
        return Reason{"too_many_voices", "As many are mixed to this stream already as may be."};
    auto pair = ports_.take(clock_.now().steady, options_.ipv6);
    if (!pair) return pair.error();
    Voice voice{.input = ++last_id_, .rtp = options_.host};
    voice.rtp.port = pair->rtp.local_address().port;
    Command command = AddVoice{.mix = mix,
                               .input = voice.input,
                               .pair = *std::move(pair),
                               .formats = std::move(formats),
                               .csrc = random_.u32(),
                               .cname = std::move(cname)};
    if (!give(command)) return overloaded();
    ++known->second.voices;
    return voice;
}

void MixDesk::end_voice(std::uint64_t mix, std::uint64_t input) {
    const auto known = known_.find(mix);
    if (known == known_.end()) return;
    --known->second.voices;
    give_sometime(EndVoice{.mix = mix, .input = input});
}

// ---- the thread ---------------------------------------------------------------------------------

void MixDesk::run() {
    io::set_thread_name("mix");
    io::DatagramBatch batch(kBatch, kMaxBytes);
    while (!commands_.is_closed() || commands_.size() > 0) {
        auto command = mixes_.empty() ? commands_.pop_for(kIdle) : commands_.pop_for(kLook);
        while (command) {
            obey(*command);
            command = commands_.try_pop();
        }
        for (auto& [id, mix] : mixes_) turn(mix, clock_.now(), batch);
    }
    const base::Now now = clock_.now();
    for (auto& [id, mix] : mixes_) report(mix, now, true);
}

void MixDesk::obey(Command& command) {
    std::visit([this](auto& one) { on(one); }, command);
}

void MixDesk::on(OpenMix& command) {
    const base::TimePoint now = clock_.now().steady;
    mixes_.emplace(command.mix, Mix{.mixer = SessionMixer(MixFormat{}, command.own),
                                    .pair = std::move(command.pair),
                                    .cname = std::move(command.cname),
                                    .counters = std::move(command.counters),
                                    .inputs = {},
                                    .rtp = {},
                                    .rtcp = {},
                                    .next_tick = now + kTick,
                                    .next_report = now,
                                    .last_sent = now,
                                    .last_told = 0});
}

void MixDesk::on(SendTo& command) {
    const auto found = mixes_.find(command.mix);
    if (found == mixes_.end()) return;
    Mix& mix = found->second;
    mix.rtp = command.rtp;
    mix.rtcp = command.rtcp;
    if (!mix.rtp.is_unspecified()) mix.mixer.set_output(command.format);
    mix.next_report = {};
}

void MixDesk::on(CloseMix& command) {
    const auto found = mixes_.find(command.mix);
    if (found == mixes_.end()) return;
    Mix& mix = found->second;
    report(mix, clock_.now(), true);
    for (auto& [id, input] : mix.inputs) release(input.pair);
    release(mix.pair);
    mixes_.erase(found);
}

void MixDesk::on(AddVoice& command) {
    const auto found = mixes_.find(command.mix);
    if (found == mixes_.end()) return release(command.pair);
    Mix& mix = found->second;
    mix.mixer.add(command.input, std::move(command.formats), command.csrc);
    mix.inputs.emplace(command.input, Input{.pair = std::move(command.pair),
                                            .csrc = command.csrc,
                                            .cname = std::move(command.cname)});
    mix.counters->voices.store(mix.inputs.size(), std::memory_order_relaxed);
    mix.next_report = {};  // who reads the mix learns whose the new CSRC is
}

void MixDesk::on(EndVoice& command) {
    const auto found = mixes_.find(command.mix);
    if (found == mixes_.end()) return;
    Mix& mix = found->second;
    const auto input = mix.inputs.find(command.input);
    if (input == mix.inputs.end()) return;
    io::DatagramBatch batch(kBatch, kMaxBytes);  // what came before the end is mixed, too
    read(mix, batch);
    mix.mixer.end(command.input);
    release(input->second.pair);
    mix.inputs.erase(input);
    mix.counters->voices.store(mix.inputs.size(), std::memory_order_relaxed);
}

void MixDesk::turn(Mix& mix, base::Now now, io::DatagramBatch& batch) {
    read(mix, batch);
    if (now.steady - mix.next_tick > kMaxStall) mix.next_tick = now.steady;
    for (; mix.next_tick <= now.steady; mix.next_tick += kTick) tick(mix, now.steady);
    if (now.steady >= mix.next_report) {
        mix.next_report = now.steady + kReportEvery;
        report(mix, now, false);
    }
    mix.pair.discard();  // what the server says by RTCP; its life is asked for by SIP
}

void MixDesk::read(Mix& mix, io::DatagramBatch& batch) {
    for (auto& [id, input] : mix.inputs) {
        while (input.pair.rtp.receive(batch) > 0)
            for (const io::Datagram& datagram : batch.datagrams())
                if (!datagram.truncated) mix.mixer.on_packet(id, datagram.bytes);
        input.pair.rtcp.discard();
    }
    const MixInput::Counters sum = mix.mixer.counters();
    mix.counters->taken.store(sum.packets, std::memory_order_relaxed);
    mix.counters->late.store(sum.late, std::memory_order_relaxed);
    mix.counters->passed_over.store(sum.passed_over, std::memory_order_relaxed);
}

void MixDesk::tick(Mix& mix, base::TimePoint now) {
    const bool has_waited = now - mix.last_sent >= kMixKeepAlive;
    const bool is_sent = mix.mixer.tick(packet_, has_waited);
    if (!is_sent || mix.rtp.is_unspecified()) return;
    mix.last_sent = now;
    if (mix.pair.rtp.send(packet_, mix.rtp))
        mix.counters->packets.fetch_add(1, std::memory_order_relaxed);
}

// The mix's own SSRC with its CNAME, and those of whoever is in it (RFC 3550 section 7.1).
void MixDesk::report(Mix& mix, base::Now now, bool is_last) {
    if (mix.rtcp.is_unspecified() || mix.rtcp.port == 0) return;
    base::Bytes out;
    const auto behind =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.steady - (mix.next_tick - kTick));
    constexpr std::int64_t kTicksPerMs = 8;
    const auto elapsed = static_cast<std::uint32_t>(behind.count() * kTicksPerMs);
    rtp::append_sender_report({.ssrc = mix.mixer.ssrc(),
                               .ntp = rtp::to_ntp(now.wall),
                               .rtp_timestamp = mix.mixer.timestamp() + elapsed,
                               .packet_count = static_cast<std::uint32_t>(mix.mixer.packets()),
                               .octet_count = static_cast<std::uint32_t>(mix.mixer.octets()),
                               .reports = {}},
                              out);
    rtp::append_cname(mix.mixer.ssrc(), mix.cname, out);
    // A few at a time, the next ones in the next report.
    std::size_t told = 0;
    for (auto at = mix.inputs.upper_bound(mix.last_told); told < mix.inputs.size(); ++told, ++at) {
        if (told == kNamesOfReport) break;
        if (at == mix.inputs.end()) at = mix.inputs.begin();
        rtp::append_cname(at->second.csrc, at->second.cname, out);
        mix.last_told = at->first;
    }
    if (is_last) rtp::append_goodbye(mix.mixer.ssrc(), "", out);
    static_cast<void>(mix.pair.rtcp.send(out, mix.rtcp));
}

// The ports rest once their sockets are closed.
void MixDesk::release(io::UdpPair& pair) {
    const std::uint16_t port = pair.rtp.local_address().port;
    pair.rtp.close();
    pair.rtcp.close();
    ports_.release(port, clock_.now().steady);
}

}  // namespace earshot::relay
