// A recorded call by hand, with sound (stream 0) and pictures in VP8 (streams 1 and on): what the
// media is was made before, and is sent at its time.
#pragma once

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "integration/udp_client.h"
#include "media/media_test_rig.h"

namespace earshot::integration {

using media::MadePacket;

// Sends datagrams to ports of the server, each from a port of its own.
class RtpSocket {
public:
    RtpSocket() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof own);
        socklen_t size = sizeof own;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin_port);
    }
    RtpSocket(const RtpSocket&) = delete;
    RtpSocket& operator=(const RtpSocket&) = delete;
    ~RtpSocket() { ::close(socket_); }
    std::uint16_t port() const { return port_; }
    void send(std::uint16_t to_port, const base::Bytes& bytes) const {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(to_port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to),
                 sizeof to);
    }

private:
    int socket_;
    std::uint16_t port_ = 0;
};

// The ports of the m= lines of an answer.
inline std::vector<std::uint16_t> ports_of(const std::string& message) {
    std::vector<std::uint16_t> ports;
    for (std::size_t at = message.find("\nm="); at != std::string::npos;
         at = message.find("\nm=", at + 1)) {
        const std::size_t space = message.find(' ', at);
        ports.push_back(static_cast<std::uint16_t>(std::stoi(message.substr(space + 1))));
    }
    return ports;
}

// False: the server did not take it. It has three lines: sound, a camera, a shared screen.
// `headers`: more of them for the INVITE, each with its newline.
inline bool make_call(std::uint16_t sip_port, const std::vector<MadePacket>& packets,
                      const std::string& headers = {}) {
    const UdpClient client(sip_port);
    const std::array<RtpSocket, 3> sockets;
    const std::string dialog = fmt::format(
        "Via: SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bK-{{}};rport\n"
        "From: <sip:made@127.0.0.1>;tag=1\nTo: <sip:rec@127.0.0.1>{{}}\n"
        "Call-ID: made-{}@127.0.0.1\nMax-Forwards: 70\n"
        "Contact: <sip:made@127.0.0.1:{}>;+sip.src\n",
        client.port(), client.port(), client.port());
    const std::string sdp =
        crlf(fmt::format("v=0\no=made 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
                         "m=audio {} RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=sendonly\na=label:1\n"
                         "m=video {} RTP/AVP 96\na=rtpmap:96 VP8/90000\na=sendonly\na=label:2\n"
                         "m=video {} RTP/AVP 96\na=rtpmap:96 VP8/90000\na=sendonly\na=label:3\n"
                         "a=content:slides\n",
                         sockets[0].port(), sockets[1].port(), sockets[2].port()));
    client.send(crlf("INVITE sip:rec@127.0.0.1 SIP/2.0\n" +
                     fmt::format(fmt::runtime(dialog), "a", "") + headers +
                     "CSeq: 1 INVITE\nRequire: siprec\nContent-Type: application/sdp\n"
                     "Content-Length: " +
                     std::to_string(sdp.size()) + "\n\n") +
                sdp);
    const std::string answer = client.receive();
    if (answer.rfind("SIP/2.0 200", 0) != 0) return false;
    const std::vector<std::uint16_t> ports = ports_of(answer);
    if (ports.size() != 3) return false;
    const std::size_t tag = answer.find(";tag=", answer.find("\nTo:"));
    const std::string to_tag = answer.substr(tag, answer.find('\r', tag) - tag);
    client.send(crlf("ACK sip:rec@127.0.0.1 SIP/2.0\n" +
                     fmt::format(fmt::runtime(dialog), "b", to_tag) +
                     "CSeq: 1 ACK\nContent-Length: 0\n\n"));
    const auto begin = std::chrono::steady_clock::now();
    for (const MadePacket& packet : packets) {
        std::this_thread::sleep_until(begin + std::chrono::nanoseconds(packet.header.position_ns));
        sockets.at(packet.header.stream).send(ports[packet.header.stream], packet.bytes);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the last one is read
    client.send(crlf("BYE sip:rec@127.0.0.1 SIP/2.0\n" +
                     fmt::format(fmt::runtime(dialog), "c", to_tag) +
                     "CSeq: 2 BYE\nContent-Length: 0\n\n"));
    client.receive();
    return true;
}

}  // namespace earshot::integration
