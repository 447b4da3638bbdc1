#include "relay/negotiation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace earshot::relay {

namespace {

using sdp::Direction;

bool sends(Direction direction) {
    return direction == Direction::SendRecv || direction == Direction::SendOnly;
}
bool receives(Direction direction) {
    return direction == Direction::SendRecv || direction == Direction::RecvOnly;
}

bool is_same_format(const sdp::PayloadType& a, const sdp::PayloadType& b) {
    if (a.encoding.empty() || b.encoding.empty()) return a.number == b.number;
    return base::iequals(a.encoding, b.encoding) && a.clock_rate == b.clock_rate &&
           a.channels == b.channels;
}

const sdp::MediaDescription* medium_of(const LegDescription* description, std::size_t line) {
    if (description == nullptr || line >= description->sdp->media.size()) return nullptr;
    return &description->sdp->media[line];
}

}  // namespace

base::Result<LegDescriptionPtr, base::Reason> read_leg(const LegSdp& sdp) {
    auto kept = sdp::KeptDescription::parse(std::string(sdp.text));
    if (!kept)
        return base::Reason{
            .code = "sdp_malformed",
            .text = fmt::format("The session description cannot be read: {}.", kept.error().what)};
    return std::make_shared<const LegDescription>(
        LegDescription{.sdp = *std::move(kept), .signalled_by = sdp.signalled_by});
}

bool is_relayable(const sdp::MediaDescription& medium) {
    return medium.is_rtp() && !base::istarts_with(medium.proto, "TCP/") && !medium.is_malformed &&
           medium.port != 0;
}

void Negotiation::offer(Leg from, LegDescriptionPtr description) {
    before_ = agreed_;
    offer_ = std::move(description);
    offerer_ = from;
    is_answered_ = false;
}

bool Negotiation::answer(Leg from, LegDescriptionPtr description) {
    if (offer_ == nullptr || offerer_ == from) return false;
    agreed_[index_of(offerer_)] = offer_;
    agreed_[index_of(from)] = std::move(description);
    is_answered_ = true;
    return true;
}

bool Negotiation::rollback(Leg offerer) {
    if (offer_ == nullptr || offerer_ != offerer) return false;
    agreed_ = before_;
    offer_ = nullptr;
    is_answered_ = false;
    return true;
}

const LegDescription* Negotiation::description(Leg leg) const {
    if (const auto& agreed = agreed_[index_of(leg)]) return agreed.get();
    return offerer_ == leg ? offer_.get() : nullptr;
}

const sdp::MediaDescription* Negotiation::medium(Leg leg, std::size_t line) const {
    return medium_of(description(leg), line);
}

std::size_t Negotiation::lines() const {
    const auto count = [this](Leg leg) {
        const LegDescription* of = description(leg);
        return of == nullptr ? 0 : of->sdp->media.size();
    };
    return std::max(count(Leg::A), count(Leg::B));
}

bool Negotiation::is_relayed(std::size_t line) const {
    bool is_told = false;
    for (const Leg leg : {Leg::A, Leg::B}) {
        if (description(leg) == nullptr) continue;
        const sdp::MediaDescription* of = medium(leg, line);
        if (of == nullptr || !is_relayable(*of)) return false;
        is_told = true;
    }
    return is_told;
}

bool Negotiation::may_send(Leg leg, std::size_t line) const {
    if (!is_relayed(line)) return false;
    const sdp::MediaDescription* own = medium(leg, line);
    const sdp::MediaDescription* taken = medium(other(leg), line);
    return (own == nullptr || sends(own->direction)) &&
           (taken == nullptr || (receives(taken->direction) &&
                                 !description(other(leg))->sdp->is_held_by_address(*taken)));
}

bool Negotiation::has_rtcp_mux(std::size_t line) const {
    const sdp::MediaDescription* a = medium(Leg::A, line);
    const sdp::MediaDescription* b = medium(Leg::B, line);
    return a != nullptr && b != nullptr && a->has_rtcp_mux && b->has_rtcp_mux;
}

void Negotiation::append_hosts(const LegDescription& of, std::size_t line, bool uses_rtcp_mux,
                               std::vector<base::NetAddress>& hosts) const {
    const sdp::MediaDescription* told = medium_of(&of, line);
    if (told == nullptr) return;
    const auto append = [&hosts](const std::optional<base::NetAddress>& address) {
        if (!address || address->is_unspecified() || hosts.size() == kMaxHosts) return;
        const auto is_same = [&](const auto& host) { return host.same_host(*address); };
        if (std::none_of(hosts.begin(), hosts.end(), is_same)) hosts.push_back(*address);
    };
    append(of.signalled_by);
    append(sdp::rtp_address(*of.sdp, *told));
    append(sdp::rtcp_address(*of.sdp, *told, uses_rtcp_mux));
}

Remote Negotiation::remote(Leg leg, std::size_t line) const {
    Remote remote;
    const LegDescription* of = description(leg);
    if (of == nullptr || !is_relayed(line)) return remote;
    const sdp::MediaDescription& told = *medium(leg, line);
    const bool uses_mux = has_rtcp_mux(line);
    remote.is_held = of->sdp->is_held_by_address(told);
    if (!remote.is_held) {
        remote.rtp = sdp::rtp_address(*of->sdp, told).value_or(base::NetAddress{});
        remote.rtcp = sdp::rtcp_address(*of->sdp, told, uses_mux).value_or(base::NetAddress{});
    }
    append_hosts(*of, line, uses_mux, remote.hosts);
    for (const sdp::PayloadType& type : sent_formats(leg, line))
        if (base::iequals(type.encoding, "telephone-event")) remote.keys.set(type.number & 0x7fU);
    // Who offers to move may do so before the answer is here (RFC 3264 section 8.3.1).
    if (offer_ != nullptr && !is_answered_ && offerer_ == leg && offer_.get() != of)
        append_hosts(*offer_, line, uses_mux, remote.hosts);
    return remote;
}

std::vector<sdp::PayloadType> Negotiation::sent_formats(Leg leg, std::size_t line) const {
    const sdp::MediaDescription* taken = medium(other(leg), line);
    const sdp::MediaDescription* own = medium(leg, line);
    if (taken == nullptr) taken = own;
    if (taken == nullptr) return {};
    if (own == nullptr) own = taken;
    std::vector<sdp::PayloadType> formats;
    for (const sdp::PayloadType& type : taken->payload_types)
        if (std::any_of(own->payload_types.begin(), own->payload_types.end(),
                        [&](const auto& mine) { return is_same_format(mine, type); }))
            formats.push_back(type);
    // A peer that answered with nothing of the offer: its word is the best there is.
    return formats.empty() ? taken->payload_types : formats;
}

}  // namespace earshot::relay
