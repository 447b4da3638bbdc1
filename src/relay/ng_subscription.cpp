#include "relay/ng_subscription.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "relay/limits.h"

namespace earshot::relay {

using base::Done;
using base::Errc;
using base::Error;
using base::NetAddress;
using base::Result;

namespace {

// Ended lines need a format, too (RFC 8866 section 9: fmt is not optional).
constexpr std::array kNoFormat{sdp::PayloadType{}};

// Of what RTPEngine offers: what the packets carry, and its keys.
constexpr std::array<std::string_view, 7> kOfferedAttributes{
    "content", "crypto", "extmap", "fingerprint", "rtcp-fb", "setup", "tls-id"};
// Of what the server answers: its keys.
constexpr std::array<std::string_view, 5> kAnsweredAttributes{"crypto", "fingerprint", "rtcp-mux",
                                                              "setup", "tls-id"};

template <class Names>
bool is_one_of(const Names& names, std::string_view name) {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view one) { return base::iequals(one, name); });
}

std::string_view family(const NetAddress& address) { return address.is_v4() ? "IP4" : "IP6"; }

std::string_view first_word(std::string_view formats) {
    return formats.substr(0, formats.find(' '));
}

}  // namespace

NgSubscription::NgSubscription(std::uint32_t number, std::uint64_t session_id, bool takes_subset)
    : number_(number), takes_subset_(takes_subset), told_(session_id) {
    for (const Leg leg : {Leg::A, Leg::B})
        legs_[index_of(leg)].tag = fmt::format("recorder-{}-{}", number, leg == Leg::A ? "a" : "b");
}

Result<Done> NgSubscription::set_offered(Leg leg, std::string sdp) {
    Side& side = legs_[index_of(leg)];
    side.is_requested = true;
    if (sdp.empty()) {
        side.offered.reset();
        return Done{};
    }
    auto kept = sdp::KeptDescription::parse(std::move(sdp));
    if (!kept) return kept.error();
    for (const sdp::MediaDescription& medium : (*kept)->media)
        if (is_relayable(medium) && !sdp::rtp_address(**kept, medium))
            return Error{Errc::Malformed, "subscription: no address for a line"};
    side.offered.emplace(*std::move(kept));
    return Done{};
}

const sdp::MediaDescription* NgSubscription::offered(Leg leg, std::size_t line) const {
    const auto& offered = legs_[index_of(leg)].offered;
    if (!offered || line >= (*offered)->media.size()) return nullptr;
    const sdp::MediaDescription& medium = (*offered)->media[line];
    return is_relayable(medium) ? &medium : nullptr;
}

// ---- streams ------------------------------------------------------------------------------------

bool NgSubscription::is_wanted(const Negotiation& call, Leg leg, std::size_t line) const {
    const sdp::MediaDescription* medium = offered(leg, line);
    if (medium == nullptr || !wants(leg) || !call.is_relayed(line)) return false;
    return options_.media.empty() || is_one_of(options_.media, medium->media);
}

NgSubscription::Place* NgSubscription::find(Leg leg, std::size_t line) {
    const auto found = std::find_if(places_.begin(), places_.end(), [&](const Place& place) {
        return place.stream != 0 && place.from == leg && place.line == line;
    });
    return found == places_.end() ? nullptr : &*found;
}

const NgSubscription::Place* NgSubscription::find(Leg leg, std::size_t line) const {
    return const_cast<NgSubscription*>(this)->find(leg, line);
}

void NgSubscription::add(Leg leg, std::size_t line) {
    const sdp::MediaDescription* medium = offered(leg, line);
    const std::uint64_t stream = ++last_stream_;
    Place place{.label = std::to_string(stream),
                .media = std::string(medium->media),
                .proto = std::string(medium->proto),
                .from = leg,
                .line = line,
                .stream = stream};
    const auto free = std::find_if(places_.begin(), places_.end(), [](const Place& one) {
        return one.stream == 0 && one.was_told_ended;
    });
    if (free != places_.end())
        *free = std::move(place);
    else
        places_.push_back(std::move(place));
}

bool NgSubscription::update(const Negotiation& call) {
    for (Place& place : places_) {
        const sdp::MediaDescription* medium = offered(place.from, place.line);
        // A line that has become another is another stream: an answer names media and protocol.
        const bool is_same =
            medium != nullptr && medium->media == place.media && medium->proto == place.proto;
        if (place.stream == 0 || (is_same && is_wanted(call, place.from, place.line))) continue;
        place.stream = 0;
        place.rtp = {};
    }
    for (std::size_t line = 0; line < call.lines(); ++line)
        for (const Leg leg : {Leg::A, Leg::B})
            if (is_wanted(call, leg, line) && find(leg, line) == nullptr &&
                places_.size() < kMaxPlaces)
                add(leg, line);
    return !places_.empty();
}

bool NgSubscription::has_open(Leg leg) const {
    return std::any_of(places_.begin(), places_.end(), [&](const Place& place) {
        return place.from == leg && place.stream != 0 && !place.rtp.is_unspecified();
    });
}

std::vector<ForkMedia> NgSubscription::forks() const {
    std::vector<ForkMedia> forks;
    for (const Place& place : places_)
        if (place.stream != 0)
            forks.push_back({.subscription = number_,
                             .label = place.label,
                             .from = place.from,
                             .line = place.line,
                             .is_open = !place.rtp.is_unspecified(),
                             .to = place.rtp,
                             .rtp = {},
                             .rtcp = {},
                             .from_server = {}});
    return forks;
}

// ---- what the recording server is offered -------------------------------------------------------

// RTPEngine's, of its first stream: one subscription leaves by one interface.
NetAddress NgSubscription::address() const {
    if (const auto told = base::parse_host(options_.address, 0)) return *told;
    for (const Place& place : places_) {
        if (place.stream == 0) continue;
        const auto& offered = *legs_[index_of(place.from)].offered;
        return sdp::rtp_address(*offered, offered->media[place.line]).value_or(NetAddress{});
    }
    return *base::parse_host("0.0.0.0", 0);
}

std::string NgSubscription::write(const Negotiation& call, std::uint64_t version) const {
    std::vector<sdp::OfferedMedia> media;
    std::vector<std::vector<sdp::Attribute>> attributes(places_.size());
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const Place& place = places_[i];
        sdp::OfferedMedia line;
        line.media = place.media;
        line.proto = place.proto;
        line.label = place.label;
        line.direction = sdp::Direction::Inactive;
        line.payload_types = kNoFormat;
        if (place.stream != 0) {
            const auto& offered = *legs_[index_of(place.from)].offered;
            const sdp::MediaDescription& medium = offered->media[place.line];
            for (const sdp::Attribute& attribute : offered->attributes_of(medium))
                if (is_one_of(kOfferedAttributes, attribute.name))
                    attributes[i].push_back(attribute);
            line.port = medium.port;
            line.rtcp_port = medium.rtcp ? medium.rtcp->port : std::uint16_t{0};
            if (!medium.payload_types.empty()) line.payload_types = medium.payload_types;
            line.ptime_ms = medium.ptime_ms.value_or(0);
            line.rtcp_mux = medium.has_rtcp_mux;
            line.attributes = attributes[i];
            if (call.may_send(place.from, place.line) && !options_.is_paused)
                line.direction = sdp::Direction::SendOnly;
        }
        media.push_back(line);
    }
    return sdp::make_offer(
        {.session_id = told_.session_id(), .session_version = version, .address = address()},
        media);
}

Subscription NgSubscription::offer(const Negotiation& call) {
    Subscription made{
        .offer = told_.tell([&](std::uint64_t version) { return write(call, version); }),
        .streams = {}};
    Offered offered{.text = made.offer, .streams = {}};
    for (std::size_t i = 0; i < places_.size(); ++i) {
        Place& place = places_[i];
        offered.streams.push_back(place.stream);
        place.was_told_ended = place.stream == 0;
        if (place.stream == 0) continue;
        made.streams.push_back({.label = place.label,
                                .from = place.from,
                                .line = place.line,
                                .place = i,
                                .media = place.media,
                                .is_active = call.may_send(place.from, place.line)});
    }
    if (offers_.empty() || offers_.back().text != offered.text)
        offers_.push_back(std::move(offered));
    if (offers_.size() > kMaxUnansweredOffers) offers_.pop_front();
    return made;
}

// ---- what the recording server answers ----------------------------------------------------------

void NgSubscription::open(Place& place, const sdp::AnsweredMedia& answered,
                          const sdp::SessionDescription& answer, std::size_t at) {
    place.rtp = {};
    if (!answered.may_send() || answered.rtp->is_unspecified() || options_.is_paused) return;
    const sdp::MediaDescription& medium = answer.media[at];
    place.rtp = *answered.rtp;
    place.rtcp = answered.rtcp.value_or(NetAddress{});
    place.formats = medium.formats;
    place.attributes.clear();
    for (const sdp::Attribute& attribute : answer.attributes_of(medium)) {
        if (!is_one_of(kAnsweredAttributes, attribute.name)) continue;
        fmt::format_to(std::back_inserter(place.attributes), "a={}{}{}\r\n", attribute.name,
                       attribute.has_value ? ":" : "", attribute.value);
    }
}

Result<Done> NgSubscription::answer(const sdp::SessionDescription& answer) {
    Error why{Errc::Malformed, "answer: nothing was offered"};
    for (std::size_t i = offers_.size(); i-- > 0;) {
        const auto offer = sdp::parse(offers_[i].text);
        if (!offer) continue;
        const auto answered = sdp::check_answer(*offer, answer);
        if (!answered) {
            if (i + 1 == offers_.size()) why = answered.error();
            continue;
        }
        for (std::size_t at = 0; at < answered->size(); ++at)
            if (places_[at].stream != 0 && places_[at].stream == offers_[i].streams[at])
                open(places_[at], (*answered)[at], answer, at);
        offers_.erase(offers_.begin(), offers_.begin() + static_cast<std::ptrdiff_t>(i));
        return Done{};
    }
    return why;
}

void NgSubscription::stop() {
    for (Place& place : places_) place.rtp = {};
}

void NgSubscription::forget_told() {
    for (Side& side : legs_) {
        side.is_requested = false;
        side.told.clear();
    }
}

std::optional<std::string> NgSubscription::untold_answer(Leg leg) const {
    const Side& side = legs_[index_of(leg)];
    if (!side.is_requested || !side.offered || (side.told.empty() && !has_open(leg)))
        return std::nullopt;
    std::string answer = answer_for(leg);
    if (answer == side.told) return std::nullopt;
    return answer;
}

std::string NgSubscription::answer_for(Leg leg) const {
    std::string out =
        fmt::format("v=0\r\no=- {} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", told_.session_id());
    const auto append = [&out](auto format, auto... parts) {
        fmt::format_to(std::back_inserter(out), fmt::runtime(format), parts...);
    };
    const auto& offered = legs_[index_of(leg)].offered;
    for (std::size_t line = 0; offered && line < (*offered)->media.size(); ++line) {
        const sdp::MediaDescription& medium = (*offered)->media[line];
        const Place* place = find(leg, line);
        if (place == nullptr || place->rtp.is_unspecified() || medium.port == 0) {
            append("m={} 0 {} {}\r\n", medium.media, medium.proto, first_word(medium.formats));
            continue;
        }
        const bool is_subset = takes_subset_ && !place->formats.empty();
        append("m={} {} {} {}\r\n", medium.media, place->rtp.port, medium.proto,
               is_subset ? std::string_view(place->formats) : medium.formats);
        append("c=IN {} {}\r\n", family(place->rtp), base::host_to_string(place->rtp));
        for (const sdp::Attribute& attribute : (*offered)->attributes_of(medium))
            if (base::iequals(attribute.name, "rtpmap") || base::iequals(attribute.name, "fmtp"))
                append("a={}:{}\r\n", attribute.name, attribute.value);
        if (!place->rtcp.is_unspecified())
            append("a=rtcp:{} IN {} {}\r\n", place->rtcp.port, family(place->rtcp),
                   base::host_to_string(place->rtcp));
        out.append(place->attributes);
        append("a=recvonly\r\n");
    }
    return out;
}

}  // namespace earshot::relay
