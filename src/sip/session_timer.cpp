#include "sip/session_timer.h"

#include <algorithm>
#include <string>

#include "base/text.h"

namespace earshot::sip {

namespace {

using std::chrono::seconds;
using Refresher = SessionTimerFields::Refresher;

constexpr seconds kRetryNotSent{10};
constexpr seconds kLongestMargin{32};     // §10: of the BYE before the end
constexpr seconds kShortestInterval{10};  // of a peer's 2xx, that may be far below our Min-SE
constexpr std::uint8_t kMaxRaises = 3;    // by 422, without a 2xx in between
constexpr seconds kMaxInterval{86'400};   // what a peer may ask for; a day detects nothing any more

std::optional<DeltaSeconds> read_seconds(const Message& message, HeaderId id) {
    const auto value = message.find(id);
    if (!value) return std::nullopt;
    auto parsed = parse_delta_seconds(*value);
    if (!parsed || parsed->seconds == seconds{0}) return std::nullopt;
    return DeltaSeconds{std::min(parsed->seconds, kMaxInterval), parsed->params};
}

Refresher find_refresher(std::string_view params) {
    const std::string_view value = find_param(params, "refresher").value_or("");
    if (base::iequals(value, "uac")) return Refresher::Uac;
    return base::iequals(value, "uas") ? Refresher::Uas : Refresher::None;
}

ExtraHeader session_expires(seconds interval, std::string_view refresher) {
    std::string value = std::to_string(interval.count());
    if (!refresher.empty()) value.append(";refresher=").append(refresher);
    return {"Session-Expires", std::move(value)};
}

}  // namespace

SessionTimerFields read_session_timer(const Message& message) {
    SessionTimerFields fields;
    if (const auto expires = read_seconds(message, HeaderId::SessionExpires)) {
        fields.session_expires = expires->seconds;
        fields.refresher = find_refresher(expires->params);
    }
    if (const auto min_se = read_seconds(message, HeaderId::MinSe)) {
        fields.min_se = min_se->seconds;
    }
    fields.is_supported =
        message.lists(HeaderId::Supported, "timer") || message.lists(HeaderId::Require, "timer");
    return fields;
}

std::optional<std::vector<ExtraHeader>> SessionTimer::find_refusal(
    const SessionTimerFields& request) const {
    const bool is_short = request.session_expires && *request.session_expires < config_.min_se;
    if (!is_short || !(request.is_supported || peer_supports_)) return std::nullopt;
    return std::vector<ExtraHeader>{{"Min-SE", std::to_string(config_.min_se.count())}};
}

// §9 and its table 2. The interval is never raised above the request's nor put below its Min-SE.
std::vector<ExtraHeader> SessionTimer::accept(base::TimePoint now,
                                              const SessionTimerFields& request) {
    peer_supports_ = peer_supports_ || request.is_supported;
    const bool is_asked = request.session_expires && *request.session_expires >= config_.min_se;
    if (!is_asked && !peer_supports_ && !config_.refresh_always) {
        stop();
        return {};
    }
    const seconds floor = std::max(request.min_se.value_or(config_.min_se), config_.min_se);
    seconds interval = std::max(config_.session_expires, floor);
    if (is_asked) interval = std::min(interval, *request.session_expires);

    bool we_refresh = !peer_supports_;
    if (peer_supports_ && request.refresher != Refresher::None) {
        we_refresh = request.refresher == Refresher::Uas;
    } else if (peer_supports_) {
        we_refresh = is_refresher();  // as it was; at first the client, that knows it is alive
    }
    start(now, interval, we_refresh);
    std::vector<ExtraHeader> headers = {session_expires(interval, we_refresh ? "uas" : "uac"),
                                        {"Supported", "timer"}};
    if (peer_supports_) headers.push_back({"Require", "timer"});
    return headers;
}

std::vector<ExtraHeader> SessionTimer::request_headers() const {
    std::vector<ExtraHeader> headers = {{"Supported", "timer"}};
    // In a running session the roles stay (§7.4); in its first request the other side may choose.
    const std::string_view refresher = !is_running() ? "" : is_refresher() ? "uac" : "uas";
    const seconds interval = std::max(is_running() ? interval_ : config_.session_expires, min_se_);
    headers.push_back(session_expires(interval, refresher));
    if (min_se_ > seconds{90}) headers.push_back({"Min-SE", std::to_string(min_se_.count())});
    return headers;
}

// §7.2. Without Session-Expires the session has no timer for the peer; it is refreshed on all the
// same when it knows no timers, or when `refresh_always` wants to know of each whether it is there.
void SessionTimer::on_accepted(base::TimePoint now, const SessionTimerFields& response) {
    peer_supports_ = peer_supports_ || response.is_supported;
    raised_ = 0;
    if (response.session_expires) {
        const seconds shortest = std::min(kShortestInterval, config_.min_se);
        const seconds interval = std::max(*response.session_expires, shortest);
        return start(now, interval, response.refresher != Refresher::Uas);
    }
    if (config_.refresh_always || (is_refresher() && !peer_supports_))
        return start(now, is_running() ? interval_ : config_.session_expires, true);
    stop();
}

bool SessionTimer::on_too_small(const SessionTimerFields& response) {
    if (!response.min_se || *response.min_se <= min_se_ || raised_ == kMaxRaises) return false;
    ++raised_;
    min_se_ = *response.min_se;
    return true;
}

void SessionTimer::on_refused(base::TimePoint now) {
    if (is_refresher()) start(now, interval_, true);
}

void SessionTimer::on_not_sent(base::TimePoint now) {
    if (is_refresher()) refresh_at_ = now + std::min(kRetryNotSent, interval_ / 4 + seconds{1});
}

SessionTimer::Due SessionTimer::due(base::TimePoint now) const {
    if (expires_at_ && now >= *expires_at_) return Due::Expired;
    if (refresh_at_ && now >= *refresh_at_) return Due::Refresh;
    return Due::Nothing;
}

std::optional<base::TimePoint> SessionTimer::deadline(bool can_refresh) const {
    if (can_refresh && refresh_at_ && expires_at_) return std::min(*refresh_at_, *expires_at_);
    return expires_at_;
}

// §7.2 and §10: the refresher asks after half the interval; the other side gives up slightly before
// its end.
void SessionTimer::start(base::TimePoint now, seconds interval, bool we_refresh) {
    using std::chrono::milliseconds;
    interval_ = interval;
    const milliseconds whole = interval;
    if (we_refresh) {
        refresh_at_ = now + whole / 2;
        expires_at_ = now + whole;
    } else {
        refresh_at_.reset();
        expires_at_ = now + whole - std::min<milliseconds>(kLongestMargin, whole / 3);
    }
}

void SessionTimer::stop() {
    refresh_at_.reset();
    expires_at_.reset();
}

}  // namespace earshot::sip
