// Phones, a recording server and their descriptions, for the tests of relay/: real sockets on
// loopback, waited for with poll().
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <functional>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "io/clock.h"
#include "io/limits.h"
#include "io/udp_socket.h"
#include "relay/built_in_relay.h"
#include "sdp/session_description.h"

namespace earshot::relay::test {

constexpr CallKey kCall{42};
constexpr int kPatienceMs = 5000;

// An RTP packet of 12 + 4 octets.
inline base::Bytes rtp_packet(std::uint16_t sequence, std::uint32_t ssrc = 7) {
    base::Bytes packet{0x80,
                       0,
                       static_cast<std::uint8_t>(sequence >> 8),
                       static_cast<std::uint8_t>(sequence),
                       0,
                       0,
                       0,
                       1};
    for (int shift = 24; shift >= 0; shift -= 8)
        packet.push_back(static_cast<std::uint8_t>(ssrc >> shift));
    packet.insert(packet.end(), {0xd5, 0xd5, 0xd5, 0xd5});
    return packet;
}
// One RTCP packet without blocks: 200 SR (cut short), 201 RR, 206 PLI, 203 BYE.
inline base::Bytes rtcp_packet(std::uint8_t type) { return {0x80, type, 0, 1, 0, 0, 0, 9}; }

// A pair of sockets at one loopback host.
class Peer {
public:
    explicit Peer(const char* host) : host_(*base::parse_host(host, 0)) {
        for (std::uint16_t port = 40000; port < 60000; port += 2) {
            base::NetAddress address = host_;
            address.port = port;
            if (auto pair = io::bind_udp_pair(address)) {
                sockets_.emplace(*std::move(pair));
                break;
            }
        }
    }
    base::NetAddress rtp() const { return sockets_->rtp.local_address(); }
    base::NetAddress rtcp() const { return sockets_->rtcp.local_address(); }
    std::string host() const { return host_to_string(host_); }

    void send(io::SocketKind kind, const base::Bytes& bytes, const base::NetAddress& to) {
        ASSERT_TRUE((*sockets_)[kind].send(bytes, to));
    }
    struct Received {
        base::Bytes bytes;
        base::NetAddress from;
    };
    std::optional<Received> receive(io::SocketKind kind, int patience_ms = kPatienceMs) {
        pollfd waiting{.fd = (*sockets_)[kind].descriptor(), .events = POLLIN, .revents = 0};
        if (::poll(&waiting, 1, patience_ms) != 1) return std::nullopt;
        io::DatagramBatch batch(1, io::kMaxMediaBytes);
        if ((*sockets_)[kind].receive(batch) != 1) return std::nullopt;
        const io::Datagram& datagram = batch.datagrams().front();
        return Received{{datagram.bytes.begin(), datagram.bytes.end()}, datagram.source};
    }
    bool has_nothing(io::SocketKind kind) { return !receive(kind, 0); }

    std::string sdp(std::string_view attributes = "a=sendrecv\r\n",
                    std::string_view formats = "0 8") const {
        return "v=0\r\no=- 1 1 IN IP4 " + host() + "\r\ns=-\r\nc=IN IP4 " + host() +
               "\r\nt=0 0\r\nm=audio " + std::to_string(rtp().port) + " RTP/AVP " +
               std::string(formats) + "\r\n" + std::string(attributes);
    }

private:
    base::NetAddress host_;
    std::optional<io::UdpPair> sockets_;
};

// The address of a line of a description.
inline base::NetAddress rtp_of(const std::string& text, std::size_t line = 0) {
    const auto parsed = sdp::parse(text);
    if (!parsed || line >= parsed->media.size()) return {};
    return sdp::rtp_address(*parsed, parsed->media[line]).value_or(base::NetAddress{});
}
inline base::NetAddress rtcp_of(const std::string& text, std::size_t line = 0) {
    base::NetAddress address = rtp_of(text, line);
    ++address.port;
    return address;
}

class RelayRig {
public:
    explicit RelayRig(Engine engine = Engine::Sockets, std::uint16_t last_port = 20999) {
        auto made = BuiltInRelay::create({.bind_host = *base::parse_host("127.0.0.1", 0),
                                          .other_bind_host = std::nullopt,
                                          .advertised_v4 = std::nullopt,
                                          .advertised_v6 = std::nullopt,
                                          .first_port = 20000,
                                          .last_port = last_port,
                                          .max_port_pairs = 10'000,
                                          .receive_buffer_bytes = 0,
                                          .workers = 2,
                                          .engine = engine,
                                          .post = [this](auto work) { post(std::move(work)); },
                                          .wake_for_keys = [this] { woken_.release(); }},
                                         clock_, random_);
        if (made) relay_ = *std::move(made);
    }
    BuiltInRelay& relay() { return *relay_; }
    // Waits until keys have come, and returns them: "A1" is a 1 of the caller.
    std::string take_keys() {
        std::string keys;
        if (!woken_.try_acquire_for(std::chrono::milliseconds{kPatienceMs})) return "none";
        relay_->take_keys([&](CallKey, Leg from, char digit) {
            keys += std::string(from == Leg::A ? "A" : "B") + digit;
        });
        return keys;
    }
    bool is_open() const { return relay_ != nullptr; }
    // What the workers want to be done here.
    void run_posted() {
        std::vector<std::function<void()>> posted;
        {
            const std::lock_guard lock(mutex_);
            posted.swap(posted_);
        }
        for (const auto& work : posted) work();
    }

    base::Result<std::string, base::Reason> offer(Leg from, const std::string& text,
                                                  CallKey call = kCall) {
        return ask([&](SdpDone done) {
            relay_->offer(call, {.from = from, .text = text, .signalled_by = {}}, std::move(done));
        });
    }
    base::Result<std::string, base::Reason> answer(Leg from, const std::string& text,
                                                   CallKey call = kCall) {
        return ask([&](SdpDone done) {
            relay_->answer(call, {.from = from, .text = text, .signalled_by = {}}, std::move(done));
        });
    }
    base::Result<Subscription, base::Reason> subscribe(std::uint32_t id,
                                                       const SubscribeOptions& options = {}) {
        base::Result<Subscription, base::Reason> result = base::Reason{"not_called", ""};
        relay_->subscribe(kCall, id, options, [&](auto done) { result = std::move(done); });
        return result;
    }
    base::Result<base::Done, base::Reason> answer_subscription(std::uint32_t id,
                                                               const std::string& text) {
        base::Result<base::Done, base::Reason> result = base::Reason{"not_called", ""};
        relay_->answer_subscription(kCall, id, text, [&](auto done) { result = std::move(done); });
        return result;
    }

private:
    void post(std::function<void()> work) {
        const std::lock_guard lock(mutex_);
        posted_.push_back(std::move(work));
    }
    template <class Verb>
    static base::Result<std::string, base::Reason> ask(Verb verb) {
        base::Result<std::string, base::Reason> result = base::Reason{"not_called", ""};
        verb([&](auto done) { result = std::move(done); });
        return result;
    }

    io::SystemClock clock_;
    base::SystemRandom random_;
    std::mutex mutex_;
    std::vector<std::function<void()>> posted_;
    std::counting_semaphore<> woken_{0};
    std::unique_ptr<BuiltInRelay> relay_;
};

// What a recording server answers to a subscription's offer: all recvonly, its streams at the ports
// of `peers`.
inline std::string server_answer(const std::string& offer, const std::vector<const Peer*>& peers,
                                 std::string_view direction = "recvonly") {
    const auto parsed = sdp::parse(offer);
    std::string answer = "v=0\r\no=- 5 1 IN IP4 " + peers.front()->host() + "\r\ns=-\r\nc=IN IP4 " +
                         peers.front()->host() + "\r\nt=0 0\r\n";
    for (std::size_t i = 0; i < parsed->media.size(); ++i) {
        const sdp::MediaDescription& medium = parsed->media[i];
        const std::uint16_t port = medium.port == 0 ? std::uint16_t{0} : peers[i]->rtp().port;
        answer += "m=" + std::string(medium.media) + " " + std::to_string(port) + " " +
                  std::string(medium.proto) + " " + std::string(medium.formats) + "\r\n";
        if (medium.label) answer += "a=label:" + std::string(*medium.label) + "\r\n";
        answer += "a=" + std::string(direction) + "\r\n";
    }
    return answer;
}

}  // namespace earshot::relay::test
