// What H.264 and H.265 share: NAL units, whole or in fragments, in order of transmission or with a
// decoding order number (DON), become access units. Parameter sets are remembered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "payload/depacketiser.h"

namespace earshot::payload {

struct NalFacts {
    bool is_picture = false;      // a slice
    bool is_key = false;          // of a picture that a decoder can begin with
    bool begins_picture = false;  // its first slice, or nothing that belongs to an earlier one
    // VPS, SPS, PPS: type and id, so that a new one takes the old one's place and those that others
    // refer to come first.
    std::optional<std::uint32_t> parameter_set;
    std::optional<PictureSize> size;  // of an SPS
};

class NalDepacketiser : public Depacketiser {
public:
    base::Bytes decoder_setup() const override;

protected:
    NalDepacketiser(Framing framing, std::size_t depth) : framing_(framing), depth_(depth) {}

    virtual NalFacts facts_of(base::ByteView nal) const = 0;

    // Base64 NAL units apart by commas (sprop-parameter-sets, sprop-vps, ...).
    void add_parameter_sets(std::string_view base64_list);

    // A whole NAL unit; with a DON it comes out once `depth` later ones are there.
    void on_nal(std::int64_t timestamp, base::ByteView nal, std::optional<std::uint16_t> don = {});
    void begin_fragment(std::int64_t timestamp, base::ByteView header, base::ByteView part,
                        std::optional<std::uint16_t> don = {});
    void continue_fragment(std::int64_t timestamp, base::ByteView part);
    void end_fragment();
    // The packet could not be read, or not to its end.
    void on_broken(std::int64_t timestamp);

    void on_loss() override;
    void drain() override;
    bool complete(AccessUnit& unit) override;

private:
    struct Held {
        std::int64_t timestamp = 0;
        bool is_damaged = false;
        base::Bytes nal;
    };
    struct Fragment {
        std::int64_t timestamp = 0;
        std::optional<std::uint16_t> don;
        base::Bytes nal;
    };
    void hold(std::uint16_t don, std::int64_t timestamp, base::ByteView nal);
    void release(std::size_t keep);
    void deliver(std::int64_t timestamp, base::ByteView nal);
    void give_up_fragment();
    void remember(std::uint32_t id, base::ByteView nal);
    void append_framed(base::ByteView nal, base::Bytes& out) const;

    const Framing framing_;
    const std::size_t depth_;
    std::map<std::uint32_t, base::Bytes> parameter_sets_;
    std::optional<PictureSize> size_;  // of the newest SPS
    std::optional<Fragment> fragment_;
    std::multimap<std::int64_t, Held> held_;  // by extended DON
    std::size_t held_bytes_ = 0;
    std::optional<std::int64_t> newest_don_;
    bool loss_before_held_ = false;

    // Of the open unit.
    bool has_picture_ = false;
    bool has_sequence_set_ = false;
    base::Bytes leading_;  // a unit without any picture: goes before the next one's bytes
};

// The bytes of a NAL unit without the emulation prevention (H.264 section 7.4.1, H.265 7.4.2).
base::Bytes raw_payload(base::ByteView nal);

}  // namespace earshot::payload
