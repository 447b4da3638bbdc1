#include "loadgen/rtp_stream.h"

#include "loadgen/keyed_payload.h"
#include "rtp/rtcp.h"
#include "rtp/rtp_packet.h"

namespace earshot::loadgen {

RtpStream::RtpStream(Start start, const Voice& voice)
    : start_(std::move(start)), voice_(voice), payload_(kSamplesPerPacket) {}

void RtpStream::set_format(std::uint8_t payload_type, audio::G711Law law) {
    payload_type_ = payload_type;
    law_ = law;
}

base::ByteView RtpStream::next_packet() {
    voice_.copy_packet(law_, position_, payload_);
    if (start_.has_keyed_payload) store_key(payload_, {start_.call, start_.stream, packets_});
    rtp::RtpHeader header;
    header.payload_type = payload_type_;
    header.marker = is_after_silence_;
    header.sequence = static_cast<std::uint16_t>(start_.sequence + packets_);
    header.timestamp = static_cast<std::uint32_t>(start_.timestamp + position_ * kSamplesPerPacket);
    header.ssrc = start_.ssrc;
    rtp::write_rtp(header, payload_, packet_);
    is_after_silence_ = false;
    ++position_;
    ++packets_;
    return packet_;
}

void RtpStream::skip_packet() {
    ++position_;
    is_after_silence_ = true;
}

void RtpStream::write_report(base::WallTime now) {
    rtp::SenderReport report;
    report.ssrc = start_.ssrc;
    report.ntp = rtp::to_ntp(now);
    report.rtp_timestamp =
        static_cast<std::uint32_t>(start_.timestamp + position_ * kSamplesPerPacket);
    report.packet_count = static_cast<std::uint32_t>(packets_);
    report.octet_count = static_cast<std::uint32_t>(packets_ * kSamplesPerPacket);
    report_.clear();
    rtp::append_sender_report(report, report_);
    rtp::append_cname(start_.ssrc, start_.cname, report_);
}

base::ByteView RtpStream::sender_report(base::WallTime now) {
    write_report(now);
    return report_;
}

base::ByteView RtpStream::goodbye(base::WallTime now) {
    write_report(now);
    rtp::append_goodbye(start_.ssrc, "end of call", report_);
    return report_;
}

}  // namespace earshot::loadgen
