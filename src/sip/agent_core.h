// What stands behind Agent: the tables of transactions and dialogs, their timers and the queue of
// actions. agent.cpp holds what both halves share, agent_server.cpp requests of peers,
// agent_client.cpp requests of ours.
#pragma once

#include <deque>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "sip/agent.h"
#include "sip/agent_limits.h"
#include "sip/builder.h"
#include "sip/dialog.h"
#include "sip/digest.h"
#include "sip/key_hash.h"
#include "sip/quarantine.h"
#include "sip/slot_table.h"
#include "sip/transaction.h"

namespace earshot::sip {

// What our INVITE needs besides its machine: ACK and CANCEL repeat its lines, answers make dialogs.
struct ClientInvite {
    struct Fork {
        std::string remote_tag{};
        DialogId dialog{};
        bool is_accepted = false;             // its 2xx has been handed to the TU
        std::optional<std::uint32_t> rseq{};  // of its last reliable provisional response
    };
    RequestHead head{};
    std::vector<Fork> forks{};  // of a re-INVITE: the one dialog, from the start
    bool is_reinvite = false;
    bool is_pinned = false;    // as the dialogs that it makes
    bool sends_prack = false;  // the TU does it otherwise
    bool is_cancel_wanted = false;
    bool is_cancel_sent = false;
    std::vector<ExtraHeader> cancel_headers{};
};

// Of an INVITE that we answer: the reliable provisional response that waits for its PRACK, and what
// waits behind it (RFC 3262 §3).
struct ReliableResponses {
    std::uint32_t rseq = 0;  // of the last one
    SharedBytes unacknowledged{};
    std::deque<ResponseSpec> waiting{};
};

// A request of ours that may be sent more than once: what it is written from, for each target
// (RFC 3263) and for the answer to a challenge anew.
struct Delivery {
    RequestHead head{};
    RequestSpec spec{};
    TransportFailed::Lookup lookup = TransportFailed::Lookup::Fine;
    std::vector<Target> targets{};    // not tried yet, the next one first
    std::optional<Target> current{};  // none: unlocated, or the flow of the dialog
    std::string wished{};             // sent-by of the listener that is to send it, if one fits
    bool obeys_udp = false;           // its URI says so: however long it is
    // It went over TCP for its length alone: where it goes if there is no connection.
    std::optional<Flow> narrow{};
};

struct Transaction {
    using Machine = std::variant<InviteClient, NonInviteClient, InviteServer, NonInviteServer>;

    explicit Transaction(Machine first) : machine(first) {}

    Machine machine;
    TransactionId id;
    DialogId dialog;
    Key key;
    std::optional<Key> merge_key;  // server, outside a dialog (§8.2.2.2)
    Flow flow;                     // where our bytes go
    std::uint32_t cseq = 0;
    Method method = Method::Other;
    bool is_hidden = false;  // our CANCEL: the TU hears nothing of it
    TimerQueue::Handle timer = TimerQueue::kNone;
    SharedBytes last;                             // what is sent again
    std::string local_tag;                        // server, outside a dialog
    std::unique_ptr<Message> request;             // server, until the final response
    std::unique_ptr<ReliableResponses> reliable;  // server INVITE, until the final response
    std::unique_ptr<ClientInvite> invite;         // client INVITE
    std::unique_ptr<Delivery> delivery;           // client, where its target is located
    bool is_server() const { return machine.index() >= 2; }
};

class Agent::Core {
public:
    Core(AgentConfig config, base::Random& random);

    void on_request(base::TimePoint now, const Flow& flow, Message&& message);
    void on_response(base::TimePoint now, const Flow& flow, Message&& message);
    void send_stateless(const Flow& flow, const Message& request, int status,
                        std::string_view phrase = {}, bool with_retry_after = false);
    void on_flow_closed(base::TimePoint now, const Flow& flow);
    void on_send_failed(base::TimePoint now, TransactionId id);
    void on_located(base::TimePoint now, TransactionId id, std::vector<Target> targets);
    void stop_locating(base::TimePoint now);
    void on_time(base::TimePoint now);
    std::optional<Action> poll_action();

    base::Result<DialogId> respond(base::TimePoint now, TransactionId id, const ResponseSpec& spec);
    void respond_and_forget(base::TimePoint now, TransactionId id, const ResponseSpec& spec);
    base::Result<TransactionId> start_request(base::TimePoint now, const OutOfDialogSpec& spec);
    base::Result<TransactionId> send_request(base::TimePoint now, DialogId id,
                                             const RequestSpec& spec);
    base::Result<base::Done> cancel(base::TimePoint now, TransactionId id,
                                    std::vector<ExtraHeader> headers);
    base::Result<base::Done> ack(base::TimePoint now, DialogId id, const RequestSpec& spec);
    void authenticate_as(DialogId id, const Credentials& credentials, const base::NetAddress& host,
                         std::vector<ExtraHeader> of_invite);
    void end_dialog(base::TimePoint now, DialogId id);
    void send_held_byes(base::TimePoint now);

    Transaction* find(TransactionId id) const { return transactions_.find(id.value); }
    Dialog* find(DialogId id) const { return dialogs_.find(id.value); }
    Dialog* find_dialog(std::string_view call_id, std::string_view local_tag,
                        std::string_view remote_tag) const;
    std::optional<base::TimePoint> deadline() const { return timers_.next(); }
    std::size_t dialog_count() const { return dialogs_.size(); }
    std::size_t transaction_count() const { return transactions_.size(); }

private:
    // ---- agent.cpp
    const AgentListener& listener(const Flow& flow) const;
    bool is_told_inner(const Flow& flow) const;
    KeyHasher hasher() const { return {secret_low_, secret_high_}; }
    Key dialog_key(std::string_view call_id, std::string_view local_tag,
                   std::string_view remote_tag) const;
    Transaction& insert_transaction(std::unique_ptr<Transaction> transaction, const Key& key);
    void schedule(Transaction& transaction);
    void schedule(Dialog& dialog);
    Flow answer_flow(const Flow& source, const Message& request) const;
    void follow_nat(Dialog& dialog, const Flow& flow, const Message& message) const;
    void move_flow(Flow& place, const Flow& flow, std::uint64_t token);
    // Does what is left of a step after its message was dealt with. True when the transaction is
    // gone.
    bool finish(base::TimePoint now, Transaction& transaction, const Step& step);
    void erase(Transaction& transaction);
    Dialog& insert_dialog(std::unique_ptr<Dialog> dialog, const Flow& flow);
    void end(base::TimePoint now, Dialog& dialog);
    void on_dialog_time(base::TimePoint now, Dialog& dialog);
    void send(const Transaction& transaction, const SharedBytes& bytes, bool is_retransmission,
              std::string tls_name = {});

    // ---- agent_server.cpp
    Key server_key(const Message& request, std::string_view method) const;
    std::optional<Key> merge_key(const Message& request) const;
    void on_new_request(base::TimePoint now, const Flow& flow, Message&& message, const Key& key);
    void refuse(const Flow& flow, Message&& request, int status, base::Reason reason);
    void on_dialog_request(base::TimePoint now, const Flow& flow, Message&& message, const Key& key,
                           Dialog& dialog);
    int check_order(Dialog& dialog, const Message& request) const;
    Transaction& add_server(const Flow& flow, const Message& request, const Key& key);
    void on_ack(base::TimePoint now, const Flow& flow, Message&& message);
    void on_cancel(base::TimePoint now, const Flow& flow, Message&& message);
    void answer(base::TimePoint now, Transaction& transaction, const ResponseSpec& spec);
    void answered(base::TimePoint now, Transaction& transaction, int status);
    std::string write_response(const Transaction& transaction, const ResponseSpec& spec) const;
    static bool must_wait(const Transaction& transaction, const ResponseSpec& spec);
    void send_reliably(base::TimePoint now, Transaction& transaction, ResponseSpec spec);
    bool take_prack(const Dialog& dialog, const Message& prack);
    void send_waiting(base::TimePoint now, TransactionId id);
    void on_prack_time(base::TimePoint now, Transaction& transaction);
    Dialog& create_uas_dialog(Transaction& transaction);

    // ---- agent_client.cpp
    void set_via(RequestHead& head, const Flow& flow);
    Key client_key(std::string_view branch, std::string_view method) const;
    Transaction& add_client(base::TimePoint now, const Flow& flow, RequestHead head,
                            SharedBytes bytes, DialogId dialog);
    Transaction& send_in_dialog(base::TimePoint now, Dialog& dialog, const RequestSpec& spec);
    Transaction& start_in_dialog(base::TimePoint now, const Dialog& dialog, RequestHead head,
                                 const RequestSpec& spec);
    Transaction& start_on(base::TimePoint now, const Flow& flow, RequestHead head,
                          const RequestSpec& spec, DialogId dialog, bool obeys_udp);
    static std::unique_ptr<Transaction> make_client(base::TimePoint now, Method method,
                                                    bool reliable);
    void send_cancel(base::TimePoint now, Transaction& transaction);
    void on_invite_response(base::TimePoint now, const Flow& flow, Transaction& transaction,
                            Message&& message);
    ClientInvite::Fork* fork_of(const Flow& flow, Transaction& transaction,
                                const Message& response);
    bool take_provisional(base::TimePoint now, const Transaction& transaction,
                          ClientInvite::Fork& fork, const Message& response);
    bool take_success(const Flow& flow, Transaction& transaction, ClientInvite::Fork* fork,
                      Dialog* dialog, const Message& response);
    static void confirm(Dialog& dialog, const Transaction& transaction, const Message& response);
    void close_invite(base::TimePoint now, Transaction& transaction);
    // The value of Contact; empty when the TU gives its own or the method has none.
    std::string contact(const Flow& flow, std::string_view uri, const RequestSpec& spec) const;
    std::string contact(const Flow& flow, std::string_view asked,
                        const std::optional<std::string>& parameters) const;

    // ---- agent_delivery.cpp
    Transaction& locate(base::TimePoint now, RequestHead head, RequestSpec spec, std::string uri,
                        DialogId dialog);
    void on_location_ended(base::TimePoint now, Transaction& transaction,
                           std::vector<Target> targets, TransportFailed::Lookup otherwise);
    bool try_next_target(base::TimePoint now, Transaction& transaction);
    void start_client(base::TimePoint now, Transaction& transaction, const Flow& wanted);
    bool fails_over(base::TimePoint now, Transaction& transaction);
    std::optional<Flow> wide_flow(base::TimePoint now, const Flow& flow, std::size_t bytes) const;
    bool returns_to_udp(base::TimePoint now, Transaction& transaction);
    bool answers_challenge(base::TimePoint now, Transaction& transaction, const Message& response);
    void keep_target(const Transaction& transaction);

    AgentConfig config_;
    base::Random& random_;
    std::uint64_t secret_low_;
    std::uint64_t secret_high_;
    SlotTable<Transaction> transactions_;
    SlotTable<Dialog> dialogs_;
    std::unordered_map<Key, std::uint64_t, KeyHash> server_keys_;
    std::unordered_map<Key, std::uint64_t, KeyHash> client_keys_;
    std::unordered_map<Key, std::uint64_t, KeyHash> dialog_keys_;
    std::unordered_set<Key, KeyHash> merge_keys_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> connection_users_;  // connection, token
    // Of the few dialogs whose peer asks for them, so that the others stay small.
    struct Authenticated {
        Credentials credentials{};
        base::NetAddress host{};               // nobody else gets them
        std::vector<ExtraHeader> of_invite{};  // given with the last INVITE: its ACK repeats them
    };
    std::unordered_map<std::uint64_t, Authenticated> authenticated_;  // by DialogId
    std::set<std::uint64_t> locating_;  // TransactionId: these wait for on_located()
    bool stops_locating_ = false;
    Quarantine quarantine_;
    Quarantine without_tcp_{kWithoutTcpTime, kMaxWithoutTcp};
    TimerQueue timers_;
    std::deque<Action> actions_;
};

// Names in timers_ and connection_users_: an id and whether it is a dialog's.
constexpr std::uint64_t token_of(TransactionId id) { return id.value << 1; }
constexpr std::uint64_t token_of(DialogId id) { return id.value << 1 | 1; }

// A PRACK may have to hold an answer, and then only the TU can write it.
inline bool sends_prack(const RequestSpec& invite) {
    return !invite.content_type.empty() && !invite.leaves_prack;
}

bool says_udp(std::string_view uri);  // transport=udp: who wrote it has decided

// The whole of a request; `extra` and the body as the TU gave them.
bool has_header(const std::vector<ExtraHeader>& headers, std::string_view name);
std::string write_request(const RequestHead& head, const RequestSpec& spec,
                          std::string_view contact, std::string_view product);

}  // namespace earshot::sip
