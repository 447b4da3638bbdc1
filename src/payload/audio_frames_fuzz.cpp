// Any bytes as a packet of each audio format: the frames stay within what came.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "payload/audio_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using earshot::payload::AudioFramer;
    struct Case {
        const char* encoding;
        std::uint32_t rate;
        const char* fmtp;
    };
    constexpr Case kCases[] = {{"AMR", 8000, ""},     {"AMR", 8000, "octet-align=1"},
                               {"AMR-WB", 16000, ""}, {"AMR-WB", 16000, "octet-align=1"},
                               {"G729", 8000, ""},    {"G723", 8000, ""},
                               {"iLBC", 8000, ""},    {"iLBC", 8000, "mode=20"},
                               {"GSM", 8000, ""},     {"opus", 48000, ""},
                               {"G726-40", 8000, ""}, {"L16", 44100, ""}};
    for (const Case& item : kCases) {
        const auto framer = AudioFramer::make(item.encoding, item.rate, 1, item.fmtp);
        if (!framer) std::abort();
        std::vector<earshot::payload::AudioFrame> frames;
        static_cast<void>(framer->split({data, size}, frames));
        std::size_t bytes = 0;
        for (const auto& frame : frames) bytes += frame.bytes.size();
        if (bytes > size + 2 * frames.size()) std::abort();
    }
    return 0;
}
