// All calls of a run of the test phones, on the signalling thread: one SIP agent with two
// listeners, the caller's and the callee's.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <queue>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "io/clock.h"
#include "loadgen/chat_thread.h"
#include "loadgen/phone_callee.h"
#include "loadgen/phone_caller.h"
#include "loadgen/phone_client.h"
#include "loadgen/phone_media.h"
#include "transport/sip_loop.h"

namespace earshot::loadgen {

struct PhoneRunPlan {
    std::array<base::NetAddress, kPhones> sip;  // what the listeners are bound to
    sip::Transport transport = sip::Transport::Udp;
    base::NetAddress target;  // where the caller's INVITE goes
    std::string request_uri;
    base::NetAddress recorder;                 // where options.record_to leads
    std::array<std::string, kPhones> parties;  // name-addr
    std::array<std::string, kPhones> contacts;
    std::array<const Voice*, kPhones> voices{};
    std::vector<const Voice*> speakers{};  // of a conference, by call; else empty
    VideoSender* video = nullptr;          // null: no video
    ChatThread* chats = nullptr;           // null: no chats
    bool has_secure_chats = false;         // MSRPS: by TLS, as the SIP
    ChatScript chat{};
};

class PhoneRun : public transport::SipLoop::Handler, public PhoneHost {
public:
    // Borrows all but the plan.
    PhoneRun(const PhoneOptions& options, PhoneRunPlan plan, transport::SipLoop& loop,
             base::Random& random, base::Log& log, const PhoneObserver& observer,
             const std::atomic<bool>& stop);

    // The media is made after this object, since it calls back.
    void run(PhoneMedia& media);
    // On the media thread.
    void on_media_closed(LegId leg, LegMedia media);
    std::vector<PhoneCallResult> results() const;
    // What became of video and chats, whose threads it ends.
    void add_lines(std::vector<PhoneCallResult>& results);

    // ---- SipLoop::Handler
    void on_bytes(const sip::Flow& flow, base::Bytes&& bytes) override;
    void on_broken_stream(const sip::Flow& flow, const sip::StreamEvent& event) override;
    void on_flow_closed(const sip::Flow& flow) override;
    void on_send_failed(sip::TransactionId transaction) override;
    void on_deadline() override;

    // ---- PhoneHost
    base::Result<sip::TransactionId> start_request(LegId leg,
                                                   const sip::OutOfDialogSpec& spec) override;
    base::Result<sip::TransactionId> send_request(LegId leg, sip::DialogId dialog,
                                                  const sip::RequestSpec& spec) override;
    base::Result<sip::DialogId> respond(LegId leg, sip::TransactionId transaction,
                                        const sip::ResponseSpec& spec) override;
    void acknowledge(sip::DialogId dialog, const sip::RequestSpec& spec) override;
    void cancel(sip::TransactionId invite) override;
    void set_media(LegId leg, const PhonePlan& plan) override;
    void play_digits(LegId leg, const std::string& digits) override;
    void fall_silent(LegId leg) override;
    void on_record_change(LegId leg, const RecordNotice& notice) override;
    void end_dialog(sip::DialogId dialog) override;
    void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                      const base::NetAddress& host,
                      std::vector<sip::ExtraHeader> of_invite) override;
    std::optional<std::array<base::NetAddress, kParties>> open_recording(LegId leg) override;
    void set_recording(LegId leg, const MediaPlan& plan) override;
    void stop_recording(LegId leg) override;

private:
    struct Call {
        std::unique_ptr<CallerLeg> caller;
        std::unique_ptr<CalleeLeg> callee;
        std::array<std::optional<base::TimePoint>, kPhones> armed{};  // what stands in timers_
        std::array<std::optional<base::WallTime>, kPhones> invited{};
        std::array<bool, kPhones> is_closing{};
        std::array<std::optional<LegMedia>, kPhones> media{};
        bool is_over = false;

        PhoneLeg* leg(std::size_t phone) const;
    };
    struct Timer {
        base::TimePoint when;
        LegId leg = 0;
        bool operator>(const Timer& other) const { return when > other.when; }
    };

    template <class Function>
    void with_leg(LegId leg, Function&& function);
    void touch(LegId leg);
    void close_call_when_over(Call& call);
    bool has_all_calls() const;
    base::TimePoint start_of(std::size_t index) const;
    void start_due_calls();
    void start_call(base::Now now);
    void wake_due_legs();
    void abort_all();
    void settle();
    void arm();
    void report_progress();
    void check(bool was_taken);

    // A leg's own sockets, and where they are; nothing when no ports are left.
    std::optional<base::NetAddress> open_media(LegId leg, base::WallTime now);
    PhoneSdp new_sdp(LegId leg, const base::NetAddress& rtp);
    PhoneLines new_lines(LegId leg);
    std::string participant(std::size_t call) const;  // of a conference: name-addr
    std::vector<ChatAct> acts_of(LegId leg) const;
    PhoneLines::Chat new_chat(LegId leg, std::size_t number, std::vector<ChatAct> acts);
    void close_lines(LegId leg);
    std::optional<std::size_t> call_of(const sip::Message& invite);
    void on_new_invite(sip::RequestArrived& invite);
    void refuse(sip::TransactionId transaction, int status);
    std::optional<LegId> find(sip::TransactionId transaction, sip::DialogId dialog) const;

    void obey(sip::SendBytes& action);
    void obey(sip::RequestArrived& action);
    void obey(sip::InviteRefused& action);
    void obey(sip::CancelArrived& action);
    void obey(sip::AckArrived& action);
    void obey(sip::NoAck& action);
    void obey(sip::ResponseArrived& action);
    void obey(sip::TransactionTimedOut& action);
    void obey(sip::TransportFailed& action);
    void obey(sip::LocateTarget& action);
    void obey(sip::DialogEnded& action);
    void on_failure(sip::TransactionId transaction, bool is_timeout);

    const PhoneOptions& options_;
    PhoneRunPlan plan_;
    transport::SipLoop& loop_;
    base::Random& random_;
    base::Log& log_;
    const PhoneObserver& observer_;
    const std::atomic<bool>& stop_;
    io::SystemClock clock_;
    sip::Agent agent_;
    PhoneMedia* media_ = nullptr;
    std::vector<Call> calls_;
    std::size_t first_waiting_ = 0;  // the calls before it have a callee or are over
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
    std::unordered_map<std::uint64_t, LegId> by_transaction_;
    std::unordered_map<std::uint64_t, LegId> by_dialog_;
    CallProgress counts_;
    base::TimePoint started_at_;
    base::TimePoint next_progress_;
    bool is_aborted_ = false;
};

}  // namespace earshot::loadgen
