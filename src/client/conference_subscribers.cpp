#include "client/conference_subscribers.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "b2bua/passing.h"
#include "base/text.h"
#include "conference/conference_info.h"
#include "sip/headers.h"

namespace earshot::client {

namespace {

constexpr int kNotAcceptable = 406;
constexpr int kIntervalTooBrief = 423;
constexpr int kNoSuchDialog = 481;
constexpr int kBadEvent = 489;
constexpr int kUnavailable = 503;

// RFC 3261 section 20.1: without Accept the usual type of the package is meant (RFC 4575 section
// 3.5).
bool takes_documents(const sip::Message& request) {
    const auto accept = request.values(sip::HeaderId::Accept);
    if (accept.begin() == accept.end()) return true;
    return std::any_of(accept.begin(), accept.end(), [](std::string_view one) {
        const std::string_view type = base::trim(one.substr(0, one.find(';')));
        return base::iequals(type, conference::kContentType) || type == "*/*" ||
               base::iequals(type, "application/*");
    });
}

}  // namespace

void ConferenceSubscribers::on_subscribe(base::TimePoint now, const sip::RequestArrived& request) {
    const sip::Message& message = request.message;
    const auto refuse = [&](int status, std::vector<sip::ExtraHeader> headers) {
        agent_.respond_and_forget(now, request.transaction,
                                  {.status = status, .headers = std::move(headers)});
    };
    const std::string event(message.find("Event").value_or(""));
    if (!base::iequals(sip::parse_token_value(event).token, conference::kEventPackage))
        return refuse(kBadEvent, {{"Allow-Events", std::string(conference::kEventPackage)}});
    if (!takes_documents(message))
        return refuse(kNotAcceptable, {{"Accept", std::string(conference::kContentType)}});
    std::chrono::seconds expires = kUsualTime;
    if (const auto wanted = message.find("Expires"))
        if (const auto seconds = sip::parse_delta_seconds(*wanted)) expires = seconds->seconds;
    expires = std::min(expires, kLongestTime);
    if (expires.count() > 0 && expires < kShortestTime)
        return refuse(kIntervalTooBrief, {{"Min-Expires", std::to_string(kShortestTime.count())}});

    const std::string_view tag = message.to().tag();
    auto known = std::find_if(dialogs_.begin(), dialogs_.end(), [&](const auto& entry) {
        return !tag.empty() && entry.second.local_tag == tag &&
               entry.second.call_id == message.call_id();
    });
    if (!tag.empty() && known == dialogs_.end()) return refuse(kNoSuchDialog, {});
    const auto contact = sip::parse_name_addr(message.find("Contact").value_or(""));
    if (known == dialogs_.end() && !contact) return refuse(400, {});
    if (known == dialogs_.end() && dialogs_.size() >= kMaxSubscribers)
        return refuse(kUnavailable, {{"Retry-After", "60"}});

    if (known == dialogs_.end()) {
        Dialog dialog;
        dialog.call_id = message.call_id();
        dialog.local_tag = agent_.local_tag(request.transaction);
        dialog.local = b2bua::without_tag(message.find("To").value_or(""));
        dialog.remote = message.find("From").value_or("");
        dialog.flow = request.flow;
        for (const std::string_view route : message.values(sip::HeaderId::RecordRoute))
            dialog.routes.emplace_back(route);
        known = dialogs_.emplace(++last_id_, std::move(dialog)).first;
    }
    Dialog& dialog = known->second;
    if (contact) dialog.target = contact->uri;
    dialog.event = event;
    static_cast<void>(agent_.respond(now, request.transaction,
                                     {.status = 200,
                                      .headers = {{"Expires", std::to_string(expires.count())},
                                                  {"Contact", contact_(request.flow)}}}));
    notifier_.subscribe(now, known->first, expires);
    send(now);
}

bool ConferenceSubscribers::on_action(const sip::Action& action) {
    sip::TransactionId transaction;
    bool is_refused = true;
    if (const auto* response = std::get_if<sip::ResponseArrived>(&action)) {
        transaction = response->transaction;
        if (!response->is_final) return by_transaction_.contains(transaction.value);
        is_refused = response->message.status() >= 300;
    } else if (const auto* late = std::get_if<sip::TransactionTimedOut>(&action)) {
        transaction = late->transaction;
    } else if (const auto* failed = std::get_if<sip::TransportFailed>(&action)) {
        transaction = failed->transaction;
    }
    const auto found = by_transaction_.find(transaction.value);
    if (!transaction || found == by_transaction_.end()) return false;
    const focus::SubscriberId id = found->second;
    by_transaction_.erase(found);
    // RFC 6665 section 4.2.2: who answers a NOTIFY otherwise, or not at all, is told no more.
    if (is_refused) {
        notifier_.forget(id);
        dialogs_.erase(id);
    }
    return true;
}

void ConferenceSubscribers::change(base::TimePoint now, conference::ConferenceInfo info) {
    notifier_.change(now, std::move(info));
    send(now);
}
void ConferenceSubscribers::end(base::TimePoint now) {
    notifier_.end();
    send(now);
}
void ConferenceSubscribers::on_time(base::TimePoint now) {
    notifier_.on_time(now);
    send(now);
}

void ConferenceSubscribers::send(base::TimePoint now) {
    while (const auto notice = notifier_.poll()) {
        const auto found = dialogs_.find(notice->to);
        if (found == dialogs_.end()) continue;
        Dialog& dialog = found->second;
        const auto sent =
            agent_.start_request(now, {.method = "NOTIFY",
                                       .request_uri = dialog.target,
                                       .from = dialog.local,
                                       .to = dialog.remote,
                                       .call_id = dialog.call_id,
                                       .from_tag = dialog.local_tag,
                                       .cseq = ++dialog.cseq,
                                       .routes = dialog.routes,
                                       .flow = dialog.flow,
                                       .headers = {{"Event", dialog.event},
                                                   {"Subscription-State", notice->state},
                                                   {"Contact", contact_(dialog.flow)}},
                                       .content_type = std::string(conference::kContentType),
                                       .body = notice->document});
        if (sent) by_transaction_[sent->value] = notice->to;
        if (!sent || notice->state.starts_with("terminated")) {
            notifier_.forget(notice->to);
            dialogs_.erase(found);
        }
    }
}

}  // namespace earshot::client
