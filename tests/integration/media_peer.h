// The media socket of a client by hand.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

namespace earshot::integration {

// The media socket of the client: at a port that its offer tells, connected once the answer is
// here.
class MediaPeer {
public:
    MediaPeer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in own = address(0);
        ::bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof own);
        socklen_t size = sizeof own;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin_port);
    }
    MediaPeer(const MediaPeer&) = delete;
    MediaPeer& operator=(const MediaPeer&) = delete;
    ~MediaPeer() { ::close(socket_); }

    std::uint16_t port() const { return port_; }
    void connect(std::uint16_t to) const {
        sockaddr_in there = address(to);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
    }
    void send(base::ByteView bytes) const {
        EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
    }
    base::Bytes receive(int limit_ms) const {  // empty: nothing came
        pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
        if (::poll(&ready, 1, limit_ms) <= 0) return {};
        base::Bytes bytes(2048);
        const ssize_t size = ::recv(socket_, bytes.data(), bytes.size(), 0);
        bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return bytes;
    }

private:
    static sockaddr_in address(std::uint16_t port) {
        sockaddr_in one{};
        one.sin_family = AF_INET;
        one.sin_port = htons(port);
        one.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return one;
    }
    int socket_;
    std::uint16_t port_ = 0;
};

}  // namespace earshot::integration
