// One subscription to the media of a call: which streams it has, what is offered to the recording
// server for them (RFC 7866 section 7.1.1), and what its answers mean. Pure; the sockets are the
// owner's, who gives each new place its ports.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"
#include "base/srtp_key.h"
#include "base/time.h"
#include "relay/counters.h"
#include "relay/media_plane.h"
#include "relay/negotiation.h"
#include "relay/sdp_told.h"
#include "relay/server_watch.h"
#include "sdp/offer_answer.h"

namespace earshot::relay {

// A line of the call that is relayed now.
struct LiveLine {
    std::size_t line = 0;
    std::uint64_t id = 0;  // of this life of it
    friend bool operator==(const LiveLine&, const LiveLine&) = default;
};

// One m-line of the offers.
struct Place {
    std::string label;
    std::string media;
    std::string proto;
    Leg from = Leg::A;
    LiveLine line;
    std::uint64_t fork = 0;  // 0: ended, port 0
    std::uint16_t rtp_port = 0;
    bool was_told_ended = false;  // an offer said port 0: another stream may take the place
    bool is_open = false;         // the answer lets us send
    // Its server has seemed dead to it, by Silence; when (steady, in ns), 0: it has not.
    std::array<std::int64_t, kSilences> silent_ns{};
    base::NetAddress server;
    std::shared_ptr<ForkCounters> counters;
};

// What an answer means for one place that has not ended.
struct ForkTarget {
    std::uint64_t fork = 0;
    base::NetAddress rtp;  // unspecified: nothing leaves
    base::NetAddress rtcp;
};

class SubscriptionState {
public:
    explicit SubscriptionState(std::uint64_t session_id) : told_(session_id) {}

    void set_options(const SubscribeOptions& options) { options_ = options; }
    const SubscribeOptions& options() const { return options_; }

    // Streams of these lines that are wanted and have no place yet.
    struct Wanted {
        Leg from = Leg::A;
        LiveLine line;
    };
    std::vector<Wanted> missing(const Negotiation& call, const std::vector<LiveLine>& lines) const;
    bool has_room() const { return places_.size() < kMaxPlaces || free_place() != nullptr; }
    // Media that is wanted and that no server could read: the parties agree its keys with each
    // other on the media path (DTLS-SRTP), which passes here. It gets no place. Empty: there is
    // none.
    base::Reason left_out(const Negotiation& call) const;
    // Gives one of them a place; only with has_room().
    void add(const Negotiation& call, const Wanted& wanted, std::uint64_t fork,
             std::uint16_t rtp_port, std::shared_ptr<ForkCounters> counters);
    // Ends the places of streams that are not wanted any more; returns their forks, to be closed.
    std::vector<std::uint64_t> end_others(const Negotiation& call,
                                          const std::vector<LiveLine>& lines);

    // The key under which the copies of a stream leave; null: they leave as they come. Valid for
    // the call of offer().
    using OurKey = std::function<const base::SrtpMasterKey*(Leg from, std::size_t line)>;
    // What is offered now; `address` is where the sockets are, unless the options say otherwise.
    Subscription offer(const Negotiation& call, const base::NetAddress& address,
                       const OurKey& our_key = {});
    // Malformed when it answers none of the newest offers.
    base::Result<std::vector<ForkTarget>> answer(const sdp::SessionDescription& answer);
    // No answer holds any more; returns the forks, to be stopped.
    std::vector<ForkTarget> stop();

    // The server seems dead to a fork: true when no other stream that has been sent lately speaks
    // for it; of a single refusal in any case. Once for each answer and kind; of RTCP that ceased
    // once more when it had come again.
    bool on_silent(std::uint64_t fork, Silence why, base::TimePoint now);

    const std::vector<Place>& places() const { return places_; }

private:
    struct Offered {
        std::string text;
        std::vector<std::uint64_t> forks;  // of its places; 0: port 0
    };
    bool is_asked_for(const Negotiation& call, Leg from, std::size_t line) const;
    bool wants(const Negotiation& call, Leg from, std::size_t line) const;
    const Place* free_place() const;
    std::string write(const Negotiation& call, const base::NetAddress& address,
                      std::uint64_t version, const OurKey& our_key) const;
    ForkTarget target(std::size_t place, const sdp::AnsweredMedia& answered);

    SdpTold told_;
    SubscribeOptions options_;
    std::vector<Place> places_;
    std::uint64_t last_label_ = 0;
    std::deque<Offered> offers_;  // the last that was answered, and those since
    std::array<std::int64_t, kSilences> told_silent_ns_{};  // by Silence; 0: it was not
};

}  // namespace earshot::relay
