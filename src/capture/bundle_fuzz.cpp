// Any bytes as what arrives at a transport of several lines, RTP and RTCP. Each is of a line that
// is there, a known source stays with its line until something says otherwise, and nothing grows
// past its limit.
#include <cstdlib>
#include <memory>
#include <vector>

#include "capture/bundle.h"
#include "rtp/demux.h"

using namespace earshot;  // NOLINT(google-build-using-namespace): a test program of one function

namespace {

// Lines that share types and lines that do not, with the MID under one id, another, and none.
class Lines {
public:
    Lines() {
        add(0, {96, 0}, {.mid = "a", .mid_extension = 4, .ssrcs = {1, 2}});
        add(1, {96, 8}, {.mid = "b", .mid_extension = 4, .ssrcs = {}});
        add(2, {97}, {.mid = "c", .mid_extension = 200, .ssrcs = {}});
        add(3, {0, 97, 98}, {});
    }
    void take(base::ByteView datagram) {
        if (rtp::classify(datagram) == rtp::PacketKind::Rtcp) {
            std::vector<std::uint16_t> streams;
            bundle_.sort_rtcp(datagram, streams);
            if (streams.empty() || streams.size() > receivers_.size()) std::abort();
            for (const std::uint16_t stream : streams) require(stream);
        } else {
            const capture::Bundle::Sorted sorted = bundle_.sort(datagram);
            require(sorted.stream);
            bundle_.learn(sorted);
            using By = capture::Bundle::By;
            const capture::Bundle::Sorted again = bundle_.sort(datagram);
            if (sorted.is_news && (again.stream != sorted.stream || again.is_news)) std::abort();
            if (sorted.by == By::Foreign && again.by != By::Foreign) std::abort();
            receivers_[sorted.stream]->on_datagram(capture::SocketKind::Rtp, datagram, {}, ++now_);
            while (receivers_[sorted.stream]->poll_released()) {
            }
            while (receivers_[sorted.stream]->poll_event()) {
            }
        }
        while (bundle_.poll_assigned())
            if (++told_ > capture::kMaxAssignedEvents) std::abort();
    }
    void pause(std::uint16_t stream) {
        receivers_[stream]->pause(now_);
        receivers_[stream]->settle_pause({});
    }

private:
    void add(std::uint16_t stream, std::vector<std::uint8_t> types,
             const capture::BundleTerms& terms) {
        capture::StreamSetup setup;
        setup.key.stream = stream;
        for (const std::uint8_t type : types)
            setup.format.payload_types.push_back({.number = type, .encoding = "opus"});
        receivers_.push_back(std::make_unique<capture::StreamReceiver>(setup, 77U));
        bundle_.put(stream, *receivers_.back(), &terms);
    }
    void require(std::uint16_t stream) const {
        if (stream >= receivers_.size()) std::abort();
    }

    std::vector<std::unique_ptr<capture::StreamReceiver>> receivers_;
    capture::Bundle bundle_;
    std::int64_t now_ = 0;
    std::uint32_t told_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Lines lines;
    base::ByteView rest(bytes, size);
    while (!rest.empty()) {
        const std::size_t length = std::min<std::size_t>(rest[0], rest.size() - 1);
        if (rest[0] == 0xff) lines.pause(1);
        lines.take(rest.subspan(1, length));
        rest = rest.subspan(1 + length);
    }
    return 0;
}
