// Any bytes: what can be read keeps to the limits and survives writing; an agent never takes what
// its password has not signed.
#include <cstdlib>

#include "stun/ice_lite.h"
#include "stun/message.h"

namespace stun = earshot::stun;

namespace {

// What was read, written anew: all attributes but those that sign it.
void check_rewritten(const stun::Message& message) {
    stun::Writer writer(message.message_class, message.method, message.transaction);
    std::size_t count = 0;
    for (const stun::Attribute& attribute : message.attributes) {
        const auto type = static_cast<stun::AttributeType>(attribute.type);
        if (type == stun::AttributeType::MessageIntegrity ||
            type == stun::AttributeType::Fingerprint)
            continue;
        writer.add(type, attribute.value);
        ++count;
    }
    const earshot::base::Bytes bytes = writer.take();
    const auto again = stun::parse(bytes);
    if (!again || again->attributes.size() != count || again->method != message.method ||
        again->message_class != message.message_class)
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    const earshot::base::ByteView bytes{input, size};
    const auto source = *earshot::base::parse_net_address("192.0.2.1:5000");
    stun::IceLite agent({.ufrag = "evtj", .password = "VOkJxbRl1RmTxUk/WvJxBt"}, "");
    earshot::base::Bytes reply;
    const auto outcome = agent.on_datagram({}, bytes, source, reply);
    if (agent.is_validated(source) != (outcome == stun::CheckOutcome::Answered)) std::abort();
    if (!reply.empty() && !stun::parse(reply)) std::abort();

    const auto message = stun::parse(bytes);
    if (!message) return 0;
    if (message->attributes.size() > stun::kMaxAttributes) std::abort();
    static_cast<void>(stun::has_valid_fingerprint(*message));
    static_cast<void>(stun::mapped_address(*message));
    static_cast<void>(stun::error_code(*message));
    check_rewritten(*message);
    return 0;
}
