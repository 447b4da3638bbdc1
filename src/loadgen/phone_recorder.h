// A phone that records itself (RFC 7866: the SRC as endpoint, P-81): beside its call it holds a
// recording session with a recording server and sends what it says and what it hears as two streams
// of their own. Without I/O or clock; belongs to the caller's leg.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/random.h"
#include "loadgen/phone_leg.h"
#include "siprec/cs_description.h"
#include "siprec/recording_client_session.h"

namespace earshot::loadgen {

class PhoneRecorder : public siprec::ClientSessionHost {
public:
    struct Setup {
        std::string server;                         // URI
        sip::Flow flow;                             // by which it is reached
        std::array<std::string, kPhones> parties;   // name-addr; the phone's own first
        std::array<base::NetAddress, kPhones> rtp;  // ours, of the two streams
        bool is_paused = false;                     // from the start
    };

    // Borrows `host` and `random`. `leg` is the phone's: its ids come back there.
    PhoneRecorder(LegId leg, PhoneHost& host, base::Random& random, Setup setup);

    void start(base::Now now);
    // The other side neither sends nor hears: told by metadata alone (P-36).
    void set_held(base::Now now, bool is_held);
    // A party's wish, which is honoured (P-40, P-51); a recording that was stopped stays so.
    void obey(base::Now now, sdp::RecordPreference preference);
    void stop(base::Now now);  // harmless when repeated

    // What the parties of the call are to be told.
    sdp::RecordState record_state() const { return state_; }
    bool is_over() const;
    const RecordingResult& result() const { return result_; }

    bool owns(sip::TransactionId transaction) const {
        return transactions_.count(transaction.value) != 0;
    }
    bool owns(sip::DialogId dialog) const { return dialogs_.count(dialog.value) != 0; }
    void on_response(base::Now now, const sip::ResponseArrived& response);
    siprec::RecordingClientSession& session() { return session_; }

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
    void stop_fork() override { host_.stop_recording(leg_); }
    void on_event(const siprec::ClientEvent& event) override;

private:
    siprec::CsState cs_state() const;

    LegId leg_;
    PhoneHost& host_;
    Setup setup_;
    siprec::CsDescription call_;
    std::uint64_t sdp_session_;
    MediaPlan plan_{};
    sdp::RecordState state_ = sdp::RecordState::Absent;
    bool is_stopped_ = false;
    RecordingResult result_;
    std::unordered_set<std::uint64_t> transactions_;
    std::unordered_set<std::uint64_t> dialogs_;
    siprec::RecordingClientSession session_;
};

}  // namespace earshot::loadgen
