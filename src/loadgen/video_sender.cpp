#include "loadgen/video_sender.h"

#include <algorithm>
#include <utility>

#include "base/time.h"

namespace earshot::loadgen {

namespace {

using base::Reason;

// As those of MediaSocketPair.
constexpr std::uint32_t kFirstPort = 20000;
constexpr std::uint32_t kPairs = 5000;
constexpr std::chrono::milliseconds kTick{1};
constexpr auto kSlots = static_cast<std::uint64_t>(kPictureTime / kTick);
constexpr std::chrono::milliseconds kIdleWait{100};
constexpr std::uint32_t kReportPictures = 125;  // a sender report each 5 s (RFC 3550 section 6.2)

base::Result<io::UdpPair, Reason> bind_pair(const base::NetAddress& local, base::Random& random) {
    const std::uint32_t first = random.u32() % kPairs;
    for (std::uint32_t i = 0; i < kPairs; ++i) {
        base::NetAddress address = local;
        address.port = static_cast<std::uint16_t>(kFirstPort + 2 * ((first + i) % kPairs));
        auto pair = io::bind_udp_pair(address);
        if (pair) return *std::move(pair);
        if (pair.error().detail != EADDRINUSE) break;
    }
    return Reason{"no_media_ports",
                  "No UDP ports for video could be bound on " + base::host_to_string(local)};
}

// RFC 7983 section 7, RFC 5761 section 4: what comes at one port is told by its first two octets.
bool is_rtp(base::ByteView datagram) {
    if (datagram.size() < 12 || datagram[0] < 128 || datagram[0] > 191) return false;
    const int type = datagram[1] & 0x7f;
    return type < 64 || type > 95;
}

}  // namespace

base::Result<std::unique_ptr<VideoSender>, Reason> VideoSender::create(const Settings& settings,
                                                                       base::Random& random,
                                                                       Callbacks callbacks) {
    // make_unique does not reach a private constructor.
    std::unique_ptr<VideoSender> sender{new VideoSender(std::move(callbacks), settings.dtls)};
    sender->streams_.reserve(settings.streams.size());
    for (std::uint32_t i = 0; i < settings.streams.size(); ++i) {
        const base::NetAddress& local = settings.streams[i].local;
        auto pair = bind_pair(local, random);
        if (!pair) return pair.error();
        VideoStream::Start start;
        start.ssrc = random.u32();
        start.sequence = static_cast<std::uint16_t>(random.u32());
        start.timestamp = random.u32();
        start.cname = "video-" + std::to_string(i) + "@" + base::host_to_string(local);
        start.lose_every = settings.lose_every;
        const VideoPictures& pictures =
            sender->pictures_of(settings.streams[i], settings.bits_per_second);
        sender->streams_.emplace_back(i, *std::move(pair), VideoStream{std::move(start), pictures});
    }
    VideoSender* const self = sender.get();
    sender->thread_ = std::thread([self] { self->run(); });
    return sender;
}

// Drawn when the first stream shows them.
const VideoPictures& VideoSender::pictures_of(const Source& source, std::uint32_t bits_per_second) {
    constexpr unsigned kCameras = 4;  // that look different
    const unsigned camera = source.party % kCameras;
    const unsigned number =
        source.sharing ? kCameras + static_cast<unsigned>(*source.sharing) : camera;
    auto& made = pictures_[number];
    if (made == nullptr)
        made = source.sharing ? std::make_unique<VideoPictures>(*source.sharing)
                              : std::make_unique<VideoPictures>(bits_per_second, camera);
    return *made;
}

VideoSender::~VideoSender() { static_cast<void>(stop()); }

std::vector<VideoFigures> VideoSender::stop() {
    commands_.close();
    if (thread_.joinable()) thread_.join();
    std::vector<VideoFigures> figures;
    figures.reserve(streams_.size());
    for (const Stream& stream : streams_) figures.push_back(stream.video.figures());
    return figures;
}

const base::NetAddress& VideoSender::rtp_address(std::uint32_t stream) const {
    return streams_[stream].sockets.rtp.local_address();
}

bool VideoSender::set_plan(std::uint32_t stream, const VideoPlan& plan) {
    return commands_.try_push({stream, plan});
}

bool VideoSender::want_key_picture(std::uint32_t stream) {
    return commands_.try_push({stream, std::nullopt});
}

void VideoSender::obey(const Command& command) {
    Stream& stream = streams_[command.stream];
    if (!command.plan) {
        stream.video.want_key_picture();
        return;
    }
    if (stream.plan.has_ended) return;
    stream.plan = *command.plan;
    stream.video.set_payload_type(stream.plan.payload_type);
    stream.video.protection().set(stream.plan.security, dtls_, std::chrono::steady_clock::now());
    const bool was_running = std::exchange(stream.is_running, !stream.plan.has_ended);
    if (!stream.plan.has_ended) return;
    if (was_running) report(stream, true);
    callbacks_.on_ended(command.stream);
}

// Deadlines are absolute: after a stall all that is due is sent.
void VideoSender::run() {
    const auto epoch = std::chrono::steady_clock::now();
    std::uint64_t tick = 0;
    while (true) {
        const auto now = std::chrono::steady_clock::now();
        const bool is_idle = !is_any_running();
        const auto due = epoch + static_cast<std::int64_t>(tick) * kTick;
        if (is_idle || due > now) {
            std::chrono::nanoseconds wait = kIdleWait;
            if (!is_idle) wait = due - now;
            if (const auto command = commands_.pop_for(wait)) {
                obey(*command);
            } else if (commands_.is_closed()) {
                return;
            }
            // Nobody sent: that time is not made up for.
            if (is_idle)
                tick =
                    static_cast<std::uint64_t>((std::chrono::steady_clock::now() - epoch) / kTick);
            continue;
        }
        for (std::size_t i = tick % kSlots; i < streams_.size(); i += kSlots) serve(streams_[i]);
        ++tick;
        while (const auto command = commands_.try_pop()) obey(*command);
    }
}

bool VideoSender::is_any_running() const {
    return std::any_of(streams_.begin(), streams_.end(),
                       [](const Stream& stream) { return stream.is_running; });
}

void VideoSender::serve(Stream& stream) {
    if (!stream.is_running) return;
    listen(stream);
    shake_hands(stream);
    if (!stream.plan.sends || !stream.video.protection().may_send())
        return stream.video.skip_picture();
    send(stream, stream.video.next_picture());
    if (--stream.pictures_to_report > 0) return;
    stream.pictures_to_report = kReportPictures;
    report(stream, false);
}

void VideoSender::listen(Stream& stream) {
    listen_to(stream, stream.sockets.rtcp);
    listen_to(stream, stream.sockets.rtp);
}

void VideoSender::listen_to(Stream& stream, io::UdpSocket& socket) {
    const auto now = std::chrono::steady_clock::now();
    while (true) {
        const std::size_t count = socket.receive(batch_);
        for (const io::Datagram& datagram : batch_.datagrams()) {
            if (is_rtp(datagram.bytes)) {
                stream.video.on_heard();
                continue;
            }
            if (datagram.source == stream.plan.rtp)
                stream.video.protection().on_datagram(now, datagram.bytes);
            send(stream, stream.video.on_rtcp(datagram.bytes));
        }
        if (count < batch_.capacity()) return;
    }
}

void VideoSender::shake_hands(Stream& stream) {
    StreamProtection& protection = stream.video.protection();
    protection.on_time(std::chrono::steady_clock::now());
    while (const auto datagram = protection.poll_datagram())
        static_cast<void>(stream.sockets.rtp.send(*datagram, stream.plan.rtp));
    if (const auto fault = protection.take_fault()) callbacks_.on_no_keys(stream.number, *fault);
}

// What the kernel does not take is lost, as on the wire.
void VideoSender::send(Stream& stream, const std::vector<base::Bytes>& packets) {
    for (const base::Bytes& packet : packets)
        static_cast<void>(stream.sockets.rtp.send(packet, stream.plan.rtp));
}

void VideoSender::report(Stream& stream, bool is_last) {
    if (!stream.plan.rtcp) return;
    const base::ByteView report =
        stream.video.sender_report(std::chrono::system_clock::now(), is_last);
    if (report.empty()) return;
    io::UdpSocket& socket = stream.plan.rtcp_mux ? stream.sockets.rtp : stream.sockets.rtcp;
    static_cast<void>(socket.send(report, *stream.plan.rtcp));
}

}  // namespace earshot::loadgen
