// A recording server that is lost while it records, and the next one instead: the same ids, all of
// the metadata, the offer of now.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "siprec/client_bodies.h"
#include "siprec/limits.h"
#include "siprec/recording_client_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {

using base::Reason;

// ---- how a loss is noticed ----------------------------------------------------------------------

RecordingClientSession::Core::Loss RecordingClientSession::Core::silence(std::string text) {
    return {.reason = {"session_lost", std::move(text)},
            .parting = Loss::Parting::SayBye,
            .is_dead = true,
            .may_return = true};
}

// A 481 says that there is nobody to say BYE to.
RecordingClientSession::Core::Loss::Parting RecordingClientSession::Core::parting_after(
    int status) {
    constexpr int kNoSuchDialog = 481;
    return status == kNoSuchDialog ? Loss::Parting::Forget : Loss::Parting::SayBye;
}

void RecordingClientSession::Core::on_media_lost(base::Now now, MediaLoss how, Reason reason) {
    if (state_ != State::Running) return;
    if (reason.code.empty()) reason = {"media_lost", "The server takes no media any more."};
    lose(now, {.reason = std::move(reason),
               .parting = Loss::Parting::SayBye,
               .is_dead = how == MediaLoss::ServerDead,
               .is_own_fault = how == MediaLoss::OwnFault,
               .may_return = true});
}

// A request under way is as good; it is only not waited for so long any more.
void RecordingClientSession::Core::probe(base::Now now) {
    if (state_ != State::Running || retry_at_ || !ok_offer_.empty()) return;
    if (!pending_) send_refresh(now);
    if (pending_ && !silent_until_) silent_until_ = now.steady + settings_.silence_time;
}

// ---- what is done about it ----------------------------------------------------------------------

void RecordingClientSession::Core::lose(base::Now now, Loss loss) {
    if (state_ == State::Running) {
        const bool is_short = now.steady - accepted_at_ < kShortRecording;
        if (is_short) banned_.insert(server_);
        loss.may_return = loss.may_return && !is_short;
        const bool has_other = !ring_after(server_, loss.may_return).empty();
        if (has_other && failovers_ < kMaxFailovers) return fail_over(now, std::move(loss));
        host_.stop_fork();
    }
    if (loss.parting == Loss::Parting::SayBye) hang_up(dialog_);
    if (loss.parting == Loss::Parting::Forget) host_.end_dialog(dialog_);
    // What the user wanted counts, if it said why.
    const bool is_told = state_ == State::Closing && !reason_.code.empty();
    end(now, is_told ? reason_ : std::move(loss.reason), loss.is_dead, loss.is_own_fault);
}

void RecordingClientSession::Core::fail_over(base::Now now, Loss loss) {
    host_.lose_fork();
    if (loss.parting == Loss::Parting::SayBye) hang_up(dialog_);
    if (loss.parting == Loss::Parting::Forget) host_.end_dialog(dialog_);
    forget_dialog();
    state_ = State::Inviting;
    is_recorded_ = false;
    lost_at_ = now.steady;
    lost_server_ = server_;
    lost_uri_ = uri_;
    lost_reason_ = loss.reason;
    may_lost_return_ = loss.may_return;
    reason_ = loss.reason;
    round_delay_ = kFirstRoundDelay;
    ClientEvent event = make_event(ClientEvent::Kind::Stop, 0, std::move(loss.reason));
    event.is_server_dead = loss.is_dead;
    event.is_own_fault = loss.is_own_fault;
    host_.on_event(event);
    candidates_ = ring_after(lost_server_, may_lost_return_);
    ask_server(now);
}

// What was between us and that server alone. Lines that it removed (P-43) are offered to the next.
void RecordingClientSession::Core::forget_dialog() {
    dialog_ = {};
    pending_.reset();
    user_requests_.clear();
    ok_offer_.clear();
    answer_text_.clear();
    media_ = {};
    told_ = {};
    told_content_.clear();
    last_content_.clear();
    sdp_version_ = 0;
    dropped_.clear();
    told_faults_.clear();
    silent_until_.reset();
    retry_at_.reset();
    snapshot_at_.reset();
    ack_by_.reset();
    tries_ = 0;
    is_snapshot_due_ = false;
    is_snapshot_wanted_ = false;
    is_fork_held_ = false;
}

// The servers in their order, beginning after that one; it is the last, if it is among them.
std::vector<std::string> RecordingClientSession::Core::ring_after(std::string_view server,
                                                                  bool with_it) const {
    std::vector<std::string> ring;
    if (!settings_.fails_over) return ring;
    const auto& all = settings_.servers;
    const auto at = std::find(all.begin(), all.end(), server);
    const auto add = [&](const std::string& one) {
        if (one != server && !banned_.contains(one)) ring.push_back(one);
    };
    if (at != all.end()) std::for_each(at + 1, all.end(), add);
    std::for_each(all.begin(), at, add);
    if (with_it && at != all.end() && !banned_.contains(*at)) ring.push_back(*at);
    return ring;
}

// All have been asked. One of them may just be starting again.
void RecordingClientSession::Core::on_round_over(base::Now now) {
    if (!lost_at_ || now.steady + round_delay_ >= *lost_at_ + settings_.failover_time)
        return give_up(now);
    round_at_ = now.steady + round_delay_;
    round_delay_ = std::min(2 * round_delay_, kMaxRoundDelay);
}

// With others to be asked meanwhile, none is waited for as if it were the last. A single one is:
// our INVITE is sent again and again, and may meet it when it is back.
bool RecordingClientSession::Core::has_further_round(base::Now now) const {
    return lost_at_ && ring_after(lost_server_, may_lost_return_).size() > 1 &&
           now.steady + settings_.silence_time + round_delay_ < *lost_at_ + settings_.failover_time;
}

void RecordingClientSession::Core::begin_round(base::Now now) {
    candidates_ = ring_after(lost_server_, may_lost_return_);
    ask_server(now);
}

}  // namespace earshot::siprec
