#include "client/server_start.h"

#include <algorithm>

#include "base/text.h"
#include "client/limits.h"
#include "sip/headers.h"
#include "sip/uri.h"
#include "siprec/client_bodies.h"

namespace earshot::client {

using sip::HeaderId;

namespace {

bool has_feature(const sip::Message& invite, std::string_view tag) {
    for (const std::string_view value : invite.values(HeaderId::Contact)) {
        const auto contact = sip::parse_name_addr(value);
        if (contact && sip::find_param(contact->params, tag)) return true;
    }
    return false;
}

// The UUIDs of "ab30...;remote=0047...": the halves of a session (RFC 7989 section 5).
bool shares_session(std::string_view told, const b2bua::CallFacts& facts) {
    constexpr std::string_view kNone = "00000000000000000000000000000000";
    const sip::TokenValue value = sip::parse_token_value(told);
    for (const std::string_view half : {value.token, value.param("remote").value_or("")}) {
        if (half.empty() || half == kNone) continue;
        for (const b2bua::LegFacts& leg : facts.legs)
            if (base::iequals(half, leg.session_uuid)) return true;
    }
    return false;
}

}  // namespace

bool is_server_start(const sip::Message& invite) {
    if (invite.method() != sip::Method::Invite || !invite.to_tag().empty()) return false;
    if (!siprec::find_sdp(invite).empty()) return false;
    if (has_feature(invite, "+sip.srs")) return true;
    return invite.lists(HeaderId::Require, "siprec") && !has_feature(invite, "+sip.src");
}

StartWish read_start(const sip::Message& invite) {
    StartWish wish;
    if (const auto uri = sip::parse_uri(invite.request_uri()); uri && uri->is_sip())
        wish.call = sip::unescape(uri->param("call").value_or(""));
    if (const auto dialog = invite.find("Target-Dialog")) {
        const sip::TokenValue value = sip::parse_token_value(*dialog);
        wish.dialog = value.token;
        wish.local_tag = value.param("local-tag").value_or("");
        wish.remote_tag = value.param("remote-tag").value_or("");
    }
    wish.session = invite.find("Session-ID").value_or("");
    const auto remote = sip::parse_token_value(wish.session).param("remote").value_or("");
    wish.is_session_own = remote.find_first_not_of('0') == std::string_view::npos;
    return wish;
}

bool is_wished(const StartWish& wish, const b2bua::CallFacts& facts) {
    if (wish.dialog.empty()) return shares_session(wish.session, facts);
    return std::any_of(facts.legs.begin(), facts.legs.end(), [&](const b2bua::LegFacts& leg) {
        if (leg.call_id != wish.dialog) return false;
        const auto fits = [&](std::string_view ours, std::string_view theirs) {
            return (wish.local_tag.empty() || wish.local_tag == ours) &&
                   (wish.remote_tag.empty() || wish.remote_tag == theirs);
        };
        return fits(leg.local_tag, leg.remote_tag) || fits(leg.remote_tag, leg.local_tag);
    });
}

bool StartAllowance::take(const std::string& host) {
    if (!taken_.contains(host) && taken_.size() >= kMaxStartHosts) return false;
    std::uint32_t& taken = taken_[host];
    if (taken >= kMaxStartsPerSecond) return false;
    ++taken;
    return true;
}

}  // namespace earshot::client
