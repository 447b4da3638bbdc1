// What stands behind Switchboard. switchboard.cpp has the tables and the order of things,
// switchboard_calls.cpp a call's INVITE and its end, switchboard_dialog.cpp what is said within a
// call, switchboard_media.cpp offers and answers, switchboard_telling.cpp descriptions that one leg
// is told anew, switchboard_passing.cpp requests outside of calls, switchboard_subscription.cpp
// what subscriptions need beside that, switchboard_transfer.cpp REFER and Replaces.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>

#include "b2bua/call.h"
#include "b2bua/dialog_name.h"
#include "b2bua/own_names.h"
#include "b2bua/passing.h"
#include "b2bua/switchboard.h"
#include "sip/key_hash.h"

namespace earshot::b2bua {

class Switchboard::Core {
public:
    Core(SwitchboardConfig config, sip::Agent& agent, SwitchboardHost& host, base::Random& random);

    void on_action(base::Now now, sip::Action&& action);
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const { return timers_.next(); }
    void end(base::Now now, CallKey key, int status, base::Reason reason);
    void end_all(base::Now now, int status, const base::Reason& reason);
    void set_draining(bool is_draining) { is_draining_ = is_draining; }
    base::Result<sip::TransactionId> send_in_dialog(base::Now now, CallKey key, Leg leg,
                                                    const sip::RequestSpec& request);
    void tell_anew(base::Now now, CallKey key, Leg leg);
    Call* find(CallKey key) const;
    CallKey find_call_id(std::string_view call_id) const;
    std::vector<CallKey> calls() const;
    std::size_t call_count() const { return calls_.size(); }

private:
    // A request outside of calls on its way; `out` is none while the host is asked for it.
    struct Passed {
        std::uint64_t id = 0;
        sip::TransactionId in{};
        sip::TransactionId out{};
        std::shared_ptr<const sip::Message> request{};
        sip::Flow from{};
        sip::TimerQueue::Handle timer = sip::TimerQueue::kNone;
    };
    struct PlannedEnd {
        CallKey key{};
        int status = 0;
        base::Reason reason{};
    };
    // Where a request is to go, by its Request-URI and Route.
    struct Way {
        std::string uri{};
        std::vector<std::string> routes{};
        sip::Flow flow{};        // to a place behind us; else unspecified
        std::string by{};        // the Contact of ours that stands for that place
        bool is_hidden = false;  // the place is behind a NAT: only its flow leads there
        bool is_to_us = false;
        bool has_own_route = false;  // it came by a Route of ours

        std::string host() const;  // that it leads to
    };
    // A dialog that Replaces names, as the far leg of its call knows it.
    struct NamedDialog {
        CallKey call{};
        Leg far = Leg::A;  // who is to be replaced
        DialogName name{};
    };
    using SharedResponse = std::shared_ptr<const sip::ResponseArrived>;

    // Of a REFER: who was told to call whom.
    struct Invitation {
        CallKey call{};
        std::string uri{};
        base::NetAddress host{};
        base::TimePoint until{};
    };

    // ---- switchboard.cpp
    // Runs `work` at `now`; the outermost one then does what was put off.
    template <class Work>
    void enter(base::Now now, Work&& work) {
        now_ = now;
        ++depth_;
        work();
        if (depth_ == 1) settle();
        --depth_;
    }
    void settle();
    void pump(Call& call);
    Call* call_of(const sip::Action& action) const;
    Call* call_of(sip::TransactionId id) const;
    Call* call_of(sip::DialogId id) const;
    void handle(Call& call, sip::Action&& action);
    void on_stray(sip::Action&& action);
    void tell(Call& call, const CallEvent& event);
    void schedule(Call& call);
    void on_call_time(Call& call);
    std::uint64_t ask(Call& call);
    void forget(Call& call);
    void own_dialog(Call& call, sip::DialogId dialog, Leg leg);
    void disown_dialog(Call& call, sip::DialogId dialog);
    Passage& add_passage(Call& call, Passage passage);
    void erase_passage(Call& call, sip::TransactionId out);
    void index_call_id(const Call& call, Leg leg);
    Leg leg_of(const Call& call, sip::DialogId dialog) const;

    // ---- switchboard_calls.cpp
    void on_invite(sip::RequestArrived&& request);
    bool takes_calls() const { return !is_draining_ && calls_.size() < config_.max_calls; }
    Call& make_call(sip::RequestArrived&& request);
    void route(Call& call);
    void call_leg_b(Call& call, const Way& way, const RouteTo& to);
    void start_leg_b(Call& call, const Way& way, const RouteTo& to, Content content);
    bool is_loop(const sip::Message& invite) const;
    Way way_of(const sip::Message& request) const;
    // The flow to a place behind us by the listener that reaches it; unspecified when none does.
    sip::Flow flow_to(const Way& way) const;
    void refuse(sip::TransactionId in, int status, std::vector<sip::ExtraHeader> headers = {});
    // What has been said is known; then the call is over: `by` has ended it by itself, the other
    // leg is told (`headers` go along).
    void finish(Call& call, Ended ended, const std::vector<sip::ExtraHeader>& headers = {});
    void close(Call& call, Leg leg, int status, const std::vector<sip::ExtraHeader>& headers);
    void on_cancel(Call& call, const sip::CancelArrived& cancel);
    void on_no_ack(Call& call, const sip::NoAck& no_ack);
    void on_dialog_ended(Call& call, sip::DialogId dialog);

    // ---- switchboard_dialog.cpp
    void on_request(Call& call, sip::RequestArrived&& request);
    void on_bye(Call& call, Leg from, sip::TransactionId in, const sip::Message& bye);
    void on_ack(Call& call, const sip::AckArrived& ack);
    void pass_request(Call& call, Leg from, sip::TransactionId in,
                      const std::shared_ptr<const sip::Message>& request, const Content& content,
                      bool has_offer);
    std::optional<Passage::Reliable> take_reliable(Call& call, Leg from);
    void on_response(Call& call, sip::ResponseArrived&& arrived);
    void on_provisional(Call& call, const Passage& passage, const SharedResponse& response);
    void pass_provisional(Call& call, sip::TransactionId out, const SharedResponse& response,
                          const Content& content);
    void on_invite_success(Call& call, Passage& passage, const SharedResponse& response);
    void pass_invite_success(Call& call, sip::TransactionId out, const SharedResponse& response,
                             const Content& content);
    void on_other_success(Call& call, const Passage& passage, const SharedResponse& response);
    void pass_other_success(Call& call, sip::TransactionId out, const SharedResponse& response,
                            const Content& content);
    void on_refusal(Call& call, const Passage& passage, const sip::Message& response);
    void on_silence(Call& call, sip::TransactionId out, int status, const base::Reason& reason);
    void on_answered(Call& call, sip::DialogId a);
    // The SDP of `response` as the asking leg is to see it, then `pass`; a refusal ends the call.
    using Pass = void (Core::*)(Call&, sip::TransactionId, const SharedResponse&, const Content&);
    void translate(Call& call, sip::TransactionId out, const SharedResponse& response,
                   bool is_offer, bool is_final, Pass pass);
    sip::ResponseSpec passed_response(Call& call, Leg from, const sip::Message& response,
                                      const Content& content);
    std::vector<sip::ExtraHeader> headers_for(Call& call, Leg from, const sip::Message& message);
    void note(Call& call, Leg from, const sip::Message& message);
    // `uac`: whose request is answered.
    void watch_refresh(Call& call, Leg uac, const sip::Message& response) const;

    // ---- switchboard_media.cpp
    void ask_offer(Call& call, Leg by, std::string sdp, SdpThen then);
    void ask_answer(Call& call, Leg by, std::string sdp, bool is_final, SdpThen then);
    // `offerer`: of an offer.
    void on_sdp(base::Now now, CallKey key, std::uint64_t question, SdpResult result,
                std::optional<Leg> offerer = std::nullopt);
    void drop_offer(Call& call, Leg by);
    void note_answer(Call& call, Leg by, const std::string& said, const std::string& told,
                     bool is_final);
    void note_hold(Call& call, Leg leg, std::optional<bool> holds);

    // ---- switchboard_telling.cpp
    void tell_what_waits(Call& call);
    void tell_leg(Call& call, Leg leg);
    void send_description(Call& call, Leg leg, const std::string& sdp);
    void on_telling_response(Call& call, const Passage& telling, const SharedResponse& response);
    void on_telling_answer(Call& call, Leg leg, std::string sdp);
    void fail_telling(Call& call, Leg leg, int status);
    void tell_later(Call& call, Leg leg);

    // ---- switchboard_passing.cpp
    void on_outside_request(sip::RequestArrived&& request);
    void ask_way(Passed& passed);
    void send_passed(Passed& passed, const Way& way, const RouteTo& to);
    void answer_outside(sip::TransactionId in, int status,
                        std::vector<sip::ExtraHeader> headers = {});
    bool on_passed_response(const sip::ResponseArrived& response);
    bool on_passed_silence(sip::TransactionId out, int status);
    void on_passed_time(Passed& passed);
    void forget(Passed& passed);
    bool hide_contacts(const sip::Message& request, const sip::Flow& from, bool is_inside,
                       std::vector<sip::ExtraHeader>& headers) const;
    void show_contacts(const sip::Message& response, std::vector<sip::ExtraHeader>& headers) const;
    void tell_registered(const Passed& passed, const sip::Message& response);

    // ---- switchboard_subscription.cpp
    void follow_subscription(const sip::Message& request, Way& way) const;
    void pass_as_proxy(const Passed& passed, const Way& way, sip::OutOfDialogSpec& spec) const;
    static void pass_as_proxy(const sip::Message& response, sip::ResponseSpec& spec);
    void map_references_outside(std::vector<sip::ExtraHeader>& headers) const;
    std::string record_route(const sip::Flow& place, std::size_t listener) const;

    // ---- switchboard_transfer.cpp
    void map_references(Call& call, Leg from, const sip::Message& request,
                        std::vector<sip::ExtraHeader>& headers);
    std::string map_refer_to(Call& call, Leg from, std::string_view value);
    static std::string map_event(const Call& call, Leg from, std::string_view value);
    std::optional<NamedDialog> find_named(const DialogName& name) const;
    void note_transfer(Call& call);
    void map_replaces(std::vector<sip::ExtraHeader>& headers) const;
    void follow_replaces(const sip::Message& invite, Way& way) const;
    static void note_reference(Call& call, Leg from, std::uint32_t cseq_in, std::uint32_t cseq_out);

    SwitchboardConfig config_;
    sip::Agent& agent_;
    SwitchboardHost& host_;
    base::Random& random_;
    OwnNames own_names_;
    Places places_;
    std::uint64_t secret_low_;
    std::uint64_t secret_high_;

    bool is_draining_ = false;
    base::Now now_{};
    int depth_ = 0;
    std::uint64_t last_id_ = 0;        // of calls and passed requests
    std::uint64_t last_question_ = 0;  // to the host
    std::map<std::uint64_t, std::unique_ptr<Call>> calls_;
    std::unordered_map<std::uint64_t, CallKey> by_transaction_;
    std::unordered_map<std::uint64_t, std::pair<CallKey, Leg>> by_dialog_;
    std::unordered_multimap<std::string, CallKey> by_call_id_;
    std::map<std::uint64_t, Passed> passed_;
    std::unordered_map<std::uint64_t, std::uint64_t> passed_by_out_;
    std::deque<Invitation> invitations_;
    std::deque<PlannedEnd> ends_;
    std::deque<CallKey> awake_;  // their question was answered, or they are over
    sip::TimerQueue timers_;     // tokens are ids
};

}  // namespace earshot::b2bua
