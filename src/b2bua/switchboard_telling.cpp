// Descriptions that one leg is told anew, without a word of the other: our own UPDATE or re-INVITE
// with what the other leg has said last, as the host puts it now (RFC 7866 section 6.1.2: a=record
// has changed).
#include <algorithm>

#include "b2bua/limits.h"
#include "b2bua/session_id.h"
#include "b2bua/switchboard_core.h"

namespace earshot::b2bua {

namespace {

using sip::Method;

// The Agent could not send: the dialog is not free yet.
constexpr std::chrono::milliseconds kNotFreeTime{500};

bool may_hold_offer(const Passage& passage) {
    return passage.method == Method::Invite || passage.method == Method::Update ||
           passage.method == Method::Prack;
}

std::size_t index_of(Leg leg) { return static_cast<std::size_t>(leg); }

}  // namespace

void Switchboard::Core::tell_anew(base::Now now, CallKey key, Leg leg) {
    enter(now, [&] {
        Call* call = find(key);
        if (call == nullptr || call->is_over) return;
        call->tells[index_of(leg)] = true;
        awake_.push_back(key);  // not at once: the host may be telling something itself
    });
}

// One at a time, and none while anybody has an offer under way: RFC 3264 §4, RFC 3311 §5.1. Before
// its ACK leg A has no right to a new INVITE of ours (RFC 3261 §14.1).
void Switchboard::Core::tell_what_waits(Call& call) {
    for (const Leg leg : {Leg::A, Leg::B}) {
        if (!call.tells[index_of(leg)]) continue;
        const bool is_free =
            !call.is_over && call.facts.state == CallFacts::State::Answered && call.has_ack &&
            call.question == 0 && !call.asks && !call.offer && !call.tell_at &&
            std::none_of(call.passages.begin(), call.passages.end(), may_hold_offer);
        if (!is_free) return;
        call.tells[index_of(leg)] = false;
        tell_leg(call, leg);
    }
}

void Switchboard::Core::tell_leg(Call& call, Leg leg) {
    const std::string& said = call.facts.leg(other(leg)).remote_sdp;
    if (said.empty()) return fail_telling(call, leg, 0);
    ask_offer(call, other(leg), said, [this, leg](Call& asked, SdpResult sdp) {
        const bool is_refresh = std::exchange(asked.refreshes[index_of(leg)], false);
        if (!sdp) {
            asked.refreshes[index_of(leg)] = is_refresh;
            return tell_later(asked, leg);
        }
        asked.tell_failures[index_of(leg)] = 0;
        if (*sdp == asked.facts.leg(leg).local_sdp && !is_refresh) {
            drop_offer(asked, other(leg));
            return tell(asked, ToldAnew{.leg = leg, .is_taken = true, .status = 0});
        }
        send_description(asked, leg, *sdp);
    });
}

void Switchboard::Core::send_description(Call& call, Leg leg, const std::string& sdp) {
    const LegFacts& told = call.facts.leg(leg);
    const LegFacts& said = call.facts.leg(other(leg));
    sip::RequestSpec spec{
        .method = told.allows_update ? "UPDATE" : "INVITE",
        .headers = {{"Session-ID", session_id(said.session_uuid, told.session_uuid)}},
        .content_type = "application/sdp",
        .body = sdp,
        .contact_parameters = call.contact_parameters[index_of(other(leg))]};
    if (call.session_interval) {
        // Without it the timer would end here, and the other leg's go on (RFC 4028 §7.4).
        spec.headers.push_back({"Supported", "timer"});
        spec.headers.push_back(
            {"Session-Expires", std::to_string(call.session_interval->count()) +
                                    ";refresher=" + (call.refresher == leg ? "uas" : "uac")});
    }
    const auto out = agent_.send_request(now_.steady, call.dialog(leg), spec);
    if (!out) {
        drop_offer(call, other(leg));
        call.tells[index_of(leg)] = true;
        call.tell_at = now_.steady + kNotFreeTime;
        return;
    }
    add_passage(call, {.out = *out,
                       .from = other(leg),
                       .method = sip::find_method(spec.method),
                       .is_ours = true,
                       .has_offer = true});
}

void Switchboard::Core::on_telling_response(Call& call, const Passage& telling,
                                            const SharedResponse& response) {
    const int status = response->message.status();
    if (status < 200) return;
    const Leg leg = other(telling.from);
    const bool is_invite = telling.method == Method::Invite;
    erase_passage(call, telling.out);
    if (status >= 300) {
        drop_offer(call, other(leg));
        if (response->retry_after) {  // glare
            call.tells[index_of(leg)] = true;
            call.tell_at = now_.steady + *response->retry_after;
            return;
        }
        if (status == 481)  // RFC 3261 §12.2.1.2: that side knows the dialog no more
            return finish(call,
                          Ended{.by = leg, .reason = {"unreachable", "One side answered 481."}});
        return fail_telling(call, leg, status);
    }
    if (is_invite) (void)agent_.ack(now_.steady, response->dialog, {});
    const Content content = content_of(response->message);
    const auto place = find_sdp(response->message, content);
    if (!place) {
        drop_offer(call, other(leg));
        return fail_telling(call, leg, status);
    }
    on_telling_answer(call, leg, sdp_at(content, *place));
}

void Switchboard::Core::on_telling_answer(Call& call, Leg leg, std::string sdp) {
    const std::uint64_t question = ask(call);
    call.sdp_then = [this, leg, sdp](Call& asked, const SdpResult& result) {
        if (!result) {
            drop_offer(asked, other(leg));
            return tell_later(asked, leg);
        }
        const bool was_holding = asked.facts.leg(leg).is_holding;
        // The other leg has heard nothing of all this: it knows what it knew.
        const std::string known = asked.facts.leg(other(leg)).local_sdp;
        note_answer(asked, leg, sdp, known, true);
        const bool is_changed = asked.facts.leg(leg).is_holding != was_holding;
        // A leg that refreshes the session begins to count anew now, and the other one's time would
        // run out before it does so again.
        const bool is_refresh = asked.session_interval && asked.refresher == leg;
        if (is_changed || is_refresh) asked.tells[index_of(other(leg))] = true;
        asked.refreshes[index_of(other(leg))] = is_refresh;
        if (is_refresh) asked.refresh_by = now_.steady + *asked.session_interval;
        tell(asked, ToldAnew{.leg = leg, .is_taken = true, .status = 200});
    };
    host_.answer_unheard(call.key(), leg, std::move(sdp),
                         [this, key = call.key(), question](base::Now now, SdpResult result) {
                             on_sdp(now, key, question, std::move(result));
                         });
}

void Switchboard::Core::fail_telling(Call& call, Leg leg, int status) {
    tell(call, ToldAnew{.leg = leg, .is_taken = false, .status = status});
}

// The host has no description now: a media plane elsewhere may be starting again.
void Switchboard::Core::tell_later(Call& call, Leg leg) {
    if (++call.tell_failures[index_of(leg)] < kMaxTellFailures) {
        call.tells[index_of(leg)] = true;
        call.tell_at = now_.steady + kTellAgainTime;
        return;
    }
    call.tell_failures[index_of(leg)] = 0;
    call.refreshes[index_of(leg)] = false;
    tell(call, ToldAnew{.leg = leg, .is_taken = false, .status = 0, .is_own_fault = true});
}

}  // namespace earshot::b2bua
