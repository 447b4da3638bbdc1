// What RtpenginePlane learns of its calls and instances beside the verbs: media, and their loss.
#include <fmt/format.h>

#include <algorithm>

#include "relay/limits.h"
#include "relay/rtpengine_plane.h"

namespace earshot::relay {

using base::Reason;
using base::Result;
using base::TimePoint;

namespace {

base::NetAddress read_address(const NgDictionary& endpoint) {
    const auto port = static_cast<std::uint16_t>(endpoint.number("port"));
    return base::parse_host(endpoint.text("address"), port).value_or(base::NetAddress{});
}

std::uint64_t read_count(const NgDictionary& stats, std::string_view key) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, stats.number(key)));
}

PacketCount read_counts(const NgDictionary& stream, const base::Now& now) {
    const NgDictionary& stats = stream.dictionary("stats");
    PacketCount count{.packets = read_count(stats, "packets"),
                      .octets = read_count(stats, "bytes"),
                      .dropped = read_count(stats, "errors"),
                      .last = std::nullopt};
    if (count.packets == 0) return count;  // "last packet" then is when the stream was made
    const std::chrono::seconds wall =
        std::chrono::duration_cast<std::chrono::seconds>(now.wall.time_since_epoch());
    const std::chrono::seconds heard = std::clamp<std::chrono::seconds>(
        std::chrono::seconds{stream.number("last packet")}, {}, wall);
    count.last = now.steady - (wall - heard);
    return count;
}

// The streams of the leg's m-line `line`: RTP and, unless both share a port, RTCP.
const NgList& streams_of(const NgDictionary& tag, std::size_t line) {
    static const NgList kNone;
    for (const NgValue& value : tag.list("medias")) {
        const NgDictionary* medium = value.dictionary();
        if (medium != nullptr && medium->number("index") == static_cast<std::int64_t>(line) + 1)
            return medium->list("streams");
    }
    return kNone;
}

LegMedia read_leg(const NgDictionary& tag, std::size_t line, const base::Now& now) {
    LegMedia leg;
    const NgList& streams = streams_of(tag, line);
    if (!streams.empty() && streams[0].dictionary() != nullptr) {
        const NgDictionary& rtp = *streams[0].dictionary();
        leg.rtp = read_counts(rtp, now);
        leg.announced = read_address(rtp.dictionary("advertised endpoint"));
        if (leg.rtp.packets > 0) leg.heard_at = read_address(rtp.dictionary("endpoint"));
    }
    if (streams.size() > 1 && streams[1].dictionary() != nullptr)
        leg.rtcp = read_counts(*streams[1].dictionary(), now);
    return leg;
}

}  // namespace

void RtpenginePlane::on_datagram(TimePoint now, std::size_t instance, base::ByteView datagram) {
    client_.on_datagram(now, instance, datagram);
}
void RtpenginePlane::on_refused(TimePoint now, std::size_t instance) {
    client_.on_refused(now, instance);
}

std::optional<TimePoint> RtpenginePlane::deadline() const {
    std::optional<TimePoint> next = client_.deadline();
    if (!due_.empty() && (!next || due_.begin()->first < *next)) next = due_.begin()->first;
    return next;
}

void RtpenginePlane::on_time(TimePoint now) {
    client_.on_time(now);
    for (std::size_t i = 0; i < kNgQueriesAtOnce && !due_.empty(); ++i) {
        const auto [when, key] = *due_.begin();
        if (when > now) return;
        ask_about(now, calls_.at(key));
    }
}

// Beside the steps: it changes nothing.
void RtpenginePlane::ask_about(TimePoint now, Call& call) {
    due_.erase({call.next_query, call.ref.key.value});
    call.next_query = now + kNgQueryEvery;
    due_.insert({call.next_query, call.ref.key.value});
    if (!client_.instance(call.instance).is_usable) return;
    client_.send(now, call.instance, command(call, "query"),
                 [this, ref = call.ref](TimePoint, const NgClient::Answer& answer) {
                     Call* asked = find(ref);
                     if (asked == nullptr) return;
                     if (answer) {
                         asked->found = Found::Yes;
                         read_media(*asked, *answer);
                     } else if (answer.error().code == "media_server_unknown_call") {
                         lose(
                             *asked, Found::Gone,
                             {answer.error().code,
                              fmt::format("RTPEngine at {} has lost the call: it was restarted, or "
                                          "heard no media for too long.",
                                          client_.name(asked->instance))});
                     }
                 });
}

void RtpenginePlane::read_media(Call& call, const NgDictionary& answer) const {
    const base::Now now = clock_.now();
    const NgDictionary& tags = answer.dictionary("tags");
    call.media.lines.clear();
    for (std::size_t line = 0; line < call.negotiation.lines(); ++line) {
        if (!call.negotiation.is_relayed(line)) continue;
        const sdp::MediaDescription* medium = call.negotiation.medium(Leg::A, line);
        if (medium == nullptr) medium = call.negotiation.medium(Leg::B, line);
        call.media.lines.push_back({.line = line,
                                    .media = std::string(medium->media),
                                    .legs = {read_leg(tags.dictionary("a"), line, now),
                                             read_leg(tags.dictionary("b"), line, now)},
                                    .silent = std::nullopt});
    }
}

Result<CallMedia, Reason> RtpenginePlane::query(CallKey key) const {
    const auto found = calls_.find(key.value);
    if (found == calls_.end())
        return Reason{.code = "unknown_call", .text = "RTPEngine has no such call of ours."};
    CallMedia media = found->second.media;
    for (const auto& [number, subscription] : found->second.subscriptions)
        for (ForkMedia& fork : subscription.forks()) media.forks.push_back(std::move(fork));
    return media;
}

// ---- loss ---------------------------------------------------------------------------------------

void RtpenginePlane::lose(Call& call, Found found, const Reason& reason) {
    if (std::exchange(call.found, found) != found && lost_) lost_(call.ref.key, reason);
}

void RtpenginePlane::on_instance_changed(TimePoint now, std::size_t instance) {
    const NgInstance& view = client_.instance(instance);
    std::vector<CallRef> its;
    for (const auto& [key, call] : calls_)
        if (call.is_placed && call.instance == instance) its.push_back(call.ref);
    std::sort(its.begin(), its.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    for (const CallRef& ref : its) {
        Call* call = find(ref);
        if (call == nullptr) continue;  // who was told of another has ended it
        if (!view.is_usable) {
            if (call->found == Found::Yes)
                lose(*call, Found::Unreached, {"media_server_unreachable", view.fault});
            continue;
        }
        due_.erase({call->next_query, ref.key.value});  // whether it still knows them
        call->next_query = now;
        due_.insert({now, ref.key.value});
    }
}

std::vector<PlaneInstance> RtpenginePlane::instances() const {
    std::vector<PlaneInstance> instances;
    for (std::size_t i = 0; i < client_.size(); ++i) {
        const NgInstance& view = client_.instance(i);
        instances.push_back({.name = client_.name(i),
                             .is_usable = view.is_usable,
                             .fault = view.fault,
                             .calls = calls_of_[i],
                             .answers = view.answers,
                             .resent = view.resent,
                             .given_up = view.given_up,
                             .refused = view.refused,
                             .nonsense = view.nonsense,
                             .round_trip = view.round_trip});
    }
    return instances;
}

}  // namespace earshot::relay
