// Keeps open what NATs have opened for phones that registered through us: without a packet now and
// then a NAT forgets where its phone is (RFC 4787 section 4.3: UDP after 2 minutes at best, often
// 30 s), and calls to it find nobody. Says who is to be asked; without I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "b2bua/switchboard_host.h"
#include "base/time.h"
#include "sip/flow.h"

namespace earshot::client {

class KeepAlive {
public:
    // Phones beyond it are not kept; and of one second, so that they spread.
    static constexpr std::size_t kMaxPhones = 50'000;
    static constexpr std::size_t kMaxAtOnce = 4'000;

    struct Phone {
        sip::Flow flow{};
        std::string uri{};  // its own Contact
    };

    // 0: nobody is asked, nothing is kept.
    void set_interval(std::chrono::seconds interval);

    void on_registered(base::TimePoint now, const b2bua::Registered& phone);
    // A connection that is gone is not opened again from here.
    void on_flow_closed(const sip::Flow& flow);

    // Whom to send something now; each again after the interval, until its registration ends.
    std::vector<Phone> take_due(base::TimePoint now);
    std::size_t size() const { return phones_.size(); }

private:
    // Connection, transport, listener, remote: streams of one connection lie together.
    using Key = std::tuple<std::uint64_t, sip::Transport, std::uint16_t, base::NetAddress>;
    struct Entry {
        Phone phone{};
        base::TimePoint next{};
        base::TimePoint until{};
    };

    static Key key_of(const sip::Flow& flow);
    void erase(std::map<Key, Entry>::iterator at);

    std::chrono::seconds interval_{0};
    std::map<Key, Entry> phones_;
    std::set<std::pair<base::TimePoint, Key>> due_;
};

}  // namespace earshot::client
