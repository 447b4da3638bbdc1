#include "archive/pcap_export.h"

#include <algorithm>
#include <map>

#include "archive/pcap_writer.h"

namespace earshot::archive {
namespace {

constexpr std::size_t kChunkBytes = 64ULL * 1024;
constexpr std::uint16_t kSipPort = 5060;  // where no message of ours names it
constexpr std::uint8_t kOverUdp = 0;
constexpr std::int64_t kWindowNs = 500'000'000;
constexpr std::size_t kMaxWaiting = 100'000;  // packets: half a second of 200,000 a second

base::NetAddress read_address(base::ByteView payload) {
    base::NetAddress address;
    std::copy_n(payload.begin(), address.ip.size(), address.ip.begin());
    address.port = base::load_u16(payload, address.ip.size());
    return address;
}

class PcapRendering : public Rendering {
public:
    PcapRendering(RecordingFacts facts, std::unique_ptr<PartRecords> packets,
                  std::unique_ptr<PartRecords> signalling)
        : facts_(std::move(facts)),
          packets_{.records = std::move(packets)},
          signalling_{.records = std::move(signalling)} {}

    base::Result<bool, base::Reason> next(std::string& chunk) override {
        base::Bytes out;
        if (!is_begun_) out = make_pcap_header();
        is_begun_ = true;
        while (out.size() < kChunkBytes) {
            if (auto failure = fill()) return *failure;
            if (waiting_.empty()) break;
            const auto first = waiting_.begin();
            add({first->second.header, first->second.payload}, out);
            waiting_.erase(first);
        }
        chunk = base::as_text(out);
        return !out.empty();
    }

private:
    struct Input {
        std::unique_ptr<PartRecords> records;
        std::int64_t newest_ns = INT64_MIN / 2;
        bool is_at_end = false;
    };

    struct Waiting {
        journal::RecordHeader header;
        base::Bytes payload;
    };

    // The journal holds the packets of one drain stream by stream, up to 200 ms out of order: what
    // is written next is the oldest of a window that is longer than that.
    std::optional<base::Reason> fill() {
        for (Input* input : {&packets_, &signalling_}) {
            while (!input->is_at_end && !is_window_full(*input)) {
                auto record = input->records->next();
                if (!record) return record.error();
                if (!record->has_value()) {
                    input->is_at_end = true;
                    break;
                }
                const journal::Record& taken = **record;
                input->newest_ns = std::max(input->newest_ns, taken.header.arrival_ns);
                waiting_.emplace(
                    taken.header.arrival_ns,
                    Waiting{taken.header, {taken.payload.begin(), taken.payload.end()}});
            }
        }
        return std::nullopt;
    }
    bool is_window_full(const Input& input) const {
        if (waiting_.size() >= kMaxWaiting) return true;
        return !waiting_.empty() && waiting_.begin()->first < input.newest_ns - kWindowNs;
    }

    // Our own end of the conversation, in the family of the peer.
    base::NetAddress local(const base::NetAddress& peer, std::uint16_t port) const {
        base::NetAddress address = facts_.local_host();
        if (address.is_unspecified()) {
            address =
                peer.is_loopback() ? peer : *base::parse_host(peer.is_v4() ? "0.0.0.0" : "::", 0);
        }
        address.port = port;
        return address;
    }

    void add(const journal::Record& record, base::Bytes& out) {
        const bool is_sip = record.header.type == journal::RecordType::SipMessage;
        const std::size_t envelope = is_sip ? 2 : 0;
        if (record.payload.size() < envelope + journal::kSourceSize) return;
        const base::NetAddress peer = read_address(record.payload.subspan(envelope));
        const base::ByteView payload = record.payload.subspan(envelope + journal::kSourceSize);
        if (is_sip) {
            const std::uint16_t port = facts_.local_sip_port();
            const base::NetAddress own = local(peer, port == 0 ? kSipPort : port);
            const bool is_incoming = record.payload[0] == 0;
            const base::NetAddress& from = is_incoming ? peer : own;
            const base::NetAddress& to = is_incoming ? own : peer;
            if (record.payload[1] == kOverUdp) {
                PcapWriter::add_udp(record.header.arrival_ns, from, to, payload, out);
            } else {
                writer_.add_tcp(record.header.arrival_ns, from, to, payload, out);
            }
            return;
        }
        const auto stream = facts_.streams().find(record.header.stream);
        std::uint16_t port = stream == facts_.streams().end() ? 0 : stream->second.local_port;
        if (record.header.type == journal::RecordType::Rtcp && port != 0) ++port;
        PcapWriter::add_udp(record.header.arrival_ns, peer, local(peer, port), payload, out);
    }

    RecordingFacts facts_;
    Input packets_;
    Input signalling_;
    std::multimap<std::int64_t, Waiting> waiting_;  // by arrival
    PcapWriter writer_;
    bool is_begun_ = false;
};

}  // namespace

base::Result<std::unique_ptr<Rendering>, base::Reason> render_pcap(
    const StoredRecording& recording) {
    auto packets = recording.open("packets");
    if (!packets) return packets.error();
    auto signalling = recording.open("signalling");
    if (!signalling) return signalling.error();
    return std::unique_ptr<Rendering>(std::make_unique<PcapRendering>(
        recording.facts(), std::make_unique<PartRecords>(std::move(*packets), "packets"),
        std::make_unique<PartRecords>(std::move(*signalling), "signalling")));
}

}  // namespace earshot::archive
