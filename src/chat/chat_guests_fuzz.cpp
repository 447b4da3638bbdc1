// Any octets in the chats of others that we are in (one to which we have connected, one that
// connects to us, one behind a relay), in pieces: what goes out is whole requests and answers that
// the parser takes, and nothing is kept when all have gone. Each octet of three says whose turn it
// is and how long the piece is.
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

constexpr chat::SessionId kActive = 1;
constexpr chat::SessionId kPassive = 2;
constexpr chat::SessionId kRelayed = 3;

chat::GuestSetup setup(chat::SessionId session) {
    const std::string number = std::to_string(session);
    chat::GuestSetup made{.own = uri("msrp://a:1/" + number + ";tcp"),
                          .peer = {.path = {uri("msrp://x:1/" + number + ";tcp")}},
                          .address = "sip:u@x",
                          .room = "sip:r@r",
                          .max_bytes = 2000};
    if (session != kPassive) made.peer.connect_to = *base::parse_net_address("192.0.2.1:1");
    return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    base::ByteView rest{input, size};
    base::Now now{base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
    Wires wires;
    base::SeededRandom random(1);
    bool is_in = false;
    chat::Desk desk(
        wires, random, [](const chat::SwitchEvent&) {}, [](const chat::CopyEvent&) {},
        [](const chat::RoomEvent&) {},
        [&](const chat::GuestEvent& event) {
            is_in = is_in || event.kind == chat::GuestEvent::Kind::LoggedIn;
        });
    for (const chat::SessionId session : {kActive, kPassive, kRelayed}) {
        const chat::CopyKey key{.session = session, .subscription = 1};
        desk.copies().open(now, key, {});
        desk.copies().answer(now, key,
                             chat::CopyAnswer{.server = {.path = {uri("msrp://s:1/s;tcp")},
                                                         .own = uri("msrp://o:1/o;tcp"),
                                                         .types = {.accept_types = "*"},
                                                         .max_bytes = 4096},
                                              .connect_to = {}});
        desk.on_open(now, wires.last);
    }
    desk.guests().set(now, kActive, setup(kActive));
    const chat::ConnectionId active = wires.last;
    desk.guests().set(now, kPassive, setup(kPassive));
    desk.guests().log_in(
        now, kRelayed,
        {.uri = uri("msrp://r:1;tcp"),
         .connect_to = {},
         .own = uri("msrp://a:1/3;tcp"),
         .authorize = [](std::string_view challenge, std::string_view /*method*/,
                         std::string_view /*uri*/) { return std::string(challenge); }});
    const chat::ConnectionId relay = wires.last;
    desk.on_open(now, active);
    desk.on_open(now, relay);
    desk.on_open(now, 1);
    bool was_set = false;
    while (rest.size() > 2) {
        const std::uint8_t whose = rest[0];
        const std::size_t step = std::min<std::size_t>(1 + rest[1] % 255, rest.size() - 2);
        const base::ByteView piece = rest.subspan(2, step);
        rest = rest.subspan(2 + step);
        now.steady += std::chrono::milliseconds(10);
        switch (whose % 8) {
            case 4:
                now.steady += std::chrono::seconds(whose);
                desk.on_time(now);
                break;
            case 5:
                desk.guests().say(now, whose % 3 + 1, base::as_text(piece));
                break;
            case 6:
                desk.guests().set(now, kActive, setup(kActive));
                break;
            case 7:
                desk.on_closed(now, whose > 128 ? active : 1);
                break;
            default:
                desk.on_bytes(now, whose % 4 == 0 ? active : whose % 4 == 1 ? relay : 1, piece);
                break;
        }
        if (is_in && !std::exchange(was_set, true))
            desk.guests().set(now, kRelayed, setup(kRelayed));
    }
    for (const chat::SessionId session : {kActive, kPassive, kRelayed}) desk.close(now, session);
    now.steady += chat::kLastWords + chat::kUnboundTime;
    desk.on_time(now);
    const chat::Guests& guests = desk.guests();
    if (desk.copies().size() != 0 || guests.sessions() != 0) std::abort();
    if (guests.open_bytes() != 0 || guests.connections() != 0) std::abort();
    return 0;
}
