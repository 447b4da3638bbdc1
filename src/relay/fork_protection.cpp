#include "relay/fork_protection.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sdp/crypto_attribute.h"

namespace earshot::relay {

namespace {

std::vector<std::string_view> crypto_values(const Negotiation& call, Leg leg, std::size_t line) {
    std::vector<std::string_view> values;
    const LegDescription* description = call.description(leg);
    const sdp::MediaDescription* medium = call.medium(leg, line);
    if (description == nullptr || medium == nullptr) return values;
    for (const sdp::Attribute& attribute : description->sdp->attributes_of(*medium))
        if (base::iequals(attribute.name, "crypto")) values.push_back(attribute.value);
    return values;
}

srtp::Receiver make_receiver(const std::vector<base::SrtpMasterKey>& keys) {
    srtp::Receiver receiver(keys.front());
    for (std::size_t i = 1; i < keys.size(); ++i) static_cast<void>(receiver.add(keys[i]));
    return receiver;
}

}  // namespace

std::vector<base::SrtpMasterKey> sent_keys(const Negotiation& call, Leg from, std::size_t line) {
    const sdp::MediaDescription* const medium = call.medium(from, line);
    if (!call.is_complete() || medium == nullptr || !medium->is_secure_rtp()) return {};
    const auto others = crypto_values(call, other(from), line);
    for (const std::string_view value : crypto_values(call, from, line)) {
        const auto mine = sdp::parse_crypto(value);
        const bool is_taken =
            mine && std::any_of(others.begin(), others.end(), [&](std::string_view one) {
                const auto theirs = sdp::parse_crypto(one);
                return theirs && theirs->tag == mine->tag;
            });
        if (!is_taken) continue;
        auto read = sdp::read_crypto(value);
        return read ? std::move(read->keys) : std::vector<base::SrtpMasterKey>{};
    }
    return {};
}

ForkProtection::ForkProtection(const ForkKeys& keys)
    : keys_(keys), receiver_(make_receiver(keys.leg)), sender_(keys.ours) {}

void ForkProtection::set_keys(const ForkKeys& keys) {
    if (keys.leg != keys_.leg) previous_.emplace(std::exchange(receiver_, make_receiver(keys.leg)));
    if (!(keys.ours == keys_.ours)) {
        sender_ = srtp::Sender(keys.ours);
        receiver_.expect_gap();  // nobody recorded meanwhile
    }
    keys_ = keys;
}

// The old key first, which knows its packet index, until the new one is in use.
srtp::Outcome ForkProtection::open(bool is_rtcp, std::span<std::uint8_t> packet) {
    const auto unprotect = [&](srtp::Receiver& receiver) {
        return is_rtcp ? receiver.unprotect_rtcp(packet) : receiver.unprotect_rtp(packet);
    };
    if (previous_)
        if (const srtp::Outcome plain = unprotect(*previous_)) return plain;
    const srtp::Outcome plain = unprotect(receiver_);
    if (plain) previous_.reset();
    return plain;
}

base::ByteView ForkProtection::renew(io::SocketKind kind, base::ByteView packet,
                                     std::span<std::uint8_t> room) {
    if (packet.size() > room.size()) return {};
    std::copy(packet.begin(), packet.end(), room.begin());
    const bool is_rtcp = kind == io::SocketKind::Rtcp;
    const srtp::Outcome plain = open(is_rtcp, room.first(packet.size()));
    if (!plain) return {};
    const srtp::Outcome wire =
        is_rtcp ? sender_.protect_rtcp(room, *plain) : sender_.protect_rtp(room, *plain);
    if (!wire) return {};
    return room.first(*wire);
}

}  // namespace earshot::relay
