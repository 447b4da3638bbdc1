// Requests of ours to host names: where they go, and where next when nobody answers there
// (RFC 3263 §4.3). The TU sees one transaction, however many targets are tried.
#include <algorithm>
#include <utility>

#include "sip/agent_core.h"
#include "sip/agent_limits.h"

namespace earshot::sip {

namespace {

constexpr std::size_t kCnonceBytes = 12;

}  // namespace

// Waits for on_located(). A DNS server that is silent, or answers little by little, must not hold
// up a dialog: while our re-INVITE waits the peer's own is refused, and a BYE has to leave.
Transaction& Agent::Core::locate(base::TimePoint now, RequestHead head, RequestSpec spec,
                                 std::string uri, DialogId dialog) {
    const Method method = find_method(head.method);
    std::unique_ptr<Transaction> transaction = make_client(now, method, true);
    transaction->cseq = head.cseq;
    transaction->dialog = dialog;
    if (method == Method::Invite) {
        transaction->invite = std::make_unique<ClientInvite>();
        transaction->invite->sends_prack = sends_prack(spec);
    }
    transaction->delivery = std::make_unique<Delivery>(Delivery{.head = std::move(head),
                                                                .spec = std::move(spec),
                                                                .targets = {},
                                                                .current = {},
                                                                .wished = {},
                                                                .obeys_udp = says_udp(uri)});
    Transaction& placed = *transaction;
    placed.id.value = transactions_.insert(std::move(transaction));
    locating_.insert(placed.id.value);
    timers_.set(placed.timer, now + kMaxLocationTime, token_of(placed.id));
    actions_.emplace_back(LocateTarget{.transaction = placed.id, .uri = std::move(uri)});
    return placed;
}

void Agent::Core::on_located(base::TimePoint now, TransactionId id, std::vector<Target> targets) {
    Transaction* transaction = find(id);
    if (transaction == nullptr || !locating_.contains(id.value)) return;
    on_location_ended(now, *transaction, std::move(targets), TransportFailed::Lookup::NothingFound);
}

void Agent::Core::stop_locating(base::TimePoint now) {
    stops_locating_ = true;
    while (!locating_.empty())
        on_location_ended(now, *find(TransactionId{*locating_.begin()}), {},
                          TransportFailed::Lookup::TimedOut);
}

// `otherwise`: what is told when no target can be tried and no dialog knows another place.
void Agent::Core::on_location_ended(base::TimePoint now, Transaction& transaction,
                                    std::vector<Target> targets,
                                    TransportFailed::Lookup otherwise) {
    locating_.erase(transaction.id.value);
    quarantine_.order(targets, now);
    transaction.delivery->targets = std::move(targets);
    if (try_next_target(now, transaction)) return;
    // The name leads nowhere, but the peer was heard from somewhere.
    if (const Dialog* dialog = find(transaction.dialog)) {
        start_client(now, transaction, dialog->flow);
        return;
    }
    transaction.delivery->lookup = otherwise;
    on_send_failed(now, transaction.id);
}

bool Agent::Core::try_next_target(base::TimePoint now, Transaction& transaction) {
    Delivery& delivery = *transaction.delivery;
    while (!delivery.targets.empty()) {
        const Target target = delivery.targets.front();
        delivery.targets.erase(delivery.targets.begin());
        const auto reaches = [&](const AgentListener& listener) {
            return listener.transport == target.transport &&
                   listener.ipv6 == !target.address.is_v4();
        };
        // At the address that was wished for, if there is such a listener of that transport.
        const auto is_wished = [&](const AgentListener& it) {
            return reaches(it) && it.sent_by == delivery.wished;
        };
        const auto end = config_.listeners.end();
        auto listener = std::find_if(config_.listeners.begin(), end, is_wished);
        if (listener == end) listener = std::find_if(config_.listeners.begin(), end, reaches);
        if (listener == end) continue;
        delivery.current = target;
        start_client(now, transaction,
                     {.transport = target.transport,
                      .listener = static_cast<std::uint16_t>(listener - config_.listeners.begin()),
                      .connection = 0,
                      .remote = target.address});
        return true;
    }
    return false;
}

// Each target has a transaction of its own on the wire: a new branch and machine.
void Agent::Core::start_client(base::TimePoint now, Transaction& transaction, const Flow& wanted) {
    Delivery& delivery = *transaction.delivery;
    client_keys_.erase(transaction.key);
    RequestHead head = delivery.head;
    const auto write = [&](const Flow& by) {
        set_via(head, by);
        transaction.last = std::make_shared<const std::string>(write_request(
            head, delivery.spec, contact(by, head.uri, delivery.spec), config_.product));
    };
    write(wanted);
    const auto wide =
        delivery.obeys_udp ? std::nullopt : wide_flow(now, wanted, transaction.last->size());
    delivery.narrow.reset();
    if (wide) {
        delivery.narrow = wanted;
        write(*wide);
    }
    const Flow flow = wide.value_or(wanted);
    transaction.machine =
        make_client(now, transaction.method, is_reliable(flow.transport))->machine;
    move_flow(transaction.flow, flow, token_of(transaction.id));
    transaction.key = client_key(head.branch, head.method);
    client_keys_[transaction.key] = transaction.id.value;
    if (transaction.invite != nullptr) transaction.invite->head = std::move(head);
    schedule(transaction);
    send(transaction, transaction.last, false, delivery.head.tls_name);
}

// ---- long requests: RFC 3261 §18.1.1 ----

namespace {
constexpr std::size_t kMaxUdpRequestBytes = 65'487;  // fits a datagram of IPv4 and of IPv6
}

// By TCP to the same address where so many octets are too many for UDP: whoever gets them in IP
// fragments may never see the last one. None: as it is.
std::optional<Flow> Agent::Core::wide_flow(base::TimePoint now, const Flow& flow,
                                           std::size_t bytes) const {
    if (config_.tcp_above_bytes == 0 || bytes <= config_.tcp_above_bytes ||
        is_reliable(flow.transport))
        return std::nullopt;
    // What no datagram holds is tried by TCP again, however lately that was refused.
    if (bytes <= kMaxUdpRequestBytes && without_tcp_.holds({Transport::Tcp, flow.remote}, now))
        return std::nullopt;
    const std::string& sent_by = listener(flow).sent_by;
    const auto reaches = [&](const AgentListener& it) {
        return it.transport == Transport::Tcp && it.ipv6 == !flow.remote.is_v4();
    };
    const auto end = config_.listeners.end();
    auto at = std::find_if(config_.listeners.begin(), end, [&](const AgentListener& it) {
        return reaches(it) && it.sent_by == sent_by;
    });
    if (at == end) at = std::find_if(config_.listeners.begin(), end, reaches);
    if (at == end) return std::nullopt;
    return Flow{.transport = Transport::Tcp,
                .listener = static_cast<std::uint16_t>(at - config_.listeners.begin()),
                .connection = 0,
                .remote = flow.remote};
}

// Nobody takes a TCP connection there: then by UDP, as §18.1.1 advises, and for a while at once.
bool Agent::Core::returns_to_udp(base::TimePoint now, Transaction& transaction) {
    if (transaction.delivery == nullptr || !transaction.delivery->narrow) return false;
    const ClientInvite* invite = transaction.invite.get();
    if (invite != nullptr && invite->is_cancel_wanted) return false;
    if (transaction.last->size() > kMaxUdpRequestBytes) return false;
    const Flow flow = *transaction.delivery->narrow;
    without_tcp_.add({Transport::Tcp, flow.remote}, now);
    start_client(now, transaction, flow);
    return true;
}

// After a timeout, a transport error or a 503. An INVITE that somebody has begun to answer, or that
// the TU wants no more, is not sent elsewhere.
bool Agent::Core::fails_over(base::TimePoint now, Transaction& transaction) {
    if (transaction.delivery == nullptr || !transaction.delivery->current) return false;
    quarantine_.add(*transaction.delivery->current, now);
    const ClientInvite* invite = transaction.invite.get();
    if (invite != nullptr && (invite->is_cancel_wanted || invite->is_cancel_sent)) return false;
    if (invite != nullptr && !invite->is_reinvite && !invite->forks.empty()) return false;
    return try_next_target(now, transaction);
}

void Agent::Core::authenticate_as(DialogId id, const Credentials& credentials,
                                  const base::NetAddress& host,
                                  std::vector<ExtraHeader> of_invite) {
    if (find(id) != nullptr && !credentials.username.empty())
        authenticated_[id.value] = {credentials, host, std::move(of_invite)};
}

// Each kind once, a proxy's (407) and the peer's own (401): who challenges the answer again does
// not take these credentials.
bool Agent::Core::answers_challenge(base::TimePoint now, Transaction& transaction,
                                    const Message& response) {
    Delivery* delivery = transaction.delivery.get();
    Dialog* dialog = find(transaction.dialog);
    const auto known = authenticated_.find(transaction.dialog.value);
    if (known == authenticated_.end() || dialog == nullptr || delivery == nullptr ||
        !transaction.flow.remote.same_host(known->second.host))
        return false;
    const ClientInvite* invite = transaction.invite.get();
    if (invite != nullptr && (invite->is_cancel_wanted || invite->is_cancel_sent)) return false;
    auto header = answer_challenge(response, known->second.credentials, delivery->head.method,
                                   delivery->head.uri, random_.token(kCnonceBytes));
    std::vector<ExtraHeader>& given = delivery->spec.headers;
    if (!header || std::any_of(given.begin(), given.end(),
                               [&](const ExtraHeader& one) { return one.name == header->name; }))
        return false;
    if (invite != nullptr) known->second.of_invite.push_back(*header);
    given.push_back(*std::move(header));
    delivery->head.cseq = ++dialog->local_cseq;
    transaction.cseq = delivery->head.cseq;
    delivery->targets.clear();  // the answer is for who made the nonce, not for the next target
    start_client(now, transaction, Flow(transaction.flow));
    return true;
}

// Somebody answered there: what follows in the dialog (the ACK, if nothing else) goes there, too.
void Agent::Core::keep_target(const Transaction& transaction) {
    if (transaction.delivery == nullptr) return;
    transaction.delivery->narrow.reset();  // it has arrived
    if (!transaction.delivery->current) return;
    quarantine_.remove(*transaction.delivery->current);
    Dialog* dialog = find(transaction.dialog);
    if (dialog != nullptr && !is_reliable(transaction.flow.transport))
        move_flow(dialog->flow, transaction.flow, token_of(dialog->id));
}

}  // namespace earshot::sip
