// What the tests of the depacketisers share: packets by hand, units by hand.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "base/text.h"
#include "payload/depacketiser.h"

namespace earshot::payload {

using base::Bytes;

inline Bytes hex(std::string_view text) { return base::parse_hex(text).value(); }

inline Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) base::append(out, part);
    return out;
}

// Gives packets to a depacketiser; sequence numbers count by themselves.
class Feeder {
public:
    explicit Feeder(std::string_view encoding, std::string_view fmtp = {},
                    Framing framing = Framing::AnnexB)
        : depacketiser_(make_depacketiser(encoding, fmtp, framing)) {}

    Feeder& packet(std::int64_t timestamp, const Bytes& payload, bool marker = false) {
        depacketiser_->on_packet({.sequence = sequence_++,
                                  .timestamp = timestamp,
                                  .marker = marker,
                                  .arrival_ns = timestamp,
                                  .payload = payload});
        return *this;
    }
    Feeder& lose(std::uint64_t count = 1) {
        sequence_ += count;
        return *this;
    }
    std::vector<AccessUnit> finish() {
        depacketiser_->finish();
        std::vector<AccessUnit> units;
        while (auto unit = depacketiser_->poll()) units.push_back(std::move(*unit));
        return units;
    }
    Depacketiser& depacketiser() { return *depacketiser_; }

private:
    std::unique_ptr<Depacketiser> depacketiser_;
    std::uint64_t sequence_ = 100;
};

// Each truncation of a good payload, alone and followed by a whole one: no crash, and what is
// broken is marked or shorter.
inline void try_each_truncation(std::string_view encoding, std::string_view fmtp,
                                const Bytes& payload) {
    for (std::size_t size = 0; size < payload.size(); ++size) {
        Feeder feeder(encoding, fmtp);
        feeder.packet(1, Bytes(payload.begin(), payload.begin() + static_cast<long>(size)));
        feeder.packet(2, payload);
        for (const AccessUnit& unit : feeder.finish()) {
            EXPECT_LE(unit.bytes.size(), 4 * payload.size() + 64) << size;
        }
    }
}

}  // namespace earshot::payload
