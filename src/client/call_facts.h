// What the rules of a client judge a call by, read from its INVITE.
#pragma once

#include <string>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "base/time.h"
#include "policy/call_rule.h"
#include "sip/message.h"

namespace earshot::client {

policy::HeaderList headers_of(const sip::Message& message);

// `inside`: globs of the hosts whose calls are outbound. `random` draws the call's lot.
policy::CallFacts make_call_facts(const sip::Message& invite, const base::NetAddress& source,
                                  const std::vector<std::string>& inside, base::WallTime now,
                                  base::Random& random);

}  // namespace earshot::client
