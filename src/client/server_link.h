// What one recording session has to do with the SIP agent and with recording servers: whose
// transactions and dialogs are whose, which server is asked next, and what is learned of its
// health. The half of siprec::ClientSessionHost that does not depend on whose media is recorded.
// Borrows all of its surroundings; belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "client/server_entry.h"
#include "client/server_pool.h"
#include "io/clock.h"
#include "policy/call_rule.h"
#include "relay/media_plane.h"
#include "sip/agent.h"
#include "siprec/recording_client_session.h"

namespace earshot::client {

class ServerLink;

// Whose transactions and dialogs are whose, and who wants to be woken when.
struct RecordingIndex {
    std::set<std::pair<base::TimePoint, ServerLink*>> due;
    std::unordered_map<std::uint64_t, ServerLink*> by_transaction;
    std::unordered_map<std::uint64_t, ServerLink*> by_dialog;
    std::unordered_set<std::string> call_ids;  // of our recording sessions
};

struct SessionCommon {  // of all recording sessions of this client
    sip::Credentials credentials;
    std::chrono::milliseconds server_silence{};
    std::chrono::milliseconds media_ring{};
    sip::Flow flow;
    bool fails_over = true;
    std::chrono::milliseconds failover_time{60'000};
};

class ServerLink : public siprec::ClientSessionHost {
public:
    struct Surroundings {  // borrowed
        sip::Agent& agent;
        const io::Clock& clock;
        RecordingIndex& index;
        ServerPool& servers;
    };

    explicit ServerLink(Surroundings surroundings) : s_(surroundings) {}
    ServerLink(const ServerLink&) = delete;
    ServerLink& operator=(const ServerLink&) = delete;
    ~ServerLink() override;

    // Of the agent, for this session's transactions and dialogs.
    virtual void on_action(base::Now now, sip::Action& action);
    void on_time(base::Now now);  // when it is due

    // The call that it records; 0: it has none, or several.
    virtual relay::CallKey call() const { return {}; }
    // Of the settings: asked now, or that records; empty: none.
    virtual std::string server() const { return server_; }
    // Whether another recording of the same call has that server; parallel ones want different
    // ones.
    void when_choosing(std::function<bool(const std::string& server)> is_taken) {
        is_taken_ = std::move(is_taken);
    }

    // ---- siprec::ClientSessionHost
    base::Result<sip::TransactionId> start_request(const sip::OutOfDialogSpec& spec) override;
    base::Result<sip::TransactionId> send_request(sip::DialogId dialog,
                                                  const sip::RequestSpec& spec) override;
    void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) override;
    sip::DialogId accept_invite(sip::TransactionId invite, const sip::ResponseSpec& spec) override;
    void acknowledge(sip::DialogId dialog) override;
    void cancel(sip::TransactionId invite) override;
    void end_dialog(sip::DialogId dialog) override;
    void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                      const base::NetAddress& host,
                      std::vector<sip::ExtraHeader> of_invite) override;
    std::optional<std::string> choose_server(const std::vector<std::string>& candidates) override;

protected:
    // Null: there is none (yet).
    virtual siprec::RecordingClientSession* session() const = 0;
    // Hands on what the session has told, once nothing of it is running; arm() is part of it.
    virtual void deliver() = 0;

    // The session's settings, by a plan's; keeps the servers for choose_server().
    base::Result<siprec::ClientSessionSettings, base::Reason> make_settings(
        const policy::RecordingPlan& plan, const SessionCommon& common, bool has_servers);
    void own(sip::TransactionId transaction);
    void arm();
    // What an event says of the server's health. `is_wanted`: we end it.
    void note(base::Now now, const siprec::ClientEvent& told, bool is_wanted);
    void set_server(std::string_view server) { server_ = server; }

private:
    void learn_server(const sip::Action& action);

    Surroundings s_;
    std::unordered_set<std::uint64_t> transactions_;
    std::unordered_set<std::uint64_t> dialogs_;
    std::unordered_set<std::string> call_ids_;
    std::optional<base::TimePoint> armed_;
    std::function<bool(const std::string&)> is_taken_;
    std::vector<ServerEntry> entries_;  // the servers of the plan
    std::string server_;
};

}  // namespace earshot::client
