#include "siprec/offer_leniencies.h"

#include <algorithm>
#include <functional>
#include <string>

#include "sdp/bundle.h"
#include "sdp/ice.h"

namespace earshot::siprec {
namespace {

std::string line_detail(Leniency leniency, std::size_t index) {
    return std::string{facts_of(leniency).fault} + " (media line " + std::to_string(index) + ")";
}

Leniency leniency_of(sdp::BundleFault fault) {
    switch (fault) {
        case sdp::BundleFault::UnknownMid:
            return Leniency::BundleUnknownMid;
        case sdp::BundleFault::RepeatedMid:
            return Leniency::BundleRepeatedMid;
        case sdp::BundleFault::NoRtcpMux:
            return Leniency::BundleWithoutRtcpMux;
        case sdp::BundleFault::OtherProtection:
            return Leniency::BundleOtherProtection;
        case sdp::BundleFault::SharedPayloadType:
            return Leniency::BundleSharedPayloadType;
    }
    return Leniency::None;
}

void find_bundle_leniencies(const sdp::BundleOffer& bundles, std::vector<FoundLeniency>& out) {
    for (const auto& found : bundles.faults) {
        const Leniency leniency = leniency_of(found.fault);
        out.push_back(
            {leniency, std::string{facts_of(leniency).fault} + " (mid " + found.detail + ")"});
    }
}

// With ICE, and where another line carries it, c=0.0.0.0 and port 9 are as they should be (RFC 8840
// section 4.1.3, RFC 9143 section 7.2).
bool is_address_elsewhere(const sdp::SessionDescription& offer, const sdp::BundleOffer& bundles,
                          std::size_t index) {
    const auto is_carried = [&](const std::vector<std::size_t>& group) {
        return std::find(group.begin() + 1, group.end(), index) != group.end();
    };
    return sdp::ice_of(offer, offer.media[index]).has_value() ||
           std::any_of(bundles.groups.begin(), bundles.groups.end(), is_carried);
}

bool is_disabled(const sdp::MediaDescription& medium) { return medium.port == 0; }

bool has_label_before(const sdp::SessionDescription& offer, std::size_t index) {
    const auto& media = offer.media;
    return std::any_of(media.begin(), media.begin() + static_cast<std::ptrdiff_t>(index),
                       [&](const sdp::MediaDescription& earlier) {
                           return !is_disabled(earlier) && earlier.label == media[index].label;
                       });
}

Leniency find_address_leniency(const sdp::SessionDescription& offer,
                               const sdp::MediaDescription& medium, const base::NetAddress& peer) {
    if (offer.is_held_by_address(medium)) {
        return medium.direction == sdp::Direction::SendOnly ? Leniency::UnsetMediaAddress
                                                            : Leniency::HoldByAddress;
    }
    const auto address = sdp::rtp_address(offer, medium);
    const bool is_foreign = address && address->is_loopback() && !peer.is_loopback();
    return is_foreign ? Leniency::LoopbackMediaAddress : Leniency::None;
}

std::size_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

std::size_t version_hash(const sdp::SessionDescription& offer) {
    return offer.origin ? hash_of(offer.origin->session_version) : 0;
}

}  // namespace

void find_leniencies(const sdp::SessionDescription& offer, const base::NetAddress& peer,
                     std::vector<FoundLeniency>& out) {
    if (offer.lacks_lines) out.push_back({Leniency::SdpLacksLines, {}});
    if (offer.unreadable_lines > 0) out.push_back({Leniency::SdpUnreadableLines, {}});
    const sdp::BundleOffer bundles = sdp::bundles_of(offer);
    find_bundle_leniencies(bundles, out);
    for (std::size_t i = 0; i < offer.media.size(); ++i) {
        const sdp::MediaDescription& medium = offer.media[i];
        if (is_disabled(medium)) continue;
        const auto tell = [&](Leniency leniency) {
            out.push_back({leniency, line_detail(leniency, i)});
        };
        if (!medium.label || medium.label->empty()) {
            tell(Leniency::NoLabel);
        } else if (has_label_before(offer, i)) {
            tell(Leniency::DuplicateLabel);
        }
        const Leniency address = find_address_leniency(offer, medium, peer);
        if (address != Leniency::None && !is_address_elsewhere(offer, bundles, i)) tell(address);
        if (offer.find_attribute(medium, "direction") != nullptr) tell(Leniency::DirectionBoth);
    }
}

void OfferHistory::find_leniencies(const sdp::SessionDescription& offer, std::string_view text,
                                   std::vector<FoundLeniency>& out) const {
    if (offer.media.size() < lines_) out.push_back({Leniency::FewerMediaLines, {}});
    const bool is_other = text_hash_ != 0 && hash_of(text) != text_hash_;
    if (is_other && version_hash(offer) == version_hash_)
        out.push_back({Leniency::VersionNotRaised, {}});
}

void OfferHistory::keep(const sdp::SessionDescription& offer, std::string_view text) {
    text_hash_ = hash_of(text);
    version_hash_ = version_hash(offer);
    lines_ = offer.media.size();
}

}  // namespace earshot::siprec
