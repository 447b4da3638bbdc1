#include "client/roster_subscription.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "client/limits.h"
#include "sip/headers.h"

namespace earshot::client {

using base::Reason;
using sip::HeaderId;
using std::chrono::seconds;

namespace {

constexpr std::size_t kTokenBytes = 12;

// Those that another time may go better (RFC 6665 section 4.1.2.1, RFC 3261 section 21).
bool may_go_later(int status) {
    switch (status) {
        case 408:
        case 480:
        case 486:
        case 500:
        case 503:
        case 504:
        case 600:
            return true;
        default:
            return false;
    }
}

std::optional<seconds> seconds_in(std::optional<std::string_view> value) {
    if (!value) return std::nullopt;
    std::string_view text = base::trim(*value);
    const auto number = base::take_number<std::uint32_t>(text);
    if (!number) return std::nullopt;
    return seconds{*number};
}

std::string status_line(const sip::Message& response) {
    return fmt::format("{} {}", response.status(), base::to_valid_utf8(response.reason()));
}

}  // namespace

RosterSubscription::RosterSubscription(Settings settings, base::Random& random)
    : settings_(std::move(settings)),
      random_(random),
      expires_(kRosterExpiry),
      next_retry_(kFirstRosterRetry) {
    begin_dialog();
}

void RosterSubscription::begin_dialog() {
    call_id_ = random_.token(kTokenBytes);
    local_tag_ = random_.token(kTokenBytes);
    remote_tag_.clear();
    remote_target_.clear();
    routes_.clear();
    remote_cseq_.reset();
    is_active_ = false;
    refresh_at_.reset();
    roster_.await_full();
}

void RosterSubscription::start(base::Now now) { ask(now); }

void RosterSubscription::stop(base::Now now) {
    if (is_over_ || is_stopping_) return;
    is_stopping_ = true;
    retry_at_.reset();
    refresh_at_.reset();
    stop_by_ = now.steady + kRosterStopTime;
    // Of one that nobody has answered there is nothing to end.
    if (is_active_ || !remote_tag_.empty())
        ask(now);
    else if (!is_asking_)
        is_over_ = true;
}

void RosterSubscription::ask(base::Now /*now*/) {
    retry_at_.reset();
    wants_request_ = true;
}

// ---- our requests -------------------------------------------------------------------------------

std::optional<sip::OutOfDialogSpec> RosterSubscription::poll_request() {
    if (!wants_request_ || is_asking_ || is_over_) return std::nullopt;
    wants_request_ = false;
    is_asking_ = true;
    lacks_full_ = false;
    has_asked_end_ = is_stopping_;
    sip::OutOfDialogSpec spec;
    spec.method = "SUBSCRIBE";
    spec.request_uri = remote_target_.empty() ? settings_.uri : remote_target_;
    spec.from = "<" + settings_.from + ">";
    spec.from_tag = local_tag_;
    spec.to = "<" + settings_.uri + ">" + (remote_tag_.empty() ? "" : ";tag=" + remote_tag_);
    spec.call_id = call_id_;
    spec.cseq = ++cseq_;
    spec.routes = routes_;
    spec.flow = settings_.flow;
    spec.next_hop = settings_.next_hop;
    spec.contact_parameters = "";
    spec.headers = {{"Event", std::string(conference::kEventPackage)},
                    {"Expires", is_stopping_ ? "0" : std::to_string(expires_.count())},
                    {"Accept", std::string(conference::kContentType)}};
    if (auto authorization = std::exchange(authorization_, std::nullopt))
        spec.headers.push_back(*std::move(authorization));
    asked_uri_ = spec.request_uri;
    return spec;
}

void RosterSubscription::on_response(base::Now now, const sip::Message& response) {
    const int status = response.status();
    if (status < 200 || is_over_) return;
    is_asking_ = false;
    if (answers_challenge(response)) return ask(now);
    if (status < 300) {
        has_authenticated_ = false;
        adopt_peer(response.to_tag(), response, true);
        if (is_stopping_) {  // of the end, or of a request that the end came upon
            if (!has_asked_end_) ask(now);
            stop_by_ = now.steady + kRosterStopTime;
            return;
        }
        is_active_ = true;
        next_retry_ = kFirstRosterRetry;
        set_expiry(now, seconds_in(response.find(HeaderId::Expires)).value_or(expires_));
        return;
    }
    if (is_stopping_) {
        if (!wants_request_) is_over_ = true;
        return;
    }
    const auto least = seconds_in(response.find("Min-Expires"));
    if (status == 423 && least && ++interval_retries_ <= kMaxRosterIntervals) {
        expires_ = std::clamp(*least, expires_, seconds{kMaxRosterExpiry});
        return ask(now);
    }
    if (status == 481 || (status == 408 && is_active_)) {  // the notifier has forgotten it
        begin_dialog();
        return retry(now, next_retry_, {"roster_lost", "The focus does not know the subscription."},
                     status);
    }
    const std::string text = "The focus does not tell who takes part: " + status_line(response);
    if (!may_go_later(status)) return refuse(text, status);
    begin_dialog();
    retry(now, seconds_in(response.find("Retry-After")).value_or(next_retry_),
          {"roster_later", text}, status);
}

// RFC 3261 section 22.2: once; who asks again does not know us.
bool RosterSubscription::answers_challenge(const sip::Message& response) {
    if (response.status() != 401 && response.status() != 407) return false;
    if (settings_.credentials.username.empty() || std::exchange(has_authenticated_, true))
        return false;
    authorization_ = sip::answer_challenge(response, settings_.credentials, "SUBSCRIBE", asked_uri_,
                                           random_.token(kTokenBytes));
    return authorization_.has_value();
}

void RosterSubscription::on_no_answer(base::Now now, std::string_view why) {
    if (is_over_) return;
    is_asking_ = false;
    if (is_stopping_) {
        is_over_ = true;
        return;
    }
    begin_dialog();
    retry(now, next_retry_,
          {"roster_later", fmt::format("The focus does not tell who takes part: {}", why)}, 408);
}

void RosterSubscription::retry(base::Now now, seconds after, Reason why, int status) {
    if (is_stopping_) {
        is_over_ = true;
        return;
    }
    retry_at_ = now.steady + std::clamp(after, seconds{1}, seconds{kMaxRosterRetry});
    next_retry_ = std::min(2 * next_retry_, seconds{kMaxRosterRetry});
    told_.push_back({.kind = Told::Kind::Waiting, .reason = std::move(why), .status = status});
}

void RosterSubscription::refuse(std::string text, int status) {
    is_over_ = true;
    told_.push_back({.kind = is_active_ ? Told::Kind::Ended : Told::Kind::Refused,
                     .reason = {"roster_refused", std::move(text)},
                     .status = status});
    is_active_ = false;
}

// What was known of who takes part stays: that they left is not known.
void RosterSubscription::finish(base::Now /*now*/, Reason why) {
    is_over_ = true;
    is_active_ = false;
    if (!is_stopping_) told_.push_back({.kind = Told::Kind::Ended, .reason = std::move(why)});
}

void RosterSubscription::set_expiry(base::Now now, seconds time) {
    // Half of a short time, or half a minute before its end (RFC 6665 section 4.1.2.2 leaves it to
    // us).
    const seconds ahead = time > 2 * kRosterAhead ? time - kRosterAhead : time / 2;
    refresh_at_ = now.steady + std::max(ahead, seconds{1});
}

// ---- the dialog (RFC 6665 section 4.4.1) --------------------------------------------------------

void RosterSubscription::adopt_peer(std::string_view tag, const sip::Message& message,
                                    bool is_response) {
    const auto value = message.first_value(HeaderId::Contact);
    const auto contact =
        value ? sip::parse_name_addr(*value) : base::Result<sip::NameAddr>(base::Error{});
    if (contact && !contact->uri.empty()) remote_target_ = contact->uri;
    if (!remote_tag_.empty() || tag.empty()) return;
    remote_tag_ = tag;
    const auto routes = message.values(HeaderId::RecordRoute);
    routes_.assign(routes.begin(), routes.end());
    if (routes_.size() > kMaxRosterRoutes) routes_.clear();
    if (is_response) std::reverse(routes_.begin(), routes_.end());
}

bool RosterSubscription::is_own(const sip::Message& notify) const {
    return notify.call_id() == call_id_ && notify.to_tag() == local_tag_;
}

// ---- what the focus tells -----------------------------------------------------------------------

bool RosterSubscription::take_notify(base::TimePoint now) {
    if (now - second_ >= seconds{1}) {
        second_ = now;
        notifies_ = 0;
    }
    return ++notifies_ <= kMaxNotifiesPerSecond;
}

void RosterSubscription::fault(Reason reason) {
    if (++faults_ > kMaxRosterFaults) return;
    if (faults_ == kMaxRosterFaults) reason.text += " Further ones are not told.";
    told_.push_back({.kind = Told::Kind::Fault, .reason = std::move(reason)});
}

sip::ResponseSpec RosterSubscription::on_notify(base::Now now, const sip::Message& notify) {
    const auto event = sip::parse_token_value(notify.find("Event").value_or(""));
    if (!base::iequals(event.token, conference::kEventPackage))
        return {.status = 489,
                .headers = {{"Allow-Events", std::string(conference::kEventPackage)}}};
    // Of a SUBSCRIBE that forked the first notifier is heard (RFC 6665 section 4.1.4).
    if (is_over_ || (!remote_tag_.empty() && notify.from_tag() != remote_tag_))
        return {.status = 481};
    const std::uint32_t cseq = notify.cseq().number;
    if (remote_cseq_ && cseq <= *remote_cseq_) return {.status = 500};
    remote_cseq_ = cseq;
    adopt_peer(notify.from_tag(), notify, false);
    if (!take_notify(now.steady)) {
        fault({"roster_flood", fmt::format("The focus sent more than {} NOTIFYs in a second.",
                                           kMaxNotifiesPerSecond)});
        want_full(now);
        return {.status = 500, .headers = {{"Retry-After", "5"}}};
    }

    sip::ResponseSpec answer{.status = 200};
    const auto state = sip::parse_token_value(notify.find("Subscription-State").value_or(""));
    const bool is_terminated = base::iequals(state.token, "terminated");
    if (!is_terminated && !is_stopping_) {
        is_active_ = true;
        retry_at_.reset();
        if (const auto left = seconds_in(state.param("expires"))) set_expiry(now, *left);
    }
    if (!notify.body().empty() && !is_stopping_) apply(now, notify, answer);
    if (is_terminated && !is_over_)
        on_terminated(now, state.param("reason").value_or(""),
                      seconds_in(state.param("retry-after")));
    return answer;
}

void RosterSubscription::apply(base::Now now, const sip::Message& notify,
                               sip::ResponseSpec& answer) {
    const auto type = sip::parse_content_type(notify.find(HeaderId::ContentType).value_or(""));
    if (!type || !type->is("application", "conference-info+xml")) {
        answer = {.status = 415, .headers = {{"Accept", std::string(conference::kContentType)}}};
        return fault({"roster_type", "The focus told its state in a type that is not RFC 4575's."});
    }
    const auto document = conference::parse_conference_info(base::as_text(notify.body()),
                                                            type->param("charset").value_or(""));
    if (!document) {
        answer.status = 400;
        fault({"roster_malformed",
               fmt::format("A document of the focus cannot be read (line {}): {}.",
                           document.error().line, document.error().text)});
        return want_full(now);
    }
    if (!document->issues.empty())
        fault({"roster_issue",
               fmt::format("A document of the focus has faults, the first in line {}: {}.",
                           document->issues.front().line, document->issues.front().text)});
    auto applied = roster_.apply(document->info, now.wall);
    using Outcome = conference::Roster::Outcome;
    if (applied.outcome == Outcome::NeedsFull) return want_full(now);
    if (applied.outcome == Outcome::Stale) return;
    told_.push_back({.kind = Told::Kind::Changed, .changes = std::move(applied.changes)});
    if (applied.outcome == Outcome::Ended)
        finish(now, {"conference_over", "The focus says that the conference is over."});
}

// A refresh makes the focus send its whole state (RFC 4575 section 4.6).
void RosterSubscription::want_full(base::Now now) {
    if (is_stopping_ || lacks_full_) return;
    if (now.steady >= next_full_) {
        next_full_ = now.steady + kFullRosterInterval;
        return ask(now);
    }
    lacks_full_ = true;
}

void RosterSubscription::on_terminated(base::Now now, std::string_view reason,
                                       std::optional<seconds> retry_after) {
    const std::string text = fmt::format("The focus has ended the subscription ({}).",
                                         reason.empty() ? "no reason" : reason);
    const auto is = [&](std::string_view word) { return base::iequals(reason, word); };
    if (is_stopping_) {
        is_over_ = true;
        return;
    }
    if (is("rejected") || is("noresource") || is("invariant"))
        return finish(now, {"roster_ended", text});
    begin_dialog();
    if (is("deactivated") || is("timeout"))
        return retry(now, seconds{1}, {"roster_later", text}, 0);
    retry(now, retry_after.value_or(next_retry_), {"roster_later", text}, 0);
}

// ---- time ---------------------------------------------------------------------------------------

void RosterSubscription::on_time(base::Now now) {
    if (is_over_) return;
    if (stop_by_ && now.steady >= *stop_by_) {
        is_over_ = true;
        return;
    }
    if (retry_at_ && now.steady >= *retry_at_) ask(now);
    if (refresh_at_ && now.steady >= *refresh_at_) {
        refresh_at_.reset();
        ask(now);
    }
    if (lacks_full_ && now.steady >= next_full_) {
        lacks_full_ = false;
        next_full_ = now.steady + kFullRosterInterval;
        ask(now);
    }
}

std::optional<base::TimePoint> RosterSubscription::deadline() const {
    if (is_over_) return std::nullopt;
    std::optional<base::TimePoint> next;
    const auto consider = [&next](std::optional<base::TimePoint> when) {
        if (when && (!next || *when < *next)) next = when;
    };
    consider(stop_by_);
    consider(retry_at_);
    consider(refresh_at_);
    if (lacks_full_) consider(next_full_);
    return next;
}

}  // namespace earshot::client
