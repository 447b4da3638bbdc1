#include "loadgen/recorded_stream.h"

#include "loadgen/voice.h"
#include "rtp/rtcp.h"

namespace earshot::loadgen {

std::uint32_t RecordedStream::timestamp_at(base::WallTime time) const {
    constexpr std::int64_t kSampleNs = 1'000'000'000 / kSampleRate;
    const std::int64_t samples = (base::to_ns(time) - base::to_ns(last_at_)) / kSampleNs;
    return last_timestamp_ + static_cast<std::uint32_t>(samples);
}

base::ByteView RecordedStream::next_packet(const rtp::RtpHeader& original,
                                           std::uint8_t payload_type, base::ByteView payload,
                                           base::WallTime at) {
    if (source_ != original.ssrc) {
        const std::uint32_t ours = source_ ? timestamp_at(at) : start_.timestamp;
        shift_ = ours - original.timestamp;
        source_ = original.ssrc;
    }
    rtp::RtpHeader header;
    header.payload_type = payload_type;
    header.marker = original.marker;
    header.sequence = static_cast<std::uint16_t>(start_.sequence + packets_);
    header.timestamp = original.timestamp + shift_;
    header.ssrc = start_.ssrc;
    rtp::write_rtp(header, payload, packet_);
    last_timestamp_ = header.timestamp;
    last_at_ = at;
    ++packets_;
    octets_ += payload.size();
    return packet_;
}

base::ByteView RecordedStream::sender_report(base::WallTime now) {
    rtp::SenderReport report;
    report.ssrc = start_.ssrc;
    report.ntp = rtp::to_ntp(now);
    report.rtp_timestamp = timestamp_at(now);
    report.packet_count = static_cast<std::uint32_t>(packets_);
    report.octet_count = static_cast<std::uint32_t>(octets_);
    report_.clear();
    rtp::append_sender_report(report, report_);
    rtp::append_cname(start_.ssrc, start_.cname, report_);
    return report_;
}

base::ByteView RecordedStream::goodbye(base::WallTime now) {
    sender_report(now);
    rtp::append_goodbye(start_.ssrc, "end of recording", report_);
    return report_;
}

}  // namespace earshot::loadgen
