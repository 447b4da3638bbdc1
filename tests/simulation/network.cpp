#include "network.h"

namespace earshot::simulation {

void Network::send(base::TimePoint now, Datagram datagram) {
    if (draws_.chance(faults_.loss_percent)) return;
    if (draws_.chance(faults_.duplicate_percent)) deliver(now, datagram);
    deliver(now, datagram);
}

void Network::deliver(base::TimePoint now, const Datagram& datagram) {
    const milliseconds delay = draws_.time(faults_.min_delay_ms, faults_.max_delay_ms);
    const std::chrono::nanoseconds more{draws_.between(1, 999'999)};
    on_the_way_.emplace(std::pair{now + delay + more, ++last_}, datagram);
}

std::optional<base::TimePoint> Network::deadline() const {
    if (on_the_way_.empty()) return std::nullopt;
    return on_the_way_.begin()->first.first;
}

std::optional<Datagram> Network::take(base::TimePoint now) {
    while (!on_the_way_.empty() && on_the_way_.begin()->first.first <= now) {
        Datagram datagram = std::move(on_the_way_.begin()->second);
        on_the_way_.erase(on_the_way_.begin());
        if (dark_.count(datagram.from.ip) == 0 && dark_.count(datagram.to.ip) == 0) return datagram;
    }
    return std::nullopt;
}

}  // namespace earshot::simulation
