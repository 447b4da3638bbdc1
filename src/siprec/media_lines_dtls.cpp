// DTLS-SRTP and ICE of the m-lines: what the peer says and what we answer (RFC 5763, RFC 8842,
// RFC 8839).
#include "sdp/fingerprint.h"
#include "sdp/ice.h"
#include "siprec/media_lines.h"

namespace earshot::siprec {

// What the peer says anew in the course of a session, another
// certificate or ICE restart, is found by comparing.
std::optional<DtlsFacts> MediaLines::dtls_of(const sdp::SessionDescription& description,
                                             const sdp::MediaDescription& carrier,
                                             const Line* holder, Role role) const {
    const DtlsFacts* const in_force = holder == nullptr ? nullptr : holder->dtls.get();
    const bool is_dtls = carrier.is_secure_rtp() && (sdp::is_dtls_srtp(description, carrier) ||
                                                     (role != Role::Offer && in_force != nullptr));
    if (!is_dtls) return std::nullopt;
    DtlsFacts facts;
    facts.peer = sdp::fingerprints_of(description, carrier);
    const auto setup = sdp::setup_of(description, carrier);
    const auto answered = sdp::answer_setup(setup);
    if (facts.peer.empty() || !answered)
        return in_force != nullptr ? std::optional{*in_force} : std::nullopt;
    if (const sdp::Attribute* id = description.find_attribute(carrier, "tls-id"); id != nullptr)
        facts.tls_id = id->value;
    facts.are_we_active = *answered == sdp::Setup::Active;
    // An association that goes on keeps its roles, although actpass is offered anew (RFC 8842
    // section 5.5).
    const bool may_keep = setup == sdp::Setup::ActPass && in_force != nullptr &&
                          in_force->peer == facts.peer && in_force->tls_id == facts.tls_id;
    if (may_keep) facts.are_we_active = in_force->are_we_active;
    facts.ice = ice_of(description, carrier, in_force, facts.has_ice_mismatch);
    return facts;
}

std::optional<IceFacts> MediaLines::ice_of(const sdp::SessionDescription& description,
                                           const sdp::MediaDescription& carrier,
                                           const DtlsFacts* in_force, bool& has_mismatch) const {
    const auto offered = sdp::ice_of(description, carrier);
    has_mismatch = offered && offered->is_mismatch;
    // RFC 8445 section 2.5: of two lite agents none would ever send a check.
    if (!offered || offered->is_lite || offered->is_mismatch || dtls_.new_ice == nullptr)
        return std::nullopt;
    if (in_force != nullptr && in_force->ice && in_force->ice->peer_ufrag == offered->ufrag &&
        in_force->ice->peer_password == offered->password)
        return in_force->ice;
    // RFC 8839 section 4.4.1.1.1: to a restart we have new credentials, too.
    const IceCredentials ours = dtls_.new_ice();
    return IceFacts{.ufrag = ours.ufrag,
                    .password = ours.password,
                    .peer_ufrag = std::string{offered->ufrag},
                    .peer_password = std::string{offered->password}};
}

bool MediaLines::uses_ice() const {
    return std::any_of(lines_.begin(), lines_.end(), [](const Line& line) {
        return line.state == Line::State::Open && line.dtls && line.dtls->ice;
    });
}

// As whole lines.
std::string MediaLines::dtls_attributes(const Line& line, const MediaAddresses& ours) const {
    const DtlsFacts& dtls = *line.dtls;
    std::string lines = "a=fingerprint:" + sdp::to_string(*dtls_.fingerprint) + "\r\na=setup:";
    lines += sdp::to_string(dtls.are_we_active ? sdp::Setup::Active : sdp::Setup::Passive);
    lines += "\r\n";
    if (dtls.has_ice_mismatch) lines += "a=ice-mismatch\r\n";
    if (!dtls.ice) return lines;
    lines += "a=ice-ufrag:" + dtls.ice->ufrag + "\r\na=ice-pwd:" + dtls.ice->password + "\r\n";
    base::NetAddress address = address_of(line, ours);
    address.port = line.rtp_port;
    lines += "a=candidate:" + sdp::host_candidate(address, 1) + "\r\n";
    if (line.rtcp_mux) return lines;
    address.port = line.rtcp_port;
    return lines + "a=candidate:" + sdp::host_candidate(address, 2) + "\r\n";
}

}  // namespace earshot::siprec
