#include "relay/ng_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "relay/limits.h"

namespace earshot::relay {

using base::Reason;
using base::TimePoint;

namespace {

constexpr std::size_t kCookieBytes = 8;
constexpr std::size_t kMaxQuoted = 200;  // octets of what an instance says, in our texts

}  // namespace

NgClient::NgClient(std::vector<std::string> names, ControlLink& link, base::Random& random)
    : link_(link), cookie_prefix_(random.token(kCookieBytes) + '_') {
    for (std::string& name : names) instances_.push_back({.name = std::move(name)});
}

std::optional<std::uint64_t> NgClient::number_of(std::string_view cookie) const {
    if (!cookie.starts_with(cookie_prefix_)) return std::nullopt;
    return base::parse_number<std::uint64_t>(cookie.substr(cookie_prefix_.size()));
}

Reason NgClient::reason(const Command& command, std::string code, std::string_view what) const {
    return {.code = std::move(code),
            .text = fmt::format("RTPEngine at {} {} ({}).", instances_[command.instance].name,
                                base::to_valid_utf8(what.substr(0, kMaxQuoted)), command.name)};
}

// ---- commands -----------------------------------------------------------------------------------

void NgClient::send(TimePoint now, std::size_t instance, const NgDictionary& dictionary,
                    Done done) {
    Command command;
    command.instance = instance;
    command.name = dictionary.text("command");
    if (instances_[instance].pending >= kMaxNgPending)
        return done(now, reason(command, "media_server_overloaded", "has too much to answer"));
    const std::uint64_t number = ++last_number_;
    command.datagram = write_ng(fmt::format("{}{}", cookie_prefix_, number), dictionary);
    if (command.datagram.size() > kMaxNgBytes)
        return done(now, reason(command, "media_server_refused", "cannot be told so much"));
    command.done = std::move(done);
    command.sent = now;
    ++instances_[instance].pending;
    const auto entry = commands_.emplace(number, std::move(command)).first;
    transmit(now, number, entry->second);
}

void NgClient::transmit(TimePoint now, std::uint64_t number, Command& command) {
    const auto wait = kNgFirstWait * (1 << command.sends);
    // After a stall of our own the answer may lie unread: nobody is silent before we have listened.
    const TimePoint give_up = std::max(command.sent + kNgGiveUp, now + kNgFirstWait);
    command.due = ++command.sends < kNgSends ? std::min(now + wait, give_up) : give_up;
    due_.insert({command.due, number});
    link_.send(command.instance, command.datagram);
}

void NgClient::finish(TimePoint now, std::uint64_t number, Answer answer) {
    auto node = commands_.extract(number);
    const Command& command = node.mapped();
    due_.erase({command.due, number});
    --instances_[command.instance].pending;
    command.done(now, std::move(answer));
}

NgClient::Answer NgClient::judge(const Command& command, NgDictionary answer) {
    NgInstance& view = instances_[command.instance].view;
    const std::string_view result = answer.text("result");
    if (result == "ok" || result == "pong") return answer;
    ++view.refused;
    if (result == "load limit")
        return reason(command, "media_server_overloaded", "takes no more: load limit");
    const std::string_view why = answer.text("error-reason");
    if (base::iequals(why, "Unknown call-id"))
        return reason(command, "media_server_unknown_call", "does not know the call");
    return reason(command, "media_server_refused",
                  fmt::format("refused: {}", why.empty() ? result : why));
}

// ---- what comes ---------------------------------------------------------------------------------

void NgClient::on_datagram(TimePoint now, std::size_t number, base::ByteView datagram) {
    NgInstance& view = instances_[number].view;
    const auto id = number_of(ng_cookie(datagram));
    const auto found = id ? commands_.find(*id) : commands_.end();
    if (found == commands_.end() || found->second.instance != number) {
        // Only what has a cookie of ours can be an answer that is late.
        ++(id && *id <= last_number_ ? view.late : view.nonsense);
        return;
    }
    const Command& command = found->second;
    auto parsed = parse_ng(datagram);
    if (!parsed || parsed->dictionary.text("result").empty()) {
        ++view.nonsense;
        const std::string_view why = parsed ? "an answer without a result" : parsed.error().what;
        Reason reason = this->reason(command, "media_server_nonsense",
                                     fmt::format("answers nonsense: {}", why));
        std::string fault = reason.text;
        return conclude(now, *id, std::move(reason), std::move(fault));
    }
    ++view.answers;
    if (command.sends == 1)
        view.round_trip = std::chrono::duration_cast<std::chrono::microseconds>(now - command.sent);
    instances_[number].next_ping = now + kNgPingEvery;
    conclude(now, *id, judge(command, std::move(parsed->dictionary)), {});
}

// Nobody listens: whatever it was told is lost, and so are its calls.
void NgClient::on_refused(TimePoint now, std::size_t instance) {
    const bool has_changed =
        set_usable(instance, fmt::format("RTPEngine at {} is not running there.", name(instance)));
    std::vector<std::uint64_t> lost;
    for (const auto& [number, command] : commands_)
        if (command.instance == instance) lost.push_back(number);
    std::sort(lost.begin(), lost.end());
    for (const std::uint64_t number : lost) {
        const auto found = commands_.find(number);
        if (found == commands_.end()) continue;
        ++instances_[instance].view.given_up;
        finish(now, number,
               reason(found->second, "media_server_unreachable", "is not running there"));
    }
    if (has_changed && changed_) changed_(now, instance);
}

void NgClient::on_time(TimePoint now) {
    while (!due_.empty() && due_.begin()->first <= now) {
        const std::uint64_t number = due_.begin()->second;
        Command& command = commands_.at(number);
        due_.erase(due_.begin());
        const std::size_t instance = command.instance;
        if (command.sends < kNgSends) {
            ++instances_[instance].view.resent;
            transmit(now, number, command);
            continue;
        }
        ++instances_[instance].view.given_up;
        Reason reason = this->reason(command, "media_server_silent", "does not answer");
        std::string fault = reason.text;
        conclude(now, number, std::move(reason), std::move(fault));
    }
    for (std::size_t i = 0; i < instances_.size(); ++i)
        if (!instances_[i].is_pinging && instances_[i].next_ping <= now) ping(now, i);
}

std::optional<TimePoint> NgClient::deadline() const {
    std::optional<TimePoint> next;
    if (!due_.empty()) next = due_.begin()->first;
    for (const Instance& instance : instances_)
        if (!instance.is_pinging && (!next || instance.next_ping < *next))
            next = instance.next_ping;
    return next;
}

// ---- which are alive ----------------------------------------------------------------------------

void NgClient::ping(TimePoint now, std::size_t instance) {
    instances_[instance].is_pinging = true;
    send(now, instance, {{"command", "ping"}}, [this, instance](TimePoint then, const Answer&) {
        instances_[instance].is_pinging = false;
        instances_[instance].next_ping = then + kNgPingEvery;
    });
}

bool NgClient::set_usable(std::size_t instance, std::string fault) {
    NgInstance& view = instances_[instance].view;
    const bool was_usable = std::exchange(view.is_usable, fault.empty());
    view.fault = std::move(fault);
    return was_usable != view.is_usable;
}

void NgClient::conclude(TimePoint now, std::uint64_t number, Answer answer, std::string fault) {
    const std::size_t instance = commands_.at(number).instance;
    const bool has_changed = set_usable(instance, std::move(fault));
    finish(now, number, std::move(answer));
    if (has_changed && changed_) changed_(now, instance);
}

}  // namespace earshot::relay
