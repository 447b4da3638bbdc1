// Any octets, in pieces: content stays below the limit of its message, each message that begins
// ends once, nothing is told after its end. The first octet says how the stream is cut.
#include <cstdlib>
#include <map>

#include "msrp/limits.h"
#include "msrp/receiver.h"

namespace {

using namespace earshot;

constexpr std::uint64_t kMaxBytes = 300;

class OneSession : public msrp::Sessions {
public:
    std::optional<Found> find(const msrp::Uri& to) override {
        if (to.session_id.empty() || to.session_id.front() == '!') return std::nullopt;
        return Found{.session = static_cast<msrp::SessionNumber>(to.session_id.size()),
                     .own = to,
                     .max_bytes = kMaxBytes};
    }
};

struct Observer {
    std::map<msrp::MessageNumber, bool> is_open;

    void on(const msrp::BeginMessage& what) {
        if (!is_open.emplace(what.message, true).second) std::abort();
    }
    void on(const msrp::MessageContent& what) const {
        if (!is_open.at(what.message) || what.bytes.empty()) std::abort();
        if (what.offset + what.bytes.size() > kMaxBytes) std::abort();
    }
    void on(const msrp::EndMessage& what) {
        if (!std::exchange(is_open.at(what.message), false)) std::abort();
        if (what.how == msrp::EndMessage::How::Complete && what.octets < what.total) std::abort();
    }
    template <class Other>
    void on(const Other& /*what*/) {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = 1 + input[0] % 61;
    base::ByteView bytes{input + 1, size - 1};
    OneSession sessions;
    base::SeededRandom random(1);
    msrp::Receiver receiver(sessions, random);
    Observer observer;
    const auto drain = [&] {
        while (auto action = receiver.poll_action()) {
            std::visit([&](const auto& what) { observer.on(what); }, *action);
        }
    };
    while (!bytes.empty()) {
        const base::ByteView piece = bytes.first(std::min(step, bytes.size()));
        bytes = bytes.subspan(piece.size());
        receiver.on_bytes(piece);
        drain();
        receiver.on_durable(piece[0] % 4U);
        if (piece[0] == 0xff) receiver.on_paused(static_cast<msrp::SessionNumber>(piece.size()));
        drain();
    }
    receiver.on_connection_lost();
    drain();
    if (receiver.open_messages() != 0) std::abort();
    for (const auto& [message, open] : observer.is_open) {
        if (open) std::abort();
    }
    return 0;
}
