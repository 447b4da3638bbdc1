#include "server/our_invite.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "server/limits.h"
#include "server/start_target.h"
#include "sip/headers.h"
#include "sip/uri.h"

namespace earshot::server {

namespace {

using base::Reason;

std::string answer_of(const sip::Message& response) {
    return fmt::format("The client answered {} {}", response.status(),
                       base::to_valid_utf8(response.reason()));
}

// Thousandths of RFC 3261's qvalue (section 25.1), 1000 when there is none.
int preference_of(const sip::NameAddr& contact) {
    const std::string_view text = contact.param("q").value_or("1");
    if (text.empty() || text.front() != '0') return 1000;
    int value = 0;
    for (std::size_t digit = 2; digit < 5; ++digit) {
        const char c = digit < text.size() ? text[digit] : '0';
        value = 10 * value + (c >= '0' && c <= '9' ? c - '0' : 0);
    }
    return value;
}

// The URI that the client likes best; empty when it names none.
std::string contact_of(const sip::Message& response) {
    std::string best;
    int preference = -1;
    for (const std::string_view value : response.values(sip::HeaderId::Contact)) {
        const auto contact = sip::parse_name_addr(value);
        if (!contact || contact->is_wildcard || contact->uri.empty()) continue;
        if (preference_of(*contact) <= preference) continue;
        preference = preference_of(*contact);
        best = contact->uri;
    }
    return best;
}

bool is_same(const std::string& one, const std::string& other) {
    const auto a = sip::parse_uri(one);
    const auto b = sip::parse_uri(other);
    return a && b && sip::uris_equal(*a, *b);
}

bool is_stale(const sip::Message& response) {
    const auto challenges = response.all(response.status() == 407 ? sip::HeaderId::ProxyAuthenticate
                                                                  : sip::HeaderId::WwwAuthenticate);
    return std::any_of(challenges.begin(), challenges.end(), [](std::string_view value) {
        const auto challenge = sip::parse_digest_challenge(value);
        return challenge && challenge->is_stale;
    });
}

}  // namespace

OurInvite::OurInvite(std::string uri, std::string from, std::string from_tag, std::string call_id,
                     std::vector<sip::ExtraHeader> headers)
    : uri_(std::move(uri)),
      from_(std::move(from)),
      to_("<" + uri_ + ">"),
      call_id_(std::move(call_id)),
      from_tag_(std::move(from_tag)),
      headers_(std::move(headers)),
      asked_{uri_} {}

sip::OutOfDialogSpec OurInvite::request() const {
    sip::OutOfDialogSpec spec;
    spec.request_uri = uri_;
    spec.from = from_;
    spec.to = to_;
    spec.call_id = call_id_;
    spec.from_tag = from_tag_;
    spec.cseq = cseq_;
    spec.flow = flow_;
    spec.headers = headers_;
    spec.headers.insert(spec.headers.end(), credentials_.begin(), credentials_.end());
    return spec;
}

bool OurInvite::can_go_on(int status) {
    // 305 names a proxy and 380 another service: nothing that an operator has asked for.
    return status == 401 || status == 407 || (status >= 300 && status <= 302);
}

base::Result<base::Done, Reason> OurInvite::on_refused(const sip::Message& response,
                                                       const sip::Flow& asked,
                                                       const sip::Credentials& ours,
                                                       std::string_view cnonce) {
    // Sections 8.1.3.4 and 22.2: the same Call-ID, From and To, and the next CSeq.
    auto next =
        response.status() < 400 ? follow(response) : authenticate(response, asked, ours, cnonce);
    if (next) ++cseq_;
    return next;
}

base::Result<base::Done, Reason> OurInvite::follow(const sip::Message& response) {
    const auto refuse = [&](const std::string& why) {
        return Reason{"redirected", answer_of(response) + ": " + why};
    };
    std::string uri = contact_of(response);
    if (uri.empty()) return refuse("it names no other place.");
    const std::string shown = base::to_valid_utf8(uri);
    if (const auto target = read_target(uri); !target)
        return refuse(fmt::format("it wants to be asked at {}. {}", shown, target.error().text));
    if (std::any_of(asked_.begin(), asked_.end(),
                    [&](const std::string& before) { return is_same(before, uri); }))
        return refuse(fmt::format("it wants to be asked at {}, which was asked already.", shown));
    if (asked_.size() > kMaxRedirections)
        return refuse(fmt::format("it wants to be asked at {}, after {} redirections before.",
                                  shown, kMaxRedirections));
    asked_.push_back(uri);
    uri_ = std::move(uri);
    credentials_.clear();  // meant for who asked for them
    flow_ = {};
    challenges_ = 0;
    return base::Done{};
}

base::Result<base::Done, Reason> OurInvite::authenticate(const sip::Message& response,
                                                         const sip::Flow& asked,
                                                         const sip::Credentials& ours,
                                                         std::string_view cnonce) {
    const std::string client = base::host_to_string(asked.remote);
    if (ours.username.empty())
        return Reason{"password_needed",
                      fmt::format("{}: it asks for a password; our_username and our_password_file "
                                  "of the [[peer]] with the address {} give it.",
                                  answer_of(response), client)};
    auto header = sip::answer_challenge(response, ours, "INVITE", uri_, cnonce);
    if (!header)
        return Reason{"password_needed",
                      fmt::format("{}: it asks for a password in a way that is not spoken here "
                                  "(digest with SHA-256 or MD5, qop=auth, is).",
                                  answer_of(response))};
    const auto given =
        std::find_if(credentials_.begin(), credentials_.end(),
                     [&](const sip::ExtraHeader& one) { return one.name == header->name; });
    // Asked again it is wrong (E-22), unless only the nonce was too old.
    const bool is_wrong = given != credentials_.end() && !is_stale(response);
    if (is_wrong || ++challenges_ > kMaxChallengesAtOnePlace)
        return Reason{"wrong_credentials",
                      fmt::format("{}: it does not take our_username and our_password_file of the "
                                  "[[peer]] with the address {}.",
                                  answer_of(response), client)};
    if (given != credentials_.end())
        *given = *std::move(header);
    else
        credentials_.push_back(*std::move(header));
    // Another place that the URI leads to has made no such nonce, and may not be meant to have it.
    flow_ = asked;
    return base::Done{};
}

}  // namespace earshot::server
