// Offer and answer (RFC 3264) as a relay in the middle sees them: what each leg's description is
// that holds, what it was before the newest offer, and which media then flow. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "relay/key_reader.h"
#include "relay/limits.h"
#include "relay/media_plane.h"
#include "sdp/session_description.h"

namespace earshot::relay {

struct LegDescription {
    sdp::KeptDescription sdp;
    base::NetAddress signalled_by;
};
// shared_ptr, as what holds and what was before are often the same.
using LegDescriptionPtr = std::shared_ptr<const LegDescription>;
// Reasons: sdp_malformed.
base::Result<LegDescriptionPtr, base::Reason> read_leg(const LegSdp& sdp);

// What one leg says of one line, for who relays it.
struct Remote {
    base::NetAddress rtp;  // unspecified: not told (a name), or on hold by c=0.0.0.0
    base::NetAddress rtcp;
    std::vector<base::NetAddress> hosts;  // where its media may come from; none: it is not known
    bool is_held = false;                 // by c=0.0.0.0: nothing is sent there
    KeyFormats keys{};                    // telephone-event in what it sends
    friend bool operator==(const Remote&, const Remote&) = default;
};

class Negotiation {
public:
    void offer(Leg from, LegDescriptionPtr description);
    // False: there is no offer of the other leg.
    bool answer(Leg from, LegDescriptionPtr description);
    // True: the newest offer was of this leg, and is gone.
    bool rollback(Leg offerer);

    // Both legs have said what they want.
    bool is_complete() const { return agreed_[0] != nullptr && agreed_[1] != nullptr; }
    // What holds for the leg; where nothing is agreed yet, what it offers. Null: nothing.
    const LegDescription* description(Leg leg) const;
    // The m-line of that description; null where it has none.
    const sdp::MediaDescription* medium(Leg leg, std::size_t line) const;
    std::size_t lines() const;

    // RTP (not over TCP) that neither leg has refused: media flows, or will when it is answered.
    bool is_relayed(std::size_t line) const;
    // Nobody holds: the leg may send there (RFC 3264 sections 5.1, 6.1, 8.4). What a leg has not
    // yet said is no hindrance: media may come before its answer does.
    bool may_send(Leg leg, std::size_t line) const;
    // rtcp-mux of both legs (RFC 5761 section 5.1.1): we pass the attribute on.
    bool has_rtcp_mux(std::size_t line) const;
    Remote remote(Leg leg, std::size_t line) const;
    // What the leg sends: the formats that the other one takes and it has, too. Before the answer
    // those of the offer.
    std::vector<sdp::PayloadType> sent_formats(Leg leg, std::size_t line) const;

private:
    using Agreed = std::array<LegDescriptionPtr, 2>;
    void append_hosts(const LegDescription& of, std::size_t line, bool uses_rtcp_mux,
                      std::vector<base::NetAddress>& hosts) const;

    Agreed agreed_;
    Agreed before_;  // the newest offer
    LegDescriptionPtr offer_;
    Leg offerer_ = Leg::A;
    bool is_answered_ = false;
};

// RTP over UDP with a port: a line that a relay takes.
bool is_relayable(const sdp::MediaDescription& medium);

}  // namespace earshot::relay
