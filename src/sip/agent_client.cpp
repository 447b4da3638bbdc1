// Requests of ours: RFC 3261 §8.1, §9.1, §12.2.1, §13.2, §14.1, §15.1.1, §17.1.3; RFC 3262 §4.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sip/agent_core.h"
#include "sip/agent_limits.h"
#include "sip/retry.h"

namespace earshot::sip {

namespace {

constexpr std::size_t kBranchBytes = 12;
constexpr std::size_t kTagBytes = 8;
constexpr std::size_t kCallIdBytes = 16;
constexpr int kServiceUnavailable = 503;  // RFC 3263 §4.3: the next target, please

bool is_sendable(Method method) { return method != Method::Ack && method != Method::Cancel; }

bool is_challenge(int status) { return status == 401 || status == 407; }

bool is_success(int status) { return status >= 200 && status < 300; }

// From or To of a new dialog: in brackets, so that parameters of the URI stay the URI's (§20).
std::string bracketed(const std::string& party) {
    return party.find('<') == std::string::npos ? "<" + party + ">" : party;
}

bool needs_contact(std::string_view method) {
    switch (find_method(method)) {
        case Method::Invite:
        case Method::Update:
        case Method::Subscribe:
        case Method::Notify:
        case Method::Refer:
            return true;
        default:
            return false;
    }
}

}  // namespace

bool says_udp(std::string_view uri) {
    const auto parsed = parse_uri(uri);
    return parsed && base::iequals(parsed->param("transport").value_or(""), "udp");
}

bool has_header(const std::vector<ExtraHeader>& headers, std::string_view name) {
    return std::any_of(headers.begin(), headers.end(),
                       [&](const auto& header) { return base::iequals(header.name, name); });
}

std::string write_request(const RequestHead& head, const RequestSpec& spec,
                          std::string_view contact, std::string_view product) {
    MessageBuilder request = MessageBuilder::request(head.method, head.uri);
    request.add(HeaderId::Via, head.via);
    for (const std::string& route : head.routes) request.add(HeaderId::Route, route);
    if (!has_header(spec.headers, "Max-Forwards"))
        request.add(HeaderId::MaxForwards, std::to_string(kMaxForwards));
    request.add(HeaderId::From, head.from)
        .add(HeaderId::To, head.to)
        .add(HeaderId::CallId, head.call_id)
        .add(HeaderId::Cseq, std::to_string(head.cseq) + " " + head.method);
    if (!contact.empty()) request.add(HeaderId::Contact, contact);
    for (const ExtraHeader& header : spec.headers) request.add(header.name, header.value);
    if (!has_header(spec.headers, "User-Agent")) request.add(HeaderId::UserAgent, product);
    if (!spec.content_type.empty()) request.body(spec.content_type, spec.body);
    return request.build();
}

std::string rack_value(const Message& response) {
    const auto rseq = response.find(HeaderId::Rseq);
    if (!rseq || !response.lists(HeaderId::Require, "100rel")) return {};
    return std::string{base::trim(*rseq)} + " " + std::to_string(response.cseq().number) + " " +
           std::string{response.cseq().method};
}

// `asked`: the request's URI; for a sips: one our own is one, too (§12.1.1).
std::string Agent::Core::contact(const Flow& flow, std::string_view asked,
                                 const std::optional<std::string>& parameters) const {
    const AgentListener& own = listener(flow);
    std::string uri = is_told_inner(flow) ? own.inner_contact : own.contact;
    if (flow.transport == Transport::Tls && is_sips(asked)) uri = secured_contact(std::move(uri));
    return "<" + uri + ">" + parameters.value_or(config_.contact_parameters);
}

std::string Agent::Core::contact(const Flow& flow, std::string_view uri,
                                 const RequestSpec& spec) const {
    if (!needs_contact(spec.method) || has_header(spec.headers, "Contact")) return {};
    return contact(flow, uri, spec.contact_parameters);
}

void Agent::Core::set_via(RequestHead& head, const Flow& flow) {
    head.branch = "z9hG4bK" + random_.token(kBranchBytes);
    head.via = "SIP/2.0/";
    const AgentListener& own = listener(flow);
    head.via.append(via_name(flow.transport)).append(" ");
    head.via.append(is_told_inner(flow) ? own.inner_sent_by : own.sent_by);
    head.via.append(";rport;branch=").append(head.branch);
    if (is_reliable(flow.transport)) head.via.append(";alias");  // RFC 5923: ask us over it, too
}

Key Agent::Core::client_key(std::string_view branch, std::string_view method) const {
    return hasher().add(branch).add(method).finish();
}

std::unique_ptr<Transaction> Agent::Core::make_client(base::TimePoint now, Method method,
                                                      bool reliable) {
    auto transaction = std::make_unique<Transaction>(
        method == Method::Invite ? Transaction::Machine(InviteClient(now, reliable))
                                 : Transaction::Machine(NonInviteClient(now, reliable)));
    transaction->method = method;
    return transaction;
}

Transaction& Agent::Core::add_client(base::TimePoint now, const Flow& flow, RequestHead head,
                                     SharedBytes bytes, DialogId dialog) {
    const Method method = find_method(head.method);
    const Key key = client_key(head.branch, head.method);
    std::unique_ptr<Transaction> transaction =
        make_client(now, method, is_reliable(flow.transport));
    transaction->flow = flow;
    transaction->cseq = head.cseq;
    transaction->dialog = dialog;
    transaction->last = std::move(bytes);
    std::string tls_name = head.tls_name;
    if (method == Method::Invite) {
        transaction->invite = std::make_unique<ClientInvite>();
        transaction->invite->head = std::move(head);
    }
    Transaction& placed = insert_transaction(std::move(transaction), key);
    send(placed, placed.last, false, std::move(tls_name));
    return placed;
}

base::Result<TransactionId> Agent::Core::start_request(base::TimePoint now,
                                                       const OutOfDialogSpec& spec) {
    const Method method = find_method(spec.method);
    if (!is_sendable(method) || spec.method.empty() || spec.request_uri.empty()) {
        return base::Error{base::Errc::Malformed, "SIP: no request to send"};
    }
    if (transactions_.size() >= config_.max_transactions ||
        (method == Method::Invite && dialogs_.size() >= config_.max_dialogs)) {
        return base::Error{base::Errc::Full, "SIP: too many transactions or dialogs"};
    }
    RequestHead head;
    head.method = spec.method;
    head.uri = spec.request_uri;
    head.from = bracketed(spec.from) +
                ";tag=" + (spec.from_tag.empty() ? random_.token(kTagBytes) : spec.from_tag);
    head.to = bracketed(spec.to);
    head.call_id = spec.call_id.empty() ? random_.token(kCallIdBytes) : spec.call_id;
    head.cseq = spec.cseq;
    head.routes = spec.routes;
    RequestSpec rest{
        spec.method,      spec.headers, spec.content_type, spec.body, spec.contact_parameters,
        spec.leaves_prack};
    std::string hop = spec.routes.empty() ? spec.request_uri : uri_of(spec.routes.front());
    if (!spec.next_hop.empty()) hop = spec.next_hop;
    head.tls_name = host_of_uri(hop);
    if (spec.flow.remote.is_unspecified()) {
        Transaction& placed = locate(now, std::move(head), std::move(rest), std::move(hop), {});
        placed.delivery->wished = listener(spec.flow).sent_by;
        return placed.id;
    }
    Transaction& transaction =
        start_on(now, spec.flow, std::move(head), rest, {},
                 spec.keeps_flow || says_udp(spec.routes.empty() ? spec.request_uri
                                                                 : uri_of(spec.routes.front())));
    if (transaction.invite != nullptr) {
        transaction.invite->sends_prack = sends_prack(rest);
        transaction.invite->is_pinned = spec.keeps_flow;
    }
    return transaction.id;
}

// Where it is to go is known. `obeys_udp`: by UDP however long it is.
Transaction& Agent::Core::start_on(base::TimePoint now, const Flow& flow, RequestHead head,
                                   const RequestSpec& spec, DialogId dialog, bool obeys_udp) {
    const auto write = [&](const Flow& by) {
        set_via(head, by);
        return std::make_shared<const std::string>(
            write_request(head, spec, contact(by, head.uri, spec), config_.product));
    };
    SharedBytes bytes = write(flow);
    const auto wide = obeys_udp ? std::nullopt : wide_flow(now, flow, bytes->size());
    if (wide) bytes = write(*wide);
    std::unique_ptr<Delivery> again;
    if (wide || authenticated_.contains(dialog.value))
        again = std::make_unique<Delivery>(Delivery{.head = head,
                                                    .spec = spec,
                                                    .targets = {},
                                                    .current = {},
                                                    .wished = {},
                                                    .obeys_udp = obeys_udp});
    if (wide) again->narrow = flow;
    Transaction& placed =
        add_client(now, wide.value_or(flow), std::move(head), std::move(bytes), dialog);
    placed.delivery = std::move(again);
    return placed;
}

Transaction& Agent::Core::start_in_dialog(base::TimePoint now, const Dialog& dialog,
                                          RequestHead head, const RequestSpec& spec) {
    if (std::string name = next_hop_name(dialog); !name.empty() && !stops_locating_)
        return locate(now, std::move(head), spec, std::move(name), dialog.id);
    const bool obeys_udp = dialog.keeps_flow || says_udp(dialog.next_hop());
    return start_on(now, next_flow(dialog, config_.listeners), std::move(head), spec, dialog.id,
                    obeys_udp);
}

Transaction& Agent::Core::send_in_dialog(base::TimePoint now, Dialog& dialog,
                                         const RequestSpec& spec) {
    RequestHead head = dialog.request_head(spec.method);
    head.cseq = ++dialog.local_cseq;
    return start_in_dialog(now, dialog, std::move(head), spec);
}

base::Result<TransactionId> Agent::Core::send_request(base::TimePoint now, DialogId id,
                                                      const RequestSpec& spec) {
    Dialog* dialog = find(id);
    if (dialog == nullptr) return base::Error{base::Errc::NotFound, "SIP: no such dialog"};
    const Method method = find_method(spec.method);
    if (!is_sendable(method) || spec.method.empty()) {
        return base::Error{base::Errc::Malformed, "SIP: no request to send"};
    }
    if (dialog->is_ending) return base::Error{base::Errc::Refused, "SIP: BYE has been sent"};
    const bool invite = method == Method::Invite;
    if (invite && (dialog->invite_in || dialog->invite_out)) {
        return base::Error{base::Errc::Refused, "SIP: another INVITE is pending"};
    }
    dialog->is_ending = method == Method::Bye;
    if (dialog->is_ending && dialog->ok != nullptr && dialog->ok->is_initial) {
        dialog->ok->bye = std::make_unique<RequestSpec>(spec);
        return TransactionId{};
    }
    if (const auto known = authenticated_.find(id.value); invite && known != authenticated_.end())
        known->second.of_invite.clear();  // of the INVITE before
    Transaction& transaction = send_in_dialog(now, *dialog, spec);
    if (invite) {
        dialog->invite_out = transaction.id;
        transaction.invite->is_reinvite = true;
        transaction.invite->sends_prack = sends_prack(spec);
        transaction.invite->forks.push_back({dialog->remote_tag, id});
    }
    return transaction.id;
}

base::Result<base::Done> Agent::Core::cancel(base::TimePoint now, TransactionId id,
                                             std::vector<ExtraHeader> headers) {
    Transaction* transaction = find(id);
    if (transaction == nullptr || transaction->invite == nullptr) {
        return base::Error{base::Errc::NotFound, "SIP: no INVITE to cancel"};
    }
    if (locating_.erase(id.value) != 0) {  // nobody has heard of it
        on_send_failed(now, id);
        return base::Done{};
    }
    transaction->invite->cancel_headers = std::move(headers);
    switch (std::get<InviteClient>(transaction->machine).state()) {
        case InviteClient::State::Calling:
            transaction->invite->is_cancel_wanted = true;
            break;
        case InviteClient::State::Proceeding:
            send_cancel(now, *transaction);
            break;
        default:
            return base::Error{base::Errc::Refused, "SIP: the INVITE has been answered"};
    }
    return base::Done{};
}

void Agent::Core::send_cancel(base::TimePoint now, Transaction& transaction) {
    ClientInvite& invite = *transaction.invite;
    if (invite.is_cancel_sent) return;
    invite.is_cancel_sent = true;
    RequestHead head = invite.head;  // §9.1: the same Via, so that it finds the same hop
    head.method = to_string(Method::Cancel);
    const RequestSpec spec{.method = {}, .headers = std::move(invite.cancel_headers)};
    auto bytes =
        std::make_shared<const std::string>(write_request(head, spec, "", config_.product));
    const Flow flow = transaction.flow;
    add_client(now, flow, std::move(head), std::move(bytes), transaction.dialog).is_hidden = true;
    std::get<InviteClient>(transaction.machine).on_cancel_sent(now);
    schedule(transaction);
}

base::Result<base::Done> Agent::Core::ack(base::TimePoint /*now*/, DialogId id,
                                          const RequestSpec& spec) {
    Dialog* dialog = find(id);
    if (dialog == nullptr || !dialog->ack_due) {
        return base::Error{base::Errc::NotFound, "SIP: nothing to acknowledge"};
    }
    const Flow flow = next_flow(*dialog, config_.listeners);
    RequestHead head = dialog->request_head(to_string(Method::Ack));
    head.cseq = *dialog->ack_due;
    set_via(head, flow);
    RequestSpec whole = spec;
    // §22.1: an ACK cannot be challenged, so it repeats the credentials of its INVITE.
    if (const auto known = authenticated_.find(id.value);
        known != authenticated_.end() && flow.remote.same_host(known->second.host))
        whole.headers.insert(whole.headers.end(), known->second.of_invite.begin(),
                             known->second.of_invite.end());
    dialog->ack =
        std::make_shared<const std::string>(write_request(head, whole, "", config_.product));
    dialog->ack_flow = flow;
    dialog->ack_cseq = head.cseq;
    dialog->ack_due.reset();
    SendBytes sent{.flow = flow, .bytes = dialog->ack, .dialog = id};
    if (flow.transport == Transport::Tls) sent.tls_name = std::move(head.tls_name);
    actions_.emplace_back(std::move(sent));
    return base::Done{};
}

void Agent::Core::on_response(base::TimePoint now, const Flow& flow, Message&& message) {
    const auto at =
        client_keys_.find(client_key(message.top_via().branch(), message.cseq().method));
    if (at == client_keys_.end()) return;  // stray: §18.1.2 lets it be dropped
    Transaction& transaction = *find(TransactionId{at->second});
    if (transaction.cseq != message.cseq().number) return;
    if (transaction.invite != nullptr) {
        return on_invite_response(now, flow, transaction, std::move(message));
    }
    const int status = message.status();
    const Step step = std::get<NonInviteClient>(transaction.machine).on_response(now, status);
    if (step.to_tu && status == kServiceUnavailable && fails_over(now, transaction)) return;
    if (step.to_tu && is_challenge(status) && answers_challenge(now, transaction, message)) return;
    if (step.to_tu) keep_target(transaction);
    if (step.to_tu && !transaction.is_hidden) {
        Dialog* dialog = find(transaction.dialog);
        if (dialog != nullptr && is_reliable(flow.transport)) {
            move_flow(dialog->flow, flow, token_of(dialog->id));
        }
        if (dialog != nullptr && transaction.method == Method::Update && is_success(status)) {
            dialog->refresh_target(message);
            follow_nat(*dialog, flow, message);
        }
        const auto retry_after =
            dialog != nullptr ? glare_delay(message, dialog->is_uac, random_) : std::nullopt;
        actions_.emplace_back(ResponseArrived{transaction.id, transaction.dialog, flow,
                                              std::move(message), status >= 200, retry_after});
        // §15.1.1: the session ends with the BYE, whatever the peer says to it.
        if (dialog != nullptr && transaction.method == Method::Bye && status >= 200) {
            end(now, *dialog);
        }
    }
    if (status >= 200) transaction.last.reset();
    finish(now, transaction, step);
}

void Agent::Core::on_invite_response(base::TimePoint now, const Flow& flow,
                                     Transaction& transaction, Message&& message) {
    ClientInvite& invite = *transaction.invite;
    const int status = message.status();
    const Step step = std::get<InviteClient>(transaction.machine).on_response(now, status);
    if (step.ack) {
        if (step.to_tu) {  // §17.1.1.3: the lines of the INVITE, To of the response
            RequestHead head = invite.head;
            head.method = to_string(Method::Ack);
            head.to = message.find(HeaderId::To).value_or("");
            transaction.last =
                std::make_shared<const std::string>(write_request(head, {}, "", config_.product));
        }
        send(transaction, transaction.last, !step.to_tu);
    }
    if (!step.to_tu) {
        finish(now, transaction, step);
        return;
    }
    if (status == kServiceUnavailable && fails_over(now, transaction)) return;
    if (is_challenge(status) && answers_challenge(now, transaction, message)) return;
    keep_target(transaction);
    ClientInvite::Fork* fork = fork_of(flow, transaction, message);
    const bool names_none = status == 100 || status >= 300;  // about the INVITE, not a fork
    DialogId dialog_id = names_none ? transaction.dialog : DialogId{};
    if (fork != nullptr) dialog_id = fork->dialog;
    Dialog* dialog = find(dialog_id);
    if (is_success(status) && !take_success(flow, transaction, fork, dialog, message)) {
        schedule(transaction);
        return;
    }
    if (fork == nullptr || status >= 200 || take_provisional(now, transaction, *fork, message)) {
        const auto retry_after = dialog != nullptr && invite.is_reinvite
                                     ? glare_delay(message, dialog->is_uac, random_)
                                     : std::nullopt;
        actions_.emplace_back(ResponseArrived{transaction.id, dialog_id, flow, std::move(message),
                                              status >= 200, retry_after});
    }
    if (status >= 300) close_invite(now, transaction);
    if (status < 200 && invite.is_cancel_wanted) send_cancel(now, transaction);
    finish(now, transaction, step);
}

// False for a 2xx that came again: so does its ACK (§13.2.2.4), and nobody is told.
bool Agent::Core::take_success(const Flow& flow, Transaction& transaction, ClientInvite::Fork* fork,
                               Dialog* dialog, const Message& response) {
    transaction.last.reset();
    if (fork != nullptr && std::exchange(fork->is_accepted, true)) {
        if (dialog != nullptr && dialog->ack != nullptr && dialog->ack_cseq == transaction.cseq) {
            actions_.emplace_back(SendBytes{dialog->ack_flow, dialog->ack, {}, dialog->id, true});
        }
        return false;
    }
    if (dialog != nullptr) {
        confirm(*dialog, transaction, response);
        follow_nat(*dialog, flow, response);
    }
    return true;
}

// The dialog that a response belongs to, made if it is the first of its tag; null for 100 and the
// like, and beyond kMaxForksPerInvite.
ClientInvite::Fork* Agent::Core::fork_of(const Flow& flow, Transaction& transaction,
                                         const Message& response) {
    const bool success = is_success(response.status());
    if (response.status() >= 300 || (!success && response.to_tag().empty())) return nullptr;
    ClientInvite& invite = *transaction.invite;
    const Flow& back = is_reliable(flow.transport) ? flow : transaction.flow;
    auto fork = std::find_if(invite.forks.begin(), invite.forks.end(), [&](const auto& f) {
        return invite.is_reinvite || f.remote_tag == response.to_tag();
    });
    if (fork != invite.forks.end()) {
        Dialog* dialog = find(fork->dialog);
        if (dialog != nullptr && is_reliable(back.transport)) {
            move_flow(dialog->flow, back, token_of(dialog->id));
        }
        // A 2xx to a dialog that the TU forgot while it was early must still be acknowledged.
        if (dialog != nullptr || invite.is_reinvite || fork->is_accepted || !success) return &*fork;
    } else {
        // Who answers is kept beyond what rings: a large group is no attack, and a 2xx that nobody
        // acknowledges leaves a phone that talks to nobody.
        const std::size_t room = success ? 2 * kMaxForksPerInvite : kMaxForksPerInvite;
        if (response.status() == 100 || invite.forks.size() >= room) return nullptr;
        if (!fits_dialog(response) || dialogs_.size() >= config_.max_dialogs) return nullptr;
        fork = invite.forks.insert(invite.forks.end(), {std::string(response.to_tag()), {}});
    }
    auto made = std::make_unique<Dialog>();
    fill_uac_dialog(*made, invite.head, response);
    // A next hop of the TU's own choice may have taken it another way.
    made->is_secure = made->is_secure && back.transport == Transport::Tls;
    made->is_pinned = invite.is_pinned;
    Dialog& dialog = insert_dialog(std::move(made), back);
    follow_nat(dialog, flow, response);
    dialog.invite_out = transaction.id;
    fork->dialog = dialog.id;
    if (!transaction.dialog) transaction.dialog = dialog.id;
    return &*fork;
}

// RFC 3262 §4: acknowledges a reliable provisional response; false for one that is out of order or
// comes again, which is not to be processed.
bool Agent::Core::take_provisional(base::TimePoint now, const Transaction& transaction,
                                   ClientInvite::Fork& fork, const Message& response) {
    if (!response.lists(HeaderId::Require, "100rel")) return true;
    const auto rseq =
        base::parse_number<std::uint32_t>(base::trim(response.find(HeaderId::Rseq).value_or("")));
    if (!rseq || (fork.rseq && *rseq != *fork.rseq + 1)) return false;
    fork.rseq = rseq;
    if (!transaction.invite->sends_prack) return true;
    const auto prack = send_request(
        now, fork.dialog, {.method = "PRACK", .headers = {{"RAck", rack_value(response)}}});
    if (prack) find(*prack)->is_hidden = true;
    return true;
}

void Agent::Core::confirm(Dialog& dialog, const Transaction& transaction, const Message& response) {
    dialog.is_confirmed = true;
    dialog.refresh_target(response);
    if (!transaction.invite->is_reinvite && fits_dialog(response)) {
        set_uac_routes(dialog, response);
    }
    dialog.ack_due = transaction.cseq;
    dialog.ack.reset();
    if (dialog.invite_out == transaction.id) dialog.invite_out = {};
}

// The INVITE is over: dialogs may send the next one, those that stayed early end.
void Agent::Core::close_invite(base::TimePoint now, Transaction& transaction) {
    for (const auto& fork : transaction.invite->forks) {
        Dialog* dialog = find(fork.dialog);
        if (dialog == nullptr || dialog->invite_out != transaction.id) continue;
        dialog->invite_out = {};
        if (!dialog->is_confirmed) end(now, *dialog);
    }
}

}  // namespace earshot::sip
