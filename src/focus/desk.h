// Runs the mixers and stages of all conferences on one thread of its own: a pair of sockets for
// each line of a participant, which is to the media plane what the callee of a call is, and a clock
// of 20 ms; of 5 ms where there are pictures, which are sent on as they come. What is said in Opus
// is decoded by one child for all rooms, from one tick to the next. The verbs are the signalling
// thread's.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>

#include "base/bounded_queue.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "focus/limits.h"
#include "focus/mixer.h"
#include "focus/source_host.h"
#include "focus/stage.h"
#include "io/clock.h"
#include "io/media_ports.h"
#include "voice/decoder_child.h"

namespace earshot::focus {

using RoomId = std::uint64_t;

// What a room's mixer has done so far. Any thread.
struct RoomCounters {
    std::atomic<std::uint64_t> packets{0};  // sent
    std::atomic<std::uint64_t> taken{0};    // of the voices
    std::atomic<std::uint64_t> late{0};
    std::atomic<std::uint64_t> passed_over{0};
    std::atomic<MemberId> speaker{0};
    struct Stage {
        std::atomic<MemberId> shown{0};
        std::atomic<std::uint64_t> packets{0};   // sent
        std::atomic<std::uint64_t> requests{0};  // for key frames
        std::atomic<std::uint64_t> vain{0};      // of these in a row, without one
    };
    std::array<Stage, kPictures> stages{};  // by index_of()
};

class Desk {
public:
    struct Options {
        bool ipv6 = false;      // of the sockets
        base::NetAddress host;  // where they are reached; the port is not read
        // Called on the desk's thread when another one speaks.
        std::function<void(RoomId room, MemberId speaker)> on_speaker{};
        // The same when another one's pictures are shown; 0: nobody's.
        std::function<void(RoomId room, Picture picture, MemberId shown)> on_shown{};
        std::string decoder{};  // the path of earshot-opus
        // The same when something is wrong with it; it is started again.
        std::function<void(const base::Reason& why)> on_decoder{};
    };
    // `ports`, `clock` and `random` must outlive it; `random` is used by the verbs alone.
    Desk(Options options, io::MediaPorts& ports, const io::Clock& clock, base::Random& random);
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;
    ~Desk();

    // Where our media goes, and which it is.
    struct Place {
        base::NetAddress rtp;
        base::NetAddress rtcp;  // port 0: nobody takes our reports
        MemberLine line;
    };

    std::shared_ptr<const RoomCounters> open(RoomId room);
    void close(RoomId room);

    // The address at which this member's media is taken from now on; nothing is mixed before set().
    // Reasons: no_media_ports, media_socket, too_many_members, overloaded. `cname` names its voice
    // to all others by RTCP (RFC 3550 section 7.1), and to a recording server whose CSRC it is;
    // `csrc` is that, of its voice and of its pictures.
    base::Result<base::NetAddress, base::Reason> add(RoomId room, MemberId member,
                                                     std::string cname, std::uint32_t csrc);
    // One that hears all voices, for a recording. Its stream is of this format.
    base::Result<base::NetAddress, base::Reason> add_recorder(RoomId room, MemberId member,
                                                              std::string cname, MixFormat format);
    // A line of video of one who is in it, or of a recording; reasons as of add().
    base::Result<base::NetAddress, base::Reason> add_picture(RoomId room, MemberId member,
                                                             Picture picture);
    void set(RoomId room, MemberId member, Place place);
    void set_picture(RoomId room, MemberId member, Picture picture, Stage::Place place);
    void remove(RoomId room, MemberId member);  // with its pictures
    void remove_picture(RoomId room, MemberId member, Picture picture);
    void mute(RoomId room, MemberId member, bool is_muted);
    void play(RoomId room, MemberId member, relay::SoundPtr sound);
    void chime(RoomId room, relay::SoundPtr sound);

    const base::NetAddress& host() const { return options_.host; }
    bool speaks_opus() const { return speaks_opus_; }  // it has a decoder
    // What found no room with the thread, in order, is tried again with each verb and by who calls
    // this now and then.
    void retry();
    std::uint64_t postponed() const { return postponed_; }  // so far

private:
    struct Open {
        RoomId room = 0;
        std::shared_ptr<RoomCounters> counters;
    };
    struct Close {
        RoomId room = 0;
    };
    struct Add {
        RoomId room = 0;
        MemberId member = 0;
        std::optional<io::UdpPair> pair{};
        std::string cname{};
        std::uint32_t csrc = 0;
        StreamIdentity own{};
        std::optional<MixFormat> recorder{};
    };
    struct AddPicture {
        RoomId room = 0;
        MemberId member = 0;
        Picture picture{};
        std::optional<io::UdpPair> pair{};
        StreamIdentity own{};
    };
    struct SetPicture {
        RoomId room = 0;
        MemberId member = 0;
        Picture picture{};
        Stage::Place place;
    };
    struct RemovePicture {
        RoomId room = 0;
        MemberId member = 0;
        Picture picture{};
    };
    struct Set {
        RoomId room = 0;
        MemberId member = 0;
        Place place;
    };
    struct Remove {
        RoomId room = 0;
        MemberId member = 0;
    };
    struct Mute {
        RoomId room = 0;
        MemberId member = 0;
        bool is_muted = false;
    };
    struct Play {
        RoomId room = 0;
        MemberId member = 0;  // 0: all of them, once
        relay::SoundPtr sound;
    };
    using Command = std::variant<Open, Close, Add, Set, Remove, Mute, Play, AddPicture, SetPicture,
                                 RemovePicture>;

    // On the thread.
    struct Seat {
        io::UdpPair pair;
        std::string cname;
        std::uint32_t csrc = 0;
        base::NetAddress rtp{};
        base::NetAddress rtcp{};
        base::TimePoint next_report{};
        std::uint64_t last_named = 0;  // of the others, by RTCP
        SourceHost host{};
    };
    struct Room {
        Mixer mixer;
        std::array<Stage, kPictures> stages{Stage(Picture::Camera), Stage(Picture::Content)};
        std::shared_ptr<RoomCounters> counters;
        std::map<MemberId, Seat> seats;
    };

    base::Result<base::NetAddress, base::Reason> seat(Add add);
    base::Result<io::UdpPair, base::Reason> take_ports();
    StreamIdentity make_identity();
    base::NetAddress place_of(const io::UdpPair& pair) const;
    bool give(Command& command);  // false: it is as it was
    void give_sometime(Command command);
    void run();
    void on(Open& command);
    void on(Close& command);
    void on(Add& command);
    void on(Set& command);
    void on(Remove& command);
    void on(Mute& command);
    void on(Play& command);
    void on(AddPicture& command);
    void on(SetPicture& command);
    void on(RemovePicture& command);
    bool has_pictures() const;
    Room* find(RoomId room);
    void turn(RoomId id, Room& room, base::Now now, io::DatagramBatch& batch);
    void show(RoomId id, Room& room, base::Now now, io::DatagramBatch& batch);
    void report(Room& room, MemberId member, Seat& seat, base::Now now, bool is_last);
    void release(io::UdpPair& pair);
    void take_decoded(base::TimePoint now);
    void decode(RoomId id, const Room& room, base::TimePoint now);
    void forget(RoomId room, MemberId member);

    const Options options_;
    const bool speaks_opus_;
    io::MediaPorts& ports_;
    const io::Clock& clock_;
    base::Random& random_;
    std::unordered_map<RoomId, std::size_t> known_;  // members, by the verbs
    std::deque<Command> waiting_;
    std::uint64_t postponed_ = 0;
    base::BoundedQueue<Command> commands_{kMaxCommands};
    std::map<RoomId, Room> rooms_;
    base::Bytes report_;
    voice::DecoderChild decoder_;
    std::vector<std::int16_t> decoded_;
    std::jthread thread_;  // last: it uses all of the above
};

}  // namespace earshot::focus
