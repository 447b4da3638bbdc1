// Is this INVITE a recording session? RFC 7866 section 6.2 wants an option tag and a feature tag;
// real clients send either, neither, or a header of their own (siprec-conformance E-3).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sip/message.h"
#include "siprec/request_body.h"

namespace earshot::siprec {

struct InviteMarks {
    bool option_tag = false;            // Require: siprec
    bool feature_tag = false;           // Contact: ...;+sip.src
    bool is_feature_tag_right = false;  // it stands where and as RFC 7866 has it
    bool is_contact_unterminated = false;
    bool metadata_part = false;
    bool vendor_mark = false;    // a recording header or parameter of a vendor
    bool all_send_only = false;  // every m-line of its SDP is a=sendonly

    bool is_marked() const { return option_tag || feature_tag || metadata_part || vendor_mark; }
    bool is_by_the_book() const { return option_tag && feature_tag && is_feature_tag_right; }
};
InviteMarks find_marks(const sip::Message& invite, const RequestBody& body);

// What is wrong with the marks and the form of the INVITE, and was taken.
void find_leniencies(const sip::Message& invite, const InviteMarks& marks,
                     std::vector<FoundLeniency>& out);

// The parties that Cisco's NBR names in headers instead of metadata (Q19), in order of their
// media-index.
struct HeaderParty {
    std::string aor;
    std::size_t media_index = 0;
    friend bool operator==(const HeaderParty&, const HeaderParty&) = default;
};
std::vector<HeaderParty> header_parties(const sip::Message& invite);

// The tags of Require that we do not have; "siprec" is never among them (interop Q40).
std::vector<std::string> unsupported_tags(const sip::Message& request);

// The headers that are not SIP's own, as received: what integrators put there to find a call by.
std::vector<std::pair<std::string, std::string>> foreign_headers(const sip::Message& invite);

}  // namespace earshot::siprec
