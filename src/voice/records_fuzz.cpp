// What comes from the child, and to it: any octets are records or are none.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "voice/records.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of one file

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    base::ByteView rest(data, size);
    std::vector<std::int16_t> samples;
    base::Bytes again;
    while (const auto record = voice::take_record(rest)) {
        if (record->body.size() > voice::kMaxBodyBytes || record->samples > voice::kMaxSamples)
            std::abort();
        voice::read_samples(record->body, samples);
        again.clear();
        voice::append_record(*record, again);
        base::ByteView view(again);
        const auto same = voice::take_record(view);
        if (!same || !view.empty() || same->ticket != record->ticket) std::abort();
    }
    return 0;
}
