#include "relay/replay.h"

#include <algorithm>
#include <utility>

namespace earshot::relay {

namespace {

constexpr std::int64_t in_ns(std::chrono::nanoseconds time) { return time.count(); }

}  // namespace

std::vector<Replayer::Replay>::iterator Replayer::find(const ForkFlow& fork) {
    return std::find_if(replays_.begin(), replays_.end(),
                        [&](const Replay& one) { return one.fork == &fork; });
}

void Replayer::begin(ForkFlow& fork, const PacketRing& ring, std::int64_t from_ns,
                     std::int64_t until_ns) {
    cancel(fork);
    Replay replay{.fork = &fork,
                  .ring = &ring,
                  .at = {},
                  .until_ns = until_ns,
                  .sent_before = fork.counters->rtp.read().packets,
                  .due_ns = until_ns,
                  .step_ns = 0,
                  .end_ns = std::numeric_limits<std::int64_t>::max()};
    PacketRing::Cursor ahead;
    std::int64_t count = 0;
    std::int64_t first_ns = 0;
    while (true) {
        const PacketRing::Cursor before = ahead;
        const auto packet = ring.read(ahead);
        if (!packet || packet->arrival_ns >= until_ns) break;
        if (packet->arrival_ns < from_ns) continue;
        if (count++ > 0) continue;
        replay.at = before;
        first_ns = packet->arrival_ns;
    }
    if (count == 0) return;
    // Faster than they came, or the ring would drop them sooner than they are sent.
    replay.step_ns = std::min((until_ns - first_ns) / count / kReplaySpeed, in_ns(kReplayStep));
    fork.counters->is_replaying.store(true);
    replays_.push_back(replay);
}

void Replayer::erase(std::vector<Replay>::iterator replay) {
    replay->fork->counters->is_replaying.store(false);
    if (has_left(*replay)) over_.push_back(replay->fork);
    replays_.erase(replay);
}

void Replayer::cancel(const ForkFlow& fork) {
    const auto found = find(fork);
    if (found != replays_.end()) erase(found);
}

bool Replayer::leave(ForkFlow& fork, std::int64_t now_ns) {
    const auto found = find(fork);
    if (found == replays_.end()) return false;
    found->step_ns = std::min(found->step_ns, in_ns(kReplayRestStep));
    found->end_ns = now_ns + in_ns(kReplayRest);
    return true;
}

std::vector<ForkFlow*> Replayer::take_over() {
    if (over_.empty()) return {};
    io_.flush();  // what was sent refers to their sockets
    return std::exchange(over_, {});
}

// A server tells by the first packet that it gets where a stream lies in time: a live one should be
// that, unless none comes (the sender is silent).
bool Replayer::may_begin(const Replay& replay, std::int64_t now_ns) {
    return replay.fork->counters->rtp.read().packets != replay.sent_before ||
           now_ns - replay.until_ns >= in_ns(kAwaitLive);
}

bool Replayer::send_next(Replay& replay, std::int64_t now_ns) {
    const auto packet = replay.ring->read(replay.at);
    if (!packet || packet->arrival_ns >= replay.until_ns) return false;
    replay.fork->counters->rtp.add(packet->bytes.size(), now_ns);
    replay.fork->counters->replayed.add(packet->bytes.size(), now_ns);
    io_.send(replay.fork->ports[0], packet->bytes, nullptr);
    return true;
}

// Each fork in turn gets its share of what one turn may send.
void Replayer::send_due(std::int64_t now_ns) {
    std::size_t left = kReplayedAtOnce;
    for (std::size_t i = 0; i < replays_.size() && left > 0; ++i) {
        if (first_ >= replays_.size()) first_ = 0;
        Replay& replay = replays_[first_];
        if (!has_left(replay) && !may_begin(replay, now_ns)) {
            ++first_;
            continue;
        }
        bool has_more = now_ns < replay.end_ns;
        for (std::size_t n = 0; has_more && left > 0 && n < kReplayedOfFork; ++n) {
            if (replay.due_ns > now_ns) break;
            has_more = send_next(replay, now_ns);
            replay.due_ns += replay.step_ns;
            --left;
        }
        if (has_more) {
            // What a stalled turn has missed is not made up for in a burst.
            replay.due_ns = std::max(replay.due_ns, now_ns - in_ns(kReplayStep));
            ++first_;
        } else {
            erase(replays_.begin() + static_cast<std::ptrdiff_t>(first_));
            --i;
        }
    }
}

}  // namespace earshot::relay
