// The ends of MSRP sessions (RFC 4975) that test calls have, on sockets that somebody else moves:
// each writes what its script says when it is time, takes what comes and receipts it. No I/O, no
// clock; belongs to the chats' thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate_fingerprint.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "chat/wrapping.h"
#include "loadgen/chat_script.h"
#include "msrp/receiver.h"
#include "msrp/sender.h"

namespace earshot::loadgen {

using ChatId = std::uint32_t;

// What an answer or offer tells of the other end.
struct ChatPlan {
    std::vector<msrp::Uri> path;                               // empty: nothing is agreed yet
    std::optional<base::NetAddress> connect_to;                // nothing: it connects
    std::string tls_name{};                                    // who must be there; empty: TCP
    std::vector<base::CertificateFingerprint> fingerprints{};  // of its certificate (RFC 8122)
    chat::ServerTypes types{};
    bool sends = false;  // false: paused; what is due waits
};

struct HeardMessage {
    std::string from;  // of CPIM; empty: not told
    std::string to;
    std::string content_type;
    std::string text;  // of text, kMaxHeardTextBytes at most
    std::uint64_t octets = 0;
};

// What became of one end.
struct ChatFigures {
    std::string label;               // of its line in a recording session; else empty
    bool was_connected = false;      // the session was bound
    std::uint32_t sent = 0;          // messages that have left
    std::uint32_t acknowledged = 0;  // the next hop has taken them: 200 (or wanted no answer)
    std::uint32_t receipted = 0;     // success REPORTs: the far end has them
    std::uint32_t failed = 0;
    std::uint32_t unsent = 0;             // of the script, at the end
    std::uint32_t received = 0;           // messages that came whole
    std::optional<int> nickname_status;   // of NICKNAME (RFC 7701)
    std::vector<HeardMessage> heard{};    // the first kMaxHeardMessages of them
    std::optional<base::Reason> fault{};  // of the connection, or of the first message that failed
};

// Why a call with it was no good one: a message was not acknowledged, or not even written; nothing:
// all is well.
std::optional<base::Reason> fault_of(const ChatFigures& figures);

class ChatNetwork {
public:
    using Connection = std::uint64_t;  // 0: none

    ChatNetwork() = default;
    ChatNetwork(const ChatNetwork&) = delete;
    ChatNetwork& operator=(const ChatNetwork&) = delete;
    virtual ~ChatNetwork() = default;

    virtual Connection connect(const base::NetAddress& to, const std::string& tls_name) = 0;
    virtual void send(Connection connection, std::string bytes) = 0;
    virtual void close(Connection connection) = 0;
    virtual std::size_t queued_bytes(Connection connection) const = 0;
    // Whether that is somebody else than who was told; of a connection without TLS nothing.
    virtual std::optional<base::Reason> find_fault(
        Connection connection, const std::vector<base::CertificateFingerprint>& told) const = 0;
};

class ChatDesk : private msrp::Sessions {
public:
    // How long what was written may still be acknowledged once nothing more is.
    static constexpr std::chrono::seconds kPatience{3};

    struct Setup {
        msrp::Uri own;
        std::string label{};
        std::vector<ChatAct> acts{};  // in the order of their times
        std::uint64_t max_bytes = 100U << 20U;
    };

    // Borrows both. `on_ended`: of an end that was told to finish, once.
    ChatDesk(ChatNetwork& network, base::Random& random, std::function<void(ChatId)> on_ended)
        : network_(network), random_(random), on_ended_(std::move(on_ended)) {}

    void open(ChatId id, Setup setup);
    void set_plan(base::Now now, ChatId id, ChatPlan plan);
    // Writes nothing more; ends when all is acknowledged and receipted, or after kPatience.
    void finish(base::Now now, ChatId id);
    ChatFigures figures(ChatId id) const;

    void on_open(base::Now now, ChatNetwork::Connection connection);
    void on_bytes(base::Now now, ChatNetwork::Connection connection, base::ByteView bytes);
    void on_closed(base::Now now, ChatNetwork::Connection connection);
    void on_time(base::Now now);

private:
    struct Writing {  // a message under way
        std::string content;
        bool is_of_script = true;  // not the SEND that binds the session
        bool is_sent = false;
    };
    struct End {
        End(Setup made, base::Random& random) : setup(std::move(made)), sender(random) {}
        Setup setup;
        ChatPlan plan{};
        msrp::Sender sender;
        std::map<msrp::OutgoingNumber, Writing> writing{};
        std::string nickname_transaction{};
        ChatNetwork::Connection connection = 0;
        std::size_t connects = 0;
        std::optional<base::TimePoint> began{};  // bound
        std::size_t next_act = 0;
        std::optional<base::TimePoint> finish_by{};
        bool has_ended = false;
        ChatFigures figures{};
    };
    struct Incoming {
        ChatId end = 0;
        std::string content_type;
        std::string content;  // kMaxHeardTextBytes at most
        std::uint64_t octets = 0;
    };
    struct Wire {
        Wire(msrp::Sessions& sessions, base::Random& random) : receiver(sessions, random) {}
        msrp::Receiver receiver;
        std::map<msrp::MessageNumber, Incoming> incoming{};
    };

    std::optional<Found> find(const msrp::Uri& to) override;
    void connect(End& end);
    Wire& wire_of(ChatNetwork::Connection connection);
    void bind(base::Now now, ChatId id, ChatNetwork::Connection connection);
    void act(base::Now now, End& end);
    void write(base::Now now, End& end, const ChatAct& act);
    void ask_for_nickname(End& end, const ChatAct& act);
    void write_binding(End& end);
    void pump(base::Now now, End& end);
    void read(base::Now now, ChatNetwork::Connection connection);
    void take(base::Now now, ChatNetwork::Connection connection, msrp::ReceiverAction& action);
    void keep(const Incoming& message);
    void settle(base::Now now, ChatId id, End& end);
    static void fault(End& end, base::Reason reason);

    ChatNetwork& network_;
    base::Random& random_;
    const std::function<void(ChatId)> on_ended_;
    std::map<ChatId, End> ends_;
    std::map<std::string, ChatId> by_session_;  // session-id of our URIs
    std::map<ChatNetwork::Connection, Wire> wires_;
};

}  // namespace earshot::loadgen
