// What a recording client (SRC) of ours sends as bodies: the offer with the complete metadata, and
// the partial updates of hold, resume and end. Pure functions over a description of a two-party
// call; used by `earshot call`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/certificate_fingerprint.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/srtp_key.h"
#include "base/time.h"
#include "base/uuid.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

struct ClientBody {
    std::string content_type;  // "multipart/mixed;boundary=..."
    std::string bytes;
};

// What our side of DTLS-SRTP tells (RFC 5763, RFC 8842).
struct ClientDtls {
    base::CertificateFingerprint fingerprint;
    std::string tls_id;  // of one association
};

// One party of the recorded call, and the stream in which its voice goes to the recording server.
struct ClientParty {
    std::string aor;   // sip:ada@desk.example
    std::string name;  // may be empty
    std::string label;
    base::NetAddress rtp;   // where we send from and receive RTCP reports for: our socket
    base::NetAddress rtcp;  // port = rtp.port + 1: no a=rtcp is written
    base::Uuid participant_id;
    base::Uuid stream_id;
    std::optional<base::SrtpMasterKey> key{};  // SRTP under it
    std::optional<ClientDtls> dtls{};          // SRTP keyed by it; neither: in the clear
};

struct ClientCall {
    base::Uuid session_id;
    MetadataId group_id;
    std::string sip_session_id;  // RFC 7989 form
    base::WallTime started;
    std::uint64_t sdp_session = 0;  // o= sess-id
    std::uint32_t sdp_version = 1;  // o= sess-version: raise it with each changed offer
    std::vector<std::string>
        rtp_formats;  // "0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"
    std::vector<ClientParty> parties;
};

// Fresh ids for a call of these parties (aor, name and rtp set by the caller afterwards).
ClientCall make_client_call(base::Random& random, base::WallTime now, std::size_t parties);

enum class ClientMedia { Sending, Inactive };  // a=sendonly, a=inactive (pause, P-35)

// application/sdp alone: every party's line in order.
std::string client_offer(const ClientCall& call, ClientMedia media = ClientMedia::Sending);
// The initial INVITE, a re-INVITE, or the answer to a snapshot request: offer + complete metadata.
ClientBody client_invite_body(const ClientCall& call, base::WallTime now,
                              ClientMedia media = ClientMedia::Sending);
// The documents alone, for UPDATE with Content-Type application/rs-metadata+xml and
// Content-Disposition recording-session. While held nobody hears party 0: it keeps recv only, the
// holder (party 1) keeps send only (metadata-model 9.2).
std::string client_complete_metadata(const ClientCall& call, base::WallTime now);
std::string client_hold_metadata(const ClientCall& call, base::WallTime now);
std::string client_resume_metadata(const ClientCall& call, base::WallTime now);
std::string client_end_metadata(const ClientCall& call, base::WallTime now);

inline constexpr const char* kMetadataContentType = "application/rs-metadata+xml";
inline constexpr const char* kMetadataDisposition = "recording-session";

}  // namespace earshot::siprec
