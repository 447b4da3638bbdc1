#include "client/conference_leg.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "b2bua/passing.h"
#include "b2bua/session_id.h"
#include "base/text.h"
#include "sip/headers.h"
#include "siprec/record_awareness.h"
#include "siprec/server_answers.h"

namespace earshot::client {

using base::Reason;
using base::Result;

namespace {

constexpr std::string_view kAllow = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO";
constexpr int kBadExtension = 420;
constexpr int kUnsupportedMedia = 415;
constexpr int kNotAcceptableHere = 488;
constexpr int kNotAllowed = 405;
constexpr int kUnavailable = 503;
constexpr std::chrono::milliseconds kGlareDelay{
    1'000};  // RFC 3261 section 14.1, where none is told

// The asserted identity before From (RFC 3325).
std::vector<siprec::NameId> names_of(const sip::Message& invite) {
    std::vector<siprec::NameId> names;
    const auto add = [&](const sip::NameAddr& address) {
        const std::string uri(address.uri);
        const bool is_known =
            std::any_of(names.begin(), names.end(), [&](auto& one) { return one.aor == uri; });
        if (!uri.empty() && !is_known)
            names.push_back(
                {.aor = uri, .name = std::string(address.display_name), .language = {}});
    };
    for (const std::string_view value : invite.values(sip::HeaderId::PAssertedIdentity))
        if (const auto asserted = sip::parse_name_addr(value)) add(*asserted);
    add(invite.from());
    return names;
}

// Options that an INVITE must not require of us (RFC 3261 section 8.2.2.3).
std::string unknown_options(const sip::Message& request) {
    std::string unknown;
    for (const std::string_view option : request.values(sip::HeaderId::Require)) {
        const bool is_known = base::iequals(option, "timer") || base::iequals(option, "100rel") ||
                              base::iequals(option, siprec::kRecordAware);
        if (!is_known) unknown += fmt::format("{}{}", unknown.empty() ? "" : ", ", option);
    }
    return unknown;
}

std::string warning(const Reason& why) {
    std::string text = why.text;
    std::replace(text.begin(), text.end(), '"', '\'');
    return fmt::format("399 earshot \"{}\"", text);
}

int status_of(const Reason& why) {
    const bool is_theirs = why.code == "sdp_malformed" || why.code == "no_audio" ||
                           why.code == "secure_media" || why.code == "no_codec";
    return is_theirs ? kNotAcceptableHere : kUnavailable;
}

// Of many at once, or of none: what the conference says is for one participant each.
bool is_group(const base::NetAddress& address) {
    constexpr std::uint8_t kFirstMulticast = 224;  // RFC 5771; what is above is reserved, or all
    return address.is_v4() ? address.ip[12] >= kFirstMulticast : address.ip[0] == 0xff;
}

// What the media plane does not judge, since for calls that passes from phone to phone. An answer
// has a line for each of the offer's (RFC 3264 section 6), so all of them have to be read.
std::optional<Reason> find_fault(std::string_view text) {
    const auto description = sdp::parse(text);
    if (!description) return Reason{"sdp_malformed", "The session description cannot be read."};
    if (!description->excess_media.empty())
        return Reason{"too_many_lines",
                      fmt::format("The description has more lines of media than are read ({}).",
                                  description->media.size())};
    for (const sdp::MediaDescription& medium : description->media) {
        const auto at = sdp::rtp_address(*description, medium);
        if (medium.port != 0 && at && is_group(*at))
            return Reason{"group_address",
                          fmt::format("The address {} is one of many or of all; media is sent to "
                                      "single addresses alone.",
                                      base::host_to_string(*at))};
    }
    return std::nullopt;
}

std::optional<std::string> sdp_of(const sip::Message& message) {
    const b2bua::Content content = b2bua::content_of(message);
    const auto place = b2bua::find_sdp(message, content);
    return place ? std::optional(b2bua::sdp_at(content, *place)) : std::nullopt;
}

}  // namespace

ConferenceLeg::ConferenceLeg(Surroundings surroundings, Host& host, focus::RoomId room,
                             std::uint32_t number, relay::CallKey key, sip::RequestArrived invite)
    : s_(surroundings),
      host_(host),
      room_(room),
      number_(number),
      key_(key),
      invite_(std::move(invite)),
      pending_(invite_->transaction),
      names_(names_of(invite_->message)),
      call_id_(invite_->message.call_id()),
      session_uuid_(b2bua::make_session_uuid(s_.random)),
      source_(base::host_to_string(invite_->flow.remote)),
      flow_(invite_->flow),
      timer_({.refresh_always = true}) {
    const sip::Message& message = invite_->message;
    if (siprec::is_record_aware(message)) awareness_ = Awareness::Aware;
    allows_update_ = message.lists(sip::HeaderId::Allow, "UPDATE");
    const auto theirs = b2bua::sender_uuid(message.find("Session-ID").value_or(""));
    session_id_ = b2bua::session_id(theirs.value_or(std::string{}), session_uuid_);
    own_.session_id = s_.random.u32();
    csrc_ = s_.random.u32();
    own_.speaks_opus = s_.desk.speaks_opus();
    host_.own(*this, pending_);
}

ConferenceLeg::~ConferenceLeg() { *lives_ = false; }

// ---- it comes -----------------------------------------------------------------------------------

void ConferenceLeg::begin(base::Now now, const std::string& cname) {
    const sip::Message& message = invite_->message;
    if (const std::string unknown = unknown_options(message); !unknown.empty()) {
        respond(now, pending_, {.status = kBadExtension, .headers = {{"Unsupported", unknown}}});
        pending_ = {};
        return leave(now, {"bad_extension", "It requires " + unknown + "."});
    }
    if (b2bua::is_encoded(message))
        return refuse(now, kUnsupportedMedia, {"encoded", "The body is compressed."});
    if (auto refusal = timer_.find_refusal(sip::read_session_timer(message))) {
        respond(now, pending_, {.status = 422, .headers = *std::move(refusal)});
        pending_ = {};
        return leave(now, {"timer_too_short", "Its session interval is too short (RFC 4028)."});
    }
    const auto seat = s_.desk.add(room_, number_, cname, csrc_);
    if (!seat) return refuse(now, kUnavailable, seat.error());
    seat_ = *seat;
    own_.rtp = seat_;
    if (auto offer = sdp_of(message)) return take_offer(now, pending_, *std::move(offer));
    offer_ours(now);
}

void ConferenceLeg::refuse(base::Now now, int status, const Reason& why) {
    sip::ResponseSpec response{.status = status, .headers = {{"Warning", warning(why)}}};
    if (status == kUnavailable) response.headers.push_back({"Retry-After", "30"});
    if (pending_) respond(now, std::exchange(pending_, {}), response);
    invite_.reset();
    if (!is_in_) leave(now, why);
}

// Their offer, in the INVITE or later: the mixer answers it as leg B.
void ConferenceLeg::take_offer(base::Now now, sip::TransactionId transaction, std::string offer) {
    if (const auto fault = find_fault(offer)) return refuse(now, kNotAcceptableHere, *fault);
    const ConferenceChat::Taken chat = host_.take_chat(*this, offer, false);
    const relay::LegSdp theirs{
        .from = relay::Leg::A, .text = chat.rest, .signalled_by = flow_.remote};
    s_.plane.offer(key_, theirs,
                   [this, lives = lives_, transaction,
                    refusals = chat.refusals](Result<std::string, Reason> mapped) {
                       if (!*lives || is_over_ || pending_ != transaction) return;
                       const base::Now at = s_.clock.now();
                       if (!mapped) return refuse(at, status_of(mapped.error()), mapped.error());
                       ++own_.version;
                       open_pictures(*mapped);
                       auto agreed = focus::answer_offer(*mapped, own_);
                       if (!agreed && agreed.error().code == "no_audio" && host_.chat_line(*this))
                           agreed = focus::refuse_media(*mapped, own_);
                       if (!agreed) {
                           s_.plane.rollback(key_, relay::Leg::A);
                           const bool wants_chat =
                               agreed.error().code == "no_audio" && !refusals.empty();
                           return refuse(at, status_of(agreed.error()),
                                         wants_chat ? refusals.front() : agreed.error());
                       }
                       own_sdp_ = agreed->sdp;
                       const relay::LegSdp ours{.from = relay::Leg::B, .text = own_sdp_};
                       s_.plane.answer(key_, ours,
                                       [this, lives, transaction, agreed = *std::move(agreed)](
                                           Result<std::string, Reason> told) mutable {
                                           if (!*lives || is_over_ || pending_ != transaction)
                                               return;
                                           const base::Now then = s_.clock.now();
                                           if (!told)
                                               return refuse(then, kUnavailable, told.error());
                                           use(std::move(agreed));
                                           answer(then, transaction, *told);
                                       });
                   });
}

// An INVITE without an offer: ours goes in the 200, and the ACK answers it (RFC 3261 section
// 13.2.1).
void ConferenceLeg::offer_ours(base::Now /*now*/) {
    // Within the dialog all lines stay where they are (RFC 3264 section 8).
    if (!is_in_) {
        ++own_.version;
        own_sdp_ = focus::make_offer(own_);
    }
    const relay::LegSdp ours{.from = relay::Leg::B, .text = own_sdp_};
    s_.plane.offer(key_, ours, [this, lives = lives_](Result<std::string, Reason> told) {
        if (!*lives || is_over_ || !pending_) return;
        const base::Now at = s_.clock.now();
        if (!told) return refuse(at, kUnavailable, told.error());
        awaits_answer_ = true;
        answer(at, pending_, *told);
    });
}

std::string ConferenceLeg::indicated(std::string_view sdp, bool is_offer) {
    const std::string with_chat = host_.tell_chat(*this, sdp, is_offer);
    const auto description = sdp::parse(with_chat);
    if (!description) return with_chat;
    lines_ = lines_of(*description);
    if (const auto chat = host_.chat_line(*this); chat && *chat < lines_.size())
        lines_[*chat].is_used = true;
    for (const std::size_t file : host_.file_lines(*this))
        if (file < lines_.size()) lines_[file].is_used = true;
    states_ = host_.record_states(*this, lines_);
    return told_.tell(with_chat, states_);
}

std::vector<sip::ExtraHeader> ConferenceLeg::headers_of_ok(base::Now now,
                                                           const sip::Message& request) {
    std::vector<sip::ExtraHeader> headers =
        timer_.accept(now.steady, sip::read_session_timer(request));
    headers.push_back({"Contact", host_.contact(flow_)});
    headers.push_back({"Allow", std::string(kAllow)});
    headers.push_back({"Supported", "timer"});
    headers.push_back(
        {"Session-ID",
         b2bua::session_id(session_uuid_, session_id_.substr(0, session_id_.find(';')))});
    if (const std::string events = host_.allow_events(); !events.empty())
        headers.push_back({"Allow-Events", events});
    return headers;
}

void ConferenceLeg::answer(base::Now now, sip::TransactionId transaction, const std::string& sdp) {
    const sip::RequestArrived request = *std::exchange(invite_, std::nullopt);
    const sip::ResponseSpec ok{.status = 200,
                               .headers = headers_of_ok(now, request.message),
                               .content_type = "application/sdp",
                               .body = indicated(sdp, awaits_answer_)};
    pending_ = {};
    awaits_ack_ = request.message.method() == sip::Method::Invite;
    const auto dialog = s_.agent.respond(now.steady, transaction, ok);
    if (is_in_) return;
    if (!dialog) return leave(now, {"cancelled", "It was taken back before it was answered."});
    dialog_ = *dialog;
    has_dialog_ = true;
    host_.own(*this, dialog_);
    join(now);
}

void ConferenceLeg::use(focus::Agreed agreed) {
    const focus::Agreed before = std::exchange(agreed_, std::move(agreed));
    host_.on_agreed(*this);
    s_.desk.set(room_, number_, {.rtp = agreed_.rtp, .rtcp = agreed_.rtcp, .line = agreed_.line});
    use_pictures(before);
    if (is_in_) host_.on_changed(*this);
}

// A place for each kind of video that is offered; without one the line is refused.
void ConferenceLeg::open_pictures(std::string_view offer) {
    const auto wanted = focus::find_pictures(offer);
    for (const focus::Picture picture : focus::kAllPictures) {
        focus::OwnPicture& own = own_.pictures[focus::index_of(picture)];
        if (!wanted[focus::index_of(picture)]) continue;
        host_.describe_pictures(*this, picture, own);
        if (!own.rtp.is_unspecified()) continue;
        const auto seat = s_.desk.add_picture(room_, number_, picture);
        if (seat)
            own.rtp = *seat;
        else
            host_.on_picture_refused(*this, seat.error());
    }
}

void ConferenceLeg::use_pictures(const focus::Agreed& before) {
    for (const focus::Picture picture : focus::kAllPictures) {
        base::NetAddress& seat = own_.pictures[focus::index_of(picture)].rtp;
        if (agreed_.pictures[focus::index_of(picture)]) {
            set_picture(picture);
        } else if (!seat.is_unspecified()) {
            s_.desk.remove_picture(room_, number_, picture);
            seat = {};
        }
    }
    if (agreed_.refused == before.refused) return;
    for (const Reason& why : agreed_.refused) host_.on_picture_refused(*this, why);
}

void ConferenceLeg::join(base::Now now) {
    is_in_ = true;
    joined_at_ = now.wall;
    host_.on_joined(*this);
}

// ---- and goes -----------------------------------------------------------------------------------

void ConferenceLeg::leave(base::Now now, const Reason& why) {
    static_cast<void>(now);
    if (std::exchange(is_over_, true)) return;
    if (!seat_.is_unspecified()) s_.desk.remove(room_, number_);
    host_.on_gone(*this, std::exchange(is_in_, false), why);
}

void ConferenceLeg::hang_up(base::Now now) {
    if (dialog_) static_cast<void>(s_.agent.send_request(now.steady, dialog_, {.method = "BYE"}));
}

void ConferenceLeg::end(base::Now now, int status, const Reason& why) {
    if (is_over_) return;
    if (!is_in_) return refuse(now, status, why);
    hang_up(now);
    leave(now, why);
}

// ---- within the dialog --------------------------------------------------------------------------

void ConferenceLeg::respond(base::Now now, sip::TransactionId transaction,
                            const sip::ResponseSpec& response) {
    static_cast<void>(s_.agent.respond(now.steady, transaction, response));
}

void ConferenceLeg::on_action(base::Now now, sip::Action& action) {
    if (auto* request = std::get_if<sip::RequestArrived>(&action)) return on_request(now, *request);
    if (const auto* ack = std::get_if<sip::AckArrived>(&action)) return on_ack(now, *ack);
    if (const auto* response = std::get_if<sip::ResponseArrived>(&action))
        return on_response(now, *response);
    if (const auto* late = std::get_if<sip::TransactionTimedOut>(&action))
        return on_failure(now, late->transaction);
    if (const auto* failed = std::get_if<sip::TransportFailed>(&action))
        return on_failure(now, failed->transaction);
    if (std::holds_alternative<sip::CancelArrived>(action)) {
        const bool had_theirs = !std::exchange(awaits_answer_, false);
        pending_ = {};
        if (is_in_) {  // of a re-INVITE: what was agreed on goes on (RFC 3261 section 14)
            invite_.reset();
            return s_.plane.rollback(key_, had_theirs ? relay::Leg::A : relay::Leg::B);
        }
        return leave(now, {"cancelled", "It was taken back before it was answered."});
    }
    if (std::holds_alternative<sip::NoAck>(action)) {
        hang_up(now);
        return leave(now, {"no_ack", "Its ACK did not come."});
    }
    if (std::holds_alternative<sip::DialogEnded>(action)) {
        has_dialog_ = false;
        leave(now, {"dialog_lost", "Its dialog is over."});
    }
}

void ConferenceLeg::on_request(base::Now now, sip::RequestArrived& request) {
    const sip::Message& message = request.message;
    switch (message.method()) {
        case sip::Method::Bye:
            respond(now, request.transaction, {.status = 200});
            return leave(now, {"bye", "It hung up."});
        case sip::Method::Invite:
        case sip::Method::Update: {
            if (is_over_) return respond(now, request.transaction, {.status = 481});
            // An offer of ours is under way, or theirs (RFC 3264 section 4, RFC 3311 section 5.2).
            auto offer = sdp_of(message);
            const bool is_invite = message.method() == sip::Method::Invite;
            if ((offer || is_invite) && (change_has_offer_ || awaits_answer_ || pending_))
                return respond(now, request.transaction, {.status = 491});
            if (auto refusal = timer_.find_refusal(sip::read_session_timer(message)))
                return respond(now, request.transaction,
                               {.status = 422, .headers = *std::move(refusal)});
            allows_update_ = allows_update_ || message.lists(sip::HeaderId::Allow, "UPDATE");
            if (!offer && !is_invite)
                return respond(now, request.transaction,
                               {.status = 200, .headers = headers_of_ok(now, message)});
            pending_ = request.transaction;
            invite_ = std::move(request);
            if (offer) return take_offer(now, pending_, *std::move(offer));
            return offer_ours(now);
        }
        case sip::Method::Info: {
            const auto pressed =
                siprec::parse_dtmf(message.find(sip::HeaderId::ContentType).value_or(""),
                                   base::as_text(message.body()));
            respond(now, request.transaction, {.status = 200});
            if (pressed)
                for (const char digit : pressed->digit) host_.on_key(*this, digit);
            return;
        }
        case sip::Method::Options:
            return respond(now, request.transaction,
                           {.status = 200, .headers = {{"Allow", std::string(kAllow)}}});
        default:
            return respond(now, request.transaction,
                           {.status = kNotAllowed, .headers = {{"Allow", std::string(kAllow)}}});
    }
}

void ConferenceLeg::on_ack(base::Now now, const sip::AckArrived& ack) {
    awaits_ack_ = false;
    if (std::exchange(awaits_answer_, false)) {
        const auto sdp = sdp_of(ack.message);
        if (!sdp) {
            hang_up(now);
            return leave(now, {"no_answer", "Its ACK had no answer to our offer."});
        }
        take_their_answer(now, *sdp);
    }
    if (!is_over_ && wants_change_) tell_anew(now);
}

// To an offer of ours, in the ACK or in a 2xx.
void ConferenceLeg::take_their_answer(base::Now now, const std::string& sdp) {
    if (const auto fault = find_fault(sdp)) {
        hang_up(now);
        return leave(now, *fault);
    }
    const std::string media = host_.take_chat(*this, sdp, true).rest;
    const relay::LegSdp theirs{.from = relay::Leg::A, .text = media, .signalled_by = flow_.remote};
    s_.plane.answer(key_, theirs, [this, lives = lives_](Result<std::string, Reason> mapped) {
        if (!*lives || is_over_) return;
        const base::Now at = s_.clock.now();
        Reason fault;
        if (mapped) {
            auto agreed = focus::take_answer(*mapped, agreed_, own_);
            if (!agreed && !has_audio() && host_.chat_line(*this)) return use({});
            if (agreed) return use(*std::move(agreed));
            fault = agreed.error();
        } else {
            fault = mapped.error();
        }
        hang_up(at);
        leave(at, fault);
    });
}

// ---- what it is told ----------------------------------------------------------------------------

void ConferenceLeg::mute(bool is_muted) {
    is_muted_ = is_muted;
    s_.desk.mute(room_, number_, is_muted);
    set_picture(focus::Picture::Camera);
}

// Who is muted is not seen either; what it shares is another matter.
void ConferenceLeg::set_picture(focus::Picture which) {
    if (picture(which) == nullptr) return;
    focus::Stage::Place place = picture(which)->place;
    if (which == focus::Picture::Camera) place.line.shows = place.line.shows && !is_muted_;
    s_.desk.set_picture(room_, number_, which, std::move(place));
}

void ConferenceLeg::play(relay::SoundPtr sound) { s_.desk.play(room_, number_, std::move(sound)); }

void ConferenceLeg::tell_anew(base::Now now) {
    wants_change_ = false;
    if (!is_in_ || is_over_ || awareness_ != Awareness::Aware || !takes_attribute_) return;
    if (host_.record_states(*this, lines_) == states_) return;
    if (is_busy() || retry_at_) {
        wants_change_ = true;
        return;
    }
    send_change(now, true);
}

// By UPDATE where that is known there, else by re-INVITE (RFC 3311 section 5.1). Without an offer:
// a refresh of the session (RFC 4028 section 7.4), which by INVITE repeats the offer.
void ConferenceLeg::send_change(base::Now now, bool has_offer) {
    change_is_invite_ = !allows_update_;
    change_has_offer_ = has_offer || change_is_invite_;
    const auto send = [this](std::string sdp) {
        const base::Now at = s_.clock.now();
        sip::RequestSpec request{.method = change_is_invite_ ? "INVITE" : "UPDATE",
                                 .headers = timer_.is_running() ? timer_.request_headers()
                                                                : std::vector<sip::ExtraHeader>{}};
        request.headers.push_back({"Contact", host_.contact(flow_)});
        request.headers.push_back({"Allow", std::string(kAllow)});
        if (!sdp.empty()) request.content_type = "application/sdp";
        request.body = std::move(sdp);
        const auto sent = s_.agent.send_request(at.steady, dialog_, request);
        if (sent) {
            change_ = *sent;
            return;
        }
        if (std::exchange(change_has_offer_, false)) s_.plane.rollback(key_, relay::Leg::B);
        retry_at_ = at.steady + kGlareDelay;
    };
    static_cast<void>(now);
    if (!change_has_offer_) return send({});
    const relay::LegSdp ours{.from = relay::Leg::B, .text = own_sdp_};
    s_.plane.offer(key_, ours, [this, send, lives = lives_](Result<std::string, Reason> told) {
        if (!*lives || is_over_) return;
        if (told) return send(indicated(*told, true));
        change_has_offer_ = false;
        timer_.on_not_sent(s_.clock.now().steady);
    });
}

void ConferenceLeg::on_response(base::Now now, const sip::ResponseArrived& response) {
    if (response.transaction != change_ || !response.is_final) return;
    change_ = {};
    const bool had_offer = std::exchange(change_has_offer_, false);
    const int status = response.message.status();
    const bool is_ok = status >= 200 && status < 300;
    if (is_ok && change_is_invite_) static_cast<void>(s_.agent.ack(now.steady, dialog_, {}));
    if (is_over_) return;
    if (is_ok) {
        timer_.on_accepted(now.steady, sip::read_session_timer(response.message));
        const auto sdp = sdp_of(response.message);
        if (had_offer && sdp) take_their_answer(now, *sdp);
        if (!is_over_ && wants_change_) tell_anew(now);
        return;
    }
    if (had_offer) s_.plane.rollback(key_, relay::Leg::B);
    constexpr int kNoSuchDialog = 481;
    constexpr int kTimeout = 408;
    if (status == kNoSuchDialog || status == kTimeout) {
        hang_up(now);
        return leave(now, {"dialog_lost", "It does not know its dialog any more."});
    }
    timer_.on_refused(now.steady);
    states_.clear();  // it was not told
    if (response.retry_after) {
        retry_at_ = now.steady + *response.retry_after;
        wants_change_ = true;
        return;
    }
    // It does not take the description by which it would be told: it hears a tone from now on.
    if (had_offer) {
        takes_attribute_ = false;
        host_.on_changed(*this);
    }
}

void ConferenceLeg::on_failure(base::Now now, sip::TransactionId transaction) {
    if (transaction != change_) return;
    change_ = {};
    if (std::exchange(change_has_offer_, false)) s_.plane.rollback(key_, relay::Leg::B);
    if (is_over_) return;
    hang_up(now);
    leave(now, {"unreachable", "It does not answer any more."});
}

// ---- time ---------------------------------------------------------------------------------------

void ConferenceLeg::on_time(base::Now now) {
    if (is_over_ || !is_in_) return;
    using Due = sip::SessionTimer::Due;
    const Due due = timer_.due(now.steady);
    if (due == Due::Expired) {
        hang_up(now);
        return leave(now, {"no_refresh", "It did not refresh its session (RFC 4028)."});
    }
    if (due == Due::Refresh && !is_busy()) return send_change(now, false);
    if (!retry_at_ || *retry_at_ > now.steady) return;
    retry_at_.reset();
    if (wants_change_) tell_anew(now);
}

// A change is under way, or waits for the media plane.
bool ConferenceLeg::is_busy() const {
    return change_ || change_has_offer_ || pending_ || awaits_ack_ || awaits_answer_;
}

std::optional<base::TimePoint> ConferenceLeg::deadline() const {
    if (is_over_ || !is_in_) return std::nullopt;
    auto next = timer_.deadline(!is_busy());
    if (retry_at_ && (!next || *retry_at_ < *next)) next = retry_at_;
    return next;
}

}  // namespace earshot::client
