// What RtpengineTap knows of its calls, as RTPEngine tells it when it is asked.
#include <algorithm>
#include <utility>

#include "relay/limits.h"
#include "relay/rtpengine_tap.h"

namespace earshot::relay {

using base::Reason;
using base::Result;

namespace {

// What a change of the call changes: its lines, what they are, who sends.
std::string shape_of(const NgDictionary& leg) {
    std::string shape;
    for (const NgValue& value : leg.list("medias")) {
        const NgDictionary* medium = value.dictionary();
        if (medium == nullptr) continue;
        shape += medium->text("type");
        shape += ' ';
        shape += medium->text("protocol");
        for (const NgValue& flag : medium->list("flags"))
            if (const std::string* text = flag.text(); text != nullptr && text->size() == 4)
                shape += ' ' + *text;  // "send", "recv"
        shape += '\n';
    }
    return shape;
}

// Of a line's RTP, which is the first of its streams.
void take_count(const NgDictionary& medium, base::TimePoint now, PacketCount& count) {
    const NgList& streams = medium.list("streams");
    const NgDictionary* rtp = streams.empty() ? nullptr : streams.front().dictionary();
    if (rtp == nullptr) return;
    const NgDictionary& stats = rtp->dictionary("stats");
    const auto packets =
        static_cast<std::uint64_t>(std::max<std::int64_t>(stats.number("packets"), 0));
    if (count.packets != packets) count.last = now;
    count.packets = packets;
    count.octets = static_cast<std::uint64_t>(std::max<std::int64_t>(stats.number("bytes"), 0));
}

}  // namespace

void RtpengineTap::on_time(base::TimePoint now) {
    client_.on_time(now);
    while (!polls_.empty() && polls_.begin()->first <= now) {
        const CallPtr call = find({polls_.begin()->second});
        polls_.erase(polls_.begin());
        if (call == nullptr || call->was_told_gone) continue;
        call->next_poll = now + kTapPollTime;
        polls_.emplace(call->next_poll, call->key.value);
        if (!call->is_polled) poll(now, call);
    }
}

std::optional<base::TimePoint> RtpengineTap::deadline() const {
    const auto answer = client_.deadline();
    if (polls_.empty()) return answer;
    return answer ? std::min(*answer, polls_.begin()->first) : polls_.begin()->first;
}

void RtpengineTap::poll(base::TimePoint now, const CallPtr& call) {
    call->is_polled = true;
    client_.send(now, *call->instance, about(*call, "query"),
                 [this, call](base::TimePoint then, const NgClient::Answer& answer) {
                     call->is_polled = false;
                     if (!call->jobs.is_closed()) take_figures(then, call, answer);
                 });
}

void RtpengineTap::take_figures(base::TimePoint now, const CallPtr& call,
                                const NgClient::Answer& answer) {
    if (!answer) {
        if (answer.error().code == "media_server_unknown_call")
            return tell_gone(call, {"call_gone", "RTPEngine does not know the call any more."});
        if (++call->silences >= kTapMaxSilences)
            tell_gone(call, {"media_server_silent", answer.error().text});
        return;
    }
    call->silences = 0;
    const NgDictionary& tags = answer->dictionary("tags");
    std::string shape;
    CallMedia media;
    std::size_t legs = 0;
    for (const Leg leg : {Leg::A, Leg::B}) {
        const NgDictionary& told = tags.dictionary(call->what.tags[index_of(leg)]);
        legs += told.entries().empty() ? 0 : 1;
        shape += shape_of(told) + '\n';
        std::size_t number = 0;
        for (const NgValue& value : told.list("medias")) {
            const NgDictionary* medium = value.dictionary();
            if (medium == nullptr || number == kMaxPlaces) continue;
            if (media.lines.size() <= number)
                media.lines.push_back({.line = number,
                                       .media = std::string(medium->text("type")),
                                       .legs = {},
                                       .silent = std::nullopt});
            LegMedia& of = media.lines[number].legs[index_of(leg)];
            if (number < call->media.lines.size())
                of.rtp = call->media.lines[number].legs[index_of(leg)].rtp;
            take_count(*medium, now, of.rtp);
            ++number;
        }
    }
    call->media = std::move(media);
    if (legs == 0)
        return tell_gone(call, {"call_gone", "RTPEngine does not know the call's tags any more."});
    const bool has_changed = !call->shape.empty() && call->shape != shape;
    call->shape = std::move(shape);
    if (has_changed && changed_) changed_(call->key);
}

void RtpengineTap::tell_gone(const CallPtr& call, const Reason& why) {
    if (std::exchange(call->was_told_gone, true)) return;
    if (why.code == "call_gone") call->legs = {};  // with it, and so there is nothing to end
    if (!gone_) return;
    gone_(call->key, why);
}

Result<CallMedia, Reason> RtpengineTap::query(CallKey key) const {
    const CallPtr call = find(key);
    if (call == nullptr) return Reason{"unknown_call", "The call is not being recorded."};
    CallMedia media = call->media;
    if (call->state)
        for (const Place& place : call->state->places()) {
            const auto target = call->targets.find(place.fork);
            if (place.fork == 0 || target == call->targets.end()) continue;
            media.forks.push_back({.subscription = call->subscription,
                                   .label = place.label,
                                   .from = place.from,
                                   .line = place.line.line,
                                   .is_open = !target->second.rtp.is_unspecified(),
                                   .to = target->second.rtp,
                                   .rtp = {},
                                   .rtcp = {},
                                   .from_server = {}});
        }
    return media;
}

}  // namespace earshot::relay
