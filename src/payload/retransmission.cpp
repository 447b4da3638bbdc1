#include "payload/retransmission.h"

#include "base/text.h"
#include "payload/format_parameters.h"

namespace earshot::payload {

std::optional<Retransmitted> parse_retransmission(base::ByteView payload) {
    if (payload.size() < 2) return std::nullopt;
    return Retransmitted{.sequence = base::load_u16(payload, 0), .payload = payload.subspan(2)};
}

std::optional<std::uint8_t> retransmitted_type(std::string_view fmtp) {
    const auto type = base::parse_number<std::uint8_t>(format_parameter(fmtp, "apt"));
    if (!type || *type > 127) return std::nullopt;
    return type;
}

}  // namespace earshot::payload
