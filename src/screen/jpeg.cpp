#include "screen/jpeg.h"

#include <turbojpeg.h>

#include <memory>

#include "rfb/limits.h"

namespace earshot::screen {

rfb::JpegDecoder make_jpeg_decoder() {
    const std::shared_ptr<void> decoder(tjInitDecompress(), [](void* handle) {
        if (handle != nullptr) tjDestroy(handle);
    });
    return [decoder](base::ByteView jpeg, std::size_t width, std::size_t height,
                     std::vector<rfb::Colour>& pixels) {
        int its_width = 0;
        int its_height = 0;
        int subsampling = 0;
        int colours = 0;
        if (!decoder || width * height > rfb::kMaxPixels) return false;
        if (tjDecompressHeader3(decoder.get(), jpeg.data(), jpeg.size(), &its_width, &its_height,
                                &subsampling, &colours) != 0)
            return false;
        if (its_width != static_cast<int>(width) || its_height != static_cast<int>(height))
            return false;
        pixels.resize(width * height);
        // 0x00RRGGBB of this machine, little-endian. A picture that is cut short is shown as far as
        // it goes.
        auto* to = reinterpret_cast<unsigned char*>(pixels.data());
        static_cast<void>(tjDecompress2(decoder.get(), jpeg.data(), jpeg.size(), to, its_width, 0,
                                        its_height, TJPF_BGRX, 0));
        for (rfb::Colour& pixel : pixels) pixel &= 0xffffff;
        return true;
    };
}

}  // namespace earshot::screen
