// What a conference's recordings get of the room as a whole: the mix of all voices, the camera of
// who speaks, what is presented. It is to the media plane a call whose caller is the focus, with a
// line for each of the three, in the order in which they were first wanted; nobody hears or sees it
// but recordings. Belongs to the signalling thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "focus/desk.h"
#include "focus/picture_session.h"
#include "relay/media_plane.h"

namespace earshot::client {

class ConferenceMix {
public:
    struct Surroundings {  // borrowed
        relay::MediaPlane& plane;
        focus::Desk& desk;
        std::function<relay::CallKey()> next_key;
        std::function<void(const base::Reason&)> on_fault;
    };
    struct Wanted {
        bool voices = false;
        // A line of each; of whom it is does not matter, but for title and format.
        focus::AgreedPictures pictures{};
        // Whether anybody may be seen there now; else the line is inactive.
        std::array<bool, focus::kPictures> are_shown{};
    };

    // `cname` names its voices.
    ConferenceMix(Surroundings surroundings, focus::RoomId room, std::string cname)
        : s_(std::move(surroundings)), room_(room), cname_(std::move(cname)) {}
    ConferenceMix(const ConferenceMix&) = delete;
    ConferenceMix& operator=(const ConferenceMix&) = delete;
    ~ConferenceMix();

    // What was wanted once stays: streams do not come and go.
    void want(const Wanted& wanted);
    void close();

    // At the media plane; none: there is nothing of it.
    const std::optional<relay::CallKey>& key() const { return key_; }
    bool has_voices() const { return has_voices_; }

private:
    struct Line {
        std::optional<focus::Picture> picture{};  // none: voices
        base::NetAddress seat{};
        focus::AgreedPicture shown{};
        bool is_shown = true;
    };
    void add_voices();
    void take_picture(focus::Picture picture, const Wanted& wanted);
    std::string describe(bool is_ours) const;
    void negotiate();
    void use(const base::Result<std::string, base::Reason>& told);

    Surroundings s_;
    const focus::RoomId room_;
    const std::string cname_;
    std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);  // for the plane's answers
    std::optional<relay::CallKey> key_;
    std::vector<Line> lines_;
    std::uint64_t version_ = 0;
    std::string offered_;
    bool has_voices_ = false;
    bool has_failed_ = false;  // a place for voices could not be had
};

}  // namespace earshot::client
