#include "integration/voice_phone.h"

#include <opus.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <numbers>
#include <random>
#include <utility>

#include "audio/g711.h"
#include "audio/g722.h"
#include "rtp/rtp_packet.h"

namespace earshot::integration {

namespace {

constexpr std::uint8_t kOpusType = 111;
constexpr double kLoud = 1500;

sockaddr_in at_loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

using Encoder = std::unique_ptr<OpusEncoder, decltype(&::opus_encoder_destroy)>;
using Decoder = std::unique_ptr<OpusDecoder, decltype(&::opus_decoder_destroy)>;

}  // namespace

VoicePhone::VoicePhone(char name, const std::string& client, std::string room, std::string codec,
                       double hz)
    : name_(name),
      room_(std::move(room)),
      codec_(std::move(codec)),
      hz_(hz),
      sip_(static_cast<std::uint16_t>(std::stoul(client.substr(client.find(':') + 1)))),
      socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in own = at_loopback(0);
    socklen_t size = sizeof own;
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) std::abort();
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
    port_ = ntohs(own.sin_port);
}

VoicePhone::~VoicePhone() {
    thread_ = {};
    ::close(socket_);
}

int VoicePhone::rate() const {
    return codec_ == "opus" ? 48'000 : codec_ == "G722" ? 16'000 : 8'000;
}

std::string VoicePhone::request(const std::string& method, int cseq,
                                const std::string& body) const {
    const std::string own = "127.0.0.1:" + std::to_string(sip_.port());
    const std::string user(1, name_);
    std::string text = method + " " + room_ + " SIP/2.0\r\nVia: SIP/2.0/UDP " + own +
                       ";branch=z9hG4bK" + method + std::to_string(cseq) + user +
                       "\r\nMax-Forwards: 70\r\nFrom: <sip:" + user + "@desk.example>;tag=" + user +
                       "\r\nTo: <" + room_ + ">" + to_ + "\r\nCall-ID: voice-" + own +
                       "\r\nCSeq: " + std::to_string(cseq) + " " + method +
                       "\r\nContact: <sip:" + user + "@" + own + ">\r\n";
    if (!body.empty()) text += "Content-Type: application/sdp\r\n";
    return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string VoicePhone::dial() {
    const std::string format =
        codec_ == "opus" ? "111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"
                         : (codec_ == "G722" ? "9\r\n" : "0\r\n");
    sip_.send(request("INVITE", 1,
                      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                      "m=audio " +
                          std::to_string(port_) + " RTP/AVP " + format));
    std::string answer = sip_.receive();
    while (answer.rfind("SIP/2.0 1", 0) == 0) answer = sip_.receive();
    const std::size_t to = answer.find("\r\nTo:");
    const std::size_t tag = to == std::string::npos ? to : answer.find(";tag=", to);
    if (tag != std::string::npos) to_ = answer.substr(tag, answer.find("\r\n", tag) - tag);
    sip_.send(request("ACK", 1, {}));
    const std::size_t media = answer.find("m=audio ");
    if (media == std::string::npos) return answer;
    media_ = static_cast<std::uint16_t>(std::atoi(answer.c_str() + media + 8));
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    return answer;
}

void VoicePhone::hang_up() {
    sip_.send(request("BYE", 2, {}));
    static_cast<void>(sip_.receive());
    thread_ = {};
}

void VoicePhone::forget() {
    const std::lock_guard lock(mutex_);
    heard_.clear();
}

std::size_t VoicePhone::heard() const {
    const std::lock_guard lock(mutex_);
    return heard_.size() / static_cast<std::size_t>(rate() / 50);
}

std::size_t VoicePhone::heard(double hz) const {
    const std::lock_guard lock(mutex_);
    const auto window = static_cast<std::size_t>(rate() / 50);
    std::size_t found = 0;
    for (std::size_t at = 0; at + window <= heard_.size(); at += window) {
        double real = 0;
        double imaginary = 0;
        for (std::size_t i = 0; i < window; ++i) {
            const double phase = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate();
            real += heard_[at + i] * std::cos(phase);
            imaginary += heard_[at + i] * std::sin(phase);
        }
        if (2 * std::hypot(real, imaginary) / static_cast<double>(window) > kLoud) ++found;
    }
    return found;
}

void VoicePhone::run(const std::stop_token& stop) {
    const bool is_opus = codec_ == "opus";
    const auto tick = static_cast<std::size_t>(rate() / 50);
    int error = 0;
    const Encoder encoder(::opus_encoder_create(48'000, 2, OPUS_APPLICATION_VOIP, &error),
                          &::opus_encoder_destroy);
    const Decoder decoder(::opus_decoder_create(48'000, 1, &error), &::opus_decoder_destroy);
    audio::G722Encoder wide_encoder;
    audio::G722Decoder wide_decoder;
    std::mt19937 random(static_cast<unsigned>(name_));
    rtp::RtpHeader header{.payload_type = static_cast<std::uint8_t>(is_opus            ? kOpusType
                                                                    : codec_ == "G722" ? 9
                                                                                       : 0),
                          .ssrc = static_cast<std::uint32_t>(name_)};
    std::size_t said = 0;
    base::Bytes packet;
    auto next = std::chrono::steady_clock::now();
    while (!stop.stop_requested()) {
        std::this_thread::sleep_until(next += std::chrono::milliseconds(20));
        std::vector<std::int16_t> samples;
        for (std::size_t i = 0; i < tick; ++i, ++said) {
            const auto sample = static_cast<std::int16_t>(
                6000 * std::sin(2 * std::numbers::pi * hz_ * static_cast<double>(said) / rate()));
            samples.insert(samples.end(), is_opus ? 2 : 1, sample);
        }
        base::Bytes payload;
        if (is_opus) {
            payload.resize(1500);
            const auto size = ::opus_encode(encoder.get(), samples.data(), static_cast<int>(tick),
                                            payload.data(), 1500);
            payload.resize(static_cast<std::size_t>(size));
        } else if (codec_ == "G722") {
            wide_encoder.encode(samples, payload);
        } else {
            payload.resize(tick);
            audio::encode_g711(audio::G711Law::Mu, samples, payload);
        }
        if (babbles_) {
            payload.resize(random() % 1400);
            for (std::uint8_t& octet : payload) octet = static_cast<std::uint8_t>(random());
        }
        rtp::write_rtp(header, payload, packet);
        ++header.sequence;
        header.timestamp += is_opus ? 960 : 160;
        const sockaddr_in to = at_loopback(media_);
        static_cast<void>(::sendto(socket_, packet.data(), packet.size(), 0,
                                   reinterpret_cast<const sockaddr*>(&to), sizeof to));
        std::array<std::uint8_t, 2048> bytes{};
        ssize_t size = 0;
        while ((size = ::recv(socket_, bytes.data(), bytes.size(), 0)) > 0) {
            const base::ByteView got(bytes.data(), static_cast<std::size_t>(size));
            const auto theirs = rtp::parse_rtp(got);
            if (!theirs || theirs->payload_type != header.payload_type) continue;
            const base::ByteView sound = rtp::rtp_payload(got, *theirs);
            const std::lock_guard lock(mutex_);
            if (codec_ == "G722") {
                wide_decoder.decode(sound, heard_);
                continue;
            }
            std::vector<std::int16_t> decoded(tick);
            if (is_opus) {
                if (::opus_decode(decoder.get(), sound.data(),
                                  static_cast<opus_int32>(sound.size()), decoded.data(),
                                  static_cast<int>(tick), 0) < 0)
                    continue;
            } else {
                decoded.resize(sound.size());
                audio::decode_g711(audio::G711Law::Mu, sound, decoded);
            }
            heard_.insert(heard_.end(), decoded.begin(), decoded.end());
        }
    }
}

}  // namespace earshot::integration
