#include "loadgen/phone_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/text.h"
#include "sip/parser.h"

namespace earshot::loadgen {
namespace {

constexpr std::chrono::milliseconds kPollTime{100};  // how soon `stop` is seen
constexpr std::chrono::milliseconds kProgressTime{1000};

// RTP ports of the phones are the even ones of this range.
constexpr std::uint32_t kFirstPort = 20'000;
constexpr std::uint32_t kPairs = 6'000;

constexpr std::size_t kCaller = static_cast<std::size_t>(Phone::Caller);
constexpr std::size_t kCallee = static_cast<std::size_t>(Phone::Callee);

LegId leg_of(std::size_t call, std::size_t phone) {
    return static_cast<LegId>(call * kPhones + phone);
}
std::uint32_t video_of(LegId leg, std::size_t number) {
    return static_cast<std::uint32_t>(leg * kPhoneVideos + number);
}
ChatId chat_of(LegId leg, std::size_t number) {
    return static_cast<ChatId>(leg * kPhoneChats + number);
}

sip::AgentConfig agent_config(const PhoneRunPlan& plan, bool is_recording) {
    sip::AgentConfig config;
    for (std::size_t phone = 0; phone < kPhones; ++phone) {
        const base::NetAddress& address = plan.sip[phone];
        config.listeners.push_back(
            {plan.transport, base::to_string(address), plan.contacts[phone], !address.is_v4()});
    }
    config.product = "Earshot phone";
    // P-2 wants it in the recording session; in the call it may stand, too (P-23).
    if (is_recording) config.contact_parameters = ";+sip.src";
    return config;
}

std::optional<io::UdpPair> bind_pair(base::NetAddress host, base::Random& random) {
    const std::uint32_t first = random.u32() % kPairs;
    for (std::uint32_t i = 0; i < kPairs; ++i) {
        host.port = static_cast<std::uint16_t>(kFirstPort + 2 * ((first + i) % kPairs));
        auto pair = io::bind_udp_pair(host);
        if (pair) return *std::move(pair);
        if (pair.error().detail != EADDRINUSE) break;
    }
    return std::nullopt;
}

}  // namespace

PhoneLeg* PhoneRun::Call::leg(std::size_t phone) const {
    if (phone == kCaller) return caller.get();
    return callee.get();
}

PhoneRun::PhoneRun(const PhoneOptions& options, PhoneRunPlan plan, transport::SipLoop& loop,
                   base::Random& random, base::Log& log, const PhoneObserver& observer,
                   const std::atomic<bool>& stop)
    : options_(options),
      plan_(std::move(plan)),
      loop_(loop),
      random_(random),
      log_(log),
      observer_(observer),
      stop_(stop),
      agent_(agent_config(plan_, !options_.record_to.empty()), random) {
    calls_.reserve(options_.count);
}

void PhoneRun::run(PhoneMedia& media) {
    media_ = &media;
    started_at_ = clock_.now().steady;
    next_progress_ = started_at_ + kProgressTime;
    arm();
    loop_.run(*this);
    report_progress();
}

void PhoneRun::on_media_closed(LegId leg, LegMedia media) {
    loop_.post([this, leg, media = std::make_shared<LegMedia>(std::move(media))] {
        Call& call = calls_[leg / kPhones];
        call.media[leg % kPhones] = std::move(*media);
        close_call_when_over(call);
        settle();
    });
}

std::vector<PhoneCallResult> PhoneRun::results() const {
    std::vector<PhoneCallResult> all;
    all.reserve(calls_.size());
    for (const Call& call : calls_) {
        PhoneCallResult& result = all.emplace_back();
        for (std::size_t phone = 0; phone < kPhones; ++phone) {
            PhoneLegResult& one = result.phones[phone];
            if (const PhoneLeg* leg = call.leg(phone)) one = leg->result();
            if (!call.media[phone]) continue;
            one.sent = call.media[phone]->sent;
            one.heard = call.media[phone]->heard;
            one.recording.sent = call.media[phone]->recorded;
            if (one.heard.first_packet && call.invited[phone])
                one.first_packet = *one.heard.first_packet - *call.invited[phone];
        }
        for (std::size_t phone = 0; call.caller && call.callee && phone < kPhones; ++phone) {
            const std::uint64_t heard = result.phones[1 - phone].heard.packets;
            result.unheard[phone] =
                result.phones[phone].sent - std::min(result.phones[phone].sent, heard);
        }
        const auto& main = result.phones[call.caller ? kCaller : kCallee];
        const auto& other = result.phones[kCallee];
        const bool is_other_at_fault = main.result == "ok" && other.result == "failed";
        const PhoneLegResult& decisive = is_other_at_fault ? other : main;
        result.result = decisive.result;
        result.reason = decisive.reason;
        result.sip_status = main.sip_status;
    }
    return all;
}

void PhoneRun::add_lines(std::vector<PhoneCallResult>& results) {
    const std::vector<VideoFigures> video =
        plan_.video != nullptr ? plan_.video->stop() : std::vector<VideoFigures>{};
    if (plan_.chats != nullptr) plan_.chats->stop();
    for (std::size_t call = 0; call < results.size(); ++call) {
        for (std::size_t phone = 0; phone < kPhones; ++phone) {
            PhoneLegResult& one = results[call].phones[phone];
            if (one.result.empty()) continue;
            const LegId leg = leg_of(call, phone);
            for (std::size_t i = 0; i < kPhoneVideos && !video.empty(); ++i)
                one.video.push_back(video[video_of(leg, i)]);
            for (std::size_t i = 0; i < kPhoneChats && plan_.chats != nullptr; ++i) {
                one.chats.push_back(plan_.chats->figures(chat_of(leg, i)));
                const auto reason = fault_of(one.chats.back());
                if (!reason || results[call].result != "ok") continue;
                results[call].result = "failed";
                results[call].reason = *reason;
            }
        }
    }
}

// ---- SipLoop::Handler

void PhoneRun::on_bytes(const sip::Flow& flow, base::Bytes&& bytes) {
    sip::ParsedMessage parsed = sip::parse_message(std::move(bytes));
    if (parsed.verdict == sip::Verdict::Good) {
        agent_.on_message(clock_.now().steady, flow, std::move(parsed.message));
    } else {
        log_.warning("A message cannot be read.", {{"reason", std::string{parsed.reason}}});
    }
    settle();
}

void PhoneRun::on_broken_stream(const sip::Flow& /*flow*/, const sip::StreamEvent& event) {
    log_.warning("A stream cannot be followed.", {{"reason", std::string{event.reason}}});
}

void PhoneRun::on_flow_closed(const sip::Flow& flow) {
    agent_.on_flow_closed(clock_.now().steady, flow);
    settle();
}

void PhoneRun::on_send_failed(sip::TransactionId transaction) {
    agent_.on_send_failed(clock_.now().steady, transaction);
    settle();
}

void PhoneRun::on_deadline() {
    agent_.on_time(clock_.now().steady);
    if (stop_.load(std::memory_order_relaxed)) abort_all();
    start_due_calls();
    wake_due_legs();
    if (clock_.now().steady >= next_progress_) report_progress();
    settle();
}

// ---- PhoneHost

base::Result<sip::TransactionId> PhoneRun::start_request(LegId leg,
                                                         const sip::OutOfDialogSpec& spec) {
    const auto sent = agent_.start_request(clock_.now().steady, spec);
    if (sent) by_transaction_[sent->value] = leg;
    return sent;
}

base::Result<sip::TransactionId> PhoneRun::send_request(LegId leg, sip::DialogId dialog,
                                                        const sip::RequestSpec& spec) {
    const auto sent = agent_.send_request(clock_.now().steady, dialog, spec);
    if (sent && *sent) by_transaction_[sent->value] = leg;
    return sent;
}

base::Result<sip::DialogId> PhoneRun::respond(LegId leg, sip::TransactionId transaction,
                                              const sip::ResponseSpec& spec) {
    const auto dialog = agent_.respond(clock_.now().steady, transaction, spec);
    if (dialog && *dialog) by_dialog_[dialog->value] = leg;
    return dialog;
}

void PhoneRun::acknowledge(sip::DialogId dialog, const sip::RequestSpec& spec) {
    static_cast<void>(agent_.ack(clock_.now().steady, dialog, spec));
}

void PhoneRun::cancel(sip::TransactionId invite) {
    static_cast<void>(agent_.cancel(clock_.now().steady, invite));
}

void PhoneRun::set_media(LegId leg, const PhonePlan& plan) {
    check(media_->set_plan(leg, plan));
    for (std::size_t i = 0; i < kPhoneVideos; ++i)
        if (const auto& video = plan.video.at(i))
            check(plan_.video->set_plan(video_of(leg, i), *video));
    for (std::size_t i = 0; i < kPhoneChats; ++i)
        if (const auto& chat = plan.chats.at(i)) plan_.chats->set_plan(chat_of(leg, i), *chat);
}

void PhoneRun::close_lines(LegId leg) {
    VideoPlan ended;
    ended.has_ended = true;
    for (std::size_t i = 0; i < kPhoneVideos && plan_.video != nullptr; ++i)
        check(plan_.video->set_plan(video_of(leg, i), ended));
    for (std::size_t i = 0; i < kPhoneChats && plan_.chats != nullptr; ++i)
        plan_.chats->finish(chat_of(leg, i));
}

void PhoneRun::play_digits(LegId leg, const std::string& digits) {
    check(media_->play_digits(leg, digits));
}

void PhoneRun::fall_silent(LegId leg) {
    const std::size_t call = leg / kPhones;
    for (std::size_t phone = 0; phone < kPhones; ++phone)
        if (calls_[call].leg(phone) != nullptr) check(media_->fall_silent(leg_of(call, phone)));
}

void PhoneRun::on_record_change(LegId leg, const RecordNotice& notice) {
    if (options_.is_aware && observer_.on_record_change)
        observer_.on_record_change(leg / kPhones, static_cast<Phone>(leg % kPhones), notice);
}

void PhoneRun::end_dialog(sip::DialogId dialog) { agent_.end_dialog(clock_.now().steady, dialog); }

void PhoneRun::authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                            const base::NetAddress& host, std::vector<sip::ExtraHeader> of_invite) {
    agent_.authenticate_as(dialog, credentials, host, std::move(of_invite));
}

std::optional<std::array<base::NetAddress, kParties>> PhoneRun::open_recording(LegId leg) {
    auto ours = bind_pair(plan_.sip[kCaller], random_);
    auto theirs = bind_pair(plan_.sip[kCaller], random_);
    if (!ours || !theirs) return std::nullopt;
    const std::array<base::NetAddress, kParties> addresses{ours->rtp.local_address(),
                                                           theirs->rtp.local_address()};
    const auto start = [this](const base::NetAddress& address) {
        RecordedStream::Start values;
        values.ssrc = random_.u32();
        values.sequence = static_cast<std::uint16_t>(random_.u32());
        values.timestamp = random_.u32();
        values.cname = random_.token(6) + "@" + base::host_to_string(address);
        return values;
    };
    check(media_->open_recording(
        leg, {{*std::move(ours), *std::move(theirs)}, {start(addresses[0]), start(addresses[1])}}));
    return addresses;
}

void PhoneRun::set_recording(LegId leg, const MediaPlan& plan) {
    check(media_->set_recording(leg, plan));
}

void PhoneRun::stop_recording(LegId leg) { check(media_->stop_recording(leg)); }

void PhoneRun::check(bool was_taken) {
    if (was_taken) return;
    log_.error("The thread of the media does not keep up; the run is ended.");
    loop_.stop();
}

// ---- calls

template <class Function>
void PhoneRun::with_leg(LegId leg, Function&& function) {
    PhoneLeg* it = calls_[leg / kPhones].leg(leg % kPhones);
    if (it == nullptr || it->is_done()) return;
    function(*it, clock_.now());
    it->settle(clock_.now());
    touch(leg);
}

// Keeps timers and counts true after anything happened to a leg.
void PhoneRun::touch(LegId leg) {
    Call& call = calls_[leg / kPhones];
    const std::size_t phone = leg % kPhones;
    const PhoneLeg& it = *call.leg(phone);
    if (it.is_done() && !std::exchange(call.is_closing[phone], true)) {
        check(media_->close(leg));
        close_lines(leg);
        const LegId other = leg_of(leg / kPhones, kCallee);
        if (phone == kCaller)
            with_leg(other, [](PhoneLeg& callee, base::Now now) {
                static_cast<CalleeLeg&>(callee).on_caller_done(now);
            });
    }
    const auto deadline = it.deadline();
    if (deadline && deadline != call.armed[phone]) timers_.push({*deadline, leg});
    call.armed[phone] = deadline;
}

// Over is a call both of whose ends are done and have told what they heard.
void PhoneRun::close_call_when_over(Call& call) {
    for (std::size_t phone = 0; phone < kPhones; ++phone)
        if (call.leg(phone) != nullptr && !call.media[phone]) return;
    if (std::exchange(call.is_over, true)) return;
    ++counts_.ended;
    const PhoneLeg& main = *call.leg(call.caller ? kCaller : kCallee);
    if (main.was_answered()) ++counts_.answered;
}

bool PhoneRun::has_all_calls() const { return is_aborted_ || calls_.size() == options_.count; }

base::TimePoint PhoneRun::start_of(std::size_t index) const {
    const std::chrono::duration<double> after{static_cast<double>(index) / options_.rate};
    return started_at_ + std::chrono::duration_cast<base::TimePoint::duration>(after);
}

void PhoneRun::start_due_calls() {
    if (options_.is_answering_only) return;
    const base::Now now = clock_.now();
    while (!has_all_calls() && now.steady >= start_of(calls_.size())) start_call(now);
}

void PhoneRun::start_call(base::Now now) {
    const LegId leg = leg_of(calls_.size(), kCaller);
    CallerSetup setup;
    setup.request_uri = plan_.request_uri;
    setup.from = options_.is_conference ? participant(calls_.size()) : plan_.parties[kCaller];
    setup.to = plan_.parties[kCallee];
    setup.call_id = random_.token(16) + "@" + base::host_to_string(plan_.sip[kCaller]);
    setup.flow = {plan_.transport, static_cast<std::uint16_t>(kCaller), 0, plan_.target};
    setup.cnonce = random_.token(8);
    setup.recorder_flow = {plan_.transport, static_cast<std::uint16_t>(kCaller), 0, plan_.recorder};
    setup.random = &random_;
    Call& call = calls_.emplace_back();
    ++counts_.started;
    const auto rtp = open_media(leg, now.wall);
    call.caller = std::make_unique<CallerLeg>(
        leg, options_, new_sdp(leg, rtp.value_or(plan_.target)), *this, std::move(setup));
    with_leg(leg, [&rtp](PhoneLeg& it, base::Now at) {
        if (rtp) {
            static_cast<CallerLeg&>(it).start(at);
        } else {
            it.end({"no_media_ports", "No UDP ports are left for media."});
        }
    });
}

std::optional<base::NetAddress> PhoneRun::open_media(LegId leg, base::WallTime now) {
    const std::size_t phone = leg % kPhones;
    calls_[leg / kPhones].invited[phone] = now;
    auto pair = bind_pair(plan_.sip[phone], random_);
    if (!pair) return std::nullopt;
    const base::NetAddress rtp = pair->rtp.local_address();
    RtpStream::Start start;
    start.ssrc = random_.u32();
    start.sequence = static_cast<std::uint16_t>(random_.u32());
    start.timestamp = random_.u32();
    start.cname = random_.token(6) + "@" + base::host_to_string(rtp);
    start.call = static_cast<std::uint32_t>(leg / kPhones);
    start.stream = static_cast<std::uint32_t>(phone);
    start.has_keyed_payload = options_.keyed_payload;
    PhoneReceiver::Settings hears;
    hears.call = start.call;
    hears.stream = static_cast<std::uint32_t>(1 - phone);
    hears.has_keyed_payload = options_.keyed_payload;
    hears.keeps_sound = !(phone == kCaller ? options_.heard_a : options_.heard_b).empty();
    const Voice* voice = plan_.speakers.empty() ? plan_.voices[phone] : plan_.speakers[start.call];
    check(media_->open(leg, {*std::move(pair), std::move(start), voice, hears}));
    return rtp;
}

PhoneSdp PhoneRun::new_sdp(LegId leg, const base::NetAddress& rtp) {
    // Some parsers take o= for a signed number.
    return PhoneSdp{rtp, random_.u64() >> 2U, new_lines(leg)};
}

std::string PhoneRun::participant(std::size_t call) const {
    return fmt::format("\"Speaker {0}\" <sip:speaker{0}@example.test>", call + 1);
}

PhoneLines PhoneRun::new_lines(LegId leg) {
    const std::size_t phone = leg % kPhones;
    // Of a conference the first one presents.
    const bool presents =
        options_.share && phone == kCaller && (!options_.is_conference || leg / kPhones == 0);
    PhoneLines lines;
    lines.has_audio = options_.has_audio;
    if (plan_.video != nullptr) {
        lines.video.at(kCamera) = {.rtp = plan_.video->rtp_address(video_of(leg, kCamera)),
                                   .has_source = options_.video};
        lines.video.at(kShared) = {.rtp = plan_.video->rtp_address(video_of(leg, kShared)),
                                   .has_source = presents};
        // In a conference who has no line for it sees nothing of it.
        lines.video.at(kShared)->is_offered = options_.share && options_.is_conference;
        if (presents || options_.is_conference) lines.video.at(kShared)->sharing = options_.share;
    }
    if (plan_.chats == nullptr) return lines;
    lines.chats.at(kDialogue) = new_chat(leg, kDialogue, acts_of(leg));
    lines.chats.at(kDialogue)->is_offered = options_.chat.has_chat;
    const bool hands_over = plan_.chat.file && phone == kCaller;
    std::vector<ChatAct> acts;
    if (hands_over) acts.push_back(file_act(*plan_.chat.file, plan_.parties));
    lines.chats.at(kFile) = new_chat(leg, kFile, std::move(acts));
    if (hands_over) {
        lines.chats.at(kFile)->is_offered = true;
        lines.chats.at(kFile)->line.file = plan_.chat.file;
        lines.chats.at(kFile)->line.file_transfer_id = random_.token(16);
    }
    return lines;
}

std::vector<ChatAct> PhoneRun::acts_of(LegId leg) const {
    if (!options_.is_conference)
        return dialogue_acts_of(leg % kPhones, plan_.chat.lines, plan_.parties, options_.duration);
    if (!options_.chat.has_chat) return {};
    std::vector<std::string> participants;
    for (std::size_t i = 0; i < options_.count; ++i) participants.push_back(participant(i));
    return room_acts(leg / kPhones, participants, plan_.parties[kCallee], options_.duration);
}

PhoneLines::Chat PhoneRun::new_chat(LegId leg, std::size_t number, std::vector<ChatAct> acts) {
    PhoneLines::Chat chat;
    chat.line.at = plan_.chats->address(leg % kPhones);
    chat.line.own = new_chat_uri(chat.line.at, plan_.has_secure_chats, random_);
    chat.line.is_room = options_.is_conference;
    plan_.chats->open(chat_of(leg, number), {.own = chat.line.own, .acts = std::move(acts)});
    return chat;
}

// By the header of our caller. What is between the phones may have dropped it: then it is the
// oldest call that still waits for its callee.
std::optional<std::size_t> PhoneRun::call_of(const sip::Message& invite) {
    if (const auto value = invite.find(kCallNumberHeader)) {
        const auto number = base::parse_number<std::uint32_t>(*value);
        return number && *number < calls_.size() ? std::optional<std::size_t>{*number}
                                                 : std::nullopt;
    }
    const auto waits = [](const Call& call) { return !call.is_over && !call.callee; };
    while (first_waiting_ < calls_.size() && !waits(calls_[first_waiting_])) ++first_waiting_;
    return first_waiting_ < calls_.size() ? std::optional{first_waiting_} : std::nullopt;
}

void PhoneRun::on_new_invite(sip::RequestArrived& invite) {
    std::optional<std::size_t> index;
    if (!options_.is_answering_only) {
        index = call_of(invite.message);
    } else if (!has_all_calls()) {
        index = calls_.size();
        calls_.emplace_back();
        ++counts_.started;
    }
    if (!index || calls_[*index].is_over) {
        refuse(invite.transaction, 480);
        return;
    }
    if (calls_[*index].callee) {
        refuse(invite.transaction, 486);
        return;
    }
    const LegId leg = leg_of(*index, kCallee);
    const auto rtp = open_media(leg, clock_.now().wall);
    calls_[*index].callee = std::make_unique<CalleeLeg>(
        leg, options_, new_sdp(leg, rtp.value_or(plan_.sip[kCallee])), *this);
    by_transaction_[invite.transaction.value] = leg;
    with_leg(leg, [this, &rtp, &invite](PhoneLeg& it, base::Now now) {
        if (rtp) {
            static_cast<CalleeLeg&>(it).on_invite(now, invite);
        } else {
            refuse(invite.transaction, 503);
            it.end({"no_media_ports", "No UDP ports are left for media."});
        }
    });
}

void PhoneRun::refuse(sip::TransactionId transaction, int status) {
    static_cast<void>(agent_.respond(clock_.now().steady, transaction, {status, {}, {}, {}, {}}));
}

void PhoneRun::wake_due_legs() {
    const base::TimePoint now = clock_.now().steady;
    while (!timers_.empty() && timers_.top().when <= now) {
        const Timer timer = timers_.top();
        timers_.pop();
        auto& armed = calls_[timer.leg / kPhones].armed[timer.leg % kPhones];
        if (armed != timer.when) continue;  // it has changed since
        armed.reset();
        with_leg(timer.leg, [](PhoneLeg& leg, base::Now at) { leg.on_time(at); });
    }
}

void PhoneRun::abort_all() {
    if (std::exchange(is_aborted_, true)) return;
    for (std::size_t call = 0; call < calls_.size(); ++call)
        with_leg(leg_of(call, calls_[call].caller ? kCaller : kCallee),
                 [](PhoneLeg& leg, base::Now now) { leg.abort(now); });
}

// Carries out what the agent wants, which may make it want more; then sets the alarm clock.
void PhoneRun::settle() {
    while (auto action = agent_.poll_action()) std::visit([this](auto& it) { obey(it); }, *action);
    if (has_all_calls() && counts_.ended == calls_.size()) {
        loop_.stop();
        return;
    }
    arm();
}

void PhoneRun::arm() {
    base::TimePoint when = clock_.now().steady + kPollTime;
    if (!has_all_calls() && !options_.is_answering_only)
        when = std::min(when, start_of(calls_.size()));
    if (!timers_.empty()) when = std::min(when, timers_.top().when);
    if (const auto deadline = agent_.deadline()) when = std::min(when, *deadline);
    loop_.set_deadline(when);
}

void PhoneRun::report_progress() {
    next_progress_ = clock_.now().steady + kProgressTime;
    if (!observer_.on_progress) return;
    CallProgress progress = counts_;
    progress.packets_sent = media_->packets_sent();
    for (const Call& call : calls_) {
        const PhoneLeg* main = call.leg(call.caller ? kCaller : kCallee);
        if (!call.is_over && main->was_answered()) ++progress.answered;
    }
    observer_.on_progress(progress);
}

// ---- what the agent says

// The leg that an action concerns; a dialog is known from the response that made it.
std::optional<LegId> PhoneRun::find(sip::TransactionId transaction, sip::DialogId dialog) const {
    if (const auto it = by_transaction_.find(transaction.value); it != by_transaction_.end())
        return it->second;
    if (const auto it = by_dialog_.find(dialog.value); it != by_dialog_.end()) return it->second;
    return std::nullopt;
}

void PhoneRun::obey(sip::SendBytes& action) {
    loop_.send(action.flow, std::move(action.bytes), action.transaction, action.tls_name);
}

void PhoneRun::obey(sip::RequestArrived& action) {
    const bool is_callee = action.flow.listener == kCallee;
    const sip::Method method = action.message.method();
    if (const auto leg = find({}, action.dialog)) {
        const PhoneLeg* it = calls_[*leg / kPhones].leg(*leg % kPhones);
        if (!it->is_done()) {
            with_leg(*leg,
                     [&action](PhoneLeg& phone, base::Now now) { phone.on_request(now, action); });
        } else {
            refuse(action.transaction, 481);
        }
    } else if (method == sip::Method::Invite && is_callee && options_.to.empty()) {
        on_new_invite(action);
    } else if (method == sip::Method::Options) {
        refuse(action.transaction, 200);
    } else {
        refuse(action.transaction, method == sip::Method::Invite ? 480 : 481);
    }
}

void PhoneRun::obey(sip::InviteRefused& /*action*/) {}

void PhoneRun::obey(sip::CancelArrived& action) {
    if (const auto leg = find(action.invite, action.dialog))
        with_leg(*leg, [](PhoneLeg& it, base::Now) { it.on_cancel(); });
}

void PhoneRun::obey(sip::AckArrived& action) {
    if (const auto leg = find({}, action.dialog))
        with_leg(*leg, [&action](PhoneLeg& it, base::Now now) { it.on_ack(now, action); });
}

void PhoneRun::obey(sip::NoAck& action) {
    if (const auto leg = find({}, action.dialog))
        with_leg(*leg, [&action](PhoneLeg& it, base::Now) { it.on_no_ack(action); });
}

void PhoneRun::obey(sip::ResponseArrived& action) {
    const auto leg = find(action.transaction, action.dialog);
    if (!leg) return;
    if (action.dialog) by_dialog_[action.dialog.value] = *leg;
    with_leg(*leg, [&action](PhoneLeg& it, base::Now now) { it.on_response(now, action); });
    // A 2xx to INVITE may come again from another branch: that entry stays for the run.
    const bool is_invite = action.message.cseq_method() == sip::Method::Invite;
    if (action.is_final && !is_invite) by_transaction_.erase(action.transaction.value);
}

void PhoneRun::obey(sip::TransactionTimedOut& action) { on_failure(action.transaction, true); }
void PhoneRun::obey(sip::TransportFailed& action) { on_failure(action.transaction, false); }

void PhoneRun::obey(sip::LocateTarget& action) {
    const sip::TransactionId transaction = action.transaction;
    loop_.locate(action.uri, random_, [this, transaction](std::vector<sip::Target> targets) {
        agent_.on_located(clock_.now().steady, transaction, std::move(targets));
        settle();
    });
}

void PhoneRun::obey(sip::DialogEnded& action) {
    const auto leg = find({}, action.dialog);
    if (!leg) return;
    by_dialog_.erase(action.dialog.value);
    with_leg(*leg,
             [&action](PhoneLeg& it, base::Now now) { it.on_dialog_ended(now, action.dialog); });
}

void PhoneRun::on_failure(sip::TransactionId transaction, bool is_timeout) {
    if (const auto leg = find(transaction, {}))
        with_leg(*leg,
                 [&](PhoneLeg& it, base::Now now) { it.on_failure(now, transaction, is_timeout); });
}

}  // namespace earshot::loadgen
