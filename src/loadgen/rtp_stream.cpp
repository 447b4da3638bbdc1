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
    write_packet(payload_type_, timestamp(), is_after_silence_);
    is_after_silence_ = false;
    ++position_;
    return packet_;
}

base::ByteView RtpStream::next_event_packet(std::uint8_t payload_type,
                                            const rtp::TelephoneEvent& event, bool is_first) {
    if (is_first) event_timestamp_ = timestamp();
    payload_.clear();
    rtp::write_telephone_event(event, payload_);
    write_packet(payload_type, event_timestamp_, is_first);
    payload_.resize(kSamplesPerPacket);
    return packet_;
}

void RtpStream::write_packet(std::uint8_t payload_type, std::uint32_t at, bool marker) {
    rtp::RtpHeader header;
    header.payload_type = payload_type;
    header.marker = marker;
    header.sequence = static_cast<std::uint16_t>(start_.sequence + packets_);
    header.timestamp = at;
    header.ssrc = start_.ssrc;
    rtp::write_rtp(header, payload_, packet_);
    ++packets_;
}

void RtpStream::skip_packet() {
    ++position_;
    is_after_silence_ = true;
}

void RtpStream::write_report(base::WallTime now) {
    rtp::SenderReport report;
    report.ssrc = start_.ssrc;
    report.ntp = rtp::to_ntp(now);
    report.rtp_timestamp = timestamp();
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
