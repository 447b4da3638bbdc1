// What an operator is told about a recording: the object that `earshot ls --json` prints, derived
// from the journal's records alone, so that a crash is a replay. Any thread, one object at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "catalog/catalog.h"

namespace earshot::archive {

using State = catalog::State;

// Why there are no samples. Written by name: "lost", "paused", "held", "not_negotiated", "storage",
// "dropped" (by an operator or a rule).
enum class GapReason { Lost, Paused, Held, NotNegotiated, Storage, Dropped };
inline constexpr std::size_t kGapReasonCount = 6;
std::string_view to_string(GapReason reason);
std::optional<GapReason> parse_gap_reason(std::string_view text);

struct Gap {
    std::int64_t start_ms = 0;  // from the recording's start; never negative
    std::int64_t duration_ms = 0;
    GapReason reason = GapReason::Lost;
    friend bool operator==(const Gap&, const Gap&) = default;
};

struct ParticipantSummary {
    std::string aor;
    std::string name;                  // empty: none told
    bool is_seen_in_messages = false;  // the metadata does not name them (written only then)
    friend bool operator==(const ParticipantSummary&, const ParticipantSummary&) = default;
};

// Of a video stream whose payload is known (payload/).
struct VideoSummary {
    struct Change {
        std::int64_t at_ms = 0;  // from the recording's start; never negative
        std::string codec;
        std::uint32_t width = 0;  // 0: not told
        std::uint32_t height = 0;
        friend bool operator==(const Change&, const Change&) = default;
    };
    std::uint64_t pictures = 0;
    std::uint64_t key_pictures = 0;
    std::uint64_t damaged = 0;  // of the pictures: packets of them are missing or unreadable
    std::vector<Change>
        changes;  // of size or codec, the first included; kMaxPictureChanges at most
    friend bool operator==(const VideoSummary&, const VideoSummary&) = default;
};

struct StreamSummary {
    std::string label;
    std::string media;    // "audio", "video", ...
    std::string role;     // camera, content, sign_language; empty: none told (not printed then)
    std::string content;  // a=content as offered; empty: none (not printed then)
    std::string codec;    // of the most packets: "PCMU/8000"; first offered while none came
    std::uint64_t packets = 0;  // distinct RTP packets that are stored
    std::uint64_t lost = 0;     // packets never seen, by sequence number
    // Packets that did not come and that FEC brings back: not stored, but rendered; of video they
    // are not counted as lost (0: not written).
    std::uint64_t recovered = 0;
    std::vector<Gap> gaps;    // in order of start; kMaxGaps at most, neighbours then merged
    std::string suite{};      // of SRTP, as on the wire; empty: in the clear (not written then)
    std::string dtls_role{};  // ours: active, passive; empty: keyed otherwise (not written then)
    std::optional<VideoSummary> video{};
    std::uint64_t messages = 0;  // of a chat, whatever became of them; written for those alone
    std::uint16_t stream = 0;    // its number in the journal; not printed
    std::string track;           // file below tracks/ without ".wav"; empty: none; not printed
    std::vector<std::string> senders;  // AORs of who sent it, first known first; not printed
    friend bool operator==(const StreamSummary&, const StreamSummary&) = default;
};

// What an operator should look at although the recording is what its state says: a fact beside it,
// never a change of it. Codes: "no_media", "one_sided", "wrong_source",
// "not_authentic", "silent", "too_short", "messages_incomplete".
struct Warning {
    std::string code;
    std::string label;  // of the stream it is about; empty: the whole recording (null in JSON)
    std::string text;   // a sentence
    friend bool operator==(const Warning&, const Warning&) = default;
};

struct Summary {
    std::string id;  // UUIDv7, lower case
    State state = State::Recording;
    std::optional<base::Reason> reason;
    base::WallTime start{};
    std::optional<std::int64_t> duration_ms;  // absent while recording
    std::vector<std::string> call_ids;        // in order of arrival
    std::vector<std::string> session_ids;     // of the communication sessions, as received
    std::vector<ParticipantSummary> participants;
    std::vector<StreamSummary> streams;  // in the order of their numbers
    std::string group;                   // the CS-Group's id; empty: none (null in JSON)
    std::string profile;  // a group_id that is none, but a name: "inbound"; empty: none (null)
    std::map<std::string, std::string> headers;  // of the INVITE, not SIP's own; equal ones by ", "
    // Foreign elements of the metadata, "{namespace}name" -> XML; equal ones one after another.
    std::map<std::string, std::string> extensions;
    std::vector<Warning> warnings;
    // What may join this piece to others; not printed.
    std::string join_group;
    std::vector<catalog::JoinKey> join_keys;
    friend bool operator==(const Summary&, const Summary&) = default;
};

// Exactly the object of `ls --json`, and no more.
std::string to_json(const Summary& summary);
// The same and the fields that are not printed: what summary.json in a recording's folder holds.
std::string to_stored_json(const Summary& summary);
// Reads either form. Fails on anything that to_json could not have written (types, names, limits).
base::Result<Summary> parse_summary(std::string_view text);
// What a catalogue search looks in: AORs, names, header values, call ids, the group.
std::string search_text(const Summary& summary);
// Indices of summary.streams in the order that exports use: numeric labels in numeric order, then
// text; equal labels by stream number.
std::vector<std::size_t> streams_by_label(const Summary& summary);

inline constexpr std::size_t kMaxGaps = 1000;  // a stream

}  // namespace earshot::archive
