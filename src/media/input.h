// The child's end of what the server sends it: a line of JSON, then records. Descriptor 0.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "media/av.h"
#include "rendition/packet_stream.h"

namespace earshot::media {

struct InputRecord {
    rendition::RecordHeader header;
    base::ByteView payload;  // valid until the next call
};

class Input {
public:
    explicit Input(int descriptor) : descriptor_(descriptor) {}

    Expected<std::string> read_line(std::size_t limit);
    // Nullopt at the End record. An end before that is an error ("input_cut"): whoever sent it is
    // gone, or gave it up.
    Expected<std::optional<InputRecord>> next();

private:
    Outcome fill(std::size_t size);  // so many bytes from at_ on are there

    const int descriptor_;
    base::Bytes buffer_;
    std::size_t at_ = 0;
};

}  // namespace earshot::media
