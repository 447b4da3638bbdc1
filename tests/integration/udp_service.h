// UDP servers of a test's own, each on a thread: a box that rewrites SIP, a DNS server by script.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace earshot::integration {

inline int bind_loopback(std::uint16_t& port) {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof own;
    ::bind(socket, reinterpret_cast<sockaddr*>(&own), size);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size);
    port = ntohs(own.sin_port);
    return socket;
}

struct UdpPeer {
    sockaddr_in address{};
    socklen_t size = sizeof(sockaddr_in);
};

inline std::optional<std::string> receive_from(int socket, UdpPeer& peer) {
    std::string bytes(65536, '\0');
    const ssize_t size = ::recvfrom(socket, bytes.data(), bytes.size(), 0,
                                    reinterpret_cast<sockaddr*>(&peer.address), &peer.size);
    if (size < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(size));
    return bytes;
}

inline void send_to(int socket, const std::string& bytes, const UdpPeer& peer) {
    ::sendto(socket, bytes.data(), bytes.size(), 0,
             reinterpret_cast<const sockaddr*>(&peer.address), peer.size);
}

// Stands between one client and the server; what the client sends is rewritten.
class Middlebox {
public:
    using Rewrite = std::function<std::string(std::string)>;

    Middlebox(std::uint16_t server_port, Rewrite rewrite) : rewrite_(std::move(rewrite)) {
        std::uint16_t ignored = 0;
        client_side_ = bind_loopback(port_);
        server_side_ = bind_loopback(ignored);
        server_.address.sin_family = AF_INET;
        server_.address.sin_port = htons(server_port);
        server_.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
    Middlebox(const Middlebox&) = delete;
    Middlebox& operator=(const Middlebox&) = delete;
    ~Middlebox() {
        thread_.request_stop();
        thread_.join();
        ::close(client_side_);
        ::close(server_side_);
    }
    std::uint16_t port() const { return port_; }

private:
    void run(const std::stop_token& stop) {
        UdpPeer client;
        while (!stop.stop_requested()) {
            std::array<pollfd, 2> ready{{{client_side_, POLLIN, 0}, {server_side_, POLLIN, 0}}};
            if (::poll(ready.data(), ready.size(), 50) <= 0) continue;
            if ((ready[0].revents & POLLIN) != 0)
                if (auto bytes = receive_from(client_side_, client))
                    send_to(server_side_, rewrite_(*std::move(bytes)), server_);
            UdpPeer ignored;
            if ((ready[1].revents & POLLIN) != 0)
                if (const auto bytes = receive_from(server_side_, ignored))
                    send_to(client_side_, *bytes, client);
        }
    }

    Rewrite rewrite_;
    UdpPeer server_;
    std::uint16_t port_ = 0;
    int client_side_ = -1;
    int server_side_ = -1;
    std::jthread thread_;
};

// Answers by its script; what is not in it does not exist (NXDOMAIN).
class ScriptedDns {
public:
    enum Type : std::uint16_t { A = 1, Srv = 33, Naptr = 35 };

    ScriptedDns() : socket_(bind_loopback(port_)) {}
    ScriptedDns(const ScriptedDns&) = delete;
    ScriptedDns& operator=(const ScriptedDns&) = delete;
    ~ScriptedDns() {
        thread_.request_stop();
        if (thread_.joinable()) thread_.join();
        ::close(socket_);
    }
    std::uint16_t port() const { return port_; }

    void naptr(const std::string& name, int order, const std::string& service,
               const std::string& replacement) {
        records_[{name, Naptr}].push_back(u16(order) + u16(0) + text("s") + text(service) +
                                          text("") + encode(replacement));
    }
    void srv(const std::string& name, int priority, int port, const std::string& target) {
        records_[{name, Srv}].push_back(u16(priority) + u16(0) + u16(port) + encode(target));
    }
    void loopback(const std::string& name) {
        records_[{name, A}].push_back(std::string("\x7f\0\0\1", 4));
    }
    void silence(const std::string& name) { silent_.insert(name); }
    void start() {
        thread_ = std::jthread([this](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                pollfd ready{socket_, POLLIN, 0};
                if (::poll(&ready, 1, 50) <= 0) continue;
                UdpPeer peer;
                const auto question = receive_from(socket_, peer);
                const std::string reply = question ? answer(*question) : std::string{};
                if (!reply.empty()) send_to(socket_, reply, peer);
            }
        });
    }

private:
    static std::string u16(int value) {
        return {static_cast<char>(value >> 8), static_cast<char>(value)};
    }
    static std::string text(const std::string& value) {
        return static_cast<char>(value.size()) + value;
    }
    static std::string encode(std::string name) {
        std::string out;
        name += '.';
        for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.')) {
            out += text(name.substr(0, dot));
            name.erase(0, dot + 1);
        }
        return out + '\0';
    }
    // RFC 1035 section 4: header, the question again, answers whose name points to it.
    std::string answer(const std::string& question) const {
        std::string name;
        std::size_t at = 12;
        while (at < question.size() && question[at] != 0) {
            const auto length = static_cast<std::size_t>(question[at]);
            name += (name.empty() ? "" : ".") + question.substr(at + 1, length);
            at += 1 + length;
        }
        if (at + 5 > question.size()) return {};
        for (char& c : name) c = static_cast<char>(std::tolower(c));
        if (silent_.count(name) != 0) return {};
        const auto type = static_cast<std::uint16_t>(question[at + 2]);
        const auto found = records_.find({name, type});
        const std::size_t count = found == records_.end() ? 0 : found->second.size();
        std::string out = question.substr(0, 2) + u16(count == 0 ? 0x8583 : 0x8580) + u16(1) +
                          u16(static_cast<int>(count)) + u16(0) + u16(0) +
                          question.substr(12, at + 5 - 12);
        if (count == 0) return out;
        for (const std::string& data : found->second)
            out += u16(0xc00c) + u16(type) + u16(1) + u16(0) + u16(60) +
                   u16(static_cast<int>(data.size())) + data;
        return out;
    }

    std::uint16_t port_ = 0;
    int socket_;
    std::map<std::pair<std::string, std::uint16_t>, std::vector<std::string>> records_;
    std::set<std::string> silent_;  // names that are never answered
    std::jthread thread_;
};

}  // namespace earshot::integration
