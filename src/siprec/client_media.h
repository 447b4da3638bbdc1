// SDP of a recording session from the client's side (RFC 7866 section 7.1, RFC 3264): the offer of
// the media plane as it goes out, the server's answers and offers as they may be understood, and
// our answer to an offer of the server. Texts in, texts out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"

namespace earshot::siprec {

struct OfferOptions {
    bool is_paused = false;                        // every line inactive (P-35)
    std::set<std::string, std::less<>> dropped{};  // labels that the server removed (P-43): port 0
    // What was offered before; lines that `text` lacks are offered once more, with port 0, since an
    // m-line never goes away (RFC 3264 section 8). Empty: nothing was.
    std::string_view before{};
};
// Lines are sendonly or inactive, whatever `text` says; the version of o= is 0, so that two of
// these can be compared. Error: it is no SDP, has no m-line, or a line without a label of its own
// (P-31).
base::Result<std::string, base::Reason> make_client_offer(std::string_view text,
                                                          const OfferOptions& options);

// The same with that version of o=.
std::string with_version(std::string_view sdp, std::uint64_t version);
// Whether any line has a port.
bool has_live_line(std::string_view sdp);

struct ReadAnswer {
    std::string sdp;  // the lines of our offer, in its order, with its labels; see apply_answer()
    std::size_t accepted = 0;         // lines that the server takes, now or later
    std::size_t sending = 0;          // of these, that are to be sent now
    std::vector<std::string> faults;  // what was bent, as sentences
};
// `offer` is ours, as it went out. Lines belong together by their place (RFC 3264 section 6): a
// label is only compared, since servers leave it out or make up their own (Q39). A line that is
// missing, of another medium, or without a payload type of ours counts as refused. Error: no SDP.
base::Result<ReadAnswer, base::Reason> read_answer(std::string_view offer, std::string_view text);

struct AnswerToOffer {
    std::string sdp;                             // our answer
    ReadAnswer media;                            // as if theirs had answered ours
    std::set<std::string, std::less<>> dropped;  // labels of lines that theirs removes
};
// An offer of the server: it pauses, resumes, moves or removes lines (P-42, P-43). `ours` is what
// we would offer. Error: no SDP, or not our number of lines (a server adds none, P-44).
base::Result<AnswerToOffer, base::Reason> answer_server_offer(std::string_view ours,
                                                              std::string_view theirs);

}  // namespace earshot::siprec
