#include "relay/built_in_relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "relay/engine.h"
#include "relay/limits.h"

namespace earshot::relay {

namespace {

base::Reason unknown_call() {
    return {.code = "unknown_call", .text = "The relay has no such call."};
}
base::Reason unknown_subscription() {
    return {.code = "unknown_subscription", .text = "The call has no such subscription."};
}
base::Reason overloaded() {
    return {.code = "overloaded",
            .text = "The relay's threads do not keep up with their commands."};
}

bool speaks_ipv6(const sdp::SessionDescription& sdp) {
    for (const sdp::MediaDescription& medium : sdp.media)
        if (const sdp::Connection* connection = sdp.connection_of(medium))
            return connection->address_type == "IP6";
    return sdp.connection && sdp.connection->address_type == "IP6";
}

io::MediaPortOptions port_options(const RelayOptions& options) {
    return {.bind_host = options.bind_host,
            .other_bind_host = options.other_bind_host,
            .first_port = options.first_port,
            .last_port = options.last_port,
            .max_pairs = options.max_port_pairs,
            .rtp = {.receive_buffer_bytes = options.receive_buffer_bytes, .is_stamped = false},
            .rtcp = {.receive_buffer_bytes = 0, .is_stamped = false}};
}

}  // namespace

BuiltInRelay::BuiltInRelay(const RelayOptions& options, const io::Clock& clock,
                           base::Random& random)
    : options_(options),
      clock_(clock),
      random_(random),
      ports_(port_options(options), random),
      keys_(options.wake_for_keys) {}

BuiltInRelay::~BuiltInRelay() {
    for (const auto& worker : workers_) worker->stop();
}

base::Result<std::unique_ptr<BuiltInRelay>, base::Reason> BuiltInRelay::create(
    const RelayOptions& options, const io::Clock& clock, base::Random& random) {
    std::unique_ptr<BuiltInRelay> relay(new BuiltInRelay(options, clock, random));
    const std::size_t workers = std::clamp<std::size_t>(options.workers, 1, kMaxWorkers);
    Engine engine = options.engine;
    while (relay->workers_.size() < workers) {
        auto io = open_packet_io(engine);
        if (!io) return io.error();
        const std::size_t number = relay->workers_.size();
        RelayWorker::Options work{.keeps_ports_ready = number == 0,
                                  .ring_blocks = kMaxRingBytes / sizeof(RingBlock) / workers,
                                  .on_silent = {}};
        if (options.post)
            work.on_silent = [post = options.post, made = relay.get()](const SilentFork& fork) {
                post([made, fork] { made->on_silent_fork(fork); });
            };
        auto worker = std::make_unique<RelayWorker>(*std::move(io), relay->ports_, relay->clock_,
                                                    std::move(work), relay->keys_);
        if (worker->start(fmt::format("relay-{}", number))) {
            relay->workers_.push_back(std::move(worker));
        } else if (engine == Engine::Fastest) {
            engine = Engine::Sockets;
        } else {
            return base::Reason{.code = "io_uring_unavailable",
                                .text = "A relay worker cannot enable its io_uring."};
        }
    }
    return relay;
}

// --- calls ---------------------------------------------------------------------------------------

RelayWorker& BuiltInRelay::worker_of(CallKey call) {
    // Keys may be counted up in steps; the multiplier spreads them (Fibonacci hashing).
    const std::uint64_t spread = call.value * 0x9e3779b97f4a7c15;
    return *workers_[(spread >> 32) % workers_.size()];
}

BuiltInRelay::Call* BuiltInRelay::find(CallKey call) {
    const auto found = calls_.find(call.value);
    return found == calls_.end() ? nullptr : &found->second;
}

const BuiltInRelay::Call* BuiltInRelay::find(CallKey call) const {
    const auto found = calls_.find(call.value);
    return found == calls_.end() ? nullptr : &found->second;
}

void BuiltInRelay::offer(CallKey key, const LegSdp& sdp, SdpDone done) {
    auto description = read_leg(sdp);
    if (!description) return done(description.error());
    RelayWorker& worker = worker_of(key);
    if (!worker.has_room()) return done(overloaded());
    if (find(key) == nullptr && calls_.size() >= kMaxCalls)
        return done(base::Reason{.code = "too_many_calls",
                                 .text = fmt::format("{} calls are relayed already.", kMaxCalls)});
    const auto [entry, is_new] =
        calls_.try_emplace(key.value, key, worker, random_.u32(), random_.u32());
    Call& call = entry->second;
    close_ended_lines(call);
    std::vector<std::size_t> opened;
    if (auto failed = open_lines(call, sdp.from, *(*description)->sdp, opened)) {
        for (const std::size_t line : opened) close_line(call, line);
        if (is_new) calls_.erase(entry);
        return done(*std::move(failed));
    }
    call.negotiation.offer(sdp.from, *description);
    tell_worker(call);
    done(tell(call, other(sdp.from), **description, sdp.is_told_inside));
}

void BuiltInRelay::answer(CallKey key, const LegSdp& sdp, SdpDone done) {
    Call* call = find(key);
    if (call == nullptr) return done(unknown_call());
    auto description = read_leg(sdp);
    if (!description) return done(description.error());
    if (!call->negotiation.answer(sdp.from, *description))
        return done(base::Reason{.code = "no_offer",
                                 .text = "The other leg has made no offer that this answers."});
    tell_worker(*call);
    done(tell(*call, other(sdp.from), **description, sdp.is_told_inside));
}

void BuiltInRelay::rollback(CallKey key, Leg offerer) {
    Call* call = find(key);
    if (call == nullptr || !call->negotiation.rollback(offerer)) return;
    // Lines that the offer would have added.
    std::vector<std::size_t> added;
    for (const auto& [line, opened] : call->lines)
        if (!call->negotiation.is_relayed(line)) added.push_back(line);
    for (const std::size_t line : added) close_line(*call, line);
    tell_worker(*call);
}

void BuiltInRelay::remove(CallKey key) {
    Call* call = find(key);
    if (call == nullptr) return;
    while (!call->lines.empty()) close_line(*call, call->lines.begin()->first);
    calls_.erase(key.value);
}

// --- lines ---------------------------------------------------------------------------------------

const base::NetAddress& BuiltInRelay::address(bool is_ipv6, bool is_inside) const {
    const bool is_bound = options_.bind_host.is_v4() != is_ipv6 || options_.other_bind_host;
    const base::NetAddress& bound = options_.bind_host.is_v4() != is_ipv6 || !is_bound
                                        ? options_.bind_host
                                        : *options_.other_bind_host;
    const auto& advertised = bound.is_v4() ? options_.advertised_v4 : options_.advertised_v6;
    return advertised && !is_inside ? *advertised : bound;
}

// A leg is spoken to in the family in which it speaks itself; before it has spoken, in that of who
// speaks to it.
bool BuiltInRelay::is_ipv6(Call& call, Leg facing, const sdp::SessionDescription& told) {
    auto& decided = call.facing[index_of(facing)].is_ipv6;
    if (!decided) {
        const LegDescription* own = call.negotiation.description(facing);
        decided = speaks_ipv6(own == nullptr ? told : *own->sdp);
    }
    return *decided;
}

// What ended with the offer before keeps its sockets until the next one, since another fork of the
// call may still answer it otherwise.
void BuiltInRelay::close_ended_lines(Call& call) {
    if (!call.negotiation.is_complete()) return;
    std::vector<std::size_t> ended;
    for (const auto& [line, opened] : call.lines)
        if (!call.negotiation.is_relayed(line)) ended.push_back(line);
    for (const std::size_t line : ended) close_line(call, line);
}

std::optional<base::Reason> BuiltInRelay::open_lines(Call& call, Leg from,
                                                     const sdp::SessionDescription& sdp,
                                                     std::vector<std::size_t>& opened) {
    std::array<bool, 2> families{};
    families[index_of(from)] = is_ipv6(call, from, sdp);
    families[index_of(other(from))] = is_ipv6(call, other(from), sdp);
    for (std::size_t line = 0; line < sdp.media.size(); ++line) {
        if (!is_relayable(sdp.media[line]) || call.lines.contains(line)) continue;
        auto made = open_line(call.key, families[0], families[1]);
        if (!made) return made.error();
        OpenedLine entry;
        entry.id = made->line;
        entry.media = sdp.media[line].media;
        entry.counters = made->counters;
        entry.opened = clock_.now().steady;
        for (const Leg leg : {Leg::A, Leg::B}) {
            const io::UdpPair& pair = made->pairs[index_of(leg)];
            entry.facing[index_of(leg)] = {.fate = SdpEdit::Fate::Relay,
                                           .rtp_port = pair.rtp.local_address().port,
                                           .rtcp_port = pair.rtcp.local_address().port};
        }
        call.lines.emplace(line, std::move(entry));
        opened.push_back(line);
        if (!call.worker.give(*std::move(made))) {  // its sockets are closed with it
            for (const SdpEdit::Line& facing : call.lines.at(line).facing)
                ports_.release(facing.rtp_port, clock_.now().steady);
            call.lines.erase(line);
            opened.pop_back();
            return overloaded();
        }
    }
    return std::nullopt;
}

base::Result<OpenLine, base::Reason> BuiltInRelay::open_line(CallKey call, bool faces_a_ipv6,
                                                             bool faces_b_ipv6) {
    const base::TimePoint now = clock_.now().steady;
    auto a = ports_.take(now, faces_a_ipv6);
    if (!a) return a.error();
    auto b = ports_.take(now, faces_b_ipv6);
    if (!b) {
        const std::uint16_t port = a->rtp.local_address().port;
        a->rtp.close();
        a->rtcp.close();
        ports_.release(port, now);
        return b.error();
    }
    return OpenLine{.line = ++last_id_,
                    .call = call,
                    .pairs = {*std::move(a), *std::move(b)},
                    .counters = std::make_shared<LineCounters>()};
}

void BuiltInRelay::close_line(Call& call, std::size_t line) {
    const auto found = call.lines.find(line);
    static_cast<void>(call.worker.give(CloseLine{.line = found->second.id}));
    call.lines.erase(found);
    const std::vector<LiveLine> live = live_lines(call);
    for (auto& [id, subscription] : call.subscriptions)
        static_cast<void>(subscription.end_others(call.negotiation, live));  // closed with the line
}

// What `from` says, as `to` is to see it.
std::string BuiltInRelay::tell(Call& call, Leg to, const LegDescription& from, bool is_inside) {
    Facing& facing = call.facing[index_of(to)];
    SdpEdit edit{.session_id = facing.sdp.session_id(),
                 .session_version = 0,
                 .address = address(is_ipv6(call, to, *from.sdp), is_inside),
                 .lines = {}};
    for (std::size_t line = 0; line < from.sdp->media.size(); ++line) {
        const auto opened = call.lines.find(line);
        SdpEdit::Line decision;  // refused: RTP that was not offered
        if (!is_relayable(from.sdp->media[line])) {
            decision.fate = SdpEdit::Fate::Pass;
        } else if (opened != call.lines.end()) {
            decision = opened->second.facing[index_of(to)];
        }
        edit.lines.push_back(decision);
    }
    return facing.sdp.tell([&](std::uint64_t version) {
        edit.session_version = version;
        return rewrite_sdp(from.sdp.text(), edit);
    });
}

void BuiltInRelay::tell_worker(Call& call) {
    const Negotiation& negotiation = call.negotiation;
    for (auto& [line, opened] : call.lines) {
        SetRemotes remotes{
            .line = opened.id,
            .legs = {negotiation.remote(Leg::A, line), negotiation.remote(Leg::B, line)},
            .has_rtcp_mux = negotiation.has_rtcp_mux(line),
            .is_secure = false};
        for (const Leg leg : {Leg::A, Leg::B})
            if (const auto* medium = negotiation.medium(leg, line))
                remotes.is_secure = remotes.is_secure || medium->is_secure_rtp();
        if (opened.told == remotes) continue;
        if (call.worker.give(remotes)) opened.told = remotes;  // else it is told the next time
    }
    tell_protection(call);
    if (call.sounds[0] != nullptr || call.sounds[1] != nullptr) tell_sounds(call);
}

// --- SRTP ----------------------------------------------------------------------------------------

// Our key for a stream stays while its suite does, whatever the legs do with theirs.
void BuiltInRelay::tell_protection(Call& call) {
    for (auto& [line, opened] : call.lines) {
        for (const Leg from : {Leg::A, Leg::B}) {
            std::optional<ForkKeys>& told = opened.fork_keys[index_of(from)];
            std::optional<ForkKeys> keys;
            if (auto sent = sent_keys(call.negotiation, from, line); !sent.empty()) {
                const base::SrtpSuite suite = sent.front().suite();
                const bool goes_on = told && told->ours.suite() == suite;
                keys = ForkKeys{
                    .leg = std::move(sent),
                    .ours = goes_on ? told->ours : base::SrtpMasterKey::generate(suite, random_)};
            }
            if (keys == told) continue;
            if (call.worker.give(SetProtection{.line = opened.id, .from = from, .keys = keys}))
                told = std::move(keys);
        }
    }
}

// A recording that is the only one begins with keys of its own: SDES cannot tell a server where the
// rollover counter of an older key stands (RFC 4568 section 6.4.1).
void BuiltInRelay::forget_fork_keys(Call& call) {
    for (auto& [line, opened] : call.lines) opened.fork_keys = {};
}

// --- sounds --------------------------------------------------------------------------------------

SoundFormats BuiltInRelay::formats_for(const Call& call, Leg to, std::size_t line) {
    const std::vector<sdp::PayloadType> sent = call.negotiation.sent_formats(other(to), line);
    return sound_formats(sent, call.negotiation.may_send(other(to), line));
}

void BuiltInRelay::tell_sounds(Call& call) {
    for (auto& [line, opened] : call.lines) {
        if (opened.media != "audio" || !call.negotiation.is_relayed(line)) continue;
        for (const Leg to : {Leg::A, Leg::B}) {
            const SoundPtr& sound = call.sounds[index_of(to)];
            OpenedLine::Sounding& told = opened.sounding[index_of(to)];
            const SoundFormats formats = formats_for(call, to, line);
            if (told.sound != sound) {
                SetSound command{.line = opened.id, .to = to, .mixer = nullptr};
                if (sound != nullptr)
                    command.mixer = std::make_unique<SoundMixer>(
                        sound, formats,
                        SoundMixer::Identity{.ssrc = random_.u32(),
                                             .sequence = static_cast<std::uint16_t>(random_.u32()),
                                             .timestamp = random_.u32()});
                if (call.worker.give(std::move(command))) told = {sound, formats};
            } else if (sound != nullptr && told.formats != formats) {
                if (call.worker.give(
                        SetSoundFormats{.line = opened.id, .to = to, .formats = formats}))
                    told.formats = formats;
            }
        }
    }
}

base::Result<base::Done, base::Reason> BuiltInRelay::play(CallKey key, Leg to, SoundPtr sound) {
    Call* call = find(key);
    if (call == nullptr) return unknown_call();
    std::optional<base::Reason> fault;
    if (sound != nullptr) {
        fault = base::Reason{"no_audio", "The call has no audio in which it could be heard."};
        for (const auto& [line, opened] : call->lines) {
            if (opened.media != "audio" || !call->negotiation.is_relayed(line)) continue;
            if (opened.told && opened.told->is_secure)
                fault = base::Reason{"secure_media",
                                     "The parties encrypt their media (SRTP) from end to end."};
            else if (!formats_for(*call, to, line).own)
                fault =
                    base::Reason{"no_codec", "The party takes neither PCMU nor PCMA nor G.722."};
            else
                fault.reset();
            if (fault) break;  // a line without it would be recorded unheard
        }
    }
    call->sounds[index_of(to)] = fault ? nullptr : std::move(sound);
    tell_sounds(*call);
    if (fault) return *std::move(fault);
    return base::Done{};
}

std::vector<LiveLine> BuiltInRelay::live_lines(const Call& call) {
    std::vector<LiveLine> live;
    for (const auto& [line, opened] : call.lines)
        if (call.negotiation.is_relayed(line)) live.push_back({.line = line, .id = opened.id});
    return live;
}

// --- subscriptions -------------------------------------------------------------------------------

void BuiltInRelay::subscribe(CallKey key, std::uint32_t id, const SubscribeOptions& options,
                             SubscriptionDone done) {
    Call* call = find(key);
    if (call == nullptr) return done(unknown_call());
    if (!call->worker.has_room()) return done(overloaded());
    if (auto fault = find_fault(options)) return done(*std::move(fault));
    const bool is_known = call->subscriptions.contains(id);
    if (!is_known && call->subscriptions.size() >= kMaxSubscriptions)
        return done(base::Reason{
            .code = "too_many_subscriptions",
            .text = fmt::format("The call has {} subscriptions already.", kMaxSubscriptions)});
    if (call->subscriptions.empty()) {
        forget_fork_keys(*call);
        tell_protection(*call);
    }
    const auto entry = call->subscriptions.try_emplace(id, random_.u32()).first;
    SubscriptionState& subscription = entry->second;
    subscription.set_options(options);
    if (options.is_paused) set_forks(*call, subscription.stop());
    for (const std::uint64_t fork : subscription.end_others(call->negotiation, live_lines(*call)))
        static_cast<void>(call->worker.give(CloseFork{.fork = fork}));
    if (auto failed = open_forks(key, *call, id, subscription)) {
        if (!is_known) unsubscribe(key, id);
        return done(*std::move(failed));
    }
    if (subscription.places().empty()) {
        const base::Reason unreadable = subscription.left_out(call->negotiation);
        call->subscriptions.erase(entry);
        if (!unreadable.code.empty()) return done(unreadable);
        return done(base::Reason{.code = "no_media",
                                 .text = "The call has no media yet that could be recorded."});
    }
    const auto our_key = [call](Leg from, std::size_t line) -> const base::SrtpMasterKey* {
        const auto opened = call->lines.find(line);
        if (opened == call->lines.end()) return nullptr;
        const auto& keys = opened->second.fork_keys[index_of(from)];
        return keys ? &keys->ours : nullptr;
    };
    done(subscription.offer(call->negotiation, address(!options_.bind_host.is_v4()), our_key));
}

std::optional<base::Reason> BuiltInRelay::open_forks(CallKey key, Call& call, std::uint32_t id,
                                                     SubscriptionState& subscription) {
    for (const auto& wanted : subscription.missing(call.negotiation, live_lines(call))) {
        if (!subscription.has_room()) break;  // until the end of others has been told
        auto pair = ports_.take(clock_.now().steady, !options_.bind_host.is_v4());
        if (!pair) return pair.error();
        const std::uint16_t port = pair->rtp.local_address().port;
        auto counters = std::make_shared<ForkCounters>();
        OpenFork command{.fork = ++last_id_,
                         .line = wanted.line.id,
                         .from = wanted.from,
                         .pair = *std::move(pair),
                         .counters = counters,
                         .call = key,
                         .subscription = id,
                         .keep = subscription.options().keep,
                         .is_paused = subscription.options().is_paused};
        if (!call.worker.give(std::move(command))) {  // its sockets are closed with it
            ports_.release(port, clock_.now().steady);
            return overloaded();
        }
        subscription.add(call.negotiation, wanted, last_id_, port, std::move(counters));
    }
    return std::nullopt;
}

void BuiltInRelay::set_forks(Call& call, const std::vector<ForkTarget>& targets, Stop why) {
    for (const ForkTarget& target : targets)
        static_cast<void>(call.worker.give(
            SetFork{.fork = target.fork, .rtp = target.rtp, .rtcp = target.rtcp, .why = why}));
}

void BuiltInRelay::answer_subscription(CallKey key, std::uint32_t id, std::string_view sdp,
                                       PlaneDone done) {
    Call* call = find(key);
    if (call == nullptr) return done(unknown_call());
    const auto found = call->subscriptions.find(id);
    if (found == call->subscriptions.end()) return done(unknown_subscription());
    const auto answer = sdp::parse(sdp);
    if (!answer)
        return done(base::Reason{
            .code = "sdp_malformed",
            .text = fmt::format("The server's answer cannot be read: {}.", answer.error().what)});
    const auto targets = found->second.answer(*answer);
    if (!targets)
        return done(
            base::Reason{.code = "bad_answer",
                         .text = fmt::format("The server's answer fits no offer of ours: {}.",
                                             targets.error().what)});
    set_forks(*call, *targets);
    done(base::Done{});
}

void BuiltInRelay::stop_subscription(CallKey key, std::uint32_t id, Stop why) {
    Call* call = find(key);
    if (call == nullptr) return;
    const auto found = call->subscriptions.find(id);
    if (found != call->subscriptions.end()) set_forks(*call, found->second.stop(), why);
}

void BuiltInRelay::unsubscribe(CallKey key, std::uint32_t id) {
    Call* call = find(key);
    if (call == nullptr) return;
    const auto found = call->subscriptions.find(id);
    if (found == call->subscriptions.end()) return;
    for (const std::uint64_t fork : found->second.end_others(call->negotiation, {}))
        static_cast<void>(call->worker.give(CloseFork{.fork = fork}));
    call->subscriptions.erase(found);
}

void BuiltInRelay::on_silent_fork(const SilentFork& fork) {
    Call* call = find(fork.call);
    if (call == nullptr || !server_silent_) return;
    const auto found = call->subscriptions.find(fork.subscription);
    if (found == call->subscriptions.end()) return;
    if (!found->second.on_silent(fork.fork, fork.why, clock_.now().steady)) return;
    base::Reason reason{"rtcp_ceased", "The server's RTCP has ceased."};
    if (fork.why == Silence::Refused)
        reason = {"media_refused", "The server's host refuses the media (ICMP)."};
    if (fork.why == Silence::Refusal)
        reason = {"media_refusal", "The server's host has refused a packet (ICMP)."};
    server_silent_(fork.call, fork.subscription, reason);
}

std::uint64_t BuiltInRelay::unread() const {
    std::uint64_t count = 0;
    for (const auto& worker : workers_) count += worker->unread();
    return count;
}

void BuiltInRelay::take_keys(const KeyTold& told) {
    while (const auto key = keys_.take())
        if (find(key->call) != nullptr) told(key->call, key->from, key->digit);
}

// --- figures -------------------------------------------------------------------------------------

LineMedia BuiltInRelay::view(const Call& call, std::size_t line, const OpenedLine& opened,
                             base::TimePoint now) {
    LineMedia media{.line = line, .media = opened.media, .legs = {}, .silent = std::nullopt};
    std::array<bool, 2> is_heard{};
    for (const Leg leg : {Leg::A, Leg::B}) {
        const LegCounters& counters = opened.counters->legs[index_of(leg)];
        LegMedia& of = media.legs[index_of(leg)];
        of.rtp = counters.rtp.read();
        of.rtcp = counters.rtcp.read();
        of.heard_at = *counters.heard_at.get();
        if (opened.told) of.announced = opened.told->legs[index_of(leg)].rtp;
        is_heard[index_of(leg)] = of.rtp.last && now - *of.rtp.last < kOneSided;
    }
    const bool may_both = call.negotiation.is_complete() &&
                          call.negotiation.may_send(Leg::A, line) &&
                          call.negotiation.may_send(Leg::B, line);
    if (may_both && is_heard[0] != is_heard[1] && now - opened.opened >= kOneSided)
        media.silent = is_heard[0] ? Leg::B : Leg::A;
    return media;
}

base::Result<CallMedia, base::Reason> BuiltInRelay::query(CallKey key) const {
    const Call* call = find(key);
    if (call == nullptr) return unknown_call();
    const base::TimePoint now = clock_.now().steady;
    CallMedia media;
    for (const auto& [line, opened] : call->lines)
        if (call->negotiation.is_relayed(line))
            media.lines.push_back(view(*call, line, opened, now));
    for (const auto& [id, subscription] : call->subscriptions)
        for (const Place& place : subscription.places()) {
            if (place.fork == 0) continue;
            media.forks.push_back({.subscription = id,
                                   .label = place.label,
                                   .from = place.from,
                                   .line = place.line.line,
                                   .is_open = place.is_open,
                                   .to = place.server,
                                   .rtp = place.counters->rtp.read(),
                                   .rtcp = place.counters->rtcp.read(),
                                   .from_server = place.counters->from_server.read(),
                                   .replayed = place.counters->replayed.read(),
                                   .is_replaying = place.counters->is_replaying.load()});
        }
    return media;
}

}  // namespace earshot::relay
