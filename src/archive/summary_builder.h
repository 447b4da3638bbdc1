// Gathers the records of a recording and draws the summary from them: the one place that decides
// what `complete` means.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "archive/call_timeline.h"
#include "archive/chat.h"
#include "archive/message_collector.h"
#include "archive/recording_facts.h"
#include "archive/speaker_log.h"
#include "archive/summary.h"
#include "archive/text_collector.h"
#include "archive/timeline.h"
#include "archive/video_count.h"
#include "base/uuid.h"
#include "journal/reader.h"
#include "rtp/rtp_packet.h"

namespace earshot::archive {

// The RTP packets of one stream.
struct StreamPackets {
    std::vector<PacketEntry> entries;
    std::vector<std::uint32_t> ssrcs;                     // by PacketEntry::source
    std::uint32_t newest_ssrc = 0;                        // that sent media, not repairs of it
    std::uint64_t not_indexed = 0;                        // stored, but past a limit of ours
    std::map<std::uint8_t, std::uint64_t> payload_types;  // packets of each
};

struct EndFacts {
    journal::Damage damage;
    std::optional<base::Reason> failure;
    bool was_closed = true;
    std::chrono::milliseconds too_short{0};  // a call that lasted less is told of; 0: none is
};

class SummaryBuilder {
public:
    explicit SummaryBuilder(const base::Uuid& recording) : recording_(recording) {}

    // `place`: where an Rtp record was stored; of no use to the summary itself.
    void add(const journal::Record& record, const RecordPlace& place = {});

    // After the last record; once. Computes the timelines and the summary without tracks.
    Summary finish(const EndFacts& end);

    // Who typed, spoke and shared when; after finish().
    CallTimeline call_timeline() const;

    // What was written; after finish(). The hashes of large files are still to be told.
    Chat chat() const { return messages_.finish(facts_); }
    const MessageCollector& messages() const { return messages_; }

    const RecordingFacts& facts() const { return facts_; }
    std::int64_t start_ns() const { return facts_.start_ns(); }
    std::int64_t duration_ms() const { return (facts_.end_ns() - facts_.start_ns()) / 1'000'000; }
    // Of a stream number; after finish().
    const Timeline& timeline(std::uint16_t stream) const { return timelines_.at(stream); }
    const StreamPackets& packets(std::uint16_t stream) const { return packets_.at(stream); }
    bool has_packets(std::uint16_t stream) const { return packets_.contains(stream); }
    // After finish().
    const std::map<std::uint16_t, StreamFacts>& streams() const { return streams_; }

private:
    void follow(const StreamFacts& facts, std::int64_t arrival_ns, base::ByteView packet,
                const rtp::RtpHeader& header);
    std::string name_of_sender(const StreamFacts& facts) const;
    void add_rtp(const journal::Record& record, const RecordPlace& place);
    void read_units(const journal::Record& record);
    void undo_retransmission(const journal::Record& record, rtp::RtpHeader& header);
    StreamSummary summarise_stream(const StreamFacts& facts);
    void make_timelines();
    void begin_with_media();
    std::string find_codec_name(const StreamFacts& facts) const;
    bool lacks_media(const StreamFacts& facts) const;
    std::optional<base::Reason> find_stream_fault() const;
    void decide_state(const EndFacts& end, Summary& summary) const;
    void add_warnings(const EndFacts& end, Summary& summary) const;

    base::Uuid recording_;
    RecordingFacts facts_;
    std::map<std::uint16_t, StreamPackets> packets_;
    std::map<std::uint16_t, VideoCount> video_;  // of those with pictures, or with FEC
    TextCollector texts_;
    SpeakerLog speakers_;
    MessageCollector messages_;
    std::map<std::uint16_t, Timeline> timelines_;
    std::map<std::uint16_t, StreamFacts> streams_;  // those of the events, and those met in packets
};

}  // namespace earshot::archive
