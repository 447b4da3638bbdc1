// What a party has pressed so far, for triggers on codes ("*1"). Keys come by SIP INFO and by RTP
// (RFC 4733), and some phones tell each of theirs by both: such a pair is one key. Never log them.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace earshot::client {

enum class KeyWay : std::uint8_t { Info, Rtp };

class KeyMemory {
public:
    static constexpr std::size_t kMaxDigits = 32;                // remembered
    static constexpr std::chrono::milliseconds kPairTime{1000};  // between a key and its double

    // False: it is the double of one that came the other way.
    bool add(base::TimePoint now, KeyWay way, char digit);
    // The newest last.
    const std::string& digits() const { return digits_; }

private:
    std::string digits_;
    // The last of them that came one way and have not come the other way, too.
    std::string single_;
    KeyWay single_way_ = KeyWay::Info;
    base::TimePoint single_at_{};
};

}  // namespace earshot::client
