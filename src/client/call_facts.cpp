#include "client/call_facts.h"

#include <algorithm>

#include "policy/glob.h"
#include "sip/headers.h"

namespace earshot::client {

namespace {

policy::CallFacts::Party party_of(const sip::NameAddr& address) {
    return {.uri = std::string(address.uri), .name = std::string(address.display_name)};
}

}  // namespace

policy::HeaderList headers_of(const sip::Message& message) {
    policy::HeaderList headers;
    for (std::size_t i = 0; i < message.header_count(); ++i) {
        const sip::HeaderView header = message.header(i);
        headers.emplace_back(header.name, header.value);
    }
    return headers;
}

std::string without_password(std::string_view uri) {
    const auto parsed = sip::parse_uri(uri);
    if (!parsed || parsed->password.empty()) return std::string(uri);
    std::string text(uri);
    // The colon and what follows it; views into `uri`.
    const auto at = static_cast<std::size_t>(parsed->password.data() - uri.data());
    return text.erase(at - 1, parsed->password.size() + 1);
}

policy::CallFacts make_call_facts(const sip::Message& invite, const base::NetAddress& source,
                                  const std::vector<std::string>& inside, base::WallTime now,
                                  base::Random& random) {
    const std::string host = base::host_to_string(source);
    constexpr std::uint64_t kLots = 100;
    policy::CallFacts facts{.call_id = std::string(invite.call_id()),
                            .from = party_of(invite.from()),
                            .to = party_of(invite.to()),
                            .request_uri = std::string(invite.request_uri()),
                            .source = base::to_string(source),
                            .is_outbound = std::any_of(inside.begin(), inside.end(),
                                                       [&](const std::string& glob) {
                                                           return policy::glob_matches(glob, host);
                                                       }),
                            .headers = headers_of(invite),
                            .time = now,
                            .lot = static_cast<std::uint32_t>(random.u64() % kLots)};
    for (const std::string_view value : invite.values(sip::HeaderId::PAssertedIdentity)) {
        const auto asserted = sip::parse_name_addr(value);
        if (!asserted) continue;
        facts.asserted = party_of(*asserted);
        break;
    }
    return facts;
}

}  // namespace earshot::client
