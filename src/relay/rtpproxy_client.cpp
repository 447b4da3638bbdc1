#include "relay/rtpproxy_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "relay/limits.h"
#include "relay/rtpproxy_message.h"

namespace earshot::relay {

using base::Reason;

namespace {

constexpr std::size_t kCookieBytes = 8;  // random: who does not see our commands cannot answer them

}  // namespace

RtpproxyClient::RtpproxyClient(std::vector<std::string> instances, ControlLink& link,
                               base::Random& random)
    : link_(link), random_(random) {
    for (std::string& name : instances) {
        instances_.emplace_back();
        instances_.back().view.name = std::move(name);
    }
}

void RtpproxyClient::request(base::TimePoint now, std::size_t instance, const std::string& command,
                             Done done) {
    std::string cookie = random_.token(kCookieBytes);
    Pending pending{.instance = instance,
                    .datagram = fmt::format("{} {}\n", cookie, command),
                    .done = std::move(done),
                    .sends = 0,
                    .sent = now};
    const auto [entry, is_new] = pending_.insert_or_assign(std::move(cookie), std::move(pending));
    send(now, entry->first, entry->second);
}

// The pause doubles; the last one is how long an answer is waited for.
void RtpproxyClient::send(base::TimePoint now, const std::string& cookie, Pending& pending) {
    if (pending.sends > 0) ++instances_[pending.instance].view.resent;
    retransmissions_.emplace(now + kControlFirstPause * (1 << pending.sends++), cookie);
    link_.send(pending.instance, base::as_bytes(pending.datagram));
}

void RtpproxyClient::on_datagram(base::TimePoint now, std::size_t instance, base::ByteView bytes) {
    const auto reply = parse_rtpproxy_reply(base::as_text(bytes));
    const auto found = reply ? pending_.find(std::string(reply->cookie)) : pending_.end();
    if (found == pending_.end() || found->second.instance != instance) {
        // The second answer to a command that was sent twice is one of these, too.
        ++instances_[instance].view.nonsense;
        return;
    }
    PlaneInstance& view = instances_[instance].view;
    ++view.answers;
    if (reply->body.starts_with('E')) ++view.refused;
    if (found->second.sends == 1)
        view.round_trip =
            std::chrono::duration_cast<std::chrono::microseconds>(now - found->second.sent);
    const Done done = std::move(found->second.done);
    pending_.erase(found);  // its retransmission finds nothing
    done(now, std::string(reply->body));
}

void RtpproxyClient::on_time(base::TimePoint now) {
    for (std::size_t i = 0; i < instances_.size(); ++i)
        if (now >= instances_[i].next_probe) probe(now, i);
    std::vector<std::string> due;
    while (!retransmissions_.empty() && retransmissions_.begin()->first <= now) {
        due.push_back(std::move(retransmissions_.begin()->second));
        retransmissions_.erase(retransmissions_.begin());
    }
    for (const std::string& cookie : due) {
        const auto found = pending_.find(cookie);
        if (found == pending_.end()) continue;
        if (found->second.sends < kControlAttempts) {
            send(now, cookie, found->second);
            continue;
        }
        fail(now, cookie, "media_server_silent", "does not answer");
    }
}

void RtpproxyClient::fail(base::TimePoint now, const std::string& cookie, std::string code,
                          std::string_view what) {
    auto node = pending_.extract(cookie);
    if (!node) return;
    Instance& instance = instances_[node.mapped().instance];
    instance.state = State::Silent;
    ++instance.view.given_up;
    node.mapped().done(now,
                       Reason{.code = std::move(code),
                              .text = fmt::format("RTPProxy at {} {}.", instance.view.name, what)});
}

// Nobody listens there: what it was told is lost.
void RtpproxyClient::on_refused(base::TimePoint now, std::size_t instance) {
    std::vector<std::string> lost;
    for (const auto& [cookie, pending] : pending_)
        if (pending.instance == instance) lost.push_back(cookie);
    instances_[instance].state = State::Silent;
    for (const std::string& cookie : lost)
        fail(now, cookie, "media_server_unreachable", "is not running there");
}

std::optional<base::TimePoint> RtpproxyClient::deadline() const {
    std::optional<base::TimePoint> next;
    if (!retransmissions_.empty()) next = retransmissions_.begin()->first;
    for (const Instance& instance : instances_)
        if (!next || instance.next_probe < *next) next = instance.next_probe;
    return next;
}

// Without N a copy could not be stopped, and so no recording paused.
void RtpproxyClient::probe(base::TimePoint now, std::size_t number) {
    instances_[number].next_probe = now + kControlProbeTime;
    const auto ask = [this, number](base::TimePoint at, std::string_view date, auto then) {
        request(at, number, rtpproxy_feature(date),
                [this, number, then](base::TimePoint answered, const auto& body) {
                    if (!body) return;  // it is silent, which has been noted
                    const auto has = parse_rtpproxy_feature(*body);
                    if (has && *has)
                        then(answered);
                    else
                        instances_[number].state = State::Unfit;
                });
    };
    ask(now, kRtpproxyCopies, [this, number, ask](base::TimePoint answered) {
        ask(answered, kRtpproxyStopsCopies,
            [this, number](base::TimePoint) { instances_[number].state = State::Fit; });
    });
}

std::optional<std::size_t> RtpproxyClient::pick(const std::vector<std::size_t>& tried) const {
    for (std::size_t i = 0; i < instances_.size(); ++i)
        if (instances_[i].state == State::Fit &&
            std::find(tried.begin(), tried.end(), i) == tried.end())
            return i;
    return std::nullopt;
}

PlaneInstance RtpproxyClient::view(std::size_t number) const {
    PlaneInstance view = instances_[number].view;
    const State state = instances_[number].state;
    view.is_usable = state == State::Fit;
    if (state == State::Unknown)
        view.fault = fmt::format("RTPProxy at {} has not answered yet.", view.name);
    if (state == State::Silent)
        view.fault = fmt::format("RTPProxy at {} does not answer.", view.name);
    if (state == State::Unfit)
        view.fault =
            fmt::format("RTPProxy at {} cannot copy streams, or not stop that (extensions {}, {}).",
                        view.name, kRtpproxyCopies, kRtpproxyStopsCopies);
    return view;
}

}  // namespace earshot::relay
