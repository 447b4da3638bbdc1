// What becomes of each line of a description, before anything is done: whether it is taken, whose
// transport it has, and the facts of its stream. apply() then does it.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sdp/crypto_attribute.h"
#include "sdp/extmap.h"
#include "sdp/fingerprint.h"
#include "sdp/message_media.h"
#include "siprec/limits.h"
#include "siprec/media_lines.h"

namespace earshot::siprec {
namespace {

bool is_paused_by_direction(sdp::Direction direction) {
    return direction == sdp::Direction::Inactive || direction == sdp::Direction::RecvOnly;
}

std::vector<PayloadType> payload_types_of(const sdp::MediaDescription& medium) {
    std::vector<PayloadType> types;
    types.reserve(medium.payload_types.size());
    for (const sdp::PayloadType& type : medium.payload_types) {
        types.push_back({type.number, std::string{type.encoding}, type.clock_rate, type.channels,
                         std::string{type.fmtp}});
    }
    return types;
}

std::vector<HeaderExtension> header_extensions_of(const sdp::SessionDescription& description,
                                                  const sdp::MediaDescription& medium) {
    std::vector<HeaderExtension> list;
    for (const sdp::ExtMap& map : sdp::extmaps_of(description, medium))
        list.push_back({map.id, std::string{map.uri}, std::string{map.attributes}});
    return list;
}

OfferedStream to_offered(std::string label, const sdp::MediaDescription& medium) {
    OfferedStream stream{
        .label = std::move(label), .media = base::to_lower(medium.media), .encodings = {}};
    for (const sdp::PayloadType& type : medium.payload_types)
        stream.encodings.emplace_back(type.encoding);
    return stream;
}

// A line gets ports of the family of the peer's address, where we have it.
bool wants_ipv6(const base::NetAddress& peer, const MediaAddresses& ours) {
    if (ours.other.is_unspecified() || peer.is_unspecified()) return !ours.usual.is_v4();
    return !peer.is_v4();
}

// RFC 5761 section 4: of payload types 64 to 95 a packet could not be told from RTCP.
bool may_mux(const sdp::MediaDescription& medium) {
    const auto& types = medium.payload_types;
    return medium.has_rtcp_mux && std::none_of(types.begin(), types.end(), [](const auto& type) {
               return type.number >= 64 && type.number <= 95;
           });
}

}  // namespace

// Of each line of an offer, as far as the offer alone decides it.
std::vector<sdp::Refusal> MediaLines::refusals_of(const sdp::SessionDescription& offer) const {
    const auto carriers =
        sdp::carriers_of(sdp::bundles_of(offer), offer.media.size(), [&](std::size_t line) {
            return check_offered(offer, offer.media[line], offer.media[line]) == sdp::Refusal::None;
        });
    std::vector<sdp::Refusal> refusals;
    for (std::size_t i = 0; i < carriers.size(); ++i)
        refusals.push_back(check_offered(offer, offer.media[i], offer.media[carriers[i]]));
    return refusals;
}

bool MediaLines::is_acceptable(const sdp::SessionDescription& offer) const {
    bool refused = false;
    for (const sdp::Refusal refusal : refusals_of(offer)) {
        if (refusal == sdp::Refusal::None) return true;
        refused = refused || refusal != sdp::Refusal::PortZero;
    }
    return !refused;
}

std::vector<OfferedStream> MediaLines::offered_streams(const sdp::SessionDescription& offer) const {
    std::vector<OfferedStream> streams;
    const std::vector<sdp::Refusal> refusals = refusals_of(offer);
    const std::size_t count = std::min(offer.media.size(), kMaxMediaLines);
    for (std::size_t i = 0; i < count; ++i)
        if (refusals[i] == sdp::Refusal::None)
            streams.push_back(to_offered(label_of(offer, i), offer.media[i]));
    return streams;
}

// E-14: a line without a label, or with one that an earlier line has, is known by its index.
std::string MediaLines::label_of(const sdp::SessionDescription& description, std::size_t index) {
    const auto& media = description.media;
    const auto has_label_before = [&](std::string_view label, std::size_t end) {
        return std::any_of(media.begin(), media.begin() + static_cast<std::ptrdiff_t>(end),
                           [&](const auto& medium) { return medium.label == label; });
    };
    const auto& label = media[index].label;
    if (label && !label->empty() && !has_label_before(*label, index)) return std::string{*label};
    std::string number = std::to_string(index);
    return has_label_before(number, media.size()) ? "m" + number : number;
}

StreamFacts MediaLines::facts_of(const sdp::SessionDescription& description, std::size_t index,
                                 const Plan& plan, Role role, const base::NetAddress& peer,
                                 const MediaAddresses& ours) const {
    const sdp::MediaDescription& medium = description.media[index];
    const sdp::MediaDescription& carrier = description.media[plan.carrier];
    const Line& line = lines_[index];
    const Line* const holder = holder_of(plan.transport);
    StreamFacts facts;
    facts.stream = line.stream;
    facts.label = role == Role::Offer ? label_of(description, index) : line.label;
    facts.media = base::to_lower(medium.media);
    facts.protocol = medium.proto;
    facts.direction = sdp::to_string(medium.direction);
    facts.content = medium.content;
    facts.header_extensions = header_extensions_of(description, medium);
    facts.payload_types = payload_types_of(medium);
    facts.feedback = sdp::feedback_of(description, medium);
    facts.transport = plan.transport;
    facts.is_bundled = plan.is_bundled;
    if (plan.is_bundled) facts.mid = medium.mid;
    if (plan.is_bundled) facts.ssrcs = medium.ssrcs;
    facts.rtcp_mux = plan.is_bundled || (may_mux(medium) && (role == Role::Offer || line.rtcp_mux));
    // An answer to an offer of ours changes nothing of a session that runs.
    if (role != Role::Offer && line.messages != nullptr)
        facts.messages = line.messages->facts;
    else if (sdp::is_message_media(medium))
        facts.messages = message_facts_of(description, medium);
    facts.sdes = keys_of(description, carrier, holder, role);
    facts.dtls = dtls_of(description, carrier, holder, role);

    // With ICE the address may be unknown yet, which is no hold (RFC 8840 section 4.1.3).
    const bool uses_ice = facts.dtls && facts.dtls->ice;
    const bool by_address = !uses_ice && description.is_held_by_address(carrier);
    // Old OpenSIPS builds write c=0.0.0.0 when their media address is unset, and send (Q8): beside
    // an explicit a=sendonly, on a stream that never had an address, it is no pause.
    const bool is_unset_address =
        by_address && medium.direction == sdp::Direction::SendOnly && !line.had_address;
    facts.paused = role == Role::AnswerToInactive
                       ? line.paused
                       : withheld_ || is_paused_by_direction(medium.direction) ||
                             (by_address && !is_unset_address);

    const auto known = [&](const std::optional<base::NetAddress>& address, std::uint16_t port) {
        if (address && !address->is_unspecified()) return *address;
        if (uses_ice) return base::NetAddress{};
        base::NetAddress assumed = peer;
        assumed.port = address ? address->port : port;
        return assumed;
    };
    facts.peer_rtp = known(sdp::rtp_address(description, carrier), carrier.port);
    facts.peer_rtcp = facts.rtcp_mux ? facts.peer_rtp
                                     : known(sdp::rtcp_address(description, carrier, false),
                                             static_cast<std::uint16_t>(carrier.port + 1));
    facts.ipv6 =
        facts.peer_rtp.is_unspecified() ? wants_ipv6(peer, ours) : wants_ipv6(facts.peer_rtp, ours);
    if (plan.is_bundled && holder != nullptr) {
        facts.ipv6 = holder->ipv6;
        if (by_address) facts.peer_rtp = facts.peer_rtcp = holder->peer_rtp;
    }
    return facts;
}

// The first line that runs on a transport: what is in force there is the same for all of them.
const MediaLines::Line* MediaLines::holder_of(std::uint32_t transport) const {
    const auto holder = std::find_if(lines_.begin(), lines_.end(), [&](const Line& line) {
        return line.state != Line::State::Off && line.transport == transport;
    });
    return holder == lines_.end() ? nullptr : &*holder;
}

std::vector<MediaLines::Plan> MediaLines::plan(const sdp::SessionDescription& description,
                                               Role role, const MediaAddresses& ours) {
    std::vector<Plan> plans(std::min(lines_.size(), description.media.size()));
    const sdp::BundleOffer bundles = sdp::bundles_of(description);
    plan_carriers(description, role, bundles, plans);
    for (std::size_t i = 0; i < plans.size(); ++i) {
        const Line& line = lines_[i];
        Plan& one = plans[i];
        one.refusal = check(description, i, one.carrier, role);
        if (one.refusal == sdp::Refusal::PortZero) continue;
        const bool is_declined =
            line.state == Line::State::Off && one.refusal == sdp::Refusal::None &&
            declines_ != nullptr &&
            (*declines_)(to_offered(label_of(description, i), description.media[i]));
        if (line.dropped || is_declined) one.refusal = sdp::Refusal::ByDecision;
    }
    if (role == Role::Offer) {
        plan_transports(description, bundles, ours, plans);
    } else {  // what our offer says stands
        for (std::size_t i = 0; i < plans.size(); ++i) {
            plans[i].transport = lines_[i].transport;
            plans[i].is_bundled = lines_[i].is_bundled;
        }
    }
    return plans;
}

// RFC 9143 section 7.3.1: the first line of a group that is taken. What one that an operator has
// dropped says of the transport counts on: it is still the client's.
void MediaLines::plan_carriers(const sdp::SessionDescription& description, Role role,
                               const sdp::BundleOffer& bundles, std::vector<Plan>& plans) const {
    const auto can_carry = [&](std::size_t i) {
        const Line& line = lines_[i];
        return check(description, i, i, role) == sdp::Refusal::None &&
               (line.dropped || line.state != Line::State::Off || declines_ == nullptr ||
                !(*declines_)(to_offered(label_of(description, i), description.media[i])));
    };
    const auto carriers = sdp::carriers_of(bundles, plans.size(), can_carry);
    for (std::size_t i = 0; i < plans.size(); ++i) plans[i].carrier = carriers[i];
    if (role == Role::Offer) return;
    // An answer that says nothing of our group does not end it.
    for (std::size_t i = 0; i < plans.size(); ++i)
        for (std::size_t other = 0; lines_[i].is_bundled && carriers[i] == i && other < i; ++other)
            if (lines_[other].transport == lines_[i].transport && can_carry(other)) {
                plans[i].carrier = other;
                break;
            }
}

// A group goes on with a transport that one of its lines has; what is left for the others, and the
// lines that leave a group, is new. Thereby the group stays where it is when its tagged line goes.
void MediaLines::plan_transports(const sdp::SessionDescription& description,
                                 const sdp::BundleOffer& bundles, const MediaAddresses& ours,
                                 std::vector<Plan>& plans) {
    std::vector<std::uint32_t> claimed;
    const auto claim = [&](std::size_t i) {
        const Line& line = lines_[i];
        const bool is_free =
            line.state != Line::State::Off &&
            std::find(claimed.begin(), claimed.end(), line.transport) == claimed.end();
        return is_free ? line.transport : std::uint32_t{0};
    };
    const auto is_taken = [&](std::size_t i) {
        return i < plans.size() && plans[i].refusal == sdp::Refusal::None;
    };
    for (const std::vector<std::size_t>& group : bundles.groups) {
        const auto first = std::find_if(group.begin(), group.end(), is_taken);
        if (first == group.end()) continue;
        const auto address =
            sdp::rtp_address(description, description.media[plans[*first].carrier]);
        std::uint32_t transport = 0;
        for (const std::size_t i : group) {
            if (transport != 0 || !is_taken(i)) continue;
            // The client may have gone over to the other IP family.
            const bool is_reached = !address || address->is_unspecified() ||
                                    lines_[i].ipv6 == wants_ipv6(*address, ours);
            if (is_reached) transport = claim(i);
        }
        if (transport == 0) transport = ++last_transport_;
        claimed.push_back(transport);
        for (const std::size_t i : group) {
            if (!is_taken(i)) continue;
            plans[i].transport = transport;
            plans[i].is_bundled = true;
        }
    }
    for (std::size_t i = 0; i < plans.size(); ++i) {
        if (plans[i].is_bundled) continue;
        plans[i].transport = claim(i);
        if (plans[i].transport == 0 && is_taken(i)) plans[i].transport = ++last_transport_;
        claimed.push_back(plans[i].transport);
    }
}

// RFC 4568 section 5.1.2: the first line that can be used, in the peer's order. Our own key stays
// for as long as the suite does. An answer without a usable key leaves the keys in force.
std::optional<SdesKeys> MediaLines::keys_of(const sdp::SessionDescription& description,
                                            const sdp::MediaDescription& carrier,
                                            const Line* holder, Role role) const {
    const SdesKeys* const in_force = holder == nullptr ? nullptr : holder->sdes.get();
    if (!carrier.is_secure_rtp() || sdp::is_dtls_srtp(description, carrier)) return std::nullopt;
    auto offered = sdp::choose_crypto(description, carrier);
    const bool goes_on = offered && in_force != nullptr && in_force->suite() == offered->suite();
    if (!offered || (role != Role::Offer && !goes_on))
        return in_force != nullptr ? std::optional{*in_force} : std::nullopt;
    const base::SrtpSuite suite = offered->suite();
    return SdesKeys{.tag = offered->tag,
                    .peer = std::move(offered->keys),
                    .ours = goes_on ? in_force->ours : new_key_(suite)};
}

sdp::Refusal MediaLines::check(const sdp::SessionDescription& description, std::size_t index,
                               std::size_t carrier_index, Role role) const {
    const sdp::MediaDescription& medium = description.media[index];
    const sdp::MediaDescription& carrier = description.media[carrier_index];
    const Line& line = lines_[index];
    const sdp::Refusal refusal = check_offered(description, medium, carrier);
    if (refusal == sdp::Refusal::NoPath && role != Role::Offer && line.messages)
        return sdp::Refusal::None;
    if (refusal == sdp::Refusal::NoUsableKey && role != Role::Offer && (line.sdes || line.dtls))
        return sdp::Refusal::None;
    if (refusal != sdp::Refusal::None || !medium.is_secure_rtp()) return refusal;
    const bool can_key = sdp::is_dtls_srtp(description, carrier) ? dtls_.fingerprint != nullptr
                                                                 : new_key_ != nullptr;
    return can_key ? sdp::Refusal::None : sdp::Refusal::SecureRtp;
}

sdp::Refusal MediaLines::check_offered(const sdp::SessionDescription& description,
                                       const sdp::MediaDescription& medium,
                                       const sdp::MediaDescription& carrier) const {
    const bool is_over_tls = medium.proto.size() > std::string_view{"TCP/MSRP"}.size();
    const bool takes = is_over_tls ? message_terms_.takes_tls : message_terms_.takes_plain;
    if (!sdp::is_message_media(medium))
        return sdp::check_offered_media(description, medium, carrier);
    if (takes || medium.port == 0) return sdp::check_offered_messages(description, medium);
    return is_over_tls && message_terms_.takes_plain ? sdp::Refusal::NoTls
                                                     : sdp::Refusal::UnsupportedMedia;
}

}  // namespace earshot::siprec
