#include "relay/subscription_state.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "relay/limits.h"
#include "sdp/content.h"
#include "sdp/crypto_attribute.h"
#include "sdp/fingerprint.h"
#include "sdp/session_description.h"

namespace earshot::relay {

namespace {

// Ended lines need a format, too (RFC 8866 section 9: fmt is not optional).
constexpr std::array kNoFormat{sdp::PayloadType{}};

void append_named(const LegDescription* of, const sdp::MediaDescription* medium,
                  std::string_view name, std::vector<sdp::Attribute>& out) {
    if (of == nullptr || medium == nullptr) return;
    for (const sdp::Attribute& attribute : of->sdp->attributes_of(*medium))
        if (base::iequals(attribute.name, name)) out.push_back(attribute);
}

// RFC 4568: the keys of what a leg sends stand in its own description, in the line whose tag the
// answer took.
void append_crypto(const std::vector<sdp::Attribute>& own,
                   const std::vector<sdp::Attribute>& others, std::vector<sdp::Attribute>& out) {
    for (const sdp::Attribute& attribute : own) {
        const auto mine = sdp::parse_crypto(attribute.value);
        const bool is_taken =
            mine && std::any_of(others.begin(), others.end(), [&](const auto& one) {
                const auto theirs = sdp::parse_crypto(one.value);
                return theirs && theirs->tag == mine->tag;
            });
        if (is_taken) out.push_back(attribute);
    }
}

// Of the sender: what the stream is, and its keys. Of who takes it: what its packets may carry.
// `our_crypto`: of the key that the copies are under, instead of the sender's; empty: there is
// none.
std::vector<sdp::Attribute> attributes(const Negotiation& call, Leg from, std::size_t line,
                                       std::string_view our_crypto) {
    const LegDescription* sender = call.description(from);
    const LegDescription* taker = call.description(other(from));
    const sdp::MediaDescription* sent = call.medium(from, line);
    const sdp::MediaDescription* taken = call.medium(other(from), line);
    std::vector<sdp::Attribute> out;
    append_named(taker, taken, "rtcp-fb", out);
    append_named(taker, taken, "extmap", out);
    append_named(sender, sent, "content", out);
    if (!our_crypto.empty()) {
        out.push_back({.name = "crypto", .value = our_crypto, .has_value = true});
        return out;
    }
    std::vector<sdp::Attribute> own;
    std::vector<sdp::Attribute> others;
    append_named(sender, sent, "crypto", own);
    append_named(taker, taken, "crypto", others);
    append_crypto(own, others, out);
    return out;
}

bool is_keyed_on_its_path(const Negotiation& call, std::size_t line) {
    for (const Leg leg : {Leg::A, Leg::B}) {
        const LegDescription* description = call.description(leg);
        const sdp::MediaDescription* medium = call.medium(leg, line);
        if (medium != nullptr && sdp::is_dtls_srtp(*description->sdp, *medium)) return true;
    }
    return false;
}

}  // namespace

base::Reason SubscriptionState::left_out(const Negotiation& call) const {
    for (std::size_t line = 0; line < call.lines(); ++line)
        for (const Leg from : {Leg::A, Leg::B})
            if (is_asked_for(call, from, line) && is_keyed_on_its_path(call, line))
                return {"media_not_decryptable",
                        "The parties agree the keys of their media with each other (DTLS-SRTP): "
                        "nobody else can read it."};
    return {};
}

bool SubscriptionState::wants(const Negotiation& call, Leg from, std::size_t line) const {
    return is_asked_for(call, from, line) && !is_keyed_on_its_path(call, line);
}

bool SubscriptionState::is_asked_for(const Negotiation& call, Leg from, std::size_t line) const {
    if (!call.is_relayed(line) || (options_.only && *options_.only != from)) return false;
    const sdp::MediaDescription* medium = call.medium(from, line);
    if (medium == nullptr) medium = call.medium(other(from), line);
    if (options_.leaves_content && sdp::parse_content(medium->content).has(sdp::Content::Slides))
        return false;
    const auto is_same = [&](const std::string& media) {
        return base::iequals(media, medium->media);
    };
    return options_.media.empty() ||
           std::any_of(options_.media.begin(), options_.media.end(), is_same);
}

std::vector<SubscriptionState::Wanted> SubscriptionState::missing(
    const Negotiation& call, const std::vector<LiveLine>& lines) const {
    std::vector<Wanted> wanted;
    for (const LiveLine& line : lines)
        for (const Leg from : {Leg::A, Leg::B}) {
            const auto is_it = [&](const Place& place) {
                return place.fork != 0 && place.from == from && place.line == line;
            };
            if (wants(call, from, line.line) && std::none_of(places_.begin(), places_.end(), is_it))
                wanted.push_back({.from = from, .line = line});
        }
    return wanted;
}

const Place* SubscriptionState::free_place() const {
    const auto found = std::find_if(places_.begin(), places_.end(), [](const Place& place) {
        return place.fork == 0 && place.was_told_ended;
    });
    return found == places_.end() ? nullptr : &*found;
}

void SubscriptionState::add(const Negotiation& call, const Wanted& wanted, std::uint64_t fork,
                            std::uint16_t rtp_port, std::shared_ptr<ForkCounters> counters) {
    const sdp::MediaDescription* medium = call.medium(other(wanted.from), wanted.line.line);
    if (medium == nullptr) medium = call.medium(wanted.from, wanted.line.line);
    Place place{.label = std::to_string(++last_label_),
                .media = std::string(medium->media),
                .proto = std::string(medium->proto),
                .from = wanted.from,
                .line = wanted.line,
                .fork = fork,
                .rtp_port = rtp_port,
                .was_told_ended = false,
                .is_open = false,
                .silent_ns = {},
                .server = {},
                .counters = std::move(counters)};
    if (const Place* free = free_place()) {
        places_[static_cast<std::size_t>(free - places_.data())] = std::move(place);
    } else {
        places_.push_back(std::move(place));
    }
}

std::vector<std::uint64_t> SubscriptionState::end_others(const Negotiation& call,
                                                         const std::vector<LiveLine>& lines) {
    std::vector<std::uint64_t> ended;
    for (Place& place : places_) {
        const bool is_live = std::find(lines.begin(), lines.end(), place.line) != lines.end();
        if (place.fork == 0 || (is_live && wants(call, place.from, place.line.line))) continue;
        ended.push_back(std::exchange(place.fork, 0));
        place.is_open = false;
        place.counters = nullptr;
    }
    return ended;
}

std::string SubscriptionState::write(const Negotiation& call, const base::NetAddress& address,
                                     std::uint64_t version, const OurKey& our_key) const {
    std::vector<sdp::OfferedMedia> media;
    std::vector<std::string> cryptos(places_.size());
    std::vector<std::vector<sdp::PayloadType>> formats(places_.size());
    std::vector<std::vector<sdp::Attribute>> extras(places_.size());
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const Place& place = places_[i];
        sdp::OfferedMedia offered;
        offered.media = place.media;
        offered.proto = place.proto;
        offered.label = place.label;
        offered.direction = sdp::Direction::Inactive;
        offered.payload_types = kNoFormat;
        if (place.fork != 0) {
            formats[i] = call.sent_formats(place.from, place.line.line);
            const auto* key = our_key ? our_key(place.from, place.line.line) : nullptr;
            if (key != nullptr) cryptos[i] = sdp::write_crypto(1, *key);
            extras[i] = attributes(call, place.from, place.line.line, cryptos[i]);
            const bool is_active = call.may_send(place.from, place.line.line);
            offered.port = place.rtp_port;
            offered.payload_types = formats[i];
            offered.attributes = extras[i];
            if (is_active && !options_.is_paused) offered.direction = sdp::Direction::SendOnly;
            if (const auto* taken = call.medium(other(place.from), place.line.line))
                offered.ptime_ms = taken->ptime_ms.value_or(0);
        }
        media.push_back(offered);
    }
    return sdp::make_offer(
        {.session_id = told_.session_id(), .session_version = version, .address = address}, media);
}

Subscription SubscriptionState::offer(const Negotiation& call, const base::NetAddress& address,
                                      const OurKey& our_key) {
    const auto told = base::parse_host(options_.address, 0);
    const base::NetAddress seen = told.value_or(address);
    Subscription made{.offer = told_.tell([&](std::uint64_t version) {
                          return write(call, seen, version, our_key);
                      }),
                      .streams = {},
                      .left_out = left_out(call)};
    Offered offered{.text = made.offer, .forks = {}};
    for (std::size_t i = 0; i < places_.size(); ++i) {
        Place& place = places_[i];
        offered.forks.push_back(place.fork);
        place.was_told_ended = place.fork == 0;
        if (place.fork == 0) continue;
        const sdp::MediaDescription* sent = call.medium(place.from, place.line.line);
        made.streams.push_back(
            {.label = place.label,
             .from = place.from,
             .line = place.line.line,
             .place = i,
             .media = place.media,
             .is_active = call.may_send(place.from, place.line.line),
             .content = std::string(sent != nullptr ? sent->content : std::string_view{}),
             .title = std::string(sent != nullptr ? sent->title : std::string_view{})});
    }
    if (offers_.empty() || offers_.back().text != offered.text)
        offers_.push_back(std::move(offered));
    if (offers_.size() > kMaxUnansweredOffers) offers_.pop_front();
    return made;
}

ForkTarget SubscriptionState::target(std::size_t place, const sdp::AnsweredMedia& answered) {
    Place& one = places_[place];
    ForkTarget target{.fork = one.fork, .rtp = {}, .rtcp = {}};
    one.is_open = answered.may_send() && !answered.rtp->is_unspecified() && !options_.is_paused;
    one.server = one.is_open ? *answered.rtp : base::NetAddress{};
    one.silent_ns = {};
    if (one.is_open) {
        target.rtp = *answered.rtp;
        target.rtcp = answered.rtcp.value_or(base::NetAddress{});
    }
    return target;
}

base::Result<std::vector<ForkTarget>> SubscriptionState::answer(
    const sdp::SessionDescription& answer) {
    base::Error why{base::Errc::Malformed, "answer: nothing was offered"};
    for (std::size_t i = offers_.size(); i-- > 0;) {
        const auto offer = sdp::parse(offers_[i].text);
        if (!offer) continue;
        const auto answered = sdp::check_answer(*offer, answer);
        if (!answered) {
            if (i + 1 == offers_.size()) why = answered.error();
            continue;
        }
        std::vector<ForkTarget> targets;
        for (std::size_t at = 0; at < answered->size(); ++at)
            if (places_[at].fork != 0 && places_[at].fork == offers_[i].forks[at])
                targets.push_back(target(at, (*answered)[at]));
        offers_.erase(offers_.begin(), offers_.begin() + static_cast<std::ptrdiff_t>(i));
        told_silent_ns_ = {};
        return targets;
    }
    return why;
}

std::vector<ForkTarget> SubscriptionState::stop() {
    std::vector<ForkTarget> targets;
    for (Place& place : places_) {
        place.is_open = false;
        place.server = {};
        if (place.fork != 0) targets.push_back({.fork = place.fork, .rtp = {}, .rtcp = {}});
    }
    return targets;
}

// A process that has died refuses all of its streams; a port that is closed for one of them alone,
// while its re-INVITE is on the way, is no death. What one kind of sign says is no word of another:
// a server that does not report may answer for years, and then refuse.
bool SubscriptionState::on_silent(std::uint64_t fork, Silence why, base::TimePoint now) {
    const auto kind = static_cast<std::size_t>(why);
    const auto found = std::find_if(places_.begin(), places_.end(),
                                    [&](const Place& place) { return place.fork == fork; });
    if (found == places_.end() || !found->is_open) return false;
    const std::int64_t now_ns = std::chrono::nanoseconds(now.time_since_epoch()).count();
    found->silent_ns[kind] = now_ns;
    const auto has_reported_since = [&](const Place& place, std::int64_t time_ns) {
        return why == Silence::NoRtcp && place.counters->from_server.last_ns() > time_ns;
    };
    const auto is_silent = [&](const Place& place) {
        return place.silent_ns[kind] != 0 && !has_reported_since(place, place.silent_ns[kind]);
    };
    std::int64_t& told_ns = told_silent_ns_[kind];
    const auto is_news = [&](const Place& place) {
        return place.is_open && place.fork != 0 && has_reported_since(place, told_ns);
    };
    if (told_ns != 0 && std::none_of(places_.begin(), places_.end(), is_news)) return false;
    const auto speaks_for_it = [&](const Place& place) {
        if (place.fork == 0 || !place.is_open || is_silent(place)) return false;
        const std::int64_t sent_ns = place.counters->rtp.last_ns();
        return sent_ns != 0 && now_ns - sent_ns < std::chrono::nanoseconds(kProofOfLife).count();
    };
    const bool is_hint = why == Silence::Refusal;  // others decide what it means
    if (!is_hint && std::any_of(places_.begin(), places_.end(), speaks_for_it)) return false;
    told_ns = now_ns;
    return true;
}

}  // namespace earshot::relay
