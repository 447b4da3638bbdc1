#include "client/server_link.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace earshot::client {

using base::Reason;
using base::Result;

namespace {

// The transaction of which nothing more comes after this action; none: one may. To an INVITE
// another branch may still answer.
sip::TransactionId ended_transaction(const sip::Action& action) {
    if (const auto* response = std::get_if<sip::ResponseArrived>(&action)) {
        const bool is_invite = response->message.cseq_method() == sip::Method::Invite;
        return response->is_final && !is_invite ? response->transaction : sip::TransactionId{};
    }
    if (const auto* silence = std::get_if<sip::TransactionTimedOut>(&action))
        return silence->transaction;
    if (const auto* failure = std::get_if<sip::TransportFailed>(&action))
        return failure->transaction;
    return {};
}

}  // namespace

ServerLink::~ServerLink() {
    for (const std::string& id : call_ids_) s_.index.call_ids.erase(id);
    if (armed_) s_.index.due.erase({*armed_, this});
    for (const std::uint64_t id : transactions_) s_.index.by_transaction.erase(id);
    for (const std::uint64_t id : dialogs_) s_.index.by_dialog.erase(id);
}

Result<siprec::ClientSessionSettings, Reason> ServerLink::make_settings(
    const policy::RecordingPlan& plan, const SessionCommon& common, bool has_servers) {
    const policy::RecordingSettings& wanted = plan.settings;
    siprec::ClientSessionSettings settings{.from_uri = wanted.from_uri,
                                           .to_uri = wanted.to_uri,
                                           .credentials = common.credentials,
                                           .flow = common.flow,
                                           .silence_time = common.server_silence,
                                           .fails_over = common.fails_over,
                                           .failover_time = common.failover_time,
                                           .instance = plan.instance};
    if (has_servers)
        for (const std::string& server : wanted.servers) {
            auto entry = parse_server(server);
            if (!entry) return entry.error();
            settings.servers.push_back(entry->uri);
            entries_.push_back(*std::move(entry));
        }
    // A call that must be recorded does not go on for a minute until it is known that it is not.
    if (wanted.mandatory) {
        settings.answer_time = common.server_silence;
        settings.failover_time = std::chrono::milliseconds{0};
    }
    auto codes = siprec::SkipCodes::parse(wanted.skip_failover_codes);
    if (!codes) return codes.error();
    settings.skip_failover_codes = *codes;
    for (const auto& [name, value] : wanted.headers) settings.headers.push_back({name, value});
    return settings;
}

// ---- the agent ----------------------------------------------------------------------------------

void ServerLink::on_action(base::Now now, sip::Action& action) {
    siprec::RecordingClientSession* session = this->session();
    if (session == nullptr) return;
    const sip::TransactionId over = ended_transaction(action);
    learn_server(action);
    if (auto* response = std::get_if<sip::ResponseArrived>(&action)) {
        if (response->dialog && dialogs_.insert(response->dialog.value).second)
            s_.index.by_dialog[response->dialog.value] = this;
        session->on_response(now, *response);
    } else if (const auto* request = std::get_if<sip::RequestArrived>(&action)) {
        session->on_request(now, *request);
    } else if (const auto* ack = std::get_if<sip::AckArrived>(&action)) {
        session->on_ack(now, *ack);
    } else if (const auto* silence = std::get_if<sip::TransactionTimedOut>(&action)) {
        session->on_failure(now, silence->transaction, true);
    } else if (const auto* failure = std::get_if<sip::TransportFailed>(&action)) {
        session->on_failure(now, failure->transaction, false);
    } else if (const auto* ended = std::get_if<sip::DialogEnded>(&action)) {
        dialogs_.erase(ended->dialog.value);
        s_.index.by_dialog.erase(ended->dialog.value);
        session->on_dialog_ended(now, ended->dialog);
    }
    if (transactions_.erase(over.value) > 0) s_.index.by_transaction.erase(over.value);
    deliver();
}

// Who answers for a server may also begin recordings.
void ServerLink::learn_server(const sip::Action& action) {
    const auto* response = std::get_if<sip::ResponseArrived>(&action);
    if (response == nullptr || !response->is_final || response->message.status() >= 300) return;
    if (response->message.cseq_method() == sip::Method::Invite)
        s_.servers.learn(response->flow.remote);
}

void ServerLink::on_time(base::Now now) {
    if (siprec::RecordingClientSession* session = this->session()) session->on_time(now);
    deliver();
}

void ServerLink::arm() {
    const siprec::RecordingClientSession* session = this->session();
    const auto deadline = session == nullptr ? std::nullopt : session->deadline();
    if (deadline == armed_) return;
    if (armed_) s_.index.due.erase({*armed_, this});
    if (deadline) s_.index.due.insert({*deadline, this});
    armed_ = deadline;
}

void ServerLink::note(base::Now now, const siprec::ClientEvent& told, bool is_wanted) {
    using Kind = siprec::ClientEvent::Kind;
    if (told.chosen.empty()) return;
    if (told.kind == Kind::Start) return s_.servers.on_accepted(now, told.chosen);
    if (told.kind == Kind::Stop) {
        const bool is_lost = !is_wanted && !told.reason.code.empty() && !told.is_own_fault;
        s_.servers.on_ended(now, told.chosen, told.is_server_dead, is_lost, told.reason);
    }
    constexpr int kCancelled = 487;  // by us
    if (told.kind == Kind::Refused && told.status != kCancelled)
        s_.servers.on_refused(now, told.chosen, told.status, told.reason, told.retry_after);
}

// ---- siprec::ClientSessionHost ------------------------------------------------------------------

Result<sip::TransactionId> ServerLink::start_request(const sip::OutOfDialogSpec& spec) {
    auto sent = s_.agent.start_request(s_.clock.now().steady, spec);
    if (sent) own(*sent);
    if (sent && !spec.call_id.empty() && call_ids_.insert(spec.call_id).second)
        s_.index.call_ids.insert(spec.call_id);
    return sent;
}

Result<sip::TransactionId> ServerLink::send_request(sip::DialogId dialog,
                                                    const sip::RequestSpec& spec) {
    auto sent = s_.agent.send_request(s_.clock.now().steady, dialog, spec);
    if (sent) own(*sent);
    return sent;
}

void ServerLink::own(sip::TransactionId transaction) {
    if (transaction && transactions_.insert(transaction.value).second)
        s_.index.by_transaction[transaction.value] = this;
}

void ServerLink::respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) {
    static_cast<void>(s_.agent.respond(s_.clock.now().steady, transaction, spec));
}
sip::DialogId ServerLink::accept_invite(sip::TransactionId invite, const sip::ResponseSpec& spec) {
    const auto dialog = s_.agent.respond(s_.clock.now().steady, invite, spec);
    if (!dialog || !*dialog) return {};
    if (dialogs_.insert(dialog->value).second) s_.index.by_dialog[dialog->value] = this;
    return *dialog;
}
void ServerLink::acknowledge(sip::DialogId dialog) {
    static_cast<void>(s_.agent.ack(s_.clock.now().steady, dialog, {}));
}
void ServerLink::cancel(sip::TransactionId invite) {
    static_cast<void>(s_.agent.cancel(s_.clock.now().steady, invite));
}
void ServerLink::end_dialog(sip::DialogId dialog) {
    s_.agent.end_dialog(s_.clock.now().steady, dialog);
}
void ServerLink::authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                              const base::NetAddress& host,
                              std::vector<sip::ExtraHeader> of_invite) {
    s_.agent.authenticate_as(dialog, credentials, host, std::move(of_invite));
}

std::optional<std::string> ServerLink::choose_server(const std::vector<std::string>& candidates) {
    server_ = {};
    std::vector<ServerEntry> open;
    for (const std::string& uri : candidates) {
        const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                        [&](const ServerEntry& one) { return one.uri == uri; });
        if (entry != entries_.end() && !(is_taken_ && is_taken_(uri))) open.push_back(*entry);
    }
    if (open.empty()) return std::nullopt;
    server_ = s_.servers.choose(s_.clock.now(), open);
    return server_;
}

}  // namespace earshot::client
