// Whether an INFO carries keys that were pressed (DTMF). Digits are sensitive (card numbers).
#pragma once

#include "sip/message.h"

namespace earshot::siprec {

// By the types of its body's parts: application/dtmf-relay, application/dtmf and the like; true
// also of a body that cannot be taken apart.
bool carries_digits(const sip::Message& info);

}  // namespace earshot::siprec
