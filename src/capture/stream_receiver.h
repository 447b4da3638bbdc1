// One stream without its sockets: datagrams with their arrival go in, out comes what to store, what
// happened and what was counted. Pure (no clock, no journal), so tests and simulations drive it.
// Belongs to the capture worker's thread.
//
//     verdict = on_datagram(...)
//     while (packet = poll_released()) store(*packet)     // first: they arrived before
//     if (verdict is StoreRtp or StoreRtcp) store(this one)
//     while (event = poll_event()) ...
//
// No allocation in the steady state: only unproven sources, events and RTCP allocate.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/rare_queue.h"
#include "base/time.h"
#include "capture/feedback.h"
#include "capture/limits.h"
#include "capture/stream.h"
#include "io/udp_socket.h"
#include "rtp/rtcp.h"
#include "rtp/source_filter.h"
#include "rtp/telephone_event.h"

namespace earshot::capture {

using io::SocketKind;

enum class Verdict : std::uint8_t {
    StoreRtp,
    StoreRtcp,
    Hold,     // the receiver made a copy
    Discard,  // counted
};

struct HeldPacket {
    std::int64_t arrival_ns = 0;
    base::NetAddress source;
    base::Bytes bytes;
    rtp::RtpHeader header;
};

struct FirstPacketSeen {
    std::int64_t arrival_ns = 0;
    std::uint32_t ssrc = 0;
    base::NetAddress source;
};
struct SsrcChange {
    std::int64_t arrival_ns = 0;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    base::NetAddress source;
};
struct SourceMoved {  // the same SSRC from another address: RTPProxy, NAT, or a collision
    std::int64_t arrival_ns = 0;
    std::uint32_t ssrc = 0;
    base::NetAddress from;
    base::NetAddress to;
};
struct RejectedSome {
    std::int64_t arrival_ns = 0;
    Rejection cause = Rejection::NotRtp;
    std::uint64_t total = 0;
    base::NetAddress source;
};
// The contributing sources of a mix changed (RFC 3550 section 5.1): who speaks. Empty: nobody told.
struct ContributorsChanged {
    std::int64_t arrival_ns = 0;
    std::uint8_t count = 0;
    std::array<std::uint32_t, 15> ssrcs{};
};
// RTCP SDES told the CNAME of a source. `same_as`: another source of this stream that has it too,
// so the sender did not change, only its SSRC (RFC 3550 section 8.2, RFC 7022).
struct SourceDescribed {
    std::int64_t arrival_ns = 0;
    std::uint32_t ssrc = 0;
    std::string cname;
    std::optional<std::uint32_t> same_as;
};
// RTCP BYE told why a source sends no more (RFC 3550 section 6.6).
struct SourceLeft {
    std::int64_t arrival_ns = 0;
    std::uint32_t ssrc = 0;
    std::string reason;
};
struct DigitSeen {
    std::int64_t arrival_ns = 0;
    char digit = 0;
    std::uint32_t duration_ms = 0;
};
// A key was pressed, and which one is not to be kept: told once.
struct DigitsBlanked {
    std::int64_t arrival_ns = 0;
};
using ReceiverEvent =
    std::variant<FirstPacketSeen, SsrcChange, SourceMoved, RejectedSome, DigitSeen,
                 ContributorsChanged, SourceDescribed, SourceLeft, DigitsBlanked>;

class StreamReceiver {
public:
    // `ssrc`: ours, for the receiver reports.
    StreamReceiver(const StreamSetup& setup, std::uint32_t ssrc);

    Verdict on_datagram(SocketKind socket, base::ByteView bytes, const base::NetAddress& source,
                        std::int64_t arrival_ns);
    // Overwrites (by 0xff) what of an accepted RTP packet must not be stored: key presses where the
    // setup does not keep them, and after a pause the redundancy (RFC 2198) of what came during it.
    // The rest stays, so that nothing counts as lost. Call it before the packet is stored.
    void blank(std::span<std::uint8_t> packet, std::int64_t arrival_ns);
    void on_oversize(const base::NetAddress& source, std::int64_t arrival_ns);

    // Of a protected stream, before anything is decrypted: whether the datagram can become a packet
    // of it by what is in the clear. What cannot goes to on_datagram() as it came, to be counted.
    bool may_accept(SocketKind socket, base::ByteView bytes, const base::NetAddress& source,
                    std::int64_t arrival_ns) const;
    // It could not be unprotected, or is of no line of this transport.
    Verdict on_not_opened(Rejection cause, const base::NetAddress& source, std::int64_t arrival_ns);

    std::optional<HeldPacket> poll_released();
    std::optional<ReceiverEvent> poll_event();

    void update(const StreamFormat& format, std::int64_t now_ns);
    bool is_allowed_host(const base::NetAddress& source) const {
        return filter_.is_allowed_host(source);
    }
    // One more that may send: ICE has shown that the peer is there. Until the next update() of
    // another address.
    void allow_host(const base::NetAddress& source);

    // A pause is two steps, with the last drain of the socket between them: pause(at), drain, and
    // settle_pause(). In between, each datagram is judged by its arrival; afterwards all are
    // discarded whatever stamp they carry (the wall clock may have stepped). resume(at), drain,
    // settle_resume() likewise; where the wall clock stepped back since the last look at the
    // socket, the stamps cannot tell what came during the pause, and all of it is discarded.
    void pause(std::int64_t at_ns);
    void settle_pause(base::Now now);
    void resume(std::int64_t at_ns, base::Now now);
    void settle_resume();
    bool is_paused() const { return is_paused_; }
    std::optional<std::uint32_t> current_ssrc() const {
        return filter_.has_source() ? std::optional{filter_.current_ssrc()} : std::nullopt;
    }
    bool has_payload_type(std::uint8_t number) const;  // by the SDP in force
    std::int64_t last_arrival_ns() const { return counters_.last_arrival_ns; }
    // Once a pause is settled nothing needs to be read: the caller throws datagrams away in the
    // kernel and gives their number here.
    void on_discarded_unread(std::uint64_t count, base::Now now);

    // The stream ends: what is held is released or rejected, open digits are reported.
    void finish(std::int64_t now_ns);

    // Appends RR and SDES to `out` (RFC 3550 section 6.1).
    void compose_report(base::WallTime now, std::string_view cname, base::Bytes& out);
    // Where our RTCP goes; nothing when that is not known. The signalled address, or another port
    // of the same host when RTCP came from there (NAT, RTPProxy); never another host.
    std::optional<base::NetAddress> rtcp_destination() const;
    bool uses_rtcp_mux() const { return rtcp_mux_; }

    // A client behind a symmetric NAT may wait for a packet of ours (Q35). The probe is RFC 6263
    // section 4.6's: RTP without payload, of a payload type that was not negotiated, so that every
    // receiver discards it. It goes to the signalled address and nowhere else.
    // RFC 6263: a flow in which nothing has come for `idle` wants a packet of ours, so that NATs
    // and firewalls keep its binding (P-68, P-111). Where RTCP shares the port our reports are that
    // packet (section 4.3).
    bool wants_keep_alive(std::int64_t now_ns, std::chrono::milliseconds idle) const;
    // Where the stream came from last; before it came, where its SDP says.
    std::optional<base::NetAddress> keep_alive_destination() const;
    // RTP without payload, of a type that was not negotiated: every receiver discards it (section
    // 4.6).
    void compose_keep_alive(base::Bytes& out);

    // Whether this stream may ever ask its sender for anything; then on_turn() each tick, also
    // while nothing comes. Appends what is to be sent (Feedback::on_turn).
    bool has_feedback() const { return feedback_ != nullptr; }
    std::optional<KeyFrameRequest> on_turn(base::TimePoint now, std::string_view cname,
                                           base::Bytes& out);

    bool wants_probe() const;
    std::optional<base::NetAddress> probe_destination() const;
    void compose_probe(base::Bytes& out);

    void add_kernel_drops(std::uint64_t drops) { counters_.kernel_drops += drops; }
    void on_storage_lost() { ++counters_.storage_lost; }
    StreamCounters counters() const;

private:
    // Repair: what is lost comes again in another form (RFC 4588, RFC 5109, RFC 8627).
    enum class PayloadKind : std::uint8_t { Media, TelephoneEvent, Redundant, Repair };
    static PayloadKind kind_of(std::string_view encoding);
    // Whether a repair packet (RTX, FEC) may hold digits, or what was sent during a pause.
    bool may_repeat_secrets(std::int64_t arrival_ns) const;
    struct PayloadEntry {
        std::int64_t accepted_until_ns = std::numeric_limits<std::int64_t>::min();
        std::uint32_t clock_rate = 0;
        std::uint8_t number = 0;
        PayloadKind kind = PayloadKind::Media;
        payload::VideoCodec codec = payload::VideoCodec::Unknown;
        bool is_retransmission = false;
    };
    struct RejectedState {
        std::int64_t told_at_ns = 0;
        std::uint64_t told_total = 0;
        base::NetAddress newest_source;
    };
    struct LastSenderReport {
        std::uint32_t ssrc = 0;
        std::uint32_t ntp_middle = 0;
        std::int64_t arrival_ns = 0;
    };

    void apply_format(const StreamFormat& format);
    bool is_digit(std::uint8_t payload_type) const;
    void note_digit(base::ByteView payload, std::uint32_t timestamp, std::uint32_t clock_rate,
                    std::int64_t arrival_ns);
    const PayloadEntry* find_payload(std::uint8_t number) const;
    PayloadEntry& entry_of(std::uint8_t number);
    bool is_discarded_at(std::int64_t arrival_ns) const;
    void discard_all();
    Verdict on_rtp(base::ByteView bytes, const base::NetAddress& source, std::int64_t arrival_ns);
    Verdict on_repair(base::ByteView bytes, const rtp::RtpHeader& header,
                      const PayloadEntry& payload, std::int64_t arrival_ns);
    Verdict on_rtcp(base::ByteView bytes, const base::NetAddress& source, std::int64_t arrival_ns);
    void on_rtcp_packet(const rtp::RtcpPacket& packet, const base::NetAddress& source,
                        std::int64_t arrival_ns);
    void accept(base::ByteView bytes, const rtp::RtpHeader& header, const base::NetAddress& source,
                std::int64_t arrival_ns);
    void collect_digits(std::uint32_t clock_rate);
    void note_contributors(base::ByteView bytes, const rtp::RtpHeader& header,
                           std::int64_t arrival_ns);
    void note_description(const rtp::SourceDescription& chunk, std::int64_t arrival_ns);
    void note_goodbye(const rtp::Goodbye& goodbye, std::int64_t arrival_ns);
    void note_source(std::uint32_t ssrc, const base::NetAddress& source, std::int64_t arrival_ns);
    void hold(base::ByteView bytes, const rtp::RtpHeader& header, const base::NetAddress& source,
              std::int64_t arrival_ns);
    void drop_oldest_held();
    void release_held(std::uint32_t ssrc);
    void settle_held();
    Verdict reject(Rejection cause, const base::NetAddress& source, std::int64_t arrival_ns);
    void tell_rejected(std::size_t cause, std::int64_t arrival_ns);

    const MediaClass media_;
    const base::NetAddress signalling_peer_;
    const std::vector<base::NetAddress> media_from_;
    std::vector<base::NetAddress> shown_by_ice_{};
    void set_hosts(const base::NetAddress& remote_rtp);
    const bool may_probe_;
    const bool keeps_digits_;
    const std::uint32_t own_ssrc_;
    rtp::SourceFilter filter_;
    rtp::DtmfDetector digits_;
    std::uint32_t digit_clock_rate_ = 8000;
    std::vector<PayloadEntry> payloads_;  // those ever named: a few, of 128 that could be
    bool any_payload_ = false;
    base::NetAddress remote_rtp_;
    base::NetAddress remote_rtcp_;
    std::optional<base::NetAddress> learned_rtp_;
    std::optional<base::NetAddress> learned_rtcp_;
    bool rtcp_mux_ = false;

    bool is_paused_ = false;
    // Arrivals in [from, until) are discarded.
    std::int64_t discard_from_ns_ = std::numeric_limits<std::int64_t>::max();
    std::int64_t discard_until_ns_ = std::numeric_limits<std::int64_t>::max();
    std::int64_t resumed_at_ns_ = std::numeric_limits<std::int64_t>::min();
    std::int64_t wall_offset_ns_ = std::numeric_limits<std::int64_t>::max();  // at the last look

    base::RareQueue<HeldPacket> held_;  // in order of arrival
    std::size_t held_bytes_ = 0;
    base::RareQueue<HeldPacket> released_;
    base::RareQueue<ReceiverEvent> events_;

    std::uint32_t last_ssrc_ = 0;
    base::NetAddress last_source_;
    std::uint32_t source_changes_told_ = 0;
    std::unique_ptr<ContributorsChanged> contributors_;  // null: there never were any
    std::uint32_t contributors_told_ = 0;
    std::uint32_t descriptions_told_ = 0;
    std::vector<std::pair<std::uint32_t, std::string>> described_;  // SSRC, CNAME
    std::size_t left_ = 0;  // hash of what was last told of a source that left
    int probes_left_ = 0;
    std::uint16_t probe_sequence_ = 0;
    std::unique_ptr<std::array<RejectedState, kRejections>> rejected_;  // null: nothing was
    std::optional<LastSenderReport> last_sr_;
    std::unique_ptr<Feedback> feedback_;  // null: nothing to ask for, as of most audio
    std::uint64_t restored_ = 0;          // by packets of their own (RFC 4588)
    StreamCounters counters_;
};

}  // namespace earshot::capture
