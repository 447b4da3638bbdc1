// What is asked of RTPEngine beside what a command needs, written as in Kamailio's and OpenSIPS'
// rtpengine_offer(): words that are separated by blanks.
//
//   ICE=remove  media-address=192.0.2.1      KEY=VALUE       a key of the command
//   replace-origin                           replace-WORD    an item of its list "replace"
//   RTP/AVP  UDP/TLS/RTP/SAVPF               a profile       "transport-protocol"
//   internal external  direction=internal    an interface    an item of its list "direction"
//   trust-address  codec-strip-G729          any other word  an item of its list "flags"
#pragma once

#include <string_view>

#include "base/reason.h"
#include "base/result.h"
#include "relay/ng_message.h"

namespace earshot::relay {

// Reasons: bad_flags, with what is wrong: a key that is ours to set (command, call-id, tags, sdp),
// or none before '='.
base::Result<NgDictionary, base::Reason> parse_ng_flags(std::string_view text);
// Adds them to a command: to its lists behind what they have; otherwise in place of it.
void add_ng_flags(NgDictionary& command, const NgDictionary& flags);
// An item of "flags".
bool has_ng_flag(const NgDictionary& flags, std::string_view name);

}  // namespace earshot::relay
