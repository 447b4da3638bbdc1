// What several communication sessions (CS) are in one recording session (RS): the m-lines of all of
// them in one offer (RFC 7866 section 7.1.1), their part of the server's answer, and their metadata
// in one document. Each is given as if it had an RS of its own. Without I/O or clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "siprec/recording_client_session.h"

namespace earshot::client {

struct JointPart {
    std::uint32_t member = 0;                // unique in the RS for good; 0: the RS's own lines
    const siprec::CsState* state = nullptr;  // borrowed
    bool is_paused = false;                  // its lines are inactive
};

// The label that a line of a member has in the RS: unique there, since each member counts anew.
// Common lines of chats (relay::is_common_label()) are the same in all members that have them.
std::string joint_label(std::uint32_t member, std::string_view label);
// Whose line a label of the RS is; 0: of none of them.
std::uint32_t joint_member(std::string_view label);

// Which m-line belongs to whom. A line whose stream has ended is offered with port 0, and is
// another stream's only when an accepted offer has said so (RFC 3264 section 8.1: a new one may
// take its place).
class JointLines {
public:
    JointLines(std::string session_id, std::string address)
        : session_id_(std::move(session_id)), address_(std::move(address)) {}

    // Whether there are lines for so many more streams.
    bool has_room(std::size_t streams) const;
    // The version of o= is 0. A line for which there is no room is left out.
    std::string offer(std::span<const JointPart> parts);
    // Of the last offer that was accepted, as ClientSessionHost::apply_answer() tells it.
    void on_answer(std::string_view sdp);
    // A new dialog knows nothing of the lines before: places of ended streams are free at once.
    void on_new_dialog();

    // What the last answer says of one part: SDP with its own lines and labels.
    struct Share {
        std::string sdp;
        std::size_t accepted = 0;  // lines that the server takes
        std::size_t known = 0;     // lines that the answer knows
        std::size_t left_out = 0;  // for which the session has no line
    };
    Share share_of(const JointPart& part) const;
    // How many of the RS's lines are somebody's.
    std::size_t in_use() const;

private:
    struct Place {
        std::uint32_t member = 0;
        std::string label{};  // the member's own; empty: of nobody
        bool was_told_ended = false;
        std::string media{"audio"};  // of its m-line, also once it has ended
        std::string proto{"RTP/AVP"};
        std::string kept{};    // of a line for one chat after the other: its offer
        bool is_idle = false;  // and it waits for the next
    };
    struct Offered;
    void collect(const JointPart& part, Offered& offered) const;
    std::string write(const Offered& offered);
    void keep_or_end(std::size_t at, Offered& offered);
    std::string kept_offer(const Offered& offered, std::size_t at) const;
    std::size_t find_place(std::uint32_t member, std::string_view label) const;
    Place* take_place(std::uint32_t member, std::string_view label);

    std::string session_id_;
    std::string address_;
    std::vector<Place> places_;
    std::string answer_;
};

// The metadata of all parts. With a `mix` they all speak on that one stream, and none of its own is
// told.
class JointMetadata {
public:
    siprec::MetadataObjects join(std::span<const JointPart> parts,
                                 const std::optional<siprec::MediaStream>& mix);

private:
    // When a group was formed does not change with who of it has left.
    std::map<std::string, siprec::Group, std::less<>> groups_;
};

}  // namespace earshot::client
