// A recording client by hand: one UDP socket, messages as text.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "integration/harness.h"

namespace earshot::integration {

// One UDP socket that speaks SIP by hand.
class UdpClient {
public:
    explicit UdpClient(std::uint16_t server_port)
        : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(server_port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to);
        sockaddr_in own{};
        socklen_t size = sizeof own;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin_port);
    }
    UdpClient(const UdpClient&) = delete;
    UdpClient& operator=(const UdpClient&) = delete;
    ~UdpClient() { ::close(socket_); }

    std::uint16_t port() const { return port_; }
    void send(const std::string& message) const {
        EXPECT_EQ(::send(socket_, message.data(), message.size(), 0),
                  static_cast<ssize_t>(message.size()));
    }
    // The next datagram whose status line is not 100; empty when none comes.
    std::string receive(int limit_ms = 5000) const {
        for (;;) {
            pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
            if (::poll(&ready, 1, limit_ms) <= 0) return {};
            std::string bytes(65536, '\0');
            const ssize_t size = ::recv(socket_, bytes.data(), bytes.size(), 0);
            if (size <= 0) continue;
            bytes.resize(static_cast<std::size_t>(size));
            if (bytes.rfind("SIP/2.0 100", 0) != 0) return bytes;
        }
    }

private:
    int socket_;
    std::uint16_t port_ = 0;
};

inline std::string crlf(std::string text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') out += '\r';
        out += c;
    }
    return out;
}

inline std::string invite(const UdpClient& client, const std::string& call_id,
                          const std::string& content_type, const std::string& body,
                          const std::string& headers = {}) {
    const std::string own = "127.0.0.1:" + std::to_string(client.port());
    return crlf(
               "INVITE sip:recorder@127.0.0.1 SIP/2.0\n"
               "Via: SIP/2.0/UDP " +
               own + ";branch=z9hG4bK" + call_id +
               "\n"
               "Max-Forwards: 70\n"
               "From: <sip:client@" +
               own + ">;tag=a" + call_id +
               "\n"
               "To: <sip:recorder@127.0.0.1>\n"
               "Call-ID: " +
               call_id +
               "\n"
               "CSeq: 1 INVITE\n"
               "Contact: <sip:client@" +
               own +
               ">;+sip.src\n"
               "Require: siprec\n" +
               headers + "Content-Type: " + content_type +
               "\n"
               "Content-Length: ") +
           std::to_string(crlf(body).size()) + "\r\n\r\n" + crlf(body);
}

inline const char* const kSdp =
    "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=audio 40000 RTP/AVP 0\na=sendonly\na=label:1\n";

// The value of the first header of that name; empty when there is none.
inline std::string header_of(const std::string& message, const std::string& name) {
    const auto at = message.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 4;
    return message.substr(begin, message.find("\r\n", begin) - begin);
}

// An answer without a body to a request of the server.
inline std::string answer_to(const std::string& request, const std::string& status,
                             const std::string& headers = {}) {
    std::string text = "SIP/2.0 " + status + "\r\n";
    for (const char* name : {"Via", "From", "To", "Call-ID", "CSeq"})
        text += std::string(name) + ": " + header_of(request, name) + "\r\n";
    return text + crlf(headers) + "Content-Length: 0\r\n\r\n";
}

// A request of the client in the dialog that `answer` (a 200 to its INVITE) made.
inline std::string in_dialog(const UdpClient& client, const std::string& answer,
                             const std::string& method, int cseq, const std::string& headers = {},
                             const std::string& body = {}) {
    const std::string own = "127.0.0.1:" + std::to_string(client.port());
    return method + " sip:recorder@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP " + own +
           ";branch=z9hG4bK" + method + std::to_string(cseq) + header_of(answer, "Call-ID") +
           "\r\nMax-Forwards: 70\r\nFrom: " + header_of(answer, "From") +
           "\r\nTo: " + header_of(answer, "To") + "\r\nCall-ID: " + header_of(answer, "Call-ID") +
           "\r\nCSeq: " + std::to_string(cseq) + " " + method + "\r\nContact: <sip:client@" + own +
           ">;+sip.src\r\n" + crlf(headers) +
           "Content-Length: " + std::to_string(crlf(body).size()) + "\r\n\r\n" + crlf(body);
}

}  // namespace earshot::integration
