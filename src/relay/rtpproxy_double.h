// A stand-in for RTPProxy, written from the documentation of its control protocol: real UDP on
// loopback, in a thread of its own. It passes packets on and copies them, and can be made to fail
// as the real one does. For tests.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "io/limits.h"
#include "io/udp_socket.h"

namespace earshot::relay::test {

class RtpproxyDouble {
public:
    enum class Fault { None, Silent, Nonsense, Full, NoStopping };

    explicit RtpproxyDouble(const char* host = "127.0.0.1")
        : host_(*base::parse_host(host, 0)), control_(*io::UdpSocket::bind(host_)) {
        thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
    }

    base::NetAddress control() const { return control_.local_address(); }
    void set_fault(Fault fault) { fault_ = fault; }
    // As a restart does: all calls are forgotten.
    void forget() { must_forget_ = true; }
    std::size_t streams() const { return streams_; }
    // Commands that began with that letter.
    std::size_t count(char verb) const {
        const std::lock_guard lock(mutex_);
        const auto found = counts_.find(verb);
        return found == counts_.end() ? 0 : found->second;
    }

private:
    // What one party of a stream has: the ports that face it, where it is, where copies of it go.
    struct Side {
        std::optional<io::UdpPair> facing;
        std::array<base::NetAddress, 2> at{};  // RTP, RTCP
        base::NetAddress copy_to;
        std::uint64_t packets = 0;
    };
    struct Stream {
        std::string creator;  // its tag
        std::array<Side, 2> sides;
    };
    using Words = std::vector<std::string>;

    void serve(const std::stop_token& stop) {
        io::DatagramBatch batch(32, io::kMaxMediaBytes);
        while (!stop.stop_requested()) {
            std::vector<pollfd> waiting{{control_.descriptor(), POLLIN, 0}};
            for (auto& [key, stream] : calls_)
                for (Side& side : stream.sides) {
                    waiting.push_back({side.facing->rtp.descriptor(), POLLIN, 0});
                    waiting.push_back({side.facing->rtcp.descriptor(), POLLIN, 0});
                }
            ::poll(waiting.data(), waiting.size(), 20);
            if (must_forget_.exchange(false)) calls_.clear();
            for (auto& [key, stream] : calls_)
                for (std::size_t side = 0; side < 2; ++side) pass_on(stream, side, batch);
            control_.receive(batch);
            for (const io::Datagram& datagram : batch.datagrams())
                obey(std::string(base::as_text(datagram.bytes)), datagram.source);
            streams_ = calls_.size();
        }
    }

    void pass_on(Stream& stream, std::size_t number, io::DatagramBatch& batch) {
        Side& from = stream.sides[number];
        Side& to = stream.sides[1 - number];
        for (const io::SocketKind kind : {io::SocketKind::Rtp, io::SocketKind::Rtcp}) {
            const auto at = static_cast<std::size_t>(kind);
            (*from.facing)[kind].receive(batch);
            for (const io::Datagram& datagram : batch.datagrams()) {
                from.at[at] = datagram.source;  // symmetric
                if (kind == io::SocketKind::Rtp) {
                    ++from.packets;
                    if (from.copy_to.port != 0)
                        static_cast<void>(copier_.send(datagram.bytes, from.copy_to));
                }
                if (to.at[at].port != 0)
                    static_cast<void>((*to.facing)[kind].send(datagram.bytes, to.at[at]));
            }
        }
    }

    void obey(const std::string& line, const base::NetAddress& source) {
        std::istringstream in(line);
        Words words;
        for (std::string word; in >> word;) words.push_back(word);
        if (words.size() < 2) return;
        const std::string cookie = words.front();
        words.erase(words.begin());
        {
            const std::lock_guard lock(mutex_);
            ++counts_[words[0][0]];
        }
        std::string body = answer(words);
        if (fault_ == Fault::Silent) return;
        if (fault_ == Fault::Nonsense && words[0][0] != 'V') body = "d6:result2:oke";
        static_cast<void>(control_.send(base::as_bytes(cookie + " " + body + "\n"), source));
    }

    std::string answer(const Words& words) {
        const char verb = words[0][0];
        if (verb == 'V') return fault_ == Fault::NoStopping && words[1] == "20200226" ? "0" : "1";
        if (verb == 'U' || verb == 'L') return open(words, verb == 'U');
        if (verb == 'D') return erase(words);
        const std::size_t tags = verb == 'C' ? 3 : 2;
        if (words.size() != tags + 2) return "E1";
        const auto found = find(words[1], words[tags], words[tags + 1]);
        if (!found.first) return "E50";
        Side& side = found.first->sides[found.second];
        const Side& other = found.first->sides[1 - found.second];
        if (verb == 'Q')
            return "60 " + std::to_string(side.packets) + " " + std::to_string(other.packets) +
                   " 0 0";
        if (verb == 'C') {
            const auto target = base::parse_net_address(words[2].substr(4));
            if (!words[2].starts_with("udp:") || !target) return "E65";
            if (side.copy_to.port == 0) side.copy_to = *target;  // else the first one stays
            return "0";
        }
        if (verb != 'N') return "E0";
        if (side.copy_to.port == 0) return "E50";
        side.copy_to = {};
        return "0";
    }

    // The stream, and which side of it the first tag is.
    std::pair<Stream*, std::size_t> find(const std::string& call, const std::string& from,
                                         const std::string& to) {
        const std::string number = from.substr(from.find(';') + 1);
        const auto found = calls_.find({call, number});
        if (found == calls_.end()) return {nullptr, 0};
        Stream& stream = found->second;
        if (stream.creator == from) return {&stream, 0};
        return stream.creator == to ? std::pair{&stream, std::size_t{1}}
                                    : std::pair<Stream*, std::size_t>{nullptr, 0};
    }

    std::string open(const Words& words, bool may_make) {
        if (words.size() < 5) return "E1";
        if (fault_ == Fault::Full) return "E71";
        const std::string to = words.size() > 5 ? words[5] : "";
        auto found = find(words[1], words[4], to);
        if (!found.first) {
            if (!may_make) return "0";
            Stream made;
            made.creator = words[4];
            for (Side& side : made.sides) side.facing = bind();
            const std::string number = words[4].substr(words[4].find(';') + 1);
            found.first =
                &calls_.insert_or_assign({words[1], number}, std::move(made)).first->second;
        }
        Side& side = found.first->sides[found.second];
        if (const auto at =
                base::parse_host(words[2], *base::parse_number<std::uint16_t>(words[3]));
            at && !at->is_unspecified()) {
            side.at = {*at, *at};
            ++side.at[1].port;
        }
        const Side& other = found.first->sides[1 - found.second];
        return std::to_string(other.facing->rtp.local_address().port) + " " +
               base::host_to_string(host_);
    }

    std::string erase(const Words& words) {
        std::size_t erased = 0;
        const auto is_meant = [&](const auto& entry) {
            if (entry.first.first != words[1]) return false;
            const std::string& creator = entry.second.creator;
            for (std::size_t i = 2; i < words.size(); ++i)
                if (creator == words[i] || creator.starts_with(words[i] + ";")) return true;
            return false;
        };
        erased = std::erase_if(calls_, is_meant);
        return erased > 0 ? "0" : "E50";
    }

    io::UdpPair bind() {
        for (;; next_port_ = static_cast<std::uint16_t>(next_port_ + 2)) {
            base::NetAddress address = host_;
            address.port = next_port_;
            if (auto pair = io::bind_udp_pair(address)) {
                next_port_ = static_cast<std::uint16_t>(next_port_ + 2);
                return *std::move(pair);
            }
        }
    }

    const base::NetAddress host_;
    io::UdpSocket control_;
    io::UdpSocket copier_{*io::UdpSocket::bind(host_)};
    std::map<std::pair<std::string, std::string>, Stream> calls_;  // Call-ID and number
    std::uint16_t next_port_ = 23'000;
    std::atomic<Fault> fault_{Fault::None};
    std::atomic<bool> must_forget_{false};
    std::atomic<std::size_t> streams_{0};
    mutable std::mutex mutex_;
    std::map<char, std::size_t> counts_;
    std::jthread thread_;  // the last: it ends before what it uses goes
};

}  // namespace earshot::relay::test
