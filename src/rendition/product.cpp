#include "rendition/product.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace earshot::rendition {
namespace {

struct Row {
    Product product;
    std::string_view name;
    std::string_view extension;
    Container container;  // of Track: of VP8
};
constexpr std::array<Row, kProductCount> kRows{
    {{Product::Tracks, "mkv", "mkv", Container::Matroska},
     {Product::Track, "track", "webm", Container::Webm},
     {Product::Webm, "webm", "webm", Container::Webm},
     {Product::Mp4, "mp4", "mp4", Container::Mp4},
     {Product::Ogg, "ogg", "ogg", Container::Ogg},
     {Product::Wav, "wav", "wav", Container::Wav},
     {Product::Stereo, "stereo", "wav", Container::Wav},
     {Product::Peaks, "peaks", "json", Container::Json},
     {Product::Sheet, "sheet", "jpg", Container::Jpeg},
     {Product::Marks, "marks", "json", Container::Json}}};

const Row& row_of(Product product) { return kRows.at(static_cast<std::size_t>(product)); }

}  // namespace

std::optional<Product> parse_product(std::string_view name) {
    if (name == "opus") name = "ogg";
    const auto* found =
        std::find_if(kRows.begin(), kRows.end(), [&](const Row& row) { return row.name == name; });
    if (found == kRows.end()) return std::nullopt;
    return found->product;
}
std::string_view to_string(Product product) { return row_of(product).name; }
std::string_view file_extension(Product product) { return row_of(product).extension; }

std::optional<Container> container_of(Product product, std::string_view encoding) {
    if (product != Product::Track) return row_of(product).container;
    for (const std::string_view name : {"VP8", "VP9", "AV1"})
        if (base::iequals(encoding, name)) return Container::Webm;
    for (const std::string_view name : {"H264", "H265"})
        if (base::iequals(encoding, name)) return Container::Mp4;
    return std::nullopt;
}

std::string_view content_type(Container container, bool has_video) {
    switch (container) {
        case Container::Matroska:
            return has_video ? "video/x-matroska" : "audio/x-matroska";
        case Container::Webm:
            return has_video ? "video/webm" : "audio/webm";
        case Container::Mp4:
            return has_video ? "video/mp4" : "audio/mp4";
        case Container::Ogg:
            return "audio/ogg";
        case Container::Wav:
            return "audio/wav";
        case Container::Jpeg:
            return "image/jpeg";
        case Container::Json:
            break;
    }
    return "application/json";
}

}  // namespace earshot::rendition
