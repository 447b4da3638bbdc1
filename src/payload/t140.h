// Real-time text as RTP payload: T.140 blocks (RFC 4103), plain or in RED with the blocks before
// once more, of one party or of several through a mixer (RFC 9071). What is lost is taken from the
// redundancy; what that does not bring is told as missing, never passed over. Pure; one object an
// SSRC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/rare_queue.h"
#include "payload/red.h"

namespace earshot::payload {

struct T140Packet {
    std::int64_t sequence = 0;    // extended
    std::uint32_t timestamp = 0;  // of a 1000 Hz clock, mostly
    // Who typed it: the mixer's CSRC (one packet has one source, RFC 9071 section 3.5). None where
    // nobody mixes.
    std::optional<std::uint32_t> csrc;
    bool is_red = false;
    base::ByteView payload;
};

struct T140Block {
    std::optional<std::uint32_t> csrc;
    std::uint16_t age_ticks = 0;  // how long before its packet it was typed: of redundancy
    std::string text;             // UTF-8; U+FFFD for what is none
    bool is_missing = false;      // text was lost here; `text` is empty
    friend bool operator==(const T140Block&, const T140Block&) = default;
};

class T140Receiver {
public:
    // Packets in the order of their sequence: who has them live waits for late ones first (RFC 4103
    // section 5.4). Older ones and repeated ones change nothing.
    void on_packet(const T140Packet& packet);
    // What comes next does not follow what came: a pause. Neither is anything missing, nor is
    // redundancy of before taken.
    void on_break();
    std::optional<T140Block> poll_block();

private:
    void emit(const T140Packet& packet, base::ByteView data, std::uint16_t age_ticks);
    bool is_lost(const T140Packet& packet, const RedBlock& block, std::int64_t packets_back,
                 std::optional<std::int64_t> lost);
    std::uint32_t* find_newest(std::uint32_t csrc);
    void note_newest(std::uint32_t csrc, std::uint32_t timestamp);

    std::optional<std::int64_t> last_sequence_;
    bool is_after_break_ = false;
    // By CSRC the timestamp of its newest text: only that tells which redundancy is new.
    std::vector<std::pair<std::uint32_t, std::uint32_t>> newest_;
    base::RareQueue<T140Block> blocks_;
};

}  // namespace earshot::payload
