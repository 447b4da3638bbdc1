// What is wrong with the form of an offer and is taken: RFC 8866, RFC 3264, RFC 7866 section 7.1.
#pragma once

#include <vector>

#include "base/net_address.h"
#include "sdp/session_description.h"
#include "siprec/leniency.h"

namespace earshot::siprec {

void find_leniencies(const sdp::SessionDescription& offer, const base::NetAddress& peer,
                     std::vector<FoundLeniency>& out);

// The offers of one dialog, compared with each other (RFC 3264 section 8).
class OfferHistory {
public:
    // Compares with what keep() kept, if anything.
    void find_leniencies(const sdp::SessionDescription& offer, std::string_view text,
                         std::vector<FoundLeniency>& out) const;
    void keep(const sdp::SessionDescription& offer, std::string_view text);

private:
    std::size_t text_hash_ = 0;
    std::size_t version_hash_ = 0;
    std::size_t lines_ = 0;
};

}  // namespace earshot::siprec
