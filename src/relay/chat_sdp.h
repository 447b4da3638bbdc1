// A chat in a session description: `m=message PORT TCP/MSRP *` (RFC 4975 section 8) as the other
// party is told it by who relays it. Text in, text out; all that is not about the connection stays
// byte for byte.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/certificate_fingerprint.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "chat/switch.h"
#include "sdp/message_media.h"
#include "sdp/session_description.h"

namespace earshot::relay {

// Plain: TCP/MSRP. Encrypted: TCP/TLS/MSRP. None also of a refused line.
enum class ChatLine : std::uint8_t { None, Plain, Encrypted };
ChatLine chat_line(const sdp::MediaDescription& medium);

// The certificate that parties and servers are shown.
struct ChatCertificate {
    base::CertificateFingerprint fingerprint{};
    bool is_self_signed = false;  // nobody can know it but by the fingerprint
};
// Why a line in TLS cannot end here, where `own` would be shown; nothing of others.
std::optional<base::Reason> find_tls_fault(const sdp::SessionDescription& description,
                                           const sdp::MediaDescription& medium,
                                           const std::optional<ChatCertificate>& own);

constexpr std::string_view chat_proto(bool is_secure) {
    return is_secure ? "TCP/TLS/MSRP" : "TCP/MSRP";
}
// The line as it stands with port 0.
std::string refused_chat_section(const sdp::MediaDescription& medium);

// What makes an end of a chat another one when it changes: a=path, of TLS the fingerprints.
std::string chat_end_of(const sdp::SessionDescription& description,
                        const sdp::MediaDescription& medium);

// What a party says of its end. `answers`: it is an answer, in which who does not say (RFC 6135)
// is who connects to nobody; an offer's default is to connect (RFC 4975 section 8.4). Nothing: its
// path cannot be read, or leads nowhere that we could connect to.
std::optional<chat::Peer> peer_of(const sdp::SessionDescription& description,
                                  const sdp::MediaDescription& medium, bool answers);

// A URI of ours for a new session, unguessable: 128 bits (RFC 4975 section 14.1).
inline constexpr std::size_t kSessionIdBytes = 16;
msrp::Uri own_chat_uri(base::Random& random, const base::NetAddress& at, bool is_secure);

struct ToldChat {
    base::NetAddress address;  // ours, with the port
    std::string path;          // ours, one URI
    // a=setup; nothing: there is none, as in the offer that is answered.
    std::optional<sdp::Setup> setup;
    // Of TLS: of our certificate (RFC 8122).
    std::optional<base::CertificateFingerprint> fingerprint{};
    bool has_cema = false;  // a=msrp-cema (RFC 6714), which is about this hop alone
};
std::string told_chat_section(std::string_view section, const ToldChat& told);

}  // namespace earshot::relay
