#include "transport/stun_binding.h"

#include <algorithm>

#include "stun/message.h"

namespace earshot::transport {

std::optional<base::Bytes> answer_stun_binding(base::ByteView datagram,
                                               const base::NetAddress& source) {
    constexpr std::uint16_t kFirstOptional = 0x8000;  // below: to be understood or refused
    const auto request = stun::parse(datagram);
    if (!request || request->message_class != stun::MessageClass::Request ||
        request->method != stun::kBinding)
        return std::nullopt;
    const auto& attributes = request->attributes;
    if (!std::all_of(attributes.begin(), attributes.end(), [](const stun::Attribute& attribute) {
            return attribute.type >= kFirstOptional;
        }))
        return std::nullopt;
    return stun::Writer(stun::MessageClass::Success, stun::kBinding, request->transaction)
        .add_mapped_address(source)
        .take();
}

}  // namespace earshot::transport
