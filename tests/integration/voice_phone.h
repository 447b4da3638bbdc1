// A phone by hand that dials into a conference with one codec, which may be Opus: SIP as text, a
// tone from a thread of its own, and what it hears kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "integration/udp_client.h"

namespace earshot::integration {

class VoicePhone {
public:
    // `name`: one letter. `codec`: "opus", "G722" or "PCMU". Its voice is a tone of `hz`.
    VoicePhone(char name, const std::string& client, std::string room, std::string codec,
               double hz);
    VoicePhone(const VoicePhone&) = delete;
    VoicePhone& operator=(const VoicePhone&) = delete;
    ~VoicePhone();

    // The final answer to its INVITE, which is acknowledged; from then on it speaks.
    std::string dial();
    void hang_up();
    // Instead of its voice it sends octets of no meaning, by the payload type of its voice.
    void babble(bool does) { babbles_ = does; }

    void forget();
    // Of the 20 ms each that it has heard since: those that hold a tone of this frequency.
    std::size_t heard(double hz) const;
    std::size_t heard() const;  // all of them

private:
    std::string request(const std::string& method, int cseq, const std::string& body) const;
    void run(const std::stop_token& stop);
    int rate() const;

    const char name_;
    const std::string room_;
    const std::string codec_;
    const double hz_;
    UdpClient sip_;
    std::string to_;
    int socket_ = -1;
    std::uint16_t port_ = 0;
    std::uint16_t media_ = 0;
    std::atomic<bool> babbles_{false};
    mutable std::mutex mutex_;
    std::vector<std::int16_t> heard_;
    std::jthread thread_;
};

}  // namespace earshot::integration
