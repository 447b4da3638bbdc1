// One subscription to the state of a conference (RFC 6665, event package of RFC 4575), and the
// roster that its NOTIFYs make. The dialog is ours, not the Agent's, which knows dialogs of INVITE
// alone. Without I/O: requests come out of poll_request(), what came of them goes in.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "conference/roster.h"
#include "sip/agent.h"
#include "sip/digest.h"

namespace earshot::client {

class RosterSubscription {
public:
    struct Settings {
        std::string uri{};   // of the conference
        std::string from{};  // who subscribes: a URI
        sip::Flow flow{};    // where it goes; unspecified: it is looked for
        std::string next_hop{};
        sip::Credentials credentials{};  // for a focus that asks who we are; no name: none
    };
    struct Told {
        enum class Kind {
            Changed,  // `changes`
            Fault,    // a NOTIFY that could not be used: `reason`; the subscription goes on
            Waiting,  // it is tried again later: `reason`
            Refused,  // there is no roster, and it is not tried again
            Ended     // there was one
        };
        Kind kind = Kind::Changed;
        base::Reason reason{};
        std::vector<conference::Change> changes{};
        int status = 0;  // of the answer, where there was one
    };

    // `random` is used by the constructor and when a new dialog begins; it must outlive this.
    RosterSubscription(Settings settings, base::Random& random);

    void start(base::Now now);
    // Ends it: SUBSCRIBE with Expires: 0, where there is something to end.
    void stop(base::Now now);

    // A SUBSCRIBE to send; one of these follows: on_response() with each response, on_no_answer().
    std::optional<sip::OutOfDialogSpec> poll_request();
    void on_response(base::Now now, const sip::Message& response);
    void on_no_answer(base::Now now, std::string_view why);

    // Whether a NOTIFY belongs to this dialog.
    bool is_own(const sip::Message& notify) const;
    sip::ResponseSpec on_notify(base::Now now, const sip::Message& notify);

    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;

    std::vector<Told> take_told() { return std::exchange(told_, {}); }
    const conference::Roster& roster() const { return roster_; }
    const std::string& call_id() const { return call_id_; }
    bool is_active() const { return is_active_; }
    bool is_over() const { return is_over_; }

private:
    void begin_dialog();
    void ask(base::Now now);
    void retry(base::Now now, std::chrono::seconds after, base::Reason why, int status);
    bool answers_challenge(const sip::Message& response);
    void refuse(std::string text, int status);
    void finish(base::Now now, base::Reason why);
    void want_full(base::Now now);
    void fault(base::Reason reason);
    void adopt_peer(std::string_view tag, const sip::Message& message, bool is_response);
    void set_expiry(base::Now now, std::chrono::seconds time);
    bool take_notify(base::TimePoint now);
    void apply(base::Now now, const sip::Message& notify, sip::ResponseSpec& answer);
    void on_terminated(base::Now now, std::string_view reason,
                       std::optional<std::chrono::seconds> retry_after);

    Settings settings_;
    base::Random& random_;
    conference::Roster roster_;
    std::vector<Told> told_;

    // ---- the dialog
    std::string call_id_;
    std::string local_tag_;
    std::string remote_tag_;
    std::string remote_target_;
    std::vector<std::string> routes_;
    std::uint32_t cseq_ = 0;
    std::string asked_uri_;                          // by the last request
    std::optional<sip::ExtraHeader> authorization_;  // for the next request
    bool has_authenticated_ = false;                 // since the last good answer
    std::optional<std::uint32_t> remote_cseq_;

    std::chrono::seconds expires_;
    std::chrono::seconds next_retry_;
    std::size_t interval_retries_ = 0;  // of 423
    std::size_t faults_ = 0;            // told
    std::size_t notifies_ = 0;          // in the second that began at
    base::TimePoint second_{};
    bool wants_request_ = false;
    bool is_asking_ = false;
    bool is_active_ = false;
    bool is_stopping_ = false;
    bool has_asked_end_ = false;
    bool is_over_ = false;
    bool lacks_full_ = false;
    base::TimePoint next_full_{};  // not before
    std::optional<base::TimePoint> refresh_at_;
    std::optional<base::TimePoint> retry_at_;
    std::optional<base::TimePoint> stop_by_;
};

}  // namespace earshot::client
