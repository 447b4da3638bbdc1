// Any octets from both parties and from a recording server, in pieces: what goes to one connection
// is whole requests and answers that the parser takes, whoever wrote what, and memory stays within
// its limits. Each octet of three says whose turn it is and how long the piece is.
#include <cstdlib>
#include <map>

#include "chat/desk.h"
#include "chat/limits.h"
#include "msrp/stream_parser.h"

namespace {

using namespace earshot;

class Wires : public chat::Network {
public:
    void send(chat::ConnectionId connection, std::string bytes) override {
        msrp::StreamParser& parser = parsers_[connection];
        parser.feed(base::as_bytes(bytes));
        while (auto event = parser.poll_event())
            if (std::holds_alternative<msrp::StreamBroken>(*event)) std::abort();
    }
    void close(chat::ConnectionId /*connection*/) override {}
    void set_reading(chat::ConnectionId /*connection*/, bool /*reading*/) override {}
    chat::ConnectionId connect(const base::NetAddress& /*to*/,
                               const std::string& /*tls_name*/) override {
        return ++last;
    }
    std::optional<base::Reason> find_fault(
        chat::ConnectionId /*connection*/,
        const std::vector<base::CertificateFingerprint>& /*told*/) override {
        return std::nullopt;
    }
    std::size_t queued_bytes(chat::ConnectionId /*connection*/) const override { return 0; }
    chat::ConnectionId last = 100;

private:
    std::map<chat::ConnectionId, msrp::StreamParser> parsers_;
};

msrp::Uri uri(std::string_view text) { return *msrp::parse_uri(text); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    base::ByteView rest{input, size};
    base::Now now{base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
    Wires wires;
    base::SeededRandom random(1);
    chat::Desk desk(
        wires, random, [](const chat::SwitchEvent&) {}, [](const chat::CopyEvent&) {});
    desk.chats().set_own(now, 1, chat::Side::A, uri("msrp://a:1/a;tcp"));
    desk.chats().set_own(now, 1, chat::Side::B, uri("msrp://b:1/b;tcp"));
    desk.chats().set_peer(now, 1, chat::Side::A, {.path = {uri("msrp://x:1/x;tcp")}});
    desk.chats().set_peer(now, 1, chat::Side::B, {.path = {uri("msrp://y:1/y;tcp")}});
    desk.copies().open(now, {.session = 1, .subscription = 1}, {});
    desk.copies().answer(
        now, {.session = 1, .subscription = 1},
        chat::CopyAnswer{
            .server = {.path = {uri("msrp://s:1/s;tcp")},
                       .own = uri("msrp://o:1/o;tcp"),
                       .types = {.accept_types = "application/msrp-recording message/cpim *"},
                       .max_bytes = 4096},
            .connect_to = {}});
    const chat::ConnectionId server = wires.last;
    desk.on_open(now, server);
    desk.on_open(now, 1);
    desk.on_open(now, 2);
    while (rest.size() > 2) {
        const std::uint8_t whose = rest[0];
        const std::size_t step = std::min<std::size_t>(1 + rest[1] % 255, rest.size() - 2);
        const base::ByteView piece = rest.subspan(2, step);
        rest = rest.subspan(2 + step);
        now.steady += std::chrono::milliseconds(10);
        switch (whose % 8) {
            case 0:
            case 1:
            case 2:
                desk.on_bytes(now, 1, piece);
                break;
            case 3:
            case 4:
                desk.on_bytes(now, 2, piece);
                break;
            case 5:
                desk.on_bytes(now, server, piece);
                break;
            case 6:
                now.steady += std::chrono::seconds(whose / 8);
                desk.on_time(now);
                break;
            default:
                desk.copies().pause(now, {.session = 1, .subscription = 1});
                break;
        }
    }
    desk.close(now, 1);
    now.steady += chat::kLastWords;
    desk.on_time(now);
    if (desk.copies().size() != 0 || desk.chats().sessions() != 0) std::abort();
    return 0;
}
