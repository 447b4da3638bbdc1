// The video lines of a test call: one for what each party's camera shows, one for what is shared.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/net_address.h"
#include "base/uuid.h"
#include "loadgen/slide_picture.h"
#include "sdp/session_description.h"
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
    std::optional<Sharing> sharing{};  // what is shared; nothing: a camera
};

// Of a=fmtp, for what the line shows: profile-level-id, packetization-mode, sprop-parameter-sets.
std::string h264_parameters(std::optional<Sharing> sharing);
// Our extension of the stream in the metadata: <sharing kind="..." title="..."/>.
std::string sharing_element(Sharing sharing);

// The m= section of an offer (RFC 6184 section 8.2.2, RFC 4585 section 4).
std::string video_section(const VideoLine& line);

// The same of a phone, in the clear and with feedback.
std::string video_section(const base::NetAddress& rtp, std::optional<Sharing> sharing,
                          sdp::Direction direction);
// And of its answer to an offered line, of whose types it takes this one.
std::string answered_video_section(const base::NetAddress& rtp, std::optional<Sharing> sharing,
                                   sdp::Direction direction, const sdp::MediaDescription& offered,
                                   std::uint8_t payload_type);

}  // namespace earshot::loadgen
