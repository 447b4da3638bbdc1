// Packets of a stranger, and packets of ours that were altered: the first octet chooses suite, MKI
// and what is done with the rest. What was refused must be as it was; what is altered must not be
// taken.
#include <algorithm>
#include <cstdlib>

#include "srtp/receiver.h"
#include "srtp/sender.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

srtp::MasterKey key_for(std::uint8_t choice) {
    base::SeededRandom random(1);
    const auto suite = static_cast<srtp::Suite>(choice % base::kSrtpSuites);
    const srtp::MasterKey key = srtp::MasterKey::generate(suite, random);
    const base::Bytes mki((choice & 0x10U) != 0 ? 3 : 0, 7);
    return *srtp::MasterKey::from(suite, key.material(), mki);
}

void take_foreign(srtp::Receiver& receiver, base::ByteView bytes) {
    base::Bytes packet(bytes.begin(), bytes.end());
    const base::Bytes before = packet;
    if (!receiver.unprotect_rtp(packet)) must(packet == before);
    packet = before;
    if (!receiver.unprotect_rtcp(packet)) must(packet == before);
}

// Any bytes that look like a packet go out and come back; with one bit changed they do not.
void send_own(srtp::Sender& sender, srtp::Receiver& receiver, base::ByteView bytes, bool is_rtcp) {
    base::Bytes packet(bytes.begin(), bytes.end());
    packet.resize(bytes.size() + (is_rtcp ? sender.rtcp_overhead() : sender.rtp_overhead()));
    const auto sent = is_rtcp ? sender.protect_rtcp(packet, bytes.size())
                              : sender.protect_rtp(packet, bytes.size());
    if (!sent) return;
    must(*sent == packet.size());
    base::Bytes altered = packet;
    altered[bytes.front() % altered.size()] ^= 1U;
    must(!(is_rtcp ? receiver.unprotect_rtcp(altered) : receiver.unprotect_rtp(altered)));
    const auto taken = is_rtcp ? receiver.unprotect_rtcp(packet) : receiver.unprotect_rtp(packet);
    must(taken && *taken == bytes.size() && std::equal(bytes.begin(), bytes.end(), packet.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 2) return 0;
    const std::uint8_t choice = bytes[0];
    const base::ByteView rest(bytes + 1, size - 1);
    const srtp::MasterKey key = key_for(choice);
    srtp::Receiver receiver(key);
    take_foreign(receiver, rest);
    srtp::Sender sender(key);
    send_own(sender, receiver, rest, (choice & 0x20U) != 0);
    return 0;
}
