// What can be made of a stored recording by earshot-media: the names of `earshot export --format`
// that the server itself does not make.
#pragma once

#include <optional>
#include <string_view>

namespace earshot::rendition {

enum class Product {
    Tracks,  // "mkv": each stream a track, as it came (Matroska)
    Track,   // "track": one video stream as it came, for a browser (WebM or MP4)
    Webm,    // "webm": one picture of all, and the sound mixed (VP8, Opus)
    Mp4,     // "mp4": the same (H.264, AAC)
    Ogg,     // "ogg": the sound, left the first sender, right the others (Opus)
    Wav,     // "wav": PCM16, a channel an audio stream
    Stereo,  // "stereo": PCM16, left the first sender, right the others
    Peaks,   // "peaks": lowest and highest sample of each 100 ms of each stream (JSON)
    Sheet,   // "sheet": small pictures of the whole call, in one (JPEG)
    Marks,   // "marks": where shared content changes (JSON)
};
inline constexpr std::size_t kProductCount = 10;

std::optional<Product> parse_product(std::string_view name);  // "opus" is "ogg"
std::string_view to_string(Product product);
std::string_view file_extension(Product product);

enum class Container { Matroska, Webm, Mp4, Ogg, Wav, Json, Jpeg };
// Of Track by the encoding of the stream; nullopt: browsers have no container for it.
std::optional<Container> container_of(Product product, std::string_view encoding = {});
std::string_view content_type(Container container, bool has_video);

}  // namespace earshot::rendition
