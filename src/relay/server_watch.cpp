#include "relay/server_watch.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace earshot::relay {

namespace {

constexpr std::int64_t in_ns(std::chrono::nanoseconds time) { return time.count(); }

}  // namespace

// The error belongs to a packet before: the one that meets it is not sent, and the next one is, so
// that "in a row" means that not much time lies between two. A host tells of it once a second at
// the least (Linux: icmp_ratelimit).
Silence ServerWatch::on_unsent(int error, std::int64_t now_ns) {
    const bool has_no_port = error == ECONNREFUSED;
    if (!has_no_port && error != EHOSTUNREACH && error != ENETUNREACH) return Silence::None;
    if (refused_ == 0 || now_ns - last_refused_ns_ > in_ns(kRefusalsApart)) {
        refused_ = 0;
        first_refused_ns_ = now_ns;
    }
    ++refused_;
    last_refused_ns_ = now_ns;
    // A way that is lost may come back: routers and ARP take their time.
    const bool is_sure = has_no_port || now_ns - first_refused_ns_ >= in_ns(kUnreachableTime);
    if (has_no_port && refused_ == 1) return Silence::Refusal;
    if (refused_ < kRefusals || !is_sure) return Silence::None;
    if (told_ns_ != 0 && now_ns - told_ns_ < in_ns(kTellAgain)) return Silence::None;
    told_ns_ = now_ns;
    return Silence::Refused;
}

void ServerWatch::on_rtcp(std::int64_t now_ns) {
    if (reports_ > 0) interval_ns_ = std::max(interval_ns_, now_ns - last_report_ns_);
    ++reports_;
    last_report_ns_ = now_ns;
    refused_ = 0;
}

// Who gets nothing may have nothing to report, and after that as much time as anyone.
Silence ServerWatch::on_time(std::int64_t now_ns, std::int64_t sent_ns) {
    if (reports_ < kFewestReports) return Silence::None;
    const std::int64_t interval = std::max(interval_ns_, in_ns(kLeastReportInterval));
    const bool is_idle = now_ns - sent_ns >= interval;
    if (std::exchange(was_idle_, is_idle) && !is_idle) resumed_ns_ = now_ns;
    const std::int64_t silent_since_ns = std::max(last_report_ns_, resumed_ns_);
    const bool is_silent = now_ns - silent_since_ns > kMissedReports * interval;
    return is_silent && !is_idle ? Silence::NoRtcp : Silence::None;
}

}  // namespace earshot::relay
