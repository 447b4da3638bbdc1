// What a conference says of its media, as SDP (RFC 3264): the answer to what a participant offers,
// and an offer of its own. One line of speech is taken, with the first codec that both speak, and
// the keys that are pressed (RFC 4733), and where it is to be so a line of cameras and one of what
// is shared (picture_session.h); all other lines get port 0. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "focus/mixer.h"
#include "focus/picture_session.h"
#include "sdp/session_description.h"

namespace earshot::focus {

// Our side of a participant's session.
struct OwnMedia {
    base::NetAddress rtp;  // where we hear it
    std::uint64_t session_id = 0;
    std::uint64_t version = 0;
    bool speaks_opus = false;  // there is who decodes it
    OwnPictures pictures{};
};

// What has been agreed on.
struct Agreed {
    std::string sdp{};        // ours; empty where theirs was the answer
    std::size_t index = 0;    // of the m-line that is ours
    base::NetAddress rtp{};   // where theirs is
    base::NetAddress rtcp{};  // port 0: nowhere
    MemberLine line{};
    std::string codec{};        // "PCMU", "PCMA", "G722", "opus"
    bool wants_to_hear = true;  // not on hold
    bool may_speak = true;
    AgreedPictures pictures{};
    std::vector<base::Reason> refused{};  // why lines of video are not taken
};

// Reasons: sdp_malformed, no_audio (no line of speech that is not refused), secure_media (SRTP, of
// which we have no key), no_codec.
base::Result<Agreed, base::Reason> answer_offer(std::string_view offer, const OwnMedia& own);
// Who is here for something else than media, such as the chat: all its lines are refused.
base::Result<Agreed, base::Reason> refuse_media(std::string_view offer, const OwnMedia& own);
// One line, with all that we speak: for an INVITE that offers nothing.
std::string make_offer(const OwnMedia& own);
// Their answer to what we offered, which was the lines of `before`.
base::Result<Agreed, base::Reason> take_answer(std::string_view answer, const Agreed& before,
                                               const OwnMedia& own);
// Which pictures they offer.
std::array<bool, kPictures> find_pictures(std::string_view offer);

}  // namespace earshot::focus
