#include "sip/agent.h"

#include <algorithm>
#include <cassert>

#include "base/text.h"
#include "sip/agent_core.h"
#include "sip/agent_limits.h"
#include "sip/nat.h"
#include "sip/parser.h"
#include "sip/stream_framer.h"

namespace earshot::sip {

AgentConfig::AgentConfig()
    : max_transactions(kMaxTransactions), max_dialogs(kMaxDialogs), retry_after_s(kRetryAfterS) {}

// ---- the shared part of the core ----

Agent::Core::Core(AgentConfig config, base::Random& random)
    : config_(std::move(config)),
      random_(random),
      secret_low_(random.u64()),
      secret_high_(random.u64()) {
    assert(!config_.listeners.empty());
}

const AgentListener& Agent::Core::listener(const Flow& flow) const {
    return config_.listeners.at(flow.listener < config_.listeners.size() ? flow.listener : 0);
}

bool Agent::Core::is_told_inner(const Flow& flow) const {
    return config_.is_inside && !listener(flow).inner_contact.empty() &&
           config_.is_inside(base::host_to_string(flow.remote));
}

Key Agent::Core::dialog_key(std::string_view call_id, std::string_view local_tag,
                            std::string_view remote_tag) const {
    return hasher().add(call_id).add(local_tag).add(remote_tag).finish();
}

Dialog* Agent::Core::find_dialog(std::string_view call_id, std::string_view local_tag,
                                 std::string_view remote_tag) const {
    const auto at = dialog_keys_.find(dialog_key(call_id, local_tag, remote_tag));
    return at == dialog_keys_.end() ? nullptr : dialogs_.find(at->second);
}

Transaction& Agent::Core::insert_transaction(std::unique_ptr<Transaction> transaction,
                                             const Key& key) {
    Transaction& placed = *transaction;
    placed.key = key;
    placed.id.value = transactions_.insert(std::move(transaction));
    (placed.is_server() ? server_keys_ : client_keys_)[key] = placed.id.value;
    if (placed.flow.connection != 0) {
        connection_users_.emplace(placed.flow.connection, token_of(placed.id));
    }
    schedule(placed);
    return placed;
}

void Agent::Core::schedule(Transaction& transaction) {
    const auto due = std::visit([](const auto& m) { return m.deadline(); }, transaction.machine);
    timers_.set(transaction.timer, due, token_of(transaction.id));
}

void Agent::Core::schedule(Dialog& dialog) {
    timers_.set(dialog.timer, dialog.ok ? dialog.ok->timer.deadline() : std::nullopt,
                token_of(dialog.id));
}

void Agent::Core::move_flow(Flow& place, const Flow& flow, std::uint64_t token) {
    if (place.connection != flow.connection) {
        if (place.connection != 0) connection_users_.erase({place.connection, token});
        if (flow.connection != 0) connection_users_.emplace(flow.connection, token);
    }
    place = flow;
}

// Where the answer to a request goes. The port in the Via of a peer behind a NAT is that of its own
// side, also where it does not ask for rport (RFC 3581 §4).
Flow Agent::Core::answer_flow(const Flow& source, const Message& request) const {
    const Via via = request.top_via();
    const bool is_source = config_.sees_through_nat && is_hidden(via.host, source.remote);
    return is_source ? source : response_flow(source, via);
}

// After each message of the peer that may have changed its address: whether that can be reached.
// NATs forget and choose another port, so the newest request tells where the peer is now.
void Agent::Core::follow_nat(Dialog& dialog, const Flow& flow, const Message& message) const {
    dialog.keeps_flow = dialog.is_pinned;
    if (dialog.is_pinned || !config_.sees_through_nat) return;
    const std::string hop = dialog.next_hop();
    dialog.keeps_flow = message.is_request()
                            ? is_hidden_hop(hop, message.top_via(), flow.remote)
                            : !is_private(flow.remote) && is_hidden_uri(hop, flow.remote);
}

void Agent::Core::erase(Transaction& transaction) {
    timers_.set(transaction.timer, std::nullopt, 0);
    if (transaction.merge_key) merge_keys_.erase(*transaction.merge_key);
    if (transaction.flow.connection != 0) {
        connection_users_.erase({transaction.flow.connection, token_of(transaction.id)});
    }
    // The ACK for repeated 2xx lives as long as the transaction that they match (RFC 6026 §7.2).
    if (transaction.invite != nullptr) {
        const auto free_ack = [&](DialogId id) {
            Dialog* dialog = find(id);
            if (dialog != nullptr && dialog->ack_cseq == transaction.cseq) dialog->ack.reset();
        };
        free_ack(transaction.dialog);
        for (const auto& fork : transaction.invite->forks) free_ack(fork.dialog);
    }
    locating_.erase(transaction.id.value);
    (transaction.is_server() ? server_keys_ : client_keys_).erase(transaction.key);
    transactions_.erase(transaction.id.value);
}

void Agent::Core::send(const Transaction& transaction, const SharedBytes& bytes,
                       bool is_retransmission, std::string tls_name) {
    const bool is_tls = transaction.flow.transport == Transport::Tls;
    actions_.emplace_back(SendBytes{.flow = transaction.flow,
                                    .bytes = bytes,
                                    .transaction = transaction.id,
                                    .dialog = transaction.dialog,
                                    .is_retransmission = is_retransmission,
                                    .tls_name = is_tls ? std::move(tls_name) : std::string{}});
}

bool Agent::Core::finish(base::TimePoint now, Transaction& transaction, const Step& step) {
    if (step.resend && transaction.last != nullptr) send(transaction, transaction.last, true);
    if (step.transport_failed && returns_to_udp(now, transaction)) return false;
    if ((step.timed_out || step.transport_failed) && fails_over(now, transaction)) return false;
    if (step.timed_out || step.transport_failed) {
        if (!transaction.is_hidden && step.timed_out) {
            actions_.emplace_back(TransactionTimedOut{transaction.id, transaction.dialog});
        } else if (!transaction.is_hidden) {
            actions_.emplace_back(TransportFailed{transaction.id, transaction.dialog,
                                                  transaction.delivery != nullptr
                                                      ? transaction.delivery->lookup
                                                      : TransportFailed::Lookup::Fine});
        }
        Dialog* dialog = find(transaction.dialog);
        if (transaction.method == Method::Bye && dialog != nullptr) end(now, *dialog);
    }
    if (step.terminated) {
        // RFC 3261 §13.2.2.4: early dialogs that no 2xx confirmed end with the transaction.
        if (transaction.invite != nullptr) close_invite(now, transaction);
        erase(transaction);
        return true;
    }
    schedule(transaction);
    return false;
}

Dialog& Agent::Core::insert_dialog(std::unique_ptr<Dialog> dialog, const Flow& flow) {
    Dialog& placed = *dialog;
    placed.id.value = dialogs_.insert(std::move(dialog));
    dialog_keys_[dialog_key(placed.call_id, placed.local_tag, placed.remote_tag)] = placed.id.value;
    move_flow(placed.flow, flow, token_of(placed.id));
    return placed;
}

void Agent::Core::end(base::TimePoint now, Dialog& dialog) {
    // §15.1.2: what is still open when its dialog ends is answered 487.
    for (const TransactionId id :
         {std::exchange(dialog.invite_in, {}), std::exchange(dialog.update_in, {})})
        if (Transaction* pending = find(id)) answer(now, *pending, {.status = 487});

    timers_.set(dialog.timer, std::nullopt, 0);
    if (dialog.flow.connection != 0) {
        connection_users_.erase({dialog.flow.connection, token_of(dialog.id)});
    }
    authenticated_.erase(dialog.id.value);
    dialog_keys_.erase(dialog_key(dialog.call_id, dialog.local_tag, dialog.remote_tag));
    actions_.emplace_back(DialogEnded{dialog.id});
    dialogs_.erase(dialog.id.value);
}

void Agent::Core::end_dialog(base::TimePoint now, DialogId id) {
    if (Dialog* dialog = find(id)) end(now, *dialog);
}

void Agent::Core::send_held_byes(base::TimePoint now) {
    std::vector<Dialog*> held;
    dialogs_.for_each([&held](Dialog& dialog) {
        if (dialog.ok != nullptr && dialog.ok->bye != nullptr) held.push_back(&dialog);
    });
    for (Dialog* dialog : held) {
        const auto ok = std::move(dialog->ok);
        schedule(*dialog);
        send_in_dialog(now, *dialog, *ok->bye);
    }
}

void Agent::Core::on_dialog_time(base::TimePoint now, Dialog& dialog) {
    const UnacknowledgedOk& ok = *dialog.ok;
    switch (dialog.ok->timer.on_time(now)) {
        case OkRetransmitter::Action::None:
            break;
        case OkRetransmitter::Action::Resend:
            actions_.emplace_back(SendBytes{ok.flow, ok.bytes, ok.invite, dialog.id, true});
            break;
        case OkRetransmitter::Action::EndSession:
            if (ok.bye) {
                send_in_dialog(now, dialog, *ok.bye);
            } else {
                actions_.emplace_back(NoAck{dialog.id, ok.invite});
            }
            dialog.ok.reset();
            break;
    }
    schedule(dialog);
}

void Agent::Core::on_time(base::TimePoint now) {
    while (const auto token = timers_.due(now)) {
        if ((*token & 1) != 0) {
            on_dialog_time(now, *find(DialogId{*token >> 1}));
            continue;
        }
        Transaction& transaction = *find(TransactionId{*token >> 1});
        if (locating_.contains(transaction.id.value)) {
            on_location_ended(now, transaction, {}, TransportFailed::Lookup::TimedOut);
            continue;
        }
        if (transaction.reliable != nullptr) {
            on_prack_time(now, transaction);
            continue;
        }
        finish(
            now, transaction,
            std::visit([&](auto& machine) { return machine.on_time(now); }, transaction.machine));
    }
}

void Agent::Core::on_flow_closed(base::TimePoint now, const Flow& flow) {
    if (flow.connection == 0) return;
    const auto first = connection_users_.lower_bound({flow.connection, 0});
    const auto last = connection_users_.upper_bound({flow.connection, ~std::uint64_t{0}});
    const std::vector<std::pair<std::uint64_t, std::uint64_t>> users(first, last);
    connection_users_.erase(first, last);
    for (const auto& [connection, token] : users) {
        if ((token & 1) != 0) {
            Dialog* dialog = find(DialogId{token >> 1});
            if (dialog == nullptr) continue;
            dialog->flow.connection = 0;
            if (dialog->ok != nullptr && dialog->ok->flow.connection == flow.connection) {
                dialog->ok->flow = next_flow(*dialog, config_.listeners);
            }
            continue;
        }
        Transaction* transaction = find(TransactionId{token >> 1});
        if (transaction == nullptr) continue;
        transaction->flow.connection = 0;
        if (!transaction->is_server()) {
            on_send_failed(now, transaction->id);
        } else if (transaction->request != nullptr) {
            // RFC 3261 §18.2.2: the answer goes to where the Via says the peer listens.
            const Via via = transaction->request->top_via();
            transaction->flow.remote.port =
                via.port.value_or(default_port(transaction->flow.transport));
        }
    }
}

void Agent::Core::on_send_failed(base::TimePoint now, TransactionId id) {
    Transaction* transaction = find(id);
    if (transaction == nullptr) return;
    Step step;  // a server transaction lives on: the peer may ask again (RFC 6026 §7.1)
    if (auto* client = std::get_if<InviteClient>(&transaction->machine)) {
        step = client->on_transport_error();
    } else if (auto* other = std::get_if<NonInviteClient>(&transaction->machine)) {
        step = other->on_transport_error();
    }
    finish(now, *transaction, step);
}

std::optional<Action> Agent::Core::poll_action() {
    if (actions_.empty()) return std::nullopt;
    std::optional<Action> action(std::move(actions_.front()));
    actions_.pop_front();
    return action;
}

// ---- the face ----

Agent::Agent(AgentConfig config, base::Random& random)
    : core_(std::make_unique<Core>(std::move(config), random)) {}
Agent::~Agent() = default;

void Agent::on_message(base::TimePoint now, const Flow& flow, Message&& message) {
    if (message.is_request()) {
        core_->on_request(now, flow, std::move(message));
    } else {
        core_->on_response(now, flow, std::move(message));
    }
}

void Agent::reject_malformed(const Flow& flow, const Message& message, int status,
                             std::string_view reason) {
    if (!message.is_request() || message.method() == Method::Ack) return;
    core_->send_stateless(flow, message, status, reason);
}

void Agent::reject_broken_stream(const Flow& flow, const StreamEvent& event) {
    if (event.status == 0) return;
    const ParsedMessage head = parse_message(base::as_text(event.bytes));
    if (head.verdict != Verdict::Drop)
        reject_malformed(flow, head.message, event.status, event.reason);
}

void Agent::on_flow_closed(base::TimePoint now, const Flow& flow) {
    core_->on_flow_closed(now, flow);
}
void Agent::on_send_failed(base::TimePoint now, TransactionId transaction) {
    core_->on_send_failed(now, transaction);
}
void Agent::on_located(base::TimePoint now, TransactionId transaction,
                       std::vector<Target> targets) {
    core_->on_located(now, transaction, std::move(targets));
}
void Agent::stop_locating(base::TimePoint now) { core_->stop_locating(now); }
void Agent::on_time(base::TimePoint now) { core_->on_time(now); }
std::optional<base::TimePoint> Agent::deadline() const { return core_->deadline(); }
std::optional<Action> Agent::poll_action() { return core_->poll_action(); }

void Agent::respond_and_forget(base::TimePoint now, TransactionId transaction,
                               const ResponseSpec& response) {
    core_->respond_and_forget(now, transaction, response);
}

base::Result<DialogId> Agent::respond(base::TimePoint now, TransactionId transaction,
                                      const ResponseSpec& response) {
    return core_->respond(now, transaction, response);
}

std::string_view Agent::local_tag(TransactionId transaction) const {
    const Transaction* found = core_->find(transaction);
    return found != nullptr ? std::string_view(found->local_tag) : std::string_view{};
}

base::Result<TransactionId> Agent::start_request(base::TimePoint now,
                                                 const OutOfDialogSpec& request) {
    return core_->start_request(now, request);
}
base::Result<TransactionId> Agent::send_request(base::TimePoint now, DialogId dialog,
                                                const RequestSpec& request) {
    return core_->send_request(now, dialog, request);
}
base::Result<base::Done> Agent::cancel(base::TimePoint now, TransactionId invite,
                                       std::vector<ExtraHeader> headers) {
    return core_->cancel(now, invite, std::move(headers));
}
base::Result<base::Done> Agent::ack(base::TimePoint now, DialogId dialog,
                                    const RequestSpec& request) {
    return core_->ack(now, dialog, request);
}
void Agent::authenticate_as(DialogId dialog, const Credentials& credentials,
                            const base::NetAddress& host, std::vector<ExtraHeader> of_invite) {
    core_->authenticate_as(dialog, credentials, host, std::move(of_invite));
}
void Agent::end_dialog(base::TimePoint now, DialogId dialog) { core_->end_dialog(now, dialog); }
void Agent::send_held_byes(base::TimePoint now) { core_->send_held_byes(now); }

std::optional<DialogFacts> Agent::find_dialog(DialogId id) const {
    const Dialog* dialog = core_->find(id);
    if (dialog == nullptr) return std::nullopt;
    return DialogFacts{.call_id = dialog->call_id,
                       .local_tag = dialog->local_tag,
                       .remote_tag = dialog->remote_tag,
                       .local_party = dialog->local_party,
                       .remote_party = dialog->remote_party,
                       .remote_target = dialog->remote_target,
                       .flow = dialog->flow,
                       .local_cseq = dialog->local_cseq,
                       .is_uac = dialog->is_uac,
                       .is_confirmed = dialog->is_confirmed};
}

DialogId Agent::find_dialog(std::string_view call_id, std::string_view local_tag,
                            std::string_view remote_tag) const {
    const Dialog* dialog = core_->find_dialog(call_id, local_tag, remote_tag);
    return dialog != nullptr ? dialog->id : DialogId{};
}

namespace {

// A party with its tag in brackets, so that parameters of the URI and of the header stay apart.
std::string whole_party(std::string_view party) {
    if (party.find('<') != std::string_view::npos) return std::string(party);
    const std::size_t end = std::min(party.find(';'), party.size());
    return "<" + std::string(party.substr(0, end)) + ">" + std::string(party.substr(end));
}

}  // namespace

std::optional<OutOfDialogSpec> Agent::describe_bye(DialogId id) const {
    const Dialog* dialog = core_->find(id);
    if (dialog == nullptr || !dialog->is_confirmed) return std::nullopt;
    const RequestHead head = dialog->request_head("BYE");
    OutOfDialogSpec bye;
    bye.method = head.method;
    bye.request_uri = head.uri;
    bye.from = whole_party(head.from);
    const std::string tag = ";tag=" + dialog->local_tag;  // which start_request() adds
    if (const std::size_t at = bye.from.rfind(tag); at != std::string::npos)
        bye.from.erase(at, tag.size());
    bye.to = whole_party(head.to);
    bye.call_id = head.call_id;
    bye.from_tag = dialog->local_tag;
    bye.cseq = dialog->local_cseq + kCseqAhead;
    bye.routes = head.routes;
    bye.flow.transport = dialog->flow.transport;
    bye.flow.listener = dialog->flow.listener;
    return bye;
}

std::size_t Agent::dialog_count() const { return core_->dialog_count(); }
std::size_t Agent::transaction_count() const { return core_->transaction_count(); }

}  // namespace earshot::sip
