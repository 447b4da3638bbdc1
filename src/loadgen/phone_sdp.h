// What a test phone says in SDP (RFC 3264): one audio line of G.711 with DTMF events (RFC 4733),
// wherever it stands among the lines of the other side; all other lines are refused. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "loadgen/media_plan.h"
#include "sdp/session_description.h"

namespace earshot::loadgen {

// What both sides agreed on, as the phone's media needs it.
struct PhonePlan {
    StreamPlan stream;
    std::optional<std::uint8_t> event_payload_type;  // of telephone-event, in both directions
    friend bool operator==(const PhonePlan&, const PhonePlan&) = default;
};

class PhoneSdp {
public:
    PhoneSdp(const base::NetAddress& rtp, std::uint64_t session) : rtp_(rtp), session_(session) {}

    // From now on in all descriptions.
    void set_preference(sdp::RecordPreference preference) { preference_ = preference; }
    // What the other side is told (RFC 7866 section 7.1.2), of a phone that records itself.
    void set_record(sdp::RecordState state) { record_ = state; }
    sdp::RecordState record() const { return record_; }
    // Hold (RFC 3264 section 8.4): sendonly instead of sendrecv.
    void set_holding(bool is_holding) { is_holding_ = is_holding; }
    bool is_holding() const { return is_holding_; }

    std::string make_offer();
    // What the answer to our last offer means. Reasons: "bad_answer", "no_media".
    base::Result<PhonePlan, base::Reason> read_answer(std::string_view answer) const;

    struct Answer {
        std::string sdp;
        PhonePlan plan;
    };
    // Nothing when no line of the offer is G.711 over RTP: 488 is due.
    std::optional<Answer> make_answer(const sdp::SessionDescription& offer);

private:
    std::string write(const std::vector<sdp::PayloadType>& types, sdp::Direction direction,
                      std::string_view mid);

    base::NetAddress rtp_;
    std::uint64_t session_;
    std::uint32_t version_ = 0;  // raised with each description
    sdp::RecordPreference preference_ = sdp::RecordPreference::Absent;
    sdp::RecordState record_ = sdp::RecordState::Absent;
    bool is_holding_ = false;
    std::vector<std::string> lines_{""};  // refused ones as written; empty: ours
    std::string last_offer_;
};

}  // namespace earshot::loadgen
