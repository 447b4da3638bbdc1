// Session timers, RFC 4028: what both sides agree on in INVITE, re-INVITE and UPDATE, when a
// refresh is due and when a session has died. One object a dialog; it serves the side that sent a
// request (UAC) and the one that answers it (UAS), for these roles change with each transaction. No
// I/O, no clock: the owner gives it `now` and sends what it is told to.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "sip/agent.h"
#include "sip/message.h"

namespace earshot::sip {

struct SessionTimerConfig {
    std::chrono::seconds session_expires{1800};  // offered, and the most that is granted
    std::chrono::seconds min_se{90};             // shorter ones get 422; §5 wants 90 at least
    bool refresh_always = false;  // refresh also peers that do not name "timer" (§9, table 2)
};

// What a request or a 2xx says of the timer.
struct SessionTimerFields {
    enum class Refresher : std::uint8_t { None, Uac, Uas };

    std::optional<std::chrono::seconds> session_expires{};
    std::optional<std::chrono::seconds> min_se{};
    Refresher refresher = Refresher::None;
    bool is_supported = false;  // "timer" in Supported or Require
};
// Values that cannot be read are as good as absent.
SessionTimerFields read_session_timer(const Message& message);

class SessionTimer {
public:
    enum class Due : std::uint8_t { Nothing, Refresh, Expired };

    explicit SessionTimer(SessionTimerConfig config) : config_(config), min_se_(config.min_se) {}

    // ---- as UAS
    // The headers of a 422 when the request's interval is too short (§9); nullopt when it is not.
    // A peer that does not know timers would not know 422: a proxy wrote its interval.
    std::optional<std::vector<ExtraHeader>> find_refusal(const SessionTimerFields& request) const;
    // The headers of the 2xx that is sent now; starts the timer anew, or ends it.
    std::vector<ExtraHeader> accept(base::TimePoint now, const SessionTimerFields& request);

    // ---- as UAC
    // The headers of a request that refreshes: INVITE, re-INVITE, UPDATE (§7.1, §7.4).
    std::vector<ExtraHeader> request_headers() const;
    void on_accepted(base::TimePoint now, const SessionTimerFields& response);  // a 2xx
    // A 422 (§7.3): true when another try with the longer interval makes sense.
    bool on_too_small(const SessionTimerFields& response);
    // A final answer that is neither 2xx, 408 nor 481: the peer lives, which is what a refresh is
    // to find out; the next one is due in half an interval (§10).
    void on_refused(base::TimePoint now);
    // The refresh did not leave: again soon; the session expires when none gets through.
    void on_not_sent(base::TimePoint now);

    // ---- time
    bool is_running() const { return expires_at_.has_value(); }
    bool is_refresher() const { return is_running() && refresh_at_.has_value(); }
    std::chrono::seconds interval() const { return interval_; }
    // What is due at `now`. A refresh stays due until on_...() or a new look moves it.
    Due due(base::TimePoint now) const;
    // When due() changes next. `can_refresh`: no transaction is in the way of one.
    std::optional<base::TimePoint> deadline(bool can_refresh) const;

private:
    void start(base::TimePoint now, std::chrono::seconds interval, bool we_refresh);
    void stop();

    SessionTimerConfig config_;
    std::chrono::seconds min_se_;  // raised by 422
    std::chrono::seconds interval_{0};
    bool peer_supports_ = false;
    std::uint8_t raised_ = 0;                    // times, since the last 2xx
    std::optional<base::TimePoint> refresh_at_;  // when we are the refresher
    std::optional<base::TimePoint> expires_at_;
};

}  // namespace earshot::sip
