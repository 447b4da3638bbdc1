// Sorts what arrives at one transport to the lines that share it (RFC 9143 section 9.2): by the MID
// that a packet has, by an SSRC that is known, by a payload type that one line alone has. Where
// none of these tells, a packet goes to the line that it fits best: to lose it would be worse, and
// it is told. Only what says that it is of another line is refused. Pure; belongs to the capture
// worker's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/rare_queue.h"
#include "capture/stream.h"
#include "capture/stream_receiver.h"

namespace earshot::capture {

class Bundle {
public:
    enum class By : std::uint8_t {
        Mid,
        Ssrc,
        PayloadType,
        Order,    // it could be of several: of one that is paused, has no source yet, or the least
                  // recent one
        Nothing,  // its payload type is of no line: to the first one, to be judged there
        Foreign,  // its MID is of no line
    };
    struct Sorted {
        std::uint16_t stream = 0;
        By by = By::Nothing;
        std::uint32_t ssrc = 0;
        bool is_news = false;  // for learn()
    };
    // Which line a source was taken for, and why.
    struct SourceAssigned {
        std::uint16_t stream = 0;
        std::uint32_t ssrc = 0;
        By by = By::Mid;
    };

    // A line, new or changed. `receiver` is its stream's, borrowed until remove(), and knows its
    // payload types. Without terms it is in no group (any more), and shares the transport with
    // those that have left it: it is known by what it had, and may say of itself what it likes.
    void put(std::uint16_t stream, const StreamReceiver& receiver, const BundleTerms* terms);
    void remove(std::uint16_t stream);
    // The first line stands for all where a packet is of none.
    std::uint16_t first() const { return lines_.front().stream; }

    // Of an RTP packet, as it came: SRTP leaves the header readable. There is a line at least.
    Sorted sort(base::ByteView packet) const;
    // It was authentic, and of a host that may send it.
    void learn(const Sorted& sorted);
    // Of RTCP in the clear, authentic: the lines whose sources it tells about, or the first one.
    void sort_rtcp(base::ByteView datagram, std::vector<std::uint16_t>& streams);

    std::optional<SourceAssigned> poll_assigned();

private:
    struct Line {
        std::uint16_t stream = 0;
        const StreamReceiver* receiver = nullptr;
        BundleTerms terms{};
        bool is_grouped = false;
    };
    struct Source {
        std::uint32_t ssrc = 0;
        std::uint16_t stream = 0;
        bool is_signalled = false;
    };

    Line* find(std::uint16_t stream);
    const Line* find_by_mid(std::string_view mid) const;
    const Source* find_source(std::uint32_t ssrc) const;
    bool has_source(std::uint16_t stream) const;
    // Whether the packet says by a MID whose it is. `line`: that of it, or null.
    bool read_mid(base::ByteView packet, const rtp::RtpHeader& header, const Line*& line) const;
    Sorted sort_by_type(const rtp::RtpHeader& header, const Source* known) const;
    const Line& pick(std::uint8_t payload_type) const;
    void assign(std::uint32_t ssrc, std::uint16_t stream, bool is_signalled);
    void tell(std::uint32_t ssrc, std::uint16_t stream, By by);

    std::vector<Line> lines_;
    std::vector<Source> sources_;  // the oldest first
    base::RareQueue<SourceAssigned> assigned_;
    std::uint32_t told_ = 0;
};
const char* to_string(Bundle::By by);

}  // namespace earshot::capture
