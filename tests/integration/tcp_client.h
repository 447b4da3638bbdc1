// A recording client by hand: one TCP connection, messages as text.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace earshot::integration {

class TcpClient {
public:
    explicit TcpClient(std::uint16_t server_port)
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(server_port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    }
    // A connection that is there already.
    struct Connected {
        int socket;
    };
    explicit TcpClient(Connected connected) : socket_(connected.socket) {}
    TcpClient(const TcpClient&) = delete;
    TcpClient& operator=(const TcpClient&) = delete;
    ~TcpClient() { ::close(socket_); }

    void send(const std::string& bytes) const {
        std::size_t at = 0;
        while (at < bytes.size()) {
            const ssize_t sent =
                ::send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
            if (sent <= 0) return;  // closed: what comes back tells
            at += static_cast<std::size_t>(sent);
        }
    }
    // The next message whose status line is not 100; empty when none comes or the peer closed.
    std::string receive(int limit_ms = 5000) {
        for (;;) {
            const auto end = read_.find("\r\n\r\n");
            if (end != std::string::npos) {
                const auto length = read_.find("Content-Length: ");
                const std::size_t body =
                    length < end ? static_cast<std::size_t>(std::stoul(read_.substr(length + 16)))
                                 : 0;
                if (read_.size() >= end + 4 + body) {
                    std::string message = read_.substr(0, end + 4 + body);
                    read_.erase(0, message.size());
                    if (!message.starts_with("SIP/2.0 100")) return message;
                    continue;
                }
            }
            if (read_some(limit_ms) == 0) return {};
        }
    }
    // Bytes as they come; empty when none do.
    std::string receive_bytes(int limit_ms = 5000) {
        read_some(limit_ms);
        return std::exchange(read_, {});
    }
    bool is_closed_by_peer(int limit_ms = 5000) {
        while (read_some(limit_ms) > 0) {
        }
        return is_closed_;
    }

private:
    std::size_t read_some(int limit_ms) {
        pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
        if (is_closed_ || ::poll(&ready, 1, limit_ms) <= 0) return 0;
        std::string bytes(65536, '\0');
        const ssize_t size = ::recv(socket_, bytes.data(), bytes.size(), 0);
        is_closed_ = size <= 0;
        if (is_closed_) return 0;
        read_.append(bytes, 0, static_cast<std::size_t>(size));
        return static_cast<std::size_t>(size);
    }

    int socket_;
    std::string read_;
    bool is_closed_ = false;
};

}  // namespace earshot::integration
