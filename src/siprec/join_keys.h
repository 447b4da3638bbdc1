// What ties the dialogs of one conversation together: ids that their requests and metadata carry.
// Two-leg forking (Cisco), a call recorded once for each subscriber (Metaswitch), a transfer or a
// second recording client bring several dialogs; which of them belong together is told by equal
// keys alone. A CS-Group (RFC 7865 section 6.2) is none: it relates conversations.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sip/message.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

// Where to look for a key. Written "session_id" (of the metadata's sessions), "sip_session_id" (RFC
// 7989: the header Session-ID and the metadata's sipSessionID), "header:NAME" (of INVITE and
// UPDATE), "from:NAME" (a parameter of From's URI or of From itself), "element:NAME" (the text of a
// foreign element of the metadata, whatever its namespace).
struct JoinKeySource {
    enum class Kind { SessionId, SipSessionId, Header, FromParameter, Element };
    Kind kind = Kind::SessionId;
    std::string name{};  // of header, parameter or element
    friend bool operator==(const JoinKeySource&, const JoinKeySource&) = default;
};
std::optional<JoinKeySource> parse_join_key_source(std::string_view text);
std::string to_string(const JoinKeySource& source);

struct JoinKey {
    std::string name;   // that of its source
    std::string value;  // in one form, where there is one: a UUID in hex, halves in lower case
    friend bool operator==(const JoinKey&, const JoinKey&) = default;
};

// Each key once, in the order of `sources`. Never a key: a value of zeros (RFC 7989 section 5: the
// unknown half), one that is empty or too long, a session_id that is too short to be of one session
// alone.
std::vector<JoinKey> find_join_keys(const sip::Message& request,
                                    std::span<const JoinKeySource> sources);
std::vector<JoinKey> find_join_keys(const MetadataModel& metadata,
                                    std::span<const JoinKeySource> sources);

// Both halves of "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2" that
// are known: a transfer keeps one of them, and the other leg of a call has them the other way
// round.
std::vector<std::string> session_id_halves(std::string_view value);

}  // namespace earshot::siprec
