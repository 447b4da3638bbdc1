// The signalling thread: SIP bytes to sip::Agent, its requests to one RecordingServerSession a
// call, and the sessions' actions to capture, journal and catalogue. Owns all calls. Everything is
// called on the loop's thread unless said otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "api/api.h"
#include "base/log.h"
#include "base/random.h"
#include "base/snapshot.h"
#include "capture/capture_engine.h"
#include "catalog/catalog.h"
#include "io/clock.h"
#include "io/data_directory_lock.h"
#include "io/kernel_counters.h"
#include "io/log_allowance.h"
#include "io/tls_watch.h"
#include "journal/journal.h"
#include "server/admission.h"
#include "server/archiver.h"
#include "server/attempt_ledger.h"
#include "server/authentication.h"
#include "server/call.h"
#include "server/challenge_book.h"
#include "server/client_ledger.h"
#include "server/decision_hook.h"
#include "server/host_load.h"
#include "server/message_service.h"
#include "server/own_addresses.h"
#include "server/server_config.h"
#include "server/start_target.h"
#include "server/timer_list.h"
#include "sip/agent.h"
#include "transport/sip_loop.h"

namespace earshot::srtp {
class DtlsIdentity;
}

namespace earshot::server {

// What the API sees of signalling: any thread.
struct LiveView {
    base::Snapshot<std::vector<api::LiveCall>> calls;
    base::Snapshot<std::vector<api::Check>> checks;
    base::Snapshot<api::Clients> clients;
    std::atomic<bool> is_ready{false};
};

// Of a decline whose rule is named in the text.
inline constexpr const char* kDeclinedByRule = "declined_by_rule";

class Signalling : public transport::SipLoop::Handler {
public:
    struct Dependencies {  // all borrowed
        transport::SipLoop& loop;
        capture::CaptureEngine& capture;
        catalog::Catalog& catalogue;
        Archiver& archiver;
        DecisionHook& hook;
        const io::Clock& clock;
        base::Random& random;
        base::Log& log;
        LiveView& view;
        const io::DataDirectoryLock& data;
        std::shared_ptr<const io::TlsContext> tls{};  // of the loop; null: none
        const srtp::DtlsIdentity* dtls = nullptr;     // null: DTLS-SRTP is refused
        MessageService* messages = nullptr;           // null: MSRP is refused
        std::string messages_fault{};                 // why, though it is on
        std::function<void()> on_live_changed;        // calls came, went or changed
    };

    using ControlDone = std::function<void(std::optional<base::Reason> refusal)>;
    using StartDone = std::function<void(base::Result<api::Started, base::Reason>)>;

    Signalling(ServerConfig config, Dependencies dependencies);
    Signalling(const Signalling&) = delete;
    Signalling& operator=(const Signalling&) = delete;
    ~Signalling() override;

    // New configuration for what comes from now on; listeners and paths stay as they are. Or why
    // there is none. Logs what became of it.
    void reload(base::Result<ServerConfig, base::Reason> config);
    // Refuses new calls, says BYE in all running ones, closes their recordings and calls `done`
    // when the last is sealed, or after a few seconds when the journal cannot seal them.
    void stop(std::function<void()> done);
    // Any thread: does to a running call what an operator wants, then calls `done` on the loop's
    // thread, with the reason when it could not.
    void control(api::ControlRequest request, ControlDone done);
    // Any thread: asks a client to be recorded (P-9); `done` is told what it became as soon as the
    // INVITE is under way. What the client says to it is in the attempt's row.
    void start(api::StartRequest request, StartDone done);
    // Any thread: capture or journal has notifications, the catalogue an answer.
    void wake();
    // After the loop and capture have ended: recordings that their end sealed go to the archiver.
    void take_last_notifications() { on_notifications(); }

    void on_bytes(const sip::Flow& flow, base::Bytes&& bytes) override;
    void on_broken_stream(const sip::Flow& flow, const sip::StreamEvent& event) override;
    void on_flow_closed(const sip::Flow& flow) override;
    void on_send_failed(sip::TransactionId transaction) override;
    void on_deadline() override;

private:
    struct RowAnswer {
        std::uint64_t serial = 0;
        std::optional<base::Reason> failure;
    };

    // agent -> calls
    void drain();
    void rearm();
    void handle(sip::SendBytes& action);
    void handle(sip::RequestArrived& action);
    void handle(sip::InviteRefused& action);
    void handle(sip::CancelArrived& action);
    void handle(sip::AckArrived& action);
    void handle(sip::NoAck& action);
    void handle(sip::ResponseArrived& action);
    void handle(sip::TransactionTimedOut& action);
    void handle(sip::TransportFailed& action);
    void handle(sip::LocateTarget& action);
    void handle(sip::DialogEnded& action);
    void answer_outside_dialog(sip::RequestArrived& request);
    void take_invite(sip::RequestArrived& request);
    Call& make_call(base::Now now, const sip::Flow& flow, std::string username = {});
    const Peer* find_peer_of(const Call& call) const;
    static std::string tls_name_of(const Call* call, sip::SendBytes& action);
    siprec::RecordingServerConfig configure(Call& call) const;
    void note_client(Call& call, const sip::Message& message);
    void refuse(const sip::RequestArrived& request, const Refusal& refusal);
    // Leaves the row of an INVITE that became no call, or is asked for a password.
    void tell_refused(const sip::Flow& flow, const sip::Message& invite, int status,
                      base::Reason reason, std::string_view outcome = kRefused);

    // calls -> capture, journal, catalogue, agent
    void run_session(Call& call);
    TimerList::Id watch_session(std::uint64_t serial, base::TimePoint due);
    void carry_out(Call& call, siprec::Decide& action);
    void carry_out(Call& call, siprec::CreateRow& action);
    void carry_out(Call& call, siprec::UpdateRow& action);
    void carry_out(Call& call, siprec::OpenStream& action);
    void carry_out(Call& call, siprec::MoveStream& action);
    void finish_opening(Call& call, siprec::StreamFacts facts,
                        const base::Result<capture::Ports, base::Reason>& ports);
    void carry_out(Call& call, siprec::UpdateStream& action);
    void carry_out(Call& call, siprec::PauseStream& action);
    void carry_out(Call& call, siprec::ResumeStream& action);
    void carry_out(Call& call, siprec::CloseStream& action);
    void carry_out(Call& call, siprec::Respond& action);
    void carry_out(Call& call, siprec::SendRequest& action);
    void carry_out(Call& call, siprec::SendInvite& action);
    void carry_out(Call& call, siprec::CancelInvite& action);
    void carry_out(Call& call, siprec::Acknowledge& action);
    void carry_out(Call& call, siprec::StoreMetadata& action);
    void carry_out(Call& call, siprec::Event& action);
    static void carry_out(Call& call, siprec::End& action);
    bool asks_policy() const;
    policy::InviteFacts envelope_of(const Call& call, const sip::Flow& flow) const;
    std::optional<base::Reason> find_certain_decline(const Call& call, const sip::Flow& flow) const;
    void on_hook_answer(std::uint64_t serial, const siprec::Ruling& ruling,
                        const std::optional<base::Reason>& failure);
    void rule_on(Call& call, siprec::Ruling ruling);
    void note_hook_failure(const base::Reason& why);
    void submit_rows(Call& call);
    void refresh_row(Call& call);
    catalog::Change make_change(const Call& call);
    void take_row_answers();
    void on_row_answer(const RowAnswer& answer);
    void on_catalogue_late(std::uint64_t serial);
    void confirm_row(std::uint64_t serial);
    void finish(Call& call);
    void close_recording(const base::Uuid& recording);
    void open_messages(Call& call, siprec::StreamFacts& facts);
    void connect_messages(Call& call);
    void connect_messages(const Call& call, messages::SessionSetup setup);
    void close_messages(const messages::SessionKey& key);
    void pause_in_capture(const capture::StreamKey& key, base::WallTime at);
    void log_health(const Load& load);
    void look_at_drops();
    void look_at_messages();
    void probe_silent_calls();
    void refuse_reload(const std::string& why);
    void write_attempts();

    std::optional<base::Reason> carry_out(const api::ControlRequest& request);
    base::Result<api::Started, base::Reason> begin(const api::StartRequest& request);
    std::optional<std::uint16_t> find_listener(const sip::Flow& flow) const;
    sip::Flow flow_to(const base::NetAddress& address,
                      std::optional<sip::Transport> transport) const;
    static base::Reason why_not_sent(const Call& call, sip::TransportFailed::Lookup lookup);
    std::optional<base::Reason> find_refusal(const StartTarget& target) const;
    void send_our_invite(Call& call);
    void keep_admitted(Call& call, std::vector<sip::Target>& targets);
    std::optional<base::Reason> why_not_ask(const Call& call, const sip::Target& target) const;
    void retarget(Call& call, const sip::Flow& flow);
    void authenticate(const Call& call);
    bool ask_again(Call& call, sip::ResponseArrived& response);
    bool take_start_response(Call* call, sip::ResponseArrived& response);

    // pieces of one recording
    void look_for_join_keys(Call& call, const sip::Message& request);
    void look_for_join_keys(Call& call);
    void add_join_keys(Call& call, std::vector<siprec::JoinKey> keys);
    void pause_like_its_pieces(Call& call, const catalog::Join& join);
    void tell_joins(std::uint64_t serial, const catalog::Join& join);

    // journal
    // A message of a call, before anything else looks at it: takes out of it what metadata.drop
    // names, and tells that.
    void store_received(Call& call, const sip::Flow& flow, sip::Message& message);
    void store(Call& call, journal::RecordType type, base::Bytes payload, base::WallTime when,
               std::uint16_t stream = journal::kNoStream);
    // `masked_body`: so many octets at the end are overwritten by '*'.
    void store_sip(Call& call, bool outgoing, const sip::Flow& flow, base::ByteView message,
                   std::size_t masked_body = 0);
    void append(capture::JournalEntry&& entry);

    void on_notifications();
    void handle(capture::RecordingSealed& sealed);
    void handle(capture::StatsSnapshot& stats);
    void handle(capture::StreamClosed& closed);
    void handle(capture::Durable& durable);
    void handle(capture::FirstPacket& first);
    void handle(capture::SsrcChanged& change);
    void handle(capture::PacketsRejected& rejected);
    void handle(capture::KeyFrameWanted& wanted);
    void handle(capture::StreamKeyed& keyed);
    void handle(capture::DtmfDigit& /*notification*/) {}

    void every_second();
    void publish_live();
    Load load() const;
    Call* find(std::uint64_t serial);
    Call* find(sip::DialogId dialog);
    Call* find(sip::TransactionId transaction);
    void maybe_stopped();

    ServerConfig config_;
    io::TlsWatch certificates_;
    std::string reload_fault_;  // for `earshot doctor`; empty: the file is in force
    Dependencies d_;
    std::unique_ptr<sip::Agent> agent_;
    OwnAddresses addresses_;
    Authentication authentication_;
    AttemptLedger attempts_;
    ChallengeBook challenges_;
    HostLoad hosts_;
    io::LogAllowance refusal_log_;
    TimerList timers_;
    ClientLedger clients_;
    bool clients_are_dirty_ = true;
    std::unordered_map<std::uint64_t, std::unique_ptr<Call>> calls_;  // by serial
    std::unordered_map<std::uint64_t, std::uint64_t> by_dialog_;      // DialogId -> serial
    std::unordered_map<std::uint64_t, std::uint64_t> by_invite_;      // TransactionId -> serial
    std::unordered_map<base::Uuid, std::uint64_t, base::UuidHash> by_recording_;  // while it runs
    std::unordered_set<base::Uuid, base::UuidHash> sealing_;  // ended, not yet sealed
    std::unordered_map<base::Uuid, std::size_t, base::UuidHash>
        closing_messages_;  // sessions whose last records are still to come
    std::unordered_map<std::uint64_t, std::uint64_t> durable_waits_;  // token -> serial
    std::uint64_t last_serial_ = 0;
    std::uint64_t last_token_ = 0;
    std::uint64_t dropped_messages_ = 0;
    std::uint64_t journal_refusals_ = 0;
    std::optional<std::uint64_t> free_memory_;  // this second's
    std::size_t dropping_streams_ = 0;          // in the worst of the last seconds
    base::TimePoint dropped_at_{};
    const io::KernelCounters kernel_at_start_ = io::read_kernel_counters();
    std::atomic<bool> wake_is_posted_{false};
    std::mutex row_answers_mutex_;
    std::vector<RowAnswer> row_answers_;  // from the catalogue's thread
    std::uint64_t hook_failures_ = 0;
    base::TimePoint hook_told_at_;
    bool live_is_dirty_ = false;
    bool data_is_in_place_ = true;  // as of the last second
    bool journal_was_ok_ = true;
    bool had_room_ = true;
    bool stopping_ = false;
    std::function<void()> on_stopped_;
};

}  // namespace earshot::server
