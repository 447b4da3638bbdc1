// What a conference says of lines of video (RFC 3264): cameras and what is shared
// (a=content:slides, RFC 4796), a line of each. Pictures are forwarded as they come, so all who
// show need the same format: the first of them decides, and whoever only sees takes what it can.
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "focus/stage.h"
#include "sdp/session_description.h"

namespace earshot::focus {

std::string to_string(const PictureFormat& format);  // "VP8", "H264 (profile 66, mode 1)"

// Our side of a line.
struct OwnPicture {
    base::NetAddress rtp{};               // where we see it; unspecified: we do not
    std::optional<PictureFormat> only{};  // that is shown in the room; none: nothing is yet
    // What each takes who only sees: what most of them see is chosen where nothing is shown yet.
    std::vector<std::vector<PictureFormat>> watchers{};
    friend bool operator==(const OwnPicture&, const OwnPicture&) = default;
};

struct AgreedPicture {
    std::size_t index = 0;  // of the m-line
    Stage::Place place{};
    std::vector<std::string> fmtp{};  // of each of its types, of H.264, as they wrote it
    std::string title{};              // i= of the line

    // That it shows; of who only sees the first that it takes.
    const PictureFormat& format() const { return place.line.types.front().format; }
};
// By index_of().
using OwnPictures = std::array<OwnPicture, kPictures>;
using AgreedPictures = std::array<std::optional<AgreedPicture>, kPictures>;

// What a line of theirs is of; none: no video, refused, or of another content (sl, alt).
std::optional<Picture> picture_of(const sdp::MediaDescription& medium);
// Reasons: secure_media, no_common_codec.
base::Result<AgreedPicture, base::Reason> agree_picture(const sdp::SessionDescription& theirs,
                                                        std::size_t index, const OwnPicture& own);
// Our m-line, but for its mid, that answers.
void append_picture(const AgreedPicture& agreed, Picture picture, std::uint16_t port,
                    std::string_view proto, std::string& out);

}  // namespace earshot::focus
