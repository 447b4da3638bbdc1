// One subscription to the media of a call in RTPEngine: what it offers there for each leg, what we
// offer the recording server for that, and what the server's answer means to RTPEngine. Pure.
//
// Each leg is subscribed to by a tag of its own. So the m-lines that RTPEngine offers for a leg are
// the leg's own, in their order, and keep their ports when others come and go: a later request
// interrupts nothing (tried with 10.5, where one subscription to `all` legs renumbers its media and
// sends them where another stream went until it is answered anew). Their labels and order are
// RTPEngine's; what the server is told is ours: it sees one offer as of the built-in relay.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"
#include "relay/media_plane.h"
#include "relay/negotiation.h"
#include "relay/sdp_told.h"
#include "sdp/offer_answer.h"
#include "sdp/session_description.h"

namespace earshot::relay {

class NgSubscription {
public:
    // `takes_subset`: RTPEngine transcodes, so the formats that the server left out of its answer
    // may be left out there, too. Otherwise RTPEngine 10.5 refuses an answer with fewer formats
    // than it offered, and every later one; what it sends is what the leg sends in any case.
    NgSubscription(std::uint32_t number, std::uint64_t session_id, bool takes_subset);

    void set_options(SubscribeOptions options) { options_ = std::move(options); }
    const std::string& tag(Leg leg) const { return legs_[index_of(leg)].tag; }
    bool wants(Leg leg) const { return !options_.only || *options_.only == leg; }
    // Asked for, so RTPEngine knows the tag.
    bool is_requested(Leg leg) const { return legs_[index_of(leg)].is_requested; }
    // The call began anew in RTPEngine, which knows nothing of what it was told.
    void forget_told();

    // What RTPEngine offers for the leg; empty: nothing, the leg has not said what it sends.
    base::Result<base::Done> set_offered(Leg leg, std::string sdp);
    // Ends and adds streams after that; false: there is none.
    bool update(const Negotiation& call);
    Subscription offer(const Negotiation& call);
    // Malformed when it answers none of the newest offers; nothing changes then.
    base::Result<base::Done> answer(const sdp::SessionDescription& answer);
    void stop();  // no answer holds any more
    // The answer to what RTPEngine offers for the leg, where it has not been told it yet. What is
    // not to be sent has port 0, as it sends what is inactive all the same (tried with 10.5).
    std::optional<std::string> untold_answer(Leg leg) const;
    // `answer` was taken, or, empty, was not.
    void set_told(Leg leg, std::string answer) { legs_[index_of(leg)].told = std::move(answer); }
    std::vector<ForkMedia> forks() const;

private:
    struct Side {
        std::string tag;
        std::optional<sdp::KeptDescription> offered;
        bool is_requested = false;
        std::string told;  // the answer that RTPEngine has
    };
    struct Place {  // an m-line of our offers
        std::string label;
        std::string media;
        std::string proto;
        Leg from = Leg::A;
        std::size_t line = 0;
        std::uint64_t stream = 0;  // 0: ended, port 0
        bool was_told_ended = false;
        // Of the answer that holds; unspecified: nothing is sent.
        base::NetAddress rtp{};
        base::NetAddress rtcp{};
        std::string formats{};     // as the server wrote them
        std::string attributes{};  // whole lines: keys, rtcp-mux
    };
    struct Offered {
        std::string text;
        std::vector<std::uint64_t> streams;  // of its places; 0: port 0
    };
    const sdp::MediaDescription* offered(Leg leg, std::size_t line) const;
    bool is_wanted(const Negotiation& call, Leg leg, std::size_t line) const;
    bool has_open(Leg leg) const;
    std::string answer_for(Leg leg) const;
    void add(Leg leg, std::size_t line);
    Place* find(Leg leg, std::size_t line);
    const Place* find(Leg leg, std::size_t line) const;
    base::NetAddress address() const;
    std::string write(const Negotiation& call, std::uint64_t version) const;
    void open(Place& place, const sdp::AnsweredMedia& answered,
              const sdp::SessionDescription& answer, std::size_t at);

    const std::uint32_t number_;
    const bool takes_subset_;
    SdpTold told_;
    SubscribeOptions options_;
    std::array<Side, 2> legs_;
    std::vector<Place> places_;
    std::uint64_t last_stream_ = 0;  // its label, too
    std::deque<Offered> offers_;     // the last that was answered, and those since
};

}  // namespace earshot::relay
