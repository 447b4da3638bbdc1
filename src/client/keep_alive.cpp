#include "client/keep_alive.h"

#include <utility>

namespace earshot::client {

KeepAlive::Key KeepAlive::key_of(const sip::Flow& flow) {
    return {flow.connection, flow.transport, flow.listener, flow.remote};
}

void KeepAlive::erase(std::map<Key, Entry>::iterator at) {
    due_.erase({at->second.next, at->first});
    phones_.erase(at);
}

void KeepAlive::set_interval(std::chrono::seconds interval) {
    interval_ = interval;
    if (interval_.count() > 0) return;
    phones_.clear();
    due_.clear();
}

void KeepAlive::on_registered(base::TimePoint now, const b2bua::Registered& phone) {
    const Key key = key_of(phone.flow);
    const auto known = phones_.find(key);
    const bool is_wanted = interval_.count() > 0 && phone.is_behind_nat && phone.time.count() > 0;
    if (!is_wanted) {
        if (known != phones_.end()) erase(known);
        return;
    }
    if (known != phones_.end()) {
        known->second.phone.uri = phone.uri;
        known->second.until = now + phone.time;
        return;
    }
    if (phones_.size() >= kMaxPhones) return;
    const Entry entry{.phone = {.flow = phone.flow, .uri = phone.uri},
                      .next = now + interval_,
                      .until = now + phone.time};
    phones_.emplace(key, entry);
    due_.emplace(entry.next, key);
}

void KeepAlive::on_flow_closed(const sip::Flow& flow) {
    if (flow.connection == 0) return;
    for (auto at = phones_.lower_bound(Key{flow.connection, sip::Transport::Udp, 0, {}});
         at != phones_.end() && std::get<0>(at->first) == flow.connection;)
        erase(at++);
}

std::vector<KeepAlive::Phone> KeepAlive::take_due(base::TimePoint now) {
    std::vector<Phone> phones;
    while (!due_.empty() && due_.begin()->first <= now && phones.size() < kMaxAtOnce) {
        const auto at = phones_.find(due_.begin()->second);
        if (at->second.until <= now) {
            erase(at);
            continue;
        }
        due_.erase(due_.begin());
        at->second.next = now + interval_;
        due_.emplace(at->second.next, at->first);
        phones.push_back(at->second.phone);
    }
    return phones;
}

}  // namespace earshot::client
