// A recording client without a transaction layer, for loads that a well-behaved one cannot make:
// writes the requests of one dialog by hand and reads what a response says. script/bench uses it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/net_address.h"
#include "base/random.h"
#include "base/time.h"
#include "sip/message.h"
#include "siprec/client_documents.h"

namespace earshot::bench {

struct RawDialog {
    std::string call_id;
    std::string tag;
    std::string to_tag;  // of the 200; empty before
    base::NetAddress local;
    base::NetAddress server;
    std::string_view transport = "UDP";

    // A whole request. `branch` without the magic cookie: the same one makes a retransmission, an
    // ACK to a failure and a CANCEL.
    std::string request(std::string_view method, int cseq, std::string_view branch,
                        const siprec::ClientBody& body = {}) const {
        // Before there is a dialog, and in what belongs to the INVITE's transaction, To has no tag.
        return fmt::format(
            "{0} sip:recorder@{1} SIP/2.0\r\n"
            "Via: SIP/2.0/{2} {3};branch=z9hG4bK{4};rport\r\n"
            "From: <sip:rough@{3}>;tag={5}\r\n"
            "To: <sip:recorder@{1}>{6}\r\n"
            "Call-ID: {7}\r\nCSeq: {8} {0}\r\nMax-Forwards: 70\r\n"
            "Contact: <sip:rough@{3}>;+sip.src\r\n{9}"
            "Content-Length: {10}\r\n\r\n{11}",
            method, base::to_string(server), transport, base::to_string(local), branch, tag,
            to_tag.empty() ? "" : ";tag=" + to_tag, call_id, cseq,
            body.bytes.empty() ? ""
                               : "Require: siprec\r\nContent-Type: " + body.content_type + "\r\n",
            body.bytes.size(), body.bytes);
    }
};

// The offer and metadata of a call of two parties whose media would come from these ports.
inline siprec::ClientBody raw_offer(base::Random& random, base::WallTime now,
                                    const base::NetAddress& local) {
    siprec::ClientCall call = siprec::make_client_call(random, now, 2);
    call.rtp_formats = {"0 PCMU/8000"};
    for (std::size_t i = 0; i < call.parties.size(); ++i) {
        siprec::ClientParty& party = call.parties[i];
        party.aor = fmt::format("sip:rough-{}@desk.example.com", i);
        party.rtp = party.rtcp = local;
        party.rtp.port = static_cast<std::uint16_t>(40000 + 2 * i);
        party.rtcp.port = static_cast<std::uint16_t>(party.rtp.port + 1);
    }
    return siprec::client_invite_body(call, now);
}

}  // namespace earshot::bench
