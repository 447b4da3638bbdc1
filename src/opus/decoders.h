// The decoders of all streams that the child was asked about: records in (voice/records.h), the
// answers out, in their order. libopus decodes to 16 kHz and one channel whatever it is given, and
// puts something in the place of what is lost. Any octets are safe to be asked about.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "voice/records.h"

struct OpusDecoder;

namespace earshot::opus {

class Decoders {
public:
    using Write = std::function<void(base::ByteView message)>;

    // False: that was no message; nothing of it counts from the first octet that is no record.
    bool on_message(base::ByteView message, const Write& write);

    std::size_t size() const { return decoders_.size(); }

private:
    struct Free {
        void operator()(OpusDecoder* decoder) const;
    };
    struct Entry {
        std::uint32_t stream = 0;
        std::unique_ptr<OpusDecoder, Free> decoder;
    };
    using Key = std::pair<std::uint64_t, std::uint64_t>;  // room, member

    OpusDecoder* find(const voice::Record& record);
    void forget(const voice::Record& record);
    // How many samples are in samples_; what cannot be decoded is concealed: false.
    bool decode(OpusDecoder* decoder, const voice::Record& record);

    std::map<Key, Entry> decoders_;
    std::vector<std::int16_t> samples_;
    base::Bytes body_;
    base::Bytes out_;
};

}  // namespace earshot::opus
