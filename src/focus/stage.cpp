#include "focus/stage.h"

#include <utility>

#include "rtp/demux.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"

namespace earshot::focus {

namespace {

constexpr std::chrono::seconds kReportEvery{5};  // RFC 3550 section 6.2
constexpr std::chrono::seconds kCameraSilence{3};
// Slides stand still for long: who shares at the same time waits for so much silence.
constexpr std::chrono::seconds kContentSilence{10};
constexpr std::string_view kCname = "focus";

}  // namespace

std::optional<io::UdpPair> Stage::add(MemberId member, Newcomer newcomer) {
    if (!forwarder_.add(member, newcomer.csrc, newcomer.own)) return std::move(newcomer.pair);
    seats_.emplace(member, Seat{.pair = std::move(newcomer.pair),
                                .cname = std::move(newcomer.cname),
                                .csrc = newcomer.csrc});
    return std::nullopt;
}

void Stage::set(MemberId member, const Place& place) {
    const auto seat = seats_.find(member);
    if (seat == seats_.end()) return;
    seat->second.rtp = place.rtp;
    seat->second.rtcp = place.rtcp;
    seat->second.next_report = {};
    forwarder_.change(member, place.line);
}

std::optional<io::UdpPair> Stage::remove(base::Now now, MemberId member) {
    const auto seat = seats_.find(member);
    if (seat == seats_.end()) return std::nullopt;
    report(now, member, seat->second, true);
    io::UdpPair pair = std::move(seat->second.pair);
    seats_.erase(seat);
    forwarder_.remove(member);
    return pair;
}

void Stage::end(base::Now now) {
    for (auto& [member, seat] : seats_) report(now, member, seat, true);
}

std::optional<MemberId> Stage::any_member() const {
    if (seats_.empty()) return std::nullopt;
    return seats_.begin()->first;
}

void Stage::turn(base::Now now, MemberId speaker, io::DatagramBatch& batch) {
    for (auto& [member, seat] : seats_) receive(now, member, seat, batch);
    choose(now, speaker);
    ask(now);
    for (auto& [member, seat] : seats_) {
        if (now.steady < seat.next_report) continue;
        seat.next_report = now.steady + kReportEvery;
        report(now, member, seat, false);
    }
}

void Stage::receive(base::Now now, MemberId member, Seat& seat, io::DatagramBatch& batch) {
    while (seat.pair.rtp.receive(batch) > 0) {
        for (const io::Datagram& datagram : batch.datagrams()) {
            if (datagram.truncated || !seat.host.admits(datagram.source, seat.rtp) ||
                rtp::classify(datagram.bytes) != rtp::PacketKind::Rtp)
                continue;
            for (const Forwarder::Packet& packet :
                 forwarder_.on_packet(now.steady, member, datagram.bytes)) {
                const auto to = seats_.find(packet.to);
                if (to != seats_.end() && to->second.rtp.port != 0)
                    static_cast<void>(to->second.pair.rtp.send(packet.bytes, to->second.rtp));
            }
        }
        if (batch.datagrams().size() < batch.capacity()) break;
    }
    while (seat.pair.rtcp.receive(batch) > 0) {
        for (const io::Datagram& datagram : batch.datagrams())
            if (!datagram.truncated && seat.host.admits(datagram.source, seat.rtcp))
                forwarder_.on_rtcp(member, datagram.bytes);
        if (batch.datagrams().size() < batch.capacity()) break;
    }
}

void Stage::choose(base::Now now, MemberId speaker) {
    if (which_ == Picture::Camera) {
        cameras_.update(speaker, forwarder_.sources(now.steady, kCameraSilence));
        return forwarder_.show(cameras_.main(), cameras_.other());
    }
    content_.update(forwarder_.sources(now.steady),
                    forwarder_.sources(now.steady, kContentSilence));
    forwarder_.show(content_.presenter(), 0);
}

void Stage::ask(base::Now now) {
    while (const auto request = forwarder_.poll_request(now.steady)) {
        const auto seat = seats_.find(request->to);
        if (seat == seats_.end() || seat->second.rtcp.port == 0) continue;
        report_.clear();
        rtp::append_receiver_report({.ssrc = request->ours, .reports = {}}, report_);
        rtp::append_cname(request->ours, kCname, report_);
        if (request->is_fir)
            rtp::append_fir(request->ours, request->media, request->number, report_);
        else
            rtp::append_pli(request->ours, request->media, report_);
        static_cast<void>(seat->second.pair.rtcp.send(report_, seat->second.rtcp));
    }
}

// Our own SSRC with our CNAME, and whose pictures they are now.
void Stage::report(base::Now now, MemberId member, Seat& seat, bool is_last) {
    const auto sent = forwarder_.sent_to(member, now.steady);
    if (!sent || seat.rtcp.port == 0) return;
    report_.clear();
    rtp::append_sender_report({.ssrc = sent->ssrc,
                               .ntp = rtp::to_ntp(now.wall),
                               .rtp_timestamp = sent->timestamp,
                               .packet_count = static_cast<std::uint32_t>(sent->packets),
                               .octet_count = static_cast<std::uint32_t>(sent->octets),
                               .reports = {}},
                              report_);
    rtp::append_cname(sent->ssrc, kCname, report_);
    const auto whose = seats_.find(forwarder_.seen_by(member));
    if (whose != seats_.end()) rtp::append_cname(whose->second.csrc, whose->second.cname, report_);
    if (is_last) rtp::append_goodbye(sent->ssrc, "", report_);
    static_cast<void>(seat.pair.rtcp.send(report_, seat.rtcp));
}

}  // namespace earshot::focus
