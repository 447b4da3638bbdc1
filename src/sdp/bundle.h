// BUNDLE (RFC 9143): lines of an offer that are to share one transport, their ports, keys and ICE
// being those of one of them, the tagged line. What an offer says of it is read here; which line is
// the tagged one follows from which lines are taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sdp/session_description.h"

namespace earshot::sdp {

inline constexpr std::string_view kMidExtension = "urn:ietf:params:rtp-hdrext:sdes:mid";

// What is wrong with a group. But for NoRtcpMux the rest of it stands.
enum class BundleFault : std::uint8_t {
    UnknownMid,         // no line has it
    RepeatedMid,        // named twice, or two lines have it: the first counts
    NoRtcpMux,          // RFC 9143 section 9.3: there is no group
    OtherProtection,    // a line in the clear beside one that is not: it is left out
    SharedPayloadType,  // of two lines whose packets nothing else tells apart: the later is left
                        // out, unless it has no port of its own
};

struct BundleOffer {
    // Indices of lines, in the order of a=group; none of them is in two.
    std::vector<std::vector<std::size_t>> groups;
    struct Found {
        BundleFault fault = BundleFault::UnknownMid;
        std::string detail;  // the mid
    };
    std::vector<Found> faults;
};
BundleOffer bundles_of(const SessionDescription& offer);

// a=bundle-only: whoever does not know BUNDLE is to refuse the line, which often has port 0.
bool is_bundle_only(const SessionDescription& offer, const MediaDescription& medium);

// For each of `count` lines the one whose transport is to carry it: the tagged line of its group,
// which is the first that `can_carry` on its own (RFC 9143 section 7.3.1), else itself.
std::vector<std::size_t> carriers_of(const BundleOffer& bundles, std::size_t count,
                                     const std::function<bool(std::size_t)>& can_carry);

// write(), of a description of ours of which lines may have port 0 by now: those leave their
// groups, and what a tagged line among them said of the transport is said by the next (RFC 9143
// section 7.5.3).
std::string write_bundled(SessionDescription description);

}  // namespace earshot::sdp
