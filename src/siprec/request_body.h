// What a request of a recording session carries: the first SDP, the first metadata document, and
// what is neither. Views into the message.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sip/message.h"
#include "siprec/leniency.h"

namespace earshot::siprec {

struct RequestBody {
    std::optional<std::string_view> sdp;
    std::optional<std::string_view> metadata;
    std::string_view metadata_charset;
    std::string_view other_type;  // of a body that is alone and neither: INFO's
    std::string_view other_body;
    std::vector<std::string> unknown_required;  // types of parts with handling=required
    std::vector<FoundLeniency> leniencies;      // what was bent to read it
    bool is_unreadable = false;                 // a multipart that cannot be taken apart
};

RequestBody read_body(const sip::Message& request);

}  // namespace earshot::siprec
