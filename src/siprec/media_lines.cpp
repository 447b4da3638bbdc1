#include "siprec/media_lines.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/text.h"
#include "sdp/crypto_attribute.h"
#include "sdp/extmap.h"
#include "sdp/fingerprint.h"
#include "sdp/message_media.h"
#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

bool is_paused_by_direction(sdp::Direction direction) {
    return direction == sdp::Direction::Inactive || direction == sdp::Direction::RecvOnly;
}

std::uint64_t fingerprint_of(const StreamFacts& facts) {
    std::uint64_t hash = 0;
    const auto mix = [&](std::uint64_t value) {
        hash = (hash ^ value) * 0x9e3779b97f4a7c15U;  // 2^64 / the golden ratio
        hash ^= hash >> 32U;
    };
    const auto mix_text = [&](const std::string& text) { mix(std::hash<std::string>{}(text)); };
    mix_text(facts.media);
    mix_text(facts.protocol);
    mix_text(facts.content);
    for (const HeaderExtension& extension : facts.header_extensions) {
        mix(extension.id);
        mix_text(extension.uri);
        mix_text(extension.attributes);
    }
    mix(facts.sdes ? 1 + static_cast<std::uint64_t>(facts.sdes->suite()) : 0);
    mix(facts.dtls ? 1 + std::uint64_t{facts.dtls->are_we_active} : 0);
    mix(facts.rtcp_mux ? 1 : 0);
    if (facts.is_bundled) {
        mix_text(facts.mid);
        for (const std::uint32_t ssrc : facts.ssrcs) mix(ssrc);
    }
    for (const PayloadType& type : facts.payload_types) {
        mix(std::uint64_t{type.number} << 48U | std::uint64_t{type.channels} << 32U |
            type.clock_rate);
        mix_text(type.encoding);
        mix_text(type.fmtp);
    }
    mix(std::uint64_t{facts.feedback.nack} | std::uint64_t{facts.feedback.pli} << 1U |
        std::uint64_t{facts.feedback.fir} << 2U);
    return hash;
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

// A session that either side began anew has other URIs (RFC 4975 section 8.2): it is another
// stream, of the same label.
bool is_other_session(const MediaLines::Line& line, const StreamFacts& facts) {
    if ((line.messages != nullptr) != facts.messages.has_value()) return true;
    return facts.messages && line.messages->facts.path != facts.messages->path;
}

void keep_transport(MediaLines::Line& line, const StreamFacts& facts) {
    line.transport = facts.transport;
    line.is_bundled = facts.is_bundled;
    if (!facts.messages)
        line.messages = nullptr;
    else if (line.messages == nullptr)
        line.messages = std::make_unique<MessageLine>(MessageLine{*facts.messages, {}});
    else
        line.messages->facts = *facts.messages;
    line.sdes = facts.sdes ? std::make_unique<SdesKeys>(*facts.sdes) : nullptr;
    line.dtls = facts.dtls ? std::make_unique<DtlsFacts>(*facts.dtls) : nullptr;
    line.rtcp_mux = facts.rtcp_mux;
}

// The stream whose session has ended is not held: it is over.
bool has_stopped(const MetadataModel& model, const MediaStream& stream) {
    const CommunicationSession* session = model.find_session(stream.session);
    return session != nullptr && session->stop.has_value();
}

}  // namespace

const base::NetAddress& MediaLines::address_of(const Line& line, const MediaAddresses& ours) {
    return ours.usual.is_v4() == line.ipv6 ? ours.other : ours.usual;
}

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

void MediaLines::set_policy(Declines declines, bool withhold) {
    if (declines) declines_ = std::make_unique<Declines>(std::move(declines));
    withheld_ = withhold;
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

void MediaLines::open(Line& line, StreamFacts facts, Actions& out) {
    if (line.stream == kNoStream) line.stream = next_stream_++;
    facts.stream = line.stream;
    line.state = Line::State::Opening;
    line.held = line.had_sender = false;
    line.rtp_port = line.rtcp_port = 0;
    line.refusal = sdp::Refusal::None;
    line.label = facts.label;
    line.paused = facts.paused;
    line.ipv6 = facts.ipv6;
    line.peer_rtp = facts.peer_rtp;
    line.peer_rtcp = facts.peer_rtcp;
    line.fingerprint = fingerprint_of(facts);
    line.media = media_kind(facts.media);
    line.content = sdp::parse_content(facts.content);
    keep_transport(line, facts);
    facts.paused = facts.paused || paused_by_us_;
    opening_.push_back(facts);
    out.emplace_back(OpenStream{std::move(facts)});
}

void MediaLines::change(Line& line, StreamFacts facts, Actions& out) {
    const std::uint64_t fingerprint = fingerprint_of(facts);
    // While paused the address is 0.0.0.0 or stale: what it was before stays.
    const bool is_own_address = !facts.is_bundled && !line.is_bundled;
    if (is_own_address && facts.paused && line.had_address && facts.peer_rtp != line.peer_rtp) {
        facts.peer_rtp = line.peer_rtp;
        facts.peer_rtcp = line.peer_rtcp;
    }
    const bool changed = fingerprint != line.fingerprint || facts.label != line.label ||
                         facts.peer_rtp != line.peer_rtp || facts.peer_rtcp != line.peer_rtcp;
    const bool is_rekeyed = (facts.sdes && line.sdes && facts.sdes->peer != line.sdes->peer) ||
                            (facts.dtls && line.dtls && *facts.dtls != *line.dtls);
    // Masking must hold (E-25): pause before anything else, resume after everything else.
    const bool was_paused = std::exchange(line.paused, facts.paused);
    if (line.paused && !was_paused && !is_discarded_by_us(line))
        set_effective_pause(line, true, out);
    const bool is_moved = facts.transport != line.transport;
    if (changed || is_rekeyed || is_moved || facts.is_bundled != line.is_bundled) {
        keep_transport(line, facts);
        line.fingerprint = fingerprint;
        line.media = media_kind(facts.media);
        line.content = sdp::parse_content(facts.content);
        line.label = facts.label;
        line.peer_rtp = facts.peer_rtp;
        line.peer_rtcp = facts.peer_rtcp;
        facts.paused = facts.paused || is_discarded_by_us(line);
        if (is_moved) {  // told by stream_changed once its port is known
            line.state = Line::State::Moving;
            line.ipv6 = facts.ipv6;
            opening_.push_back(facts);
            out.emplace_back(MoveStream{facts});
        } else {
            out.emplace_back(UpdateStream{facts});
        }
        if (changed && !is_moved)
            out.emplace_back(make_stream_event("stream_changed", facts, line.rtp_port));
        if (is_rekeyed) out.emplace_back(make_event("key_changed", line.stream));
    }
    if (line.sdes && facts.sdes) line.sdes->tag = facts.sdes->tag;
    if (!line.paused && was_paused && !is_discarded_by_us(line))
        set_effective_pause(line, false, out);
}

void MediaLines::set_effective_pause(const Line& line, bool paused, Actions& out) {
    if (paused) {
        out.emplace_back(PauseStream{line.stream});
    } else {
        out.emplace_back(ResumeStream{line.stream});
    }
    // A stream that is still opening is told, with its pause, by stream_added.
    for (StreamFacts& facts : opening_) {
        if (line.state != Line::State::Opening) break;
        if (facts.stream != line.stream) continue;
        facts.paused = paused;
        return;
    }
    out.emplace_back(make_event(paused ? "stream_paused" : "stream_resumed", line.stream));
}

void MediaLines::pause_by_us(Actions& out) {
    if (std::exchange(paused_by_us_, true)) return;
    for (const Line& line : lines_)
        if (line.state != Line::State::Off && !line.paused && !line.dropped)
            set_effective_pause(line, true, out);
}

void MediaLines::resume_by_us(Actions& out) {
    if (!std::exchange(paused_by_us_, false)) return;
    for (const Line& line : lines_)
        if (line.state != Line::State::Off && !line.paused && !line.dropped)
            set_effective_pause(line, false, out);
}

void MediaLines::close(Line& line, Actions& out) {
    if (line.state == Line::State::Off) return;
    opening_.erase(
        std::remove_if(opening_.begin(), opening_.end(),
                       [&](const StreamFacts& facts) { return facts.stream == line.stream; }),
        opening_.end());
    out.emplace_back(CloseStream{line.stream});
    out.emplace_back(make_event("stream_removed", line.stream));
    const bool dropped = line.dropped;
    line = Line{};
    line.dropped = dropped;
}

std::uint16_t MediaLines::drop(std::string_view label, Actions& out) {
    const auto line = std::find_if(lines_.begin(), lines_.end(), [&](const Line& one) {
        return one.state == Line::State::Open && !one.dropped && one.label == label;
    });
    if (line == lines_.end()) return kNoStream;
    // No stream_paused: nothing will resume it.
    if (!line->paused && !paused_by_us_) out.emplace_back(PauseStream{line->stream});
    line->dropped = true;
    return line->stream;
}

// A line that is refused from its first offer on is a stream all the same, of which nothing was
// recorded: it has a number, and keeps it if it is taken later.
void MediaLines::refuse(Line& line, std::size_t index, std::string label, std::string media,
                        sdp::Refusal refusal, Actions& out) {
    const bool was_open = line.state != Line::State::Off;
    close(line, out);
    if (line.refusal == refusal) return;
    line.refusal = refusal;
    if (!was_open && line.stream == kNoStream && next_stream_ < kMaxStreams)
        line.stream = next_stream_++;
    out.emplace_back(make_event("stream_refused", line.stream,
                                {{"media_line", static_cast<std::int64_t>(index)},
                                 {"label", std::move(label)},
                                 {"media", std::move(media)},
                                 {"reason", std::string{sdp::to_string(refusal)}}}));
}

void MediaLines::apply(const sdp::SessionDescription& description, Role role,
                       const base::NetAddress& peer, const MediaAddresses& ours, Actions& out) {
    // An offer with fewer lines than before is a fault (RFC 3264 section 8): the rest is removed.
    for (std::size_t i = description.media.size(); i < lines_.size(); ++i) close(lines_[i], out);
    if (role == Role::Offer) lines_.resize(std::min(description.media.size(), kMaxMediaLines));
    const std::vector<Plan> plans = plan(description, role, ours);
    std::vector<std::pair<std::size_t, sdp::Refusal>> refused;
    for (std::size_t i = 0; i < plans.size(); ++i) {
        Line& line = lines_[i];
        sdp::Refusal refusal = plans[i].refusal;
        if (refusal == sdp::Refusal::PortZero) {
            close(line, out);
            line.refusal = sdp::Refusal::None;
            line.stream = kNoStream;  // what is offered here afterwards is another one (P-34)
            if (role == Role::Offer) line.dropped = false;
            continue;
        }
        if (line.dropped && role != Role::Offer) continue;  // it did not agree
        if (line.state == Line::State::Off && refusal == sdp::Refusal::None &&
            next_stream_ >= kMaxStreams)
            refusal = sdp::Refusal::TooManyStreams;
        if (refusal != sdp::Refusal::None && line.state != Line::State::Off) {
            refuse(line, i, label_of(description, i), base::to_lower(description.media[i].media),
                   refusal, out);
            continue;
        }
        if (refusal != sdp::Refusal::None) {
            refused.emplace_back(i, refusal);
            continue;
        }
        StreamFacts facts = facts_of(description, i, plans[i], role, peer, ours);
        // The peer went over to the other IP family: nothing of it can reach the open port. (In a
        // BUNDLE group it has been given another transport.)
        const bool is_moved = facts.ipv6 != line.ipv6 && !facts.paused && !facts.is_bundled;
        const bool is_other = line.state != Line::State::Off && is_other_session(line, facts);
        if (role == Role::Offer && (is_moved || is_other)) {
            if (line.state != Line::State::Off && next_stream_ >= kMaxStreams) {
                refused.emplace_back(i, sdp::Refusal::TooManyStreams);
                continue;
            }
            if (line.state != Line::State::Off) facts.transport = ++last_transport_;
            close(line, out);
        }
        if (line.state != Line::State::Off) {
            change(line, std::move(facts), out);
        } else if (role == Role::Offer) {
            open(line, std::move(facts), out);
        }
        line.carrier = static_cast<std::uint16_t>(plans[i].carrier);
        line.had_address = line.had_address ||
                           !description.is_held_by_address(description.media[plans[i].carrier]);
    }
    // Those that never ran: last, so that what is recorded has the first numbers.
    for (const auto& [i, refusal] : refused)
        refuse(lines_[i], i, label_of(description, i), base::to_lower(description.media[i].media),
               refusal, out);
    if (role == Role::Offer) tell_excess(description, out);
}

// They get port 0 and are no streams: what lacks in the recording is told once, by their number.
void MediaLines::tell_excess(const sdp::SessionDescription& offer, Actions& out) {
    const std::size_t count = sdp::count_excess_media(offer);
    if (std::exchange(excess_, count) == count || count == 0) return;
    out.emplace_back(make_event("stream_refused", kNoStream,
                                {{"media_line", static_cast<std::int64_t>(offer.media.size())},
                                 {"media_lines", static_cast<std::int64_t>(count)},
                                 {"reason", std::string{sdp::to_string(sdp::Refusal::TooMany)}}}));
}

void MediaLines::open_default(std::size_t count, const MediaAddresses& ours, Actions& out) {
    lines_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        StreamFacts facts;
        facts.label = std::to_string(i + 1);
        facts.protocol = "RTP/AVP";
        facts.direction = withheld_ ? "inactive" : "recvonly";
        facts.paused = withheld_;
        facts.ipv6 = wants_ipv6({}, ours);
        facts.transport = ++last_transport_;
        open(lines_[i], std::move(facts), out);
    }
}

MediaLines::Line* MediaLines::find(std::uint16_t stream) {
    const auto found = std::find_if(lines_.begin(), lines_.end(),
                                    [&](const Line& line) { return line.stream == stream; });
    return stream == kNoStream || found == lines_.end() ? nullptr : &*found;
}

void MediaLines::on_opened(std::uint16_t stream, std::uint16_t rtp_port, std::uint16_t rtcp_port,
                           Actions& out) {
    Line* line = find(stream);
    if (line == nullptr) return;
    const bool is_new = line->state == Line::State::Opening;
    if (!is_new && line->state != Line::State::Moving) return;
    line->state = Line::State::Open;
    line->rtp_port = rtp_port;
    line->rtcp_port = rtcp_port;
    if (line->messages) line->rtcp_port = 0;
    const auto facts = std::find_if(opening_.begin(), opening_.end(),
                                    [&](const StreamFacts& one) { return one.stream == stream; });
    if (facts != opening_.end()) {
        out.emplace_back(
            make_stream_event(is_new ? "stream_added" : "stream_changed", *facts, rtp_port));
        if (facts->paused && is_new) out.emplace_back(make_event("stream_paused", stream));
        opening_.erase(facts);
    }
    if (opening_.empty()) opening_.shrink_to_fit();
}

void MediaLines::on_messages_opened(std::uint16_t stream, MessageEndpoint ours, Actions& out) {
    Line* line = find(stream);
    if (line == nullptr || line->messages == nullptr) return;
    const std::uint16_t port = ours.port;
    line->messages->ours = std::move(ours);
    on_opened(stream, port, 0, out);
}

void MediaLines::on_failed(std::uint16_t stream, std::string_view reason, Actions& out) {
    Line* line = find(stream);
    if (line == nullptr) return;
    const bool is_new = line->state == Line::State::Opening;
    if (!is_new && line->state != Line::State::Moving) return;
    std::string media = "audio";
    for (const StreamFacts& facts : opening_)
        if (facts.stream == stream) media = facts.media;
    opening_.erase(std::remove_if(opening_.begin(), opening_.end(),
                                  [&](const StreamFacts& one) { return one.stream == stream; }),
                   opening_.end());
    std::string label = std::move(line->label);
    if (!is_new) close(*line, out);  // it has no port any more
    *line = Line{};
    if (is_new) line->stream = stream;
    line->refusal = sdp::Refusal::ByDecision;
    out.emplace_back(make_event("stream_refused", stream,
                                {{"label", std::move(label)},
                                 {"media", std::move(media)},
                                 {"reason", std::string{reason}}}));
}

void MediaLines::close_all(Actions& out) {
    for (Line& line : lines_) close(line, out);
}

void MediaLines::update_holds(const MetadataModel& model, Actions& out) {
    for (Line& line : lines_) {
        const MediaStream* stream = model.find_stream_by_label(line.label);
        if (line.state == Line::State::Off || stream == nullptr) continue;
        const bool silent = model.is_held(line.label);
        line.had_sender = line.had_sender || !model.senders_of(line.label).empty();
        // Some clients never fill the associations: only who has sent can be put on hold.
        const bool held = silent && line.had_sender && !has_stopped(model, *stream);
        if (held != line.held && !has_stopped(model, *stream)) {
            out.emplace_back(make_event(held ? "stream_held" : "stream_unheld", line.stream));
            line.held = held;
        }
    }
}

void MediaLines::update_roles(const MetadataModel& model, Actions& out) {
    // Where the client pauses all, it pauses the recording and shares on.
    const bool is_all_paused = std::all_of(lines_.begin(), lines_.end(), [](const Line& line) {
        return line.state == Line::State::Off || line.paused;
    });
    std::vector<ShownStream> shown;
    for (const Line& line : lines_)
        if (line.state == Line::State::Open && !line.dropped && line.media != MediaKind::Other)
            shown.push_back({.stream = line.stream,
                             .label = line.label,
                             .media = line.media,
                             .content = line.content,
                             .is_inactive = line.paused && !is_all_paused});
    std::vector<Event> events;
    roles_.update(shown, model, events);
    for (Event& event : events) out.emplace_back(std::move(event));
}

bool MediaLines::is_waiting() const { return !opening_.empty(); }

std::size_t MediaLines::open_count() const {
    return static_cast<std::size_t>(
        std::count_if(lines_.begin(), lines_.end(),
                      [](const Line& line) { return line.state == Line::State::Open; }));
}

bool MediaLines::is_all_paused() const {
    if (is_inactive_by_us()) return true;  // also while the client has closed all lines
    return open_count() > 0 && std::all_of(lines_.begin(), lines_.end(), [](const Line& line) {
               return line.state != Line::State::Open || line.paused || line.dropped;
           });
}

const base::NetAddress& MediaLines::session_address(const MediaAddresses& ours) const {
    const auto open = std::find_if(lines_.begin(), lines_.end(), [](const Line& line) {
        return line.state == Line::State::Open;
    });
    return open == lines_.end() ? ours.usual : address_of(*open, ours);
}

// Nothing: it is in no group, or not open.
std::optional<std::size_t> MediaLines::tagged_line_of(const Line& line) const {
    const auto is_of_group = [&](const Line& one) {
        return one.state == Line::State::Open && !one.dropped && one.is_bundled &&
               one.transport == line.transport;
    };
    if (!is_of_group(line)) return std::nullopt;
    if (line.carrier < lines_.size() && is_of_group(lines_[line.carrier])) return line.carrier;
    return static_cast<std::size_t>(std::find_if(lines_.begin(), lines_.end(), is_of_group) -
                                    lines_.begin());
}

std::vector<sdp::MediaDecision> MediaLines::decisions(const MediaAddresses& ours) const {
    std::vector<sdp::MediaDecision> decisions(lines_.size());
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        decisions[i].accept = lines_[i].state == Line::State::Open && !lines_[i].dropped;
        decisions[i].rtp_port = lines_[i].rtp_port;
        decisions[i].rtcp_port = lines_[i].rtcp_port;
        decisions[i].inactive = is_inactive_by_us();
        if (decisions[i].accept) decisions[i].address = address_of(lines_[i], ours);
        if (lines_[i].rtcp_mux) decisions[i].rtcp_port = lines_[i].rtp_port;
        decisions[i].carrier = lines_[i].carrier;
        decisions[i].bundle = tagged_line_of(lines_[i]);
        if (decisions[i].bundle.value_or(i) != i) continue;
        if (const SdesKeys* const keys = lines_[i].sdes.get(); keys != nullptr)
            decisions[i].security = "a=crypto:" + sdp::write_crypto(keys->tag, keys->ours) + "\r\n";
        if (lines_[i].dtls && dtls_.fingerprint != nullptr)
            decisions[i].security = dtls_attributes(lines_[i], ours);
        decisions[i].is_message = lines_[i].messages != nullptr;
        if (lines_[i].messages)
            decisions[i].security = write_message_attributes(*lines_[i].messages);
    }
    return decisions;
}

}  // namespace earshot::siprec
