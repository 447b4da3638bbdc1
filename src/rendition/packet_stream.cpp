#include "rendition/packet_stream.h"

#include <algorithm>

namespace earshot::rendition {
namespace {

constexpr std::uint32_t kOutputMagic = 0x4d524645;  // "EFRM"

}  // namespace

void append_record(base::Bytes& out, const RecordHeader& header, base::ByteView payload) {
    base::append_le(out, static_cast<std::uint8_t>(header.type));
    base::append_le(out, static_cast<std::uint8_t>((header.begins_segment ? 1 : 0) |
                                                   (header.begins_piece ? 2 : 0)));
    base::append_le(out, header.stream);
    base::append_le(out, header.format);
    base::append_le(out, std::uint16_t{0});
    base::append_le(out, static_cast<std::uint32_t>(payload.size()));
    base::append_le(out, std::uint32_t{0});
    base::append_le(out, static_cast<std::uint64_t>(header.position_ns));
    base::append(out, payload);
}

base::Result<RecordHeader> parse_record_header(base::ByteView bytes) {
    if (bytes.size() < kRecordHeaderBytes)
        return base::Error{base::Errc::Malformed, "a record is cut", bytes.size()};
    base::LeReader reader(bytes);
    RecordHeader header;
    const auto type = reader.read<std::uint8_t>();
    if (type < 1 || type > 3) return base::Error{base::Errc::Malformed, "no such record", 0};
    header.type = static_cast<RecordType>(type);
    const auto flags = reader.read<std::uint8_t>();
    header.begins_segment = (flags & 1) != 0;
    header.begins_piece = (flags & 2) != 0;
    header.stream = reader.read<std::uint16_t>();
    header.format = reader.read<std::uint16_t>();
    static_cast<void>(reader.read<std::uint16_t>());
    header.size = reader.read<std::uint32_t>();
    static_cast<void>(reader.read<std::uint32_t>());
    header.position_ns = static_cast<std::int64_t>(reader.read<std::uint64_t>());
    if (header.size > kMaxPacketBytes)
        return base::Error{base::Errc::TooLarge, "a packet is too large", 8};
    return header;
}

std::array<std::uint8_t, kOutputHeaderBytes> make_output_header(const OutputHeader& header) {
    base::Bytes bytes;
    base::append_le(bytes, kOutputMagic);
    base::append_le(bytes, header.size);
    base::append_le(bytes, header.offset);
    std::array<std::uint8_t, kOutputHeaderBytes> out{};
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
}

base::Result<OutputHeader> parse_output_header(base::ByteView bytes) {
    if (bytes.size() < kOutputHeaderBytes)
        return base::Error{base::Errc::Malformed, "an output frame is cut", bytes.size()};
    base::LeReader reader(bytes);
    if (reader.read<std::uint32_t>() != kOutputMagic)
        return base::Error{base::Errc::Malformed, "the output is no frame", 0};
    OutputHeader header;
    header.size = reader.read<std::uint32_t>();
    header.offset = reader.read<std::uint64_t>();
    if (header.size > kMaxFrameBytes)
        return base::Error{base::Errc::TooLarge, "an output frame is too large", 4};
    if (header.offset > kMaxOutputBytes)
        return base::Error{base::Errc::TooLarge, "the output is too large", 8};
    return header;
}

}  // namespace earshot::rendition
