// Shared screens of calls, on a thread of its own: TCP from the viewer to the screen's side and
// back, as each says it, and a copy of both directions to a child, `earshot-screen`, that makes
// video of it. What the child makes goes as RTP to the relay, as if a camera sent it.
//
//   viewer <-TCP-> [desk] <-TCP-> screen's side
//                     | both directions (rfb/tap_stream.h)
//                     v
//               earshot-screen --VP8--> [desk] --RTP--> relay's port that faces the screen's side
//
// The parties' octets wait for nobody but each other: a child that dies or falls behind ends the
// video, with a reason, and nothing else. The child follows from the first octet on, recorded or
// not: nobody can begin in the middle of a session. It makes pictures only while somebody records.
// The verbs are the signalling thread's.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/file_descriptor.h"
#include "io/udp_socket.h"
#include "relay/limits.h"
#include "relay/media_plane.h"
#include "rfb/byte_queue.h"

namespace earshot::relay {

// What becomes of a share.
struct ScreenEvent {
    enum class Kind : std::uint8_t {
        Connected,    // the two parties are, and it is followed
        NotRecorded,  // it goes on between the parties, and is not recorded: `reason`
        Ended         // their connection
    };
    Kind kind = Kind::Connected;
    std::size_t line = 0;  // of the call's descriptions
    base::Reason reason{};
};
using ScreenTold = std::function<void(CallKey call, const ScreenEvent& event)>;

class ScreenDesk {
public:
    struct Options {
        base::NetAddress bind_host;                       // of TCP and RTP; port ignored
        std::optional<base::NetAddress> other_bind_host;  // of the other IP family
        std::uint16_t first_port = 0;                     // of TCP listeners
        std::uint16_t last_port = 0;
        std::string program;                             // the path of earshot-screen
        std::chrono::milliseconds stall = kScreenStall;  // in which it has to do something
        // Has work done on the signalling thread. What is not done when the desk ends must not be
        // done later.
        std::function<void(std::function<void()>)> post;
    };
    // `clock` and `random` must outlive it; `random` is used by the verbs alone.
    ScreenDesk(Options options, const io::Clock& clock, base::Random& random);
    ScreenDesk(const ScreenDesk&) = delete;
    ScreenDesk& operator=(const ScreenDesk&) = delete;
    ~ScreenDesk();

    void when_told(ScreenTold told) { told_ = std::move(told); }

    struct Opened {
        std::uint64_t screen = 0;
        std::array<std::uint16_t, 2> tcp_ports{};  // by the leg that they face
        base::NetAddress rtp;                      // where its video comes from
        std::uint16_t rtcp_port = 0;
        base::NetAddress sink;  // where what the relay passes on to the viewer's side is lost
    };
    // Reasons: too_many_screens, no_media_ports, media_socket.
    base::Result<Opened, base::Reason> open(CallKey call, std::size_t line, bool ipv6);
    // What a leg has said of itself: where it takes connections (unspecified: it makes them), and
    // from which hosts it may make them.
    void set_leg(std::uint64_t screen, Leg leg, const base::NetAddress& listens_at,
                 std::vector<base::NetAddress> hosts);
    void set_sharer(std::uint64_t screen, Leg sharer);
    // Where the relay takes its video.
    void send_to(std::uint64_t screen, const base::NetAddress& rtp, const base::NetAddress& rtcp);
    // Somebody records, from a key frame on; or nobody does.
    void set_recorded(std::uint64_t screen, bool is_recorded);
    // It passes and nothing is made of it, from now on and for this reason; or again it may be,
    // from the next connection on.
    void set_private(std::uint64_t screen, std::optional<base::Reason> why);
    void close(std::uint64_t screen);
    void tell(CallKey call, ScreenEvent event);  // on the signalling thread, later

private:
    class Screen;
    using Command = std::function<void()>;

    base::Result<std::array<std::vector<io::FileDescriptor>, 2>, base::Reason> listen(
        std::array<std::uint16_t, 2>& ports);
    base::Result<std::vector<io::FileDescriptor>, base::Reason> listen_once(std::uint16_t& port);
    void give(Command command);
    void run();

    const Options options_;
    const io::Clock& clock_;
    base::Random& random_;
    ScreenTold told_;
    std::uint64_t last_id_ = 0;
    std::size_t open_ = 0;

    std::mutex mutex_;
    std::vector<Command> commands_;
    bool is_over_ = false;
    io::FileDescriptor wake_;

    std::map<std::uint64_t, std::unique_ptr<Screen>> screens_;  // the thread's
    std::jthread thread_;                                       // from the first screen on
};

}  // namespace earshot::relay
