#include "client/attendance.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/text.h"
#include "client/attendance_chat.h"
#include "client/attendance_sdp.h"
#include "client/call_keys.h"
#include "client/indication.h"
#include "client/instance_plan.h"
#include "client/limits.h"
#include "mime/media_type.h"
#include "mime/same_user.h"
#include "msrp/uri.h"
#include "sdp/session_description.h"
#include "sip/digest_credentials.h"
#include "siprec/record_awareness.h"

namespace earshot::client {

using base::Reason;
using base::Result;
using sip::HeaderId;

namespace {

constexpr std::size_t kTokenBytes = 12;
constexpr std::string_view kAllow = "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, INFO, NOTIFY";

bool is_challenge(int status) { return status == 401 || status == 407; }

bool goes_by_tls(std::string_view uri) {
    const auto parsed = sip::parse_uri(uri);
    return parsed && (parsed->scheme == sip::UriScheme::Sips ||
                      base::iequals(parsed->param("transport").value_or(""), "tls"));
}

// Why nobody answers our INVITE; null: it went, and came to nothing.
Reason failure_of(const sip::TransportFailed* failed, const std::string& next) {
    using Lookup = sip::TransportFailed::Lookup;
    if (failed == nullptr) return {"refused", "The conference does not answer."};
    if (failed->lookup == Lookup::NothingFound)
        return {"host_unknown", fmt::format("No address is known of {}: its host has none in the "
                                            "DNS, or does not take calls in that way.",
                                            next)};
    if (failed->lookup == Lookup::TimedOut)
        return {"host_unknown",
                fmt::format("The DNS has not told the address of {} in time.", next)};
    return {"unreachable", fmt::format("{} cannot be reached.", next)};
}

// That are there beside us and the focus. We are one of those of our address, not all of them.
std::size_t others_in(const CsConference& conference, std::string_view own) {
    std::size_t others = conference.left_out;
    bool has_us = false;
    for (const CsMember& one : conference.members) {
        const conference::Member& member = one.member;
        if (!member.is_present || mime::is_same_user(member.key.user, conference.uri)) continue;
        const auto is_ours = [&](std::string_view uri) { return mime::is_same_user(uri, own); };
        if (!has_us && (is_ours(member.key.user) ||
                        std::any_of(member.aors.begin(), member.aors.end(), is_ours)))
            has_us = true;
        else
            ++others;
    }
    return others;
}

std::string sdp_of(const sip::Message& message) {
    const std::string_view type = message.find(HeaderId::ContentType).value_or("");
    return base::istarts_with(base::trim(type), "application/sdp")
               ? std::string(base::as_text(message.body()))
               : std::string{};
}

}  // namespace

struct AttendanceDesk::Attended {
    std::uint64_t key = 0;
    AttendWish wish;
    policy::RecordingPlan plan;
    CsRecord cs;
    base::WallTime begun{};
    base::TimePoint ends{};
    std::string from;  // name-addr
    std::string call_id;
    std::string from_tag;
    std::uint64_t sdp_session = 0;
    std::uint64_t sdp_version = 1;
    std::string told_sdp;  // that the focus was told last, with a=record
    std::uint32_t cseq = 0;
    bool has_authenticated = false;
    sip::TransactionId invite{};  // while it has no final answer
    sip::DialogId dialog{};
    bool is_answered = false;
    bool is_focus = false;
    bool knows_record = false;      // the focus claims to understand a=record
    bool waits_for_answer = false;  // of our offer in a 2xx
    bool is_over = false;
    bool has_audio = false;  // agreed now
    // What those who chat have read of it; Absent: nothing.
    sdp::RecordState told_in_chat = sdp::RecordState::Absent;
    bool had_others = false;  // in the conference, by its roster
    std::optional<base::TimePoint> alone_since;
    Prepared prepared;                     // once a relay has let us in, or not
    std::unique_ptr<AttendanceChat> chat;  // null: none is wished, or can be had
    StartDone done;                        // until it is known what became of it
    std::unique_ptr<Recording> recording;
};

AttendanceDesk::AttendanceDesk(const ClientConfig& config, Dependencies dependencies)
    : config_(config), d_(std::move(dependencies)), last_key_(kAttendanceKeys) {}

AttendanceDesk::~AttendanceDesk() = default;

AttendanceDesk::Attended* AttendanceDesk::find(std::uint64_t key) const {
    const auto found = attended_.find(key);
    return found == attended_.end() ? nullptr : found->second.get();
}

void AttendanceDesk::tell(base::Now now, const Attended& one, std::string kind, Reason reason,
                          int status) {
    d_.events.tell({.kind = std::move(kind),
                    .at = now.wall,
                    .call = one.key,
                    .call_id = one.call_id,
                    .session_id = base::to_base64(one.cs.session_id),
                    .server = one.wish.uri,
                    .instance = one.plan.instance,
                    .status = status,
                    .reason = std::move(reason)});
}

void AttendanceDesk::settle(Attended& one, std::optional<Reason> failure) {
    const StartDone done = std::exchange(one.done, nullptr);
    if (!done) return;
    if (failure) return done(*std::move(failure));
    done(std::to_string(one.key));
}

// ---- the call -----------------------------------------------------------------------------------

void AttendanceDesk::start(base::Now now, AttendWish wish, StartDone done) {
    const auto uri = sip::parse_uri(wish.uri);
    if (!uri || !uri->is_sip())
        return done(Reason{"bad_request", "uri must be a SIP URI of a conference."});
    const auto same = std::find_if(attended_.begin(), attended_.end(), [&](const auto& item) {
        const AttendWish& known = item.second->wish;
        const auto other = sip::parse_uri(known.uri);
        return !item.second->is_over && mime::is_same_user(known.uri, wish.uri) && other &&
               other->port == uri->port;
    });
    if (same != attended_.end() && !wish.is_again)
        return done(Reason{"already_attended",
                           fmt::format("That conference is attended already, as {}: what is heard "
                                       "there would be recorded twice. Say \"again\" where that "
                                       "is meant.",
                                       same->first)});
    if (attended_.size() >= kMaxAttendances)
        return done(Reason{"too_many_recordings",
                           fmt::format("{} conferences are attended already.", attended_.size())});
    auto made = std::make_unique<Attended>();
    Attended& one = *made;
    one.call_id = d_.random.token(kTokenBytes);
    one.from_tag = d_.random.token(kTokenBytes);
    const std::string own = wish.identity.empty() ? "sip:recorder@" + d_.host : wish.identity;
    const std::string name = wish.name.empty() ? "Recorder" : wish.name;
    auto plan = plan_instance(config_, wish.instance, wish.servers,
                              {.call_id = one.call_id,
                               .from = {.uri = own, .name = name},
                               .to = {.uri = wish.uri, .name = {}},
                               .request_uri = wish.uri,
                               .time = now.wall});
    if (!plan) return done(plan.error());
    one.key = ++last_key_;
    one.plan = *std::move(plan);
    one.begun = now.wall;
    one.ends = now.steady + (wish.longest.count() > 0 ? wish.longest : kLongestAttendance);
    one.from = fmt::format("\"{}\" <{}>", name, own);
    one.sdp_session = d_.random.u64() >> 1U;
    one.cs = CsRecord{.session_id = base::make_uuid_v4(d_.random),
                      .installation = d_.installation,
                      .call_id = one.call_id,
                      .session_ids = one.call_id,
                      .start = now.wall};
    add_party(one.cs, {.leg = relay::Leg::A,
                       .names = {{.aor = own, .name = name, .language = {}}},
                       .joined = now.wall});
    add_party(one.cs, {.leg = relay::Leg::B,
                       .names = {{.aor = wish.uri, .name = {}, .language = {}}},
                       .joined = now.wall});
    one.cs.participant_space = one.cs.session_id;
    one.wish = std::move(wish);
    one.done = std::move(done);
    const std::uint64_t key = one.key;
    attended_.emplace(key, std::move(made));
    make_chat(now, one);
    if (one.chat == nullptr) return offer(now, one);
    begin_chat(one, media_lines(one.wish), one.chat->is_secure_call(),
               [this, key](std::optional<Reason> fault) {
                   Attended* asked = find(key);
                   if (asked == nullptr || asked->is_over) return;
                   const base::Now then = d_.clock.now();
                   if (fault) tell(then, *asked, "chat_not_recorded", *std::move(fault));
                   offer(then, *asked);
               });
}

void AttendanceDesk::offer(base::Now now, Attended& one) {
    const std::uint64_t key = one.key;
    const bool has_chat = one.chat != nullptr && one.chat->state() == "offered";
    if (media_lines(one.wish) == 0 && !has_chat)
        return end(now, one, {"not_ready", "There is nothing that could be recorded."}, false);
    const std::string offer = own_offer(one.wish, has_chat, d_.is_ipv6, one.sdp_session);
    d_.plane.offer({key}, {.from = relay::Leg::A, .text = offer},
                   [this, key](const Result<std::string, Reason>& mapped) {
                       Attended* asked = find(key);
                       if (asked == nullptr || asked->is_over) return;
                       const base::Now then = d_.clock.now();
                       if (!mapped)
                           return end(then, *asked, {"not_ready", mapped.error().text}, false);
                       asked->told_sdp = told(*asked, *mapped, true);
                       invite(then, *asked, asked->told_sdp, {});
                   });
}

void AttendanceDesk::invite(base::Now now, Attended& one, std::string sdp,
                            std::vector<sip::ExtraHeader> credentials) {
    sip::OutOfDialogSpec spec;
    spec.request_uri = one.wish.uri;
    spec.from = one.from;
    spec.to = "<" + one.wish.uri + ">";
    spec.call_id = one.call_id;
    spec.from_tag = one.from_tag;
    spec.cseq = ++one.cseq;
    spec.headers = std::move(credentials);
    spec.headers.push_back({"Allow", std::string(kAllow)});
    spec.headers.push_back({"Supported", std::string(siprec::kRecordAware)});
    spec.headers.push_back({"Allow-Events", "conference"});
    spec.content_type = "application/sdp";
    spec.body = std::move(sdp);
    spec.next_hop = config_.next_hop;
    const auto started = d_.agent.start_request(now.steady, spec);
    if (!started) return end(now, one, {"not_ready", std::string(started.error().what)}, false);
    one.invite = *started;
    of_transaction_[started->value] = one.key;
}

bool AttendanceDesk::take(base::Now now, sip::Action& action) {
    const auto [transaction, dialog] = std::visit(
        [](const auto& it) {
            std::pair<sip::TransactionId, sip::DialogId> ids;
            if constexpr (requires { it.transaction; }) ids.first = it.transaction;
            if constexpr (requires { it.dialog; }) ids.second = it.dialog;
            return ids;
        },
        action);
    auto owner = of_transaction_.find(transaction.value);
    if (!transaction || owner == of_transaction_.end()) {
        owner = of_dialog_.find(dialog.value);
        if (!dialog || owner == of_dialog_.end()) return false;
    }
    Attended* one = find(owner->second);
    if (one == nullptr) return true;
    if (auto* response = std::get_if<sip::ResponseArrived>(&action)) {
        on_response(now, *one, *response);
    } else if (auto* request = std::get_if<sip::RequestArrived>(&action)) {
        on_request(now, *one, *request);
    } else if (auto* ack = std::get_if<sip::AckArrived>(&action)) {
        if (std::exchange(one->waits_for_answer, false))
            d_.plane.answer(
                {one->key},
                {.from = relay::Leg::B,
                 .text = take_chat(now, *one, base::as_text(ack->message.body()), true)},
                [](const auto&) {});
    } else if (std::holds_alternative<sip::TransactionTimedOut>(action) ||
               std::holds_alternative<sip::TransportFailed>(action)) {
        of_transaction_.erase(transaction.value);
        if (transaction == one->invite) {
            one->invite = {};
            const auto* failed = std::get_if<sip::TransportFailed>(&action);
            end(now, *one,
                failure_of(failed, config_.next_hop.empty() ? one->wish.uri : config_.next_hop),
                false);
        }
    } else if (std::holds_alternative<sip::NoAck>(action)) {
        end(now, *one, {"no_ack", "The focus did not acknowledge our answer."}, true);
    } else if (std::holds_alternative<sip::DialogEnded>(action)) {
        of_dialog_.erase(dialog.value);
        if (one->dialog != dialog) return true;  // of another branch of a forked INVITE
        one->dialog = {};
        end(now, *one, {"ended", "The call to the conference is over."}, false);
    }
    return true;
}

void AttendanceDesk::on_response(base::Now now, Attended& one, sip::ResponseArrived& response) {
    const bool is_of_invite = response.transaction == one.invite && !one.is_answered;
    const int status = response.message.status();
    if (response.dialog && !of_dialog_.contains(response.dialog.value))
        of_dialog_[response.dialog.value] = one.key;
    if (status < 200) return;
    const bool is_success = status < 300;
    if (is_success && response.message.cseq_method() == sip::Method::Invite) {
        (void)d_.agent.ack(now.steady, response.dialog, {});
        if (one.is_over || one.is_answered) {  // it crossed our CANCEL, or the INVITE was forked
            one.invite = {};
            if (response.dialog != one.dialog || one.is_over)
                (void)d_.agent.send_request(now.steady, response.dialog, {.method = "BYE"});
            return;
        }
        return on_accepted(now, one, response);
    }
    of_transaction_.erase(response.transaction.value);
    if (is_of_invite) on_refused(now, one, response);
}

void AttendanceDesk::on_refused(base::Now now, Attended& one,
                                const sip::ResponseArrived& response) {
    one.invite = {};
    if (one.is_over) return;
    const int status = response.message.status();
    if (is_challenge(status) && !config_.credentials.username.empty() &&
        !std::exchange(one.has_authenticated, true)) {
        if (auto answer = sip::answer_challenge(response.message, config_.credentials, "INVITE",
                                                one.wish.uri, d_.random.token(kTokenBytes)))
            return invite(now, one, one.told_sdp, {*std::move(answer)});
    }
    tell(now, one, "attendance_refused",
         {"refused", fmt::format("The conference does not let us in: {}.", status)}, status);
    end(now, one,
        {"refused", fmt::format("The conference does not let us in: it answered {}.", status)},
        false);
}

void AttendanceDesk::on_accepted(base::Now now, Attended& one,
                                 const sip::ResponseArrived& response) {
    one.invite = {};
    one.is_answered = true;
    one.dialog = response.dialog;
    one.knows_record = siprec::is_record_aware(response.message);
    one.cs.start = now.wall;
    for (CsParty& party : one.cs.parties) party.joined = now.wall;
    const std::string answer = sdp_of(response.message);
    one.has_audio = has_audio(answer);
    const std::string sdp = take_chat(now, one, answer, true);
    d_.plane.answer(
        {one.key}, {.from = relay::Leg::B, .text = sdp, .signalled_by = response.flow.remote},
        [this, key = one.key](const Result<std::string, Reason>& mapped) {
            Attended* answered = find(key);
            if (answered == nullptr || answered->is_over) return;
            const base::Now then = d_.clock.now();
            if (!mapped) return end(then, *answered, {"media_refused", mapped.error().text}, true);
            begin_recording(then, *answered);
        });
    if (one.is_over) return;
    const auto value = response.message.first_value(HeaderId::Contact);
    const auto contact =
        value ? sip::parse_name_addr(*value) : Result<sip::NameAddr>(base::Error{});
    one.is_focus = contact && contact->has_feature("isfocus");
    tell(now, one, "attendance",
         {"attending", one.is_focus
                           ? "We are in the conference."
                           : "We are in the call; it does not say that it is a conference."});
    if (!one.is_focus || !config_.follows_conferences) return;
    d_.rosters.follow(now, {.call = one.key,
                            .call_id = one.call_id,
                            .focus = relay::Leg::B,
                            .where = {.uri = std::string(contact->uri),
                                      .from = one.cs.parties.front().names.front().aor,
                                      .flow = response.flow,
                                      .next_hop = {},
                                      .credentials = config_.credentials}});
}

// ---- what is recorded ---------------------------------------------------------------------------

void AttendanceDesk::begin_recording(base::Now now, Attended& one) {
    if (one.recording != nullptr) return one.recording->refresh(now);
    if (auto fault = indicate(one)) {
        tell(now, one, "indication_failed", *fault);
        return end(now, one, {"not_indicated", fault->text}, true);
    }
    one.recording =
        std::make_unique<Recording>(Recording::Dependencies{.agent = d_.agent,
                                                            .plane = d_.plane,
                                                            .clock = d_.clock,
                                                            .random = d_.random,
                                                            .index = d_.index,
                                                            .events = d_.events,
                                                            .servers = d_.servers},
                                    one.cs, relay::CallKey{one.key}, 1, one.plan,
                                    Recording::Common{.credentials = config_.credentials,
                                                      .server_silence = config_.server_silence,
                                                      .media_ring = config_.media_ring,
                                                      .flow = {},
                                                      .fails_over = config_.fails_over,
                                                      .failover_time = config_.failover_time});
    one.recording->record_only(relay::Leg::B);  // we say nothing
    // Who records nothing has no business in a conference.
    one.recording->when_lost([this, key = one.key](const Reason& failure) {
        if (Attended* lost = find(key))
            end(d_.clock.now(), *lost, {"recording_failed", failure.text}, true);
    });
    if (one.wish.waits)
        one.recording->when_settled([this, key = one.key](const std::optional<Reason>& failure) {
            Attended* asked = find(key);
            if (asked == nullptr) return;
            if (!failure) return settle(*asked, std::nullopt);
            settle(*asked,
                   Reason{"recording_failed",
                          failure->text.empty() ? "The recording ended at once." : failure->text});
        });
    else
        settle(one, std::nullopt);
    one.recording->start(now);
}

// The others are told by what we say in the conference, where the focus does not tell them.
std::optional<Reason> AttendanceDesk::indicate(Attended& one) {
    const policy::IndicationSettings& how = one.plan.settings.indication;
    if (one.knows_record || how.by == policy::IndicateBy::Agreed) return std::nullopt;
    tell_in_chat(one);
    const bool is_told = one.told_in_chat != sdp::RecordState::Absent;
    if (!one.has_audio && is_told) return std::nullopt;
    if (record_state(one) == sdp::RecordState::Paused) {
        (void)d_.plane.play({one.key}, relay::Leg::B, nullptr);
        return std::nullopt;
    }
    relay::SoundPtr sound;
    if (how.by == policy::IndicateBy::Announcement) {
        const auto found = config_.announcements.find({how.announcement, how.announce_first});
        if (found != config_.announcements.end()) sound = found->second;
    }
    if (sound == nullptr) sound = relay::make_tone(how.tone_level_db, how.tone_interval);
    const auto played = d_.plane.play({one.key}, relay::Leg::B, sound);
    if (played) return std::nullopt;
    return played.error();
}

// ---- the chat -----------------------------------------------------------------------------------

void AttendanceDesk::make_chat(base::Now now, Attended& one) {
    if (!one.wish.takes_chat) return;
    if (d_.chats == nullptr || d_.chat_link == nullptr)
        return tell(
            now, one, "chat_not_recorded",
            {"no_chat", "Chats are recorded where the client relays calls and chats itself."});
    const std::string& next = config_.next_hop.empty() ? one.wish.uri : config_.next_hop;
    const auto relay = msrp::parse_uri(config_.chats.login_relay);
    one.chat = std::make_unique<AttendanceChat>(
        AttendanceChat::Surroundings{.plane = d_.chats, .link = d_.chat_link, .random = &d_.random},
        AttendanceChat::Call{.key = {one.key},
                             .address = one.cs.parties.front().names.front().aor,
                             .name = one.cs.parties.front().names.front().name,
                             .room = one.wish.uri,
                             .is_secure = relay ? relay->is_secure : goes_by_tls(next),
                             .is_ipv6 = d_.is_ipv6,
                             .has_relay = relay.has_value()});
}

// With a relay the session is there before anybody is told of it: what is told is its path.
void AttendanceDesk::begin_chat(Attended& one, std::size_t line, bool is_secure, Prepared done) {
    if (auto fault = one.chat->begin(line, is_secure)) return done(std::move(fault));
    const auto relay = msrp::parse_uri(config_.chats.login_relay);
    if (!relay) return done(std::nullopt);
    one.prepared = std::move(done);
    if (const auto at = base::parse_host(relay->host, relay->port)) return log_in(one, at);
    d_.locate(relay->host, [this, key = one.key](const std::optional<base::NetAddress>& at) {
        Attended* asked = find(key);
        if (asked != nullptr && !asked->is_over && asked->prepared) log_in(*asked, at);
    });
}

void AttendanceDesk::log_in(Attended& one, const std::optional<base::NetAddress>& at) {
    const auto relay = msrp::parse_uri(config_.chats.login_relay);
    if (!relay || !at)
        return settle_chat(one,
                           Reason{"relay_unreachable", "No address of the MSRP relay is known."});
    base::NetAddress address = *at;
    constexpr std::uint16_t kRelayPort = 2855;  // MSRP's own
    address.port = relay->port == 0 ? kRelayPort : relay->port;
    // Called on the thread of the chats.
    one.chat->log_in(*relay, address,
                     [login = config_.chats.login, cnonce = d_.random.token(kTokenBytes)](
                         std::string_view asked, std::string_view method, std::string_view uri) {
                         const auto challenge = sip::parse_digest_challenge(asked);
                         if (!challenge || login.username.empty()) return std::string{};
                         return sip::write_digest_credentials(*challenge, login, method, uri,
                                                              cnonce);
                     });
}

void AttendanceDesk::settle_chat(Attended& one, std::optional<Reason> fault) {
    const Prepared done = std::exchange(one.prepared, nullptr);
    if (fault) one.chat->close();
    if (done) done(std::move(fault));
}

// What is left for the media plane.
std::string AttendanceDesk::take_chat(base::Now now, Attended& one, std::string_view sdp,
                                      bool is_answer) {
    if (one.chat == nullptr) return std::string(sdp);
    std::string media = one.chat->take(sdp, is_answer);
    if (one.chat->is_open() && one.cs.conference) one.chat->set_members(*one.cs.conference);
    if (auto fault = one.chat->poll_fault()) tell(now, one, "chat_not_recorded", *std::move(fault));
    return media;
}

std::string AttendanceDesk::told(const Attended& one, std::string_view sdp, bool is_offer) const {
    return with_record(one.chat == nullptr ? std::string(sdp) : one.chat->tell(sdp, is_offer),
                       record_state(one));
}

sdp::RecordState AttendanceDesk::record_state(const Attended& one) const {
    const bool is_paused = one.recording != nullptr && one.recording->is_paused();
    return is_paused ? sdp::RecordState::Paused : sdp::RecordState::On;
}

// As a tone is heard by all who listen, the line is read by all who chat.
void AttendanceDesk::tell_in_chat(Attended& one) {
    const policy::IndicationSettings& how = one.plan.settings.indication;
    if (one.knows_record || how.by == policy::IndicateBy::Agreed) return;
    if (one.chat == nullptr || !one.chat->is_open()) return;
    const sdp::RecordState now = record_state(one);
    const sdp::RecordState before = std::exchange(one.told_in_chat, now);
    if (before != now) one.chat->say(line_to_read(before, now));
}

bool AttendanceDesk::on_chat(base::Now now, relay::CallKey call, const relay::ChatEvent& event) {
    const Attended* one = find(call.value);
    if (one == nullptr) return false;
    // All else of it is told by on_guest().
    if (event.kind == relay::ChatEvent::Kind::NotRecorded)
        tell(now, *one, "chat_not_recorded", event.reason);
    return true;
}

void AttendanceDesk::on_guest(base::Now now, const chat::GuestEvent& event) {
    const auto found = std::find_if(attended_.begin(), attended_.end(), [&](const auto& item) {
        return item.second->chat != nullptr && item.second->chat->on_event(event);
    });
    if (found == attended_.end() || found->second->is_over) return;
    Attended& one = *found->second;
    using Kind = chat::GuestEvent::Kind;
    switch (event.kind) {
        case Kind::Connected:
            return tell(now, one, "chat_connected", {"connected", "We are in the chat."});
        case Kind::NotTaken:
            return tell(now, one, "chat_not_recorded", event.reason);
        case Kind::NotTold:
            // There is no covert mode: what cannot be told is not recorded (RFC 2804).
            tell(now, one, "indication_failed", event.reason);
            one.chat->close();
            break;
        case Kind::LoggedIn:
            tell(now, one, "chat_relay", {"logged_in", "The MSRP relay has let us in."});
            return settle_chat(one, std::nullopt);
        case Kind::NotLoggedIn:
            return settle_chat(one, event.reason);
        case Kind::Ended:
            tell(now, one, "chat_ended", event.reason);
            break;
    }
    if (!one.wish.takes_audio && !one.wish.takes_video)
        return end(now, one, {"chat_ended", event.reason.text}, true);
    if (one.recording != nullptr) one.recording->refresh(now);
}

bool AttendanceDesk::on_server_silent(base::Now now, relay::CallKey call, const Reason& reason) {
    Attended* one = find(call.value);
    if (one != nullptr && one->recording != nullptr) one->recording->on_server_silent(now, reason);
    return one != nullptr;
}

void AttendanceDesk::probe(base::Now now, const std::string& server) {
    for (const auto& [key, one] : attended_)
        if (one->recording != nullptr && one->recording->server() == server)
            one->recording->probe(now);
}

bool AttendanceDesk::on_conference(base::Now now, std::uint64_t call,
                                   const CsConference& conference) {
    Attended* one = find(call);
    if (one == nullptr) return false;
    one->cs.conference = conference;
    // Who comes first waits for the others; who was left alone is done.
    if (others_in(conference, one->cs.parties.front().names.front().aor) > 0) {
        one->had_others = true;
        one->alone_since.reset();
    } else if (one->had_others && !one->alone_since) {
        one->alone_since = now.steady;
    }
    if (one->chat != nullptr) one->chat->set_members(conference);
    if (one->recording != nullptr) one->recording->refresh(now);
    return true;
}

// ---- what the focus wants -----------------------------------------------------------------------

void AttendanceDesk::on_request(base::Now now, Attended& one, sip::RequestArrived& request) {
    const sip::TransactionId in = request.transaction;
    const auto answer = [&](sip::ResponseSpec spec) {
        (void)d_.agent.respond(now.steady, in, spec);
    };
    switch (request.message.method()) {
        case sip::Method::Bye:
            answer({.status = 200});
            return end(now, one, {"bye", "The conference has ended our call."}, false);
        case sip::Method::Info:
        case sip::Method::Options:
            return answer({.status = 200});
        case sip::Method::Invite:
        case sip::Method::Update: {
            std::string offer = sdp_of(request.message);
            if (!offer.empty()) return on_offer(now, one, in, std::move(offer));
            if (request.message.method() == sip::Method::Update) return answer({.status = 200});
            // A re-INVITE without an offer: ours is what holds, and the ACK has the answer.
            one.waits_for_answer = true;
            return answer({.status = 200,
                           .headers = {{"Allow", std::string(kAllow)}},
                           .content_type = "application/sdp",
                           .body = told(one, one.told_sdp, true)});
        }
        default:
            return answer({.status = 405, .headers = {{"Allow", std::string(kAllow)}}});
    }
}

void AttendanceDesk::on_offer(base::Now now, Attended& one, sip::TransactionId in,
                              std::string offer) {
    const auto wanted = one.chat == nullptr || config_.chats.login_relay.empty()
                            ? std::nullopt
                            : one.chat->wanted(offer);
    if (!wanted) return take_offer(now, one, in, offer);
    // RFC 3261 section 14.2: the one before has no answer yet.
    if (one.prepared)
        return (void)d_.agent.respond(now.steady, in,
                                      {.status = 500, .headers = {{"Retry-After", "2"}}});
    begin_chat(one, wanted->line, wanted->is_secure,
               [this, key = one.key, in, offer = std::move(offer)](std::optional<Reason> fault) {
                   Attended* asked = find(key);
                   if (asked == nullptr || asked->is_over) return;
                   const base::Now then = d_.clock.now();
                   if (fault) tell(then, *asked, "chat_not_recorded", *std::move(fault));
                   take_offer(then, *asked, in, offer);
               });
}

void AttendanceDesk::take_offer(base::Now now, Attended& one, sip::TransactionId in,
                                const std::string& offer) {
    const auto refuse = [this, in](base::Now then, const Reason& why) {
        (void)d_.agent.respond(
            then.steady, in,
            {.status = 488, .headers = {{"Warning", fmt::format("399 earshot \"{}\"", why.text)}}});
    };
    const std::uint64_t key = one.key;
    const auto answered = [this, key, in, refuse](const Result<std::string, Reason>& mapped) {
        const base::Now then = d_.clock.now();
        Attended* asked = find(key);
        if (asked == nullptr || asked->is_over) return;
        if (!mapped) return refuse(then, mapped.error());
        asked->told_sdp = told(*asked, *mapped, false);
        (void)d_.agent.respond(then.steady, in,
                               {.status = 200,
                                .headers = {{"Allow", std::string(kAllow)}},
                                .content_type = "application/sdp",
                                .body = asked->told_sdp});
        if (asked->recording == nullptr) return;
        tell_in_chat(*asked);
        asked->recording->refresh(then);
    };
    one.has_audio = has_audio(offer);
    const std::string media = take_chat(now, one, offer, false);
    d_.plane.offer({key}, {.from = relay::Leg::B, .text = media},
                   [this, key, refuse, answered](const Result<std::string, Reason>& mapped) {
                       Attended* asked = find(key);
                       if (asked == nullptr || asked->is_over) return;
                       const base::Now then = d_.clock.now();
                       if (!mapped) return refuse(then, mapped.error());
                       const auto description = sdp::parse(*mapped);
                       if (!description)
                           return refuse(then, {"sdp_malformed", "The offer cannot be read."});
                       const std::string ours = own_answer(
                           *description, d_.is_ipv6, asked->sdp_session, ++asked->sdp_version);
                       d_.plane.answer({key}, {.from = relay::Leg::A, .text = ours}, answered);
                   });
}

// ---- the end ------------------------------------------------------------------------------------

void AttendanceDesk::end(base::Now now, Attended& one, Reason why, bool says_bye) {
    if (std::exchange(one.is_over, true)) return;
    one.cs.stop = now.wall;
    tell(now, one, "attendance_ended", why);
    // Before its recording says only that it has been stopped.
    settle(one, one.recording == nullptr ? why : Reason{"recording_failed", why.text});
    if (one.recording != nullptr && one.recording->is_engaged()) one.recording->end(now);
    d_.rosters.leave(now, one.key);
    if (one.invite) (void)d_.agent.cancel(now.steady, one.invite);
    if (one.dialog && says_bye) {
        const auto bye = d_.agent.send_request(now.steady, one.dialog, {.method = "BYE"});
        if (bye && *bye) of_transaction_[bye->value] = one.key;
        if (!bye) d_.agent.end_dialog(now.steady, one.dialog);
    }
    d_.plane.remove({one.key});
}

std::optional<Reason> AttendanceDesk::stop(base::Now now, std::string_view id,
                                           const std::string& why) {
    const auto number = base::parse_number<std::uint64_t>(id);
    Attended* one = number ? find(*number) : nullptr;
    if (one == nullptr || one->is_over)
        return Reason{"unknown_attendance",
                      fmt::format("No running attendance has the id \"{}\".", id)};
    end(now, *one, {"stopped", why.empty() ? "An operator ended it." : why}, true);
    return std::nullopt;
}

std::optional<Reason> AttendanceDesk::control(base::Now now, const CallControl& wish) {
    using Verb = CallControl::Verb;
    if (wish.verb == Verb::Hangup || wish.verb == Verb::Stop)
        return stop(now, wish.call, wish.reason);
    const auto number = base::parse_number<std::uint64_t>(wish.call);
    Attended* one = number ? find(*number) : nullptr;
    if (one == nullptr || one->is_over)
        return Reason{"unknown_attendance",
                      fmt::format("No running attendance has the id \"{}\".", wish.call)};
    const bool is_other = !wish.instance.empty() && wish.instance != one->plan.instance;
    if (is_other || one->recording == nullptr || !one->recording->is_engaged())
        return Reason{"not_recording",
                      is_other ? fmt::format("It is recorded as \"{}\" alone.", one->plan.instance)
                               : "The conference is not being recorded yet."};
    if (auto fault = obey(now, *one->recording, wish)) return fault;
    if (auto fault = indicate(*one)) {
        tell(now, *one, "indication_failed", *fault);
        end(now, *one, {"not_indicated", fault->text}, true);
    }
    return std::nullopt;
}

void AttendanceDesk::end_all(base::Now now, const Reason& why) {
    for (const auto& [key, one] : attended_) end(now, *one, why, true);
}

void AttendanceDesk::on_time(base::Now now) {
    for (const auto& [key, one] : attended_) {
        const auto due = deadline_of(*one);
        if (!due || now.steady < *due) continue;
        if (now.steady >= one->ends)
            end(now, *one, {"too_long", "It has lasted as long as it may."}, true);
        else if (is_followed(*one))
            end(now, *one, {"alone", "Everybody else has left the conference."}, true);
        else
            one->alone_since = now.steady;  // somebody may have come whom nobody told us of
    }
}

bool AttendanceDesk::is_followed(const Attended& one) const {
    const auto rosters = d_.rosters.views();
    return std::any_of(rosters.begin(), rosters.end(), [&](const RosterView& view) {
        return view.call == one.key && view.state == "following";
    });
}

std::optional<base::TimePoint> AttendanceDesk::deadline_of(const Attended& one) const {
    if (one.is_over) return std::nullopt;
    if (!one.alone_since || config_.attends_alone.count() == 0) return one.ends;
    return std::min(one.ends, *one.alone_since + config_.attends_alone);
}

std::optional<base::TimePoint> AttendanceDesk::deadline() const {
    std::optional<base::TimePoint> next;
    for (const auto& [key, one] : attended_)
        if (const auto due = deadline_of(*one); due && (!next || *due < *next)) next = due;
    return next;
}

void AttendanceDesk::tidy() {
    std::erase_if(attended_, [](const auto& item) {
        const Attended& one = *item.second;
        return one.is_over && !one.invite && !one.dialog &&
               (one.recording == nullptr || one.recording->is_done());
    });
    if (!attended_.empty()) return;
    of_transaction_.clear();
    of_dialog_.clear();
}

std::vector<AttendanceView> AttendanceDesk::views() const {
    std::vector<AttendanceView> views;
    for (const auto& [key, one] : attended_) {
        AttendanceView view{
            .id = std::to_string(key),
            .uri = one->wish.uri,
            .call_id = one->call_id,
            .state = one->is_over       ? "ended"
                     : one->is_answered ? "attending"
                                        : "calling",
            .is_focus = one->is_focus,
            .chat = one->chat == nullptr ? std::string("none") : std::string(one->chat->state()),
            .begun = one->begun};
        if (one->recording != nullptr)
            view.recording = one->recording->view();
        else
            view.recording = {
                .instance = one->plan.instance, .rule = one->plan.rule, .state = "waiting"};
        views.push_back(std::move(view));
    }
    return views;
}

}  // namespace earshot::client
