// What the rules of a client judge a call by, read from its INVITE.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "base/time.h"
#include "policy/call_rule.h"
#include "sip/message.h"

namespace earshot::client {

// A URI as logs and events tell it: sip:user:password@host without the password.
std::string without_password(std::string_view uri);

policy::HeaderList headers_of(const sip::Message& message);

// `inside`: globs of the hosts whose calls are outbound. `random` draws the call's lot.
policy::CallFacts make_call_facts(const sip::Message& invite, const base::NetAddress& source,
                                  const std::vector<std::string>& inside, base::WallTime now,
                                  base::Random& random);

}  // namespace earshot::client
