// The thread that sends the video of all calls: each stream has sockets of its own, which it reads,
// and a turn every 40 ms, the streams spread evenly over that time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/udp_socket.h"
#include "loadgen/video_stream.h"

namespace earshot::loadgen {

// What signalling tells of one stream: where it goes, and whether.
struct VideoPlan {
    bool sends = false;
    bool has_ended = false;  // RTCP BYE, then nothing more
    base::NetAddress rtp;
    std::optional<base::NetAddress> rtcp;
    std::uint8_t payload_type = 96;
    LineSecurity security{};
    bool rtcp_mux = false;  // RTCP shares RTP's port
    friend bool operator==(const VideoPlan&, const VideoPlan&) = default;
};

class VideoSender {
public:
    struct Source {
        unsigned party = 0;                // whose camera it is
        std::optional<Sharing> sharing{};  // what is shared; nothing: the camera
        base::NetAddress local{};          // the host of its sockets
    };
    struct Settings {
        std::vector<Source> streams{};
        std::uint32_t bits_per_second = 0;
        std::uint32_t lose_every = 0;              // VideoStream::Start
        const srtp::DtlsIdentity* dtls = nullptr;  // for plans that want it; borrowed
    };
    struct Callbacks {
        // The last packet of a stream whose plan says so has gone out.
        std::function<void(std::uint32_t stream)> on_ended;
        // Its handshake has failed, by DtlsFault's word: it sends nothing.
        std::function<void(std::uint32_t stream, std::string_view fault)> on_no_keys;
    };
    // Errors: no_media_ports. The callbacks are called on the sender's thread.
    static base::Result<std::unique_ptr<VideoSender>, base::Reason> create(const Settings& settings,
                                                                           base::Random& random,
                                                                           Callbacks callbacks);
    VideoSender(const VideoSender&) = delete;
    VideoSender& operator=(const VideoSender&) = delete;
    ~VideoSender();

    const base::NetAddress& rtp_address(std::uint32_t stream) const;
    bool set_plan(std::uint32_t stream, const VideoPlan& plan);  // false: too many commands wait
    bool want_key_picture(std::uint32_t stream);
    std::vector<VideoFigures> stop();  // ends the thread; of each stream

private:
    struct Command {
        std::uint32_t stream = 0;
        std::optional<VideoPlan> plan;  // nothing: a key picture is wanted
    };
    struct Stream {
        Stream(std::uint32_t own_number, io::UdpPair pair, VideoStream made)
            : number(own_number), sockets(std::move(pair)), video(std::move(made)) {}
        std::uint32_t number;
        io::UdpPair sockets;
        VideoStream video;
        VideoPlan plan{};
        std::uint32_t pictures_to_report = 1;
        bool is_running = false;
    };
    VideoSender(Callbacks callbacks, const srtp::DtlsIdentity* dtls)
        : callbacks_(std::move(callbacks)), dtls_(dtls) {}
    void run();
    bool is_any_running() const;
    void obey(const Command& command);
    void serve(Stream& stream);
    void listen(Stream& stream);
    void listen_to(Stream& stream, io::UdpSocket& socket);
    void shake_hands(Stream& stream);
    static void send(Stream& stream, const std::vector<base::Bytes>& packets);
    static void report(Stream& stream, bool is_last);

    const Callbacks callbacks_;
    const srtp::DtlsIdentity* const dtls_;
    const VideoPictures& pictures_of(const Source& source, std::uint32_t bits_per_second);

    std::map<unsigned, std::unique_ptr<VideoPictures>> pictures_;  // as pictures_of() numbers them
    std::vector<Stream> streams_;
    io::DatagramBatch batch_{32, 2048};
    base::BoundedQueue<Command> commands_{65'536};
    std::thread thread_;  // last: it uses all others
};

}  // namespace earshot::loadgen
