// What a stream shows, and who shares what when: told as events of the recording. A shared screen,
// application or document is told from a camera by a=content (RFC 4796), by the `sharing` element
// of our metadata extension (docs/siprec-conformance.md), or, of a second video line without any
// mark, by what is configured for the client.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sdp/content.h"
#include "siprec/event.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

// What an unmarked video line is whose sender has an earlier one.
enum class SecondVideo : std::uint8_t { Camera, Content };

enum class MediaKind : std::uint8_t { Other, Audio, Video };
MediaKind media_kind(std::string_view media);  // of an m= line

// <sharing kind="screen" title="..."/> in the namespace of ours.
struct SharingElement {
    std::string kind;   // screen, application, document; empty: not told
    std::string title;  // empty: not told
    friend bool operator==(const SharingElement&, const SharingElement&) = default;
};
// Of a stream's extensions; nullopt: it has none that can be read.
std::optional<SharingElement> find_sharing(const MediaStream& stream);
// The element to be sent.
std::string write_sharing(const SharingElement& sharing);

// One stream as the session has it now.
struct ShownStream {
    std::uint16_t stream = kNoStream;
    std::string_view label;
    MediaKind media = MediaKind::Other;
    sdp::ContentSet content;
    bool is_inactive = false;  // by the client, and not all of its streams are
};

class RoleWatch {
public:
    void set_second_video(SecondVideo second) { second_video_ = second; }

    // Compares with what was told before. Streams that are not named any more share nothing.
    //   stream_role        role (camera, content, sign_language), by (a=content, metadata,
    //                      configuration, default): of all video, and of sound that is content
    //   sharing_started    kind, title, presenter, as far as they are told
    //   sharing_changed    the same: another presenter, title or kind
    //   sharing_stopped
    void update(const std::vector<ShownStream>& streams, const MetadataModel& model,
                std::vector<Event>& out);

private:
    struct Role {
        std::string_view name;  // empty: none to be told
        std::string_view by;
        friend bool operator==(const Role&, const Role&) = default;
    };
    struct Known {
        std::uint16_t stream = kNoStream;
        Role role;
        bool is_shared = false;
        bool had_presenter = false;
        SharingElement sharing;
        std::string presenter;
    };
    Role role_of(const ShownStream& shown, const std::vector<ShownStream>& all,
                 const MetadataModel& model, bool has_element) const;
    static void tell_sharing(Known& known, const ShownStream& shown, const MetadataModel& model,
                             SharingElement&& element, std::vector<Event>& out);

    SecondVideo second_video_ = SecondVideo::Camera;
    std::vector<Known> known_;  // of streams with a role: few
};

}  // namespace earshot::siprec
