#include "integration/video_phone.h"

#include <cmath>
#include <numbers>
#include <regex>
#include <sstream>

#include "audio/g711.h"
#include "payload/key_frame.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"
#include "rtp/rtp_packet.h"

namespace earshot::integration {

namespace {

constexpr std::uint8_t kVideoType = 97;

sockaddr_in at_loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int bind_udp(std::uint16_t port) {
    const int opened = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const sockaddr_in own = at_loopback(port);
    if (::bind(opened, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0) return opened;
    ::close(opened);
    return -1;
}

std::uint16_t port_of(int socket) {
    sockaddr_in own{};
    socklen_t size = sizeof own;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size);
    return ntohs(own.sin_port);
}

void send_to(int socket, std::uint16_t port, base::ByteView bytes) {
    const sockaddr_in to = at_loopback(port);
    static_cast<void>(::sendto(socket, bytes.data(), bytes.size(), 0,
                               reinterpret_cast<const sockaddr*>(&to), sizeof to));
}

}  // namespace

VideoPhone::VideoPhone(char name, const std::string& client, std::string room, std::string codec)
    : name_(name),
      client_(client),
      room_(std::move(room)),
      codec_(std::move(codec)),
      sip_(static_cast<std::uint16_t>(std::stoul(client.substr(client.find(':') + 1)))) {
    for (Socket& socket : sockets_)
        while (socket.rtcp < 0) {  // a pair of neighbours
            if (socket.rtp >= 0) ::close(socket.rtp);
            socket.rtp = bind_udp(0);
            socket.port = port_of(socket.rtp);
            socket.rtcp = bind_udp(static_cast<std::uint16_t>(socket.port + 1));
        }
}

VideoPhone::~VideoPhone() {
    thread_ = {};
    for (const Socket& socket : sockets_) {
        ::close(socket.rtp);
        ::close(socket.rtcp);
    }
}

std::string VideoPhone::sdp() const {
    const auto video = [this](Line line) {
        std::string types;
        std::string more;
        std::istringstream codecs(codec_);
        for (std::string codec; std::getline(codecs, codec, ',');) {
            const bool is_looked_at = codec == codec_ || codec == "VP8";
            const std::string type = std::to_string(is_looked_at ? kVideoType : kVideoType + 1);
            types += " " + type;
            more += "a=rtpmap:" + type + " " + codec + "/90000\r\n";
        }
        return "m=video " + std::to_string(sockets_[line].port) + " RTP/AVP" + types + "\r\n" +
               more + "a=rtcp-fb:* nack pli\r\n" + (watches_ ? "a=recvonly\r\n" : "");
    };
    return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio " +
           std::to_string(sockets_[Voice].port) + " RTP/AVP 0\r\n" + video(Camera) +
           video(Content).insert(video(Content).find("\r\n"),
                                 "\r\ni=Slides of " + std::string(1, name_)) +
           "a=content:slides\r\n";
}

std::string VideoPhone::request(const std::string& method, int cseq,
                                const std::string& body) const {
    const std::string own = "127.0.0.1:" + std::to_string(sip_.port());
    const std::string user(1, name_);
    std::string text = method + " " + room_ + " SIP/2.0\r\nVia: SIP/2.0/UDP " + own +
                       ";branch=z9hG4bK" + method + std::to_string(cseq) + user +
                       "\r\nMax-Forwards: 70\r\nFrom: <sip:" + user + "@desk.example>;tag=" + user +
                       "\r\nTo: <" + room_ + ">" + to_ + "\r\nCall-ID: video-" + own +
                       "\r\nCSeq: " + std::to_string(cseq) + " " + method +
                       "\r\nContact: <sip:" + user + "@" + own + ">\r\n";
    if (!body.empty()) text += "Content-Type: application/sdp\r\n";
    return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string VideoPhone::dial() {
    sip_.send(request("INVITE", 1, sdp()));
    std::string answer = sip_.receive();
    while (answer.rfind("SIP/2.0 1", 0) == 0) answer = sip_.receive();
    const std::size_t to = answer.find("\r\nTo:");
    const std::size_t tag = to == std::string::npos ? to : answer.find(";tag=", to);
    if (tag != std::string::npos) to_ = answer.substr(tag, answer.find("\r\n", tag) - tag);
    sip_.send(request("ACK", 1, {}));
    static const std::regex kMedia("m=[a-z]+ ([0-9]+) ");
    for (auto it = std::sregex_iterator(answer.begin(), answer.end(), kMedia);
         it != std::sregex_iterator(); ++it)
        ports_.push_back(static_cast<std::uint16_t>(std::stoi((*it)[1])));
    if (ports_.size() == kLines)
        thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    return answer;
}

void VideoPhone::hang_up() {
    sip_.send(request("BYE", 2, {}));
    static_cast<void>(sip_.receive());
    thread_ = {};
}

VideoPhone::Shown VideoPhone::shown(Line line) const {
    const std::lock_guard lock(mutex_);
    return shown_[line];
}

void VideoPhone::run(const std::stop_token& stop) {
    std::uint32_t turn = 0;
    auto next = std::chrono::steady_clock::now();
    while (!stop.stop_requested()) {
        std::this_thread::sleep_until(next += std::chrono::milliseconds(20));
        std::vector<std::int16_t> tone(160);
        for (std::size_t i = 0; speaks_ && i < tone.size(); ++i)
            tone[i] = static_cast<std::int16_t>(
                8000 * std::sin(2 * std::numbers::pi * 400 * static_cast<double>(i) / 8000));
        base::Bytes speech(tone.size());
        audio::encode_g711(audio::G711Law::Mu, tone, speech);
        send(Voice, 0, turn * 160, false, speech);
        for (const Line line : {Camera, Content}) {
            if (turn % 2 == 0 && shows_[line] && ports_[line] != 0) {
                // Two packets of a picture: S, then the frame tag; who it is stands at the end.
                const bool is_key = wants_key_[line].exchange(false);
                const std::array<std::uint8_t, 14> first{
                    0x10, static_cast<std::uint8_t>(is_key ? 0x10 : 0x11),
                    2,    0,
                    0x9d, 1,
                    0x2a, 64,
                    0,    48,
                    0,    0,
                    0,    static_cast<std::uint8_t>(name_)};
                const std::array<std::uint8_t, 4> second{0, 1, 2, static_cast<std::uint8_t>(name_)};
                send(line, kVideoType, turn * 1800, false, first);
                send(line, kVideoType, turn * 1800, true, second);
            }
            listen(line);
        }
        ++turn;
    }
}

void VideoPhone::send(Line line, std::uint8_t type, std::uint32_t timestamp, bool marker,
                      base::ByteView payload) {
    base::Bytes packet;
    rtp::write_rtp(
        {.payload_type = type,
         .marker = marker,
         .sequence = sequences_[line]++,
         .timestamp = timestamp,
         .ssrc = static_cast<std::uint32_t>(name_ * 16) + static_cast<std::uint32_t>(line)},
        payload, packet);
    send_to(sockets_[line].rtp, ports_[line], packet);
}

void VideoPhone::listen(Line line) {
    std::array<std::uint8_t, 2048> bytes{};
    ssize_t size = 0;
    while ((size = ::recv(sockets_[line].rtp, bytes.data(), bytes.size(), 0)) > 0)
        look(line, {bytes.data(), static_cast<std::size_t>(size)});
    while ((size = ::recv(sockets_[line].rtcp, bytes.data(), bytes.size(), 0)) > 0) {
        const auto packets = rtp::parse_rtcp({bytes.data(), static_cast<std::size_t>(size)});
        if (!packets) continue;
        for (const rtp::RtcpPacket& packet : *packets) {
            const auto* other = std::get_if<rtp::OtherRtcp>(&packet);
            if (other == nullptr || !rtp::parse_feedback(*other).wants_key_frame()) continue;
            ++asked_[line];
            wants_key_[line] = true;
        }
    }
}

void VideoPhone::look(Line line, base::ByteView packet) {
    const auto header = rtp::parse_rtp(packet);
    if (!header || header->payload_type != kVideoType || header->payload_size == 0) return;
    const base::ByteView payload = rtp::rtp_payload(packet, *header);
    const bool is_key = payload::begins_key_frame(payload::VideoCodec::Vp8, payload);
    const std::lock_guard lock(mutex_);
    Shown& shown = shown_[line];
    if (shown.packets == 0) shown.began_with_key = is_key;
    if (shown.packets > 0 && header->sequence != static_cast<std::uint16_t>(last_[line] + 1))
        ++shown.gaps;
    if (shown.packets == 0 || ssrcs_[line] != header->ssrc) ++shown.ssrcs;
    const char whose = static_cast<char>(payload.back());
    if (shown.whose.empty() || shown.whose.back() != whose) {
        shown.whose.push_back(whose);
        if (!is_key) ++shown.bad_switches;
    }
    ++shown.packets;
    last_[line] = header->sequence;
    ssrcs_[line] = header->ssrc;
}

}  // namespace earshot::integration
