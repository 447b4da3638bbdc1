// Requests of peers: RFC 3261 §8.2, §9.2, §12.2.2, §13.3, §14.2, §17.2.3.
#include <algorithm>

#include "base/text.h"
#include "sip/agent_core.h"
#include "sip/agent_limits.h"

namespace earshot::sip {

namespace {

constexpr std::size_t kTagBytes = 8;

// Room that only requests within dialogs may use, so that a flood cannot keep calls from ending.
std::size_t with_reserve(std::size_t max_transactions) {
    return max_transactions + max_transactions / 4;
}

base::Reason too_many_transactions() {
    return {"too_many_transactions", "The SIP agent holds as many transactions as it may."};
}

}  // namespace

// §17.2.3. The branch of an RFC 3261 peer names the transaction with sent-by and method; an older
// peer's is found by the fields that a retransmission, ACK and CANCEL share with its request.
// `method` is the request's to find: INVITE for an ACK.
Key Agent::Core::server_key(const Message& request, std::string_view method) const {
    const Via via = request.top_via();
    KeyHasher hash = hasher();
    if (via.has_magic_branch()) {
        hash.add(via.branch()).add_lower(via.host).add(std::uint64_t{via.port.value_or(5060)});
        return hash.add(method).finish();
    }
    hash.add(request.request_uri()).add(request.from_tag()).add(request.call_id());
    hash.add(std::uint64_t{request.cseq().number});
    hash.add(request.first_value(HeaderId::Via).value_or(""));
    return hash.add(method).finish();
}

// §8.2.2.2. OPTIONS is left out: probes that repeat Call-ID, tag and CSeq for ever do no harm.
std::optional<Key> Agent::Core::merge_key(const Message& request) const {
    if (request.method() == Method::Options || !request.to_tag().empty()) return std::nullopt;
    return hasher()
        .add(request.from_tag())
        .add(request.call_id())
        .add(std::uint64_t{request.cseq().number})
        .add(request.method_name())
        .finish();
}

// The tag is made from the request, so that each retransmission gets the same one (§8.2.7).
void Agent::Core::send_stateless(const Flow& flow, const Message& request, int status,
                                 std::string_view phrase, bool with_retry_after) {
    const Key key = hasher()
                        .add(request.call_id())
                        .add(request.from_tag())
                        .add(request.first_value(HeaderId::Via).value_or(""))
                        .finish();
    std::array<std::uint8_t, 8> tag_bytes{};
    base::store_le<std::uint64_t>(tag_bytes, 0, key.high);
    const std::string tag = base::to_hex(tag_bytes);
    MessageBuilder response =
        response_to(request, status, {.reason = phrase, .to_tag = tag, .source = &flow.remote});
    if (with_retry_after) {
        response.add(HeaderId::RetryAfter, std::to_string(config_.retry_after_s));
    }
    response.add(HeaderId::Server, config_.product);
    actions_.emplace_back(
        SendBytes{.flow = answer_flow(flow, request),
                  .bytes = std::make_shared<const std::string>(response.build())});
}

// Without a transaction; of an INVITE the TU hears.
void Agent::Core::refuse(const Flow& flow, Message&& request, int status, base::Reason reason) {
    send_stateless(flow, request, status, status == 400 ? "Addresses Too Large" : "",
                   status == 503);
    if (request.method() != Method::Invite) return;
    actions_.emplace_back(InviteRefused{flow, std::move(request), status, std::move(reason)});
}

void Agent::Core::on_request(base::TimePoint now, const Flow& flow, Message&& message) {
    if (message.method() == Method::Ack) return on_ack(now, flow, std::move(message));
    if (message.method() == Method::Cancel) return on_cancel(now, flow, std::move(message));

    const Key key = server_key(message, message.method_name());
    if (const auto at = server_keys_.find(key); at != server_keys_.end()) {
        Transaction& transaction = *find(TransactionId{at->second});
        Step step;
        if (auto* invite = std::get_if<InviteServer>(&transaction.machine)) {
            step = invite->on_request();
        } else {
            step = std::get<NonInviteServer>(transaction.machine).on_request();
        }
        finish(now, transaction, step);
        return;
    }
    if (message.to_tag().empty()) return on_new_request(now, flow, std::move(message), key);

    Dialog* dialog = find_dialog(message.call_id(), message.to_tag(), message.from_tag());
    const bool is_of_subscription =
        message.method() == Method::Subscribe || message.method() == Method::Notify;
    if (dialog == nullptr && is_of_subscription && config_.leaves_subscriptions)
        return on_new_request(now, flow, std::move(message), key);
    if (dialog == nullptr) {
        return refuse(flow, std::move(message), 481,
                      {"no_such_dialog", "The INVITE belongs to a dialog that is not known."});
    }
    if (transactions_.size() >= with_reserve(config_.max_transactions)) {
        return refuse(flow, std::move(message), 503, too_many_transactions());
    }
    on_dialog_request(now, flow, std::move(message), key, *dialog);
}

Transaction& Agent::Core::add_server(const Flow& flow, const Message& request, const Key& key) {
    const bool reliable = is_reliable(flow.transport);
    const bool invite = request.method() == Method::Invite;
    auto transaction =
        std::make_unique<Transaction>(invite ? Transaction::Machine(InviteServer(reliable))
                                             : Transaction::Machine(NonInviteServer(reliable)));
    transaction->flow = answer_flow(flow, request);
    transaction->cseq = request.cseq().number;
    transaction->method = request.method();
    transaction->request = std::make_unique<Message>(request);
    return insert_transaction(std::move(transaction), key);
}

void Agent::Core::on_new_request(base::TimePoint now, const Flow& flow, Message&& message,
                                 const Key& key) {
    const bool invite = message.method() == Method::Invite;
    if (transactions_.size() >= config_.max_transactions) {
        return refuse(flow, std::move(message), 503, too_many_transactions());
    }
    if (invite && dialogs_.size() >= config_.max_dialogs) {
        return refuse(flow, std::move(message), 503,
                      {"too_many_dialogs", "The SIP agent holds as many dialogs as it may."});
    }
    if (invite && !fits_dialog(message)) {
        return refuse(flow, std::move(message), 400,
                      {"too_large", "Addresses and routes are longer than a dialog may keep."});
    }
    const auto merge = merge_key(message);
    if (merge && !merge_keys_.insert(*merge).second) {
        return refuse(
            flow, std::move(message), 482,
            {"merged", "The same INVITE came by another way (RFC 3261 section 8.2.2.2)."});
    }

    Transaction& transaction = add_server(flow, message, key);
    transaction.merge_key = merge;
    transaction.local_tag = random_.token(kTagBytes);
    // At once, not after 200 ms (§17.2.1): OpenSIPS may lose a 200 that comes without it (interop
    // 1.3).
    if (invite) answer(now, transaction, {.status = 100});
    actions_.emplace_back(RequestArrived{transaction.id, {}, flow, std::move(message)});
}

// 0, or the status that the order of requests demands: §12.2.2, §14.2; RFC 3311 §5.2.
int Agent::Core::check_order(Dialog& dialog, const Message& request) const {
    if (!dialog.accept_cseq(request.cseq().number)) return 500;
    if (request.method() == Method::Update) return dialog.update_in ? 500 : 0;
    if (request.method() != Method::Invite) return 0;
    if (dialog.invite_in) return 500;
    return dialog.invite_out ? 491 : 0;
}

void Agent::Core::on_dialog_request(base::TimePoint now, const Flow& flow, Message&& message,
                                    const Key& key, Dialog& dialog) {
    const int refusal = check_order(dialog, message);
    Transaction& transaction = add_server(flow, message, key);
    transaction.dialog = dialog.id;
    if (refusal != 0) {
        ResponseSpec spec{.status = refusal};
        if (refusal == 500) {
            spec.headers.push_back(
                {"Retry-After", std::to_string(random_.u32() % (kMaxRetryAfterS + 1))});
        }
        return answer(now, transaction, spec);
    }
    follow_nat(dialog, flow, message);
    // A peer that has opened a new connection is reached on that one.
    if (is_reliable(flow.transport) || dialog.keeps_flow)
        move_flow(dialog.flow, flow, token_of(dialog.id));
    const TransactionId invite = dialog.invite_in;
    const bool is_prack = message.method() == Method::Prack;
    if (is_prack && !take_prack(dialog, message)) return answer(now, transaction, {.status = 481});
    if (message.method() == Method::Update) dialog.update_in = transaction.id;
    if (message.method() == Method::Invite) {
        dialog.invite_in = transaction.id;
        answer(now, transaction, {.status = 100});
    }
    actions_.emplace_back(RequestArrived{transaction.id, dialog.id, flow, std::move(message)});
    if (is_prack) send_waiting(now, invite);
}

void Agent::Core::on_ack(base::TimePoint now, const Flow& flow, Message&& message) {
    const Key key = server_key(message, to_string(Method::Invite));
    if (const auto at = server_keys_.find(key); at != server_keys_.end()) {
        Transaction& transaction = *find(TransactionId{at->second});
        const Step step = std::get<InviteServer>(transaction.machine).on_ack(now);
        finish(now, transaction, step);
        // An ACK to a 2xx with the INVITE's branch (RFC 2543) is the dialog's; others end here.
        if (!step.to_tu) return;
    }
    Dialog* dialog = find_dialog(message.call_id(), message.to_tag(), message.from_tag());
    if (dialog == nullptr || dialog->ok == nullptr || dialog->ok->cseq != message.cseq().number) {
        return;
    }
    const auto ok = std::move(dialog->ok);
    schedule(*dialog);
    actions_.emplace_back(AckArrived{dialog->id, ok->invite, flow, std::move(message)});
    if (ok->bye) send_in_dialog(now, *dialog, *ok->bye);
}

// §9.2. The CANCEL needs no transaction of its own: sent again, it meets the INVITE's again and
// gets the same answer.
void Agent::Core::on_cancel(base::TimePoint now, const Flow& flow, Message&& message) {
    const auto at = server_keys_.find(server_key(message, to_string(Method::Invite)));
    if (at == server_keys_.end()) return send_stateless(flow, message, 481);

    Transaction& transaction = *find(TransactionId{at->second});
    MessageBuilder ok = response_to(
        message, 200, {.reason = {}, .to_tag = transaction.local_tag, .source = &flow.remote});
    actions_.emplace_back(SendBytes{.flow = answer_flow(flow, message),
                                    .bytes = std::make_shared<const std::string>(ok.build()),
                                    .transaction = transaction.id,
                                    .dialog = transaction.dialog});
    if (std::get<InviteServer>(transaction.machine).is_answered()) return;

    const TransactionId id = transaction.id;
    const DialogId dialog = transaction.dialog;
    actions_.emplace_back(CancelArrived{id, dialog, std::move(message)});
    answer(now, transaction, {.status = 487});
}

std::string Agent::Core::write_response(const Transaction& transaction,
                                        const ResponseSpec& spec) const {
    MessageBuilder response =
        response_to(*transaction.request, spec.status,
                    {.reason = spec.phrase,
                     .to_tag = spec.to_tag.empty() ? transaction.local_tag : spec.to_tag,
                     .source = &transaction.flow.remote,
                     .is_routed = has_header(spec.headers, "Record-Route")});
    const bool invite = transaction.method == Method::Invite && spec.status > 100;
    const bool refreshes = invite || (transaction.method == Method::Update && spec.status >= 200);
    if (refreshes && spec.status < 300 && !has_header(spec.headers, "Contact")) {
        response.add(
            HeaderId::Contact,
            contact(transaction.flow, transaction.request->request_uri(), spec.contact_parameters));
    }
    for (const ExtraHeader& header : spec.headers) response.add(header.name, header.value);
    if (spec.status > 100 && !has_header(spec.headers, "Server"))
        response.add(HeaderId::Server, config_.product);
    if (!spec.content_type.empty()) response.body(spec.content_type, spec.body);
    return response.build();
}

Dialog& Agent::Core::create_uas_dialog(Transaction& transaction) {
    auto dialog = std::make_unique<Dialog>();
    fill_uas_dialog(*dialog, *transaction.request, transaction.local_tag);
    dialog->is_secure = dialog->is_secure && transaction.flow.transport == Transport::Tls;
    Dialog& placed = insert_dialog(std::move(dialog), transaction.flow);
    follow_nat(placed, transaction.flow, *transaction.request);
    placed.invite_in = transaction.id;
    transaction.dialog = placed.id;
    return placed;
}

base::Result<DialogId> Agent::Core::respond(base::TimePoint now, TransactionId id,
                                            const ResponseSpec& spec) {
    Transaction* transaction = find(id);
    if (transaction == nullptr || transaction->request == nullptr) {
        return base::Error{base::Errc::NotFound, "SIP: no unanswered transaction"};
    }
    if (spec.status < 100 || spec.status > 699) {
        return base::Error{base::Errc::Malformed, "SIP: no such status"};
    }
    DialogId dialog = transaction->dialog;
    if (spec.status == 100) return dialog;  // it has gone already, or is not wanted
    const bool makes_dialog = transaction->method == Method::Invite && spec.status < 300;
    if (makes_dialog && !dialog) dialog = create_uas_dialog(*transaction).id;
    if (must_wait(*transaction, spec)) {
        std::deque<ResponseSpec>& waiting = transaction->reliable->waiting;
        if (!waiting.empty() && waiting.back().status >= 200)
            return base::Error{base::Errc::NotFound, "SIP: no unanswered transaction"};
        if (waiting.size() >= kMaxWaitingResponses)
            return base::Error{base::Errc::Full, "SIP: too many responses wait for a PRACK"};
        waiting.push_back(spec);
        return dialog;
    }
    const bool reliably = spec.is_reliable && makes_dialog && spec.status < 200;
    if (reliably) {
        send_reliably(now, *transaction, spec);
    } else {
        answer(now, *transaction, spec);
    }
    return dialog;
}

// ---- reliable provisional responses, RFC 3262 ----

// §3: one reliable response at a time, and no 2xx before its PRACK. (The RFC lets a 2xx overtake
// one without SDP; the peer has the PRACK on its way in any case.)
bool Agent::Core::must_wait(const Transaction& transaction, const ResponseSpec& spec) {
    if (transaction.reliable == nullptr || spec.status >= 300) return false;
    const bool orders = spec.is_reliable || spec.status >= 200;
    return !transaction.reliable->waiting.empty() ||
           (orders && transaction.reliable->unacknowledged != nullptr);
}

void Agent::Core::send_reliably(base::TimePoint now, Transaction& transaction, ResponseSpec spec) {
    if (transaction.reliable == nullptr) {
        transaction.reliable = std::make_unique<ReliableResponses>();
        transaction.reliable->rseq = random_.u32() % 0x3fffffff;  // §3: 1 to 2**31 - 1
    }
    ReliableResponses& reliable = *transaction.reliable;
    spec.headers.insert(spec.headers.begin(),
                        {{"Require", "100rel"}, {"RSeq", std::to_string(++reliable.rseq)}});
    answer(now, transaction, spec);
    reliable.unacknowledged = transaction.last;
    std::get<InviteServer>(transaction.machine).on_reliable_response(now);
    schedule(transaction);
}

// Whether this acknowledges what waits for it (§7.2); its retransmission is then over.
bool Agent::Core::take_prack(const Dialog& dialog, const Message& prack) {
    Transaction* invite = find(dialog.invite_in);
    if (invite == nullptr || invite->reliable == nullptr) return false;
    ReliableResponses& reliable = *invite->reliable;
    std::string_view rest = prack.find(HeaderId::Rack).value_or("");
    const auto rseq = base::take_number<std::uint32_t>(rest);
    rest = base::trim(rest);
    const auto cseq = base::take_number<std::uint32_t>(rest);
    const bool names_it = rseq == reliable.rseq && cseq == invite->cseq &&
                          base::trim(rest) == to_string(Method::Invite);
    if (!names_it || reliable.unacknowledged == nullptr) return false;
    reliable.unacknowledged.reset();
    std::get<InviteServer>(invite->machine).on_prack();
    schedule(*invite);
    return true;
}

void Agent::Core::send_waiting(base::TimePoint now, TransactionId id) {
    for (Transaction* invite = find(id);
         invite != nullptr && invite->reliable != nullptr && !invite->reliable->waiting.empty() &&
         invite->reliable->unacknowledged == nullptr;
         invite = find(id)) {
        ResponseSpec spec = std::move(invite->reliable->waiting.front());
        invite->reliable->waiting.pop_front();
        if (spec.is_reliable) {
            send_reliably(now, *invite, std::move(spec));
        } else {
            answer(now, *invite, spec);
        }
    }
}

void Agent::Core::on_prack_time(base::TimePoint now, Transaction& transaction) {
    const Step step = std::get<InviteServer>(transaction.machine).on_time(now);
    SharedBytes& bytes = transaction.reliable->unacknowledged;
    if (step.resend && bytes != nullptr) send(transaction, bytes, true);
    if (step.timed_out) {
        bytes.reset();
        actions_.emplace_back(NoAck{transaction.dialog, transaction.id, true});
    }
    schedule(transaction);
}

void Agent::Core::respond_and_forget(base::TimePoint now, TransactionId id,
                                     const ResponseSpec& spec) {
    Transaction* transaction = find(id);
    if (transaction == nullptr || transaction->request == nullptr || spec.status < 300) return;
    if (transaction->dialog) return answer(now, *transaction, spec);
    send(*transaction, std::make_shared<const std::string>(write_response(*transaction, spec)),
         false);
    finish(now, *transaction, {.terminated = true});
}

// Sends a response of the TU or of ours and draws the consequences. The transaction may be gone
// afterwards.
void Agent::Core::answer(base::TimePoint now, Transaction& transaction, const ResponseSpec& spec) {
    transaction.last = std::make_shared<const std::string>(write_response(transaction, spec));
    send(transaction, transaction.last, false);
    Step step;
    if (auto* invite = std::get_if<InviteServer>(&transaction.machine)) {
        invite->on_response(now, spec.status);
    } else {
        step = std::get<NonInviteServer>(transaction.machine).on_response(now, spec.status);
    }
    if (spec.status >= 200) answered(now, transaction, spec.status);
    finish(now, transaction, step);
}

void Agent::Core::answered(base::TimePoint now, Transaction& transaction, int status) {
    const std::unique_ptr<Message> request = std::move(transaction.request);
    transaction.reliable.reset();
    const bool success = status < 300;
    const bool is_invite = transaction.method == Method::Invite;
    SharedBytes bytes = transaction.last;
    if (is_invite && success) transaction.last.reset();  // RFC 6026 §7.1: the dialog sends it again
    Dialog* dialog = find(transaction.dialog);
    if (dialog == nullptr) return;

    if (dialog->update_in == transaction.id) dialog->update_in = {};
    if (success && (is_invite || transaction.method == Method::Update)) {
        dialog->refresh_target(*request);
        follow_nat(*dialog, transaction.flow, *request);
        if (dialog->keeps_flow) move_flow(dialog->flow, transaction.flow, token_of(dialog->id));
    }
    const bool was_pending = dialog->invite_in == transaction.id;
    if (was_pending) dialog->invite_in = {};
    if (is_invite && success) {
        dialog->ok =
            std::make_unique<UnacknowledgedOk>(UnacknowledgedOk{.timer = OkRetransmitter(now),
                                                                .bytes = std::move(bytes),
                                                                .flow = transaction.flow,
                                                                .invite = transaction.id,
                                                                .cseq = transaction.cseq,
                                                                .is_initial = !dialog->is_confirmed,
                                                                .bye = nullptr});
        dialog->is_confirmed = true;
        schedule(*dialog);
    } else if (is_invite && was_pending && !dialog->is_confirmed) {
        end(now, *dialog);
    } else if (transaction.method == Method::Bye && success) {
        end(now, *dialog);
    }
}

}  // namespace earshot::sip
