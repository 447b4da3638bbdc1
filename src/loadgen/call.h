// One call of `earshot call`: a recording session by siprec::RecordingClientSession towards one
// server, its two streams, a hold in the middle if it is wished for. No I/O, no clock; belongs to
// the signalling thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "loadgen/call_client.h"
#include "loadgen/chat_lines.h"
#include "loadgen/media_plan.h"
#include "loadgen/video_lines.h"
#include "loadgen/video_sender.h"
#include "sdp/offer_answer.h"
#include "sdp/session_description.h"
#include "sip/agent.h"
#include "sip/digest.h"
#include "siprec/client_documents.h"
#include "siprec/cs_description.h"
#include "siprec/recording_client_session.h"

namespace earshot::loadgen {

// What a call asks of its surroundings. The ids that start_request() and send_request() return are
// given back to the call with what becomes of them.
class CallHost {
public:
    CallHost() = default;
    CallHost(const CallHost&) = delete;
    CallHost& operator=(const CallHost&) = delete;
    virtual ~CallHost() = default;

    virtual base::Result<sip::TransactionId> start_request(std::uint32_t call,
                                                           const sip::OutOfDialogSpec& spec) = 0;
    virtual base::Result<sip::TransactionId> send_request(std::uint32_t call, sip::DialogId dialog,
                                                          const sip::RequestSpec& spec) = 0;
    virtual void acknowledge(sip::DialogId dialog) = 0;
    virtual void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) = 0;
    virtual void cancel(sip::TransactionId invite) = 0;
    virtual void end_dialog(sip::DialogId dialog) = 0;
    virtual void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                              const base::NetAddress& host,
                              std::vector<sip::ExtraHeader> of_invite) = 0;
    virtual void set_media(std::uint32_t call, const MediaPlan& plan) = 0;
    virtual void stop_media(std::uint32_t call) = 0;
    // Of the call's n-th video line.
    virtual void set_video(std::uint32_t /*call*/, std::size_t /*line*/,
                           const VideoPlan& /*plan*/) {}
    virtual void want_key_picture(std::uint32_t /*call*/) {}
    // Of its n-th chat line.
    virtual void set_chat(std::uint32_t /*call*/, std::size_t /*line*/, const ChatPlan& /*plan*/) {}
    virtual void finish_chat(std::uint32_t /*call*/, std::size_t /*line*/) {}
};

struct CallSetup {
    std::uint32_t index = 0;
    std::string request_uri;
    std::string from;  // URI or name-addr
    sip::Flow flow;
    siprec::ClientCall documents;  // ids, parties with their ports
    std::optional<std::chrono::milliseconds> hold_at;
    std::optional<std::chrono::milliseconds> rekey_at{};
    sip::Credentials credentials{};  // empty username: a challenge is a refusal
    bool has_audio = true;
    std::vector<VideoLine> video{};
    std::vector<ChatLine> chats{};
    std::vector<base::Uuid> chat_streams{};  // ids of their streams
    // What is shared, the last of `video`, begins only then, by a re-INVITE; nothing: at once.
    std::optional<std::chrono::milliseconds> share_at{};
};

class Call : private siprec::ClientSessionHost {
public:
    static constexpr std::chrono::seconds kHoldTime{2};
    static constexpr std::chrono::seconds kAnswerTime{60};  // then CANCEL

    // Borrows the rest for its life.
    Call(CallSetup setup, CallHost& host, base::Random& random, base::Log& log);

    void start(base::Now now);
    void on_response(base::Now now, const sip::ResponseArrived& response);
    // No final response, or the request could not be sent.
    void on_failure(base::Now now, sip::TransactionId transaction, bool is_timeout);
    void on_request(base::Now now, const sip::RequestArrived& request);
    void on_ack(base::Now now, const sip::AckArrived& ack);
    void on_dialog_ended(base::Now now, sip::DialogId dialog);
    void on_media_finished(base::Now now);  // every packet of the voices has gone out
    // The same of a camera or a chat, which are told to end then.
    void on_line_ended(base::Now now);
    // A DTLS handshake has failed (DtlsFault's word): the call is of no use.
    void on_no_keys(base::Now now, std::string_view fault);
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;
    void abort(base::Now now);

    bool is_done() const { return is_done_; }
    bool was_answered() const { return was_answered_; }
    const CallResult& result() const { return result_; }  // without `sent`

private:
    enum class Hold : std::uint8_t { None, Held, Resuming, Over };

    // ---- siprec::ClientSessionHost
    base::Result<sip::TransactionId> start_request(const sip::OutOfDialogSpec& spec) override;
    base::Result<sip::TransactionId> send_request(sip::DialogId dialog,
                                                  const sip::RequestSpec& spec) override;
    void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) override;
    void acknowledge(sip::DialogId dialog) override;
    void cancel(sip::TransactionId invite) override;
    void end_dialog(sip::DialogId dialog) override;
    void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                      const base::NetAddress& host,
                      std::vector<sip::ExtraHeader> of_invite) override;
    void apply_answer(std::string sdp) override;
    void pause_fork() override;
    void stop_fork() override;
    void on_event(const siprec::ClientEvent& event) override;

    void on_refused(const siprec::ClientEvent& event);
    void end_lines();
    void apply_video_answer(const sdp::SessionDescription& answer,
                            const std::vector<sdp::AnsweredMedia>& media);
    void apply_chat_answer(const sdp::SessionDescription& answer);
    // Which m-line it is.
    std::size_t place_of_video(std::size_t line) const;
    std::size_t place_of_chat(std::size_t line) const;
    void begin_sharing(base::Now now);
    void take_hold_step(base::Now now);
    void plan_steps(base::Now now);
    void take_new_keys(base::Now now);
    std::string make_offer() const;
    // What the answer says to what the line has offered. Nothing: nothing may be sent.
    std::optional<LineSecurity> answered_security(const sdp::SessionDescription& answer,
                                                  std::size_t line,
                                                  const std::optional<base::SrtpMasterKey>& key,
                                                  bool is_dtls);
    void hang_up(base::Now now);
    siprec::CsState state() const;
    void fail(std::string_view code, std::string text, std::string_view result = "failed");
    // After each input: what an event asked for, and whether all is over.
    void settle(base::Now now);

    CallSetup setup_;
    CallHost& host_;
    base::Random& random_;
    base::Log& log_;
    CallResult result_;
    siprec::CsDescription description_;
    std::string offer_;  // the same for the whole call, but for its keys
    std::unique_ptr<siprec::RecordingClientSession> session_;  // null: not begun, or over
    MediaPlan plan_{};                                         // by the last answer
    std::vector<VideoPlan> video_plans_;                       // the same of each video line
    std::vector<ChatPlan> chat_plans_;                         // the same of each chat line
    std::size_t ending_lines_ = 0;
    std::size_t first_videos_ = 0;  // those of the first offer
    bool is_sharing_late_ = false;  // it has begun in mid-call
    sip::TransactionId bye_{};
    std::optional<base::TimePoint> hold_due_;
    std::optional<base::TimePoint> rekey_due_;
    std::optional<base::TimePoint> share_due_;
    Hold hold_ = Hold::None;
    bool was_answered_ = false;
    bool is_hold_refused_ = false;
    bool is_done_ = false;
};

}  // namespace earshot::loadgen
