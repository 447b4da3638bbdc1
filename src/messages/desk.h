// MSRP sessions of recordings: which connection belongs to which m-line, what of their messages is
// stored, and when a message's receipt may be sent. Octets of connections go in; journal records
// and answers come out. No sockets, no clock; one thread, that of its connections.
//
// What arrives is appended to the journal as it comes, in its order. A success report (RFC 4975
// section 7.1.2) leaves when the disk has the whole message: it is the receipt.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/time.h"
#include "messages/ports.h"
#include "msrp/receiver.h"
#include "msrp/uri.h"

namespace earshot::messages {

// Closed while nothing may be stored: by whoever pauses, at once, from any thread.
struct Gate {
    std::atomic<bool> is_open{true};
    // That came since, whatever became of them, without what nobody is shown (reports, "is
    // typing").
    std::atomic<std::uint64_t> messages{0};
};

struct SessionSetup {
    SessionKey key{};
    msrp::Uri own{};                // ours, as the answer tells it: its session-id is a secret
    std::vector<msrp::Uri> peer{};  // its a=path
    std::uint64_t max_bytes = 0;    // of one message
    bool are_we_active = false;     // a=setup:passive in the offer: we connect
    // There; nothing: the host of its a=path was not found.
    std::optional<base::NetAddress> connect_to{};
    std::string tls_name{};  // who must be there; empty: TCP
    // Of msrps: who has to be at the other end (a=fingerprint); empty: its certificate's name says.
    std::vector<base::CertificateFingerprint> fingerprints{};
    std::shared_ptr<Gate> gate{};
};

class Desk {
public:
    struct Counters {
        std::atomic<std::uint64_t> sessions{0};  // open now
        std::atomic<std::uint64_t> messages{0};  // that came whole
        std::atomic<std::uint64_t> unbound_closed{0};
    };

    // All are borrowed. `match_session_id_only`: for session border controllers that rewrite the
    // addresses of paths without a=msrp-cema.
    Desk(Network& network, Journal& journal, base::Random& random, base::Log& log,
         bool match_session_id_only = false);
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;
    ~Desk();

    void open_session(base::Now now, SessionSetup setup);
    // Its open messages are lost. `done` is called when all of it is in the journal's hands, now or
    // later.
    void close_session(base::Now now, const SessionKey& key, std::function<void()> done);
    // The gate is closed: what is open is cut.
    void on_paused(base::Now now, const SessionKey& key);

    void on_open(base::Now now, ConnectionId connection, const base::NetAddress& remote,
                 bool is_tls);
    void on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes);
    void on_closed(base::Now now, ConnectionId connection);
    void on_durable(base::Now now, std::uint64_t token);
    void on_time(base::Now now);  // several times a second

    const Counters& counters() const { return counters_; }
    std::size_t undurable_bytes() const { return undurable_; }

private:
    struct Connection;
    struct Session {
        SessionSetup setup;
        msrp::SessionNumber number = 0;
        ConnectionId bound = 0;
    };
    // What of a recording is on its way to the disk.
    struct Waiting {
        struct Part {
            std::vector<std::pair<ConnectionId, msrp::MessageNumber>> receipts{};
            std::map<ConnectionId, std::size_t> bytes{};
            std::size_t size = 0;  // of `bytes`
            bool is_empty() const { return receipts.empty() && bytes.empty(); }
        };
        std::deque<Part> asked{};  // in the order of the questions
        Part next{};
        bool wants_answer = false;  // for `next`
    };
    struct Entry {
        SessionKey key;
        journal::RecordType type;
        std::int64_t arrival_ns;
        base::Bytes payload;
    };

    Session* find(const SessionKey& key);
    Session* find(msrp::SessionNumber number);
    Session* find(const msrp::Uri& to);
    void drain(base::Now now, Connection& connection);
    void carry_out(base::Now now, Connection& connection, msrp::SendBytes& action);
    void carry_out(base::Now now, Connection& connection, msrp::BindSession& action);
    void carry_out(base::Now now, Connection& connection, msrp::BeginMessage& action);
    void carry_out(base::Now now, Connection& connection, msrp::MessageContent& action);
    void carry_out(base::Now now, Connection& connection, msrp::EndMessage& action);
    void carry_out(base::Now now, Connection& connection, msrp::OtherRequest& action);
    void carry_out(base::Now now, Connection& connection, msrp::ResponseCame& action);
    void carry_out(base::Now now, Connection& connection, msrp::CloseConnection& action);
    std::optional<base::Reason> find_fault(const Session& session, Connection& connection);
    void refuse(base::Now now, Connection& connection, const SessionKey& key,
                const base::Reason& why);
    void close(base::Now now, Connection& connection, std::string_view reason);
    void tell(base::Now now, const SessionKey& key, std::string json);
    // `connection`: that brought it.
    void append(base::Now now, Connection& connection, const SessionKey& key,
                journal::RecordType type, base::Bytes payload);
    void append(base::Now now, const SessionKey& key, journal::RecordType type,
                base::Bytes payload);
    void work_off_backlog();
    void ask(const base::Uuid& recording, Waiting& waiting);
    void look_at_flow(Connection& connection);
    void release(base::Now now, const Waiting::Part& part);
    bool is_full(const Connection& connection) const;
    void read_again();  // from those that are not full any more
    void forget(base::Now now, Connection& connection);

    Network& network_;
    Journal& journal_;
    base::Random& random_;
    base::Log& log_;
    const bool match_session_id_only_;
    std::unordered_map<std::string, Session> sessions_;  // by our session-id
    std::map<SessionKey, std::string> by_key_;
    std::unordered_map<msrp::SessionNumber, std::string> by_number_;
    std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
    std::map<base::Uuid, Waiting> waiting_;
    std::unordered_map<std::uint64_t, base::Uuid> by_token_;
    std::deque<Entry> backlog_;  // that the journal's queue had no room for
    std::vector<std::function<void()>> after_backlog_;
    std::size_t undurable_ = 0;
    msrp::SessionNumber last_session_ = 0;
    std::uint64_t last_message_ = 0;
    std::uint64_t last_token_ = 0;
    Counters counters_;
};

}  // namespace earshot::messages
