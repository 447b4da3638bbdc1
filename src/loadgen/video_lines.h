// The video lines of a recorded test call: one for what each party's camera shows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/net_address.h"
#include "base/uuid.h"
#include "siprec/client_documents.h"

namespace earshot::loadgen {

struct VideoLine {
    std::size_t party = 0;
    std::string label;
    base::Uuid stream_id{};
    base::NetAddress rtp{};
    bool has_feedback = true;                  // offers nack, nack pli and ccm fir
    std::optional<base::SrtpMasterKey> key{};  // as those of siprec::ClientParty
    std::optional<siprec::ClientDtls> dtls{};
};

// The m= section of an offer (RFC 6184 section 8.2.2, RFC 4585 section 4).
std::string video_section(const VideoLine& line);

}  // namespace earshot::loadgen
