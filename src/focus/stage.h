// What is seen in a conference: its cameras, or what is shared in it. A pair of sockets for each
// member's line of video, the Forwarder between them, and who is chosen. Belongs to the desk's
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/net_address.h"
#include "base/time.h"
#include "focus/choice.h"
#include "focus/forwarder.h"
#include "focus/source_host.h"
#include "io/udp_socket.h"

namespace earshot::focus {

enum class Picture : std::uint8_t { Camera, Content };
inline constexpr std::size_t kPictures = 2;
inline constexpr std::array<Picture, kPictures> kAllPictures{Picture::Camera, Picture::Content};
constexpr std::size_t index_of(Picture picture) { return static_cast<std::size_t>(picture); }

class Stage {
public:
    // Where the pictures of a member go, and which they are.
    struct Place {
        base::NetAddress rtp{};
        base::NetAddress rtcp{};  // port 0: nobody takes our reports and requests
        PictureLine line{};
    };
    struct Newcomer {
        io::UdpPair pair;
        std::string cname{};
        std::uint32_t csrc = 0;  // 0: a recording
        StreamIdentity own{};
    };

    explicit Stage(Picture which) : which_(which) {}

    // What it holds back is to be closed by the caller: it is there already, or there are too many.
    std::optional<io::UdpPair> add(MemberId member, Newcomer newcomer);
    void set(MemberId member, const Place& place);
    std::optional<io::UdpPair> remove(base::Now now, MemberId member);
    // Says goodbye to all.
    void end(base::Now now);
    std::optional<MemberId> any_member() const;
    bool is_empty() const { return seats_.empty(); }

    // Sends on what has come, reports, asks for key frames. `speaker`: who speaks now.
    void turn(base::Now now, MemberId speaker, io::DatagramBatch& batch);
    MemberId shown() const { return forwarder_.main(); }  // 0: nobody
    Forwarder::Counters counters() const { return forwarder_.counters(); }

private:
    struct Seat {
        io::UdpPair pair;
        std::string cname{};
        std::uint32_t csrc = 0;
        base::NetAddress rtp{};
        base::NetAddress rtcp{};
        base::TimePoint next_report{};
        SourceHost host{};
    };
    void receive(base::Now now, MemberId member, Seat& seat, io::DatagramBatch& batch);
    void choose(base::Now now, MemberId speaker);
    void ask(base::Now now);
    void report(base::Now now, MemberId member, Seat& seat, bool is_last);

    Picture which_;
    Forwarder forwarder_;
    SpeakerChoice cameras_;
    FloorChoice content_;
    std::map<MemberId, Seat> seats_;
    base::Bytes report_;
};

}  // namespace earshot::focus
