// JPEG rectangles of Tight, by libjpeg-turbo.
#pragma once

#include "rfb/decoders.h"

namespace earshot::screen {

rfb::JpegDecoder make_jpeg_decoder();

}  // namespace earshot::screen
