// What the signalling, the metadata and the events say about a recording, gathered record by
// record. The events' JSON is hostile input: wrong types and values are passed over, all growth is
// bounded.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/limits.h"
#include "archive/summary.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "journal/record.h"
#include "siprec/metadata.h"

namespace earshot::archive {

struct PayloadFormat {
    std::uint8_t number = 0;
    std::string encoding;  // as in rtpmap; case does not matter
    std::uint32_t clock_rate = 8000;
    std::uint16_t channels = 1;
    std::string fmtp{};  // parameters as written; empty: none
};

struct Interval {
    std::int64_t from_ns = 0;
    std::int64_t to_ns = 0;  // kOpen: not over yet
    static constexpr std::int64_t kOpen = INT64_MAX;
};
// The last interval of the list is open.
inline bool is_open(const std::vector<Interval>& list) {
    return !list.empty() && list.back().to_ns == Interval::kOpen;
}
// Whether any of the intervals has a moment in common with [from_ns, to_ns].
bool any_overlaps(const std::vector<Interval>& list, std::int64_t from_ns, std::int64_t to_ns);

// Ids of the header extensions that tell audio levels; 0: not negotiated.
struct AudioLevelIds {
    std::uint8_t client = 0;     // RFC 6464
    std::uint8_t mixer = 0;      // RFC 6465
    bool has_voice_flag = true;  // not "vad=off"
};

// While something was shared in a stream.
struct SharedInterval {
    Interval time;
    std::string kind;       // screen, application, document; empty: not told
    std::string title;      // the same
    std::string presenter;  // the same; an AOR
};

struct StreamFacts {
    std::uint16_t stream = 0;
    std::string label;
    std::string media = "audio";
    std::string content;  // a=content (RFC 4796), of the latest offer
    std::string role;     // as the server took it: camera, content, sign_language; empty: not told
    std::vector<SharedInterval> shared;
    AudioLevelIds level_ids;             // of the latest offer
    std::string direction = "sendonly";  // of the latest offer
    std::uint16_t local_port = 0;
    std::vector<Interval> negotiated;
    bool is_refused = false;        // by us; with nothing negotiated, from the begin to the end
    std::vector<Interval> dropped;  // by an operator or a rule
    std::vector<Interval> paused;
    std::vector<Interval> held;
    std::vector<Interval> storage;        // media came and could not be stored
    std::uint64_t strangers_packets = 0;  // from hosts that may not send it: not stored
    std::string stranger;                 // the newest of them, "192.0.2.66:40000"
    std::string suite;                    // of SRTP, by the latest offer; empty: in the clear
    std::string dtls_role;                // ours, by the latest offer; empty: not keyed by DTLS
    std::uint64_t forged_packets = 0;     // that were not authentic: not stored
    std::optional<std::string> chatroom;  // of m=message: RFC 7701's tokens
    std::string file_selector;            // a file is sent (RFC 5547); empty: none

    struct Formats {
        std::int64_t from_ns = 0;
        std::vector<PayloadFormat> list;
    };
    std::vector<Formats> formats;  // as negotiated, oldest first

    bool is_audio() const { return media == "audio"; }
    // What the number meant at that time: by the newest negotiation before it that names the
    // number, else by the oldest after it, else by RFC 3551's static table.
    const PayloadFormat* find_format(std::uint8_t number, std::int64_t arrival_ns) const;
};

class RecordingFacts {
public:
    // Any record; those of media are only looked at for their time.
    void add(const journal::Record& record);

    bool is_empty() const { return records_ == 0; }
    std::int64_t start_ns() const;
    // It begins with media that is older than its first INVITE.
    void begin_at(std::int64_t at_ns) { media_from_ns_ = at_ns; }
    // The end of the last call, or of what was recorded when no end was told; media counts for
    // kLateMedia beyond the call's end.
    std::int64_t end_ns() const;
    bool has_ended() const { return calls_open_ <= 0 && calls_ended_ > 0; }
    const std::optional<base::Reason>& end_reason() const { return end_reason_; }  // not a BYE
    const std::optional<base::Reason>& recovered() const { return recovered_; }

    const std::map<std::uint16_t, StreamFacts>& streams() const { return streams_; }
    const std::vector<std::string>& call_ids() const { return call_ids_; }
    const std::map<std::string, std::string>& headers() const { return headers_; }
    const siprec::MetadataModel& metadata() const { return metadata_; }
    const std::vector<ParticipantSummary>& participants() const { return participants_; }
    // AORs of those who sent the label at any time, in the order in which they began.
    std::vector<std::string> senders_of(const std::string& label) const;
    std::vector<std::string> session_ids() const;
    // The id of its CS-Group, and the name that stood in its place: siprec::is_profile.
    std::string group() const;
    std::string profile() const;
    const std::string& join_group() const { return join_group_; }
    const std::vector<catalog::JoinKey>& join_keys() const { return join_keys_; }
    std::map<std::string, std::string> extensions() const;
    // Whose voice a mixer's CSRC is, by RTCP SDES: the participant whose id the CNAME is (so our
    // client's mixes tell it), else whose SSRC it is by the roster of a conference, else the CNAME
    // itself; empty: not told.
    std::string speaker_of(std::uint32_t csrc) const;
    // The display name of a participant, else the AOR itself.
    std::string name_of(const std::string& aor) const;
    // Whose nickname that was then by the metadata, else who is so called by display name: an AOR;
    // empty: nobody's.
    std::string who_is_called(const std::string& nickname, std::int64_t at_ns) const;
    // Our own address as our SDP answer names it; unspecified when none was seen.
    const base::NetAddress& local_host() const { return local_host_; }
    // The port of our own Contact; 0 when none was seen.
    std::uint16_t local_sip_port() const { return local_sip_port_; }

private:
    void add_event(const journal::Record& record);
    void add_call_event(std::string_view type, const nlohmann::json& event, std::int64_t at_ns);
    void add_assumed_parties(const nlohmann::json& event);
    void add_join_keys(const nlohmann::json& event);
    void add_stream_event(std::string_view type, const nlohmann::json& event, std::int64_t at_ns,
                          std::uint16_t number);
    void add_metadata(const journal::Record& record);
    void add_nicknames(const std::vector<siprec::Participant>& told, std::int64_t at_ns);
    std::string source_of(std::uint32_t ssrc) const;
    void add_sip(const journal::Record& record);
    void add_invite_headers(base::ByteView message, bool is_ours);

    std::uint64_t records_ = 0;
    std::int64_t first_ns_ = 0;
    std::int64_t last_ns_ = 0;
    std::optional<std::int64_t> started_ns_;
    std::optional<std::int64_t> media_from_ns_;
    std::int64_t ended_ns_ = 0;
    std::int64_t last_media_ns_ = 0;  // not later than kLateMedia past ended_ns_, once ended
    int calls_open_ = 0;
    int calls_ended_ = 0;
    std::optional<base::Reason> end_reason_;
    std::optional<base::Reason> recovered_;
    std::map<std::uint16_t, StreamFacts> streams_;
    std::vector<std::string> call_ids_;
    std::vector<std::string> told_session_ids_;
    std::map<std::string, std::string> headers_;
    bool has_invite_ = false;
    siprec::MetadataModel metadata_;
    std::vector<ParticipantSummary> participants_;
    struct Nickname {
        std::int64_t from_ns = 0;
        std::string text;  // empty: none any more
    };
    std::map<std::string, std::vector<Nickname>> nicknames_;  // by AOR, each change in order
    std::map<std::string, std::vector<std::string>> senders_;
    std::map<std::uint32_t, std::string> cnames_;
    std::string join_group_;
    std::vector<catalog::JoinKey> join_keys_;
    base::NetAddress local_host_;
    std::uint16_t local_sip_port_ = 0;
};

}  // namespace earshot::archive
