// Transfers: REFER (RFC 3515), Replaces (RFC 3891), as RFC 5589 puts them together. Each party
// names dialogs as it knows them; what goes to the other leg has to name that leg's.
#include <algorithm>

#include "b2bua/limits.h"
#include "b2bua/switchboard_core.h"
#include "base/text.h"
#include "sip/uri.h"

namespace earshot::b2bua {

namespace {

using sip::HeaderId;
using sip::Method;

bool names_same(std::string_view a, std::string_view b) {
    const auto first = sip::parse_uri(a);
    const auto second = sip::parse_uri(b);
    return first && second ? sip::uris_equal(*first, *second) : a == b;
}

}  // namespace

// Who gave the name took us for the far end, or got it from us already mapped.
std::optional<Switchboard::Core::NamedDialog> Switchboard::Core::find_named(
    const DialogName& name) const {
    const auto owner = [&](sip::DialogId id) {
        const auto at = by_dialog_.find(id.value);
        return id && at != by_dialog_.end() ? std::optional(at->second) : std::nullopt;
    };
    if (const auto near = owner(agent_.find_dialog(name.call_id, name.to_tag, name.from_tag))) {
        const auto [key, leg] = *near;
        Call* call = find(key);
        const auto far = call != nullptr ? agent_.find_dialog(call->dialog(other(leg)))
                                         : std::optional<sip::DialogFacts>{};
        if (!far) return std::nullopt;
        return NamedDialog{.call = key,
                           .far = other(leg),
                           .name = {.call_id = std::string(far->call_id),
                                    .to_tag = std::string(far->remote_tag),
                                    .from_tag = std::string(far->local_tag),
                                    .params = name.params}};
    }
    if (const auto far = owner(agent_.find_dialog(name.call_id, name.from_tag, name.to_tag)))
        return NamedDialog{.call = far->first, .far = far->second, .name = name};
    return std::nullopt;
}

void Switchboard::Core::map_replaces(std::vector<sip::ExtraHeader>& headers) const {
    for (sip::ExtraHeader& header : headers) {
        const bool names_dialog =
            base::iequals(header.name, "Replaces") || base::iequals(header.name, "Join");
        const auto name = names_dialog ? parse_dialog_name(header.value) : std::nullopt;
        const auto named = name ? find_named(*name) : std::nullopt;
        if (named && named->name != *name) header.value = to_string(named->name);
    }
}

// An INVITE to us that names a call of ours is meant for that call's far end.
void Switchboard::Core::follow_replaces(const sip::Message& invite, Way& way) const {
    const auto name = parse_dialog_name(invite.find(HeaderId::Replaces).value_or(""));
    const auto named = name ? find_named(*name) : std::nullopt;
    const Call* call = named ? find(named->call) : nullptr;
    if (call == nullptr) return;
    const auto far = agent_.find_dialog(call->dialogs[static_cast<std::size_t>(named->far)]);
    if (!far) return;
    way.uri = far->remote_target;
    way.flow = far->flow;
    way.is_to_us = false;
}

void Switchboard::Core::note_transfer(Call& call) {
    const sip::Message& invite = *call.facts.invite;
    const auto name = parse_dialog_name(invite.find(HeaderId::Replaces).value_or(""));
    if (const auto named = name ? find_named(*name) : std::nullopt) {
        call.facts.transferred_from = named->call;
        tell(call, Transferred{named->call, true, call.facts.request_uri});
    }
    while (!invitations_.empty() && invitations_.front().until <= now_.steady)
        invitations_.pop_front();
    const auto at = std::find_if(invitations_.begin(), invitations_.end(), [&](const auto& one) {
        const bool is_invited = call.facts.leg(Leg::A).flow.remote.same_host(one.host) ||
                                invite.find("Referred-By").has_value();
        return is_invited && names_same(one.uri, invite.request_uri());
    });
    if (at == invitations_.end()) return;
    const Invitation invitation = *at;
    invitations_.erase(at);
    if (!call.facts.transferred_from) call.facts.transferred_from = invitation.call;
    tell(call, Transferred{invitation.call, false, call.facts.request_uri});
}

std::string Switchboard::Core::map_refer_to(Call& call, Leg from, std::string_view value) {
    auto refer_to = parse_refer_to(value);
    if (!refer_to) return std::string(value);
    const auto named = refer_to->replaces ? find_named(*refer_to->replaces) : std::nullopt;
    const auto told = agent_.find_dialog(call.dialog(other(from)));
    if (named) {
        refer_to->replaces = named->name;
        // The address of the far end, as this leg knows it, is ours: that one would not lead there.
        const auto far = agent_.find_dialog(find(named->call)->dialog(named->far));
        const bool is_place = places_.find(refer_to->uri).has_value();
        if (far && told && own_names_.is_ours(refer_to->uri) && !is_place) {
            const std::size_t listener =
                told->flow.listener < config_.listeners.size() ? told->flow.listener : 0;
            refer_to->uri = places_.to_uri(config_.listeners[listener].contact,
                                           {std::string(far->remote_target), far->flow});
        }
    }
    if (told) {
        if (invitations_.size() >= kMaxInvitations) invitations_.pop_front();
        invitations_.push_back(
            {call.key(), refer_to->uri, told->flow.remote, now_.steady + kInvitationTime});
    }
    return to_string(*refer_to);
}

void Switchboard::Core::note_reference(Call& call, Leg from, std::uint32_t cseq_in,
                                       std::uint32_t cseq_out) {
    if (call.references.size() >= kMaxReferences) call.references.erase(call.references.begin());
    call.references.push_back({from, cseq_in, cseq_out});
}

// RFC 3515 §2.4.6: the NOTIFYs of a second REFER name it by its CSeq, "refer;id=93809824".
std::string Switchboard::Core::map_event(const Call& call, Leg from, std::string_view value) {
    const sip::TokenValue event = sip::parse_token_value(value);
    const auto id = base::parse_number<std::uint32_t>(event.param("id").value_or(""));
    if (!base::iequals(event.token, "refer") || !id) return std::string(value);
    for (const Reference& reference : call.references)
        if (reference.from == other(from) && reference.cseq_out == *id)
            return "refer;id=" + std::to_string(reference.cseq_in);
    return std::string(value);
}

void Switchboard::Core::map_references(Call& call, Leg from, const sip::Message& request,
                                       std::vector<sip::ExtraHeader>& headers) {
    if (request.method() == Method::Notify) {
        for (sip::ExtraHeader& header : headers)
            if (sip::find_header_id(header.name) == HeaderId::Event)
                header.value = map_event(call, from, header.value);
    } else if (request.method() == Method::Refer) {
        for (sip::ExtraHeader& header : headers)
            if (sip::find_header_id(header.name) == HeaderId::ReferTo)
                header.value = map_refer_to(call, from, header.value);
    }
}

}  // namespace earshot::b2bua
