#include "voice/records.h"

namespace earshot::voice {

namespace {

bool is_known(RecordKind kind) {
    switch (kind) {
        case RecordKind::Decode:
        case RecordKind::Conceal:
        case RecordKind::Repair:
        case RecordKind::Forget:
        case RecordKind::Decoded:
        case RecordKind::Concealed:
            return true;
    }
    return false;
}

}  // namespace

void append_record(const Record& record, base::Bytes& out) {
    out.push_back(static_cast<std::uint8_t>(record.kind));
    out.push_back(0);
    base::append_le(out, record.samples);
    base::append_le(out, static_cast<std::uint32_t>(record.body.size()));
    base::append_le(out, record.stream);
    base::append_le(out, std::uint32_t{0});
    base::append_le(out, record.ticket);
    base::append_le(out, record.room);
    base::append_le(out, record.member);
    base::append(out, record.body);
}

std::optional<Record> take_record(base::ByteView& rest) {
    if (rest.size() < kRecordHeaderBytes) return std::nullopt;
    const auto size = base::load_le<std::uint32_t>(rest, 4);
    const auto kind = static_cast<RecordKind>(rest[0]);
    if (!is_known(kind) || size > kMaxBodyBytes || rest.size() - kRecordHeaderBytes < size)
        return std::nullopt;
    const Record record{.kind = kind,
                        .samples = base::load_le<std::uint16_t>(rest, 2),
                        .stream = base::load_le<std::uint32_t>(rest, 8),
                        .ticket = base::load_le<std::uint64_t>(rest, 16),
                        .room = base::load_le<std::uint64_t>(rest, 24),
                        .member = base::load_le<std::uint64_t>(rest, 32),
                        .body = rest.subspan(kRecordHeaderBytes, size)};
    if (record.samples > kMaxSamples) return std::nullopt;
    rest = rest.subspan(kRecordHeaderBytes + size);
    return record;
}

void append_samples(std::span<const std::int16_t> samples, base::Bytes& out) {
    for (const std::int16_t sample : samples)
        base::append_le(out, static_cast<std::uint16_t>(sample));
}

void read_samples(base::ByteView body, std::vector<std::int16_t>& samples) {
    samples.resize(body.size() / 2);
    for (std::size_t i = 0; i < samples.size(); ++i)
        samples[i] = static_cast<std::int16_t>(base::load_le<std::uint16_t>(body, 2 * i));
}

}  // namespace earshot::voice
