// The media of calls as signalling sees them: session descriptions go in as text, and come out as
// the other side is to see them. Offers pass through offer(), answers through answer(), and a
// recording session subscribes to what the legs of a call send (RFC 7866). The verbs are those of
// RTPEngine's NG protocol, so that a relay of others fits behind them.
//
// All of it belongs to the signalling thread, the callbacks too: they run before the verb returns,
// or later on that thread; after remove() none of that call's runs any more. Calls in the order of
// the dialog: what is said of a call is obeyed in the order in which it was said.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "relay/sound.h"

namespace earshot::relay {

enum class Leg : std::uint8_t { A, B };  // A is who called
constexpr Leg other(Leg leg) { return leg == Leg::A ? Leg::B : Leg::A; }
constexpr std::size_t index_of(Leg leg) { return static_cast<std::size_t>(leg); }

// Given by the user; unique in the process.
struct CallKey {
    std::uint64_t value = 0;  // NOLINTNEXTLINE(modernize-use-nullptr): the compiler's own 0
    friend auto operator<=>(const CallKey&, const CallKey&) = default;
};

// What a leg says of its media. Borrowed for the call of the verb.
struct LegSdp {
    Leg from = Leg::A;
    std::string_view text;
    // The host that signalled it, where that is known: media from there counts as media from the
    // address in the description does (behind NAT the two differ). Its port is not read.
    base::NetAddress signalled_by{};
    // Who is told is on our side of the NAT that we are behind: not what is advertised beyond it.
    bool is_told_inside = false;
};

// The description as the other leg is to see it.
using SdpDone = std::function<void(base::Result<std::string, base::Reason>)>;
using PlaneDone = std::function<void(base::Result<base::Done, base::Reason>)>;

// How chats go on the m-lines of a recording session: each on one of its own, on one that another
// chat has left, or several on one, told apart by the wrapper's rs.Stream-ID.
enum class ChatMapping : std::uint8_t { Session, Reuse, Mux };
struct ChatLines {
    ChatMapping mapping = ChatMapping::Session;
    // Of a recording session that calls share: the same in all of them, and gone when that is;
    // null: it is this one's own.
    std::shared_ptr<const void> session{};
    // The stream's id in the metadata, by the name of its SubscribedStream.
    std::function<std::string(std::string_view name)> stream_id{};
};
// Labels of such lines are the same in all subscriptions that share them, and those that another
// chat may get stay when theirs has ended.
inline constexpr std::string_view kMuxLabel = "chats-";
inline constexpr std::string_view kReusedLabel = "chatline-";
inline bool is_common_label(std::string_view label) {
    return label.starts_with(kMuxLabel) || label.starts_with(kReusedLabel);
}

struct SubscribeOptions {
    bool is_paused = false;          // all streams inactive; nothing leaves, from now on
    std::optional<Leg> only;         // what one leg sends; else both
    std::vector<std::string> media;  // "audio", "video"; empty: all
    bool leaves_content = false;     // no lines of what is shared (a=content:slides)
    std::string address;  // literal, told as c= instead of the relay's own; empty: its own
    // How long the streams' last packets are kept in memory, to be given to a server that takes
    // another one's place (Stop::ServerLost), and to the first one what came before its answer.
    // Zero: nothing is kept.
    std::chrono::milliseconds keep{};
    // Who is at each leg, by index_of(): name-addr, for copies of messages; empty: not known.
    std::array<std::string, 2> parties{};
    ChatLines chats{};
};
// What every plane refuses in them: bad_address.
std::optional<base::Reason> find_fault(const SubscribeOptions& options);

// Why nothing is to leave any more. After ServerLost the next answer is another server's: what has
// been kept goes there, too. What comes while a stop was Wanted (a pause) never leaves later.
enum class Stop : std::uint8_t { Wanted, ServerLost };

struct SubscribedStream {
    std::string label;  // a=label, unique in the subscription for good, but for common ones
    Leg from = Leg::A;
    std::size_t line = 0;     // number of the m-line in the call's own descriptions
    std::size_t place = 0;    // number of the m-line in the subscription's offer
    std::string media;        // "audio"
    bool is_active = false;   // the leg may send: not held
    std::string content{};    // a=content of who sends it (RFC 4796)
    std::string title{};      // and what it calls it: i= of its line
    std::string sharing{};    // screen, application or document, where that is known
    bool is_of_both = false;  // a chat, but no file: both legs send in it, `from` means nothing
    std::string name{};       // of the stream, unique for good; empty: its label
};

struct Subscription {
    // One m-line a stream, sendonly or inactive, with a=label. A stream keeps its place; one that
    // ended leaves port 0 there, which a later one may take. The version of o= is raised with each
    // change; the same text means that nothing changed.
    std::string offer;
    std::vector<SubscribedStream> streams;  // those whose port is not 0, in the order of the offer
    // Why not all that is wanted of the call is offered; empty: it is.
    base::Reason left_out{};
    // For on_metadata_told().
    std::uint64_t serial = 0;
};

using SubscriptionDone = std::function<void(base::Result<Subscription, base::Reason>)>;

// The server of a subscription seems to be dead: its host refuses the media of all its streams
// (media_refused), or has for the first time refused a packet of one (media_refusal), which means
// something only together with others; or its RTCP has ceased (rtcp_ceased). Each is told once for
// each answer.
using ServerSilent =
    std::function<void(CallKey call, std::uint32_t subscription, const base::Reason& reason)>;

// What passed, since the beginning.
struct PacketCount {
    std::uint64_t packets = 0;            // taken from a leg or server; given to the kernel to send
    std::uint64_t octets = 0;             // of them, UDP payload
    std::uint64_t dropped = 0;            // not taken (another source, no RTP), or could not leave
    std::optional<base::TimePoint> last;  // when the last one came (or left), to a millisecond
};

struct LegMedia {
    PacketCount rtp;  // from this leg
    PacketCount rtcp;
    base::NetAddress announced;  // where its description says that it receives
    base::NetAddress heard_at;   // where its media comes from, and ours goes; unspecified: not yet
};

struct LineMedia {
    std::size_t line = 0;
    std::string media;
    std::array<LegMedia, 2> legs;  // by index_of()
    // Both may send, one has been heard, the other has not for 5 s.
    std::optional<Leg> silent;
};

struct ForkMedia {
    std::uint32_t subscription = 0;
    std::string label;
    Leg from = Leg::A;
    std::size_t line = 0;
    bool is_open = false;       // packets are sent
    base::NetAddress to;        // the recording server's RTP
    PacketCount rtp;            // sent
    PacketCount rtcp;           // sent
    PacketCount from_server;    // RTCP; what concerns the leg is passed on to it
    PacketCount replayed{};     // of rtp: had been kept (SubscribeOptions::keep)
    bool is_replaying = false;  // and more of that is to come, kReplayRest after its line at most
};

struct CallMedia {
    std::vector<LineMedia> lines;  // RTP, not ended
    std::vector<ForkMedia> forks;
};

class MediaPlane {
public:
    MediaPlane() = default;
    MediaPlane(const MediaPlane&) = delete;
    MediaPlane& operator=(const MediaPlane&) = delete;
    virtual ~MediaPlane() = default;

    // The first offer makes the call; every next one replaces an offer that is not answered.
    // Reasons: sdp_malformed, no_media_ports, media_socket, no_descriptors, too_many_calls,
    // overloaded.
    virtual void offer(CallKey call, const LegSdp& sdp, SdpDone done) = 0;
    // Answers the newest offer of the other leg. It may be said again (18x, then 200; another
    // fork): the last one holds. Reasons: sdp_malformed, unknown_call, no_offer.
    virtual void answer(CallKey call, const LegSdp& sdp, SdpDone done) = 0;
    // The newest offer of `offerer` was refused (a 4xx to a re-INVITE): what was before it holds.
    virtual void rollback(CallKey call, Leg offerer) = 0;
    // Ends the call with all its subscriptions. Unknown calls are passed over.
    virtual void remove(CallKey call) = 0;

    // Makes a subscription, or tells it anew: after offer, answer and rollback of the call, and
    // with other options. `subscription` is the user's, unique in the call. Reasons: unknown_call,
    // no_media (no RTP line yet), no_media_ports, media_socket, no_descriptors,
    // too_many_subscriptions, bad_address, overloaded.
    virtual void subscribe(CallKey call, std::uint32_t subscription,
                           const SubscribeOptions& options, SubscriptionDone done) = 0;
    // The recording server's answer to one of the subscription's newest offers: starts, stops and
    // moves the streams. Reasons: unknown_call, unknown_subscription, sdp_malformed, bad_answer
    // (nothing changes then).
    virtual void answer_subscription(CallKey call, std::uint32_t subscription, std::string_view sdp,
                                     PlaneDone done) = 0;
    // The answer does not hold any more (another server is asked): nothing leaves until the next.
    virtual void stop_subscription(CallKey call, std::uint32_t subscription,
                                   Stop why = Stop::Wanted) = 0;
    virtual void unsubscribe(CallKey call, std::uint32_t subscription) = 0;

    // The server has been told by metadata who and what there is, as of that Subscription: what
    // waits for this may go out.
    virtual void on_metadata_told(CallKey /*call*/, std::uint32_t /*subscription*/,
                                  std::uint64_t /*serial*/) {}

    // Set once, before the first call: called on the signalling thread, and never out of a verb. A
    // plane that does not see its servers' hosts never calls it.
    virtual void on_server_silent(ServerSilent /*told*/) {}

    // What `to` hears beside its peer in all audio lines, from now on and in those to come, too;
    // null: nothing any more. The sound that plays already goes on as it is, so it may be said
    // again after each change. The copies of a subscription stay without it. Reasons: unknown_call,
    // no_audio (no such line), secure_media (SRTP, of which we have no key), no_codec (the leg
    // takes none that we speak), not_supported (by this plane): nothing is heard then.
    virtual base::Result<base::Done, base::Reason> play(CallKey /*call*/, Leg /*to*/,
                                                        SoundPtr sound) {
        if (sound == nullptr) return base::Done{};
        return base::Reason{"not_supported", "This media plane cannot play anything to a party."};
    }

    // Whether that line of the call's descriptions is a chat that passes here.
    virtual bool takes_chat(CallKey /*call*/, std::size_t /*line*/) const { return false; }
    // A line that `to` reads in all its chats, those to come among them, and nobody else.
    virtual void say(CallKey /*call*/, Leg /*to*/, std::string_view /*text*/) {}

    // Reasons: unknown_call. Cheap, but not for each packet.
    virtual base::Result<CallMedia, base::Reason> query(CallKey call) const = 0;
};

}  // namespace earshot::relay
