// A phone by hand that dials into a conference with a camera and something to share: SIP as text,
// media from a thread of its own. Its pictures are VP8 by their first octets alone; it shows a key
// frame where it is asked for one (RFC 4585), and looks at each packet that it is shown.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "integration/udp_client.h"

namespace earshot::integration {

class VideoPhone {
public:
    enum Line : std::size_t { Voice, Camera, Content, kLines };

    struct Shown {
        std::uint64_t packets = 0;
        std::uint64_t gaps = 0;  // packets whose number was not the next
        std::uint64_t ssrcs = 0;
        bool began_with_key = false;
        std::vector<char> whose{};  // by the names of who was seen, in order, none twice in a row
        std::uint64_t bad_switches = 0;  // not with a key frame
    };

    // `name`: one letter, which its pictures hold. `codec`: of rtpmap; several: "H264,VP8".
    VideoPhone(char name, const std::string& client, std::string room, std::string codec = "VP8");
    VideoPhone(const VideoPhone&) = delete;
    VideoPhone& operator=(const VideoPhone&) = delete;
    ~VideoPhone();

    // Before dial(): it has nothing to show.
    void only_watch() { watches_ = true; }
    // The final answer to its INVITE, which is acknowledged.
    std::string dial();
    // Of its m-lines as the answer has them, by their order.
    const std::vector<std::uint16_t>& ports() const { return ports_; }
    void hang_up();

    void speak(bool does) { speaks_ = does; }
    void show(Line line, bool does) { shows_[line] = does; }
    Shown shown(Line line) const;
    std::uint64_t asked(Line line) const { return asked_[line]; }  // for key frames

private:
    struct Socket {
        int rtp = -1;
        int rtcp = -1;
        std::uint16_t port = 0;
    };
    std::string sdp() const;
    std::string request(const std::string& method, int cseq, const std::string& body) const;
    void run(const std::stop_token& stop);
    void send(Line line, std::uint8_t type, std::uint32_t timestamp, bool marker,
              base::ByteView payload);
    void listen(Line line);
    void look(Line line, base::ByteView packet);

    const char name_;
    const std::string client_;
    const std::string room_;
    const std::string codec_;
    bool watches_ = false;
    UdpClient sip_;
    std::string to_;
    std::array<Socket, kLines> sockets_{};
    std::vector<std::uint16_t> ports_;
    std::array<std::uint16_t, kLines> sequences_{};
    std::array<std::atomic<bool>, kLines> shows_{};
    std::array<std::atomic<bool>, kLines> wants_key_{};
    std::array<std::atomic<std::uint64_t>, kLines> asked_{};
    std::atomic<bool> speaks_{false};
    mutable std::mutex mutex_;
    std::array<Shown, kLines> shown_{};
    std::array<std::uint16_t, kLines> last_{};
    std::array<std::uint32_t, kLines> ssrcs_{};
    std::jthread thread_;
};

}  // namespace earshot::integration
