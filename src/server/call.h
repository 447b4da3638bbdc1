// One running recorded call as the signalling thread holds it: the session, what the catalogue and
// the page show of it, and what waits. Plain state; what happens to it is signalling.cpp.
#pragma once

#include <bitset>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/uuid.h"
#include "capture/capture_worker.h"
#include "catalog/catalog.h"
#include "io/tls_peer.h"
#include "messages/desk.h"
#include "server/our_invite.h"
#include "server/timer_list.h"
#include "sip/agent.h"
#include "siprec/join_keys.h"
#include "siprec/leniency.h"
#include "siprec/recording_server_session.h"

namespace earshot::server {

struct CallStream {
    siprec::StreamFacts facts;
    std::uint16_t local_port = 0;
    bool is_closed = false;
    bool is_dropped = false;                      // by an operator
    capture::StreamCounters counters;             // as of the last second
    std::optional<base::SrtpSuite> dtls_suite{};  // as agreed on the media path last
    std::shared_ptr<messages::Gate> gate{};       // of an MSRP session; null: RTP
    std::uint64_t messages = 0;                   // of one, as of the last second
};

struct Call {
    std::uint64_t serial = 0;
    base::Uuid recording;
    base::Now arrived{};
    sip::Flow flow;
    std::string username;       // who was admitted by digest; empty: by its address or certificate
    io::TlsPeer certificate{};  // what it came with
    sip::TransactionId invite;
    sip::DialogId dialog;
    std::unique_ptr<siprec::RecordingServerSession> session;
    siprec::RowFacts facts;
    catalog::Attempt attempt;
    std::size_t client = 0;                            // its place in the ClientLedger
    std::bitset<siprec::kLeniencies> told_leniencies;  // counted there: once a call
    std::vector<base::NetAddress>
        media_from;  // of the peer's configuration, as it was at the INVITE
    bool probe_media = false;
    bool keeps_digits = true;
    std::string join_group;
    std::vector<siprec::JoinKey> join_keys;  // found so far
    bool has_new_metadata = false;           // not yet looked into for keys
    std::map<std::uint16_t, CallStream> streams;
    std::vector<messages::SessionSetup> to_connect{};  // by us, once the answer has gone

    // Records wait here until it is known that the INVITE is taken: a refused one leaves a row, no
    // recording.
    std::vector<capture::JournalEntry> early;
    bool is_journalled = false;
    bool wants_row = false;
    bool is_row_stale = false;  // what it shows has changed since it was submitted
    bool row_is_durable = false;
    bool is_acknowledged = false;
    bool is_ours = false;                   // the INVITE was ours
    std::unique_ptr<OurInvite> our_invite;  // until the ACK to its 2xx
    bool is_declined = false;               // by a rule or the decision hook
    std::optional<siprec::End> end;

    std::uint64_t datagrams = 0;  // of media that had come when they were last counted
    base::TimePoint heard_at{};   // when there were more
    TimerList::Id session_timer = 0;
    std::optional<base::TimePoint> session_due;  // when it rings
    TimerList::Id row_timer = 0;  // the catalogue did not answer: fall back to the journal
};

}  // namespace earshot::server
