// What `earshot export` and the page read from a stored recording. Each rendering is pulled chunk
// by chunk while the stored parts are read, so its memory does not grow with the call. Stored files
// are not trusted: damage is an error, never a crash. One rendering belongs to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "crypto/key_wrap.h"
#include "io/file.h"

namespace earshot::archive {

enum class Format {
    Wav,       // PCM16 at the highest rate of the streams, a channel an audio stream by label
    Stereo,    // left: the first sending participant; right: all others mixed
    Pcap,      // Ethernet, nanoseconds, original addresses: RTP, RTCP and SIP
    Xml,       // the merged metadata as one complete document (RFC 7865)
    Json,      // {"summary", "events", "manifest"}
    Vtt,       // what was typed (T.140) as subtitles: WebVTT
    Srt,       // the same as SubRip
    Text,      // the same, and what was written in chats, as plain text with times
    Timeline,  // archive/call_timeline.h as JSON
    Chat,      // what was written in chats (MSRP) as JSON: archive/chat.h
};
// How much of a recording its reader may see.
enum class Reading {
    Everything,
    WithoutPrivate,  // of private messages (RFC 7701) only that they were sent
};
std::optional<Format> parse_format(std::string_view name);  // "wav", "stereo", ...
std::string_view content_type(Format format);               // "audio/wav", ...
std::string_view file_extension(Format format);             // "wav", "pcap", ...

// Reason codes of all that follows: "not_found" (no such part), "damaged" (with part and offset),
// "io", "erased", "key_missing", "no_audio" (nothing of this recording can be decoded), "too_large"
// (a WAV past 4 GiB), "no_metadata", "no_text" (nobody typed or wrote), "no_chat".
class Rendering {
public:
    Rendering() = default;
    Rendering(const Rendering&) = delete;
    Rendering& operator=(const Rendering&) = delete;
    virtual ~Rendering() = default;

    // Bytes in all, where known before (Wav, Stereo).
    virtual std::optional<std::uint64_t> size() const { return std::nullopt; }
    // Fills `chunk` (up to some 64 kB) and returns true; false at the end. After an error: no more.
    virtual base::Result<bool, base::Reason> next(std::string& chunk) = 0;
};

// `directory` is the recording's folder, DATA/recordings/YYYY/MM/DD/ID, on a file system that must
// outlive the rendering. `keys` are borrowed while it is made. `utc_offset`: Text's times of day.
base::Result<std::unique_ptr<Rendering>, base::Reason> render(
    io::FileSystem& files, const std::string& directory, Format format,
    const crypto::KeyWrapper* keys = nullptr, Reading reading = Reading::Everything,
    std::chrono::minutes utc_offset = {});

// A recording of several pieces, each with its folder, in order. Wav, Stereo, Vtt, Srt, Text and
// Timeline: all on one timeline, Wav with the channels of one piece after another; Json:
// {"pieces": [as above]}. The other formats tell of one dialog: "several_pieces".
base::Result<std::unique_ptr<Rendering>, base::Reason> render_whole(
    const std::vector<std::string>& directories, Format format,
    const crypto::KeyWrapper* keys = nullptr, Reading reading = Reading::Everything,
    std::chrono::minutes utc_offset = {});
base::Result<std::unique_ptr<Rendering>, base::Reason> render_whole(
    io::FileSystem& files, const std::vector<std::string>& directories, Format format,
    const crypto::KeyWrapper* keys = nullptr, Reading reading = Reading::Everything,
    std::chrono::minutes utc_offset = {});

// The levels of all tracks for the page, made when the recording was built:
// {"interval_ms": 100, "tracks": [{"label", "track", "min": [...], "max": [...], "comfort_noise":
// [[start_ms, duration_ms], ...]}]}; 16-bit samples.
base::Result<std::string, base::Reason> read_peaks(const std::string& directory,
                                                   const crypto::KeyWrapper* keys = nullptr);

// The track of the stream with this label ("not_found" when there is none): for the page's player,
// which reads ranges of it.
base::Result<std::unique_ptr<io::File>, base::Reason> open_track(
    const std::string& directory, std::string_view label, const crypto::KeyWrapper* keys = nullptr);

}  // namespace earshot::archive
