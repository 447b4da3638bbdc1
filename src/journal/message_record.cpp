#include "journal/message_record.h"

#include <algorithm>

#include "journal/record.h"

namespace earshot::journal {

using base::Bytes;
using base::ByteView;
using base::Errc;
using base::Error;
using base::LeReader;
using base::Result;

namespace {

constexpr std::uint8_t kRepeated = 1;
constexpr std::uint64_t kNotKnown = ~std::uint64_t{0};
constexpr Error kCut{Errc::Malformed, "journal: a message record is cut"};

void append_source(Bytes& out, const base::NetAddress& source) {
    base::append(out, source.ip);
    base::append_u16(out, source.port);
}

base::NetAddress read_source(LeReader& reader) {
    base::NetAddress source;
    const ByteView bytes = reader.read_bytes(kSourceSize);
    if (!reader.ok()) return source;
    std::copy_n(bytes.begin(), source.ip.size(), source.ip.begin());
    source.port = base::load_u16(bytes, source.ip.size());
    return source;
}

}  // namespace

Bytes write(const MessageHead& head) {
    Bytes out;
    out.reserve(9 + kSourceSize + head.head.size());
    base::append_le(out, head.message);
    out.push_back(head.is_repeated ? kRepeated : 0);
    append_source(out, head.source);
    base::append(out, base::as_bytes(head.head));
    return out;
}

Bytes write(const MessageContent& content) {
    Bytes out;
    out.reserve(16 + content.octets.size());
    base::append_le(out, content.message);
    base::append_le(out, content.offset);
    base::append(out, content.octets);
    return out;
}

Bytes write(const MessageEnd& end) {
    Bytes out;
    base::append_le(out, end.message);
    out.push_back(static_cast<std::uint8_t>(end.outcome));
    base::append_le(out, end.octets);
    base::append_le(out, end.total.value_or(kNotKnown));
    return out;
}

Bytes write(const MessageRequest& request) {
    Bytes out;
    append_source(out, request.source);
    base::append_le(out, static_cast<std::uint32_t>(request.head.size()));
    base::append(out, base::as_bytes(request.head));
    base::append(out, base::as_bytes(request.body));
    return out;
}

Result<MessageHead> parse_message_head(ByteView payload) {
    LeReader reader(payload);
    MessageHead head;
    head.message = reader.read<std::uint64_t>();
    head.is_repeated = (reader.read<std::uint8_t>() & kRepeated) != 0;
    head.source = read_source(reader);
    head.head = base::as_text(reader.rest());
    if (!reader.ok()) return kCut;
    return head;
}

Result<MessageContent> parse_message_content(ByteView payload) {
    LeReader reader(payload);
    MessageContent content;
    content.message = reader.read<std::uint64_t>();
    content.offset = reader.read<std::uint64_t>();
    content.octets = reader.rest();
    if (!reader.ok()) return kCut;
    if (content.octets.size() > kNotKnown - content.offset)
        return Error{Errc::Malformed, "journal: a message's octets lie past its end"};
    return content;
}

Result<MessageEnd> parse_message_end(ByteView payload) {
    LeReader reader(payload);
    MessageEnd end;
    end.message = reader.read<std::uint64_t>();
    const auto how = reader.read<std::uint8_t>();
    end.octets = reader.read<std::uint64_t>();
    const auto total = reader.read<std::uint64_t>();
    if (total != kNotKnown) end.total = total;
    if (!reader.ok()) return kCut;
    if (how > static_cast<std::uint8_t>(MessageOutcome::Cut))
        return Error{Errc::Malformed, "journal: a message ended in a way that is none"};
    end.outcome = static_cast<MessageOutcome>(how);
    return end;
}

Result<MessageRequest> parse_message_request(ByteView payload) {
    LeReader reader(payload);
    MessageRequest request;
    request.source = read_source(reader);
    const auto size = reader.read<std::uint32_t>();
    request.head = base::as_text(reader.read_bytes(size));
    request.body = base::as_text(reader.rest());
    if (!reader.ok()) return kCut;
    return request;
}

}  // namespace earshot::journal
