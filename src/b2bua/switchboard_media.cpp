// Offers and answers (RFC 3264) on their way through the media plane.
#include <tuple>

#include "b2bua/hold.h"
#include "b2bua/switchboard_core.h"

namespace earshot::b2bua {

void Switchboard::Core::on_sdp(base::Now now, CallKey key, std::uint64_t question, SdpResult result,
                               std::optional<Leg> offerer) {
    enter(now, [&] {
        Call* call = find(key);
        if (call == nullptr || call->is_over) return;
        if (call->question != question) {
            // An offer that is taken after all has been refused here long since; what is newer
            // has taken its place already.
            if (result && offerer && !call->offer && call->question == 0)
                host_.rollback(key, *offerer);
            return;
        }
        call->question = 0;
        call->give_up_at.reset();
        const SdpThen then = std::exchange(call->sdp_then, nullptr);
        then(*call, std::move(result));
        schedule(*call);
        awake_.push_back(key);
    });
}

void Switchboard::Core::ask_offer(Call& call, Leg by, std::string sdp, SdpThen then) {
    const std::uint64_t question = ask(call);
    call.sdp_then = [by, sdp, then = std::move(then)](Call& asked, SdpResult result) {
        if (result) {
            asked.offer = Offer{.by = by, .said = sdp, .told = *result};
            for (const Leg leg : {Leg::A, Leg::B})
                asked.offer->before[static_cast<std::size_t>(leg)] = {
                    asked.facts.leg(leg).remote_sdp, asked.facts.leg(leg).local_sdp};
        }
        then(asked, std::move(result));
    };
    host_.offer(call.key(), by, std::move(sdp),
                [this, key = call.key(), question, by](base::Now now, SdpResult result) {
                    on_sdp(now, key, question, std::move(result), by);
                });
}

void Switchboard::Core::ask_answer(Call& call, Leg by, std::string sdp, bool is_final,
                                   SdpThen then) {
    const std::uint64_t question = ask(call);
    call.sdp_then = [this, by, sdp, is_final, then = std::move(then)](Call& asked,
                                                                      SdpResult result) {
        if (result) note_answer(asked, by, sdp, *result, is_final);
        then(asked, std::move(result));
    };
    host_.answer(call.key(), by, std::move(sdp),
                 [this, key = call.key(), question](base::Now now, SdpResult result) {
                     on_sdp(now, key, question, std::move(result));
                 });
}

void Switchboard::Core::drop_offer(Call& call, Leg by) {
    if (!call.offer || call.offer->by != by) return;
    const Offer dropped = std::move(*call.offer);
    call.offer.reset();
    host_.rollback(call.key(), by);
    const auto& before = dropped.before[static_cast<std::size_t>(by)];
    if (!call.facts.answered_at || dropped.said == before.first) return;
    // An answer in a 18x may have changed what was in force; and who has looked at the media since
    // the offer has seen lines that are no more.
    for (const Leg leg : {Leg::A, Leg::B}) {
        LegFacts& facts = call.facts.leg(leg);
        std::tie(facts.remote_sdp, facts.local_sdp) = dropped.before[static_cast<std::size_t>(leg)];
    }
    tell(call, MediaChanged{.offerer = by, .is_early = false});
}

// What is in force now. An answer that is said again, for another branch or in the 2xx after a
// reliable 18x, belongs to the offer that was answered before.
void Switchboard::Core::note_answer(Call& call, Leg by, const std::string& said,
                                    const std::string& told, bool is_final) {
    LegFacts& answerer = call.facts.leg(by);
    LegFacts& offerer = call.facts.leg(other(by));
    const std::string offered = call.offer ? call.offer->said : offerer.remote_sdp;
    const std::string offer_told = call.offer ? call.offer->told : answerer.local_sdp;
    const bool is_new = offerer.remote_sdp != offered || offerer.local_sdp != told ||
                        answerer.remote_sdp != said || answerer.local_sdp != offer_told;
    offerer.remote_sdp = offered;
    offerer.local_sdp = told;
    answerer.remote_sdp = said;
    answerer.local_sdp = offer_told;
    if (call.offer && is_final) {
        call.offer.reset();
        ++call.exchanges;
    } else if (call.offer) {
        call.offer->answer_said = said;
        call.offer->answer_told = told;
    }
    if (is_new) tell(call, MediaChanged{.offerer = other(by), .is_early = !call.facts.answered_at});
    if (!is_final) return;
    note_hold(call, other(by), offerer_holds(offered));
    note_hold(call, by, answerer_holds(offered, said));
}

void Switchboard::Core::note_hold(Call& call, Leg leg, std::optional<bool> holds) {
    bool& is_holding = call.facts.leg(leg).is_holding;
    if (!holds || *holds == is_holding) return;
    is_holding = *holds;
    if (is_holding) {
        tell(call, Held{leg});
    } else {
        tell(call, Unheld{leg});
    }
}

}  // namespace earshot::b2bua
