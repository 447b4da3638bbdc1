// Mixes sessions to one stream each (session_mixer.h), on a thread of its own: sockets that receive
// the copies of what the parties send, as a recording server would, and a pair that sends the mix.
// So it works with every media plane, and no packet of a call ever waits for it. It looks by the
// clock, every 10 ms. The verbs are the signalling thread's.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/bounded_queue.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/clock.h"
#include "io/media_ports.h"
#include "relay/limits.h"
#include "relay/session_mixer.h"

namespace earshot::relay {

// What a mix has done so far. Any thread.
struct MixCounters {
    std::atomic<std::uint64_t> packets{0};  // sent
    std::atomic<std::uint64_t> taken{0};    // of the voices
    std::atomic<std::uint64_t> late{0};
    std::atomic<std::uint64_t> passed_over{0};
    std::atomic<std::uint64_t> voices{0};  // now
};

class MixDesk {
public:
    struct Options {
        bool ipv6 = false;      // of the sockets
        base::NetAddress host;  // where they are reached; the port is not read
    };
    // `ports`, `clock` and `random` must outlive it; `random` is used by the verbs alone.
    MixDesk(Options options, io::MediaPorts& ports, const io::Clock& clock, base::Random& random)
        : options_(options), ports_(ports), clock_(clock), random_(random) {}
    MixDesk(const MixDesk&) = delete;
    MixDesk& operator=(const MixDesk&) = delete;
    ~MixDesk();

    struct Opened {
        std::uint64_t mix = 0;
        std::uint16_t port = 0;  // of RTP; RTCP's is the next
        std::uint32_t ssrc = 0;
        std::shared_ptr<const MixCounters> counters;
    };
    // Reasons: no_media_ports, media_socket, too_many_mixes, overloaded.
    base::Result<Opened, base::Reason> open(std::string cname);
    // Where it goes; `rtp` unspecified: nowhere, and what is said meanwhile is gone.
    void send_to(std::uint64_t mix, const base::NetAddress& rtp, const base::NetAddress& rtcp,
                 MixFormat format);
    void close(std::uint64_t mix);

    struct Voice {
        std::uint64_t input = 0;
        base::NetAddress rtp;  // where its packets are to be sent
    };
    // `cname` tells by RTCP whose voice the CSRC is. Reasons: the same, too_many_voices,
    // unknown_mix.
    base::Result<Voice, base::Reason> add_voice(std::uint64_t mix, std::vector<MixFormat> formats,
                                                std::string cname);
    void end_voice(std::uint64_t mix, std::uint64_t input);

    // What found no room with the thread, in order, is tried again: with each verb, and by who
    // calls this now and then. open() and add_voice() fail instead; nothing else is ever lost.
    void retry();
    std::uint64_t postponed() const { return postponed_; }  // so far

private:
    struct OpenMix {
        std::uint64_t mix = 0;
        io::UdpPair pair;
        SessionMixer::Identity own;
        std::string cname;
        std::shared_ptr<MixCounters> counters;
    };
    struct SendTo {
        std::uint64_t mix = 0;
        base::NetAddress rtp;
        base::NetAddress rtcp;
        MixFormat format;
    };
    struct CloseMix {
        std::uint64_t mix = 0;
    };
    struct AddVoice {
        std::uint64_t mix = 0;
        std::uint64_t input = 0;
        io::UdpPair pair;
        std::vector<MixFormat> formats;
        std::uint32_t csrc = 0;
        std::string cname;
    };
    struct EndVoice {
        std::uint64_t mix = 0;
        std::uint64_t input = 0;
    };
    using Command = std::variant<OpenMix, SendTo, CloseMix, AddVoice, EndVoice>;

    // On the thread.
    struct Input {
        io::UdpPair pair;
        std::uint32_t csrc = 0;
        std::string cname;
    };
    struct Mix {
        SessionMixer mixer;
        io::UdpPair pair;
        std::string cname;
        std::shared_ptr<MixCounters> counters;
        std::map<std::uint64_t, Input> inputs;
        base::NetAddress rtp;  // unspecified: nothing is sent
        base::NetAddress rtcp;
        base::TimePoint next_tick{};
        base::TimePoint next_report{};
        base::TimePoint last_sent{};
        std::uint64_t last_told = 0;  // of the inputs, by RTCP
    };
    // What the verbs know of a mix.
    struct Known {
        std::size_t voices = 0;
    };

    bool give(Command& command);  // false: it is as it was
    void give_sometime(Command command);
    void run();
    void obey(Command& command);
    void on(OpenMix& command);
    void on(SendTo& command);
    void on(CloseMix& command);
    void on(AddVoice& command);
    void on(EndVoice& command);
    void turn(Mix& mix, base::Now now, io::DatagramBatch& batch);
    static void read(Mix& mix, io::DatagramBatch& batch);
    void tick(Mix& mix, base::TimePoint now);
    static void report(Mix& mix, base::Now now, bool is_last);
    void release(io::UdpPair& pair);

    const Options options_;
    io::MediaPorts& ports_;
    const io::Clock& clock_;
    base::Random& random_;
    std::map<std::uint64_t, Known> known_;
    std::uint64_t last_id_ = 0;
    std::deque<Command> waiting_;  // for room in commands_
    std::uint64_t postponed_ = 0;
    base::BoundedQueue<Command> commands_{kMaxMixCommands};
    std::unordered_map<std::uint64_t, Mix> mixes_;
    base::Bytes packet_;
    std::jthread thread_;  // from the first mix on
};

}  // namespace earshot::relay
