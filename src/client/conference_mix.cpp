#include "client/conference_mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sdp/session_description.h"

namespace earshot::client {

using base::Reason;
using base::Result;
using focus::Picture;

namespace {

// Of the mixer's members; participants' numbers stay below it.
constexpr focus::MemberId kMember = focus::MemberId{1} << 40U;
constexpr focus::MixFormat kVoices{.payload_type = 0, .codec = focus::MixCodec::Pcmu};
constexpr std::uint8_t kFirstPictureType = 96;

}  // namespace

ConferenceMix::~ConferenceMix() {
    *lives_ = false;
    close();
}

void ConferenceMix::close() {
    for (const Line& line : std::exchange(lines_, {}))
        if (line.picture)
            s_.desk.remove_picture(room_, kMember, *line.picture);
        else
            s_.desk.remove(room_, kMember);
    has_voices_ = false;
    if (key_) s_.plane.remove(*std::exchange(key_, std::nullopt));
}

void ConferenceMix::want(const Wanted& wanted) {
    if (wanted.voices && !has_voices_) add_voices();
    for (const Picture picture : focus::kAllPictures) take_picture(picture, wanted);
    negotiate();
}

void ConferenceMix::add_voices() {
    const auto seat = s_.desk.add_recorder(room_, kMember, cname_, kVoices);
    if (!seat) {
        if (!std::exchange(has_failed_, true)) s_.on_fault(seat.error());
        return;
    }
    has_voices_ = true;
    lines_.push_back({.seat = *seat});
}

void ConferenceMix::take_picture(Picture picture, const Wanted& wanted) {
    const auto& shown = wanted.pictures[focus::index_of(picture)];
    auto line = std::find_if(lines_.begin(), lines_.end(),
                             [&](const Line& one) { return one.picture == picture; });
    if (shown && line == lines_.end()) {
        const auto seat = s_.desk.add_picture(room_, kMember, picture);
        if (!seat) return s_.on_fault(seat.error());
        line = lines_.insert(lines_.end(), {.picture = picture, .seat = *seat});
    }
    if (line == lines_.end()) return;
    line->is_shown = shown && wanted.are_shown[focus::index_of(picture)];
    if (!shown) return;
    const std::uint8_t type =
        static_cast<std::uint8_t>(kFirstPictureType + focus::index_of(picture));
    line->shown = *shown;
    line->shown.place.line = {.types = {{.payload_type = type, .format = shown->format()}},
                              .shows = false,
                              .sees = true,
                              .takes_pli = true,
                              .takes_fir = true};
}

// As who sends it says, or as who takes it does; the latter is where what nobody hears goes.
std::string ConferenceMix::describe(bool is_ours) const {
    const base::NetAddress& at = lines_.front().seat;
    const char* const family = at.is_v4() ? "IP4" : "IP6";
    const std::string host = base::host_to_string(at);
    std::string out = fmt::format("v=0\r\no=- 1 {} IN {} {}\r\ns=mix\r\nc=IN {} {}\r\nt=0 0\r\n",
                                  version_, family, host, family, host);
    for (const Line& line : lines_) {
        if (!line.picture) {
            out += fmt::format(
                "m=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na={}\r\n",
                line.seat.port, is_ours ? "sendonly" : "recvonly");
            continue;
        }
        focus::AgreedPicture shown = line.shown;
        shown.place.line.sees = is_ours && line.is_shown;
        shown.place.line.shows = !is_ours && line.is_shown;
        if (!is_ours) shown.title.clear();
        focus::append_picture(shown, *line.picture, line.seat.port, "RTP/AVP", out);
    }
    return out;
}

void ConferenceMix::negotiate() {
    if (lines_.empty()) return;
    if (describe(true) == offered_) return;
    ++version_;
    offered_ = describe(true);
    if (!key_) key_ = s_.next_key();
    const auto answer = [this, lives = lives_](const Result<std::string, Reason>& told) {
        if (!*lives || !key_) return;
        if (!told) return use(told);
        s_.plane.answer(*key_, {.from = relay::Leg::B, .text = describe(false)},
                        [this, lives](const Result<std::string, Reason>& taken) {
                            if (*lives && key_) use(taken);
                        });
    };
    s_.plane.offer(*key_, {.from = relay::Leg::A, .text = offered_}, answer);
}

void ConferenceMix::use(const Result<std::string, Reason>& told) {
    if (!told) {
        // Without it the voices are recorded each for itself; it is tried again.
        if (!std::exchange(has_failed_, true)) s_.on_fault(told.error());
        offered_.clear();
        return close();
    }
    has_failed_ = false;
    const auto sdp = sdp::parse(*told);
    if (!sdp) return s_.on_fault({"sdp_malformed", "The media plane's answer cannot be read."});
    for (std::size_t i = 0; i < std::min(lines_.size(), sdp->media.size()); ++i) {
        const sdp::MediaDescription& medium = sdp->media[i];
        const Line& line = lines_[i];
        const auto rtp = sdp::rtp_address(*sdp, medium).value_or(base::NetAddress{});
        const auto rtcp = sdp::rtcp_address(*sdp, medium, false).value_or(base::NetAddress{});
        if (line.picture)
            s_.desk.set_picture(room_, kMember, *line.picture,
                                {.rtp = rtp, .rtcp = rtcp, .line = line.shown.place.line});
        else
            s_.desk.set(room_, kMember, {.rtp = rtp, .rtcp = rtcp, .line = {.hears = kVoices}});
    }
}

}  // namespace earshot::client
